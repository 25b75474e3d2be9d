//! Date histograms by the calendar and the clocks of time zones.

use serde_json::{Value, json};

use crate::aggregations::{BEGIN, DAY, aggregate, docs, shop};
use crate::node::Node;

fn keys(found: &Value) -> Vec<Value> {
    let buckets = found["buckets"].as_array().expect("buckets");
    buckets
        .iter()
        .map(|bucket| json!([bucket["key_as_string"], bucket["doc_count"]]))
        .collect()
}

/// A node with these dates in the index `dates` of two shards, two segments each.
async fn dates(values: &[Value]) -> Node {
    let node = Node::start().await;
    let index = json!({
        "settings": {"number_of_shards": 2, "number_of_replicas": 0, "index.refresh_interval": "-1"},
        "mappings": {"properties": {"at": {"type": "date"}, "kind": {"type": "keyword"}}},
    });
    node.put("/dates", &index.to_string()).await.expect(200);
    for (number, value) in values.iter().enumerate() {
        let document = json!({"at": value, "kind": format!("k{}", number % 2)}).to_string();
        let refresh = number % 3 == 0 || number + 1 == values.len();
        let path = format!("/dates/_doc/{number}?refresh={refresh}");
        node.put(&path, &document).await.expect(201);
    }
    node
}

async fn found(node: &Node, aggs: Value) -> Value {
    let body = json!({"size": 0, "aggs": aggs}).to_string();
    node.post("/dates/_search", &body).await.expect(200)["aggregations"].clone()
}

#[tokio::test]
async fn months_quarters_and_years_have_their_own_lengths() {
    let node = dates(&[
        json!("2023-12-31T23:59:59.999Z"),
        json!("2024-01-01T00:00:00Z"),
        json!("2024-02-29T12:00:00Z"),
        // Twice in one month, and once in another: counted once in each.
        json!(["2024-02-01", "2024-02-02", "2024-05-01"]),
        json!(null),
    ])
    .await;
    let found = found(
        &node,
        json!({
            "months": {"date_histogram": {"field": "at", "calendar_interval": "month", "format": "yyyy-MM"}},
            "full": {"date_histogram": {"field": "at", "calendar_interval": "1M", "format": "yyyy-MM", "min_doc_count": 1,
                "order": {"_count": "desc"}}},
            "quarters": {"date_histogram": {"field": "at", "calendar_interval": "1q", "keyed": true, "format": "yyyy-MM-dd"}},
            "years": {"date_histogram": {"field": "at", "calendar_interval": "year", "offset": "+1d",
                "extended_bounds": {"max": "2026-01-01"}}},
            "later": {"date_histogram": {"field": "at", "calendar_interval": "month", "format": "yyyy-MM",
                "hard_bounds": {"min": "2024-02"}, "min_doc_count": 1}},
            "cut": {"date_histogram": {"field": "at", "calendar_interval": "month", "format": "yyyy-MM-dd",
                "hard_bounds": {"min": "2024-01-15", "max": "2024-02-15"}, "min_doc_count": 1}},
            "none": {"filter": {"term": {"kind": "none"}}, "aggs": {"hours": {"date_histogram": {"field": "at", "fixed_interval": "1h",
                "extended_bounds": {"min": "2024-03-05", "max": "2024-03-05"}}}}},
            "fixed": {"date_histogram": {"field": "at", "fixed_interval": "20d", "min_doc_count": 1}},
            "missing": {"date_histogram": {"field": "at", "calendar_interval": "year", "missing": "2020-06-01", "min_doc_count": 1}},
        }),
    )
    .await;
    assert_eq!(
        keys(&found["months"]),
        [
            json!(["2023-12", 1]),
            json!(["2024-01", 1]),
            json!(["2024-02", 2]),
            json!(["2024-03", 0]),
            json!(["2024-04", 0]),
            json!(["2024-05", 1]),
        ]
    );
    assert_eq!(keys(&found["full"])[0], json!(["2024-02", 2]));
    // Bounds are rounded themselves, and a maximum is neither rounded up nor in.
    assert_eq!(keys(&found["cut"]), [json!(["2024-01-01", 1])]);
    assert_eq!(
        keys(&found["none"]["hours"]),
        [json!(["2024-03-05T00:00:00.000Z", 0])]
    );
    let quarters = &found["quarters"]["buckets"];
    assert_eq!(
        [
            &quarters["2023-10-01"]["doc_count"],
            &quarters["2024-01-01"]["doc_count"],
            &quarters["2024-04-01"]["doc_count"]
        ],
        [1, 3, 1]
    );
    assert_eq!(
        keys(&found["years"]),
        [
            json!(["2023-01-02T00:00:00.000Z", 2]),
            json!(["2024-01-02T00:00:00.000Z", 2]),
            json!(["2025-01-02T00:00:00.000Z", 0]),
        ]
    );
    assert_eq!(
        keys(&found["later"]),
        [json!(["2024-02", 2]), json!(["2024-05", 1])]
    );
    let counts: Vec<_> = keys(&found["fixed"]).iter().map(|key| key[1].clone()).collect();
    assert_eq!(
        counts,
        [2, 1, 1, 1],
        "two dates of one document in twenty days count once"
    );
    assert_eq!(keys(&found["missing"])[0], json!(["2020-01-01T00:00:00.000Z", 1]));
}

#[tokio::test]
async fn days_of_a_time_zone_begin_at_its_midnight() {
    // The last Sunday of March: clocks are set from two to three.
    let node = dates(&[
        json!("2024-03-30T22:59:59Z"),
        json!("2024-03-30T23:00:00Z"),
        json!("2024-03-31T21:59:59Z"),
        json!("2024-03-31T22:00:00Z"),
    ])
    .await;
    let found = found(
        &node,
        json!({
            "paris": {"date_histogram": {"field": "at", "calendar_interval": "day", "time_zone": "Europe/Paris"}, "aggs": {
                "kinds": {"terms": {"field": "kind", "order": {"_key": "asc"}}},
            }},
            "fixed": {"date_histogram": {"field": "at", "fixed_interval": "1d", "time_zone": "-02:00"}},
            "ranges": {"date_range": {"field": "at", "time_zone": "Europe/Paris", "format": "yyyy-MM-dd",
                "ranges": [{"from": "2024-03-31", "to": "2024-04-01"}]}},
            // Inside of another, where there are several of them.
            "kinds": {"terms": {"field": "kind", "order": {"_key": "asc"}}, "aggs": {
                "paris": {"date_histogram": {"field": "at", "calendar_interval": "day", "time_zone": "Europe/Paris"}},
            }},
        }),
    )
    .await;
    assert_eq!(
        keys(&found["paris"]),
        [
            json!(["2024-03-30T00:00:00.000+01:00", 1]),
            json!(["2024-03-31T00:00:00.000+01:00", 2]),
            json!(["2024-04-01T00:00:00.000+02:00", 1]),
        ]
    );
    let second = &found["paris"]["buckets"][1];
    assert_eq!(second["key"], 1_711_839_600_000_i64);
    assert_eq!(
        second["kinds"]["buckets"][1],
        json!({"key": "k1", "doc_count": 1})
    );
    assert_eq!(
        keys(&found["fixed"]),
        [
            json!(["2024-03-30T00:00:00.000-02:00", 2]),
            json!(["2024-03-31T00:00:00.000-02:00", 2])
        ]
    );
    let range = &found["ranges"]["buckets"][0];
    assert_eq!(
        (&range["doc_count"], &range["key"]),
        (&json!(2), &json!("2024-03-31-2024-04-01"))
    );
    let kinds = found["kinds"]["buckets"].as_array().expect("buckets");
    assert_eq!(
        keys(&kinds[0]["paris"]),
        [
            json!(["2024-03-30T00:00:00.000+01:00", 1]),
            json!(["2024-03-31T00:00:00.000+01:00", 1])
        ]
    );
}

#[tokio::test]
async fn weeks_by_the_calendar_are_the_same_with_and_without_a_zone_of_no_offset() {
    let node = shop().await;
    let found = aggregate(
        &node,
        &json!({
            "utc": {"date_histogram": {"field": "at", "calendar_interval": "week"}, "aggs": {"sum": {"sum": {"field": "n"}}}},
            // Its clocks show universal time in winter, so every bucket is computed.
            "london": {"date_histogram": {"field": "at", "calendar_interval": "week", "time_zone": "Europe/London"},
                "aggs": {"sum": {"sum": {"field": "n"}}}},
        }),
    )
    .await;
    let expected: Vec<_> = (0..4)
        .map(|week| {
            let begin = BEGIN + week * 7 * DAY;
            let inside: Vec<_> = docs()
                .filter(|doc| (begin..begin + 7 * DAY).contains(&doc.at))
                .collect();
            let sum: i64 = inside.iter().map(|doc| doc.n).sum();
            json!([inside.len(), sum as f64])
        })
        .collect();
    for name in ["utc", "london"] {
        let buckets = found[name]["buckets"].as_array().expect("buckets");
        let read: Vec<_> = buckets
            .iter()
            .map(|bucket| json!([bucket["doc_count"], bucket["sum"]["value"]]))
            .collect();
        assert_eq!(read, expected, "{name}");
    }
}

#[tokio::test]
async fn bounds_and_missing_dates_are_on_the_clocks_of_the_zone() {
    let node = dates(&[json!("2024-03-02T12:00:00Z"), json!(null)]).await;
    node.put(
        "/bare",
        r#"{"settings": {"number_of_replicas": 0}, "mappings": {"properties": {"n": {"type": "long"}}}}"#,
    )
    .await
    .expect(200);
    node.put("/bare/_doc/1?refresh=true", r#"{"n": 1}"#)
        .await
        .expect(201);
    let body = json!({"size": 0, "aggs": {
        "days": {"date_histogram": {"field": "at", "calendar_interval": "day", "time_zone": "America/New_York", "format": "yyyy-MM-dd",
            "extended_bounds": {"min": "2024-03-01", "max": "2024-03-03"}}},
        "missing": {"date_histogram": {"field": "at", "calendar_interval": "day", "time_zone": "America/New_York", "format": "yyyy-MM-dd",
            "missing": "2024-03-04", "min_doc_count": 1}},
    }});
    let answer = node
        .post("/bare,dates/_search", &body.to_string())
        .await
        .expect(200);
    let found = &answer["aggregations"];
    assert_eq!(
        keys(&found["days"]),
        [
            json!(["2024-03-01", 0]),
            json!(["2024-03-02", 1]),
            json!(["2024-03-03", 0])
        ]
    );
    // One without a date, and one of an index that has no such field.
    assert_eq!(
        keys(&found["missing"]),
        [json!(["2024-03-02", 1]), json!(["2024-03-04", 2])]
    );
}
