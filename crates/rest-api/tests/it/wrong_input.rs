//! What is wrong with requests, said as Elasticsearch says it.

use serde_json::json;

use crate::node::Node;

async fn with_alias() -> Node {
    let node = Node::start().await;
    for index in ["index", "index2"] {
        node.put(&format!("/{index}"), r#"{"settings": {"number_of_replicas": 0}}"#)
            .await
            .expect(200);
    }
    node.put("/index/_alias/alias", "").await.expect(200);
    node
}

#[tokio::test]
async fn an_empty_id_fails_its_item_alone() {
    let node = Node::start().await;
    let lines = "{\"index\": {\"_index\": \"test\", \"_id\": \"\"}}\n{\"f\": 1}\n{\"index\": {\"_index\": \"test\", \"_id\": \"id\"}}\n{\"f\": 2}\n\
                 {\"create\": {\"_index\": \"test\"}}\n{\"f\": 3}\n";
    let answer = node.post("/_bulk?refresh", lines).await.expect(200);
    let items = &answer["items"];
    assert_eq!(
        (
            &items[0]["index"]["status"],
            &items[0]["index"]["error"]["type"],
            &items[0]["index"]["error"]["reason"]
        ),
        (
            &json!(400),
            &json!("illegal_argument_exception"),
            &json!("if _id is specified it must not be empty")
        )
    );
    assert_eq!(
        (&items[1]["index"]["result"], &items[2]["create"]["result"]),
        (&json!("created"), &json!("created"))
    );
    assert_eq!(node.get("/test/_count").await.expect(200)["count"], 2);
    let delete = "{\"delete\": {\"_index\": \"test\", \"_id\": \"\"}}\n";
    let reason = node
        .post("/_bulk", delete)
        .await
        .refused(400, "action_request_validation_exception");
    assert!(reason.contains("id is missing"), "{reason}");
    for meta in [
        r#""_routing": "r""#,
        r#""_version": 1"#,
        r#""_version_type": "external""#,
        r#""_retry_on_conflict": 1"#,
    ] {
        let lines = format!("{{\"index\": {{\"_index\": \"test\", {meta}}}}}\n{{}}\n");
        assert_eq!(node.post("/_bulk", &lines).await.status, 400, "{meta}");
        let docs = format!(r#"{{"docs": [{{"_index": "test", "_id": "id", {meta}}}]}}"#);
        assert_eq!(node.post("/_mget", &docs).await.status, 400, "{meta}");
    }
}

#[tokio::test]
async fn mappings_are_not_nested_under_types() {
    let node = with_alias().await;
    let typed = r#"{"_doc": {"properties": {"field": {"type": "keyword"}}}}"#;
    let reason = node
        .put("/typed", &format!(r#"{{"mappings": {typed}}}"#))
        .await
        .refused(400, "illegal_argument_exception");
    assert_eq!(
        reason,
        "The mapping definition cannot be nested under a type [_doc] unless include_type_name is set to true."
    );
    let reason = node
        .put("/index/_mapping", typed)
        .await
        .refused(400, "illegal_argument_exception");
    assert_eq!(
        reason,
        "Types cannot be provided in put mapping requests, unless the include_type_name parameter is set to true."
    );
}

#[tokio::test]
async fn parameters_that_do_not_go_together_are_refused() {
    let node = with_alias().await;
    for (path, body, kind, part) in [
        (
            "/index/_flush?force&wait_if_ongoing=false",
            "",
            "action_request_validation_exception",
            "wait_if_ongoing must be true for a force flush",
        ),
        (
            "/index/_search?scroll=1m&request_cache=true",
            "",
            "action_request_validation_exception",
            "[request_cache] cannot be used in a scroll context",
        ),
        (
            "/index/_search?scroll=1m&request_cache=true&size=0",
            "",
            "action_request_validation_exception",
            "[size] cannot be [0] in a scroll context",
        ),
        (
            "/index/_search?batched_reduce_size=1",
            "",
            "illegal_argument_exception",
            "batchedReduceSize must be >= 2",
        ),
        (
            "/index/_search?rest_total_hits_as_int&track_total_hits=100",
            "",
            "illegal_argument_exception",
            "not accurate, got 100",
        ),
        (
            "/index/_search",
            r#"{"query": {"multi_match": {"query": "a", "type": "bool_prefix", "fields": ["f"], "slop": 1}}}"#,
            "parsing_exception",
            "[slop] not allowed for type [bool_prefix]",
        ),
        (
            "/index/_msearch?rest_total_hits_as_int",
            "{}\n{\"track_total_hits\": 10}\n",
            "illegal_argument_exception",
            "not accurate, got 10",
        ),
    ] {
        let reason = node.post(path, body).await.refused(400, kind);
        assert!(reason.contains(part), "{path}: {reason}");
    }
    node.post("/index/_flush?force", "").await.expect(200);
    node.post("/index/_search?scroll=1m&request_cache=false", "")
        .await
        .expect(200);
    let counted = node
        .post("/index/_search?rest_total_hits_as_int&track_total_hits=false", "")
        .await
        .expect(200);
    assert_eq!(counted["hits"]["total"], -1);
}

#[tokio::test]
async fn deletion_passes_over_aliases_that_it_may() {
    let node = with_alias().await;
    let all = r#"{"persistent": {"action.destructive_requires_name": false}}"#;
    node.put("/_cluster/settings", all).await.expect(200);
    node.delete("/alias")
        .await
        .refused(400, "illegal_argument_exception");
    node.delete("/index2,alia*?allow_no_indices=false")
        .await
        .refused(404, "index_not_found_exception");
    for path in [
        "/alias?ignore_unavailable=true",
        "/alia*",
        "/none?ignore_unavailable=true",
    ] {
        assert_eq!(
            node.delete(path).await.expect(200),
            json!({"acknowledged": true}),
            "{path}"
        );
        assert_eq!(node.head("/index,index2").await, 200, "{path}");
    }
    node.delete("/none")
        .await
        .refused(404, "index_not_found_exception");
    node.delete("/alia*,index2").await.expect(200);
    assert_eq!(
        (node.head("/index").await, node.head("/index2").await),
        (200, 404)
    );
}

#[tokio::test]
async fn missing_aliases_are_named_in_order() {
    let node = with_alias().await;
    let actions = r#"{"actions": [{"add": {"index": "index", "alias": "routed", "routing": 7}}]}"#;
    node.post("/_aliases", actions).await.expect(200);
    for (names, status, error) in [
        ("alias,routed", 200, json!(null)),
        ("x,routed,another,b", 404, json!("aliases [another,b,x] missing")),
        ("-routed,a*,r*,-alias", 404, json!("alias [-routed] missing")),
        ("alias,x,-x*", 200, json!(null)),
    ] {
        let answer = node.get(&format!("/index/_alias/{names}")).await.expect(status);
        assert_eq!(answer.get("error").cloned().unwrap_or_default(), error, "{names}");
        if names.contains("routed") {
            assert_eq!(
                answer["index"]["aliases"]["routed"],
                json!({"index_routing": "7", "search_routing": "7"}),
                "{names}"
            );
        }
    }
}

#[tokio::test]
async fn a_name_that_no_index_can_have_is_refused_when_it_is_read() {
    let node = with_alias().await;
    for path in [
        "/_foo",
        "/index,_foo/_search",
        "/_foo/_doc/1",
        "/_foo/_mapping?ignore_unavailable=true",
    ] {
        let reason = node.get(path).await.refused(400, "invalid_index_name_exception");
        assert_eq!(
            reason, "Invalid index name [_foo], must not start with '_'.",
            "{path}"
        );
    }
}
