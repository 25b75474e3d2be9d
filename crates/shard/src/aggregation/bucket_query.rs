//! The documents of a bucket as queries, to search for them.

use serde_json::{Value, json};

use super::histogram::Steps;
use super::shape::ValueKind;

/// Those without a value.
pub(super) fn missing(field: &str) -> Value {
    json!({"bool": {"must_not": {"exists": {"field": field}}}})
}

/// Those with a value, as keys of buckets show it.
pub(super) fn same(field: &str, kind: ValueKind, value: &Value) -> Value {
    match kind {
        ValueKind::Date => json!({"range": {field: {"gte": value, "lte": value, "format": "epoch_millis"}}}),
        ValueKind::Boolean => {
            let flag = value
                .as_bool()
                .unwrap_or_else(|| value.as_f64().is_some_and(|number| number != 0.0));
            json!({"term": {field: flag}})
        }
        _ => json!({"term": {field: value}}),
    }
}

/// Those with a value between this start and the next.
pub(super) fn step(field: &str, steps: &Steps, start: f64) -> Value {
    let next = steps.next(start);
    match steps {
        Steps::Numbers { .. } => json!({"range": {field: {"gte": start, "lt": next}}}),
        Steps::Dates(_) => {
            json!({"range": {field: {"gte": start as i64, "lt": next as i64, "format": "epoch_millis"}}})
        }
    }
}
