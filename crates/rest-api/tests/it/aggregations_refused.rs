//! Aggregations that are refused.

use serde_json::json;

use crate::aggregations::{aggregate, shop};

#[tokio::test]
async fn what_cannot_be_aggregated_is_refused() {
    let node = shop().await;
    for (agg, kind) in [
        (json!({"terms": {"field": "text"}}), "illegal_argument_exception"),
        (json!({"avg": {"field": "color"}}), "illegal_argument_exception"),
        (
            json!({"histogram": {"field": "color", "interval": 1}}),
            "illegal_argument_exception",
        ),
        (
            json!({"range": {"field": "ip", "ranges": [{"to": 1}]}}),
            "illegal_argument_exception",
        ),
        (
            json!({"avg": {"field": "sold", "missing": true}}),
            "unsupported_operation_exception",
        ),
        (
            json!({"terms": {"field": "_id"}}),
            "unsupported_operation_exception",
        ),
        (
            json!({"terms": {"field": "n", "min_doc_count": 0}}),
            "unsupported_operation_exception",
        ),
        (
            json!({"date_histogram": {"field": "at", "calendar_interval": "month", "extended_bounds": {"min": "-9000-01-01"}}}),
            "too_many_buckets_exception",
        ),
        (
            json!({"composite": {"sources": [{"c": {"terms": {"field": "text"}}}]}}),
            "illegal_argument_exception",
        ),
        (
            json!({"composite": {"sources": [{"c": {"terms": {"field": "n"}}}], "after": {"c": "many"}}}),
            "illegal_argument_exception",
        ),
        (
            json!({"composite": {"sources": [{"c": {"terms": {"field": "n"}}}], "after": {"c": null}}}),
            "illegal_argument_exception",
        ),
        (
            json!({"composite": {"sources": [{"c": {"terms": {"field": "n"}}}], "size": 70_000}}),
            "too_many_buckets_exception",
        ),
        (json!({"top_hits": {"size": 101}}), "illegal_argument_exception"),
        (
            json!({"top_hits": {"script_fields": {}}}),
            "unsupported_operation_exception",
        ),
        (json!({"nope": {}}), "parsing_exception"),
        (
            json!({"histogram": {"field": "n", "interval": 1e-9}}),
            "too_many_buckets_exception",
        ),
        (
            json!({"histogram": {"field": "n", "interval": 1e-300}}),
            "illegal_argument_exception",
        ),
        (
            json!({"histogram": {"field": "n", "interval": 1e-18, "min_doc_count": 1}}),
            "illegal_argument_exception",
        ),
        (
            json!({"histogram": {"field": "n", "interval": 1, "extended_bounds": {"min": 5, "max": 2}}}),
            "illegal_argument_exception",
        ),
        (
            json!({"histogram": {"field": "n", "interval": 1, "extended_bounds": {"min": 1}, "hard_bounds": {"min": 2}}}),
            "illegal_argument_exception",
        ),
    ] {
        let body = json!({"aggs": {"a": agg}}).to_string();
        let answer = node.post("/shop/_search", &body).await.expect(400);
        let error = &answer["error"];
        let found = error["caused_by"].get("type").unwrap_or(&error["type"]);
        assert_eq!(found, kind, "{agg}: {answer}");
    }
    // The index serves on.
    assert_eq!(
        aggregate(&node, &json!({"a": {"avg": {"field": "n"}}})).await["a"]["value"],
        59.5
    );
}
