//! Reading `aggs` of a search body.

use es_exception::Exception;
use serde_json::{Map, Value, json};

use super::composite::Composite;
use super::histogram::Histogram;
use super::metric::{Function, Metric};
use super::options::{Options, malformed, unsupported};
use super::range::Range;
use super::terms::{OrderBy, Terms};
use super::top_hits::TopHits;
use crate::Query;

/// Deepest nesting of aggregations.
const MAX_DEPTH: usize = 20;
/// Most aggregations of a search, each filter and range counted.
const MAX_AGGREGATIONS: usize = 1_000;

/// What Elasticsearch has and is not here.
const NOT_HERE: &[&str] = &[
    "adjacency_matrix",
    "auto_date_histogram",
    "avg_bucket",
    "boxplot",
    "bucket_correlation",
    "bucket_script",
    "bucket_selector",
    "bucket_sort",
    "categorize_text",
    "children",
    "cumulative_cardinality",
    "cumulative_sum",
    "derivative",
    "diversified_sampler",
    "extended_stats_bucket",
    "frequent_item_sets",
    "geo_bounds",
    "geo_centroid",
    "geo_distance",
    "geohash_grid",
    "geohex_grid",
    "geotile_grid",
    "global",
    "inference",
    "ip_prefix",
    "ip_range",
    "matrix_stats",
    "max_bucket",
    "median_absolute_deviation",
    "min_bucket",
    "moving_fn",
    "moving_percentiles",
    "multi_terms",
    "nested",
    "normalize",
    "parent",
    "percentile_ranks",
    "percentiles_bucket",
    "random_sampler",
    "rare_terms",
    "rate",
    "reverse_nested",
    "sampler",
    "scripted_metric",
    "serial_diff",
    "significant_terms",
    "significant_text",
    "stats_bucket",
    "string_stats",
    "sum_bucket",
    "t_test",
    "time_series",
    "top_metrics",
    "variable_width_histogram",
    "weighted_avg",
];

/// The aggregations of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregationRequest {
    pub(super) aggregations: Vec<Aggregation>,
}

/// One aggregation and those inside of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Aggregation {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) inside: Vec<Aggregation>,
    /// Given back with the result.
    pub(super) meta: Option<Value>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Terms(Terms),
    Histogram(Histogram),
    Composite(Composite),
    Range(Range),
    Filter(Query),
    Filters(Filters),
    Missing { field: String, query: Query },
    TopHits(TopHits),
    Metric(Metric),
}

/// `filters`: a name for each, or for none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filters {
    pub(super) buckets: Vec<(Option<String>, Query)>,
}

impl AggregationRequest {
    /// Reads `aggs` of a search with this body.
    ///
    /// # Errors
    /// `parsing_exception` for what is malformed or unknown; `unsupported_operation_exception` for what Elasticsearch has and is not here;
    /// `illegal_argument_exception` for values out of range.
    pub(crate) fn from_json(value: &Value, search: &Map<String, Value>) -> Result<Self, Exception> {
        let mut reading = Reading { count: 0, search };
        Ok(Self {
            aggregations: parse_all(value, 0, &mut reading)?,
        })
    }

    /// Whether hits of buckets are asked for.
    pub(crate) fn wants_hits(&self) -> bool {
        self.aggregations.iter().any(Aggregation::wants_hits)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.aggregations.is_empty()
    }
}

/// What is known while aggregations are read.
struct Reading<'b> {
    /// Aggregations so far, each filter and range counted.
    count: usize,
    /// Body of the search.
    search: &'b Map<String, Value>,
}

fn parse_all(value: &Value, depth: usize, reading: &mut Reading<'_>) -> Result<Vec<Aggregation>, Exception> {
    if depth >= MAX_DEPTH {
        return Err(Exception::illegal_argument(format!(
            "aggregations are nested deeper than {MAX_DEPTH}"
        )));
    }
    let Value::Object(object) = value else {
        return Err(malformed(format!(
            "[aggregations] must be an object, got [{value}]"
        )));
    };
    object
        .iter()
        .map(|(name, body)| parse_one(name, body, depth, reading))
        .collect()
}

fn parse_one(
    name: &str,
    body: &Value,
    depth: usize,
    reading: &mut Reading<'_>,
) -> Result<Aggregation, Exception> {
    if name.is_empty() || name.contains(['[', ']', '>']) {
        return Err(malformed(format!(
            "Invalid aggregation name [{name}]. Aggregation names can contain any character except '[', ']', and '>'"
        )));
    }
    let Value::Object(object) = body else {
        return Err(malformed(format!(
            "Aggregation definition for [{name}] must be an object, got [{body}]"
        )));
    };
    let (mut kind, mut inside, mut meta) = (None, Vec::new(), None);
    for (key, value) in object {
        match key.as_str() {
            "aggs" | "aggregations" => inside = parse_all(value, depth + 1, reading)?,
            "meta" => meta = Some(value.clone()),
            other if kind.is_some() => {
                return Err(malformed(format!(
                    "Found two aggregation type definitions in [{name}]: the second is [{other}]"
                )));
            }
            other => kind = Some(parse_kind(other, value, reading.search)?),
        }
    }
    let kind = kind.ok_or_else(|| malformed(format!("Missing definition for aggregation [{name}]")))?;
    reading.count += match &kind {
        Kind::Range(range) => range.buckets.len(),
        Kind::Filters(filters) => filters.buckets.len(),
        _ => 1,
    };
    if reading.count > MAX_AGGREGATIONS {
        return Err(Exception::illegal_argument(format!(
            "a search may have at most {MAX_AGGREGATIONS} aggregations, each filter and range counted"
        )));
    }
    let aggregation = Aggregation {
        name: name.to_owned(),
        kind,
        inside,
        meta,
    };
    check(&aggregation)?;
    Ok(aggregation)
}

fn check(aggregation: &Aggregation) -> Result<(), Exception> {
    // Source: pages go over one set of documents, which a filter only narrows.
    if !matches!(aggregation.kind, Kind::Filter(_))
        && let Some(composite) = aggregation.inside.iter().find_map(Aggregation::composite)
    {
        return Err(Exception::illegal_argument(format!(
            "[composite] aggregation [{}] cannot be used inside of the aggregation [{}] of type [{}], only inside of [filter]",
            composite.name,
            aggregation.name,
            aggregation.kind.name()
        )));
    }
    let order = match &aggregation.kind {
        Kind::Metric(_) | Kind::TopHits(_) if !aggregation.inside.is_empty() => {
            return Err(malformed(format!(
                "Aggregator [{}] of type [{}] cannot accept sub-aggregations",
                aggregation.name,
                aggregation.kind.name()
            )));
        }
        Kind::Terms(terms) => &terms.order,
        Kind::Histogram(histogram) => &histogram.order,
        _ => return Ok(()),
    };
    for order in order {
        if let OrderBy::Metric { name, property } = &order.by
            && !aggregation.has_metric(name, property)
        {
            return Err(Exception::illegal_argument(format!(
                "Invalid aggregation order path [{name}]: [{}] has no metric of this name with one number to order by",
                aggregation.name
            )));
        }
    }
    Ok(())
}

impl Kind {
    /// As it is called in requests.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Terms(_) => "terms",
            Self::Histogram(histogram) => histogram.kind(),
            Self::Composite(_) => "composite",
            Self::Range(range) => range.kind(),
            Self::Filter(_) => "filter",
            Self::Filters(_) => "filters",
            Self::Missing { .. } => "missing",
            Self::TopHits(_) => "top_hits",
            Self::Metric(metric) => metric.function.name(),
        }
    }
}

impl Aggregation {
    fn has_metric(&self, name: &str, property: &str) -> bool {
        self.inside.iter().any(|inside| {
            inside.name == name
                && matches!(&inside.kind, Kind::Metric(metric) if metric.function.has_property(property))
        })
    }

    /// The `composite` that it is, or that it narrows.
    fn composite(&self) -> Option<&Self> {
        match &self.kind {
            Kind::Composite(_) => Some(self),
            Kind::Filter(_) => self.inside.iter().find_map(Self::composite),
            _ => None,
        }
    }

    /// Whether hits of its buckets are asked for.
    pub(super) fn wants_hits(&self) -> bool {
        matches!(self.kind, Kind::TopHits(_)) || self.inside.iter().any(Self::wants_hits)
    }

    /// The number of the aggregation inside that has this name.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.inside.iter().position(|inside| inside.name == name)
    }
}

fn parse_kind(kind: &str, body: &Value, search: &Map<String, Value>) -> Result<Kind, Exception> {
    if let Some(function) = Function::from_name(kind) {
        return Metric::parse(function, body).map(Kind::Metric);
    }
    match kind {
        "terms" => Terms::parse(body).map(Kind::Terms),
        "histogram" => Histogram::parse(body).map(Kind::Histogram),
        "date_histogram" => Histogram::parse_dates(body).map(Kind::Histogram),
        "composite" => Composite::parse(body).map(Kind::Composite),
        "top_hits" => TopHits::parse(body, search).map(Kind::TopHits),
        "range" | "date_range" => Range::parse(kind, body).map(Kind::Range),
        "filter" => Query::from_json(body).map(Kind::Filter),
        "filters" => parse_filters(body).map(Kind::Filters),
        "missing" => {
            let mut options = Options::new(kind, body)?;
            let field = options.field()?;
            options.finish()?;
            let query = json!({"bool": {"must_not": {"exists": {"field": field}}}});
            let query = Query::from_json(&query)?;
            Ok(Kind::Missing { field, query })
        }
        known if NOT_HERE.contains(&known) => Err(unsupported(format!(
            "[{known}] aggregations are not supported here"
        ))),
        unknown => Err(malformed(format!("Unknown aggregation type [{unknown}]"))),
    }
}

fn parse_filters(body: &Value) -> Result<Filters, Exception> {
    let mut options = Options::new("filters", body)?;
    let other = options.flag("other_bucket")?;
    let other_key = options.text("other_bucket_key")?;
    let filters = options.take("filters");
    options.finish()?;
    let (keyed, mut named): (bool, Vec<(Option<String>, Value)>) = match filters {
        Some(Value::Object(object)) if !object.is_empty() => {
            let named = object.into_iter().map(|(key, query)| (Some(key), query));
            (true, named.collect())
        }
        Some(Value::Array(items)) if !items.is_empty() => {
            (false, items.into_iter().map(|query| (None, query)).collect())
        }
        _ => return Err(Exception::illegal_argument("[filters] cannot be empty")),
    };
    if other.unwrap_or(other_key.is_some()) {
        let all: Vec<_> = named.iter().map(|(_, query)| query.clone()).collect();
        let key = keyed.then(|| other_key.unwrap_or_else(|| "_other_".to_owned()));
        named.push((key, json!({"bool": {"must_not": all}})));
    }
    let buckets = named
        .into_iter()
        .map(|(key, query)| Ok((key, Query::from_json(&query)?)))
        .collect::<Result<_, Exception>>()?;
    Ok(Filters { buckets })
}

#[cfg(test)]
mod tests {
    use es_exception::ExceptionKind;

    use super::*;

    #[track_caller]
    fn refused(body: &Value, kind: ExceptionKind) {
        let error = AggregationRequest::from_json(body, &Map::new()).expect_err(&body.to_string());
        assert_eq!(error.kind(), kind, "{body}: {error}");
    }

    #[test]
    fn what_is_not_here_is_refused_and_named() {
        for body in [
            json!({"a": {"significant_terms": {}}}),
            json!({"a": {"top_hits": {"script_fields": {}}}}),
            json!({"a": {"composite": {"sources": [{"s": {"geotile_grid": {"field": "g"}}}]}}}),
            json!({"a": {"terms": {"field": "k", "include": "a.*"}}}),
            json!({"a": {"terms": {"script": {}}}}),
            json!({"a": {"terms": {"field": "k", "order": {"b>c": "asc"}}}}),
        ] {
            refused(&body, ExceptionKind::Unsupported);
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for body in [
            json!([]),
            json!({"a": {}}),
            json!({"a[0]": {"avg": {"field": "n"}}}),
            json!({"a": {"nope": {}}}),
            json!({"a": {"avg": {"field": "n"}, "sum": {"field": "n"}}}),
            json!({"a": {"avg": {"field": "n", "nope": 1}}}),
            json!({"a": {"avg": {"field": "n"}, "aggs": {"b": {"avg": {"field": "n"}}}}}),
            json!({"a": {"range": {"field": "n", "ranges": [{"from": "x"}]}}}),
            json!({"a": {"filter": {"nope": {}}}}),
        ] {
            refused(&body, ExceptionKind::Parsing);
        }
        for body in [
            json!({"a": {"avg": {}}}),
            json!({"a": {"terms": {"field": "k", "size": 0}}}),
            json!({"a": {"terms": {"field": "k", "order": {"b": "asc"}}}}),
            json!({"a": {"histogram": {"field": "n", "interval": 0}}}),
            json!({"a": {"date_histogram": {"field": "d"}}}),
            json!({"a": {"date_histogram": {"field": "d", "fixed_interval": "1d", "time_zone": "Nowhere"}}}),
            json!({"a": {"filters": {"filters": {}}}}),
            json!({"a": {"composite": {"sources": []}}}),
            json!({"a": {"composite": {"sources": [{"s": {"terms": {"field": "k"}}}, {"s": {"terms": {"field": "n"}}}]}}}),
            json!({"a": {"composite": {"sources": [{"s": {"terms": {"field": "k"}}}], "after": {"t": 1}}}}),
            json!({"a": {"terms": {"field": "k"}, "aggs": {"b": {"composite": {"sources": [{"s": {"terms": {"field": "k"}}}]}}}}}),
        ] {
            refused(&body, ExceptionKind::IllegalArgument);
        }
    }

    #[test]
    fn nesting_and_number_are_bounded() {
        let mut body = json!({"a": {"avg": {"field": "n"}}});
        for _ in 0..MAX_DEPTH {
            body = json!({"a": {"missing": {"field": "n"}, "aggs": body}});
        }
        refused(&body, ExceptionKind::IllegalArgument);
        let many: Map<String, Value> = (0..=MAX_AGGREGATIONS)
            .map(|number| (format!("a{number}"), json!({"avg": {"field": "n"}})))
            .collect();
        refused(&Value::Object(many), ExceptionKind::IllegalArgument);
    }
}
