//! Blocks of indices, and the state of the cluster that shows them.

use http::Method;
use serde_json::json;

use crate::node::Node;

async fn with_index() -> Node {
    let node = Node::start().await;
    node.put(
        "/orders",
        r#"{"settings": {"number_of_shards": 2, "number_of_replicas": 1}}"#,
    )
    .await
    .expect(200);
    node
}

#[tokio::test]
async fn blocks_are_put_on_indices_and_taken_off() {
    let node = with_index().await;
    assert_eq!(
        node.put("/orders/_block/write", "").await.expect(200),
        json!({"acknowledged": true, "shards_acknowledged": true, "indices": [{"name": "orders", "blocked": true}]})
    );
    let reason = node
        .put("/orders/_doc/1", "{}")
        .await
        .refused(403, "cluster_block_exception");
    assert_eq!(
        reason,
        "index [orders] blocked by: [FORBIDDEN/8/index write (api)];"
    );
    node.get("/orders/_search").await.expect(200);
    assert_eq!(
        node.delete("/orders/_block/write").await.expect(200),
        json!({"acknowledged": true, "indices": [{"name": "orders", "unblocked": true}]})
    );
    node.put("/orders/_doc/1", "{}").await.expect(201);
    for block in ["read", "read_only", "metadata"] {
        node.put(&format!("/orders/_block/{block}"), "").await.expect(200);
        let settings = node.get("/_cluster/state/blocks").await.expect(200);
        assert_eq!(
            settings["blocks"]["indices"]["orders"].as_object().unwrap().len(),
            1,
            "{block}"
        );
        node.delete(&format!("/orders/_block/{block}")).await.expect(200);
    }
    for (path, kind, status) in [
        ("/orders/_block/writes", "illegal_argument_exception", 400),
        (
            "/orders/_block/read_only_allow_delete",
            "illegal_argument_exception",
            400,
        ),
        ("/ord*/_block/write", "illegal_argument_exception", 400),
        ("/none/_block/write", "index_not_found_exception", 404),
    ] {
        for method in [Method::PUT, Method::DELETE] {
            node.call(method, path, "").await.refused(status, kind);
        }
    }
    let none = node.put("/none/_block/write?ignore_unavailable=true", "").await;
    assert_eq!(none.expect(200)["indices"], json!([]));
}

#[tokio::test]
async fn cluster_state_shows_blocks_and_where_copies_are() {
    let node = with_index().await;
    node.until("/_cluster/health?wait_for_status=yellow", |_| true)
        .await;
    let state = node.get("/_cluster/state").await.expect(200);
    assert_eq!(state["blocks"], json!({}));
    let id = state["master_node"].as_str().unwrap();
    let copies = &state["routing_table"]["indices"]["orders"]["shards"]["1"];
    assert_eq!(
        (&copies[0]["state"], &copies[0]["node"], &copies[0]["primary"]),
        (&json!("STARTED"), &json!(id), &json!(true))
    );
    assert_eq!(
        (
            &copies[1]["state"],
            &copies[1]["node"],
            &copies[1]["unassigned_info"]["reason"]
        ),
        (&json!("UNASSIGNED"), &json!(null), &json!("INDEX_CREATED"))
    );
    let routing_nodes = &state["routing_nodes"];
    assert_eq!(
        routing_nodes["nodes"][id],
        json!([
            state["routing_table"]["indices"]["orders"]["shards"]["0"][0],
            copies[0]
        ])
    );
    assert_eq!(routing_nodes["unassigned"].as_array().map(Vec::len), Some(2));

    node.put("/other", "{}").await.expect(200);
    node.put("/orders/_block/read_only", "").await.expect(200);
    node.post("/other/_close", "").await.expect(200);
    let blocks = node.get("/_cluster/state/blocks").await.expect(200);
    let indices = &blocks["blocks"]["indices"];
    let read_only = json!({"5": {"description": "index read-only (api)", "retryable": false, "levels": ["write", "metadata_write"]}});
    assert_eq!(indices["orders"], read_only);
    assert_eq!(indices["other"]["4"]["description"], "index closed");
    assert!(blocks.get("routing_table").is_none() && blocks.get("nodes").is_none());
    let some = node
        .get("/_cluster/state/routing_table,blocks/other")
        .await
        .expect(200);
    for section in ["routing_table", "blocks"] {
        let indices = some[section]["indices"].as_object().unwrap();
        assert_eq!(indices.keys().collect::<Vec<_>>(), ["other"], "{section}");
    }
    assert!(some.get("routing_nodes").is_none());
}

#[tokio::test]
async fn copies_that_nobody_can_have_are_told_of_up_to_a_bound() {
    let node = Node::start().await;
    node.put(
        "/a",
        r#"{"settings": {"number_of_shards": 1, "number_of_replicas": 2000000000}}"#,
    )
    .await
    .expect(200);
    let state = node.get("/_cluster/state/routing_table").await.expect(200);
    let copies = &state["routing_table"]["indices"]["a"]["shards"]["0"];
    assert_eq!(copies.as_array().map(Vec::len), Some(1_001));
}
