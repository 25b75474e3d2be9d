//! What is asked about searches: fields, queries, shards; several searches at a point in time; what is not offered.

use http::Method;
use serde_json::{Value, json};

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

#[tokio::test]
async fn terms_are_looked_up_in_a_document() {
    let node = Node::start().await;
    let people = json!({"mappings": {"properties": {"user": {"type": "keyword"}}}, "settings": {"index.max_terms_count": 3}});
    node.put("/people", &people.to_string()).await.expect(200);
    for user in ["ann", "bob", "cid", "dee"] {
        let path = format!("/people/_doc/{user}");
        let source = json!({ "user": user }).to_string();
        node.put(&path, &source).await.expect(201);
    }
    node.post("/people/_refresh", "").await.expect(200);
    let followers =
        json!({"followers": [{"name": "ann"}, {"name": ["cid", null]}], "many": ["a", "b", "c", "d"]});
    node.put("/groups/_doc/1?routing=r", &followers.to_string())
        .await
        .expect(201);
    let of = |lookup: Value| json!({"query": {"bool": {"filter": [{"terms": {"user": lookup}}]}}});
    let named = json!({"index": "groups", "id": 1, "path": "followers.name", "routing": "r"});
    let found = of(named.clone()).to_string();
    let total = async |path: &str, body: &str| {
        let answer = node.post(path, body).await.expect(200);
        answer["hits"]["total"]["value"].as_u64().unwrap()
    };
    assert_eq!(total("/people/_search", &found).await, 2);
    for (member, value) in [("id", json!("9")), ("path", json!("nothing.here"))] {
        let mut nothing = named.clone();
        nothing[member] = value;
        assert_eq!(total("/people/_search", &of(nothing).to_string()).await, 0);
    }
    let counted = node.post("/people/_count", &found).await.expect(200);
    assert_eq!(counted["count"], 2);
    let lines = format!("{{\"index\": \"people\"}}\n{found}\n");
    let several = node.post("/_msearch", &lines).await.expect(200);
    assert_eq!(several["responses"][0]["hits"]["total"]["value"], 2);
    let valid = node.post("/people/_validate/query", &found).await.expect(200);
    assert_eq!(valid["valid"], true);
    let aggregated = json!({"size": 0, "aggs": {
        "terms": {"filter": {"terms": {"user": named}}, "aggs": {
            "path": {"terms": {"field": "user", "order": {"_key": "desc"}}}, "id": {"value_count": {"field": "user"}}
        }}
    }});
    let answer = node
        .post("/people/_search", &aggregated.to_string())
        .await
        .expect(200);
    let terms = &answer["aggregations"]["terms"];
    assert_eq!(terms["doc_count"], 2);
    assert_eq!(terms["path"]["buckets"][0]["key"], "cid");
    let copied = json!({"source": {"index": "people", "query": of(named.clone())["query"]}, "dest": {"index": "copied"}});
    let answer = node.post("/_reindex", &copied.to_string()).await.expect(200);
    assert_eq!(answer["created"], 2);
    let deleted = node.post("/people/_delete_by_query", &found).await.expect(200);
    assert_eq!(deleted["deleted"], 2);

    for (member, value, status) in [
        ("index", json!("none"), 404),
        ("path", json!("many"), 400),
        ("id", json!(true), 400),
        ("type", json!("_doc"), 400),
    ] {
        let mut wrong = named.clone();
        wrong[member] = value;
        node.post("/people/_search", &of(wrong).to_string())
            .await
            .expect(status);
    }
    let half = of(json!({"id": "1", "path": "followers"})).to_string();
    let refused = node.post("/people/_search", &half).await;
    refused.refused(400, "illegal_argument_exception");
    let lookup = |id: usize| json!({"terms": {"user": {"index": "groups", "id": id, "path": "many"}}});
    let many = json!({"query": {"bool": {"should": (0..=1_000).map(lookup).collect::<Vec<_>>()}}});
    let refused = node.post("/people/_search", &many.to_string()).await;
    refused.refused(400, "illegal_argument_exception");
}
