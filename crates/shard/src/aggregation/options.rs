//! Helpers for reading the options of one aggregation.

use es_exception::{Exception, ExceptionKind};
use serde_json::{Map, Value};

/// The options of an aggregation that are not read yet.
pub(super) struct Options<'a> {
    /// Type of the aggregation, for messages.
    kind: &'a str,
    left: Map<String, Value>,
}

impl<'a> Options<'a> {
    pub(super) fn new(kind: &'a str, body: &Value) -> Result<Self, Exception> {
        match body {
            Value::Object(object) => Ok(Self {
                kind,
                left: object.clone(),
            }),
            other => Err(malformed(format!("[{kind}] must be an object, got [{other}]"))),
        }
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.left.shift_remove(key).filter(|value| !value.is_null())
    }

    /// The field, which every aggregation over values needs: there are no scripts.
    pub(super) fn field(&mut self) -> Result<String, Exception> {
        match self.text("field")? {
            Some(field) => Ok(field),
            None if self.left.contains_key("script") => Err(unsupported(format!(
                "[script] is not supported in [{}] aggregations here",
                self.kind
            ))),
            None => Err(Exception::illegal_argument(format!(
                "Required one of fields [field, script], but none were specified in [{}].",
                self.kind
            ))),
        }
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, Exception> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, "a string", &other)),
        }
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<Option<bool>, Exception> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(Value::String(text)) if text == "true" || text == "false" => Ok(Some(text == "true")),
            Some(other) => Err(self.wrong(key, "true or false", &other)),
        }
    }

    pub(super) fn number(&mut self, key: &str) -> Result<Option<f64>, Exception> {
        self.take(key)
            .map(|value| number(&value).ok_or_else(|| self.wrong(key, "a number", &value)))
            .transpose()
    }

    pub(super) fn count(&mut self, key: &str) -> Result<Option<u64>, Exception> {
        let read = |value: &Value| {
            value
                .as_u64()
                .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
        };
        self.take(key)
            .map(|value| read(&value).ok_or_else(|| self.wrong(key, "a non-negative integer", &value)))
            .transpose()
    }

    /// Takes options that change nothing here.
    pub(super) fn ignore(&mut self, keys: &[&str]) {
        for key in keys {
            self.left.shift_remove(*key);
        }
    }

    /// Refuses options that exist and are not supported, and those that do not exist.
    pub(super) fn finish(self) -> Result<(), Exception> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(key) => Err(Exception::new(
                ExceptionKind::Parsing,
                format!(
                    "[{}] unknown field [{key}], or one that is not supported here",
                    self.kind
                ),
            )),
        }
    }

    fn wrong(&self, key: &str, expected: &str, value: &Value) -> Exception {
        malformed(format!(
            "[{}] failed to parse field [{key}]: it must be {expected}, got [{value}]",
            self.kind
        ))
    }
}

/// A finite number, maybe written as a string.
pub(super) fn number(value: &Value) -> Option<f64> {
    value
        .as_f64()
        .or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
        .filter(|number: &f64| number.is_finite())
}

pub(super) fn malformed(reason: impl Into<String>) -> Exception {
    Exception::new(ExceptionKind::Parsing, reason)
}

pub(super) fn unsupported(reason: impl Into<String>) -> Exception {
    Exception::new(ExceptionKind::Unsupported, reason)
}
