//! Analysis: definitions, mappings that name them, searches, and `_analyze`.

use serde_json::{Value, json};

use crate::node::Node;
use crate::replication::connected;

const SHOP: &str = r#"{
    "settings": {
        "analysis": {
            "analyzer": {"names": {"type": "custom", "tokenizer": "standard", "filter": ["lowercase", "asciifolding", "shops"]}},
            "filter": {"shops": {"type": "synonym", "synonyms": ["tv, television"]}},
            "normalizer": {"folded": {"type": "custom", "filter": ["lowercase", "asciifolding"]}}
        }
    },
    "mappings": {"properties": {
        "name": {"type": "text", "analyzer": "names"}, "tag": {"type": "keyword", "normalizer": "folded"}
    }}
}"#;

async fn found(node: &Node, body: Value) -> Vec<String> {
    let answer = node.post("/shop/_search", &body.to_string()).await.expect(200);
    let hits = answer["hits"]["hits"].as_array().unwrap();
    hits.iter()
        .map(|hit| hit["_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_index_is_searched_by_its_own_analyzers() {
    let node = Node::start().await;
    node.put("/shop", SHOP).await.expect(200);
    node.put(
        "/shop/_doc/1?refresh",
        r#"{"name": "Télévision Noire", "tag": "Éclair"}"#,
    )
    .await
    .expect(201);
    node.put("/shop/_doc/2?refresh", r#"{"name": "Blue TV", "tag": "beta"}"#)
        .await
        .expect(201);
    let both = json!({"query": {"match": {"name": "TELEVISION"}}, "sort": ["tag"]});
    assert_eq!(found(&node, both).await, ["2", "1"]);
    let phrase = json!({"query": {"match_phrase": {"name": "tv noire"}}});
    assert_eq!(found(&node, phrase).await, ["1"]);
    assert_eq!(
        found(&node, json!({"query": {"term": {"tag": "ECLAIR"}}})).await,
        ["1"]
    );
    node.post(
        "/shop/_search",
        r#"{"query": {"match": {"name": {"query": "x", "analyzer": "nope"}}}}"#,
    )
    .await
    .refused(400, "search_phase_execution_exception");

    let settings = node.get("/shop/_settings").await.expect(200);
    let filter = &settings["shop"]["settings"]["index"]["analysis"]["filter"]["shops"];
    assert_eq!(filter["synonyms"], json!(["tv, television"]));
    let mapping = node.get("/shop/_mapping").await.expect(200);
    assert_eq!(
        mapping["shop"]["mappings"]["properties"]["name"]["analyzer"],
        "names"
    );
}

#[tokio::test]
async fn definitions_are_checked_when_they_are_given() {
    let node = Node::start().await;
    let create = |analysis: Value| json!({"settings": {"analysis": analysis}}).to_string();
    for (analysis, problem) in [
        (
            json!({"analyzer": {"a": {"tokenizer": "nope"}}}),
            "Custom Analyzer [a] failed to find tokenizer under name [nope]",
        ),
        (
            json!({"filter": {"f": {"type": "nope"}}}),
            "Unknown filter type [nope] for [f]",
        ),
        (
            json!({"filter": {"f": {"type": "trim", "x": 1}}}),
            "filter [f]: unknown parameter [x]",
        ),
        (
            json!({"analyzer": {"a": {"type": "pattern", "pattern": "("}}}),
            "failed to build analyzer [a]: pattern [(] cannot be used",
        ),
    ] {
        let reason = node
            .put("/a", &create(analysis))
            .await
            .refused(400, "illegal_argument_exception");
        assert!(reason.contains(problem), "{reason}");
    }
    let unknown = r#"{"mappings": {"properties": {"t": {"type": "text", "analyzer": "nope"}}}}"#;
    let reason = node
        .put("/a", unknown)
        .await
        .refused(400, "mapper_parsing_exception");
    assert_eq!(
        reason,
        "Failed to parse mapping: analyzer [nope] has not been configured in mappings"
    );
    assert_eq!(node.head("/a").await, 404);

    node.put("/shop", SHOP).await.expect(200);
    let field = r#"{"properties": {"k": {"type": "keyword", "normalizer": "nope"}}}"#;
    let reason = node
        .put("/shop/_mapping", field)
        .await
        .refused(400, "mapper_parsing_exception");
    assert!(
        reason.contains("normalizer [nope] not found for field [k]"),
        "{reason}"
    );
    let more = r#"{"analysis": {"analyzer": {"more": {"type": "german"}}}}"#;
    let reason = node
        .put("/shop/_settings", more)
        .await
        .refused(400, "illegal_argument_exception");
    assert!(reason.contains("close it first"), "{reason}");
    node.post("/shop/_close", "").await.expect(200);
    let broken = r#"{"analysis": {"analyzer": {"more": {"type": "klingon"}}}}"#;
    let reason = node
        .put("/shop/_settings", broken)
        .await
        .refused(400, "illegal_argument_exception");
    assert!(
        reason.contains("Unknown analyzer type [klingon] for [more]"),
        "{reason}"
    );
    let gone = r#"{"analysis.analyzer.names.*": null}"#;
    let reason = node
        .put("/shop/_settings", gone)
        .await
        .refused(400, "mapper_parsing_exception");
    assert!(reason.contains("analyzer [names]"), "{reason}");
    node.put("/shop/_settings", more).await.expect(200);
    node.post("/shop/_open", "").await.expect(200);
    node.put(
        "/shop/_mapping",
        r#"{"properties": {"g": {"type": "text", "analyzer": "more"}}}"#,
    )
    .await
    .expect(200);
    node.put("/shop/_doc/1?refresh", r#"{"g": "Die Häuser", "new": "field"}"#)
        .await
        .expect(201);
    assert_eq!(
        found(&node, json!({"query": {"match": {"g": "haus"}}})).await,
        ["1"]
    );
}

#[tokio::test]
async fn analyze_shows_tokens() {
    let node = Node::start().await;
    let tokens = node
        .post("/_analyze", r#"{"analyzer": "standard", "text": "Brown-Fox 2"}"#)
        .await
        .expect(200);
    assert_eq!(
        tokens,
        json!({"tokens": [
            {"token": "brown", "start_offset": 0, "end_offset": 5, "type": "<ALPHANUM>", "position": 0},
            {"token": "fox", "start_offset": 6, "end_offset": 9, "type": "<ALPHANUM>", "position": 1},
            {"token": "2", "start_offset": 10, "end_offset": 11, "type": "<NUM>", "position": 2}
        ]})
    );
    node.put("/shop", SHOP).await.expect(200);
    for (path, body, expected) in [
        (
            "/_analyze",
            json!({"text": ["A b", "c"]}),
            vec!["a@0", "b@1", "c@102"],
        ),
        (
            "/_analyze",
            json!({"tokenizer": "keyword", "filter": ["lowercase"], "text": "A b"}),
            vec!["a b@0"],
        ),
        (
            "/_analyze",
            json!({
                "tokenizer": {"type": "ngram", "min_gram": 2, "max_gram": 2}, "text": "abc",
                "filter": [{"type": "truncate", "length": 1}], "char_filter": {"type": "mapping", "mappings": ["c => x"]}
            }),
            vec!["a@0", "b@1"],
        ),
        (
            "/shop/_analyze",
            json!({"field": "name", "text": "Tv"}),
            vec!["tv@0", "television@0"],
        ),
        (
            "/shop/_analyze",
            json!({"analyzer": "names", "text": "É"}),
            vec!["e@0"],
        ),
        (
            "/shop/_analyze",
            json!({"field": "tag", "text": "É x"}),
            vec!["e x@0"],
        ),
        (
            "/shop/_analyze",
            json!({"normalizer": "folded", "text": "É x"}),
            vec!["e x@0"],
        ),
        (
            "/shop/_analyze",
            json!({"tokenizer": "standard", "filter": ["lowercase", "shops"], "text": "TV"}),
            vec!["tv@0", "television@0"],
        ),
    ] {
        let answer = node.post(path, &body.to_string()).await.expect(200);
        let tokens = answer["tokens"].as_array().unwrap();
        let shown: Vec<String> = tokens
            .iter()
            .map(|token| format!("{}@{}", token["token"].as_str().unwrap(), token["position"]))
            .collect();
        assert_eq!(shown, expected, "{path} {body}");
    }
}

#[tokio::test]
async fn analyze_refuses_what_it_cannot_do() {
    let node = Node::start().await;
    let illegal = "illegal_argument_exception";
    for (body, kind, problem) in [
        (
            json!({}),
            "action_request_validation_exception",
            "text is missing",
        ),
        (
            json!({"text": "x", "analyzer": "nope"}),
            illegal,
            "failed to find analyzer [nope]",
        ),
        (
            json!({"text": "x", "tokenizer": "nope"}),
            illegal,
            "failed to find tokenizer under name [nope]",
        ),
        (
            json!({"text": "x", "filter": ["nope"]}),
            illegal,
            "failed to find filter under name [nope]",
        ),
        (
            json!({"text": "x", "analyzer": "standard", "filter": ["trim"]}),
            illegal,
            "extra components",
        ),
        (
            json!({"text": "x", "normalizer": "nope"}),
            illegal,
            "failed to find normalizer under [nope]",
        ),
        (
            json!({"text": {"a": 1}}),
            "x_content_parse_exception",
            "field [text]",
        ),
        (
            json!({"text": "x", "nope": 1}),
            "x_content_parse_exception",
            "[nope]",
        ),
        (
            json!({"text": "x", "explain": true, "analyzer": "nope"}),
            illegal,
            "failed to find analyzer [nope]",
        ),
        (
            json!({"text": "x ".repeat(10_001)}),
            "illegal_state_exception",
            "allowed maximum of [10000]",
        ),
    ] {
        let answer = node.post("/_analyze", &body.to_string()).await;
        let reason = answer.refused(answer.status.as_u16(), kind);
        assert!(reason.contains(problem), "{reason}");
    }
    node.post("/nope/_analyze", r#"{"text": "x"}"#)
        .await
        .refused(404, "index_not_found_exception");
    node.put("/few", r#"{"settings": {"analyze.max_token_count": 2}}"#)
        .await
        .expect(200);
    node.post("/few/_analyze", r#"{"text": "a b"}"#).await.expect(200);
    node.post("/few/_analyze", r#"{"text": "a b c"}"#)
        .await
        .refused(500, "illegal_state_exception");
}

#[tokio::test]
async fn a_follower_analyzes_as_its_leader_does() {
    let (leader, follower) = connected().await;
    leader.put("/shop", SHOP).await.expect(200);
    leader
        .put(
            "/shop/_doc/1?refresh",
            r#"{"name": "Télévision Noire", "tag": "Éclair"}"#,
        )
        .await
        .expect(201);
    let follow = r#"{"remote_cluster": "lisbon", "leader_index": "shop", "read_poll_timeout": "100ms"}"#;
    follower
        .put("/shop/_ccr/follow?wait_for_active_shards=1", follow)
        .await
        .expect(200);
    let phrase = json!({"query": {"match_phrase": {"name": "tv noire"}}});
    assert_eq!(found(&follower, phrase).await, ["1"]);
    assert_eq!(
        found(&follower, json!({"query": {"term": {"tag": "ECLAIR"}}})).await,
        ["1"]
    );

    leader.post("/shop/_close", "").await.expect(200);
    let more = r#"{"analysis": {"analyzer": {"more": {"type": "german"}}}}"#;
    leader.put("/shop/_settings", more).await.expect(200);
    leader.post("/shop/_open", "").await.expect(200);
    let field = r#"{"properties": {"g": {"type": "text", "analyzer": "more"}}}"#;
    leader.put("/shop/_mapping", field).await.expect(200);
    leader
        .put("/shop/_doc/2", r#"{"g": "Die Häuser", "tag": "beta"}"#)
        .await
        .expect(201);
    follower
        .until("/shop/_doc/2", |answer| answer["found"] == true)
        .await;
    follower.post("/shop/_refresh", "").await.expect(200);
    assert_eq!(
        found(&follower, json!({"query": {"match": {"g": "haus"}}})).await,
        ["2"]
    );
    let mapping = follower.get("/shop/_mapping").await.expect(200);
    assert_eq!(mapping["shop"]["mappings"]["properties"]["g"]["analyzer"], "more");
}

#[tokio::test]
async fn the_parts_of_a_chain_are_explained() {
    let node = Node::start().await;
    node.put("/shop", SHOP).await.expect(200);
    let explain = async |path: &str, mut body: Value| {
        body["explain"] = json!(true);
        node.post(path, &body.to_string()).await.expect(200)["detail"].clone()
    };
    let words = |part: &Value| {
        let tokens = part["tokens"].as_array().unwrap();
        tokens
            .iter()
            .map(|token| token["token"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let custom = json!({
        "text": ["<b>Running</b> Fast"], "char_filter": ["html_strip"], "tokenizer": "standard",
        "filter": ["lowercase", {"type": "stemmer", "language": "english"}]
    });
    let detail = explain("/_analyze", custom).await;
    assert_eq!(detail["custom_analyzer"], json!(true));
    assert_eq!(
        detail["charfilters"],
        json!([{"name": "html_strip", "filtered_text": ["Running Fast"]}])
    );
    assert_eq!(
        (&detail["tokenizer"]["name"], words(&detail["tokenizer"]).as_str()),
        (&json!("standard"), "Running Fast")
    );
    let filters = &detail["tokenfilters"];
    assert_eq!(
        (&filters[0]["name"], words(&filters[0]).as_str()),
        (&json!("lowercase"), "running fast")
    );
    assert_eq!(
        (&filters[1]["name"], words(&filters[1]).as_str()),
        (&json!("__anonymous__stemmer"), "run fast")
    );
    assert_eq!(
        filters[1]["tokens"][0],
        json!({
            "token": "run", "start_offset": 3, "end_offset": 14, "type": "<ALPHANUM>", "position": 0,
            "bytes": "[72 75 6e]", "positionLength": 1, "termFrequency": 1
        })
    );

    let detail = explain(
        "/shop/_analyze",
        json!({"text": "Télé TV", "field": "name", "attributes": ["positionLength"]}),
    )
    .await;
    let names: Vec<_> = detail["tokenfilters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|filter| filter["name"].clone())
        .collect();
    assert_eq!(names, ["lowercase", "asciifolding", "shops"]);
    assert_eq!(words(&detail["tokenfilters"][2]), "tele tv television");
    let token = &detail["tokenfilters"][2]["tokens"][2];
    assert_eq!(
        (&token["type"], &token["positionLength"], token.get("bytes")),
        (&json!("SYNONYM"), &json!(1), None)
    );
    assert_eq!(detail.get("charfilters"), None);

    let detail = explain("/shop/_analyze", json!({"text": "É", "normalizer": "folded"})).await;
    assert_eq!(words(&detail["tokenfilters"][1]), "e");
    let detail = explain("/_analyze", json!({"text": "The Dogs", "analyzer": "english"})).await;
    assert_eq!(
        (
            &detail["custom_analyzer"],
            &detail["analyzer"]["name"],
            words(&detail["analyzer"]).as_str()
        ),
        (&json!(false), &json!("english"), "dog")
    );
    let many = json!({"settings": {"index.analyze.max_token_count": 3}}).to_string();
    node.put("/small", &many).await.expect(200);
    let body =
        json!({"text": "a b", "tokenizer": "standard", "filter": ["lowercase"], "explain": true}).to_string();
    node.post("/small/_analyze", &body)
        .await
        .refused(500, "illegal_state_exception");
}
