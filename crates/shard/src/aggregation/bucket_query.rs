//! The documents of a bucket as queries, to search for them.

use es_exception::Exception;
use index_meta::QueryValue;
use serde_json::{Value, json};

use super::histogram::Steps;
use super::shape::ValueKind;
use crate::Query;

/// Those without a value.
pub(super) fn missing(field: &str) -> Result<Query, Exception> {
    Query::from_json(&json!({"bool": {"must_not": {"exists": {"field": field}}}}))
}

/// Those that the query matches, and those without a value.
pub(super) fn or_missing(field: &str, with_value: Query) -> Result<Query, Exception> {
    Ok(with_value.or(missing(field)?))
}

/// Those with a value, as keys of buckets show it.
pub(super) fn same(field: &str, kind: ValueKind, value: &Value) -> Result<Query, Exception> {
    match (kind, value.as_i64()) {
        (ValueKind::Date, Some(millis)) => Ok(Query::numbers(
            field,
            QueryValue::Long(millis),
            millis.checked_add(1).map(QueryValue::Long),
        )),
        (ValueKind::Boolean, _) => {
            let flag = value
                .as_bool()
                .unwrap_or_else(|| value.as_f64().is_some_and(|number| number != 0.0));
            Query::from_json(&json!({"term": {field: flag}}))
        }
        _ => Query::from_json(&json!({"term": {field: value}})),
    }
}

/// Those with a value between this start and the next.
pub(super) fn step(field: &str, steps: &Steps, start: f64) -> Query {
    match steps {
        Steps::Numbers { .. } => {
            let (from, to) = steps.numbers_from(start);
            Query::numbers(field, QueryValue::Double(from), Some(QueryValue::Double(to)))
        }
        Steps::Dates(rounding) => {
            let start = start as i64;
            // The last bucket of the calendar has no end.
            let next = Some(rounding.next(start)).filter(|next| *next != i64::MAX);
            Query::numbers(field, QueryValue::Long(start), next.map(QueryValue::Long))
        }
    }
}
