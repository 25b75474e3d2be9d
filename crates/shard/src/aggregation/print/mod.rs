//! Printing results as Elasticsearch prints them.

mod composite;
mod histogram;
mod order;
mod terms;

use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use serde_json::{Map, Value, json};
use tantivy::aggregation::agg_req::Aggregations;
use tantivy::aggregation::agg_result::{AggregationResult, AggregationResults, BucketResult};

use super::metric::Function;
use super::range::Range;
use super::request::{Aggregation, Filters, Kind};
use super::shape::{Shape, ValueKind};
use super::terms::MAX_BUCKETS;
use super::top_hits::{MAX_TOP_HITS, TopHits, TopHitsRequest};
use super::translate::{filter_name, name};
use crate::Query;

/// Prints the results of a search.
pub(super) struct Printer {
    typed_keys: bool,
    /// Buckets printed so far.
    buckets: u64,
    /// Where in the results it is printing.
    pointer: Vec<String>,
    /// What the documents of the buckets match that it is in.
    filters: Vec<Query>,
    /// Whether one of these has no documents.
    in_empty: bool,
    top_hits: Vec<TopHitsRequest>,
    /// How many of these have to be searched for.
    searches: usize,
}

/// What is inside of a bucket.
#[derive(Clone, Copy)]
struct Bucket<'r> {
    is_empty: bool,
    results: &'r AggregationResults,
}

impl<'r> Bucket<'r> {
    const fn of(doc_count: u64, results: &'r AggregationResults) -> Self {
        Self {
            is_empty: doc_count == 0,
            results,
        }
    }
}

/// One aggregation to be printed.
struct Part<'a> {
    aggregation: &'a Aggregation,
    shape: &'a Shape,
    /// The aggregations inside, as they are merged.
    requests: Option<&'a Aggregations>,
    /// Whether hits of its buckets are asked for.
    wants_hits: bool,
}

impl Printer {
    pub(super) const fn new(typed_keys: bool) -> Self {
        Self {
            typed_keys,
            buckets: 0,
            pointer: Vec::new(),
            filters: Vec::new(),
            in_empty: false,
            top_hits: Vec::new(),
            searches: 0,
        }
    }

    /// The results, and the hits that are still to be searched for.
    ///
    /// # Errors
    /// `too_many_buckets_exception`; `illegal_argument_exception` for the hits of too many buckets.
    pub(super) fn print(
        mut self,
        aggregations: &[Aggregation],
        shapes: &[Shape],
        results: &AggregationResults,
        requests: &Aggregations,
    ) -> Result<(Value, Vec<TopHitsRequest>), Exception> {
        let printed = self.print_all(aggregations, shapes, results, requests)?;
        Ok((Value::Object(printed), self.top_hits))
    }

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
                wants_hits: aggregation.wants_hits(),
            };
            let key = match self.typed_keys {
                true => format!(
                    "{}#{}",
                    type_name(&aggregation.kind, shape.kind),
                    aggregation.name
                ),
                false => aggregation.name.clone(),
            };
            let mut object = Map::new();
            if let Some(meta) = &aggregation.meta {
                object.insert("meta".to_owned(), meta.clone());
            }
            self.pointer.push(key.clone());
            object.extend(self.print_one(&part, number, results)?);
            self.pointer.pop();
            printed.insert(key, Value::Object(object));
        }
        Ok(printed)
    }

    fn print_one(
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
            (Kind::Filter(query) | Kind::Missing { query, .. }, _) => {
                self.print_filter(part, &[], &name(number), query, results)
            }
            (Kind::TopHits(top_hits), _) => self.ask_for(top_hits),
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
            (
                Kind::Histogram(histogram),
                Some(AggregationResult::BucketResult(BucketResult::Terms { buckets, .. })),
            ) => self.print_histogram(part, histogram, buckets.clone()),
            (
                Kind::Composite(composite),
                Some(AggregationResult::BucketResult(BucketResult::Terms { buckets, .. })),
            ) => self.print_composite(part, composite, buckets),
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

    /// What is inside of a bucket, which is at `place` in its aggregation and has the documents that match `queries`.
    fn inside(
        &mut self,
        part: &Part<'_>,
        place: &[String],
        queries: impl FnOnce() -> Result<Vec<Query>, Exception>,
        bucket: Bucket<'_>,
    ) -> Result<Map<String, Value>, Exception> {
        let Some(requests) = part.requests else {
            return Ok(Map::new());
        };
        let Bucket { is_empty, results } = bucket;
        let (pointer, filters, in_empty) = (self.pointer.len(), self.filters.len(), self.in_empty);
        self.in_empty |= is_empty;
        if part.wants_hits && !self.in_empty {
            self.filters.extend(queries()?);
        }
        self.pointer.extend_from_slice(place);
        let printed = self.print_all(&part.aggregation.inside, &part.shape.inside, results, requests)?;
        self.pointer.truncate(pointer);
        self.filters.truncate(filters);
        self.in_empty = in_empty;
        Ok(printed)
    }

    /// Leaves a place for the hits of the buckets that it is in.
    fn ask_for(&mut self, top_hits: &TopHits) -> Result<Map<String, Value>, Exception> {
        if !self.in_empty {
            self.searches += 1;
        }
        if self.searches > MAX_TOP_HITS {
            return Err(Exception::illegal_argument(format!(
                "[top_hits] may be asked of at most [{MAX_TOP_HITS}] buckets of a search: each is a search of its own"
            )));
        }
        let escaped = self
            .pointer
            .iter()
            .map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")));
        self.top_hits.push(TopHitsRequest {
            pointer: escaped.collect(),
            filters: (!self.in_empty).then(|| self.filters.clone()),
            request: Arc::clone(&top_hits.request),
        });
        Ok(Map::new())
    }

    fn print_filter(
        &mut self,
        part: &Part<'_>,
        place: &[String],
        name: &str,
        query: &Query,
        results: &AggregationResults,
    ) -> Result<Map<String, Value>, Exception> {
        let mut object = Map::new();
        match results.0.get(name) {
            Some(AggregationResult::BucketResult(BucketResult::Filter(filter))) => {
                object.insert("doc_count".to_owned(), json!(filter.doc_count));
                let queries = || Ok(vec![query.clone()]);
                let bucket = Bucket::of(filter.doc_count, &filter.sub_aggregations);
                object.extend(self.inside(part, place, queries, bucket)?);
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
        let keyed = filters.buckets.iter().any(|(key, _)| key.is_some());
        let mut buckets = Buckets::new(keyed);
        for (bucket, (key, query)) in filters.buckets.iter().enumerate() {
            let key = key.clone().unwrap_or_default();
            let place = buckets.next_place(&key);
            let object = self.print_filter(part, &place, &filter_name(number, bucket), query, results)?;
            buckets.push(key, object);
        }
        Ok(buckets.print())
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
        let mut buckets = Buckets::new(range.keyed);
        for (bucket, bucket_request) in order
            .into_iter()
            .filter_map(|bucket| Some((bucket, range.buckets.get(bucket)?)))
        {
            let (from, to) = bounds(bucket);
            let text = |bound: Option<f64>| match bound {
                None => "*".to_owned(),
                Some(number) => part.shape.text(number).unwrap_or_else(|| format!("{number:?}")),
            };
            let given = bucket_request.key.clone();
            let key = given.unwrap_or_else(|| format!("{}-{}", text(from), text(to)));
            let mut object = Map::new();
            if !range.keyed {
                object.insert("key".to_owned(), json!(key));
            }
            for (name, bound) in [("from", from), ("to", to)] {
                let Some(number) = bound else { continue };
                object.insert(name.to_owned(), json!(number));
                if let Some(text) = part.shape.text(number) {
                    object.insert(format!("{name}_as_string"), json!(text));
                }
            }
            let (place, query) = (buckets.next_place(&key), &bucket_request.query);
            object.extend(self.print_filter(part, &place, &filter_name(number, bucket), query, results)?);
            buckets.push(key, object);
        }
        Ok(buckets.print())
    }
}

/// Printed buckets: a list, or by their keys.
struct Buckets {
    keyed: bool,
    printed: Vec<(String, Map<String, Value>)>,
}

impl Buckets {
    const fn new(keyed: bool) -> Self {
        Self {
            keyed,
            printed: Vec::new(),
        }
    }

    /// Where the next bucket, with this key, will be in its aggregation.
    fn next_place(&self, key: &str) -> [String; 2] {
        let step = match self.keyed {
            true => key.to_owned(),
            false => self.printed.len().to_string(),
        };
        ["buckets".to_owned(), step]
    }

    fn push(&mut self, key: String, bucket: Map<String, Value>) {
        self.printed.push((key, bucket));
    }

    fn print(self) -> Map<String, Value> {
        let buckets = self.printed.into_iter();
        let value = match self.keyed {
            true => Value::Object(
                buckets
                    .map(|(key, object)| (key, Value::Object(object)))
                    .collect(),
            ),
            false => buckets.map(|(_, object)| Value::Object(object)).collect(),
        };
        Map::from_iter([("buckets".to_owned(), value)])
    }
}

/// What `typed_keys` puts before a name. Source: the names of Elasticsearch's aggregation results.
fn type_name(kind: &Kind, values: ValueKind) -> &'static str {
    match kind {
        Kind::Terms(_) => match values {
            ValueKind::Unmapped => "umterms",
            ValueKind::Keyword | ValueKind::Ip => "sterms",
            ValueKind::Double => "dterms",
            ValueKind::Long | ValueKind::Boolean | ValueKind::Date => "lterms",
        },
        Kind::Metric(metric) => match metric.function {
            Function::Percentiles => "tdigest_percentiles",
            other => other.name(),
        },
        other => other.name(),
    }
}
