//! The best documents of buckets.

use serde_json::{Value, json};

use crate::aggregations::{aggregate, docs, shop};
use crate::node::Node;

fn ids(hits: &Value) -> Vec<String> {
    let hits = hits["hits"]["hits"].as_array().expect("hits");
    hits.iter()
        .map(|hit| hit["_id"].as_str().expect("an id").to_owned())
        .collect()
}

/// The first documents of the test that match, in this order.
fn expected(
    size: usize,
    matches: impl Fn(&crate::aggregations::Doc) -> bool,
    order: impl Fn(i64) -> i64,
) -> Vec<String> {
    let mut found: Vec<i64> = docs().filter(|doc| matches(doc)).map(|doc| doc.n).collect();
    found.sort_by_key(|n| order(*n));
    found.iter().take(size).map(i64::to_string).collect()
}

#[tokio::test]
async fn every_kind_of_bucket_has_its_best_documents() {
    let node = shop().await;
    let best = json!({"best": {"top_hits": {"size": 2, "sort": [{"n": "desc"}], "_source": ["n"]}}});
    let found = aggregate(
        &node,
        &json!({
            "all": {"top_hits": {"sort": ["n"], "from": 1}},
            "colors": {"terms": {"field": "color"}, "aggs": best},
            "sold": {"terms": {"field": "sold", "order": {"_key": "asc"}}, "aggs": best},
            "prices": {"terms": {"field": "price", "order": {"_key": "asc"}, "size": 1}, "aggs": best},
            "ips": {"terms": {"field": "ip", "order": {"_key": "asc"}}, "aggs": best},
            "sizes": {"terms": {"field": "size", "missing": 7, "order": {"_count": "desc"}, "size": 1}, "aggs": best},
            "tens": {"histogram": {"field": "n", "interval": 10}, "aggs": best},
            "months": {"date_histogram": {"field": "at", "calendar_interval": "month", "keyed": true}, "aggs": best},
            "ranges": {"range": {"field": "n", "keyed": true, "ranges": [{"key": "a/b~c", "to": 5}, {"from": 7, "to": 9}]}, "aggs": best},
            "filter": {"filter": {"term": {"color": "blue"}}, "aggs": {"inner": {
                "filters": {"filters": [{"range": {"n": {"lt": 50}}}, {"match_all": {}}]}, "aggs": best,
            }}},
            "missing": {"missing": {"field": "size"}, "aggs": best},
            "pages": {"composite": {"size": 2, "sources": [
                {"size": {"terms": {"field": "size", "missing_bucket": true}}}, {"color": {"terms": {"field": "color"}}},
            ]}, "aggs": best},
        }),
    )
    .await;
    let last = |matches: &dyn Fn(&crate::aggregations::Doc) -> bool| expected(2, matches, |n| -n);
    assert_eq!(ids(&found["all"]), ["1", "2", "3"]);
    assert_eq!(
        found["all"]["hits"]["total"],
        json!({"value": 120, "relation": "eq"})
    );
    let red = &found["colors"]["buckets"][0]["best"];
    assert_eq!(ids(red), last(&|doc| doc.color == "red"));
    assert_eq!(red["hits"]["total"]["value"], 60);
    assert_eq!(red["hits"]["max_score"], Value::Null);
    let first = &red["hits"]["hits"][0];
    assert_eq!(first["_source"], json!({"n": 119}));
    assert_eq!(
        (&first["sort"], &first["_index"]),
        (&json!([119]), &json!("shop"))
    );
    let bucket = |name: &str, number: usize| ids(&found[name]["buckets"][number]["best"]);
    assert_eq!(bucket("sold", 1), last(&|doc| doc.n % 5 == 0));
    assert_eq!(bucket("prices", 0), last(&|doc| doc.price == 0.0));
    assert_eq!(bucket("ips", 2), last(&|doc| doc.n % 3 == 2));
    assert_eq!(bucket("sizes", 0), last(&|doc| doc.n % 3 == 0 || doc.n % 10 == 7));
    assert_eq!(bucket("tens", 4), ["49", "48"]);
    assert_eq!(
        ids(&found["months"]["buckets"]["2024-01-01T00:00:00.000Z"]["best"]),
        ["119", "118"]
    );
    assert_eq!(ids(&found["ranges"]["buckets"]["a/b~c"]["best"]), ["4", "3"]);
    assert_eq!(ids(&found["ranges"]["buckets"]["7.0-9.0"]["best"]), ["8", "7"]);
    assert_eq!(
        ids(&found["filter"]["inner"]["buckets"][0]["best"]),
        last(&|doc| doc.color == "blue" && doc.n < 50)
    );
    assert_eq!(ids(&found["missing"]["best"]), last(&|doc| doc.n % 3 == 0));
    assert_eq!(
        bucket("pages", 0),
        last(&|doc| doc.n % 3 == 0 && doc.color == "blue")
    );
}

#[tokio::test]
async fn hits_of_buckets_score_by_the_query_and_show_what_is_asked() {
    let node = shop().await;
    node.put(
        "/shop/_doc/best?refresh=true",
        r#"{"color": "blue", "text": "words words words", "n": 1000}"#,
    )
    .await
    .expect(201);
    let body = json!({
        "size": 0, "query": {"match": {"text": "words"}}, "post_filter": {"term": {"color": "green"}},
        "aggs": {"colors": {"terms": {"field": "color", "order": {"_key": "asc"}, "size": 1}, "aggs": {"best": {"top_hits": {
            "size": 1, "version": true, "seq_no_primary_term": true, "highlight": {"fields": {"text": {}}}, "fields": ["n"],
        }}}}},
    });
    let answer = node
        .post("/shop/_search?typed_keys=true", &body.to_string())
        .await
        .expect(200);
    let bucket = &answer["aggregations"]["sterms#colors"]["buckets"][0];
    let hits = &bucket["top_hits#best"]["hits"];
    assert_eq!(
        (&bucket["key"], &hits["total"]["value"]),
        (&json!("blue"), &json!(31))
    );
    let hit = &hits["hits"][0];
    assert_eq!(hit["_id"], "best");
    assert_eq!(hit["_score"], hits["max_score"]);
    assert!(hit["_score"].as_f64() > Some(0.0), "{hit}");
    assert_eq!((&hit["_version"], &hit["_primary_term"]), (&json!(1), &json!(1)));
    assert_eq!(hit["fields"]["n"], json!([1000]));
    assert_eq!(
        hit["highlight"]["text"],
        json!(["<em>words</em> <em>words</em> <em>words</em>"])
    );
}

#[tokio::test]
async fn hits_of_more_buckets_than_a_search_may_ask_for_are_refused() {
    let node = shop().await;
    let aggs = |interval: f64| {
        json!({"aggs": {"a": {"histogram": {"field": "n", "interval": interval}, "aggs": {
            "b": {"top_hits": {"size": 1}},
        }}}})
        .to_string()
    };
    // Buckets between the values have no documents, so nothing is searched for.
    let answer = node.post("/shop/_search", &aggs(0.01)).await.expect(200);
    let buckets = answer["aggregations"]["a"]["buckets"]
        .as_array()
        .expect("buckets");
    assert_eq!(buckets.len(), 11_901);
    let empty = json!({"total": {"value": 0, "relation": "eq"}, "max_score": null, "hits": []});
    assert_eq!(buckets[50]["b"]["hits"], empty);
    assert_eq!(ids(&buckets[100]["b"]), ["1"]);
    let documents: String = (1_000..2_000)
        .map(|n| format!("{{\"index\": {{}}}}\n{{\"n\": {n}}}\n"))
        .collect();
    let headers = [("content-type", "application/x-ndjson")];
    node.call_with(
        http::Method::POST,
        "/shop/_bulk?refresh=true",
        &headers,
        documents,
    )
    .await
    .expect(200);
    let answer = node.post("/shop/_search", &aggs(1.0)).await.expect(400);
    let reason = answer["error"]["caused_by"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("at most [1000] buckets"), "{reason}");
    node.post("/shop/_search", &aggs(2_000.0)).await.expect(200);
    let body = json!({"terminate_after": 1, "aggs": {"b": {"top_hits": {}}}}).to_string();
    node.post("/shop/_search", &body)
        .await
        .refused(400, "unsupported_operation_exception");
}

/// Buckets are counted by columns, and their hits are found by queries.
#[tokio::test]
async fn as_many_hits_are_found_as_a_bucket_counts() {
    let node = Node::start().await;
    let index = json!({
        "settings": {"number_of_shards": 2, "number_of_replicas": 0},
        "mappings": {"properties": {
            "float": {"type": "float"}, "half": {"type": "half_float"}, "scaled": {"type": "scaled_float", "scaling_factor": 100},
            "double": {"type": "double"}, "long": {"type": "long"}, "at": {"type": "date"}, "word": {"type": "keyword"}, "flag": {"type": "boolean"},
        }},
    });
    node.put("/values", &index.to_string()).await.expect(200);
    for n in 0..60 {
        let number = f64::from(n) * 0.05;
        let mut document = json!({
            "float": number, "half": number, "scaled": number, "double": number, "long": n, "flag": n % 2 == 0, "word": format!("w{}", n % 4),
            "at": format!("2024-03-{:02}T22:30:00Z", n % 28 + 1),
        });
        if n % 10 == 0 {
            document = json!({"at": "9999-12-31", "long": [n, n + 1]});
        }
        if n % 15 == 0 {
            document = json!({"double": n});
        }
        let path = format!("/values/_doc/{n}?refresh={}", n == 59);
        node.put(&path, &document.to_string()).await.expect(201);
    }
    let mut kinds: Vec<Value> = Vec::new();
    for field in ["float", "half", "scaled", "double", "long"] {
        kinds.push(json!({"terms": {"field": field, "size": 100}}));
        kinds.push(json!({"terms": {"field": field, "size": 100, "missing": 1}}));
        for (interval, offset) in [(0.1, 0.0), (0.3, 0.05), (0.7, -0.1)] {
            kinds.push(json!({"histogram": {"field": field, "interval": interval, "offset": offset}}));
        }
        kinds.push(json!({"histogram": {"field": field, "interval": 0.5, "missing": 0.7}}));
        kinds.push(
            json!({"histogram": {"field": field, "interval": 0.5, "hard_bounds": {"min": 0.6, "max": 1.6}}}),
        );
        kinds.push(json!({"composite": {"size": 100, "sources": [{"a": {"histogram": {"field": field, "interval": 0.1}}}]}}));
        kinds.push(json!({"composite": {"size": 100, "sources": [{"a": {"terms": {"field": field, "missing_bucket": true}}}]}}));
    }
    kinds.push(json!({"terms": {"field": "at", "size": 100, "missing": "2020-06-01"}}));
    kinds.push(json!({"terms": {"field": "word", "missing": 0}}));
    kinds.push(json!({"terms": {"field": "flag"}}));
    for unit in ["day", "week", "month", "year"] {
        kinds.push(json!({"date_histogram": {
            "field": "at", "calendar_interval": unit, "time_zone": "Europe/Paris", "min_doc_count": 1, "missing": "2020-06-01",
        }}));
        kinds.push(json!({"composite": {"size": 100, "sources": [{"a": {"date_histogram": {"field": "at", "calendar_interval": unit}}}]}}));
    }
    kinds.push(json!({"date_histogram": {
        "field": "at", "calendar_interval": "week", "min_doc_count": 1, "hard_bounds": {"min": "2024-03-06", "max": "2024-03-20"},
    }}));
    for kind in kinds {
        let mut aggs = json!({"a": kind});
        aggs["a"]["aggs"] = json!({"b": {"top_hits": {"size": 0}}});
        let body = json!({"size": 0, "aggs": aggs}).to_string();
        let answer = node.post("/values/_search", &body).await.expect(200);
        let buckets = answer["aggregations"]["a"]["buckets"]
            .as_array()
            .expect("buckets");
        assert!(!buckets.is_empty(), "{kind}");
        for bucket in buckets {
            assert_eq!(
                bucket["b"]["hits"]["total"]["value"], bucket["doc_count"],
                "{kind}: {bucket}"
            );
        }
    }
}
