//! The template APIs, and what they do to indices that are created.

use serde_json::json;

use crate::node::Node;

const SHARDS: &str =
    r#"{"template": {"settings": {"number_of_shards": 2, "number_of_replicas": 0}}, "version": 3}"#;
const LOGS: &str = r#"{"index_patterns": ["logs-*"], "composed_of": ["shards"], "priority": 10, "version": 1, "_meta": {"by": "me"},
    "template": {"settings": {"refresh_interval": "9s"}, "mappings": {"properties": {"level": {"type": "keyword"}}},
    "aliases": {"logs": {}, "{index}-own": {"routing": "r"}}}}"#;

async fn with_templates() -> Node {
    let node = Node::start().await;
    node.put("/_component_template/shards", SHARDS).await.expect(200);
    let put = node.put("/_index_template/logs", LOGS).await.expect(200);
    assert_eq!(put, json!({"acknowledged": true}));
    node
}

#[tokio::test]
async fn templates_are_put_shown_and_deleted() {
    let node = with_templates().await;
    let one = node.get("/_index_template/logs").await.expect(200);
    assert_eq!(
        one,
        json!({"index_templates": [{"name": "logs", "index_template": {
            "index_patterns": ["logs-*"], "composed_of": ["shards"], "priority": 10, "version": 1, "_meta": {"by": "me"},
            "template": {
                "settings": {"index": {"refresh_interval": "9s"}},
                "mappings": {"properties": {"level": {"type": "keyword"}}},
                "aliases": {"logs": {}, "{index}-own": {"index_routing": "r", "search_routing": "r"}}
            }
        }}]})
    );
    assert_eq!(
        node.get("/_component_template/sh*?flat_settings")
            .await
            .expect(200),
        json!({"component_templates": [{"name": "shards", "component_template": {
            "template": {"settings": {"index.number_of_shards": "2", "index.number_of_replicas": "0"}}, "version": 3
        }}]})
    );
    for (path, status) in [
        ("/_index_template/logs", 200),
        ("/_index_template/none", 404),
        ("/_component_template/shards", 200),
        ("/_component_template/none", 404),
    ] {
        assert_eq!(node.head(path).await, status, "{path}");
    }
    assert_eq!(
        node.get("/_index_template/x*").await.expect(200),
        json!({"index_templates": []})
    );
    let missing = node.get("/_index_template/none").await;
    assert_eq!(
        missing.refused(404, "resource_not_found_exception"),
        "index template matching [none] not found"
    );
    node.get("/_component_template/none")
        .await
        .refused(404, "resource_not_found_exception");

    let again = node.put("/_index_template/logs?create=true", LOGS).await;
    assert_eq!(
        again.refused(400, "illegal_argument_exception"),
        "index template [logs] already exists"
    );
    node.post("/_index_template/logs", LOGS).await.expect(200);
    node.put("/_component_template/shards?create", SHARDS)
        .await
        .refused(400, "illegal_argument_exception");

    let used = node.delete("/_component_template/shards").await;
    assert_eq!(
        used.refused(400, "illegal_argument_exception"),
        "component templates [shards] cannot be removed as they are still in use by index templates [logs]"
    );
    node.delete("/_index_template/none")
        .await
        .refused(404, "index_template_missing_exception");
    node.delete("/_index_template/lo*").await.expect(200);
    node.delete("/_component_template/shards").await.expect(200);
    node.delete("/_component_template/shards")
        .await
        .refused(404, "resource_not_found_exception");
    assert_eq!(
        node.get("/_index_template").await.expect(200),
        json!({"index_templates": []})
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_template_is_said() {
    let node = with_templates().await;
    for (body, kind, expected) in [
        (
            r#"{"index_patterns": ["logs-x*"], "priority": 10}"#,
            "illegal_argument_exception",
            "existing templates [logs] with patterns (logs => [logs-*])",
        ),
        (
            r#"{"index_patterns": ["x"], "composed_of": ["none"]}"#,
            "invalid_index_template_exception",
            "specifies component templates [none] that do not exist",
        ),
        (
            r#"{"index_patterns": ["x"], "template": {"settings": {"number_of_shards": 0}}}"#,
            "invalid_index_template_exception",
            "[index.number_of_shards]",
        ),
        (
            r#"{"index_patterns": ["x"], "template": {"mappings": {"properties": {"a": {"type": "nothing"}}}}}"#,
            "illegal_argument_exception",
            "composable template [t] template after composition is invalid",
        ),
        (
            r#"{"index_patterns": ["x"], "template": {"aliases": {"a b": {}}}}"#,
            "invalid_alias_name_exception",
            "Invalid alias name [a b]",
        ),
        (
            r#"{"index_patterns": ["x"], "data_stream": {"lifecycle": {}}}"#,
            "x_content_parse_exception",
            "unknown field `lifecycle`",
        ),
        (
            r#"{"index_patterns": ["x"], "patterns": []}"#,
            "x_content_parse_exception",
            "unknown field `patterns`",
        ),
        ("", "parse_exception", "a request body is required"),
    ] {
        let reason = node.put("/_index_template/t", body).await.refused(400, kind);
        assert!(reason.contains(expected), "{reason}");
        assert_eq!(node.head("/_index_template/t").await, 404);
    }
}

#[tokio::test]
async fn templates_of_the_old_kind_apply_where_no_index_template_does() {
    let node = Node::start().await;
    assert_eq!(node.get("/_template").await.expect(200), json!({}));
    for path in ["/_template/old", "/_template/o*"] {
        assert_eq!(node.get(path).await.expect(404), json!({}));
        assert_eq!(node.head(path).await, 404);
    }
    let body = r#"{"index_patterns": "old-*", "settings": {"number_of_shards": 2, "number_of_replicas": 0},
        "mappings": {"properties": {"field": {"type": "keyword"}}}, "aliases": {"olds": {"routing": "b"}}}"#;
    node.put("/_template/old?order=3", body).await.expect(200);
    node.put("/_template/old?create", body)
        .await
        .refused(400, "illegal_argument_exception");
    let shown = node.get("/_template/old,none?flat_settings").await.expect(200);
    assert_eq!(
        shown["old"],
        json!({
            "order": 3, "index_patterns": ["old-*"], "settings": {"index.number_of_shards": "2", "index.number_of_replicas": "0"},
            "mappings": {"properties": {"field": {"type": "keyword"}}}, "aliases": {"olds": {"index_routing": "b", "search_routing": "b"}}
        })
    );
    assert_eq!(node.head("/_template/old").await, 200);
    let table = node
        .get("/_cat/templates?h=name,index_patterns,order")
        .await
        .text();
    assert_eq!(table, "old [old-*] 3\n");
    let state = node.get("/_cluster/state/metadata").await.expect(200);
    assert_eq!(state["metadata"]["templates"]["old"]["order"], 3);
    for (body, kind, part) in [
        (
            "{}",
            "action_request_validation_exception",
            "index patterns are missing",
        ),
        (
            r#"{"index_patterns": "x", "mappings": {"_doc": {"properties": {}}}}"#,
            "illegal_argument_exception",
            "cannot be nested under a type [_doc]",
        ),
        (
            r#"{"index_patterns": "x", "mappings": {"properties": {"a": {"type": "nonsense"}}}}"#,
            "mapper_parsing_exception",
            "nonsense",
        ),
    ] {
        let reason = node.put("/_template/wrong", body).await.refused(400, kind);
        assert!(reason.contains(part), "{reason}");
    }

    node.put("/old-1/_doc/1", r#"{"field": "a"}"#).await.expect(201);
    let created = node.get("/old-1").await.expect(200);
    let index = &created["old-1"];
    assert_eq!(index["settings"]["index"]["number_of_shards"], "2");
    assert_eq!(index["mappings"]["properties"]["field"]["type"], "keyword");
    assert!(index["aliases"]["olds"].is_object());
    node.put("/_index_template/new", r#"{"index_patterns": ["old-*"]}"#)
        .await
        .expect(200);
    node.put("/old-2", "").await.expect(200);
    let created = node.get("/old-2").await.expect(200);
    assert_eq!(created["old-2"]["settings"]["index"]["number_of_shards"], "1");
    let simulated = node
        .post("/_index_template/_simulate_index/old-3", "")
        .await
        .expect(200);
    assert_eq!(
        simulated["overlapping"],
        json!([{"name": "old", "index_patterns": ["old-*"]}])
    );
    let reason = node
        .put("/_template/late", r#"{"index_patterns": ["old-x*"]}"#)
        .await
        .refused(400, "illegal_argument_exception");
    assert!(reason.contains("use composable templates"), "{reason}");

    node.delete("/_template/o*").await.expect(200);
    node.delete("/_template/old")
        .await
        .refused(404, "index_template_missing_exception");
    node.delete("/_template/*").await.expect(200);
}

#[tokio::test]
async fn a_template_applies_when_an_index_is_created_by_request_and_by_document() {
    let node = with_templates().await;
    let body = r#"{"settings": {"index.refresh_interval": "1s"}, "mappings": {"properties": {"level": {"type": "long"}, "n": {"type": "long"}}}}"#;
    node.put("/logs-1", body).await.expect(200);
    node.put("/logs-2/_doc/1", r#"{"level": "info", "text": "x"}"#)
        .await
        .expect(201);
    node.put("/other/_doc/1", r#"{"level": "info"}"#)
        .await
        .expect(201);

    let all = node.get("/logs-1,logs-2,other").await.expect(200);
    let index = |name: &str| {
        let settings = &all[name]["settings"]["index"];
        (
            settings["number_of_shards"].clone(),
            settings["refresh_interval"].clone(),
        )
    };
    assert_eq!(index("logs-1"), (json!("2"), json!("1s")));
    assert_eq!(index("logs-2"), (json!("2"), json!("9s")));
    assert_eq!(index("other"), (json!("1"), json!(null)));
    assert_eq!(
        all["logs-1"]["mappings"]["properties"],
        json!({"level": {"type": "long"}, "n": {"type": "long"}})
    );
    assert_eq!(
        all["logs-2"]["mappings"]["properties"]["level"],
        json!({"type": "keyword"})
    );
    assert_eq!(
        all["logs-1"]["aliases"],
        json!({"logs": {}, "logs-1-own": {"index_routing": "r", "search_routing": "r"}})
    );
    assert_eq!(all["other"]["aliases"], json!({}));

    // What changes later changes no index that is there.
    node.put(
        "/_component_template/shards",
        r#"{"template": {"settings": {"number_of_shards": 5}}}"#,
    )
    .await
    .expect(200);
    let settings = node.get("/logs-1/_settings").await.expect(200);
    assert_eq!(settings["logs-1"]["settings"]["index"]["number_of_shards"], "2");
    node.put("/logs-3", "").await.expect(200);
    let settings = node.get("/logs-3/_settings").await.expect(200);
    assert_eq!(settings["logs-3"]["settings"]["index"]["number_of_shards"], "5");

    let conflict = node
        .put("/logs-4", r#"{"settings": {"number_of_routing_shards": 7}}"#)
        .await;
    conflict.refused(400, "illegal_argument_exception");
    assert_eq!(node.head("/logs-4").await, 404);
}

#[tokio::test]
async fn a_template_says_whether_a_document_may_create_an_index() {
    let node = Node::start().await;
    for (name, pattern, allowed) in [("yes", "yes-*", true), ("no", "no-*", false)] {
        let body = json!({"index_patterns": [pattern], "allow_auto_create": allowed});
        node.put(&format!("/_index_template/{name}"), &body.to_string())
            .await
            .expect(200);
    }
    node.put(
        "/_cluster/settings",
        r#"{"persistent": {"action.auto_create_index": false}}"#,
    )
    .await
    .expect(200);
    node.put("/yes-1/_doc/1", "{}").await.expect(201);
    let other = node.put("/other/_doc/1", "{}").await;
    assert_eq!(
        other.refused(404, "index_not_found_exception"),
        "no such index [other] and [action.auto_create_index] is [false]"
    );
    node.put(
        "/_cluster/settings",
        r#"{"persistent": {"action.auto_create_index": true}}"#,
    )
    .await
    .expect(200);
    let refused = node.put("/no-1/_doc/1", "{}").await;
    assert_eq!(
        refused.refused(404, "index_not_found_exception"),
        "no such index [no-1] and composable template [no-*] forbids index auto creation"
    );
    node.put("/no-1", "").await.expect(200);
    node.put("/no-1/_doc/1", "{}").await.expect(201);
}

#[tokio::test]
async fn what_an_index_would_get_is_simulated() {
    let node = with_templates().await;
    node.put(
        "/_index_template/all",
        r#"{"index_patterns": ["*"], "template": {"settings": {"priority": 7}}}"#,
    )
    .await
    .expect(200);
    let simulated = node
        .post("/_index_template/_simulate_index/logs-1", "")
        .await
        .expect(200);
    assert_eq!(
        simulated,
        json!({
            "template": {
                "settings": {"index": {"number_of_shards": "2", "number_of_replicas": "0", "refresh_interval": "9s"}},
                "mappings": {"properties": {"level": {"type": "keyword"}}},
                "aliases": {"logs": {}, "logs-1-own": {"index_routing": "r", "search_routing": "r"}}
            },
            "overlapping": [{"name": "all", "index_patterns": ["*"]}]
        })
    );
    let with_body = node
        .post(
            "/_index_template/_simulate_index/logs-1",
            r#"{"index_patterns": ["logs-1"], "priority": 99}"#,
        )
        .await
        .expect(200);
    assert_eq!(
        (
            &with_body["template"]["settings"],
            with_body["overlapping"].as_array().map(Vec::len)
        ),
        (&json!({}), Some(2))
    );
    let by_name = node.post("/_index_template/_simulate/logs", "").await.expect(200);
    assert_eq!(by_name["template"]["settings"], simulated["template"]["settings"]);
    assert_eq!(by_name["overlapping"], simulated["overlapping"]);
    let by_body = node
        .post(
            "/_index_template/_simulate",
            r#"{"index_patterns": ["x"], "composed_of": ["shards"], "priority": 5}"#,
        )
        .await
        .expect(200);
    assert_eq!(by_body["template"]["settings"]["index"]["number_of_shards"], "2");
    node.post("/_index_template/_simulate/none", "")
        .await
        .refused(400, "illegal_argument_exception");
    node.post("/_index_template/_simulate", "")
        .await
        .refused(400, "illegal_argument_exception");
    assert_eq!(
        node.get("/_index_template").await.expect(200)["index_templates"]
            .as_array()
            .map(Vec::len),
        Some(2),
        "nothing was put"
    );
    node.delete("/_index_template/all").await.expect(200);
    assert_eq!(
        node.post("/_index_template/_simulate_index/other", "")
            .await
            .expect(200),
        json!({})
    );
}

#[tokio::test]
async fn templates_are_shown_as_a_table() {
    let node = with_templates().await;
    node.put("/_index_template/more", r#"{"index_patterns": ["a*", "b*"]}"#)
        .await
        .expect(200);
    assert_eq!(
        node.get("/_cat/templates?v&s=name").await.text(),
        "name index_patterns order version composed_of\n\
         logs [logs-*]       10    1       [shards]\n\
         more [a*, b*]       0             []\n"
    );
    assert_eq!(
        node.get("/_cat/templates/mo*?format=json&h=name,order")
            .await
            .expect(200),
        json!([{"name": "more", "order": "0"}])
    );
}
