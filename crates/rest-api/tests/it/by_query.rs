//! Writes to every document that a search finds.

use serde_json::{Value, json};

use crate::node::Node;
use crate::replication::{FOLLOW, connected};

/// A node with an index `orders` of three shards and 50 documents.
async fn with_documents() -> Node {
    let node = Node::start().await;
    node.put(
        "/orders",
        r#"{"settings": {"number_of_shards": 3, "number_of_replicas": 0}}"#,
    )
    .await
    .expect(200);
    for n in 0..50 {
        let path = format!("/orders/_doc/{n}?routing=r{}", n % 5);
        node.put(&path, &json!({"n": n, "text": "x".repeat(n * 10)}).to_string())
            .await
            .expect(201);
    }
    node.post("/orders/_refresh", "").await.expect(200);
    node
}

async fn count(node: &Node, index: &str) -> u64 {
    node.post(&format!("/{index}/_refresh"), "").await.expect(200);
    node.get(&format!("/{index}/_count")).await.expect(200)["count"]
        .as_u64()
        .unwrap()
}

fn numbers(answer: &Value, fields: &[&str]) -> Vec<u64> {
    fields
        .iter()
        .map(|field| answer[*field].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn what_a_query_finds_is_deleted() {
    let node = with_documents().await;
    let query = r#"{"query": {"range": {"n": {"lt": 30}}}}"#;
    let some = node
        .post("/orders/_delete_by_query?max_docs=4&scroll_size=3&refresh", query)
        .await
        .expect(200);
    assert_eq!(
        numbers(&some, &["total", "deleted", "batches", "version_conflicts"]),
        [4, 4, 2, 0]
    );
    let rest = node
        .post("/orders/_delete_by_query?refresh=true", query)
        .await
        .expect(200);
    assert_eq!(numbers(&rest, &["total", "deleted"]), [26, 26]);
    assert_eq!(
        (&rest["failures"], &rest["timed_out"]),
        (&json!([]), &json!(false))
    );
    assert_eq!(count(&node, "orders").await, 20);
}

#[tokio::test]
async fn a_changed_mapping_takes_effect_when_documents_are_written_again() {
    let node = Node::start().await;
    node.put(
        "/orders",
        r#"{"mappings": {"dynamic": false}, "settings": {"number_of_replicas": 0}}"#,
    )
    .await
    .expect(200);
    node.put("/orders/_doc/1?refresh", r#"{"n": 7}"#)
        .await
        .expect(201);
    node.put("/orders/_mapping", r#"{"properties": {"n": {"type": "long"}}}"#)
        .await
        .expect(200);
    let found = async || {
        let query = r#"{"query": {"term": {"n": 7}}}"#;
        node.post("/orders/_count", query).await.expect(200)["count"].clone()
    };
    assert_eq!(found().await, 0);
    let done = node
        .post("/orders/_update_by_query?refresh&conflicts=proceed", "")
        .await
        .expect(200);
    assert_eq!(numbers(&done, &["total", "updated"]), [1, 1]);
    assert_eq!(found().await, 1);
    assert_eq!(node.get("/orders/_doc/1").await.expect(200)["_version"], 2);
}

#[tokio::test]
async fn an_index_is_copied_with_its_routing_and_conflicts_are_counted() {
    let node = with_documents().await;
    let body = json!({"source": {"index": "orders", "query": {"range": {"n": {"gte": 10}}}}, "dest": {"index": "copy"}});
    let done = node
        .post("/_reindex?refresh", &body.to_string())
        .await
        .expect(200);
    assert_eq!(numbers(&done, &["total", "created", "updated"]), [40, 40, 0]);
    assert_eq!(
        node.get("/copy/_doc/12?routing=r2").await.expect(200)["_source"]["n"],
        12
    );
    let again = node
        .post("/_reindex?refresh", &body.to_string())
        .await
        .expect(200);
    assert_eq!(numbers(&again, &["created", "updated"]), [0, 40]);

    let create = |conflicts: &str| {
        let mut body = json!({"source": {"index": ["orders"], "size": 20}, "dest": {"index": "copy", "op_type": "create"}});
        body["conflicts"] = conflicts.into();
        body.to_string()
    };
    let aborted = node.post("/_reindex", &create("abort")).await;
    let aborted = aborted.expect(409);
    assert_eq!(
        aborted["failures"][0]["cause"]["type"],
        "version_conflict_engine_exception"
    );
    let done = node.post("/_reindex", &create("proceed")).await.expect(200);
    assert_eq!(done["failures"], json!([]));
    assert_eq!(count(&node, "copy").await, 50);
}

#[tokio::test]
async fn what_cannot_be_done_is_refused() {
    let (_leader, follower) = connected().await;
    follower
        .put("/copy/_ccr/follow?wait_for_active_shards=1", FOLLOW)
        .await
        .expect(200);
    follower
        .until("/copy/_count", |answer| answer["count"] == 5)
        .await;
    let all = r#"{"query": {"match_all": {}}}"#;
    for path in ["_delete_by_query", "_update_by_query"] {
        let late = follower
            .post(&format!("/copy/{path}?search_timeout=0"), all)
            .await;
        let late = late.expect(429);
        assert_eq!(
            late["error"]["caused_by"]["type"], "search_timeout_exception",
            "{path}"
        );
    }
    let failed = follower
        .post("/copy/_delete_by_query?search_timeout=-1", all)
        .await
        .expect(403);
    assert_eq!(failed["deleted"], 0);
    assert_eq!(failed["failures"][0]["status"], 403);
    for (path, body, kind) in [
        (
            "/copy/_delete_by_query",
            "{}",
            "action_request_validation_exception",
        ),
        (
            "/copy/_delete_by_query?conflicts=maybe",
            all,
            "illegal_argument_exception",
        ),
        (
            "/copy/_update_by_query",
            r#"{"script": {"source": "x"}}"#,
            "unsupported_operation_exception",
        ),
        (
            "/copy/_update_by_query?max_docs=0",
            "{}",
            "illegal_argument_exception",
        ),
        (
            "/_reindex",
            r#"{"source": {"index": "copy"}}"#,
            "action_request_validation_exception",
        ),
        (
            "/_reindex",
            r#"{"source": {"index": "copy"}, "dest": {"index": "copy"}}"#,
            "action_request_validation_exception",
        ),
        (
            "/_reindex",
            r#"{"source": {"remote": {"host": "http://x"}, "index": "a"}, "dest": {"index": "b"}}"#,
            "unsupported_operation_exception",
        ),
        (
            "/_reindex",
            r#"{"source": {"index": "a"}, "dest": {"index": "b"}, "x": 1}"#,
            "x_content_parse_exception",
        ),
    ] {
        follower.post(path, body).await.refused(400, kind);
    }
}
