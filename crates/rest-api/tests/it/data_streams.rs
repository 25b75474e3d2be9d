//! Data streams: their life, what is written to them, and what their name stands for.

use serde_json::{Value, json};

use crate::node::Node;
use crate::replication::connected;

async fn with_template() -> Node {
    let node = Node::start().await;
    let template = json!({
        "index_patterns": ["logs-*"], "data_stream": {}, "_meta": {"by": "me"},
        "template": {"settings": {"number_of_replicas": 0}, "mappings": {"properties": {"n": {"type": "long"}}}}
    });
    node.put("/_index_template/logs", &template.to_string())
        .await
        .expect(200);
    node
}

/// The names of the backing indices.
async fn backing(node: &Node, stream: &str) -> Vec<String> {
    let found = node.get(&format!("/_data_stream/{stream}")).await.expect(200);
    let indices = found["data_streams"][0]["indices"].as_array().unwrap().clone();
    indices
        .iter()
        .map(|index| index["index_name"].as_str().unwrap().to_owned())
        .collect()
}

const DOCUMENT: &str = r#"{"@timestamp": "2031-04-09T10:00:00Z", "n": 1}"#;

#[tokio::test]
async fn a_data_stream_is_created_shown_and_deleted() {
    let node = with_template().await;
    assert_eq!(
        node.get("/_data_stream").await.expect(200),
        json!({"data_streams": []})
    );
    let created = node.put("/_data_stream/logs-app", "").await.expect(200);
    assert_eq!(created, json!({"acknowledged": true}));
    node.put("/_data_stream/logs-app", "")
        .await
        .refused(400, "resource_already_exists_exception");
    let none = node.put("/_data_stream/other", "").await;
    let none = none.refused(400, "illegal_argument_exception");
    assert!(none.contains("no matching index template found for data stream [other]"));

    let found = node.get("/_data_stream/logs-*").await.expect(200);
    let stream = &found["data_streams"][0];
    let index = stream["indices"][0]["index_name"].as_str().unwrap();
    assert!(
        index.starts_with(".ds-logs-app-") && index.ends_with("-000001"),
        "{index}"
    );
    let uuid = stream["indices"][0]["index_uuid"].clone();
    assert_eq!(
        *stream,
        json!({
            "name": "logs-app", "timestamp_field": {"name": "@timestamp"}, "generation": 1, "status": "GREEN", "template": "logs",
            "indices": [{"index_name": index, "index_uuid": uuid, "prefer_ilm": true, "managed_by": "Unmanaged"}],
            "_meta": {"by": "me"}, "next_generation_managed_by": "Unmanaged", "prefer_ilm": true, "hidden": false, "system": false,
            "allow_custom_routing": false, "replicated": false, "rollover_on_write": false
        })
    );
    let shown = node.get("/logs-app").await.expect(200);
    let shown = &shown[index];
    assert_eq!(shown["data_stream"], "logs-app");
    assert_eq!(shown["settings"]["index"]["hidden"], "true");
    assert_eq!(
        shown["mappings"],
        json!({
            "_data_stream_timestamp": {"enabled": true},
            "properties": {"@timestamp": {"type": "date"}, "n": {"type": "long"}}
        })
    );
    let template = node.get("/_index_template/logs").await.expect(200);
    assert_eq!(
        template["index_templates"][0]["index_template"]["data_stream"],
        json!({"hidden": false, "allow_custom_routing": false})
    );
    node.delete("/_index_template/logs")
        .await
        .refused(400, "illegal_argument_exception");
    node.put("/logs-other", "")
        .await
        .refused(400, "illegal_argument_exception");
    for call in [
        node.get("/_data_stream/none").await,
        node.delete("/_data_stream/none").await,
    ] {
        call.refused(404, "index_not_found_exception");
    }
    for path in ["/_data_stream/_migrate/logs", "/_data_stream/_modify"] {
        node.post(path, "")
            .await
            .refused(400, "unsupported_operation_exception");
    }
    node.delete("/_data_stream/logs-a*").await.expect(200);
    assert_eq!(node.head(&format!("/{index}")).await, 404);
    assert_eq!(
        node.get("/_data_stream").await.expect(200),
        json!({"data_streams": []})
    );
    node.delete("/_index_template/logs").await.expect(200);
}

#[tokio::test]
async fn the_first_document_creates_the_stream_and_only_creates_are_taken() {
    let node = with_template().await;
    let only_creates = "only write ops with an op_type of create are allowed in data streams";
    let refused = node.put("/logs-a/_doc/1", DOCUMENT).await;
    assert!(
        refused
            .refused(400, "illegal_argument_exception")
            .contains(only_creates)
    );
    node.get("/_data_stream/logs-a")
        .await
        .refused(404, "index_not_found_exception");
    let written = node.post("/logs-a/_doc?refresh", DOCUMENT).await.expect(201);
    let index = written["_index"].as_str().unwrap().to_owned();
    assert!(index.starts_with(".ds-logs-a-"), "{index}");
    node.put("/logs-a/_create/1?require_data_stream=true", DOCUMENT)
        .await
        .expect(201);
    node.put("/plain/_create/1?require_data_stream=true", DOCUMENT)
        .await
        .refused(404, "index_not_found_exception");
    assert_eq!(node.head("/plain").await, 404);

    let missing = node.put("/logs-a/_create/2", r#"{"n": 1}"#).await.expect(400);
    assert_eq!(missing["error"]["type"], "document_parsing_exception");
    assert_eq!(
        missing["error"]["caused_by"],
        json!({"type": "illegal_argument_exception", "reason": "data stream timestamp field [@timestamp] is missing"})
    );
    node.put("/logs-a/_create/3?routing=r", DOCUMENT)
        .await
        .refused(400, "illegal_argument_exception");
    for (path, body) in [
        ("/logs-a/_update/1", r#"{"doc": {"n": 2}}"#),
        ("/logs-a/_doc/1?op_type=index", DOCUMENT),
    ] {
        let refused = node.post(path, body).await;
        assert!(
            refused
                .refused(400, "illegal_argument_exception")
                .contains(only_creates)
        );
    }
    node.delete("/logs-a/_doc/1")
        .await
        .refused(400, "illegal_argument_exception");
    node.get("/logs-a/_doc/1")
        .await
        .refused(404, "index_not_found_exception");

    // By the name of the backing index.
    let found = node.get(&format!("/{index}/_doc/1")).await.expect(200);
    let seq_no = found["_seq_no"].as_u64().unwrap();
    for path in [format!("/{index}/_doc/1"), format!("/{index}/_create/9")] {
        let refused = node.put(&path, DOCUMENT).await;
        let refused = refused.refused(400, "illegal_argument_exception");
        assert!(
            refused.contains("target corresponding data stream [logs-a] instead"),
            "{refused}"
        );
    }
    node.put(
        &format!("/{index}/_doc/1?if_seq_no={seq_no}&if_primary_term=1"),
        DOCUMENT,
    )
    .await
    .expect(200);
    node.post(&format!("/{index}/_update/1"), r#"{"doc": {"n": 3}}"#)
        .await
        .expect(200);
    node.delete(&format!("/{index}/_doc/1")).await.expect(200);
}

#[tokio::test]
async fn bulk_items_create_streams_and_each_gets_its_answer() {
    let node = with_template().await;
    let lines = [
        r#"{"index": {"_index": "logs-b"}}"#,
        DOCUMENT,
        r#"{"create": {"_index": "logs-b", "_id": "1"}}"#,
        DOCUMENT,
        r#"{"delete": {"_index": "logs-b", "_id": "1"}}"#,
        r#"{"create": {"_index": "logs-c"}}"#,
        r#"{"n": 1}"#,
        r#"{"index": {"_index": "logs-d", "_id": "1"}}"#,
        DOCUMENT,
        r#"{"index": {"_index": "plain", "_id": "1"}}"#,
        DOCUMENT,
    ];
    let answer = node
        .post("/_bulk?refresh", &format!("{}\n", lines.join("\n")))
        .await
        .expect(200);
    let items: Vec<(u64, String)> = answer["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let (_, item) = item.as_object().unwrap().iter().next().unwrap();
            let kind = item["error"]["type"].as_str().unwrap_or_default();
            (item["status"].as_u64().unwrap(), kind.to_owned())
        })
        .collect();
    let refused = (400, "illegal_argument_exception".to_owned());
    let done = (201, String::new());
    let expected = [
        refused.clone(),
        done.clone(),
        refused.clone(),
        (400, "document_parsing_exception".to_owned()),
        refused,
        done,
    ];
    assert_eq!(items, expected);
    let names = |answer: Value| -> Vec<String> {
        let streams = answer["data_streams"].as_array().unwrap().clone();
        streams
            .iter()
            .map(|stream| stream["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names(node.get("/_data_stream").await.expect(200)),
        ["logs-b", "logs-c"]
    );
}

#[tokio::test]
async fn the_name_of_a_stream_stands_for_its_backing_indices() {
    let node = with_template().await;
    node.post("/logs-a/_doc?refresh", DOCUMENT).await.expect(201);
    let rolled = node.post("/logs-a/_rollover", "").await.expect(200);
    assert_eq!(
        (&rolled["rolled_over"], &rolled["acknowledged"]),
        (&json!(true), &json!(true))
    );
    let later = r#"{"@timestamp": "2031-05-09T10:00:00Z", "n": 2}"#;
    let second = node.post("/logs-a/_doc?refresh", later).await.expect(201);
    assert_eq!(second["_index"], rolled["new_index"]);
    let indices = backing(&node, "logs-a").await;
    assert_eq!(json!(indices), json!([rolled["old_index"], rolled["new_index"]]));

    for expression in ["logs-a", "logs-*", "_all"] {
        let count = node.get(&format!("/{expression}/_count")).await.expect(200);
        assert_eq!(count["count"], 2, "{expression}");
    }
    let found = node
        .post("/logs-a/_search", r#"{"sort": [{"@timestamp": "desc"}]}"#)
        .await
        .expect(200);
    assert_eq!(found["hits"]["hits"][0]["_index"], json!(indices[1]));
    let keys = |answer: &Value| -> Vec<String> { answer.as_object().unwrap().keys().cloned().collect() };
    for path in ["/logs-a/_mapping", "/logs-a/_settings", "/logs-a"] {
        assert_eq!(keys(&node.get(path).await.expect(200)), indices, "{path}");
    }
    let stats = node.get("/logs-a/_stats").await.expect(200);
    assert_eq!(keys(&stats["indices"]), indices);
    let table = node.get("/_cat/indices?h=index&s=index").await;
    let rows: Vec<String> = table.text().lines().map(|row| row.trim().to_owned()).collect();
    assert_eq!(rows, indices);

    let resolved = node.get("/_resolve/index/logs*").await.expect(200);
    assert_eq!(
        resolved,
        json!({"indices": [], "aliases": [], "data_streams": [
            {"name": "logs-a", "backing_indices": indices, "timestamp_field": "@timestamp"}
        ]})
    );
    let resolved = node
        .get(&format!("/_resolve/index/{}", indices[0]))
        .await
        .expect(200);
    assert_eq!(resolved["indices"][0]["data_stream"], "logs-a");
    let sizes = node.get("/_data_stream/_stats").await.expect(200);
    assert_eq!(
        (
            &sizes["data_stream_count"],
            &sizes["backing_indices"],
            &sizes["_shards"]["total"]
        ),
        (&json!(1), &json!(2), &json!(2))
    );
    assert_eq!(
        sizes["data_streams"][0]["maximum_timestamp"],
        json!(1_936_087_200_000_u64)
    );
    let field = r#"{"properties": {"more": {"type": "keyword"}}}"#;
    node.put("/logs-a/_mapping", field).await.expect(200);
    let mapped = node.get("/logs-a/_mapping/field/more").await.expect(200);
    assert_eq!(keys(&mapped), indices);

    let query = r#"{"query": {"term": {"n": 1}}}"#;
    let updated = node
        .post("/logs-a/_update_by_query?refresh", "")
        .await
        .expect(200);
    assert_eq!(updated["updated"], 2);
    let deleted = node
        .post("/logs-a/_delete_by_query?refresh", query)
        .await
        .expect(200);
    assert_eq!(deleted["deleted"], 1);
    let copied = node
        .post(
            "/_reindex?refresh",
            r#"{"source": {"index": "logs-a"}, "dest": {"index": "logs-b", "op_type": "create"}}"#,
        )
        .await
        .expect(200);
    assert_eq!(copied["created"], 1);
    assert_eq!(node.get("/logs-b/_count").await.expect(200)["count"], 1);
}

#[tokio::test]
async fn what_would_leave_a_stream_without_its_write_index_is_refused() {
    let node = with_template().await;
    node.put("/_data_stream/logs-a", "").await.expect(200);
    let conditions = r#"{"conditions": {"max_docs": 1}}"#;
    let waits = node.post("/logs-a/_rollover", conditions).await.expect(200);
    assert_eq!(waits["rolled_over"], false);
    let dry = node.post("/logs-a/_rollover?dry_run", "").await.expect(200);
    assert_eq!(
        (&dry["rolled_over"], &dry["dry_run"]),
        (&json!(false), &json!(true))
    );
    node.post("/logs-a/_rollover/named", "")
        .await
        .refused(400, "illegal_argument_exception");
    node.post("/logs-a/_rollover", r#"{"settings": {"priority": 1}}"#)
        .await
        .refused(400, "illegal_argument_exception");
    node.post("/logs-a/_rollover", "").await.expect(200);
    let indices = backing(&node, "logs-a").await;

    let refused = node.delete(&format!("/{}", indices[1])).await;
    let refused = refused.refused(400, "illegal_argument_exception");
    assert!(
        refused.contains("is the write index for data stream [logs-a] and cannot be deleted"),
        "{refused}"
    );
    let refused = node.delete("/logs-a").await;
    let refused = refused.refused(400, "illegal_argument_exception");
    assert!(refused.contains("matches a data stream"), "{refused}");
    for path in [format!("/{}/_close", indices[1]), "/logs-a/_close".to_owned()] {
        let refused = node.post(&path, "").await;
        let refused = refused.refused(400, "illegal_argument_exception");
        assert!(refused.contains("data stream write indices"), "{refused}");
    }
    node.put("/logs-a/_alias/x", "")
        .await
        .refused(400, "illegal_argument_exception");
    node.put("/plain", r#"{"aliases": {"logs-alias": {}}}"#)
        .await
        .expect(200);
    node.put("/plain/_alias/logs-a", "")
        .await
        .refused(400, "invalid_alias_name_exception");
    node.put("/_data_stream/logs-alias", "")
        .await
        .refused(400, "illegal_argument_exception");

    node.post(&format!("/{}/_close", indices[0]), "")
        .await
        .expect(200);
    node.post(&format!("/{}/_open", indices[0]), "").await.expect(200);
    node.delete(&format!("/{}", indices[0])).await.expect(200);
    assert_eq!(backing(&node, "logs-a").await, indices[1..]);
    assert_eq!(
        node.get("/_data_stream/logs-a").await.expect(200)["data_streams"][0]["generation"],
        2
    );
}

#[tokio::test]
async fn a_hidden_stream_is_found_by_its_name_and_may_take_routings() {
    let node = Node::start().await;
    let template =
        r#"{"index_patterns": ["shy"], "data_stream": {"hidden": true, "allow_custom_routing": true}}"#;
    node.put("/_index_template/t", template).await.expect(200);
    node.post("/shy/_doc?refresh&routing=r", DOCUMENT)
        .await
        .expect(201);
    for (path, expected) in [
        ("/shy/_count", 1),
        ("/s*/_count", 0),
        ("/s*/_count?expand_wildcards=all", 1),
        ("/_all/_count", 0),
    ] {
        assert_eq!(node.get(path).await.expect(200)["count"], expected, "{path}");
    }
    for (path, expected) in [
        ("/_data_stream", 0),
        ("/_data_stream?expand_wildcards=hidden", 1),
        ("/_data_stream/shy", 1),
    ] {
        let found = node.get(path).await.expect(200);
        assert_eq!(
            found["data_streams"].as_array().unwrap().len(),
            expected,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_replicated_stream_is_shown_as_such_and_promoted() {
    let (leader, follower) = connected().await;
    let template = json!({"index_patterns": ["logs-*"], "data_stream": {}, "template": {"settings": {"number_of_replicas": 0}}});
    leader
        .put("/_index_template/logs", &template.to_string())
        .await
        .expect(200);
    leader.post("/logs-a/_doc", DOCUMENT).await.expect(201);
    let index = backing(&leader, "logs-a").await.remove(0);
    let follow = |leader_index: &str| {
        json!({"remote_cluster": "lisbon", "leader_index": leader_index, "data_stream_name": "logs-b", "read_poll_timeout": "100ms"})
            .to_string()
    };
    let copy = index.replace("-a-", "-b-");
    let path = format!("/{copy}/_ccr/follow?wait_for_active_shards=1");
    for (leader_index, kind) in [
        ("logs-a", "illegal_argument_exception"),
        ("orders", "illegal_argument_exception"),
    ] {
        follower
            .put(&path, &follow(leader_index))
            .await
            .refused(400, kind);
    }
    let followed = follower.put(&path, &follow(&index)).await.expect(200);
    assert_eq!(
        followed,
        json!({"follow_index_created": true, "follow_index_shards_acked": true, "index_following_started": true})
    );
    let shown = follower.get("/_data_stream/logs-b").await.expect(200);
    let stream = &shown["data_streams"][0];
    assert_eq!(
        (
            &stream["replicated"],
            &stream["generation"],
            stream.get("template")
        ),
        (&json!(true), &json!(1), None)
    );
    assert_eq!(stream["indices"][0]["index_name"], json!(copy));
    follower
        .until("/logs-b/_search", |found| found["hits"]["total"]["value"] == 1)
        .await;
    follower
        .post("/logs-b/_doc", DOCUMENT)
        .await
        .refused(403, "status_exception");
    follower
        .post("/logs-b/_rollover", "")
        .await
        .refused(400, "illegal_argument_exception");

    follower
        .post("/_data_stream/_promote/none", "")
        .await
        .refused(404, "resource_not_found_exception");
    let promoted = follower.post("/_data_stream/_promote/logs-b", "").await;
    assert_eq!(promoted.expect(200), json!({"acknowledged": true}));
    let warning = promoted.header("warning");
    assert!(
        warning.starts_with("299 ")
            && warning.contains("\"data stream [logs-b] has no matching index template"),
        "{warning}"
    );
    follower
        .put("/_index_template/logs", &template.to_string())
        .await
        .expect(200);
    let promoted = follower.post("/_data_stream/_promote/logs-b", "").await;
    promoted.expect(200);
    assert_eq!(promoted.headers.get("warning"), None);
    let rolled = follower.post("/logs-b/_rollover", "").await.expect(200);
    let written = follower.post("/logs-b/_doc?refresh", DOCUMENT).await.expect(201);
    assert_eq!(written["_index"], rolled["new_index"]);
    for step in ["_ccr/pause_follow", "_close", "_ccr/unfollow", "_open"] {
        follower.post(&format!("/{copy}/{step}"), "").await.expect(200);
    }
    follower
        .until("/logs-b/_search", |found| found["hits"]["total"]["value"] == 2)
        .await;
}
