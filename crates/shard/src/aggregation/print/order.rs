//! The order of buckets.

use std::cmp::Ordering;

use tantivy::aggregation::Key;
use tantivy::aggregation::agg_result::{AggregationResult, BucketEntry};

use crate::aggregation::metric::value_of;
use crate::aggregation::request::Aggregation;
use crate::aggregation::terms::{Order, OrderBy};
use crate::aggregation::translate::name;

/// Order of two buckets, by key at last. Values that are missing are last, whatever the order.
pub(super) fn compare(
    aggregation: &Aggregation,
    order: &[Order],
    left: &BucketEntry,
    right: &BucketEntry,
) -> Ordering {
    for criterion in order {
        let order = match &criterion.by {
            OrderBy::Count => left.doc_count.cmp(&right.doc_count),
            OrderBy::Key => compare_keys(&left.key, &right.key),
            OrderBy::Metric { name, property } => {
                let value = |entry: &BucketEntry| metric_of(aggregation, entry, name, property);
                match (value(left), value(right)) {
                    (Some(left), Some(right)) => left.total_cmp(&right),
                    (None, None) => Ordering::Equal,
                    (None, Some(_)) => return Ordering::Greater,
                    (Some(_), None) => return Ordering::Less,
                }
            }
        };
        match (order, criterion.descending) {
            (Ordering::Equal, _) => {}
            (order, false) => return order,
            (order, true) => return order.reverse(),
        }
    }
    compare_keys(&left.key, &right.key)
}

/// Order of two keys. One column holds whole numbers as such in one segment, and as fractions are in another.
fn compare_keys(left: &Key, right: &Key) -> Ordering {
    match (left, right) {
        (Key::Str(_), _) | (_, Key::Str(_)) => left.cmp(right),
        (Key::F64(_), _) | (_, Key::F64(_)) => key_number(left).total_cmp(&key_number(right)),
        (left, right) => left.cmp(right),
    }
}

fn metric_of(aggregation: &Aggregation, entry: &BucketEntry, metric: &str, property: &str) -> Option<f64> {
    let number = aggregation.position(metric)?;
    match entry.sub_aggregation.0.get(&name(number))? {
        AggregationResult::MetricResult(result) => value_of(result, property),
        AggregationResult::BucketResult(_) => None,
    }
}

/// The number that a key is.
pub(super) fn key_number(key: &Key) -> f64 {
    match key {
        Key::Str(text) => text.parse().unwrap_or(0.0),
        Key::I64(number) => *number as f64,
        Key::U64(number) => *number as f64,
        Key::F64(number) => *number,
    }
}
