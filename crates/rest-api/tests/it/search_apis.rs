//! What is asked about searches: fields, queries, shards; several searches at a point in time; what is not offered.

use http::Method;
use serde_json::json;

use crate::node::Node;

async fn two_indices() -> Node {
    let node = Node::start().await;
    let settings = r#""settings": {"number_of_replicas": 0, "index.refresh_interval": "-1"}"#;
    for (index, mapping, document) in [
        (
            "old",
            r#"{"n": {"type": "keyword"}, "t": {"type": "text"}}"#,
            r#"{"n": "1", "t": "a"}"#,
        ),
        (
            "new",
            r#"{"n": {"type": "long"}, "o": {"properties": {"x": {"type": "ip"}}}}"#,
            r#"{"n": 2}"#,
        ),
    ] {
        let body = format!(r#"{{{settings}, "mappings": {{"properties": {mapping}}}}}"#);
        node.put(&format!("/{index}"), &body).await.expect(200);
        node.put(&format!("/{index}/_doc/1?refresh=true"), document)
            .await
            .expect(201);
    }
    node
}

#[tokio::test]
async fn fields_are_told_with_their_types() {
    let node = two_indices().await;
    let answer = node.get("/_field_caps?fields=n,o.*").await.expect(200);
    assert_eq!(answer["indices"], json!(["new", "old"]));
    assert_eq!(answer["fields"]["n"]["long"]["indices"], json!(["new"]));
    assert_eq!(
        answer["fields"]["o.x"]["ip"],
        json!({"type": "ip", "metadata_field": false, "searchable": true, "aggregatable": true})
    );
    let answer = node
        .post(
            "/old,new/_field_caps?include_unmapped=true",
            r#"{"fields": ["t"]}"#,
        )
        .await
        .expect(200);
    assert_eq!(answer["fields"]["t"]["unmapped"]["indices"], json!(["new"]));
    let answer = node
        .post("/_field_caps?fields=*", r#"{"index_filter": {"term": {"n": 2}}}"#)
        .await
        .expect(200);
    assert_eq!(answer["indices"], json!(["new"]));
    node.get("/_field_caps")
        .await
        .refused(400, "action_request_validation_exception");
    node.get("/nope/_field_caps?fields=*")
        .await
        .refused(404, "index_not_found_exception");
    node.get("/_field_caps?fields=*&filters=nope")
        .await
        .refused(400, "illegal_argument_exception");
}

#[tokio::test]
async fn queries_are_checked_without_being_run() {
    let node = two_indices().await;
    let query = |value: &str| json!({"query": {"term": {"n": value}}}).to_string();
    let answer = node.post("/_validate/query", &query("1")).await.expect(200);
    assert_eq!(
        answer,
        json!({"_shards": {"total": 2, "successful": 2, "failed": 0}, "valid": true})
    );
    let answer = node
        .post("/_validate/query?explain=true&all_shards=true", &query("x"))
        .await
        .expect(200);
    assert_eq!(answer["valid"], false);
    let explanations = answer["explanations"].as_array().unwrap();
    for explanation in explanations {
        let is_new = explanation["index"] == "new";
        assert_eq!(
            (explanation["valid"] == false, explanation["error"].is_string()),
            (is_new, is_new),
            "{explanation}"
        );
        assert_eq!(
            (explanation["explanation"].is_string(), &explanation["shard"]),
            (!is_new, &json!(0)),
            "{explanation}"
        );
    }
    let answer = node.get("/new/_validate/query?q=n:x").await.expect(200);
    assert_eq!(answer["valid"], false);
    let malformed = r#"{"query": {"nope": {}}}"#;
    assert_eq!(
        node.post("/old/_validate/query", malformed).await.expect(200),
        json!({"valid": false})
    );
    let answer = node
        .post("/old/_validate/query?explain=true", malformed)
        .await
        .expect(200);
    assert!(
        answer["error"].as_str().unwrap().contains("unknown query [nope]"),
        "{answer}"
    );
    node.get("/nope/_validate/query")
        .await
        .refused(404, "index_not_found_exception");
}

#[tokio::test]
async fn the_shards_of_a_search_are_told() {
    let node = two_indices().await;
    node.put("/old/_alias/only", r#"{"filter": {"term": {"n": "1"}}}"#)
        .await
        .expect(200);
    let answer = node.get("/only,new/_search_shards").await.expect(200);
    assert_eq!(
        answer["indices"],
        json!({"new": {}, "old": {"aliases": ["only"], "filter": {"term": {"n": "1"}}}})
    );
    node.put("/old/_alias/oldest", "").await.expect(200);
    for (expression, expected) in [
        ("oldest", json!({"aliases": ["oldest"]})),
        ("only,oldest", json!({"aliases": ["oldest", "only"]})),
        ("o*", json!({"aliases": ["oldest", "only"]})),
        ("old", json!({})),
    ] {
        let answer = node
            .get(&format!("/{expression}/_search_shards"))
            .await
            .expect(200);
        assert_eq!(answer["indices"]["old"], expected, "{expression}");
    }
    let shard = &answer["shards"][0][0];
    assert_eq!(
        (&shard["state"], &shard["primary"], &shard["shard"]),
        (&json!("STARTED"), &json!(true), &json!(0))
    );
    assert!(answer["nodes"][shard["node"].as_str().unwrap()]["name"].is_string());
    assert_eq!(answer["shards"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn several_searches_may_be_at_points_in_time() {
    let node = two_indices().await;
    let pit = node.post("/new/_pit?keep_alive=1m", "").await.expect(200)["id"].clone();
    node.put("/new/_doc/2?refresh=true", r#"{"n": 3}"#)
        .await
        .expect(201);
    let at = json!({"pit": {"id": pit}, "sort": ["n"]});
    let lines = format!("{{}}\n{at}\n{{\"index\": \"new\"}}\n{{}}\n{{\"index\": \"new\"}}\n{at}\n");
    let headers = [("content-type", "application/x-ndjson")];
    let answer = node
        .call_with(Method::POST, "/_msearch", &headers, lines)
        .await
        .expect(200);
    let responses = &answer["responses"];
    assert_eq!(
        (&responses[0]["hits"]["total"]["value"], &responses[0]["pit_id"]),
        (&json!(1), &pit),
        "{answer}"
    );
    assert_eq!(responses[1]["hits"]["total"]["value"], 2);
    assert_eq!(
        responses[2]["error"]["type"],
        "action_request_validation_exception"
    );
}

#[tokio::test]
async fn what_is_not_offered_is_refused_by_its_name() {
    let node = two_indices().await;
    for path in [
        "/old/_termvectors/1",
        "/_mtermvectors",
        "/_rank_eval",
        "/old/_rank_eval",
        "/_search/template",
        "/old/_search/template",
        "/_render/template",
        "/old/_explain/1",
        "/old/_terms_enum",
    ] {
        let answer = node.post(path, "{}").await.expect(400);
        assert!(
            answer["error"]["reason"]
                .as_str()
                .unwrap()
                .contains("not supported here"),
            "{path}: {answer}"
        );
    }
}
