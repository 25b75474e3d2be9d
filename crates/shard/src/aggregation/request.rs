//! Reading `aggs` of a search body.

use es_exception::Exception;
use serde_json::{Map, Value, json};

use super::interval;
use super::metric::{Function, Metric};
use super::options::{Options, malformed, number, unsupported};
use super::terms::{Order, OrderBy, Terms, parse_order};
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
    "composite",
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
    "top_hits",
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
    Range(Range),
    Filter(Query),
    Filters(Filters),
    Missing { field: String, query: Query },
    Metric(Metric),
}

/// `histogram` or `date_histogram`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Histogram {
    pub(super) field: String,
    pub(super) is_date: bool,
    pub(super) interval: f64,
    pub(super) offset: f64,
    pub(super) min_doc_count: u64,
    pub(super) keyed: bool,
    pub(super) order: Vec<Order>,
    pub(super) format: Option<String>,
    pub(super) extended_bounds: Option<Bounds>,
    pub(super) hard_bounds: Option<Bounds>,
}

/// Bounds of a histogram as they were sent: dates are read by the field's format.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bounds {
    pub(super) min: Option<Value>,
    pub(super) max: Option<Value>,
}

/// `range` or `date_range`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Range {
    pub(super) field: String,
    pub(super) is_date: bool,
    pub(super) keyed: bool,
    pub(super) format: Option<String>,
    pub(super) buckets: Vec<RangeBucket>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct RangeBucket {
    pub(super) key: Option<String>,
    /// First value.
    pub(super) from: Option<Value>,
    /// First value that is not in the range any more.
    pub(super) to: Option<Value>,
    pub(super) query: Query,
}

/// `filters`: a name for each, or for none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filters {
    pub(super) buckets: Vec<(Option<String>, Query)>,
}

impl AggregationRequest {
    /// Reads `aggs`.
    ///
    /// # Errors
    /// `parsing_exception` for what is malformed or unknown; `unsupported_operation_exception` for what Elasticsearch has and is not here;
    /// `illegal_argument_exception` for values out of range.
    pub(crate) fn from_json(value: &Value) -> Result<Self, Exception> {
        let mut count = 0;
        Ok(Self {
            aggregations: parse_all(value, 0, &mut count)?,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.aggregations.is_empty()
    }
}

fn parse_all(value: &Value, depth: usize, count: &mut usize) -> Result<Vec<Aggregation>, Exception> {
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
        .map(|(name, body)| parse_one(name, body, depth, count))
        .collect()
}

fn parse_one(name: &str, body: &Value, depth: usize, count: &mut usize) -> Result<Aggregation, Exception> {
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
            "aggs" | "aggregations" => inside = parse_all(value, depth + 1, count)?,
            "meta" => meta = Some(value.clone()),
            other if kind.is_some() => {
                return Err(malformed(format!(
                    "Found two aggregation type definitions in [{name}]: the second is [{other}]"
                )));
            }
            other => kind = Some(parse_kind(other, value)?),
        }
    }
    let kind = kind.ok_or_else(|| malformed(format!("Missing definition for aggregation [{name}]")))?;
    *count += match &kind {
        Kind::Range(range) => range.buckets.len(),
        Kind::Filters(filters) => filters.buckets.len(),
        _ => 1,
    };
    if *count > MAX_AGGREGATIONS {
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
    let order = match &aggregation.kind {
        Kind::Metric(metric) if !aggregation.inside.is_empty() => {
            return Err(malformed(format!(
                "Aggregator [{}] of type [{}] cannot accept sub-aggregations",
                aggregation.name,
                metric.function.name()
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

impl Aggregation {
    fn has_metric(&self, name: &str, property: &str) -> bool {
        self.inside.iter().any(|inside| {
            inside.name == name
                && matches!(&inside.kind, Kind::Metric(metric) if metric.function.has_property(property))
        })
    }

    /// The number of the aggregation inside that has this name.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.inside.iter().position(|inside| inside.name == name)
    }
}

fn parse_kind(kind: &str, body: &Value) -> Result<Kind, Exception> {
    if let Some(function) = Function::from_name(kind) {
        return Metric::parse(function, body).map(Kind::Metric);
    }
    match kind {
        "terms" => Terms::parse(body).map(Kind::Terms),
        "histogram" => parse_histogram(body).map(Kind::Histogram),
        "date_histogram" => parse_date_histogram(body).map(Kind::Histogram),
        "range" | "date_range" => parse_range(kind, body).map(Kind::Range),
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

fn parse_histogram(body: &Value) -> Result<Histogram, Exception> {
    let mut options = Options::new("histogram", body)?;
    let interval = options.number("interval")?.unwrap_or(0.0);
    if interval <= 0.0 {
        return Err(Exception::illegal_argument(
            "[interval] must be >0 for histogram aggregation",
        ));
    }
    let offset = options.number("offset")?.unwrap_or(0.0);
    parse_common_histogram(options, false, interval, offset)
}

fn parse_date_histogram(body: &Value) -> Result<Histogram, Exception> {
    let mut options = Options::new("date_histogram", body)?;
    let (interval, begin) = match (
        options.text("fixed_interval")?,
        options.text("calendar_interval")?,
    ) {
        (Some(text), None) => (interval::fixed(&text)?, 0),
        (None, Some(text)) => interval::calendar(&text)?,
        (Some(_), Some(_)) => {
            return Err(Exception::illegal_argument(
                "Cannot use [fixed_interval] with [calendar_interval] configuration option.",
            ));
        }
        (None, None) => {
            return Err(Exception::illegal_argument(
                "Invalid interval specified, must be non-null and non-empty",
            ));
        }
    };
    if let Some(zone) = options.text("time_zone")? {
        interval::check_time_zone(&zone)?;
    }
    let offset = match options.text("offset")? {
        Some(text) => interval::offset(&text)?,
        None => 0,
    };
    // Milliseconds of dates are far below 2^53.
    parse_common_histogram(options, true, interval as f64, (begin + offset % interval) as f64)
}

fn parse_common_histogram(
    mut options: Options<'_>,
    is_date: bool,
    interval: f64,
    offset: f64,
) -> Result<Histogram, Exception> {
    let histogram = Histogram {
        field: options.field()?,
        is_date,
        interval,
        offset,
        min_doc_count: options.count("min_doc_count")?.unwrap_or(0),
        keyed: options.flag("keyed")?.unwrap_or(false),
        order: match options.take("order") {
            Some(order) => parse_order(&order)?,
            None => Vec::new(),
        },
        format: options.text("format")?,
        extended_bounds: options
            .take("extended_bounds")
            .map(|value| parse_bounds(&value))
            .transpose()?,
        hard_bounds: options
            .take("hard_bounds")
            .map(|value| parse_bounds(&value))
            .transpose()?,
    };
    options.finish()?;
    Ok(histogram)
}

fn parse_bounds(value: &Value) -> Result<Bounds, Exception> {
    let mut options = Options::new("bounds", value)?;
    let bounds = Bounds {
        min: options.take("min"),
        max: options.take("max"),
    };
    options.finish()?;
    Ok(bounds)
}

fn parse_range(kind: &str, body: &Value) -> Result<Range, Exception> {
    let mut options = Options::new(kind, body)?;
    let is_date = kind == "date_range";
    let field = options.field()?;
    let format = options.text("format")?;
    if let Some(zone) = options.text("time_zone")? {
        interval::check_time_zone(&zone)?;
    }
    let keyed = options.flag("keyed")?.unwrap_or(false);
    if options.take("missing").is_some() {
        return Err(unsupported(format!(
            "[missing] is not supported in [{kind}] aggregations here"
        )));
    }
    let ranges = options.take("ranges");
    options.finish()?;
    let ranges = match ranges {
        Some(Value::Array(ranges)) if !ranges.is_empty() => ranges,
        _ => {
            return Err(Exception::illegal_argument(format!(
                "No [ranges] specified for the [{kind}] aggregation"
            )));
        }
    };
    let buckets = ranges
        .iter()
        .map(|range| parse_range_bucket(kind, &field, format.as_deref(), range))
        .collect::<Result<_, _>>()?;
    Ok(Range {
        field,
        is_date,
        keyed,
        format,
        buckets,
    })
}

fn parse_range_bucket(
    kind: &str,
    field: &str,
    format: Option<&str>,
    value: &Value,
) -> Result<RangeBucket, Exception> {
    let mut options = Options::new(kind, value)?;
    let key = options.text("key")?;
    let (from, to) = (options.take("from"), options.take("to"));
    options.finish()?;
    if kind == "range"
        && let Some(bad) = [&from, &to]
            .into_iter()
            .flatten()
            .find(|bound| number(bound).is_none())
    {
        return Err(malformed(format!("[range] bounds must be numbers, got [{bad}]")));
    }
    let mut bounds = Map::new();
    for (edge, bound) in [("gte", &from), ("lt", &to)] {
        if let Some(bound) = bound {
            bounds.insert(edge.to_owned(), bound.clone());
        }
    }
    if let (Some(format), false) = (format, bounds.is_empty()) {
        bounds.insert("format".to_owned(), json!(format));
    }
    let query = match bounds.is_empty() {
        true => json!({"exists": {"field": field}}),
        false => json!({"range": {field: bounds}}),
    };
    Ok(RangeBucket {
        key,
        from,
        to,
        query: Query::from_json(&query)?,
    })
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
        let error = AggregationRequest::from_json(body).expect_err(&body.to_string());
        assert_eq!(error.kind(), kind, "{body}: {error}");
    }

    #[test]
    fn what_is_not_here_is_refused_and_named() {
        for body in [
            json!({"a": {"top_hits": {}}}),
            json!({"a": {"composite": {"sources": []}}}),
            json!({"a": {"date_histogram": {"field": "d", "calendar_interval": "month"}}}),
            json!({"a": {"date_histogram": {"field": "d", "fixed_interval": "1d", "time_zone": "Europe/Paris"}}}),
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
            json!({"a": {"filters": {"filters": {}}}}),
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
