//! Pages of combinations of values.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::aggregations::{DAY, aggregate, docs, shop};
use crate::node::Node;

/// All buckets, asked for page by page.
async fn pages(node: &Node, mut composite: Value, aggs: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let found = aggregate(
            node,
            &json!({"page": {"composite": composite.clone(), "aggs": aggs.clone()}}),
        )
        .await;
        let buckets = found["page"]["buckets"].as_array().expect("buckets").clone();
        let size = composite["size"].as_u64().expect("a size");
        assert!(buckets.len() as u64 <= size);
        let Some(last) = buckets.last() else {
            assert_eq!(found["page"].get("after_key"), None);
            return all;
        };
        assert_eq!(found["page"]["after_key"], last["key"]);
        composite["after"] = last["key"].clone();
        all.extend(buckets);
    }
}

#[tokio::test]
async fn pages_of_every_size_give_every_combination_once_and_in_order() {
    let node = shop().await;
    let mut expected: BTreeMap<(&str, i64), (u64, i64)> = BTreeMap::new();
    for doc in docs() {
        let entry = expected
            .entry((doc.color, doc.at.div_euclid(7 * DAY)))
            .or_default();
        *entry = (entry.0 + 1, entry.1 + doc.n);
    }
    let expected: Vec<_> = expected
        .into_iter()
        .map(|((color, week), (count, sum))| {
            json!({"key": {"color": color, "week": week * 7 * DAY}, "doc_count": count, "sum": {"value": sum as f64}})
        })
        .collect();
    for size in [1, 5, 1_000] {
        let composite = json!({"size": size, "sources": [
            {"color": {"terms": {"field": "color"}}},
            {"week": {"date_histogram": {"field": "at", "fixed_interval": "7d"}}},
        ]});
        let found = pages(&node, composite, &json!({"sum": {"sum": {"field": "n"}}})).await;
        assert_eq!(found, expected, "pages of {size}");
    }
}

#[tokio::test]
async fn sources_descend_and_what_is_missing_has_a_place() {
    let node = shop().await;
    let sizes = |order: &str, missing_order: &str| {
        json!({"size": 4, "sources": [{"size": {"terms": {
            "field": "size", "missing_bucket": true, "order": order, "missing_order": missing_order,
        }}}]})
    };
    let none = json!({});
    let values = |found: &[Value]| -> Vec<Value> {
        found.iter().map(|bucket| bucket["key"]["size"].clone()).collect()
    };
    let numbers = || (0..10).map(Value::from);
    let first: Vec<_> = [Value::Null].into_iter().chain(numbers()).collect();
    let last: Vec<_> = numbers().chain([Value::Null]).collect();
    let backwards: Vec<_> = last.iter().rev().cloned().collect();
    let backwards_last: Vec<_> = first.iter().rev().cloned().collect();
    for (order, missing_order, expected) in [
        ("asc", "default", &first),
        ("asc", "first", &first),
        ("asc", "last", &last),
        ("desc", "default", &backwards_last),
        ("desc", "first", &backwards),
    ] {
        let found = pages(&node, sizes(order, missing_order), &none).await;
        assert_eq!(values(&found), *expected, "{order}, {missing_order}");
        let counted: u64 = found
            .iter()
            .filter_map(|bucket| bucket["doc_count"].as_u64())
            .sum();
        assert_eq!(counted, 120);
    }
    // Without, documents that lack a value are left out.
    let found = pages(
        &node,
        json!({"size": 100, "sources": [{"size": {"terms": {"field": "size"}}}]}),
        &none,
    )
    .await;
    assert_eq!(values(&found), numbers().collect::<Vec<_>>());
}

#[tokio::test]
async fn keys_of_every_type_are_printed_and_taken_back() {
    let node = shop().await;
    let none = json!({});
    let composite = json!({"size": 7, "sources": [
        {"sold": {"terms": {"field": "sold"}}},
        {"ip": {"terms": {"field": "ip", "order": "desc"}}},
        {"price": {"histogram": {"field": "price", "interval": 2.5}}},
        {"month": {"date_histogram": {"field": "at", "calendar_interval": "month", "format": "yyyy-MM", "time_zone": "+02:00"}}},
    ]});
    let found = pages(&node, composite, &none).await;
    let mut expected: BTreeMap<(bool, i64, i64), u64> = BTreeMap::new();
    for doc in docs() {
        *expected
            .entry((doc.n % 5 == 0, -(doc.n % 3), (doc.price / 2.5).floor() as i64))
            .or_default() += 1;
    }
    let expected: Vec<_> = expected
        .into_iter()
        .map(|((sold, ip, price), count)| {
            let key = json!({
                "sold": sold, "ip": format!("10.0.0.{}", -ip), "price": price as f64 * 2.5, "month": "2024-01",
            });
            json!({"key": key, "doc_count": count})
        })
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_document_is_in_each_combination_of_its_values() {
    let node = Node::start().await;
    let index = r#"{"settings": {"number_of_replicas": 0}, "mappings": {"properties": {
        "a": {"type": "keyword"}, "b": {"type": "long"}
    }}}"#;
    node.put("/several", index).await.expect(200);
    for (id, document) in [
        ("1", r#"{"a": ["x", "y", "x"], "b": [2, 1]}"#),
        ("2", r#"{"a": "x", "b": 1}"#),
    ] {
        let path = format!("/several/_doc/{id}?refresh=true");
        node.put(&path, document).await.expect(201);
    }
    let body = json!({"size": 0, "aggs": {"all": {"composite": {"sources": [
        {"a": {"terms": {"field": "a"}}}, {"b": {"terms": {"field": "b", "order": "desc"}}},
    ]}}}});
    let answer = node.post("/several/_search", &body.to_string()).await.expect(200);
    let found = &answer["aggregations"]["all"]["buckets"];
    let expected = [("x", 2, 1), ("x", 1, 2), ("y", 2, 1), ("y", 1, 1)]
        .map(|(a, b, count)| json!({"key": {"a": a, "b": b}, "doc_count": count}));
    assert_eq!(*found, json!(expected));
}

#[tokio::test]
async fn an_index_without_a_field_adds_only_what_is_missing() {
    let node = shop().await;
    node.put(
        "/bare",
        r#"{"settings": {"number_of_replicas": 0}, "mappings": {"properties": {"text": {"type": "text"}}}}"#,
    )
    .await
    .expect(200);
    node.put("/bare/_doc/1?refresh=true", r#"{"text": "no color"}"#)
        .await
        .expect(201);
    let search = async |missing: bool, after: Option<&str>| {
        let mut composite =
            json!({"sources": [{"color": {"terms": {"field": "color", "missing_bucket": missing}}}]});
        if let Some(after) = after {
            composite["after"] = json!({"color": after});
        }
        let body = json!({"size": 0, "aggs": {"all": {"composite": composite}}}).to_string();
        let answer = node.post("/shop,bare/_search", &body).await.expect(200);
        let buckets = answer["aggregations"]["all"]["buckets"]
            .as_array()
            .expect("buckets");
        buckets
            .iter()
            .map(|bucket| json!([bucket["key"]["color"], bucket["doc_count"]]))
            .collect::<Vec<_>>()
    };
    let colors = [json!(["blue", 30]), json!(["green", 30]), json!(["red", 60])];
    assert_eq!(search(false, None).await, colors);
    assert_eq!(
        search(true, None).await,
        [&[json!([null, 1])], &colors[..]].concat()
    );
    assert_eq!(search(true, Some("black")).await, colors);
    assert_eq!(search(true, Some("bronze")).await, colors[1..]);
    assert_eq!(search(true, Some("red")).await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_document_of_too_many_combinations_is_refused_and_not_counted_in_part() {
    let node = Node::start().await;
    node.put("/wide", r#"{"settings": {"number_of_replicas": 0}}"#)
        .await
        .expect(200);
    let numbers: Vec<_> = (0..50).collect();
    let document = json!({"a": numbers, "b": numbers, "c": numbers}).to_string();
    node.put("/wide/_doc/1?refresh=true", &document).await.expect(201);
    let body = |fields: &[&str]| {
        let sources: Vec<_> = fields
            .iter()
            .map(|field| json!({*field: {"terms": {"field": field}}}))
            .collect();
        json!({"size": 0, "aggs": {"all": {"composite": {"sources": sources}}}}).to_string()
    };
    let answer = node
        .post("/wide/_search", &body(&["a", "b", "c"]))
        .await
        .expect(429);
    assert_eq!(
        answer["error"]["caused_by"]["type"], "circuit_breaking_exception",
        "{answer}"
    );
    let answer = node.post("/wide/_search", &body(&["a", "b"])).await.expect(200);
    let buckets = answer["aggregations"]["all"]["buckets"]
        .as_array()
        .expect("buckets");
    assert_eq!(buckets.len(), 10);
}

#[tokio::test]
async fn pages_of_days_and_hours_of_a_time_zone_end() {
    let node = shop().await;
    for (unit, format, zone, expected) in [
        ("day", "yyyy-MM-dd", "America/New_York", 25),
        ("hour", "yyyy-MM-dd'T'HH", "+02:00", 120),
        ("month", "yyyy-MM", "-05:00", 2),
    ] {
        let source = json!({"date_histogram": {
            "field": "at", "calendar_interval": unit, "format": format, "time_zone": zone,
        }});
        let composite = json!({"size": 7, "sources": [{"at": source}]});
        let found = pages(&node, composite, &json!({})).await;
        let counted: u64 = found
            .iter()
            .filter_map(|bucket| bucket["doc_count"].as_u64())
            .sum();
        assert_eq!((found.len(), counted), (expected, 120), "{unit} of {zone}");
    }
}

/// The counts of all buckets of one source, a bucket on each page.
async fn counted(node: &Node, target: &str, source: Value) -> Vec<u64> {
    let mut composite = json!({"size": 1, "sources": [{"key": source}]});
    let mut counts = Vec::new();
    for _ in 0..60 {
        let body = json!({"size": 0, "aggs": {"page": {"composite": composite}}}).to_string();
        let answer = node.post(&format!("/{target}/_search"), &body).await.expect(200);
        let page = &answer["aggregations"]["page"];
        let Some(bucket) = page["buckets"].get(0) else {
            return counts;
        };
        counts.push(bucket["doc_count"].as_u64().expect("a count"));
        composite["after"] = page["after_key"].clone();
    }
    panic!("the pages do not end: {counts:?}");
}

#[tokio::test]
async fn pages_of_fractions_go_on_behind_the_very_number() {
    let node = Node::start().await;
    let mapping = |kind: &str| {
        json!({
            "settings": {"number_of_replicas": 0},
            "mappings": {"properties": {"price": {"type": kind}, "exact": {"type": "double"}}},
        })
        .to_string()
    };
    node.put("/floats", &mapping("float")).await.expect(200);
    node.put("/wholes", &mapping("long")).await.expect(200);
    for n in 0..40 {
        let price = f64::from(n) * 0.03;
        let document = json!({"price": price, "exact": price}).to_string();
        let path = format!("/floats/_doc/{n}?refresh={}", n == 39);
        node.put(&path, &document).await.expect(201);
    }
    node.put("/wholes/_doc/1?refresh=true", r#"{"price": 1, "exact": 1}"#)
        .await
        .expect(201);
    let terms = |field: &str| json!({"terms": {"field": field}});
    let steps = |field: &str| json!({"histogram": {"field": field, "interval": 0.1}});
    for field in ["price", "exact"] {
        assert_eq!(counted(&node, "floats", terms(field)).await, [1; 40]);
        let sum: u64 = counted(&node, "floats", steps(field)).await.iter().sum();
        assert_eq!(sum, 40);
    }
    // A whole number here and a fraction there are one value.
    node.put("/floats/_doc/one?refresh=true", r#"{"price": 1.0, "exact": 1.0}"#)
        .await
        .expect(201);
    let counts = counted(&node, "floats,wholes", terms("price")).await;
    assert_eq!((counts.len(), counts.iter().max()), (41, Some(&2)));
}

#[tokio::test]
async fn a_filter_narrows_the_pages_in_it() {
    let node = shop().await;
    let found = aggregate(
        &node,
        &json!({"blue": {"filter": {"term": {"color": "blue"}}, "aggs": {
            "pages": {"composite": {"sources": [{"color": {"terms": {"field": "color"}}}, {"sold": {"terms": {"field": "sold"}}}]}},
        }}}),
    )
    .await;
    let counts: Vec<_> = [false, true]
        .into_iter()
        .map(|sold| {
            let matching = docs().filter(|doc| doc.color == "blue" && (doc.n % 5 == 0) == sold);
            json!({"key": {"color": "blue", "sold": sold}, "doc_count": matching.count()})
        })
        .collect();
    assert_eq!(found["blue"]["pages"]["buckets"], json!(counts));
}
