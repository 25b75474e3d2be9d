//! Rolling aliases over, and what an expression names.

use serde_json::json;

use crate::node::Node;
use crate::replication::{FOLLOW, connected};

async fn with_logs() -> Node {
    let node = Node::start().await;
    node.put(
        "/logs-000001",
        r#"{"settings": {"number_of_replicas": 0}, "aliases": {"logs": {"is_write_index": true}}}"#,
    )
    .await
    .expect(200);
    node
}

#[tokio::test]
async fn an_alias_is_rolled_over_to_an_index_that_templates_and_body_describe() {
    let node = with_logs().await;
    node.put(
        "/_index_template/logs",
        r#"{"index_patterns": ["logs-*"], "template": {"settings": {"number_of_shards": 2, "number_of_replicas": 0}}}"#,
    )
    .await
    .expect(200);
    let body = r#"{"settings": {"refresh_interval": "9s"}, "mappings": {"properties": {"n": {"type": "long"}}}, "aliases": {"more": {}}}"#;
    let dry = node.post("/logs/_rollover?dry_run", body).await.expect(200);
    let answer = |done: bool| {
        json!({
            "acknowledged": done, "shards_acknowledged": done, "old_index": "logs-000001", "new_index": "logs-000002",
            "rolled_over": done, "dry_run": !done, "lazy": false, "conditions": {}
        })
    };
    assert_eq!(dry, answer(false));
    assert_eq!(node.head("/logs-000002").await, 404);
    assert_eq!(node.post("/logs/_rollover", body).await.expect(200), answer(true));

    let all = node.get("/logs-*").await.expect(200);
    assert_eq!(
        all["logs-000001"]["aliases"],
        json!({"logs": {"is_write_index": false}})
    );
    let new = &all["logs-000002"];
    assert_eq!(
        new["aliases"],
        json!({"logs": {"is_write_index": true}, "more": {}})
    );
    assert_eq!(new["mappings"]["properties"], json!({"n": {"type": "long"}}));
    let settings = &new["settings"]["index"];
    assert_eq!(
        (&settings["number_of_shards"], &settings["refresh_interval"]),
        (&json!("2"), &json!("9s"))
    );
    let written = node.put("/logs/_doc/1", r#"{"n": 1}"#).await.expect(201);
    assert_eq!(written["_index"], "logs-000002");

    let named = node
        .post("/logs/_rollover/fresh?wait_for_active_shards=2", "")
        .await
        .expect(200);
    assert_eq!(
        (
            &named["new_index"],
            &named["rolled_over"],
            &named["shards_acknowledged"]
        ),
        (&json!("fresh"), &json!(true), &json!(false))
    );
}

#[tokio::test]
async fn a_rollover_waits_for_its_conditions() {
    let node = with_logs().await;
    for id in 0..3 {
        node.put(&format!("/logs/_doc/{id}"), "{}").await.expect(201);
    }
    let roll = async |conditions: &str| {
        let body = format!(r#"{{"conditions": {conditions}}}"#);
        node.post("/logs/_rollover", &body).await.expect(200)
    };
    let not_yet =
        roll(r#"{"max_docs": 4, "max_age": "7d", "max_size": "5gb", "max_primary_shard_size": "1gb"}"#).await;
    assert_eq!(
        (&not_yet["rolled_over"], &not_yet["acknowledged"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(
        not_yet["conditions"],
        json!({
            "[max_docs: 4]": false, "[max_age: 7d]": false, "[max_size: 5gb]": false, "[max_primary_shard_size: 1gb]": false
        })
    );
    let held_back = roll(r#"{"max_docs": 3, "min_docs": 4}"#).await;
    assert_eq!(held_back["rolled_over"], false);
    let done = roll(r#"{"max_primary_shard_docs": 3, "min_docs": 1, "max_age": "7d"}"#).await;
    assert_eq!(done["rolled_over"], true);
    assert_eq!(
        done["conditions"],
        json!({"[max_primary_shard_docs: 3]": true, "[min_docs: 1]": true, "[max_age: 7d]": false})
    );
    let refused = node
        .post("/logs/_rollover", r#"{"conditions": {"min_docs": 1}}"#)
        .await;
    refused.refused(400, "action_request_validation_exception");
    let refused = node
        .post(
            "/logs/_rollover",
            r#"{"conditions": {"max_docs": 1, "min_size": "1b"}}"#,
        )
        .await;
    refused.refused(400, "unsupported_operation_exception");
}

#[tokio::test]
async fn what_cannot_be_rolled_over_is_refused() {
    let node = with_logs().await;
    node.put("/plain", r#"{"aliases": {"two": {}, "one": {}}}"#)
        .await
        .expect(200);
    node.put("/other", r#"{"aliases": {"two": {}}}"#)
        .await
        .expect(200);
    for (path, expected) in [
        ("/none/_rollover", "rollover target [none] does not exist"),
        (
            "/plain/_rollover",
            "rollover target is a [concrete index] but one of [alias,data_stream] was expected",
        ),
        (
            "/two/_rollover",
            "rollover target [two] does not point to a write index",
        ),
        (
            "/one/_rollover",
            "index name [plain] does not match pattern '^.*-\\d+$'",
        ),
    ] {
        let reason = node
            .post(path, "")
            .await
            .refused(400, "illegal_argument_exception");
        assert!(reason.contains(expected), "{reason}");
    }
    let rolled = node
        .post("/one/_rollover/%3Cx-%7Bnow%2Fd%7D%3E?dry_run", "")
        .await
        .expect(200);
    let name = rolled["new_index"].as_str().expect("a name");
    assert!(name.starts_with("x-2"), "{name}");
    node.post("/one/_rollover/other", "")
        .await
        .refused(400, "resource_already_exists_exception");
    node.post("/logs/_rollover", r#"{"more": 1}"#)
        .await
        .refused(400, "x_content_parse_exception");
    assert_eq!(
        node.get("/_alias/logs").await.expect(200),
        json!({"logs-000001": {"aliases": {"logs": {"is_write_index": true}}}})
    );
}

#[tokio::test]
async fn an_alias_of_a_follower_is_rolled_over_at_its_leader() {
    let (leader, follower) = connected().await;
    leader
        .put("/orders/_alias/sales", r#"{"is_write_index": true}"#)
        .await
        .expect(200);
    follower
        .put("/copy/_ccr/follow?wait_for_active_shards=1", FOLLOW)
        .await
        .expect(200);
    follower
        .until("/copy/_alias", |aliases| {
            aliases["copy"]["aliases"]["sales"].is_object()
        })
        .await;
    let reason = follower
        .post("/sales/_rollover/new", "")
        .await
        .refused(403, "status_exception");
    assert!(reason.contains("[copy] is a follower index"), "{reason}");
    assert_eq!(follower.head("/new").await, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_rollovers_at_one_time_each_creates_its_own_index_or_none() {
    let node = with_logs().await;
    let indices = async || {
        let state = node
            .get("/_cat/indices/logs-*?format=json&h=index&s=index")
            .await
            .expect(200);
        let names = state.as_array().cloned().unwrap_or_default();
        names
            .iter()
            .map(|row| row["index"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    // A command is carried out for each who gives it, one after the other.
    let (one, other) = tokio::join!(node.post("/logs/_rollover", ""), node.post("/logs/_rollover", ""));
    let mut steps: Vec<_> = [one.expect(200), other.expect(200)]
        .iter()
        .map(|answer| {
            (
                answer["old_index"].clone(),
                answer["new_index"].clone(),
                answer["rolled_over"].clone(),
            )
        })
        .map(|(old, new, done)| format!("{old} {new} {done}").replace('"', ""))
        .collect();
    steps.sort();
    assert_eq!(
        steps,
        ["logs-000001 logs-000002 true", "logs-000002 logs-000003 true"]
    );
    assert_eq!(indices().await.len(), 3);

    // What a condition asked for is done once.
    node.put("/logs/_doc/1", "{}").await.expect(201);
    let condition = r#"{"conditions": {"max_docs": 1}}"#;
    let (one, other) = tokio::join!(
        node.post("/logs/_rollover", condition),
        node.post("/logs/_rollover", condition)
    );
    let done = [one.expect(200), other.expect(200)].map(|answer| answer["rolled_over"] == true);
    assert_eq!(done.iter().filter(|done| **done).count(), 1, "{done:?}");
    assert_eq!(indices().await.len(), 4);

    // A name is given once.
    let (one, other) = tokio::join!(
        node.post("/logs/_rollover/logs-x", ""),
        node.post("/logs/_rollover/logs-x", "")
    );
    let (done, refused) = if one.status == 200 {
        (one, other)
    } else {
        (other, one)
    };
    assert_eq!(done.expect(200)["rolled_over"], true);
    refused.refused(400, "resource_already_exists_exception");
    let aliases = node.get("/_alias/logs").await.expect(200);
    let writes = aliases
        .as_object()
        .unwrap()
        .values()
        .filter(|index| index["aliases"]["logs"]["is_write_index"] == true);
    assert_eq!(writes.count(), 1, "{aliases}");
}

#[tokio::test]
async fn an_expression_is_resolved_to_indices_and_aliases() {
    let node = with_logs().await;
    node.put("/logs-000002", r#"{"aliases": {"logs": {}}}"#)
        .await
        .expect(200);
    node.put("/metrics", r#"{"settings": {"index.hidden": true}}"#)
        .await
        .expect(200);
    node.post("/logs-000002/_close", "").await.expect(200);
    let open = json!({"name": "logs-000001", "aliases": ["logs"], "attributes": ["open"]});
    let closed = json!({"name": "logs-000002", "aliases": ["logs"], "attributes": ["closed"]});
    let hidden = json!({"name": "metrics", "attributes": ["hidden", "open"]});
    let alias = json!({"name": "logs", "indices": ["logs-000001", "logs-000002"]});
    for (path, indices, aliases) in [
        ("/_resolve/index/*", json!([open]), json!([alias])),
        (
            "/_resolve/index/*?expand_wildcards=all",
            json!([open, closed, hidden]),
            json!([alias]),
        ),
        ("/_resolve/index/logs", json!([]), json!([alias])),
        ("/_resolve/index/logs-000002", json!([closed]), json!([])),
        (
            "/_resolve/index/none,logs-000001?ignore_unavailable",
            json!([open]),
            json!([]),
        ),
    ] {
        assert_eq!(
            node.get(path).await.expect(200),
            json!({"indices": indices, "aliases": aliases, "data_streams": []}),
            "{path}"
        );
    }
    for path in [
        "/_resolve/index/none",
        "/_resolve/index/x*?allow_no_indices=false",
    ] {
        node.get(path).await.refused(404, "index_not_found_exception");
    }
}
