//! The aggregations of one shard: fields become columns of its view, by its mapping.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use es_exception::{Exception, ExceptionKind};
use index_meta::{DateRounding, RangeEdge};
use serde_json::{Value, json};
use tantivy::aggregation::agg_req::{Aggregation as TantivyAggregation, AggregationVariants, Aggregations};
use tantivy::aggregation::intermediate_agg_result::IntermediateAggregationResults;
use tantivy::aggregation::{
    AggContextParams, AggregationError, AggregationLimitsGuard, DistributedAggregationCollector,
    ValueSourceRegistry,
};
use tantivy::tokenizer::TokenizerManager;

use super::ShardAggregations;
use super::computed::{ComputedColumns, Numbers};
use super::filter::filter;
use super::histogram::{Bounds, Histogram, Steps};
use super::interval::zone;
use super::options::unsupported;
use super::range::Range;
use super::request::{Aggregation, AggregationRequest, Kind};
use super::resolve::resolve;
use super::shape::{Shape, ValueKind};
use super::terms::{OrderBy, Terms};
use crate::query::BuildContext;

/// Memory that the aggregations of a search may take in one shard, in bytes, as tantivy estimates it.
const MEMORY_LIMIT: u64 = 64 * 1024 * 1024;

/// The aggregations of one shard, ready to run.
pub(crate) struct ShardPlan {
    aggregations: Aggregations,
    computed: Arc<ValueSourceRegistry>,
    /// Set where a segment had more than there is memory for.
    too_many: Vec<Arc<AtomicBool>>,
    shapes: Vec<Shape>,
    filters: u64,
}

/// The name of an aggregation for tantivy, by its place among its siblings.
pub(super) fn name(number: usize) -> String {
    format!("a{number}")
}

/// The name of a filter of an aggregation that has several.
pub(super) fn filter_name(number: usize, bucket: usize) -> String {
    format!("a{number}_{bucket}")
}

impl AggregationRequest {
    /// For one shard.
    ///
    /// # Errors
    /// What is wrong with the request for the shard's mapping.
    pub(crate) fn plan(&self, context: &BuildContext<'_>) -> Result<ShardPlan, Exception> {
        let mut translator = Translator {
            context: Some(context),
            computed: ComputedColumns::default(),
            too_many: Vec::new(),
        };
        let (aggregations, shapes) = translator.translate_all(&self.aggregations)?;
        Ok(ShardPlan {
            aggregations,
            computed: Arc::new(translator.computed.into_registry()),
            too_many: translator.too_many,
            shapes,
            filters: count_filters(&self.aggregations),
        })
    }

    /// For merging what shards found.
    pub(super) fn merge_request(&self) -> Result<Aggregations, Exception> {
        let mut translator = Translator {
            context: None,
            computed: ComputedColumns::default(),
            too_many: Vec::new(),
        };
        Ok(translator.translate_all(&self.aggregations)?.0)
    }
}

impl ShardPlan {
    /// Refuses more filters than there is memory for in a segment of `max_doc` documents: tantivy counts them when they are there already.
    ///
    /// # Errors
    /// `circuit_breaking_exception`.
    pub(crate) fn check_memory(&self, max_doc: u32) -> Result<(), Exception> {
        // A bit for each document.
        let wanted = self.filters * u64::from(max_doc.div_ceil(8));
        if wanted <= MEMORY_LIMIT {
            return Ok(());
        }
        Err(Exception::new(
            ExceptionKind::CircuitBreaking,
            format!(
                "[request] Data too large: the filters and ranges of this search would take [{wanted}] bytes in one shard, which is larger than the limit of [{MEMORY_LIMIT}]"
            ),
        ))
    }

    /// What running the plan found.
    ///
    /// # Errors
    /// `circuit_breaking_exception` if that is not everything, for there was no memory for more.
    pub(crate) fn found(self, found: IntermediateAggregationResults) -> Result<ShardAggregations, Exception> {
        if self.too_many.iter().any(|flag| flag.load(Ordering::Relaxed)) {
            return Err(Exception::new(
                ExceptionKind::CircuitBreaking,
                format!(
                    "[request] Data too large: the keys of a [composite] aggregation would take more in one segment than the limit of [{MEMORY_LIMIT}]: a document has too many combinations, or the documents come in the opposite order of very many keys; turn the order of the first source, or ask for fewer documents with a query"
                ),
            ));
        }
        Ok(ShardAggregations {
            found,
            shapes: self.shapes,
        })
    }
}

/// The collector for a plan.
pub(crate) fn collect(plan: &ShardPlan) -> DistributedAggregationCollector {
    let limits = AggregationLimitsGuard::new(Some(MEMORY_LIMIT), Some(u32::MAX));
    let context = AggContextParams::new(limits, TokenizerManager::default())
        .with_value_sources(Arc::clone(&plan.computed));
    DistributedAggregationCollector::from_aggs(plan.aggregations.clone(), context)
}

/// What tantivy refuses, for people.
pub(crate) fn refused(error: &AggregationError) -> Exception {
    match error {
        AggregationError::MemoryExceeded { limit, current } => Exception::new(
            ExceptionKind::CircuitBreaking,
            format!(
                "[request] Data too large: the aggregations of this search would take [{current:?}] in one shard, which is larger than the limit of [{limit:?}]"
            ),
        ),
        other => Exception::illegal_argument(format!("aggregations cannot be computed: {other}")),
    }
}

fn count_filters(aggregations: &[Aggregation]) -> u64 {
    let count = |aggregation: &Aggregation| {
        let own = match &aggregation.kind {
            Kind::Filter(_) | Kind::Missing { .. } => 1,
            Kind::Filters(filters) => filters.buckets.len(),
            Kind::Range(range) => range.buckets.len(),
            Kind::Terms(_) | Kind::Histogram(_) | Kind::Composite(_) | Kind::TopHits(_) | Kind::Metric(_) => {
                0
            }
        };
        own as u64 + count_filters(&aggregation.inside)
    };
    aggregations.iter().map(count).sum()
}

type Translated = (Aggregations, Vec<Shape>);
type Named = Vec<(String, AggregationVariants)>;

/// Translates for one shard, or without one for merging what shards found.
struct Translator<'t, 'c> {
    context: Option<&'t BuildContext<'c>>,
    computed: ComputedColumns,
    too_many: Vec<Arc<AtomicBool>>,
}

impl Translator<'_, '_> {
    fn translate_all(&mut self, aggregations: &[Aggregation]) -> Result<Translated, Exception> {
        let mut all = Aggregations::default();
        let mut shapes = Vec::with_capacity(aggregations.len());
        for (number, aggregation) in aggregations.iter().enumerate() {
            let (inside, inner_shapes) = self.translate_all(&aggregation.inside)?;
            let (found, mut shape) = self.translate(number, aggregation)?;
            shape.inside = inner_shapes;
            shapes.push(shape);
            for (name, agg) in found {
                let sub_aggregation = inside.clone();
                all.insert(name, TantivyAggregation { agg, sub_aggregation });
            }
        }
        Ok((all, shapes))
    }

    fn translate(&mut self, number: usize, aggregation: &Aggregation) -> Result<(Named, Shape), Exception> {
        let context = self.context;
        let (variant, shape) = match &aggregation.kind {
            Kind::Filter(query) => (filter(query, context)?, Shape::none()),
            Kind::Missing { field, query } => {
                resolve(field, context)?;
                (filter(query, context)?, Shape::none())
            }
            Kind::Filters(filters) => {
                let queries = filters.buckets.iter().map(|(_, query)| query);
                return Ok((filters_of(number, queries, context)?, Shape::none()));
            }
            Kind::Range(range) => {
                let shape = translate_range(range, context)?;
                let queries = range.buckets.iter().map(|bucket| &bucket.query);
                return Ok((filters_of(number, queries, context)?, shape));
            }
            // What is found in the buckets is asked for when these are known.
            Kind::TopHits(_) => return Ok((Vec::new(), Shape::none())),
            Kind::Metric(metric) => {
                let field = resolve(&metric.field, context)?;
                metric.check(field.kind)?;
                let shape = field.shape(metric.format.as_deref(), false)?;
                let missing = field.missing(metric.missing.as_ref(), &shape, context)?;
                // Metrics count yes as 1 and no as 0.
                let column = match field.kind {
                    ValueKind::Boolean if !metric.function.takes_any_type() => self.computed.add(Numbers {
                        column: field.column.clone(),
                        kind: field.kind,
                        missing: None,
                        bounds: None,
                        rounding: None,
                    }),
                    _ => field.column.clone(),
                };
                (variant(metric.to_tantivy(&column, missing))?, shape)
            }
            Kind::Terms(terms) => translate_terms(aggregation, terms, context)?,
            Kind::Histogram(histogram) => self.translate_histogram(histogram)?,
            Kind::Composite(composite) => {
                let (keys, shape) = composite.plan(context)?;
                if context.is_none() {
                    return Ok((vec![(name(number), variant(every_term_merged())?)], shape));
                }
                self.too_many.push(keys.too_many());
                let column = self.computed.add(keys);
                (variant(every_term(&column))?, shape)
            }
        };
        Ok((vec![(name(number), variant)], shape))
    }

    fn translate_histogram(
        &mut self,
        histogram: &Histogram,
    ) -> Result<(AggregationVariants, Shape), Exception> {
        let context = self.context;
        let field = resolve(&histogram.field, context)?;
        field.require_numbers(&histogram.field, histogram.kind())?;
        let mut shape = field.shape(histogram.format.as_deref(), histogram.is_date())?;
        if let Steps::Dates(rounding) = &histogram.steps {
            shape.zone = rounding.zone().clone();
        }
        // Source: neither end of bounds is rounded up.
        let bounds = |bounds: &Bounds, shape: &Shape| {
            let min = field.bound(bounds.min.as_ref(), RangeEdge::Gte, shape, context)?;
            let max = field.bound(bounds.max.as_ref(), RangeEdge::Gte, shape, context)?;
            match (min, max) {
                (Some(least), Some(greatest)) if least > greatest => {
                    Err(Exception::illegal_argument(format!(
                        "the bounds of [{}] have a [min] of [{least}] that is greater than their [max] of [{greatest}]",
                        histogram.kind()
                    )))
                }
                both => Ok(both),
            }
        };
        let read = |given: &Option<Bounds>| given.as_ref().map(|given| bounds(given, &shape)).transpose();
        let (hard, extended) = (read(&histogram.hard_bounds)?, read(&histogram.extended_bounds)?);
        if let (Some((least, greatest)), Some((min, max))) = (hard, extended)
            && (least.zip(min).is_some_and(|(least, min)| min < least)
                || greatest.zip(max).is_some_and(|(greatest, max)| max > greatest))
        {
            return Err(Exception::illegal_argument(format!(
                "[extended_bounds] of [{}] have to be inside of its [hard_bounds]",
                histogram.kind()
            )));
        }
        let hard = hard.map(|(min, max)| histogram.steps.hard_bounds(min, max));
        shape.bounds.extend(extended);
        shape.missing = field.missing(histogram.missing.as_ref(), &shape, context)?;
        let missing = shape.missing.as_ref().and_then(|value| {
            let date = || Some(shape.parse_date(value.as_str()?)? as f64);
            value.as_f64().or_else(date)
        });
        let computed = |rounding: Option<DateRounding>| Numbers {
            column: field.column.clone(),
            kind: field.kind,
            missing,
            bounds: hard,
            rounding,
        };
        let (interval, offset) = match (histogram.steps.constant(), &histogram.steps) {
            (Some(constant), _) => constant,
            // Buckets of different lengths are terms: the starts of the buckets.
            (None, Steps::Dates(rounding)) if context.is_some() => {
                let column = self.computed.add(computed(Some(rounding.clone())));
                return Ok((variant(every_term(&column))?, shape));
            }
            (None, _) => return Ok((variant(every_term_merged())?, shape)),
        };
        let column = match missing {
            Some(_) => self.computed.add(computed(None)),
            None => field.column.clone(),
        };
        // Gaps are filled where all shards are known.
        let mut options =
            json!({"field": column, "interval": interval, "offset": offset, "min_doc_count": 1});
        if let Some((min, max)) = hard {
            options["hard_bounds"] = json!({"min": min, "max": max});
        }
        Ok((variant(json!({"histogram": options}))?, shape))
    }
}

fn filters_of<'q>(
    number: usize,
    queries: impl Iterator<Item = &'q crate::Query>,
    context: Option<&BuildContext<'_>>,
) -> Result<Named, Exception> {
    queries
        .enumerate()
        .map(|(bucket, query)| Ok((filter_name(number, bucket), filter(query, context)?)))
        .collect()
}

fn translate_range(range: &Range, context: Option<&BuildContext<'_>>) -> Result<Shape, Exception> {
    let field = resolve(&range.field, context)?;
    field.require_numbers(&range.field, range.kind())?;
    let mut shape = field.shape(range.format.as_deref(), range.is_date)?;
    if let Some(name) = &range.time_zone {
        shape.zone = zone(name)?;
    }
    for bucket in &range.buckets {
        let from = field.bound(bucket.from.as_ref(), RangeEdge::Gte, &shape, context)?;
        let to = field.bound(bucket.to.as_ref(), RangeEdge::Lt, &shape, context)?;
        shape.bounds.push((from, to));
    }
    Ok(shape)
}

fn translate_terms(
    aggregation: &Aggregation,
    terms: &Terms,
    context: Option<&BuildContext<'_>>,
) -> Result<(AggregationVariants, Shape), Exception> {
    let field = resolve(&terms.field, context)?;
    let mut shape = field.shape(terms.format.as_deref(), false)?;
    if context.is_none() {
        return Ok((variant(terms.to_merge())?, shape));
    }
    let is_text = matches!(field.kind, ValueKind::Keyword | ValueKind::Unmapped);
    if terms.is_filtered() && !is_text {
        return Err(unsupported(format!(
            "[include] and [exclude] of [terms] are only supported for keyword fields here, and [{}] is of type [{}]",
            terms.field,
            field.kind.name()
        )));
    }
    if terms.min_doc_count == 0 && !is_text && field.kind != ValueKind::Ip {
        return Err(unsupported(format!(
            "[min_doc_count] of 0 is only supported in [terms] of keyword and ip fields here, and [{}] is of type [{}]",
            terms.field,
            field.kind.name()
        )));
    }
    let missing = field.missing(terms.missing.as_ref(), &shape, context)?;
    shape.missing.clone_from(&missing);
    let metric = match terms.order.first().map(|order| &order.by) {
        Some(OrderBy::Metric { name, .. }) => aggregation.position(name),
        _ => None,
    };
    Ok((variant(terms.to_tantivy(&field.column, missing, metric))?, shape))
}

/// All terms of a computed column: their number is bounded by what makes them.
fn every_term(column: &str) -> Value {
    // Computed texts have no order in a segment, and none is needed where none is left out.
    every_term_by("_count", column)
}

/// The same where shards are merged, in order.
fn every_term_merged() -> Value {
    every_term_by("_key", "")
}

fn every_term_by(order: &str, column: &str) -> Value {
    json!({"terms": {
        "field": column, "size": 1 << 24, "segment_size": 1 << 24, "min_doc_count": 1, "order": {order: "asc"},
    }})
}

fn variant(value: Value) -> Result<AggregationVariants, Exception> {
    serde_json::from_value(value)
        .map_err(|error| Exception::illegal_argument(format!("aggregations cannot be computed: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_refused_before_they_take_the_memory() {
        let body = json!({"a": {"missing": {"field": "n"}, "aggs": {
            "b": {"range": {"field": "n", "ranges": [{"to": 1}, {"to": 2}, {"from": 2}]}},
        }}});
        let request = AggregationRequest::from_json(&body, &serde_json::Map::new()).unwrap();
        let plan = ShardPlan {
            aggregations: request.merge_request().unwrap(),
            computed: Arc::default(),
            too_many: Vec::new(),
            shapes: Vec::new(),
            filters: count_filters(&request.aggregations),
        };
        assert_eq!(plan.filters, 4);
        assert!(plan.check_memory(128 * 1024 * 1024).is_ok());
        let error = plan.check_memory(129 * 1024 * 1024).unwrap_err();
        assert_eq!(error.kind(), ExceptionKind::CircuitBreaking);
    }
}
