//! Buckets of histograms.

use es_exception::Exception;
use index_meta::DateRounding;
use serde_json::{Map, Value, json};
use tantivy::aggregation::Key;
use tantivy::aggregation::agg_result::{AggregationResults, BucketEntry};
use tantivy::aggregation::intermediate_agg_result::IntermediateAggregationResults;

use super::order::{compare, key_number};
use super::{Bucket, Buckets, Part, Printer};
use crate::Query;
use crate::aggregation::bucket_query::{or_missing, step};
use crate::aggregation::histogram::{Histogram, Steps, check_keys};
use crate::aggregation::result::final_results;
use crate::aggregation::shape::Shape;

impl Printer {
    pub(super) fn print_histogram(
        &mut self,
        part: &Part<'_>,
        histogram: &Histogram,
        mut entries: Vec<BucketEntry>,
    ) -> Result<Map<String, Value>, Exception> {
        check_keys(
            &histogram.steps,
            entries.iter().map(|entry| key_number(&entry.key)),
        )?;
        entries.retain(|entry| entry.doc_count >= histogram.min_doc_count);
        self.count(entries.len() as u64)?;
        if histogram.min_doc_count == 0 {
            entries = self.fill(part, histogram, entries)?;
        }
        if !histogram.order.is_empty() {
            entries.sort_by(|left, right| compare(part.aggregation, &histogram.order, left, right));
        }
        let mut buckets = Buckets::new(histogram.keyed);
        for entry in entries {
            let number = key_number(&entry.key);
            let text = match histogram.is_date() {
                true => part
                    .shape
                    .text(number)
                    .or_else(|| Some((number as i64).to_string())),
                false => part.shape.text(number),
            };
            let mut object = Map::new();
            if let Some(text) = &text {
                object.insert("key_as_string".to_owned(), json!(text));
            }
            let key = if histogram.is_date() {
                json!(number as i64)
            } else {
                json!(number)
            };
            object.insert("key".to_owned(), key);
            object.insert("doc_count".to_owned(), json!(entry.doc_count));
            let key = text.unwrap_or_else(|| format!("{number:?}"));
            let place = buckets.next_place(&key);
            let queries = || histogram.queries(part.shape, number);
            let bucket = Bucket::of(entry.doc_count, &entry.sub_aggregation);
            object.extend(self.inside(part, &place, queries, bucket)?);
            buckets.push(key, object);
        }
        Ok(buckets.print())
    }

    /// Adds the empty buckets between the first and the last.
    fn fill(
        &mut self,
        part: &Part<'_>,
        histogram: &Histogram,
        entries: Vec<BucketEntry>,
    ) -> Result<Vec<BucketEntry>, Exception> {
        let starts = match &histogram.steps {
            Steps::Numbers { interval, offset } => self.numbers(part, *interval, *offset, &entries)?,
            Steps::Dates(rounding) => self.dates(part, rounding, &entries)?,
        };
        if starts.len() <= entries.len() {
            return Ok(entries);
        }
        let empty = match part.requests {
            Some(requests) => final_results(IntermediateAggregationResults::default(), requests)?,
            None => AggregationResults::default(),
        };
        let mut filled = Vec::with_capacity(starts.len());
        let mut entries = entries.into_iter().peekable();
        for (start, next) in starts {
            // A key of fractions is a multiple of the interval, give or take the last bits.
            match entries.next_if(|entry| key_number(&entry.key) < (start + next) / 2.0) {
                Some(entry) => filled.push(entry),
                None => filled.push(BucketEntry {
                    key_as_string: None,
                    key: Key::F64(start),
                    doc_count: 0,
                    sub_aggregation: empty.clone(),
                }),
            }
        }
        filled.extend(entries);
        Ok(filled)
    }

    /// Start and end of every bucket from the first to the last.
    fn numbers(
        &mut self,
        part: &Part<'_>,
        interval: f64,
        offset: f64,
        entries: &[BucketEntry],
    ) -> Result<Vec<(f64, f64)>, Exception> {
        let position = |number: f64| ((number - offset) / interval).floor();
        let position_of = |entry: &BucketEntry| ((key_number(&entry.key) - offset) / interval).round();
        let (min, max) = part.shape.bounds.first().copied().unwrap_or_default();
        let first = entries
            .iter()
            .map(position_of)
            .chain(min.map(position))
            .reduce(f64::min);
        let last = entries
            .iter()
            .map(position_of)
            .chain(max.map(position))
            .reduce(f64::max);
        let (Some(first), Some(last)) = (first, last) else {
            return Ok(Vec::new());
        };
        // As a float, so that whatever was asked for can be compared before it is made.
        let wanted = last - first + 1.0;
        if wanted <= entries.len() as f64 {
            return Ok(Vec::new());
        }
        self.count((wanted - entries.len() as f64).min(1e18) as u64)?;
        let start = |step: f64| (first + step) * interval + offset;
        Ok((0..wanted as u64)
            .map(|step| (start(step as f64), start(step as f64 + 1.0)))
            .collect())
    }

    /// The same for dates.
    fn dates(
        &mut self,
        part: &Part<'_>,
        rounding: &DateRounding,
        entries: &[BucketEntry],
    ) -> Result<Vec<(f64, f64)>, Exception> {
        // Milliseconds of dates are far below 2^53.
        let key = |entry: &BucketEntry| key_number(&entry.key) as i64;
        let (min, max) = part.shape.bounds.first().copied().unwrap_or_default();
        let round = |millis: f64| rounding.round(millis as i64);
        let first = entries.iter().map(key).chain(min.map(round)).min();
        let last = entries.iter().map(key).chain(max.map(round)).max();
        let (Some(first), Some(last)) = (first, last) else {
            return Ok(Vec::new());
        };
        let mut starts = Vec::new();
        let mut start = first;
        while start <= last {
            let next = rounding.next(start);
            starts.push((start as f64, next as f64));
            if starts.len() > entries.len() {
                self.count(1)?;
            }
            if next == i64::MAX {
                break;
            }
            start = next;
        }
        Ok(starts)
    }
}

impl Histogram {
    /// What the documents of the bucket that begins here match.
    fn queries(&self, shape: &Shape, start: f64) -> Result<Vec<Query>, Exception> {
        let with_value = step(&self.field, &self.steps, start);
        let (from, to) = self.steps.numbers_from(start);
        let missing = shape.missing.as_ref().and_then(Value::as_f64);
        let stands_for_missing = missing.is_some_and(|missing| (from..to).contains(&missing));
        Ok(vec![match stands_for_missing {
            true => or_missing(&self.field, with_value)?,
            false => with_value,
        }])
    }
}
