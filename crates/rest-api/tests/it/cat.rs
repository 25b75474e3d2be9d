//! The cat APIs.

use serde_json::json;

use crate::node::Node;

#[tokio::test]
async fn tables_are_text_or_json() {
    let node = Node::start().await;
    node.put(
        "/b",
        r#"{"settings": {"number_of_replicas": 0}, "aliases": {"x": {"is_write_index": true}}}"#,
    )
    .await
    .expect(200);
    node.put("/a", r#"{"settings": {"number_of_replicas": 0}}"#)
        .await
        .expect(200);
    node.put("/a/_doc/1?refresh", "{}").await.expect(201);

    let text = node
        .get("/_cat/indices?h=health,status,index,pri,rep,docs.count&v&s=index:desc")
        .await
        .text();
    assert_eq!(
        text,
        "health status index pri rep docs.count\ngreen  open   b       1   0          0\ngreen  open   a       1   0          1\n"
    );
    let json = node
        .get("/_cat/indices/a?format=json&h=index,status")
        .await
        .expect(200);
    assert_eq!(json, json!([{"index": "a", "status": "open"}]));
    let excluded = node
        .get("/_cat/indices/*,-b?h=i&expand_wildcards=open,closed")
        .await
        .text();
    assert_eq!(excluded, "a\n");
    assert_eq!(
        node.get("/_cat/shards/a?h=index,shard,prirep,state,docs,node")
            .await
            .text(),
        "a 0 p STARTED 1 node-1\n"
    );
    assert_eq!(node.get("/_cat/count/a?h=count").await.text(), "1\n");
    assert_eq!(
        node.get("/_cat/health?h=cluster,status,pri").await.text(),
        "leader green 2\n"
    );
    assert_eq!(node.get("/_cat/nodes?h=name,master").await.text(), "node-1 *\n");
    assert_eq!(
        node.get("/_cat/aliases?v&h=alias,index,is_write_index")
            .await
            .text(),
        "alias index is_write_index\nx     b     true\n"
    );
    assert!(node.get("/_cat/shards?help").await.text().contains("prirep"));
    node.get("/_cat/indices?s=nonsense")
        .await
        .refused(400, "illegal_argument_exception");
    node.get("/_cat/indices/none")
        .await
        .refused(404, "index_not_found_exception");
}
