//! The page that was found.

use es_exception::Exception;
use serde_json::{Map, Value, json};
use tantivy::aggregation::Key;
use tantivy::aggregation::agg_result::BucketEntry;

use super::key::compare;
use super::{Composite, Source};
use crate::Query;
use crate::aggregation::bucket_query::{missing, same, step};
use crate::aggregation::histogram::Steps;
use crate::aggregation::shape::{Shape, ValueKind};

impl Composite {
    /// The buckets of the page in order, each with its key as it is carried from shards.
    pub(in crate::aggregation) fn page<'b>(
        &self,
        shape: &Shape,
        found: &'b [BucketEntry],
    ) -> Vec<(Vec<Value>, &'b BucketEntry)> {
        let mut page: Vec<(Vec<Value>, &BucketEntry)> = found
            .iter()
            .filter_map(|entry| match &entry.key {
                Key::Str(text) => serde_json::from_str(text).ok().map(|values| (values, entry)),
                _ => None,
            })
            .collect();
        page.sort_by(|(left, _), (right, _)| compare(&self.sources, &shape.sources, left, right));
        page.truncate(usize::try_from(self.size).unwrap_or(usize::MAX));
        page
    }

    /// A key as it is shown.
    pub(in crate::aggregation) fn print_key(&self, shape: &Shape, values: &[Value]) -> Value {
        let parts = self.sources.iter().zip(&shape.sources).zip(values);
        let printed: Map<String, Value> = parts
            .map(|((source, shape), value)| (source.name.clone(), source.print(shape, value)))
            .collect();
        Value::Object(printed)
    }

    /// What the documents of a bucket match.
    pub(in crate::aggregation) fn queries(
        &self,
        shape: &Shape,
        values: &[Value],
    ) -> Result<Vec<Query>, Exception> {
        let parts = self.sources.iter().zip(&shape.sources).zip(values);
        parts
            .map(|((source, shape), value)| match (value, &source.steps) {
                (Value::Null, _) => missing(&source.field),
                (value, None) => same(&source.field, shape.kind, value),
                (value, Some(steps)) => Ok(step(&source.field, steps, value.as_f64().unwrap_or(0.0))),
            })
            .collect()
    }
}

impl Source {
    fn print(&self, shape: &Shape, value: &Value) -> Value {
        let is_date = matches!(self.steps, Some(Steps::Dates(_))) || shape.kind == ValueKind::Date;
        let is_double = match &self.steps {
            Some(steps) => matches!(steps, Steps::Numbers { .. }),
            None => shape.kind == ValueKind::Double,
        };
        // Source: dates are milliseconds unless the source has a format.
        let text = value
            .as_f64()
            .filter(|_| is_date && self.format.is_some())
            .and_then(|millis| shape.text(millis));
        match (text, value.as_f64()) {
            (Some(text), _) => json!(text),
            (None, Some(number)) if is_double => json!(number),
            _ => value.clone(),
        }
    }
}
