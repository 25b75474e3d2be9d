//! Index life cycle and metadata.

use serde_json::json;

use crate::node::Node;

const BODY: &str = r#"{"settings": {"number_of_shards": 2, "index.number_of_replicas": 0},
    "mappings": {"properties": {"name": {"type": "keyword"}}}, "aliases": {"all": {}}}"#;

#[tokio::test]
async fn an_index_lives_from_creation_to_deletion() {
    let node = Node::start().await;
    let created = node.put("/orders", BODY).await.expect(200);
    assert_eq!(
        created,
        json!({"acknowledged": true, "shards_acknowledged": true, "index": "orders"})
    );
    node.put("/orders", "")
        .await
        .refused(400, "resource_already_exists_exception");
    node.put("/Wrong", "")
        .await
        .refused(400, "invalid_index_name_exception");
    assert_eq!(
        (node.head("/orders").await, node.head("/other").await),
        (200, 404)
    );

    let whole = node.get("/orders/").await.expect(200);
    assert_eq!(whole["orders"]["aliases"], json!({"all": {}}));
    assert_eq!(
        whole["orders"]["mappings"]["properties"]["name"]["type"],
        "keyword"
    );
    assert_eq!(whole["orders"]["settings"]["index"]["number_of_shards"], "2");
    assert!(whole["orders"]["settings"]["index"]["uuid"].is_string());

    let closed = node.post("/orders/_close", "").await.expect(200);
    assert_eq!(closed["indices"], json!({"orders": {"closed": true}}));
    node.post("/orders/_search", "{}")
        .await
        .refused(400, "index_closed_exception");
    assert_eq!(
        node.post("/orders/_open", "").await.expect(200)["shards_acknowledged"],
        true
    );
    let refreshed = node.post("/orders/_refresh", "").await.expect(200);
    assert_eq!(
        refreshed,
        json!({"_shards": {"total": 2, "successful": 2, "failed": 0}})
    );
    node.post("/orders/_flush?force=true", "").await.expect(200);
    for (wanted, acknowledged) in [("1", true), ("2", false), ("all", true)] {
        let path = format!("/orders/_open?wait_for_active_shards={wanted}");
        assert_eq!(
            node.post(&path, "").await.expect(200)["shards_acknowledged"],
            acknowledged,
            "{wanted}"
        );
    }
    let two = node.put("/two?wait_for_active_shards=all", "").await.expect(200);
    assert_eq!(
        two["shards_acknowledged"], false,
        "the replica has no node to be on"
    );
    node.put("/three?wait_for_active_shards=some", "")
        .await
        .refused(400, "illegal_argument_exception");
    assert_eq!(node.head("/three").await, 404);

    node.delete("/*").await.refused(400, "illegal_argument_exception");
    node.delete("/orders").await.expect(200);
    node.delete("/orders")
        .await
        .refused(404, "index_not_found_exception");
}

#[tokio::test]
async fn mappings_and_settings_are_changed_and_shown() {
    let node = Node::start().await;
    node.put("/orders", BODY).await.expect(200);
    node.put("/orders/_mapping", r#"{"properties": {"n": {"type": "long"}}}"#)
        .await
        .expect(200);
    let conflict = node
        .put(
            "/orders/_mapping",
            r#"{"properties": {"n": {"type": "keyword"}}}"#,
        )
        .await;
    assert_eq!(conflict.expect(400)["status"], 400);
    let mapping = node.get("/orders/_mapping").await.expect(200);
    assert_eq!(mapping["orders"]["mappings"]["properties"]["n"]["type"], "long");

    node.put("/orders/_settings", r#"{"index": {"refresh_interval": "5s"}}"#)
        .await
        .expect(200);
    node.put("/orders/_settings", r#"{"number_of_shards": 9}"#)
        .await
        .refused(400, "illegal_argument_exception");
    let reason = node
        .put(
            "/orders/_settings",
            r#"{"analysis": {"analyzer": {"a": {"type": "english"}}}}"#,
        )
        .await
        .refused(400, "illegal_argument_exception");
    assert!(reason.contains("[index.analysis.analyzer.a.type]"), "{reason}");
    let settings = node.get("/orders/_settings?flat_settings").await.expect(200);
    assert_eq!(settings["orders"]["settings"]["index.refresh_interval"], "5s");
    let one = node.get("/orders/_settings/index.refresh*").await.expect(200);
    assert_eq!(
        one,
        json!({"orders": {"settings": {"index": {"refresh_interval": "5s"}}}})
    );
}

#[tokio::test]
async fn aliases_are_added_found_and_removed() {
    let node = Node::start().await;
    node.put("/a1", "").await.expect(200);
    node.put("/a2", "").await.expect(200);
    node.put("/a1/_alias/one", r#"{"routing": "r"}"#)
        .await
        .expect(200);
    let actions = r#"{"actions": [{"add": {"indices": ["a*"], "alias": "both"}}, {"remove": {"index": "a1", "alias": "one"}}]}"#;
    node.post("/_aliases", actions).await.expect(200);
    assert_eq!(
        (
            node.head("/_alias/both").await,
            node.head("/_alias/one").await,
            node.head("/a1").await
        ),
        (200, 404, 200)
    );
    let both = node.get("/_alias/both").await.expect(200);
    assert_eq!(
        both,
        json!({"a1": {"aliases": {"both": {}}}, "a2": {"aliases": {"both": {}}}})
    );
    let missing = node.get("/_alias/both,none").await.expect(404);
    assert_eq!(
        (&missing["error"], &missing["a1"]),
        (&json!("alias [none] missing"), &json!({"aliases": {"both": {}}}))
    );
    assert_eq!(
        node.get("/a1/_alias").await.expect(200),
        json!({"a1": {"aliases": {"both": {}}}})
    );
    node.delete("/a1/_alias/none")
        .await
        .refused(404, "aliases_not_found_exception");
    node.delete("/a1/_alias/both").await.expect(200);
    let half =
        r#"{"actions": [{"add": {"index": "a1", "alias": "x"}}, {"add": {"index": "gone", "alias": "x"}}]}"#;
    node.post("/_aliases", half)
        .await
        .refused(404, "index_not_found_exception");
    assert_eq!(node.head("/_alias/x").await, 404, "all actions or none");
}

#[tokio::test]
async fn stats_show_shards_with_their_history() {
    let node = Node::start().await;
    node.put("/orders", r#"{"settings": {"number_of_replicas": 0}}"#)
        .await
        .expect(200);
    node.put("/orders/_doc/1?refresh", r#"{"a": 1}"#)
        .await
        .expect(201);
    node.put("/orders/_doc/1?refresh", r#"{"a": 2}"#)
        .await
        .expect(200);
    let stats = node.get("/orders/_stats?level=shards").await.expect(200);
    assert_eq!(stats["_all"]["primaries"]["docs"]["count"], 1);
    assert_eq!(stats["indices"]["orders"]["health"], "green");
    let shard = &stats["indices"]["orders"]["shards"]["0"][0];
    assert_eq!(
        shard["seq_no"],
        json!({"max_seq_no": 1, "local_checkpoint": 1, "global_checkpoint": 1})
    );
    assert_eq!(shard["live_set"]["count"], 1);
    assert!(shard["live_set"]["digest"].as_str().unwrap().len() >= 16);
    assert!(shard["commit"]["user_data"]["history_uuid"].is_string());
    assert_eq!(shard["retention_leases"]["leases"], json!([]));
    assert!(
        node.get("/_stats/docs").await.expect(200)["_all"]["total"]
            .get("store")
            .is_none()
    );
    node.put(
        "/copied",
        r#"{"settings": {"number_of_shards": 2, "number_of_replicas": 1}}"#,
    )
    .await
    .expect(200);
    node.until("/copied/_stats", |stats| {
        stats["_shards"] == json!({"total": 4, "successful": 2, "failed": 0})
    })
    .await;
    node.post("/copied/_flush", "").await.expect(200);
    let stats = node.get("/copied/_stats?human").await.expect(200);
    let section = &stats["indices"]["copied"]["primaries"];
    assert_eq!(section["flush"], json!({"total": 2, "periodic": 0}));
    assert_eq!(
        section["recovery"],
        json!({"current_as_source": 0, "current_as_target": 0, "throttle_time_in_millis": 0, "throttle_time": "0s"})
    );
    assert_eq!(
        section["fielddata"],
        json!({"memory_size_in_bytes": 0, "memory_size": "0b", "evictions": 0})
    );
    node.get("/_stats/nonsense")
        .await
        .refused(400, "illegal_argument_exception");
}
