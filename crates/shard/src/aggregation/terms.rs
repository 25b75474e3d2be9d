//! The options of `terms`, and the order of buckets.

use es_exception::Exception;
use serde_json::{Value, json};

use super::options::{Options, malformed, unsupported};

/// Most buckets of one answer. Source: default of `search.max_buckets`.
pub(super) const MAX_BUCKETS: u64 = 65_536;

/// A `terms` aggregation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Terms {
    pub(super) field: String,
    /// Buckets to return.
    pub(super) size: u64,
    /// Buckets to take from every segment of a shard.
    shard_size: u64,
    pub(super) min_doc_count: u64,
    pub(super) order: Vec<Order>,
    pub(super) missing: Option<Value>,
    pub(super) format: Option<String>,
    include: Option<Value>,
    exclude: Option<Value>,
}

/// One criterion of the order of buckets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    pub(super) by: OrderBy,
    pub(super) descending: bool,
}

/// What buckets are ordered by.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum OrderBy {
    Count,
    Key,
    /// A metric among the aggregations inside, and which of its numbers.
    Metric {
        name: String,
        property: String,
    },
}

impl Terms {
    pub(super) fn parse(body: &Value) -> Result<Self, Exception> {
        let mut options = Options::new("terms", body)?;
        let field = options.field()?;
        let size = options.count("size")?.unwrap_or(10);
        if size == 0 {
            return Err(Exception::illegal_argument(
                "[size] must be greater than 0. Found [0] in [terms]",
            ));
        }
        // One more than can be returned is enough to be refused.
        let size = size.min(MAX_BUCKETS + 1);
        let shard_size = options.count("shard_size")?.unwrap_or(0);
        let terms = Self {
            field,
            size,
            shard_size: shard_size.max(size.saturating_mul(10)).min(2 * MAX_BUCKETS),
            min_doc_count: options.count("min_doc_count")?.unwrap_or(1),
            order: match options.take("order") {
                Some(order) => parse_order(&order)?,
                None => vec![Order {
                    by: OrderBy::Count,
                    descending: true,
                }],
            },
            missing: options.take("missing"),
            format: options.text("format")?,
            include: options
                .take("include")
                .map(|value| parse_values("include", value))
                .transpose()?,
            exclude: options
                .take("exclude")
                .map(|value| parse_values("exclude", value))
                .transpose()?,
        };
        options.ignore(&[
            "shard_min_doc_count",
            "execution_hint",
            "collect_mode",
            "show_term_doc_count_error",
            "value_type",
        ]);
        options.finish()?;
        Ok(terms)
    }

    pub(super) const fn is_filtered(&self) -> bool {
        self.include.is_some() || self.exclude.is_some()
    }

    /// Whether the most frequent terms are asked for, for which the error of the counts is known.
    pub(super) fn is_by_count(&self) -> bool {
        matches!(
            self.order.first(),
            Some(Order {
                by: OrderBy::Count,
                descending: true
            })
        )
    }

    /// For tantivy in one shard, over this column; `metric` is the number of the aggregation that buckets are ordered by.
    pub(super) fn to_tantivy(&self, column: &str, missing: Option<Value>, metric: Option<usize>) -> Value {
        let mut options = json!({
            "field": column, "size": self.size, "segment_size": self.shard_size,
            "min_doc_count": u64::from(self.min_doc_count > 0), "show_term_doc_count_error": true,
        });
        if let Some(missing) = missing {
            options["missing"] = missing;
        }
        if let Some(values) = &self.include {
            options["include"] = values.clone();
        }
        if let Some(values) = &self.exclude {
            options["exclude"] = values.clone();
        }
        // What is cut off inside of a segment is cut off by the first criterion.
        if let Some(order) = self.order.first() {
            let target = match (&order.by, metric) {
                (OrderBy::Key, _) => "_key".to_owned(),
                (OrderBy::Metric { property, .. }, Some(number)) => match property.as_str() {
                    "" | "value" => super::translate::name(number),
                    property => format!("{}.{property}", super::translate::name(number)),
                },
                _ => "_count".to_owned(),
            };
            options["order"] = json!({target: if order.descending { "desc" } else { "asc" }});
        }
        json!({"terms": options})
    }

    /// For merging: all buckets of the shards, which are ordered and cut here.
    pub(super) fn to_merge(&self) -> Value {
        json!({"terms": {
            "field": "", "size": 1 << 24, "segment_size": 1 << 24, "min_doc_count": self.min_doc_count,
            "show_term_doc_count_error": true, "order": {"_key": "asc"},
        }})
    }
}

/// Reads the `order` of `terms` and of histograms: one criterion or a list of them.
pub(super) fn parse_order(value: &Value) -> Result<Vec<Order>, Exception> {
    let bad = || {
        malformed(format!(
            "[order] must be an object such as {{\"_count\": \"desc\"}}, got [{value}]"
        ))
    };
    let items = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut orders = Vec::new();
    for item in items {
        for (target, direction) in item.as_object().ok_or_else(bad)? {
            let descending = match direction.as_str().map(str::to_ascii_lowercase).as_deref() {
                Some("asc") => false,
                Some("desc") => true,
                _ => return Err(malformed(format!("Unknown order direction [{direction}]"))),
            };
            let by = parse_target(target)?;
            orders.push(Order { by, descending });
        }
    }
    if orders.is_empty() { Err(bad()) } else { Ok(orders) }
}

fn parse_target(target: &str) -> Result<OrderBy, Exception> {
    match target {
        "_count" => return Ok(OrderBy::Count),
        "_key" => return Ok(OrderBy::Key),
        _ => {}
    }
    if target.contains('>') {
        return Err(unsupported(format!(
            "the order path [{target}] is not supported here: order by an aggregation directly inside"
        )));
    }
    let (name, property) = match target.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
        Some(split) => split,
        None => target.split_once('.').unwrap_or((target, "")),
    };
    Ok(OrderBy::Metric {
        name: name.to_owned(),
        property: property.to_owned(),
    })
}

/// The exact terms to take or leave. Patterns are refused: tantivy's are not Lucene's.
fn parse_values(key: &str, value: Value) -> Result<Value, Exception> {
    let is_exact = value
        .as_array()
        .is_some_and(|items| items.iter().all(Value::is_string));
    if is_exact {
        return Ok(value);
    }
    Err(unsupported(format!(
        "[{key}] of [terms] is only supported as a list of strings here, got [{value}]"
    )))
}
