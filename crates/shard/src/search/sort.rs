//! Sort clauses.

use es_exception::{Exception, ExceptionKind};
use serde_json::Value;

/// The field that no two documents of a search share. Source: Elasticsearch's tiebreaker of searches at a point in time.
pub(crate) const SHARD_DOC: &str = "_shard_doc";

/// Direction of a sort clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortOrder {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// Where documents without a value go.
#[derive(Debug, Clone, PartialEq)]
pub enum SortMissing {
    /// Behind all others, whatever the order.
    Last,
    /// Before all others, whatever the order.
    First,
    /// As if they had this value.
    Value(Value),
}

/// Which of several values of a document it is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortMode {
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// Their sum; numbers only.
    Sum,
    /// Their mean, rounded for whole numbers; numbers only.
    Average,
    /// The one in the middle; numbers only.
    Median,
}

/// As what numbers are sorted, from `numeric_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumericType {
    /// Whole numbers, and points in time in milliseconds.
    Long,
    /// Floating point numbers.
    Double,
}

/// One criterion of a sort.
#[derive(Debug, Clone, PartialEq)]
pub struct SortClause {
    /// A mapped field, or `_score`, `_doc`, `_shard_doc`, `_seq_no`, `_id`.
    pub field: String,
    /// Direction.
    pub order: SortOrder,
    /// Documents without a value.
    pub missing: SortMissing,
    /// With more than one value, what to sort by; `None`: the smallest or the largest, as the order implies.
    pub mode: Option<SortMode>,
    /// Type to assume when the field is not mapped, from `unmapped_type`; `None`: an unmapped field is an error.
    pub unmapped_type: Option<String>,
    /// Format of a date's sort value; milliseconds without one.
    pub format: Option<String>,
    /// As what the numbers of a field are sorted that has another type in another index.
    pub numeric_type: Option<NumericType>,
}

impl SortClause {
    /// By this field with Elasticsearch's defaults: descending for `_score`, else ascending, missing last.
    #[must_use]
    pub fn by(field: &str) -> Self {
        let order = if field == "_score" {
            SortOrder::Descending
        } else {
            SortOrder::Ascending
        };
        Self {
            field: field.into(),
            order,
            missing: SortMissing::Last,
            mode: None,
            unmapped_type: None,
            format: None,
            numeric_type: None,
        }
    }

    /// What counts of several values.
    pub(crate) fn mode(&self) -> SortMode {
        self.mode.unwrap_or(match self.order {
            SortOrder::Ascending => SortMode::Min,
            SortOrder::Descending => SortMode::Max,
        })
    }
}

/// Parses the `sort` of a search.
pub(crate) fn parse_sort(value: &Value) -> Result<Vec<SortClause>, Exception> {
    match value {
        Value::Array(items) => {
            let mut clauses = Vec::new();
            for item in items {
                clauses.extend(parse_item(item)?);
            }
            Ok(clauses)
        }
        other => parse_item(other),
    }
}

fn parse_item(value: &Value) -> Result<Vec<SortClause>, Exception> {
    match value {
        Value::String(text) => Ok(vec![parse_short(text)?]),
        Value::Object(object) => object
            .iter()
            .map(|(field, options)| parse_clause(field, options))
            .collect(),
        other => Err(malformed(format!(
            "malformed sort format, expected a string or an object, got [{other}]"
        ))),
    }
}

/// `field`, `field:asc` or `field:desc`, as in the `sort` parameter of the URI.
fn parse_short(text: &str) -> Result<SortClause, Exception> {
    match text.rsplit_once(':') {
        Some((field, "asc" | "desc" | "ASC" | "DESC")) if !field.is_empty() => {
            let order = parse_order(&text[field.len() + 1..])?;
            Ok(SortClause {
                order,
                ..SortClause::by(field)
            })
        }
        _ => Ok(SortClause::by(text)),
    }
}

fn parse_clause(field: &str, options: &Value) -> Result<SortClause, Exception> {
    let mut clause = SortClause::by(field);
    match options {
        Value::String(order) => clause.order = parse_order(order)?,
        Value::Object(options) => {
            for (key, value) in options {
                parse_option(&mut clause, key, value)?;
            }
        }
        other => {
            return Err(malformed(format!(
                "malformed sort format for field [{field}]: [{other}]"
            )));
        }
    }
    if matches!(field, "_geo_distance" | "_script") {
        return Err(Exception::new(
            ExceptionKind::Unsupported,
            format!("sort by [{field}] is not supported"),
        ));
    }
    Ok(clause)
}

fn parse_option(clause: &mut SortClause, key: &str, value: &Value) -> Result<(), Exception> {
    match (key, value) {
        ("order", Value::String(order)) => clause.order = parse_order(order)?,
        ("missing", Value::String(text)) if text == "_last" => clause.missing = SortMissing::Last,
        ("missing", Value::String(text)) if text == "_first" => clause.missing = SortMissing::First,
        ("missing", other) => clause.missing = SortMissing::Value(other.clone()),
        ("mode", Value::String(mode)) => clause.mode = Some(parse_mode(mode)?),
        ("unmapped_type", Value::String(name)) => clause.unmapped_type = Some(name.clone()),
        ("format", Value::String(format)) => clause.format = Some(format.clone()),
        ("numeric_type", Value::String(name)) => clause.numeric_type = Some(parse_numeric_type(name)?),
        _ => return Err(malformed(format!("[field_sort] unknown field [{key}]"))),
    }
    Ok(())
}

fn parse_mode(text: &str) -> Result<SortMode, Exception> {
    match text.to_ascii_lowercase().as_str() {
        "min" => Ok(SortMode::Min),
        "max" => Ok(SortMode::Max),
        "sum" => Ok(SortMode::Sum),
        "avg" => Ok(SortMode::Average),
        "median" => Ok(SortMode::Median),
        _ => Err(Exception::illegal_argument(format!("Unknown SortMode [{text}]"))),
    }
}

fn parse_numeric_type(text: &str) -> Result<NumericType, Exception> {
    match text {
        "long" | "date" => Ok(NumericType::Long),
        "double" => Ok(NumericType::Double),
        "date_nanos" => Err(Exception::new(
            ExceptionKind::Unsupported,
            "[numeric_type] [date_nanos] is not supported here: dates have milliseconds",
        )),
        _ => Err(Exception::illegal_argument(format!(
            "invalid value for [numeric_type], must be [long, double, date, date_nanos], got {text}"
        ))),
    }
}

fn parse_order(text: &str) -> Result<SortOrder, Exception> {
    match text.to_ascii_lowercase().as_str() {
        "asc" => Ok(SortOrder::Ascending),
        "desc" => Ok(SortOrder::Descending),
        _ => Err(Exception::illegal_argument(format!(
            "unknown sort order [{text}], must be [asc] or [desc]"
        ))),
    }
}

fn malformed(reason: String) -> Exception {
    Exception::new(ExceptionKind::Parsing, reason)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_way_to_write_a_sort_is_read() {
        let clauses =
            parse_sort(&json!(["a", "b:desc", {"c": "desc"}, {"d": {"order": "asc", "missing": "_first"}}]))
                .unwrap();
        let read: Vec<_> = clauses
            .iter()
            .map(|clause| (clause.field.as_str(), clause.order))
            .collect();
        let expected = [
            ("a", SortOrder::Ascending),
            ("b", SortOrder::Descending),
            ("c", SortOrder::Descending),
            ("d", SortOrder::Ascending),
        ];
        assert_eq!(read, expected);
        assert_eq!(clauses[3].missing, SortMissing::First);
        assert_eq!(
            parse_sort(&json!("_score")).unwrap()[0].order,
            SortOrder::Descending
        );
    }

    #[test]
    fn a_bad_sort_is_refused() {
        for bad in [
            json!(3),
            json!({"a": {"nope": 1}}),
            json!({"a": "sideways"}),
            json!({"_geo_distance": {}}),
            json!({"a": {"mode": "mean"}}),
            json!({"a": {"numeric_type": "int"}}),
            json!({"a": {"numeric_type": "date_nanos"}}),
        ] {
            assert!(parse_sort(&bad).is_err(), "{bad}");
        }
    }
}
