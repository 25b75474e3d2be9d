//! Helpers for reading query bodies.

use es_exception::{Exception, ExceptionKind};
use serde_json::{Map, Value};

pub(super) fn malformed(reason: impl Into<String>) -> Exception {
    Exception::new(ExceptionKind::Parsing, reason)
}

pub(super) fn object<'a>(query: &str, value: &'a Value) -> Result<&'a Map<String, Value>, Exception> {
    value.as_object().ok_or_else(|| {
        malformed(format!(
            "[{query}] query malformed, no start_object after query name"
        ))
    })
}

/// The one field that a query such as `{"term": {"field": ...}}` is for. Common parameters beside it come back apart.
pub(super) fn single_field<'a>(query: &str, body: &'a Value) -> Result<(&'a str, &'a Value), Exception> {
    let mut entries = object(query, body)?.iter();
    let Some((field, options)) = entries.next() else {
        return Err(malformed(format!("[{query}] query malformed, no field name")));
    };
    match entries.next() {
        None => Ok((field, options)),
        Some((second, _)) => Err(malformed(format!(
            "[{query}] query doesn't support multiple fields, found [{field}] and [{second}]"
        ))),
    }
}

pub(super) fn number(key: &str, value: &Value) -> Result<f64, Exception> {
    let number = value
        .as_f64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    number
        .filter(|number| number.is_finite())
        .ok_or_else(|| malformed(format!("[{key}] must be a number, got [{value}]")))
}

pub(super) fn unsigned(key: &str, value: &Value) -> Result<u32, Exception> {
    let number = value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    number
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| malformed(format!("[{key}] must be a non-negative integer, got [{value}]")))
}

pub(super) fn flag(key: &str, value: &Value) -> Result<bool, Exception> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) if text == "true" || text == "false" => Ok(text == "true"),
        other => Err(malformed(format!(
            "Failed to parse value [{other}] of [{key}] as only [true] or [false] are allowed."
        ))),
    }
}

pub(super) fn text<'a>(key: &str, value: &'a Value) -> Result<&'a str, Exception> {
    value
        .as_str()
        .ok_or_else(|| malformed(format!("[{key}] must be a string, got [{value}]")))
}

/// A plain value as text, the way a number given for a text is read.
pub(super) fn plain_text(query: &str, value: &Value) -> Result<String, Exception> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        other => Err(malformed(format!(
            "[{query}] unknown token [{other}] after [query]"
        ))),
    }
}
