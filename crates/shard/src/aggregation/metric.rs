//! Aggregations that are numbers.

use es_exception::Exception;
use serde_json::{Map, Value, json};
use tantivy::aggregation::agg_result::MetricResult;
use tantivy::aggregation::metric::PercentileValues;

use super::options::{Options, malformed, unsupported};
use super::shape::{Shape, ValueKind};

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Avg,
    Sum,
    Min,
    Max,
    Stats,
    ExtendedStats,
    ValueCount,
    Cardinality,
    Percentiles,
}

/// A metric of one field.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Metric {
    pub(super) function: Function,
    pub(super) field: String,
    pub(super) missing: Option<Value>,
    pub(super) format: Option<String>,
    sigma: f64,
    percents: Vec<f64>,
    keyed: bool,
}

/// Most percentiles of one aggregation.
const MAX_PERCENTS: usize = 1_000;

impl Function {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "avg" => Self::Avg,
            "sum" => Self::Sum,
            "min" => Self::Min,
            "max" => Self::Max,
            "stats" => Self::Stats,
            "extended_stats" => Self::ExtendedStats,
            "value_count" => Self::ValueCount,
            "cardinality" => Self::Cardinality,
            "percentiles" => Self::Percentiles,
            _ => return None,
        })
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Stats => "stats",
            Self::ExtendedStats => "extended_stats",
            Self::ValueCount => "value_count",
            Self::Cardinality => "cardinality",
            Self::Percentiles => "percentiles",
        }
    }

    /// Whether values of every type count, not only numbers and dates.
    pub(super) const fn takes_any_type(self) -> bool {
        matches!(self, Self::ValueCount | Self::Cardinality)
    }

    /// Whether buckets can be ordered by this property of the result; the empty one is the value itself.
    pub(super) fn has_property(self, property: &str) -> bool {
        match self {
            Self::Stats => matches!(property, "count" | "min" | "max" | "avg" | "sum"),
            Self::ExtendedStats => matches!(
                property,
                "count"
                    | "min"
                    | "max"
                    | "avg"
                    | "sum"
                    | "sum_of_squares"
                    | "variance"
                    | "variance_population"
                    | "variance_sampling"
                    | "std_deviation"
                    | "std_deviation_population"
                    | "std_deviation_sampling"
            ),
            Self::Percentiles => false,
            _ => matches!(property, "" | "value"),
        }
    }
}

impl Metric {
    pub(super) fn parse(function: Function, body: &Value) -> Result<Self, Exception> {
        let mut options = Options::new(function.name(), body)?;
        let mut metric = Self {
            function,
            field: options.field()?,
            missing: options.take("missing"),
            format: options.text("format")?,
            sigma: 2.0,
            percents: vec![1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0],
            keyed: true,
        };
        match function {
            Function::ExtendedStats => {
                metric.sigma = options.number("sigma")?.unwrap_or(2.0);
                if metric.sigma < 0.0 {
                    return Err(Exception::illegal_argument(
                        "[sigma] must be greater than or equal to 0",
                    ));
                }
            }
            // Both only trade exactness for memory.
            Function::Cardinality => options.ignore(&["precision_threshold", "rehash", "execution_hint"]),
            Function::Percentiles => {
                metric.keyed = options.flag("keyed")?.unwrap_or(true);
                options.ignore(&["tdigest"]);
                if options.take("hdr").is_some() {
                    return Err(unsupported(
                        "[hdr] is not supported in [percentiles] aggregations here",
                    ));
                }
                if let Some(percents) = options.take("percents") {
                    metric.percents = parse_percents(&percents)?;
                }
            }
            _ => {}
        }
        options.finish()?;
        Ok(metric)
    }

    /// For tantivy, over this column.
    pub(super) fn to_tantivy(&self, column: &str, missing: Option<Value>) -> Value {
        let mut options = json!({"field": column});
        if let Some(missing) = missing {
            options["missing"] = missing;
        }
        match self.function {
            Function::ExtendedStats => options["sigma"] = json!(self.sigma),
            Function::Percentiles => {
                options["percents"] = json!(self.percents);
                options["keyed"] = json!(false);
            }
            _ => {}
        }
        json!({self.function.name(): options})
    }

    /// The result as Elasticsearch prints it.
    pub(super) fn print(&self, result: &MetricResult, shape: &Shape) -> Map<String, Value> {
        let mut printed = Map::new();
        match (self.function, result) {
            (Function::Stats | Function::ExtendedStats, result) => {
                if let Ok(Value::Object(fields)) = serde_json::to_value(result) {
                    printed = fields;
                }
                for name in ["min", "max", "avg", "sum"] {
                    let number = printed.get(name).and_then(Value::as_f64);
                    if let Some(text) = number.and_then(|number| shape.text(number)) {
                        printed.insert(format!("{name}_as_string"), json!(text));
                    }
                }
            }
            (Function::Percentiles, MetricResult::Percentiles(percentiles)) => {
                printed.insert(
                    "values".to_owned(),
                    self.print_percentiles(&percentiles.values, shape),
                );
            }
            (_, result) => {
                let value = value_of(result, "");
                // Counts are whole, and 0 where there is nothing; so is the sum of nothing.
                let value = match (self.function, value) {
                    (Function::ValueCount | Function::Cardinality, value) => {
                        json!(value.unwrap_or(0.0) as u64)
                    }
                    (Function::Sum, value) => json!(value.unwrap_or(0.0)),
                    (_, value) => json!(value),
                };
                if !self.function.takes_any_type()
                    && let Some(text) = value.as_f64().and_then(|number| shape.text(number))
                {
                    printed.insert("value_as_string".to_owned(), json!(text));
                }
                printed.insert("value".to_owned(), value);
            }
        }
        printed
    }

    fn print_percentiles(&self, values: &PercentileValues, shape: &Shape) -> Value {
        let found: Vec<(f64, Option<f64>)> = match values {
            PercentileValues::Vec(entries) => entries
                .iter()
                .map(|entry| (entry.key, Some(entry.value).filter(|value| value.is_finite())))
                .collect(),
            PercentileValues::HashMap(_) => Vec::new(),
        };
        if self.keyed {
            let mut keyed = Map::new();
            for (percent, value) in found {
                keyed.insert(format!("{percent:?}"), json!(value));
                if let Some(text) = value.and_then(|value| shape.text(value)) {
                    keyed.insert(format!("{percent:?}_as_string"), json!(text));
                }
            }
            return Value::Object(keyed);
        }
        let entries = found.into_iter().map(|(percent, value)| {
            let mut entry = json!({"key": percent, "value": value});
            if let Some(text) = value.and_then(|value| shape.text(value)) {
                entry["value_as_string"] = json!(text);
            }
            entry
        });
        entries.collect()
    }

    /// Refuses fields whose values are no numbers, unless any value counts.
    pub(super) fn check(&self, kind: ValueKind) -> Result<(), Exception> {
        if self.function.takes_any_type() {
            return Ok(());
        }
        match kind {
            ValueKind::Keyword | ValueKind::Ip => Err(Exception::illegal_argument(format!(
                "Field [{}] of type [{}] is not supported for aggregation [{}]",
                self.field,
                kind.name(),
                self.function.name()
            ))),
            ValueKind::Unmapped
            | ValueKind::Long
            | ValueKind::Double
            | ValueKind::Boolean
            | ValueKind::Date => Ok(()),
        }
    }
}

/// A property of a metric's result, to order buckets by.
pub(super) fn value_of(result: &MetricResult, property: &str) -> Option<f64> {
    match result {
        MetricResult::Average(single)
        | MetricResult::Count(single)
        | MetricResult::Max(single)
        | MetricResult::Min(single)
        | MetricResult::Sum(single)
        | MetricResult::Cardinality(single) => single.value,
        other => serde_json::to_value(other)
            .ok()
            .and_then(|fields| fields.get(property).and_then(Value::as_f64)),
    }
}

fn parse_percents(value: &Value) -> Result<Vec<f64>, Exception> {
    let bad = || malformed(format!("[percents] must be numbers from 0 to 100, got [{value}]"));
    let items = value.as_array().ok_or_else(bad)?;
    if items.is_empty() || items.len() > MAX_PERCENTS {
        return Err(Exception::illegal_argument(format!(
            "[percents] must have from 1 to {MAX_PERCENTS} values"
        )));
    }
    items
        .iter()
        .map(|item| super::options::number(item).filter(|percent| (0.0..=100.0).contains(percent)))
        .collect::<Option<_>>()
        .ok_or_else(bad)
}
