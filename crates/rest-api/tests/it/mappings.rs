//! Mappings that decide about new fields and copy values, fields shown by themselves, and settings by name.

use serde_json::{Value, json};

use crate::node::Node;

async fn found(node: &Node, query: &str) -> Value {
    let hits = node
        .post(
            "/orders/_search",
            &format!(r#"{{"query": {query}, "sort": ["_doc"]}}"#),
        )
        .await
        .expect(200);
    let hits = hits["hits"]["hits"].as_array().cloned().unwrap_or_default();
    hits.iter().map(|hit| hit["_id"].clone()).collect()
}

#[tokio::test]
async fn new_fields_follow_templates_and_values_are_copied() {
    let node = Node::start().await;
    let index = json!({
        "settings": {"number_of_replicas": 0, "index.mapping.nested_objects.limit": 2},
        "mappings": {
            "dynamic_templates": [
                {"ids": {"match": "*_id", "match_mapping_type": "string", "mapping": {"type": "keyword", "copy_to": "ids"}}}
            ],
            "properties": {"title": {"type": "text", "copy_to": "all"}, "lines": {"type": "nested"}}
        }
    });
    node.put("/orders", &index.to_string()).await.expect(200);
    for (id, document) in [
        ("1", r#"{"user_id": "u-1", "title": "Two apples"}"#),
        ("2", r#"{"shop_id": "s-9", "all": "pears"}"#),
    ] {
        node.put(&format!("/orders/_doc/{id}?refresh=true"), document)
            .await
            .expect(201);
    }
    assert_eq!(
        found(&node, r#"{"term": {"user_id": "u-1"}}"#).await,
        json!(["1"])
    );
    assert_eq!(found(&node, r#"{"match": {"ids": "s"}}"#).await, json!(["2"]));
    assert_eq!(
        found(&node, r#"{"match": {"all": "apples pears"}}"#).await,
        json!(["1", "2"])
    );
    let source = node.get("/orders/_source/1").await.expect(200);
    assert_eq!(source, json!({"user_id": "u-1", "title": "Two apples"}));
    node.put("/orders/_doc/3", r#"{"lines": [{"n": 1}, {"n": 2}, {"n": 3}]}"#)
        .await
        .refused(400, "document_parsing_exception");
    let mapping = node.get("/orders/_mapping").await.expect(200);
    let properties = &mapping["orders"]["mappings"]["properties"];
    assert_eq!(
        properties["shop_id"],
        json!({"type": "keyword", "copy_to": ["ids"]})
    );
    assert!(
        properties["lines"].get("properties").is_none(),
        "a refused document leaves nothing: {properties}"
    );
}

#[tokio::test]
async fn fields_are_shown_by_pattern() {
    let node = Node::start().await;
    let index = r#"{"mappings": {"properties": {
        "a": {"properties": {"name": {"type": "text", "fields": {"raw": {"type": "keyword"}}}}}, "n": {"type": "long"}
    }}}"#;
    node.put("/orders", index).await.expect(200);
    let raw = json!({"full_name": "a.name.raw", "mapping": {"raw": {"type": "keyword"}}});
    assert_eq!(
        node.get("/orders/_mapping/field/a.*.raw,none").await.expect(200),
        json!({"orders": {"mappings": {"a.name.raw": raw}}})
    );
    let with_defaults = node
        .get("/_mapping/field/n?include_defaults=true")
        .await
        .expect(200);
    let field = &with_defaults["orders"]["mappings"]["n"]["mapping"]["n"];
    assert_eq!(
        (&field["type"], &field["doc_values"], &field["coerce"]),
        (&json!("long"), &json!(true), &json!(true))
    );
    node.get("/gone/_mapping/field/n")
        .await
        .refused(404, "index_not_found_exception");
}

#[tokio::test]
async fn settings_are_shown_by_name_and_reset_by_wildcard() {
    let node = Node::start().await;
    let index = r#"{"settings": {"number_of_replicas": 0, "priority": 7, "refresh_interval": "9s"}}"#;
    node.put("/orders", index).await.expect(200);
    let shown = node
        .get("/_settings/index.pri*?flat_settings=true")
        .await
        .expect(200);
    assert_eq!(shown, json!({"orders": {"settings": {"index.priority": "7"}}}));
    node.put("/orders/_settings", r#"{"*": null}"#).await.expect(200);
    let left = node.get("/orders/_settings?flat_settings=true").await.expect(200);
    let left = left["orders"]["settings"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    assert!(
        left.contains_key("index.uuid") && left.contains_key("index.number_of_shards"),
        "{left:?}"
    );
    assert!(
        !left.contains_key("index.priority") && !left.contains_key("index.refresh_interval"),
        "{left:?}"
    );
}

#[tokio::test]
async fn an_alias_with_a_filter_that_is_no_query_is_refused_at_once() {
    let node = Node::start().await;
    node.put("/orders", "").await.expect(200);
    let add = r#"{"actions": [{"add": {"index": "orders", "alias": "some", "filter": {"trm": {"n": 1}}}}]}"#;
    let reason = node
        .post("/_aliases", add)
        .await
        .refused(400, "illegal_argument_exception");
    assert!(reason.contains("[some]"), "{reason}");
    node.put("/others", r#"{"aliases": {"some": {"filter": {"trm": {}}}}}"#)
        .await
        .refused(400, "illegal_argument_exception");
    assert_eq!(node.head("/others").await, 404);
    let aliases = node.get("/orders/_alias").await.expect(200);
    assert_eq!(aliases, json!({"orders": {"aliases": {}}}));
}

#[tokio::test]
async fn binary_fields_are_kept_and_tell_that_they_are_there() {
    let node = Node::start().await;
    let index = r#"{"mappings": {"properties": {
        "columns": {"type": "binary", "doc_values": true}, "stored": {"type": "binary", "store": true}, "plain": {"type": "binary"}
    }}}"#;
    node.put("/orders", index).await.expect(200);
    for (id, document) in [
        ("1", r#"{"columns": "YWI=", "plain": "not base64"}"#),
        ("2", r#"{"stored": ["YWI=", "YWJj"], "columns": null}"#),
    ] {
        node.put(&format!("/orders/_doc/{id}?refresh=true"), document)
            .await
            .expect(201);
    }
    for field in ["columns", "stored"] {
        let document = format!(r#"{{"{field}": "not base64"}}"#);
        node.put("/orders/_doc/3", &document)
            .await
            .refused(400, "document_parsing_exception");
    }
    for (field, expected) in [
        ("columns", json!(["1"])),
        ("stored", json!(["2"])),
        ("plain", json!([])),
    ] {
        let query = format!(r#"{{"exists": {{"field": "{field}"}}}}"#);
        assert_eq!(found(&node, &query).await, expected, "{field}");
    }
    let body = r#"{"fields": ["*"], "query": {"ids": {"values": ["2"]}}}"#;
    let search = node.post("/orders/_search", body).await.expect(200);
    assert_eq!(
        search["hits"]["hits"][0]["fields"],
        json!({"stored": ["YWI=", "YWJj"]})
    );
    for refused in [
        r#"{"query": {"term": {"columns": "YWI="}}}"#,
        r#"{"query": {"match_all": {}}, "sort": ["columns"]}"#,
    ] {
        let answer = node.post("/orders/_search", refused).await;
        assert_eq!(answer.status, 400, "{refused}");
    }
    let caps = node.get("/orders/_field_caps?fields=columns").await.expect(200);
    assert_eq!(
        caps["fields"]["columns"]["binary"],
        json!({"type": "binary", "metadata_field": false, "searchable": false, "aggregatable": false})
    );
}
