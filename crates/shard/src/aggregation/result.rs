//! Merging what shards found, and printing it.

use std::cmp::Ordering;

use es_exception::{Exception, ExceptionKind};
use serde_json::{Map, Value, json};
use tantivy::aggregation::agg_req::Aggregations;
use tantivy::aggregation::agg_result::{AggregationResult, AggregationResults, BucketEntry, BucketResult};
use tantivy::aggregation::intermediate_agg_result::IntermediateAggregationResults;
use tantivy::aggregation::{AggregationLimitsGuard, Key};

use super::ShardAggregations;
use super::metric::value_of;
use super::request::{Aggregation, AggregationRequest, Filters, Histogram, Kind, Range};
use super::terms::{MAX_BUCKETS, Order, OrderBy, Terms};
use super::translate::{Shape, ValueKind, filter_name, merge_shapes, name};
use crate::view::ip_of_term;

impl AggregationRequest {
    /// The results over all shards as Elasticsearch prints them, with types before the names if `typed_keys`; `None` without shards.
    ///
    /// # Errors
    /// `too_many_buckets_exception`; `illegal_argument_exception` for results that cannot be merged.
    pub fn finish(
        &self,
        shards: Vec<ShardAggregations>,
        typed_keys: bool,
    ) -> Result<Option<Value>, Exception> {
        let mut shards = shards.into_iter();
        let Some(ShardAggregations {
            mut found,
            mut shapes,
        }) = shards.next()
        else {
            return Ok(None);
        };
        for shard in shards {
            found.merge_fruits(shard.found).map_err(|error| failed(&error))?;
            merge_shapes(&mut shapes, shard.shapes);
        }
        let requests = self.merge_request()?;
        let results = final_results(found, &requests)?;
        let mut printer = Printer {
            typed_keys,
            buckets: 0,
        };
        let printed = printer.print_all(&self.aggregations, &shapes, &results, &requests)?;
        Ok(Some(Value::Object(printed)))
    }
}

fn final_results(
    found: IntermediateAggregationResults,
    requests: &Aggregations,
) -> Result<AggregationResults, Exception> {
    // What is cut off here is not known to tantivy, so buckets are counted when they are printed.
    let limits = AggregationLimitsGuard::new(None, Some(u32::MAX));
    found
        .into_final_result(requests.clone(), limits)
        .map_err(|error| failed(&error))
}

fn failed(error: &tantivy::TantivyError) -> Exception {
    Exception::illegal_argument(format!(
        "aggregations of several shards cannot be merged: {error}"
    ))
}

struct Printer {
    typed_keys: bool,
    /// Buckets printed so far.
    buckets: u64,
}

/// One aggregation to be printed.
struct Part<'a> {
    aggregation: &'a Aggregation,
    shape: &'a Shape,
    /// The aggregations inside, as they are merged.
    requests: Option<&'a Aggregations>,
}

impl Printer {
    fn print_all(
        &mut self,
        aggregations: &[Aggregation],
        shapes: &[Shape],
        results: &AggregationResults,
        requests: &Aggregations,
    ) -> Result<Map<String, Value>, Exception> {
        let mut printed = Map::new();
        for (number, (aggregation, shape)) in aggregations.iter().zip(shapes).enumerate() {
            let request = requests
                .get(&name(number))
                .or_else(|| requests.get(&filter_name(number, 0)));
            let part = Part {
                aggregation,
                shape,
                requests: request.map(|request| &request.sub_aggregation),
            };
            let mut object = Map::new();
            if let Some(meta) = &aggregation.meta {
                object.insert("meta".to_owned(), meta.clone());
            }
            object.extend(self.print(&part, number, results)?);
            let key = match self.typed_keys {
                true => format!(
                    "{}#{}",
                    type_name(&aggregation.kind, shape.kind),
                    aggregation.name
                ),
                false => aggregation.name.clone(),
            };
            printed.insert(key, Value::Object(object));
        }
        Ok(printed)
    }

    fn print(
        &mut self,
        part: &Part<'_>,
        number: usize,
        results: &AggregationResults,
    ) -> Result<Map<String, Value>, Exception> {
        let found = results.0.get(&name(number));
        match (&part.aggregation.kind, found) {
            (Kind::Metric(metric), Some(AggregationResult::MetricResult(result))) => {
                Ok(metric.print(result, part.shape))
            }
            (Kind::Filter(_) | Kind::Missing { .. }, _) => self.print_filter(part, &name(number), results),
            (Kind::Filters(filters), _) => self.print_filters(part, filters, number, results),
            (Kind::Range(range), _) => self.print_range(part, range, number, results),
            (
                Kind::Terms(terms),
                Some(AggregationResult::BucketResult(BucketResult::Terms {
                    buckets,
                    sum_other_doc_count,
                    doc_count_error_upper_bound,
                })),
            ) => {
                let error = doc_count_error_upper_bound.unwrap_or(0);
                self.print_terms(part, terms, buckets, *sum_other_doc_count, error)
            }
            (
                Kind::Histogram(histogram),
                Some(AggregationResult::BucketResult(BucketResult::Histogram { buckets })),
            ) => {
                let buckets: Vec<_> = buckets.iter().cloned().collect();
                self.print_histogram(part, histogram, buckets)
            }
            _ => Err(Exception::new(
                ExceptionKind::IllegalState,
                format!(
                    "aggregation [{}] has no result of its type",
                    part.aggregation.name
                ),
            )),
        }
    }

    fn count(&mut self, more: u64) -> Result<(), Exception> {
        self.buckets = self.buckets.saturating_add(more);
        if self.buckets <= MAX_BUCKETS {
            return Ok(());
        }
        Err(Exception::new(
            ExceptionKind::TooManyBuckets,
            format!(
                "Trying to create too many buckets. Must be less than or equal to: [{MAX_BUCKETS}] but this number of buckets was exceeded."
            ),
        ))
    }

    fn inside(
        &mut self,
        part: &Part<'_>,
        results: &AggregationResults,
    ) -> Result<Map<String, Value>, Exception> {
        match part.requests {
            Some(requests) => self.print_all(&part.aggregation.inside, &part.shape.inside, results, requests),
            None => Ok(Map::new()),
        }
    }

    fn print_filter(
        &mut self,
        part: &Part<'_>,
        name: &str,
        results: &AggregationResults,
    ) -> Result<Map<String, Value>, Exception> {
        let mut object = Map::new();
        match results.0.get(name) {
            Some(AggregationResult::BucketResult(BucketResult::Filter(filter))) => {
                object.insert("doc_count".to_owned(), json!(filter.doc_count));
                object.extend(self.inside(part, &filter.sub_aggregations)?);
                Ok(object)
            }
            _ => Err(Exception::new(
                ExceptionKind::IllegalState,
                format!("aggregation [{}] has no result", part.aggregation.name),
            )),
        }
    }

    fn print_filters(
        &mut self,
        part: &Part<'_>,
        filters: &Filters,
        number: usize,
        results: &AggregationResults,
    ) -> Result<Map<String, Value>, Exception> {
        self.count(filters.buckets.len() as u64)?;
        let mut buckets = Vec::new();
        for (bucket, (key, _)) in filters.buckets.iter().enumerate() {
            let object = self.print_filter(part, &filter_name(number, bucket), results)?;
            buckets.push((key.clone().unwrap_or_default(), object));
        }
        let keyed = filters.buckets.iter().any(|(key, _)| key.is_some());
        Ok(listed(buckets, keyed))
    }

    fn print_range(
        &mut self,
        part: &Part<'_>,
        range: &Range,
        number: usize,
        results: &AggregationResults,
    ) -> Result<Map<String, Value>, Exception> {
        self.count(range.buckets.len() as u64)?;
        let mut order: Vec<usize> = (0..range.buckets.len()).collect();
        let bounds = |bucket: usize| part.shape.bounds.get(bucket).copied().unwrap_or_default();
        order.sort_by(|left, right| {
            let edges = |bucket: usize| {
                let (from, to) = bounds(bucket);
                (from.unwrap_or(f64::NEG_INFINITY), to.unwrap_or(f64::INFINITY))
            };
            let (left, right) = (edges(*left), edges(*right));
            left.0.total_cmp(&right.0).then(left.1.total_cmp(&right.1))
        });
        let mut buckets = Vec::new();
        for bucket in order {
            let (from, to) = bounds(bucket);
            let text = |bound: Option<f64>| match bound {
                None => "*".to_owned(),
                Some(number) => part
                    .shape
                    .date_text(number)
                    .unwrap_or_else(|| format!("{number:?}")),
            };
            let given = range.buckets.get(bucket).and_then(|bucket| bucket.key.clone());
            let key = given.unwrap_or_else(|| format!("{}-{}", text(from), text(to)));
            let mut object = Map::new();
            if !range.keyed {
                object.insert("key".to_owned(), json!(key));
            }
            for (name, bound) in [("from", from), ("to", to)] {
                let Some(number) = bound else { continue };
                object.insert(name.to_owned(), json!(number));
                if let Some(text) = part.shape.date_text(number) {
                    object.insert(format!("{name}_as_string"), json!(text));
                }
            }
            object.extend(self.print_filter(part, &filter_name(number, bucket), results)?);
            buckets.push((key, object));
        }
        Ok(listed(buckets, range.keyed))
    }

    fn print_terms(
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
        let mut buckets = Vec::new();
        for entry in entries {
            let (key, text) = term_key(&entry.key, part.shape);
            let mut object = Map::new();
            object.insert("key".to_owned(), key);
            if let Some(text) = text {
                object.insert("key_as_string".to_owned(), json!(text));
            }
            object.insert("doc_count".to_owned(), json!(entry.doc_count));
            object.extend(self.inside(part, &entry.sub_aggregation)?);
            buckets.push(Value::Object(object));
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
        object.insert("buckets".to_owned(), Value::Array(buckets));
        Ok(object)
    }

    fn print_histogram(
        &mut self,
        part: &Part<'_>,
        histogram: &Histogram,
        mut entries: Vec<BucketEntry>,
    ) -> Result<Map<String, Value>, Exception> {
        entries.retain(|entry| entry.doc_count >= histogram.min_doc_count);
        self.count(entries.len() as u64)?;
        if histogram.min_doc_count == 0 {
            entries = self.fill(part, histogram, entries)?;
        }
        if !histogram.order.is_empty() {
            entries.sort_by(|left, right| compare(part.aggregation, &histogram.order, left, right));
        }
        let mut buckets = Vec::new();
        for entry in entries {
            let number = key_number(&entry.key);
            let text = match histogram.is_date {
                true => part
                    .shape
                    .date_text(number)
                    .or_else(|| Some((number as i64).to_string())),
                false => part.shape.date_text(number),
            };
            let mut object = Map::new();
            if let Some(text) = &text {
                object.insert("key_as_string".to_owned(), json!(text));
            }
            let key = if histogram.is_date {
                json!(number as i64)
            } else {
                json!(number)
            };
            object.insert("key".to_owned(), key);
            object.insert("doc_count".to_owned(), json!(entry.doc_count));
            object.extend(self.inside(part, &entry.sub_aggregation)?);
            buckets.push((text.unwrap_or_else(|| format!("{number:?}")), object));
        }
        Ok(listed(buckets, histogram.keyed))
    }

    /// Adds the empty buckets between the first and the last.
    fn fill(
        &mut self,
        part: &Part<'_>,
        histogram: &Histogram,
        entries: Vec<BucketEntry>,
    ) -> Result<Vec<BucketEntry>, Exception> {
        let position = |key: f64| ((key - histogram.offset) / histogram.interval).floor();
        // A key is a multiple of the interval, give or take the last bits.
        let position_of =
            |entry: &BucketEntry| ((key_number(&entry.key) - histogram.offset) / histogram.interval).round();
        let (min, max) = part.shape.bounds.first().copied().unwrap_or_default();
        let starts = entries.iter().map(position_of).chain(min.map(position));
        let ends = entries.iter().map(position_of).chain(max.map(position));
        let (Some(first), Some(last)) = (starts.reduce(f64::min), ends.reduce(f64::max)) else {
            return Ok(entries);
        };
        // As a float, so that whatever was asked for can be compared before it is made.
        let wanted = last - first + 1.0;
        if wanted <= entries.len() as f64 {
            return Ok(entries);
        }
        let more = (wanted - entries.len() as f64).min(1e18) as u64;
        self.count(more)?;
        let empty = match part.requests {
            Some(requests) => final_results(IntermediateAggregationResults::default(), requests)?,
            None => AggregationResults::default(),
        };
        let mut filled = Vec::with_capacity(entries.len() + usize::try_from(more).unwrap_or(0));
        let mut entries = entries.into_iter().peekable();
        for step in 0..wanted as u64 {
            let here = first + step as f64;
            match entries.next_if(|entry| position_of(entry) <= here) {
                Some(entry) => filled.push(entry),
                None => filled.push(BucketEntry {
                    key_as_string: None,
                    key: Key::F64(here * histogram.interval + histogram.offset),
                    doc_count: 0,
                    sub_aggregation: empty.clone(),
                }),
            }
        }
        filled.extend(entries);
        Ok(filled)
    }
}

/// Order of two buckets, by key at last. Values that are missing are last, whatever the order.
fn compare(aggregation: &Aggregation, order: &[Order], left: &BucketEntry, right: &BucketEntry) -> Ordering {
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
        (_, Key::I64(whole)) => (json!(whole), shape.date_text(number)),
        (_, Key::U64(whole)) => (json!(whole), shape.date_text(number)),
        _ => (json!(number), shape.date_text(number)),
    }
}

fn key_number(key: &Key) -> f64 {
    match key {
        Key::Str(text) => text.parse().unwrap_or(0.0),
        Key::I64(number) => *number as f64,
        Key::U64(number) => *number as f64,
        Key::F64(number) => *number,
    }
}

/// Buckets as a list, or by their keys.
fn listed(buckets: Vec<(String, Map<String, Value>)>, keyed: bool) -> Map<String, Value> {
    let buckets = buckets.into_iter();
    let value = match keyed {
        true => Value::Object(
            buckets
                .map(|(key, object)| (key, Value::Object(object)))
                .collect(),
        ),
        false => buckets.map(|(_, object)| Value::Object(object)).collect(),
    };
    Map::from_iter([("buckets".to_owned(), value)])
}

/// What `typed_keys` puts before a name. Source: the names of Elasticsearch's aggregation results.
fn type_name(kind: &Kind, values: ValueKind) -> &'static str {
    use super::metric::Function;
    match kind {
        Kind::Terms(_) => match values {
            ValueKind::Unmapped => "umterms",
            ValueKind::Keyword | ValueKind::Ip => "sterms",
            ValueKind::Double => "dterms",
            ValueKind::Long | ValueKind::Boolean | ValueKind::Date => "lterms",
        },
        Kind::Histogram(histogram) if histogram.is_date => "date_histogram",
        Kind::Histogram(_) => "histogram",
        Kind::Range(range) if range.is_date => "date_range",
        Kind::Range(_) => "range",
        Kind::Filter(_) => "filter",
        Kind::Filters(_) => "filters",
        Kind::Missing { .. } => "missing",
        Kind::Metric(metric) => match metric.function {
            Function::Percentiles => "tdigest_percentiles",
            other => other.name(),
        },
    }
}
