//! Aggregations over an index with several shards, compared with what the test computes itself.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use crate::node::Node;

const COUNT: i64 = 120;
pub(crate) const DAY: i64 = 86_400_000;
/// 2024-01-01, a Monday.
pub(crate) const BEGIN: i64 = 1_704_067_200_000;

const INDEX: &str = r#"{
    "settings": {"number_of_shards": 3, "number_of_replicas": 0, "index.refresh_interval": "-1"},
    "mappings": {"properties": {
        "color": {"type": "keyword"}, "n": {"type": "long"}, "price": {"type": "double"}, "sold": {"type": "boolean"},
        "at": {"type": "date"}, "day": {"type": "date", "format": "yyyy-MM-dd"}, "ip": {"type": "ip"}, "text": {"type": "text"},
        "deep": {"properties": {"tag": {"type": "keyword"}}}, "size": {"type": "integer"}
    }}
}"#;

/// A document of the test.
pub(crate) struct Doc {
    pub(crate) n: i64,
    pub(crate) color: &'static str,
    pub(crate) price: f64,
    pub(crate) at: i64,
}

pub(crate) fn docs() -> impl Iterator<Item = Doc> {
    (0..COUNT).map(|n| Doc {
        n,
        color: ["red", "green", "blue", "red"][usize::try_from(n % 4).unwrap()],
        price: (n * 7 % 40) as f64 / 4.0,
        at: BEGIN + n * DAY / 5,
    })
}

/// A node with these documents in the index `shop`, in several segments of each shard. Every third has no `size`.
pub(crate) async fn shop() -> Node {
    let node = Node::start().await;
    node.put("/shop", INDEX).await.expect(200);
    for part in 0..3 {
        let lines: String = docs()
            .filter(|doc| doc.n % 3 == part)
            .map(|doc| line(&doc))
            .collect();
        let path = "/shop/_bulk?refresh=true";
        let headers = [("content-type", "application/x-ndjson")];
        let answer = node.call_with(Method::POST, path, &headers, lines).await;
        assert_eq!(answer.expect(200)["errors"], false);
    }
    node
}

fn line(doc: &Doc) -> String {
    let Doc { n, color, price, at } = doc;
    let mut source = json!({
        "color": color, "n": n, "price": price, "sold": n % 5 == 0, "at": at, "day": "2024-02-03",
        "ip": format!("10.0.0.{}", n % 3), "text": "some words", "deep": {"tag": format!("t{}", n % 2)},
    });
    if n % 3 != 0 {
        source["size"] = json!(n % 10);
    }
    format!("{{\"index\": {{\"_id\": \"{n}\"}}}}\n{source}\n")
}

pub(crate) async fn aggregate(node: &Node, aggs: &Value) -> Value {
    let body = json!({"size": 0, "aggs": aggs}).to_string();
    node.post("/shop/_search", &body).await.expect(200)["aggregations"].clone()
}

fn count_by<K: Ord>(key: impl Fn(&Doc) -> K) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    for doc in docs() {
        *counts.entry(key(&doc)).or_insert(0) += 1;
    }
    counts
}

#[tokio::test]
async fn terms_are_counted_over_all_shards_and_types() {
    let node = shop().await;
    let found = aggregate(
        &node,
        &json!({
            "colors": {"terms": {"field": "color"}},
            "least": {"terms": {"field": "color", "order": {"_count": "asc"}, "size": 1}},
            "tags": {"terms": {"field": "deep.tag", "order": {"_key": "desc"}}},
            "prices": {"terms": {"field": "price", "size": 3, "order": {"_key": "asc"}}},
            "sold": {"terms": {"field": "sold"}},
            "ips": {"terms": {"field": "ip"}},
            "days": {"terms": {"field": "day"}},
            "sizes": {"terms": {"field": "size", "missing": -1, "order": {"_count": "desc"}, "size": 1}},
            "only": {"terms": {"field": "color", "exclude": ["red"], "min_doc_count": 1}},
            "none": {"terms": {"field": "nowhere"}},
        }),
    )
    .await;
    let counts = count_by(|doc| doc.color);
    let expected = json!({"doc_count_error_upper_bound": 0, "sum_other_doc_count": 0, "buckets": [
        {"key": "red", "doc_count": counts["red"]},
        {"key": "blue", "doc_count": counts["blue"]},
        {"key": "green", "doc_count": counts["green"]},
    ]});
    assert_eq!(found["colors"], expected);
    assert_eq!(
        found["least"]["buckets"],
        json!([{"key": "blue", "doc_count": counts["blue"]}])
    );
    assert_eq!(
        found["least"]["sum_other_doc_count"],
        counts["red"] + counts["green"]
    );
    assert_eq!(
        found["tags"]["buckets"],
        json!([{"key": "t1", "doc_count": 60}, {"key": "t0", "doc_count": 60}])
    );
    let prices = count_by(|doc| (doc.price * 4.0) as i64);
    let first: Vec<_> = prices
        .iter()
        .take(3)
        .map(|(quarter, count)| json!({"key": *quarter as f64 / 4.0, "doc_count": count}))
        .collect();
    assert_eq!(found["prices"]["buckets"], json!(first));
    assert_eq!(
        found["prices"]["sum_other_doc_count"],
        prices.values().skip(3).sum::<u64>()
    );
    assert_eq!(
        found["sold"]["buckets"],
        json!([{"key": 0, "key_as_string": "false", "doc_count": 96}, {"key": 1, "key_as_string": "true", "doc_count": 24}])
    );
    assert_eq!(
        found["ips"]["buckets"][0],
        json!({"key": "10.0.0.0", "doc_count": 40})
    );
    assert_eq!(
        found["days"]["buckets"],
        json!([{"key": 1_706_918_400_000_i64, "key_as_string": "2024-02-03", "doc_count": 120}])
    );
    assert_eq!(found["sizes"]["buckets"], json!([{"key": -1, "doc_count": 40}]));
    assert_eq!(found["only"]["buckets"].as_array().unwrap().len(), 2);
    assert_eq!(found["none"]["buckets"], json!([]));
}

#[tokio::test]
async fn booleans_count_as_one_and_zero_in_metrics() {
    let node = shop().await;
    let found = aggregate(
        &node,
        &json!({"avg": {"avg": {"field": "sold"}}, "stats": {"stats": {"field": "sold"}}, "count": {"value_count": {"field": "sold"}}}),
    )
    .await;
    assert_eq!(found["avg"], json!({"value": 0.2, "value_as_string": "true"}));
    assert_eq!(found["stats"]["sum"], 24.0);
    assert_eq!(found["stats"]["min_as_string"], "false");
    assert_eq!(found["count"], json!({"value": 120}));
}

#[tokio::test]
async fn metrics_are_those_of_all_values() {
    let node = shop().await;
    let metric = |name: &str, field: &str| json!({name: {"field": field}});
    let found = aggregate(
        &node,
        &json!({
            "avg": metric("avg", "price"), "sum": metric("sum", "price"), "min": metric("min", "price"),
            "max": metric("max", "price"), "stats": metric("stats", "n"), "ext": metric("extended_stats", "n"),
            "values": metric("value_count", "size"), "texts": metric("value_count", "color"),
            "distinct": metric("cardinality", "color"), "ips": metric("cardinality", "ip"),
            "first": metric("min", "at"), "half": {"percentiles": {"field": "n", "percents": [50]}},
            "filled": {"avg": {"field": "size", "missing": 100}},
            "no_avg": metric("avg", "nowhere"), "no_sum": metric("sum", "nowhere"), "no_count": metric("value_count", "nowhere"),
        }),
    )
    .await;
    let prices: Vec<f64> = docs().map(|doc| doc.price).collect();
    let sum: f64 = prices.iter().sum();
    let close = |found: &Value, expected: f64| {
        let number = found.as_f64().unwrap();
        assert!(
            (number - expected).abs() < 1e-6 * expected.abs().max(1.0),
            "{number} is not {expected}"
        );
    };
    close(&found["sum"]["value"], sum);
    close(&found["avg"]["value"], sum / COUNT as f64);
    assert_eq!(found["min"], json!({"value": 0.0}));
    assert_eq!(found["max"], json!({"value": 9.75}));
    assert_eq!(
        found["stats"],
        json!({"count": 120, "min": 0.0, "max": 119.0, "avg": 59.5, "sum": 7140.0})
    );
    close(&found["ext"]["variance"], (COUNT * COUNT - 1) as f64 / 12.0);
    let with_size = docs().filter(|doc| doc.n % 3 != 0);
    assert_eq!(found["values"]["value"], 80);
    assert_eq!(found["texts"]["value"], 120);
    assert_eq!(
        (&found["distinct"]["value"], &found["ips"]["value"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(
        found["first"],
        json!({"value_as_string": "2024-01-01T00:00:00.000Z", "value": BEGIN as f64})
    );
    let half = found["half"]["values"]["50.0"].as_f64().unwrap();
    assert!((half - 59.5).abs() < 3.0, "{half}");
    let filled: i64 = with_size.map(|doc| doc.n % 10).sum::<i64>() + 40 * 100;
    close(&found["filled"]["value"], filled as f64 / COUNT as f64);
    assert_eq!(found["no_avg"], json!({"value": null}));
    assert_eq!(found["no_sum"], json!({"value": 0.0}));
    assert_eq!(found["no_count"], json!({"value": 0}));
}

#[tokio::test]
async fn histograms_fill_their_gaps_and_weeks_begin_on_monday() {
    let node = shop().await;
    let body = json!({
        "size": 0, "query": {"bool": {"should": [{"range": {"n": {"lt": 10}}}, {"range": {"n": {"gte": 100}}}]}},
        "aggs": {
            "tens": {"histogram": {"field": "n", "interval": 10, "offset": 5}},
            "full": {"histogram": {"field": "n", "interval": 10, "min_doc_count": 1, "keyed": true}},
            "wide": {"histogram": {"field": "n", "interval": 50, "extended_bounds": {"min": -60, "max": 210}}},
            "weeks": {"date_histogram": {"field": "at", "calendar_interval": "week", "format": "yyyy-MM-dd"},
                "aggs": {"most": {"max": {"field": "n"}}}},
            "noon": {"date_histogram": {"field": "at", "fixed_interval": "1d", "offset": "-12h", "min_doc_count": 1}},
        }
    });
    let answer = node.post("/shop/_search", &body.to_string()).await.expect(200);
    let found = &answer["aggregations"];
    let here = || docs().filter(|doc| doc.n < 10 || doc.n >= 100);
    let tens: Vec<_> = (-1..12)
        .map(|ten| {
            let begin = ten * 10 + 5;
            let count = here().filter(|doc| (begin..begin + 10).contains(&doc.n)).count();
            json!({"key": begin as f64, "doc_count": count})
        })
        .collect();
    assert_eq!(found["tens"]["buckets"], json!(tens));
    assert_eq!(
        found["full"]["buckets"],
        json!({"0.0": {"key": 0.0, "doc_count": 10}, "100.0": {"key": 100.0, "doc_count": 10}, "110.0": {"key": 110.0, "doc_count": 10}})
    );
    let wide = found["wide"]["buckets"].as_array().unwrap();
    assert_eq!(
        (wide.len(), &wide[0]["key"], &wide[6]["key"]),
        (7, &json!(-100.0), &json!(200.0))
    );
    let weeks: Vec<_> = (0..4)
        .map(|week| {
            let begin = BEGIN + week * 7 * DAY;
            let inside: Vec<_> = here()
                .filter(|doc| (begin..begin + 7 * DAY).contains(&doc.at))
                .map(|doc| doc.n)
                .collect();
            json!({
                "key_as_string": format!("2024-01-{:02}", 1 + week * 7), "key": begin, "doc_count": inside.len(),
                "most": {"value": inside.iter().max().map(|n| *n as f64)},
            })
        })
        .collect();
    assert_eq!(found["weeks"]["buckets"], json!(weeks));
    assert_eq!(weeks[1]["doc_count"], 0);
    assert_eq!(
        found["noon"]["buckets"][0]["key_as_string"],
        "2023-12-31T12:00:00.000Z"
    );
}

#[tokio::test]
async fn ranges_may_overlap_and_filters_nest() {
    let node = shop().await;
    let found = aggregate(
        &node,
        &json!({
            "ranges": {"range": {"field": "price", "ranges": [{"from": 2, "to": 6}, {"to": 5}, {"key": "dear", "from": 5}]},
                "aggs": {"colors": {"terms": {"field": "color", "size": 1}}}},
            "dates": {"date_range": {"field": "at", "format": "yyyy-MM-dd", "keyed": true,
                "ranges": [{"from": "2024-01-03", "to": "2024-01-05"}, {"from": "2024-01-05||+1d"}]}},
            "red": {"filter": {"term": {"color": "red"}}, "aggs": {"n": {"avg": {"field": "n"}}}},
            "named": {"filters": {"other_bucket_key": "rest", "filters": {"low": {"range": {"n": {"lt": 7}}}, "blue": {"term": {"color": "blue"}}}}},
            "listed": {"filters": {"filters": [{"term": {"color": "blue"}}]}},
            "without": {"missing": {"field": "size"}, "meta": {"why": "test"}},
            "colors": {"terms": {"field": "color", "order": [{"low": "desc"}]}, "aggs": {
                "low": {"min": {"field": "n"}},
                "cheap": {"range": {"field": "price", "ranges": [{"to": 5}]}},
                "without": {"missing": {"field": "size"}},
            }},
        }),
    )
    .await;
    let count = |inside: &dyn Fn(&Doc) -> bool| docs().filter(|doc| inside(doc)).count();
    let ranges = &found["ranges"]["buckets"];
    assert_eq!(ranges[0]["key"], "*-5.0");
    assert_eq!(ranges[0]["doc_count"], count(&|doc| doc.price < 5.0));
    assert_eq!(
        (&ranges[1]["key"], &ranges[1]["from"]),
        (&json!("2.0-6.0"), &json!(2.0))
    );
    assert_eq!(
        ranges[1]["doc_count"],
        count(&|doc| (2.0..6.0).contains(&doc.price))
    );
    assert_eq!(ranges[2]["key"], "dear");
    assert_eq!(
        ranges[2]["colors"]["buckets"][0],
        json!({"key": "red", "doc_count": count(&|doc| doc.price >= 5.0 && doc.color == "red")})
    );
    let dates = &found["dates"]["buckets"];
    let from = BEGIN + 2 * DAY;
    assert_eq!(
        dates["2024-01-03-2024-01-05"],
        json!({"from": from as f64, "from_as_string": "2024-01-03", "to": (from + 2 * DAY) as f64, "to_as_string": "2024-01-05", "doc_count": 10})
    );
    assert_eq!(
        dates["2024-01-06-*"]["doc_count"],
        count(&|doc| doc.at >= BEGIN + 5 * DAY)
    );
    assert_eq!(found["red"], json!({"doc_count": 60, "n": {"value": 59.5}}));
    assert_eq!(
        found["named"]["buckets"],
        json!({
            "low": {"doc_count": 7}, "blue": {"doc_count": 30},
            "rest": {"doc_count": count(&|doc| doc.n >= 7 && doc.color != "blue")}
        })
    );
    assert_eq!(found["listed"]["buckets"], json!([{"doc_count": 30}]));
    assert_eq!(
        found["without"],
        json!({"meta": {"why": "test"}, "doc_count": 40})
    );
    for (place, color, low) in [(0, "blue", 2.0), (1, "green", 1.0), (2, "red", 0.0)] {
        let bucket = &found["colors"]["buckets"][place];
        assert_eq!(
            (&bucket["key"], &bucket["low"]["value"]),
            (&json!(color), &json!(low))
        );
        let cheap = count(&|doc| doc.color == color && doc.price < 5.0);
        assert_eq!(bucket["cheap"]["buckets"][0]["doc_count"], cheap);
        let without = count(&|doc| doc.color == color && doc.n % 3 == 0);
        assert_eq!(bucket["without"]["doc_count"], without);
    }
}

#[tokio::test]
async fn a_post_filter_narrows_the_hits_and_a_least_score_both() {
    let node = shop().await;
    let aggs = json!({"colors": {"terms": {"field": "color"}}});
    let body = json!({"post_filter": {"term": {"color": "blue"}}, "aggs": aggs, "size": 1});
    let answer = node.post("/shop/_search", &body.to_string()).await.expect(200);
    assert_eq!(answer["hits"]["total"]["value"], 30);
    assert_eq!(answer["hits"]["hits"][0]["_source"]["color"], "blue");
    assert_eq!(
        answer["aggregations"]["colors"]["buckets"]
            .as_array()
            .unwrap()
            .len(),
        3
    );

    let query = json!({"bool": {"must": {"match_all": {}}, "should": {"constant_score": {"filter": {"term": {"color": "blue"}}, "boost": 5}}}});
    let body = json!({"query": query, "min_score": 3, "aggs": aggs});
    let answer = node.post("/shop/_search", &body.to_string()).await.expect(200);
    assert_eq!(answer["hits"]["total"]["value"], 30);
    assert_eq!(
        answer["aggregations"]["colors"]["buckets"],
        json!([{"key": "blue", "doc_count": 30}])
    );
}

#[tokio::test]
async fn what_is_deleted_is_not_counted() {
    let node = shop().await;
    node.delete("/shop/_doc/2?refresh=true").await.expect(200);
    let found = aggregate(
        &node,
        &json!({
            "colors": {"terms": {"field": "color", "include": ["blue"]}},
            "blue": {"filter": {"term": {"color": "blue"}}, "aggs": {"n": {"value_count": {"field": "n"}}}},
            "tens": {"histogram": {"field": "n", "interval": 100}},
        }),
    )
    .await;
    assert_eq!(
        found["colors"]["buckets"],
        json!([{"key": "blue", "doc_count": 29}])
    );
    assert_eq!(found["blue"], json!({"doc_count": 29, "n": {"value": 29}}));
    assert_eq!(found["tens"]["buckets"][0]["doc_count"], 99);
}

#[tokio::test]
async fn types_are_named_and_scrolls_aggregate_once() {
    let node = shop().await;
    let aggs = json!({
        "s": {"terms": {"field": "color"}, "aggs": {"d": {"terms": {"field": "price"}}}},
        "l": {"terms": {"field": "n"}}, "u": {"terms": {"field": "nowhere"}}, "a": {"avg": {"field": "n"}},
        "p": {"percentiles": {"field": "n"}}, "h": {"date_histogram": {"field": "at", "fixed_interval": "7d"}},
    });
    let body = json!({"size": 50, "aggs": aggs}).to_string();
    let answer = node
        .post("/shop/_search?typed_keys=true&scroll=1m", &body)
        .await
        .expect(200);
    let names: Vec<_> = answer["aggregations"].as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "sterms#s",
            "lterms#l",
            "umterms#u",
            "avg#a",
            "tdigest_percentiles#p",
            "date_histogram#h"
        ]
    );
    assert!(answer["aggregations"]["sterms#s"]["buckets"][0]["dterms#d"].is_object());
    let next = json!({"scroll_id": answer["_scroll_id"], "scroll": "1m"}).to_string();
    let next = node.post("/_search/scroll", &next).await.expect(200);
    assert_eq!(next["hits"]["hits"].as_array().unwrap().len(), 50);
    assert!(next.get("aggregations").is_none());

    let lines = "{\"index\": \"shop\"}\n{\"size\": 0, \"aggs\": {\"a\": {\"avg\": {\"field\": \"n\"}}}}\n";
    let headers = [("content-type", "application/x-ndjson")];
    let many = node
        .call_with(Method::POST, "/_msearch?typed_keys", &headers, lines.to_owned())
        .await;
    assert_eq!(
        many.expect(200)["responses"][0]["aggregations"],
        json!({"avg#a": {"value": 59.5}})
    );
}

#[tokio::test]
async fn a_field_that_one_index_has_not_is_taken_from_the_others() {
    let node = shop().await;
    node.put(
        "/empty",
        r#"{"settings": {"number_of_shards": 1, "number_of_replicas": 0}}"#,
    )
    .await
    .expect(200);
    node.put("/empty/_doc/1?refresh=true", r#"{"other": 1}"#)
        .await
        .expect(201);
    let aggs = json!({
        "sold": {"terms": {"field": "sold"}},
        "days": {"date_histogram": {"field": "day", "fixed_interval": "1d"}},
        "dates": {"date_range": {"field": "day", "ranges": [{"from": "2024-02-01"}]}},
    });
    let body = json!({"size": 0, "aggs": aggs}).to_string();
    let answer = node
        .post("/empty,shop/_search?typed_keys", &body)
        .await
        .expect(200);
    let found = &answer["aggregations"];
    assert_eq!(found["lterms#sold"]["buckets"][1]["key_as_string"], "true");
    assert_eq!(
        found["date_histogram#days"]["buckets"][0]["key_as_string"],
        "2024-02-03"
    );
    assert_eq!(found["date_range#dates"]["buckets"][0]["doc_count"], 120);
    assert_eq!(
        found["date_range#dates"]["buckets"][0]["from_as_string"],
        "2024-02-01"
    );
}

#[tokio::test]
async fn what_is_missing_can_be_stood_in_for_and_bounds_cut() {
    let node = shop().await;
    node.put("/shop/_doc/bare?refresh=true", r#"{"text": "nothing else"}"#)
        .await
        .expect(201);
    let found = aggregate(
        &node,
        &json!({
            "colors": {"terms": {"field": "color", "missing": "none", "size": 4}},
            "nowhere": {"terms": {"field": "nowhere", "missing": "none"}},
            "prices": {"terms": {"field": "price", "missing": 1.5, "size": 100}},
            "days": {"terms": {"field": "day", "missing": "2024-02-04"}},
            "distinct": {"cardinality": {"field": "color", "missing": "none"}},
            "last": {"max": {"field": "day", "missing": "2024-02-05"}},
            "cut": {"histogram": {"field": "n", "interval": 10, "hard_bounds": {"min": 20, "max": 39}}},
            "deep": {"terms": {"field": "color", "min_doc_count": 0, "order": {"stats.max": "desc"}}, "aggs": {
                "stats": {"stats": {"field": "n"}},
                "tags": {"terms": {"field": "deep.tag"}, "aggs": {"fifties": {"histogram": {"field": "n", "interval": 50}}}},
            }},
        }),
    )
    .await;
    let keys = |found: &Value| -> Vec<Value> {
        let buckets = found["buckets"].as_array().unwrap();
        buckets
            .iter()
            .map(|bucket| json!([bucket["key"], bucket["doc_count"]]))
            .collect()
    };
    assert_eq!(
        keys(&found["colors"]),
        [
            json!(["red", 60]),
            json!(["blue", 30]),
            json!(["green", 30]),
            json!(["none", 1])
        ]
    );
    assert_eq!(keys(&found["nowhere"]), [json!(["none", 121])]);
    assert!(
        keys(&found["prices"]).contains(&json!([1.5, 4])),
        "{}",
        found["prices"]
    );
    assert_eq!(found["days"]["buckets"][1]["key_as_string"], "2024-02-04");
    assert_eq!(found["distinct"]["value"], 4);
    assert_eq!(found["last"]["value_as_string"], "2024-02-05");
    assert_eq!(keys(&found["cut"]), [json!([20.0, 10]), json!([30.0, 10])]);
    let deep = &found["deep"]["buckets"];
    assert_eq!(
        keys(&found["deep"]),
        [json!(["red", 60]), json!(["blue", 30]), json!(["green", 30])]
    );
    assert_eq!(deep[0]["stats"]["max"], 119.0);
    let fifties = &deep[0]["tags"]["buckets"][0]["fifties"];
    let count = |from: i64| {
        docs()
            .filter(|doc| doc.color == "red" && doc.n % 2 == 0 && doc.n / 50 == from)
            .count()
    };
    assert_eq!(deep[0]["tags"]["buckets"][0]["key"], "t0");
    assert_eq!(
        keys(fifties),
        [
            json!([0.0, count(0)]),
            json!([50.0, count(1)]),
            json!([100.0, count(2)])
        ]
    );
}
