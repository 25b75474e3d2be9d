//! Buckets of `terms`.

use es_exception::Exception;
use serde_json::{Map, Value, json};
use tantivy::aggregation::Key;
use tantivy::aggregation::agg_result::BucketEntry;

use super::order::{compare, key_number};
use super::{Bucket, Buckets, Part, Printer};
use crate::Query;
use crate::aggregation::bucket_query::{or_missing, same};
use crate::aggregation::shape::{Shape, ValueKind};
use crate::aggregation::terms::{OrderBy, Terms};
use crate::view::ip_of_term;

impl Printer {
    pub(super) fn print_terms(
        &mut self,
        part: &Part<'_>,
        terms: &Terms,
        found: &[BucketEntry],
        mut others: u64,
        error: u64,
    ) -> Result<Map<String, Value>, Exception> {
        let mut entries: Vec<&BucketEntry> = found.iter().collect();
        entries.sort_by(|left, right| compare(part.aggregation, &terms.order, left, right));
        let size = usize::try_from(terms.size)
            .unwrap_or(usize::MAX)
            .min(entries.len());
        others += entries.drain(size..).map(|entry| entry.doc_count).sum::<u64>();
        self.count(entries.len() as u64)?;
        let mut buckets = Buckets::new(false);
        for entry in entries {
            let (key, text) = term_key(&entry.key, part.shape);
            let mut object = Map::new();
            let place = buckets.next_place("");
            let queries = || terms.queries(part.shape, &key);
            let bucket = Bucket::of(entry.doc_count, &entry.sub_aggregation);
            let inside = self.inside(part, &place, queries, bucket)?;
            object.insert("key".to_owned(), key);
            if let Some(text) = text {
                object.insert("key_as_string".to_owned(), json!(text));
            }
            object.insert("doc_count".to_owned(), json!(entry.doc_count));
            object.extend(inside);
            buckets.push(String::new(), object);
        }
        // Source: -1 where the error is not known, 0 where there is none.
        let error = match (terms.is_by_count(), error) {
            (true, error) => json!(error),
            (false, 0) => json!(0),
            (false, _) if terms.order.first().is_some_and(|order| order.by == OrderBy::Key) => json!(0),
            (false, _) => json!(-1),
        };
        let mut object = Map::new();
        object.insert("doc_count_error_upper_bound".to_owned(), error);
        object.insert("sum_other_doc_count".to_owned(), json!(others));
        object.extend(buckets.print());
        Ok(object)
    }
}

impl Terms {
    /// What the documents of the bucket with this key match.
    fn queries(&self, shape: &Shape, key: &Value) -> Result<Vec<Query>, Exception> {
        let with_value = same(&self.field, shape.kind, key)?;
        let stands_for_missing = shape
            .missing
            .as_ref()
            .is_some_and(|value| value == key || value.is_number() && value.as_f64() == key.as_f64());
        Ok(vec![match stands_for_missing {
            true => or_missing(&self.field, with_value)?,
            false => with_value,
        }])
    }
}

/// The key of a term, and its text where that is something else.
fn term_key(key: &Key, shape: &Shape) -> (Value, Option<String>) {
    let number = match key {
        Key::Str(text) if shape.kind == ValueKind::Ip => {
            let address = ip_of_term(text).map(|address| address.to_string());
            return (json!(address.as_deref().unwrap_or(text)), None);
        }
        Key::Str(text) => return (json!(text), None),
        other => key_number(other),
    };
    match (shape.kind, key) {
        (ValueKind::Boolean, _) => (json!(number as u64), Some((number != 0.0).to_string())),
        (ValueKind::Double, _) => (json!(number), None),
        (_, Key::I64(whole)) => (json!(whole), shape.text(number)),
        (_, Key::U64(whole)) => (json!(whole), shape.text(number)),
        _ => (json!(number), shape.text(number)),
    }
}
