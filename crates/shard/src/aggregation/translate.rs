//! The aggregations of one shard: fields become columns of its view, by its mapping.

use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use index_meta::{
    DateFormat, FieldMapping, FieldType, QueryContext, QueryValue, RangeBound, RangeEdge, parse_query_value,
    parse_range_bound,
};
use serde_json::{Value, json};
use tantivy::aggregation::agg_req::{Aggregation as TantivyAggregation, AggregationVariants, Aggregations};
use tantivy::aggregation::intermediate_agg_result::IntermediateAggregationResults;
use tantivy::aggregation::{
    AggContextParams, AggregationError, AggregationLimitsGuard, DistributedAggregationCollector,
};
use tantivy::tokenizer::TokenizerManager;

use super::ShardAggregations;
use super::filter::filter;
use super::options::{malformed, number, unsupported};
use super::request::{Aggregation, AggregationRequest, Bounds, Histogram, Kind, Range};
use super::terms::{OrderBy, Terms};
use crate::query::BuildContext;
use crate::view::ViewSchema;

/// Memory that the aggregations of a search may take in one shard, in bytes, as tantivy estimates it.
const MEMORY_LIMIT: u64 = 64 * 1024 * 1024;

/// Fields that are no fields of the mapping and can be aggregated in Elasticsearch.
const METADATA_FIELDS: &[&str] = &[
    "_id", "_index", "_seq_no", "_version", "_routing", "_score", "_source",
];

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueKind {
    Unmapped,
    Long,
    Double,
    Boolean,
    Date,
    Keyword,
    Ip,
}

/// What a shard's mapping says about an aggregation, to print its result by.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) kind: ValueKind,
    format: Option<Arc<DateFormat>>,
    /// Lower and upper bound of each range, or the bounds that a histogram is extended to.
    pub(super) bounds: Vec<(Option<f64>, Option<f64>)>,
    pub(super) inside: Vec<Shape>,
}

/// The aggregations of one shard, ready to run.
pub(crate) struct ShardPlan {
    aggregations: Aggregations,
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
        let (aggregations, shapes) = translate_all(&self.aggregations, Some(context))?;
        Ok(ShardPlan {
            aggregations,
            shapes,
            filters: count_filters(&self.aggregations),
        })
    }

    /// For merging what shards found.
    pub(super) fn merge_request(&self) -> Result<Aggregations, Exception> {
        Ok(translate_all(&self.aggregations, None)?.0)
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
    pub(crate) fn found(self, found: IntermediateAggregationResults) -> ShardAggregations {
        ShardAggregations {
            found,
            shapes: self.shapes,
        }
    }
}

/// The collector for a plan.
pub(crate) fn collect(plan: &ShardPlan) -> DistributedAggregationCollector {
    let limits = AggregationLimitsGuard::new(Some(MEMORY_LIMIT), Some(u32::MAX));
    let context = AggContextParams::new(limits, TokenizerManager::default());
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

impl ValueKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Unmapped => "unmapped",
            Self::Long => "long",
            Self::Double => "double",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Keyword => "keyword",
            Self::Ip => "ip",
        }
    }

    fn of(field_type: FieldType) -> Self {
        match field_type {
            FieldType::Boolean => Self::Boolean,
            FieldType::Date => Self::Date,
            FieldType::Text | FieldType::Keyword => Self::Keyword,
            FieldType::Ip => Self::Ip,
            float if float.is_float() => Self::Double,
            _ => Self::Long,
        }
    }
}

impl Shape {
    /// A date of the field as text; `None` if the field has no dates.
    pub(super) fn date_text(&self, millis: f64) -> Option<String> {
        // Averages of dates have fractions, which the text does not show.
        self.format
            .as_ref()
            .filter(|_| self.kind == ValueKind::Date)
            .map(|format| format.format_millis(millis as i64))
    }

    /// Takes what another shard knows better.
    pub(super) fn merge(&mut self, other: Self) {
        if self.kind == ValueKind::Unmapped && other.kind != ValueKind::Unmapped {
            self.kind = other.kind;
            self.format = other.format;
            self.bounds = other.bounds;
        }
        merge_shapes(&mut self.inside, other.inside);
    }
}

/// Puts together what two shards know.
pub(super) fn merge_shapes(ours: &mut [Shape], theirs: Vec<Shape>) {
    for (ours, theirs) in ours.iter_mut().zip(theirs) {
        ours.merge(theirs);
    }
}

/// A field of the request as a shard has it.
struct Resolved<'a> {
    mapping: Option<&'a FieldMapping>,
    column: String,
    kind: ValueKind,
}

fn resolve<'a>(field: &str, context: Option<&BuildContext<'a>>) -> Result<Resolved<'a>, Exception> {
    if METADATA_FIELDS.contains(&field) {
        return Err(unsupported(format!(
            "aggregations over [{field}] are not supported here"
        )));
    }
    let Some(mapping) = context.and_then(|context| context.mapping.field(field)) else {
        return Ok(Resolved {
            mapping: None,
            column: ViewSchema::exact_column(field),
            kind: ValueKind::Unmapped,
        });
    };
    if mapping.field_type() == FieldType::Text {
        return Err(Exception::illegal_argument(format!(
            "Fielddata is disabled on [{field}]. Text fields are not optimised for operations that require per-document field data like aggregations and sorting, so these operations are disabled by default. Please use a keyword field instead."
        )));
    }
    if !mapping.has_doc_values() {
        return Err(Exception::illegal_argument(format!(
            "Can't load fielddata on [{field}] because fielddata is unsupported on fields of type [{}]. Use doc values instead.",
            mapping.field_type().name()
        )));
    }
    Ok(Resolved {
        mapping: Some(mapping),
        column: ViewSchema::exact_column(mapping.path()),
        kind: ValueKind::of(mapping.field_type()),
    })
}

impl Resolved<'_> {
    fn shape(&self, format: Option<&str>, is_date: bool) -> Result<Shape, Exception> {
        let kind = if is_date && matches!(self.kind, ValueKind::Long | ValueKind::Unmapped) {
            // Numbers are taken as milliseconds; an unmapped field stays so, for another shard to say more.
            if self.kind == ValueKind::Long {
                ValueKind::Date
            } else {
                ValueKind::Unmapped
            }
        } else {
            self.kind
        };
        let format = match (format, self.mapping) {
            (Some(pattern), _) if is_date || matches!(kind, ValueKind::Date | ValueKind::Unmapped) => {
                let parsed = DateFormat::parse(pattern);
                // A pattern of numbers does not matter where there are none.
                match (parsed, kind) {
                    (Ok(format), _) => Some(Arc::new(format)),
                    (Err(_), ValueKind::Unmapped) => None,
                    (Err(problem), _) => return Err(Exception::illegal_argument(problem)),
                }
            }
            (Some(pattern), _) => {
                return Err(unsupported(format!(
                    "[format] of [{pattern}] is only supported for dates in aggregations here"
                )));
            }
            (None, Some(mapping)) if self.kind == ValueKind::Date => Some(Arc::new(mapping.format().clone())),
            (None, _) => DateFormat::parse(DateFormat::DEFAULT).ok().map(Arc::new),
        };
        Ok(Shape {
            kind,
            format,
            bounds: Vec::new(),
            inside: Vec::new(),
        })
    }

    /// The value that stands in for a missing one, as the column would have it.
    fn missing(
        &self,
        value: Option<&Value>,
        context: Option<&BuildContext<'_>>,
    ) -> Result<Option<Value>, Exception> {
        // Merging needs none.
        let (Some(value), true) = (value, context.is_some()) else {
            return Ok(None);
        };
        let bad = || malformed(format!("failed to parse [missing] with value [{value}]"));
        match self.kind {
            ValueKind::Boolean | ValueKind::Ip => Err(unsupported(format!(
                "[missing] is not supported for fields of type [{}] in aggregations here",
                self.kind.name()
            ))),
            ValueKind::Keyword => match value {
                Value::String(_) => Ok(Some(value.clone())),
                Value::Number(number) => Ok(Some(json!(number.to_string()))),
                _ => Err(bad()),
            },
            ValueKind::Unmapped => match number(value) {
                Some(number) if value.is_number() => Ok(Some(json!(number))),
                _ if value.is_string() => Ok(Some(value.clone())),
                _ => Err(bad()),
            },
            ValueKind::Long | ValueKind::Double => {
                number(value).map(|number| Some(json!(number))).ok_or_else(bad)
            }
            ValueKind::Date => Ok(self.instant(value, context)?.map(|millis| json!(millis))),
        }
    }

    /// A date of the request in milliseconds.
    fn instant(&self, value: &Value, context: Option<&BuildContext<'_>>) -> Result<Option<f64>, Exception> {
        let (Some(mapping), Some(context)) = (self.mapping, context) else {
            return Ok(None);
        };
        let parsed = parse_query_value(mapping, value, &QueryContext::at(context.now_millis))
            .map_err(|error| error.to_exception())?;
        Ok(match parsed {
            QueryValue::Date(millis)
            | QueryValue::DateRange { first: millis, .. }
            | QueryValue::Long(millis) => Some(millis as f64),
            QueryValue::Double(number) => Some(number),
            _ => None,
        })
    }

    /// A bound as a number, to be shown and to extend histograms with.
    fn bound(
        &self,
        value: Option<&Value>,
        edge: RangeEdge,
        shape: &Shape,
        context: Option<&BuildContext<'_>>,
    ) -> Result<Option<f64>, Exception> {
        let Some(value) = value else { return Ok(None) };
        let (Some(mapping), Some(context), ValueKind::Date) = (self.mapping, context, self.kind) else {
            let date = || {
                let format = shape.format.as_ref()?;
                format.parse_millis(value.as_str()?).map(|millis| millis as f64)
            };
            return Ok(number(value).or_else(date));
        };
        let query = QueryContext {
            format: shape.format.as_deref(),
            ..QueryContext::at(context.now_millis)
        };
        let bound = parse_range_bound(mapping, value, edge, &query).map_err(|error| error.to_exception())?;
        Ok(match bound {
            RangeBound::Included(QueryValue::Date(millis))
            | RangeBound::Excluded(QueryValue::Date(millis)) => Some(millis as f64),
            _ => None,
        })
    }

    fn require_numbers(&self, field: &str, kind: &str) -> Result<(), Exception> {
        match self.kind {
            ValueKind::Keyword | ValueKind::Ip | ValueKind::Boolean => {
                Err(Exception::illegal_argument(format!(
                    "Field [{field}] of type [{}] is not supported for aggregation [{kind}]",
                    self.kind.name()
                )))
            }
            _ => Ok(()),
        }
    }
}

fn count_filters(aggregations: &[Aggregation]) -> u64 {
    let count = |aggregation: &Aggregation| {
        let own = match &aggregation.kind {
            Kind::Filter(_) | Kind::Missing { .. } => 1,
            Kind::Filters(filters) => filters.buckets.len(),
            Kind::Range(range) => range.buckets.len(),
            Kind::Terms(_) | Kind::Histogram(_) | Kind::Metric(_) => 0,
        };
        own as u64 + count_filters(&aggregation.inside)
    };
    aggregations.iter().map(count).sum()
}

type Translated = (Aggregations, Vec<Shape>);

fn translate_all(
    aggregations: &[Aggregation],
    context: Option<&BuildContext<'_>>,
) -> Result<Translated, Exception> {
    let mut all = Aggregations::default();
    let mut shapes = Vec::with_capacity(aggregations.len());
    for (number, aggregation) in aggregations.iter().enumerate() {
        let (inside, inner_shapes) = translate_all(&aggregation.inside, context)?;
        let (found, mut shape) = translate(number, aggregation, context)?;
        shape.inside = inner_shapes;
        shapes.push(shape);
        for (name, agg) in found {
            let sub_aggregation = inside.clone();
            all.insert(name, TantivyAggregation { agg, sub_aggregation });
        }
    }
    Ok((all, shapes))
}

type Named = Vec<(String, AggregationVariants)>;

fn translate(
    number: usize,
    aggregation: &Aggregation,
    context: Option<&BuildContext<'_>>,
) -> Result<(Named, Shape), Exception> {
    let none = Shape {
        kind: ValueKind::Unmapped,
        format: None,
        bounds: Vec::new(),
        inside: Vec::new(),
    };
    let (variant, shape) = match &aggregation.kind {
        Kind::Filter(query) => (filter(query, context)?, none),
        Kind::Missing { field, query } => {
            resolve(field, context)?;
            (filter(query, context)?, none)
        }
        Kind::Filters(filters) => {
            let queries = filters.buckets.iter().map(|(_, query)| query);
            return Ok((filters_of(number, queries, context)?, none));
        }
        Kind::Range(range) => {
            let shape = translate_range(range, context)?;
            let queries = range.buckets.iter().map(|bucket| &bucket.query);
            return Ok((filters_of(number, queries, context)?, shape));
        }
        Kind::Metric(metric) => {
            let field = resolve(&metric.field, context)?;
            metric.check(field.kind)?;
            let missing = field.missing(metric.missing.as_ref(), context)?;
            let shape = field.shape(metric.format.as_deref(), false)?;
            (variant(metric.to_tantivy(&field.column, missing))?, shape)
        }
        Kind::Terms(terms) => translate_terms(aggregation, terms, context)?,
        Kind::Histogram(histogram) => translate_histogram(histogram, context)?,
    };
    Ok((vec![(name(number), variant)], shape))
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
    let kind = if range.is_date { "date_range" } else { "range" };
    field.require_numbers(&range.field, kind)?;
    let mut shape = field.shape(range.format.as_deref(), range.is_date)?;
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
    let shape = field.shape(terms.format.as_deref(), false)?;
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
    let missing = field.missing(terms.missing.as_ref(), context)?;
    let metric = match terms.order.first().map(|order| &order.by) {
        Some(OrderBy::Metric { name, .. }) => aggregation.position(name),
        _ => None,
    };
    Ok((variant(terms.to_tantivy(&field.column, missing, metric))?, shape))
}

fn translate_histogram(
    histogram: &Histogram,
    context: Option<&BuildContext<'_>>,
) -> Result<(AggregationVariants, Shape), Exception> {
    let field = resolve(&histogram.field, context)?;
    let kind = if histogram.is_date {
        "date_histogram"
    } else {
        "histogram"
    };
    field.require_numbers(&histogram.field, kind)?;
    let mut shape = field.shape(histogram.format.as_deref(), histogram.is_date)?;
    let bounds = |bounds: &Bounds, shape: &Shape| {
        let min = field.bound(bounds.min.as_ref(), RangeEdge::Gte, shape, context)?;
        let max = field.bound(bounds.max.as_ref(), RangeEdge::Lte, shape, context)?;
        Ok::<_, Exception>((min, max))
    };
    // Gaps are filled where all shards are known.
    let mut options = json!({
        "field": field.column, "interval": histogram.interval, "offset": histogram.offset, "min_doc_count": 1,
    });
    if let Some(hard) = &histogram.hard_bounds {
        let (min, max) = bounds(hard, &shape)?;
        options["hard_bounds"] = json!({"min": min.unwrap_or(f64::MIN), "max": max.unwrap_or(f64::MAX)});
    }
    if let Some(extended) = &histogram.extended_bounds {
        let extended = bounds(extended, &shape)?;
        shape.bounds.push(extended);
    }
    Ok((variant(json!({"histogram": options}))?, shape))
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
        let request = AggregationRequest::from_json(&body).unwrap();
        let plan = ShardPlan {
            aggregations: request.merge_request().unwrap(),
            shapes: Vec::new(),
            filters: count_filters(&request.aggregations),
        };
        assert_eq!(plan.filters, 4);
        assert!(plan.check_memory(128 * 1024 * 1024).is_ok());
        let error = plan.check_memory(129 * 1024 * 1024).unwrap_err();
        assert_eq!(error.kind(), ExceptionKind::CircuitBreaking);
    }
}
