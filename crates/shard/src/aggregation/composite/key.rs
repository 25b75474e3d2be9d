//! The values of which keys consist.

use std::cmp::Ordering;
use std::net::IpAddr;

use es_exception::Exception;
use serde_json::{Value, json};

use super::{MissingPlace, Source};
use crate::aggregation::options::number;
use crate::aggregation::shape::{Shape, ValueKind};
use crate::view::{ip_of_term, ip_term};

/// Whole numbers below this are exact as fractions: 2^53.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// One value of a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum KeyValue {
    Null,
    Boolean(bool),
    Long(i64),
    Double(f64),
    /// Addresses are the terms of the index.
    Text(String),
}

impl KeyValue {
    /// As it is carried from shards: equal values are the same text.
    pub(super) fn to_json(&self, kind: ValueKind) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(flag) => json!(flag),
            Self::Long(number) => json!(number),
            // One field may have whole numbers in one index and fractions in another.
            Self::Double(number) if number.fract() == 0.0 && number.abs() < MAX_WHOLE => {
                json!(*number as i64)
            }
            Self::Double(number) => json!(number),
            Self::Text(term) if kind == ValueKind::Ip => {
                json!(ip_of_term(term).map_or_else(|| term.clone(), |address| address.to_string()))
            }
            Self::Text(text) => json!(text),
        }
    }
}

/// Reads a value of `after`.
///
/// # Errors
/// `illegal_argument_exception` for one that the field cannot have.
pub(super) fn parse_after(name: &str, value: &Value, shape: &Shape) -> Result<KeyValue, Exception> {
    let bad = || {
        Exception::illegal_argument(format!(
            "[after.{name}] is [{value}], which no value of type [{}] is",
            shape.kind.name()
        ))
    };
    let whole = || value.as_i64().or_else(|| value.as_str()?.parse().ok());
    if value.is_null() {
        return Ok(KeyValue::Null);
    }
    Ok(match shape.kind {
        // Nothing here has a value: whatever it is, everything here comes before it or after it.
        ValueKind::Unmapped => KeyValue::Text(String::new()),
        ValueKind::Boolean => match value {
            Value::Bool(flag) => KeyValue::Boolean(*flag),
            Value::String(text) if text == "true" || text == "false" => KeyValue::Boolean(text == "true"),
            _ => return Err(bad()),
        },
        // Another index may have fractions in the field.
        ValueKind::Long => match whole() {
            Some(number) => KeyValue::Long(number),
            None => KeyValue::Double(number(value).ok_or_else(bad)?),
        },
        ValueKind::Double => KeyValue::Double(number(value).ok_or_else(bad)?),
        ValueKind::Date => {
            let by_format = || shape.parse_date(value.as_str()?);
            KeyValue::Long(by_format().or_else(whole).ok_or_else(bad)?)
        }
        ValueKind::Ip => {
            let address: IpAddr = value
                .as_str()
                .and_then(|text| text.parse().ok())
                .ok_or_else(bad)?;
            KeyValue::Text(ip_term(address))
        }
        ValueKind::Keyword => match value {
            Value::String(text) => KeyValue::Text(text.clone()),
            Value::Number(number) => KeyValue::Text(number.to_string()),
            _ => return Err(bad()),
        },
    })
}

/// Order of two keys as they are carried from shards.
pub(super) fn compare(sources: &[Source], shapes: &[Shape], left: &[Value], right: &[Value]) -> Ordering {
    for ((source, shape), (left, right)) in sources.iter().zip(shapes).zip(left.iter().zip(right)) {
        let place = |value: &Value| match (value, source.missing) {
            (Value::Null, Some(MissingPlace::First)) => 0,
            (Value::Null, _) => 2,
            _ => 1,
        };
        let values = match shape.kind {
            ValueKind::Ip => term_of(left).cmp(&term_of(right)),
            _ => compare_values(left, right),
        };
        let values = if source.descending {
            values.reverse()
        } else {
            values
        };
        let order = place(left).cmp(&place(right)).then(values);
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn term_of(value: &Value) -> Option<String> {
    value.as_str()?.parse().ok().map(ip_term)
}

fn compare_values(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (left, right) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => {
                let number = |value: &Value| value.as_f64();
                match (number(left), number(right)) {
                    (Some(left), Some(right)) => left.total_cmp(&right),
                    // One field may be a number in one index and a text in another.
                    (left, right) => right.is_some().cmp(&left.is_some()),
                }
            }
        },
    }
}
