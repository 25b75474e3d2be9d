//! What a search returns of its hits: fields, highlights, groups.

use serde_json::{Value, json};

use crate::node::Node;

const INDEX: &str = r#"{
    "settings": {"number_of_shards": 2, "number_of_replicas": 0, "index.refresh_interval": "-1"},
    "mappings": {"properties": {
        "title": {"type": "text", "fields": {"raw": {"type": "keyword"}}, "copy_to": "all"}, "all": {"type": "text"},
        "tag": {"type": "keyword"}, "n": {"type": "long"}, "at": {"type": "date", "format": "yyyy-MM-dd"},
        "off": {"type": "object", "enabled": false}
    }}
}"#;

/// A node with an index `books` and these documents, by id.
pub(crate) async fn books(documents: &[(&str, Value)]) -> Node {
    let node = Node::start().await;
    node.put("/books", INDEX).await.expect(200);
    for (id, source) in documents {
        node.put(&format!("/books/_doc/{id}?routing=r{id}"), &source.to_string())
            .await
            .expect(201);
    }
    node.post("/books/_refresh", "").await.expect(200);
    node
}

fn one() -> [(&'static str, Value); 1] {
    [(
        "1",
        json!({"title": ["Red", "blue"], "tag": ["b", "a", "b"], "n": [2, "1"], "at": "2024-05-06", "off": {"x": 5}}),
    )]
}

async fn first_hit(node: &Node, path: &str, body: &Value) -> Value {
    let answer = node.post(path, &body.to_string()).await.expect(200);
    assert_eq!(answer["_shards"]["failed"], 0, "{answer}");
    answer["hits"]["hits"][0].clone()
}

#[tokio::test]
async fn hits_have_the_fields_that_are_asked_for() {
    let node = books(&one()).await;
    let body = json!({
        "_source": false, "fields": ["title*", "all", {"field": "at", "format": "dd.MM.yyyy"}, {"field": "off.*", "include_unmapped": true}],
        "docvalue_fields": ["tag", "n"]
    });
    let hit = first_hit(&node, "/books/_search", &body).await;
    let expected = json!({
        "title": ["Red", "blue"], "title.raw": ["Red", "blue"], "all": ["Red", "blue"], "at": ["06.05.2024"], "off.x": [5],
        "tag": ["a", "b"], "n": [1, 2]
    });
    assert_eq!(hit["fields"], expected);
    assert!(hit.get("_source").is_none() && hit["_routing"] == "r1");
    let hit = first_hit(
        &node,
        "/books/_search?docvalue_fields=at,tag",
        &json!({"size": 1}),
    )
    .await;
    assert_eq!(hit["fields"], json!({"at": ["2024-05-06"], "tag": ["a", "b"]}));
    assert_eq!(hit["_source"]["n"], json!([2, "1"]));
    assert!(
        first_hit(&node, "/books/_search", &json!({"fields": ["nope"]}))
            .await
            .get("fields")
            .is_none()
    );
    // The same of several searches in one request, and of a scroll.
    let hit = first_hit(&node, "/books/_search?scroll=1m", &json!({"fields": ["n"]})).await;
    assert_eq!(hit["fields"], json!({"n": [2, 1]}));
}

#[tokio::test]
async fn stored_fields_say_what_of_the_metadata_is_shown() {
    let node = books(&one()).await;
    for (path, body, source, id) in [
        ("/books/_search", json!({"stored_fields": []}), false, true),
        ("/books/_search", json!({"stored_fields": ["n"]}), false, true),
        (
            "/books/_search",
            json!({"stored_fields": ["n"], "_source": true}),
            true,
            true,
        ),
        (
            "/books/_search",
            json!({"stored_fields": ["_source", "_id"]}),
            true,
            true,
        ),
        ("/books/_search", json!({"stored_fields": "_none_"}), false, false),
        ("/books/_search?stored_fields=_none_", json!({}), false, false),
        (
            "/books/_search?stored_fields=n&_source=title",
            json!({}),
            true,
            true,
        ),
    ] {
        let hit = first_hit(&node, path, &body).await;
        let shown = |name: &str| hit.get(name).is_some();
        assert_eq!(
            (shown("_source"), shown("_id"), shown("_routing")),
            (source, id, id),
            "{path} {body}"
        );
    }
}

#[tokio::test]
async fn fields_that_cannot_be_given_are_refused() {
    let node = books(&one()).await;
    for (body, kind) in [
        (
            json!({"stored_fields": "_none_", "_source": true}),
            "illegal_argument_exception",
        ),
        (
            json!({"stored_fields": "_none_", "fields": ["n"]}),
            "illegal_argument_exception",
        ),
        (
            json!({"stored_fields": ["_none_", "n"]}),
            "illegal_argument_exception",
        ),
        (
            json!({"docvalue_fields": ["title"]}),
            "search_phase_execution_exception",
        ),
        (
            json!({"fields": [{"field": "n", "format": "x"}]}),
            "search_phase_execution_exception",
        ),
        (
            json!({"docvalue_fields": (0..101).map(|n| format!("f{n}")).collect::<Vec<_>>()}),
            "search_phase_execution_exception",
        ),
        (json!({"fields": {"n": 1}}), "parsing_exception"),
    ] {
        node.post("/books/_search", &body.to_string())
            .await
            .refused(400, kind);
    }
}

#[tokio::test]
async fn what_was_found_is_highlighted() {
    let node = books(&[
        ("1", json!({"title": "The quick fox. It jumps over a dog. Quick foxes are <rare>.", "tag": "fox", "all": "x"})),
        ("2", json!({"title": "Nothing of it here", "tag": "dog"})),
    ])
    .await;
    let query = json!({"bool": {"should": [{"match": {"title": "quick"}}, {"term": {"tag": "dog"}}], "must_not": {"match": {"title": "cat"}}}});
    let body = json!({
        "query": query, "sort": ["tag"], "_source": false,
        "highlight": {"fields": {"title": {"fragment_size": 20}, "t*": {}}, "pre_tags": ["<b>"], "post_tags": ["</b>"], "encoder": "html"}
    });
    let answer = node.post("/books/_search", &body.to_string()).await.expect(200);
    let hits = &answer["hits"]["hits"];
    assert_eq!(hits[0]["highlight"], json!({"tag": ["<b>dog</b>"]}));
    let title = json!(["The <b>quick</b> fox. It jumps over a dog. <b>Quick</b> foxes are &lt;rare&gt;."]);
    assert_eq!(hits[1]["highlight"], json!({"title": title}));
    let body = json!({"highlight": {"fields": {"title": {"number_of_fragments": 0}}}});
    let hit = first_hit(&node, "/books/_search?q=title:qui*", &body).await;
    let title = json!(["The <em>quick</em> fox. It jumps over a dog. <em>Quick</em> foxes are <rare>."]);
    assert_eq!(hit["highlight"]["title"], title);
    // Nothing is highlighted where the query finds nothing, or is about another field.
    let hit = first_hit(
        &node,
        "/books/_search",
        &json!({"highlight": {"fields": {"*": {}}}}),
    )
    .await;
    assert!(hit.get("highlight").is_none(), "{hit}");
    let plain = json!({
        "query": {"match_phrase": {"title": "quick fox"}},
        "highlight": {"fields": {"title": {"type": "plain", "fragment_size": 18, "fragmenter": "simple"}, "all": {"require_field_match": false}}}
    });
    let hit = first_hit(&node, "/books/_search", &plain).await;
    assert_eq!(
        hit["highlight"]["title"],
        json!(["The <em>quick</em> <em>fox</em>. It"])
    );
    assert!(
        hit["highlight"]["all"][0]
            .as_str()
            .unwrap()
            .contains("<em>quick</em>"),
        "{hit}"
    );
}

#[tokio::test]
async fn highlights_that_cannot_be_made_are_refused() {
    let node = books(&one()).await;
    node.put(
        "/books/_settings",
        r#"{"index.highlight.max_analyzed_offset": 3}"#,
    )
    .await
    .expect(200);
    let search =
        |highlight: Value| json!({"query": {"match": {"title": "red"}}, "highlight": highlight}).to_string();
    for (highlight, kind) in [
        (
            json!({"fields": {"title": {"type": "fvh"}}}),
            "search_phase_execution_exception",
        ),
        (json!({"fields": {"title": {"nope": 1}}}), "parsing_exception"),
        (
            json!({"fields": {"title": {"type": "nope"}}}),
            "illegal_argument_exception",
        ),
    ] {
        node.post("/books/_search", &search(highlight))
            .await
            .refused(400, kind);
    }
    let path = "/books/_search?allow_partial_search_results=false";
    let answer = node
        .post(path, &search(json!({"fields": {"title": {}}})))
        .await
        .expect(400);
    let reason = answer["error"]["caused_by"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("The length [7] of field [title]"), "{answer}");
    let cut = search(json!({"max_analyzed_offset": 3, "fields": {"title": {}}}));
    assert_eq!(
        first_hit(&node, "/books/_search", &serde_json::from_str(&cut).unwrap()).await["highlight"]["title"],
        json!(["<em>Red</em>"])
    );
}

/// Documents `0` to `count`, with `n` as their id, and `group` as `n` modulo 3.
async fn numbers(count: i64) -> Node {
    let documents: Vec<(String, Value)> = (0..count)
        .map(|n| (n.to_string(), json!({"n": [n, n + 10], "tag": format!("g{}", n % 3), "one": n % 3, "at": format!("2024-01-{:02}", n + 1)})))
        .collect();
    let documents: Vec<(&str, Value)> = documents
        .iter()
        .map(|(id, source)| (id.as_str(), source.clone()))
        .collect();
    books(&documents).await
}

#[tokio::test]
async fn sorts_make_one_of_several_values_and_show_dates_as_asked() {
    let node = numbers(6).await;
    for (mode, expected) in [("min", 5), ("max", 15), ("sum", 20), ("avg", 10), ("median", 10)] {
        let body = json!({"sort": [{"n": {"order": "desc", "mode": mode}}]});
        assert_eq!(
            first_hit(&node, "/books/_search", &body).await["sort"],
            json!([expected]),
            "{mode}"
        );
    }
    let sorted =
        json!([{"at": {"order": "desc", "format": "dd/MM/yyyy"}}, {"one": {"numeric_type": "double"}}]);
    let hit = first_hit(&node, "/books/_search", &json!({"sort": sorted})).await;
    assert_eq!(hit["sort"], json!(["06/01/2024", 2.0]));
    let next = first_hit(
        &node,
        "/books/_search",
        &json!({"sort": sorted, "search_after": hit["sort"]}),
    )
    .await;
    assert_eq!(
        (next["_id"].as_str(), &next["sort"][0]),
        (Some("4"), &json!("05/01/2024"))
    );
    // A scroll goes on behind the last hit, whatever the format leaves out.
    let yearly = json!({"size": 4, "sort": [{"at": {"format": "yyyy"}}]});
    let first = node
        .post("/books/_search?scroll=1m", &yearly.to_string())
        .await
        .expect(200);
    let rest = node
        .post(
            "/_search/scroll",
            &json!({"scroll_id": first["_scroll_id"]}).to_string(),
        )
        .await
        .expect(200);
    assert_eq!(rest["hits"]["hits"].as_array().map(Vec::len), Some(2));
    for (sort, kind) in [
        (
            json!([{"tag": {"mode": "sum"}}]),
            "search_phase_execution_exception",
        ),
        (
            json!([{"tag": {"numeric_type": "long"}}]),
            "search_phase_execution_exception",
        ),
        (
            json!([{"tag": {"format": "yyyy"}}]),
            "search_phase_execution_exception",
        ),
        (json!([{"n": {"mode": "mean"}}]), "illegal_argument_exception"),
    ] {
        node.post("/books/_search", &json!({"sort": sort}).to_string())
            .await
            .refused(400, kind);
    }
}

#[tokio::test]
async fn a_search_ends_when_it_has_seen_enough() {
    let node = numbers(20).await;
    let ended = |answer: &Value| answer["terminated_early"].clone();
    let answer = node
        .post(
            "/books/_search",
            r#"{"terminate_after": 2, "size": 0, "aggs": {"n": {"value_count": {"field": "tag"}}}}"#,
        )
        .await
        .expect(200);
    assert_eq!(
        (ended(&answer), &answer["hits"]["total"]["value"]),
        (json!(true), &json!(4))
    );
    assert_eq!(answer["aggregations"]["n"]["value"], 4);
    let answer = node
        .post("/books/_search?terminate_after=100", "")
        .await
        .expect(200);
    assert_eq!(
        (ended(&answer), &answer["hits"]["total"]["value"]),
        (json!(false), &json!(20))
    );
    assert!(
        node.post("/books/_search", "")
            .await
            .expect(200)
            .get("terminated_early")
            .is_none()
    );
    let answer = node.get("/books/_count?terminate_after=3").await.expect(200);
    assert_eq!((ended(&answer), &answer["count"]), (json!(true), &json!(6)));
    for path in ["/books/_search?explain=true", "/books/_explain/1"] {
        node.post(path, "").await.expect(400);
    }
    node.post("/books/_search", r#"{"profile": true}"#)
        .await
        .expect(400);
}

#[tokio::test]
async fn a_search_whose_time_is_over_says_so_or_fails() {
    let node = numbers(20).await;
    for (path, body) in [
        ("/books/_search?timeout=0", "{}"),
        ("/books/_search", r#"{"timeout": "0ms"}"#),
        ("/books/_search?timeout=0s", r#"{"timeout": "1h"}"#),
        ("/books/_search?timeout=0&routing=r1", "{}"),
    ] {
        let answer = node.post(path, body).await.expect(200);
        assert_eq!(answer["timed_out"], true, "{path}: {answer}");
        let total = json!({"value": 0, "relation": "gte"});
        assert_eq!(answer["hits"]["total"], total, "{path}: {answer}");
        assert_eq!(answer["_shards"]["failed"], 0, "{path}: {answer}");
    }
    let all_or_nothing = "/books/_search?timeout=0&allow_partial_search_results=false";
    for path in [all_or_nothing.to_owned(), format!("{all_or_nothing}&routing=r1")] {
        let failed = node.post(&path, "{}").await.expect(429);
        assert_eq!(failed["error"]["type"], "search_phase_execution_exception");
        assert_eq!(failed["error"]["caused_by"]["type"], "search_timeout_exception");
    }
    for timeout in ["-1", "1H"] {
        let path = format!("/books/_search?timeout={timeout}&allow_partial_search_results=false");
        let answer = node.post(&path, "{}").await.expect(200);
        assert_eq!(answer["timed_out"], false, "{answer}");
        assert_eq!(answer["hits"]["total"]["value"], 20, "{answer}");
    }
    let within = json!({"collapse": {"field": "tag", "inner_hits": {"name": "more"}}, "aggs": {
        "best": {"top_hits": {}}, "tags": {"terms": {"field": "tag"}}, "all": {"composite": {"sources": [{"t": {"terms": {"field": "tag"}}}]}},
        "p": {"percentiles": {"field": "n"}}, "r": {"range": {"field": "n", "ranges": [{"from": 3}]}}, "h": {"histogram": {"field": "n", "interval": 5}},
        "f": {"filters": {"filters": {"a": {"match_all": {}}}}}, "d": {"date_histogram": {"field": "at", "fixed_interval": "1d"}}
    }});
    let late = node.post("/books/_search?timeout=0", &within.to_string()).await;
    let late = late.expect(200);
    assert_eq!(late["timed_out"], true);
    let found = &late["aggregations"];
    assert_eq!(
        found["best"]["hits"]["total"],
        json!({"value": 0, "relation": "gte"})
    );
    assert_eq!(found["f"]["buckets"]["a"]["doc_count"], 0);
    for without in ["tags", "all", "h", "d"] {
        assert_eq!(found[without]["buckets"], json!([]), "{without}");
    }

    // A point in time that is opened only whole may be searched in part; a scroll takes no limit.
    let opened = node.post("/books/_pit?keep_alive=1m", "").await.expect(200);
    let at = json!({"timeout": "0ms", "pit": {"id": opened["id"]}}).to_string();
    let answer = node.post("/_search", &at).await.expect(200);
    assert_eq!(answer["timed_out"], true, "{answer}");
    node.post("/_search?allow_partial_search_results=false", &at)
        .await
        .expect(429);
    let scroll = node.post("/books/_search?scroll=1m&timeout=0&size=15", "").await;
    let scroll = scroll.expect(200);
    assert_eq!(scroll["timed_out"], false, "{scroll}");
    assert_eq!(scroll["hits"]["hits"].as_array().map(Vec::len), Some(15));
    for body in [r#"{"timeout": "soon"}"#, r#"{"timeout": 5}"#] {
        let refused = node.post("/books/_search", body).await;
        refused.refused(400, "illegal_argument_exception");
    }
}

#[tokio::test]
async fn hits_are_grouped_by_a_field() {
    let node = numbers(10).await;
    let search = async |body: Value| {
        let answer = node.post("/books/_search", &body.to_string()).await.expect(200);
        let hits = answer["hits"]["hits"].as_array().unwrap().clone();
        let read = |hit: &Value| (hit["_id"].as_str().unwrap().to_owned(), hit["fields"].clone());
        (
            answer["hits"]["total"]["value"].clone(),
            hits.iter().map(read).collect::<Vec<_>>(),
        )
    };
    let (total, hits) = search(json!({"collapse": {"field": "tag"}, "sort": [{"at": "desc"}]})).await;
    assert_eq!(total, 10);
    let expected =
        [("9", "g0"), ("8", "g2"), ("7", "g1")].map(|(id, tag)| (id.to_owned(), json!({"tag": [tag]})));
    assert_eq!(hits, expected);
    let (_, page) =
        search(json!({"collapse": {"field": "tag"}, "sort": [{"at": "desc"}], "from": 1, "size": 1})).await;
    assert_eq!(page, expected[1..2]);
    let (_, hits) = search(json!({"collapse": {"field": "one"}, "sort": ["one"], "search_after": [0]})).await;
    assert_eq!(
        hits.iter().map(|(_, fields)| fields.clone()).collect::<Vec<_>>(),
        [json!({"one": [1]}), json!({"one": [2]})]
    );
    let inner = json!({"name": "others", "size": 2, "sort": [{"at": "asc"}], "_source": false, "docvalue_fields": ["at"], "seq_no_primary_term": true});
    let body = json!({
        "query": {"range": {"one": {"gte": 1}}}, "collapse": {"field": "tag", "inner_hits": [inner, {"size": 0}]}, "sort": [{"at": "desc"}]
    });
    let answer = node.post("/books/_search", &body.to_string()).await.expect(200);
    let hit = &answer["hits"]["hits"][0];
    let others = &hit["inner_hits"]["others"]["hits"];
    assert_eq!(
        (&hit["_id"], &others["total"]["value"]),
        (&json!("8"), &json!(3)),
        "{answer}"
    );
    assert_eq!(
        (&others["hits"][0]["_id"], &others["hits"][1]["_id"]),
        (&json!("2"), &json!("5"))
    );
    assert_eq!(others["hits"][0]["fields"], json!({"at": ["2024-01-03"]}));
    assert!(others["hits"][0]["_seq_no"].is_number() && others["hits"][0].get("_source").is_none());
    assert_eq!(hit["inner_hits"]["tag"]["hits"]["hits"], json!([]));
    let body = json!({"collapse": {"field": "tag", "inner_hits": {"size": 101}}});
    node.post("/books/_search", &body.to_string())
        .await
        .refused(400, "illegal_argument_exception");
    for (path, body, kind) in [
        (
            "/books/_search",
            json!({"collapse": {"field": "title"}}),
            "search_phase_execution_exception",
        ),
        (
            "/books/_search",
            json!({"collapse": {"field": "nope"}}),
            "search_phase_execution_exception",
        ),
        (
            "/books/_search?scroll=1m",
            json!({"collapse": {"field": "tag"}}),
            "action_request_validation_exception",
        ),
        (
            "/books/_search",
            json!({"collapse": {"field": "tag"}, "sort": ["at"], "search_after": [0]}),
            "illegal_argument_exception",
        ),
    ] {
        node.post(path, &body.to_string()).await.refused(400, kind);
    }
    node.post("/books/_search", r#"{"collapse": {"field": "n"}}"#)
        .await
        .expect(500);
}

#[tokio::test]
async fn pages_that_are_sorted_by_fractions_go_on_behind_the_very_number() {
    let node = Node::start().await;
    node.put(
        "/f",
        r#"{"settings": {"number_of_replicas": 0}, "mappings": {"properties": {"x": {"type": "double"}}}}"#,
    )
    .await
    .expect(200);
    for n in 0..60 {
        let document = json!({"x": f64::from(n) * 0.07}).to_string();
        let path = format!("/f/_doc/{n}?refresh={}", n == 59);
        node.put(&path, &document).await.expect(201);
    }
    let mut body = json!({"size": 1, "sort": ["x"]});
    for n in 0..60 {
        let answer = node.post("/f/_search", &body.to_string()).await.expect(200);
        let hit = &answer["hits"]["hits"][0];
        assert_eq!(hit["_id"], n.to_string(), "behind {}", body["search_after"]);
        body["search_after"] = hit["sort"].clone();
    }
}

#[tokio::test]
async fn a_range_may_go_from_a_whole_number_to_a_fraction() {
    let node = Node::start().await;
    node.put(
        "/f",
        r#"{"settings": {"number_of_replicas": 0}, "mappings": {"properties": {"x": {"type": "double"}, "y": {"type": "float"}}}}"#,
    )
    .await
    .expect(200);
    // Whole numbers alone in one segment, fractions in the other.
    for (id, number) in [(1, 1.0), (2, 2.0), (3, 1.25), (4, 0.5)] {
        let document = json!({"x": number, "y": number}).to_string();
        let path = format!("/f/_doc/{id}?refresh={}", id % 2 == 0);
        node.put(&path, &document).await.expect(201);
    }
    for (range, expected) in [
        (json!({"gte": 1, "lt": 1.5}), 2),
        (json!({"gt": 0.5, "lte": 2}), 3),
        (json!({"gt": 1, "lt": 2}), 1),
        (json!({"gte": 0.25}), 4),
        (json!({"lt": 1}), 1),
    ] {
        for field in ["x", "y"] {
            let body = json!({"query": {"range": {field: range}}}).to_string();
            let answer = node.post("/f/_search", &body).await.expect(200);
            assert_eq!(answer["hits"]["total"]["value"], expected, "{field} {range}");
        }
    }
}
