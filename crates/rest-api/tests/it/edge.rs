//! What holds for every request: headers, media types, parameters, errors.

use http::Method;
use oplog::ByteCount;
use rest_api::RestConfig;

use crate::node::Node;

#[tokio::test]
async fn every_answer_names_the_product_and_errors_have_their_shape() {
    let node = Node::start().await;
    let info = node.get("/").await;
    assert_eq!(info.header("x-elastic-product"), "Elasticsearch");
    let info = info.expect(200);
    assert_eq!(
        (&info["version"]["number"], &info["tagline"]),
        (&"9.1.1".into(), &"You Know, for Search".into())
    );
    assert_eq!(info["cluster_name"], "leader");
    assert_eq!(node.head("/").await, 200);

    let missing = node.get("/nothing").await;
    assert_eq!(missing.header("x-elastic-product"), "Elasticsearch");
    missing.refused(404, "index_not_found_exception");
    assert_eq!(missing.json()["error"]["index"], "nothing");

    let unknown = node.get("/a/b/c/d").await;
    assert!(
        unknown.expect(400)["error"]
            .as_str()
            .unwrap()
            .contains("no handler found for uri [/a/b/c/d] and method [GET]")
    );
    let wrong = node.call(Method::PATCH, "/_bulk", "").await;
    assert_eq!(wrong.header("allow"), "POST,PUT");
    assert!(wrong.expect(405)["error"].as_str().unwrap().contains("[PATCH]"));
    let traced = node.get("/nothing?error_trace").await.json();
    assert!(traced["error"]["stack_trace"].is_string());
}

#[tokio::test]
async fn media_types_are_negotiated() {
    let node = Node::start().await;
    let vendor = "application/vnd.elasticsearch+json; compatible-with=8";
    let answer = node
        .call_with(
            Method::PUT,
            "/v",
            &[("accept", vendor), ("content-type", vendor)],
            "{}",
        )
        .await;
    answer.expect(200);
    assert_eq!(
        answer.header("content-type"),
        "application/vnd.elasticsearch+json;compatible-with=8"
    );
    let answer = node
        .call_with(
            Method::GET,
            "/_cat/indices",
            &[("accept", "text/plain,application/json")],
            "",
        )
        .await;
    assert!(answer.header("content-type").starts_with("text/plain"));
    let answer = node
        .call_with(Method::GET, "/", &[("accept", "application/yaml")], "")
        .await;
    answer.refused(406, "media_type_header_exception");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    node.call_with(Method::PUT, "/w", &form, "{}")
        .await
        .refused(406, "media_type_header_exception");
    node.call_with(Method::PUT, "/w", &[], "{}")
        .await
        .refused(406, "media_type_header_exception");
    assert_eq!(node.head("/w").await, 404, "refused requests change nothing");
    let opaque = node
        .call_with(Method::GET, "/", &[("x-opaque-id", "mine")], "")
        .await;
    assert_eq!(opaque.header("x-opaque-id"), "mine");
}

#[tokio::test]
async fn parameters_and_bodies_are_checked_before_anything_changes() {
    let node = Node::start().await;
    let reason = node
        .put("/i?wait_for_activ_shards=1", "{}")
        .await
        .refused(400, "illegal_argument_exception");
    assert!(
        reason.contains("[wait_for_activ_shards] -> did you mean [wait_for_active_shards]?"),
        "{reason}"
    );
    let reason = node
        .put("/i", "{\"settings\": {")
        .await
        .refused(400, "x_content_parse_exception");
    assert!(reason.starts_with("[1:"), "{reason}");
    node.put("/i", "{\"nonsense\": 1}")
        .await
        .refused(400, "x_content_parse_exception");
    node.put("/i?pretty=maybe", "{}")
        .await
        .refused(400, "illegal_argument_exception");
    node.put("/i?master_timeout=5", "{}")
        .await
        .refused(400, "illegal_argument_exception");
    node.call(Method::DELETE, "/i", "{}")
        .await
        .refused(400, "illegal_argument_exception");
    assert_eq!(node.head("/i").await, 404);
}

#[tokio::test]
async fn answers_are_filtered_and_indented() {
    let node = Node::start().await;
    let filtered = node.get("/?filter_path=version.n*,tagline").await.expect(200);
    assert_eq!(
        filtered,
        serde_json::json!({"version": {"number": "9.1.1"}, "tagline": "You Know, for Search"})
    );
    let excluded = node.get("/?filter_path=-version").await.expect(200);
    assert!(excluded.get("version").is_none() && excluded.get("name").is_some());
    assert!(node.get("/?pretty").await.text().contains("{\n  \"name\""));
    let filtered = node.get("/none?filter_path=status").await.expect(404);
    assert_eq!(filtered, serde_json::json!({"status": 404}));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let config = RestConfig {
        max_content_length: ByteCount::new(64),
        version_number: "8.19.3".to_owned(),
        ..RestConfig::default()
    };
    let node = Node::start_with("small", config).await;
    let body = format!("{{\"settings\": {{\"x\": \"{}\"}}}}", "y".repeat(100));
    node.put("/i", &body)
        .await
        .refused(413, "content_too_long_exception");
    assert_eq!(node.get("/").await.expect(200)["version"]["number"], "8.19.3");
    assert_eq!(node.head("/i").await, 404);
}

#[tokio::test]
async fn a_type_of_no_body_is_not_looked_at() {
    let node = Node::start().await;
    let octets = [("content-type", "application/octet-stream")];
    let answer = node.call_with(Method::POST, "/_refresh", &octets, "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    node.call_with(Method::PUT, "/i", &octets, "{}")
        .await
        .refused(406, "media_type_header_exception");
}

#[tokio::test]
async fn a_refused_body_does_not_cost_the_connection() {
    let node = Node::start().await;
    let body = "x".repeat(500_000);
    let refused = [
        ("POST", "/_a/b/c/d/e", "application/json", 400),
        ("PATCH", "/_search", "application/json", 405),
        ("POST", "/_search?nope=1", "application/json", 400),
        ("POST", "/_search", "text/csv", 406),
        ("GET", "/", "", 200),
    ];
    let answers = node
        .on_one_connection(&refused.map(|(method, path, kind, _)| (method, path, kind, &*body)))
        .await;
    assert_eq!(answers, refused.map(|(.., status)| status));
}

#[tokio::test]
async fn names_of_indices_may_hold_dates() {
    let node = Node::start().await;
    let created = node.put("/%3Clogs-%7Bnow%2Fy%7D%3E", "{}").await.expect(200);
    let name = created["index"].as_str().expect("a name").to_owned();
    assert!(
        name.starts_with("logs-2") && name.len() == "logs-2024.01.01".len(),
        "{name}"
    );
    assert_eq!(node.head(&format!("/{name}")).await, 200);
    let bulk = "{\"index\":{\"_index\":\"<logs-{now/y}>\",\"_id\":\"1\"}}\n{\"n\":1}\n";
    let answer = node.post("/_bulk?refresh=true", bulk).await.expect(200);
    assert_eq!(answer["items"][0]["index"]["_index"], name);
    let got = node
        .post(
            "/_mget",
            r#"{"docs": [{"_index": "<logs-{now/y}>", "_id": "1"}]}"#,
        )
        .await;
    assert_eq!(got.expect(200)["docs"][0]["found"], true);
    let found = node.get("/l*,-%3Cother-%7Bnow%7D%3E/_count").await;
    assert_eq!(found.expect(200)["count"], 1);
    let searches = "{\"index\":\"<logs-{now/y}>\"}\n{}\n";
    let found = node.post("/_msearch", searches).await.expect(200);
    assert_eq!(found["responses"][0]["hits"]["total"]["value"], 1, "{found}");
    let resolved = node
        .get("/_resolve/index/%3Clogs-%7Bnow%2Fy%7D%3E")
        .await
        .expect(200);
    assert_eq!(resolved["indices"][0]["name"], name);
    let action = r#"{"actions": [{"add": {"index": "<logs-{now/y}>", "alias": "logs"}}]}"#;
    node.post("/_aliases", action).await.expect(200);
    let copy = r#"{"source": {"index": "logs"}, "dest": {"index": "<copy-{now/y}>"}}"#;
    assert_eq!(node.post("/_reindex", copy).await.expect(200)["created"], 1);
    let reason = node
        .get("/%3Clogs-%7Bnow%3E")
        .await
        .refused(400, "parse_exception");
    assert!(reason.contains("open ended"), "{reason}");
}
