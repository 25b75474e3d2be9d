//! The options of `range` and `date_range`.

use es_exception::Exception;
use serde_json::{Map, Value, json};

use super::interval;
use super::options::{Options, malformed, number, unsupported};
use crate::Query;

/// `range` or `date_range`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Range {
    pub(super) field: String,
    pub(super) is_date: bool,
    pub(super) keyed: bool,
    pub(super) format: Option<String>,
    /// That dates without one are in, and that dates are shown in.
    pub(super) time_zone: Option<String>,
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

impl Range {
    /// Reads an aggregation that is called `kind`.
    pub(super) fn parse(kind: &str, body: &Value) -> Result<Self, Exception> {
        let mut options = Options::new(kind, body)?;
        let field = options.field()?;
        let format = options.text("format")?;
        let time_zone = options.text("time_zone")?;
        if let Some(name) = &time_zone {
            interval::zone(name)?;
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
        let mut range = Self {
            field,
            is_date: kind == "date_range",
            keyed,
            format,
            time_zone,
            buckets: Vec::with_capacity(ranges.len()),
        };
        for bucket in &ranges {
            let bucket = range.parse_bucket(bucket)?;
            range.buckets.push(bucket);
        }
        Ok(range)
    }

    /// As it is called in requests.
    pub(super) const fn kind(&self) -> &'static str {
        if self.is_date { "date_range" } else { "range" }
    }

    fn parse_bucket(&self, value: &Value) -> Result<RangeBucket, Exception> {
        let mut options = Options::new(self.kind(), value)?;
        let key = options.text("key")?;
        let (from, to) = (options.take("from"), options.take("to"));
        options.finish()?;
        if !self.is_date
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
        let field = &self.field;
        let query = if bounds.is_empty() {
            json!({"exists": {"field": field}})
        } else {
            for (name, option) in [("format", &self.format), ("time_zone", &self.time_zone)] {
                if let Some(option) = option {
                    bounds.insert(name.to_owned(), json!(option));
                }
            }
            json!({"range": {field: bounds}})
        };
        Ok(RangeBucket {
            key,
            from,
            to,
            query: Query::from_json(&query)?,
        })
    }
}
