//! A failure with its kind, its reason for people, and what caused it.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use crate::ExceptionKind;

/// A failure as it is shown to clients and carried between nodes.
///
/// The reason is for people: what failed, where, and what to do. Programs decide by [`kind`](Self::kind) and
/// [`status`](Self::status) only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    kind: ExceptionKind,
    reason: String,
    status: Option<u16>,
    index: Option<String>,
    metadata: BTreeMap<String, Vec<String>>,
    caused_by: Option<Box<Exception>>,
}

impl Exception {
    /// A failure of `kind`, told by `reason`.
    pub fn new(kind: ExceptionKind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            status: None,
            index: None,
            metadata: BTreeMap::new(),
            caused_by: None,
        }
    }

    /// Shorthand for the most frequent refusal, a request that makes no sense (400).
    pub fn illegal_argument(reason: impl Into<String>) -> Self {
        Self::new(ExceptionKind::IllegalArgument, reason)
    }

    /// Shorthand for an index that does not exist (404).
    pub fn index_not_found(index: &str) -> Self {
        Self::new(ExceptionKind::IndexNotFound, format!("no such index [{index}]")).with_index(index)
    }

    /// Overrides the status that the kind implies. Source: `status_exception` covers several statuses.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Names the index that the failure is about.
    #[must_use]
    pub fn with_index(mut self, index: impl Into<String>) -> Self {
        self.index = Some(index.into());
        self
    }

    /// Adds machine-readable detail under `key`, for instance `es.requested_operations_missing`.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, values: Vec<String>) -> Self {
        self.metadata.insert(key.into(), values);
        self
    }

    /// Adds the failure that led to this one.
    #[must_use]
    pub fn with_cause(mut self, cause: Exception) -> Self {
        self.caused_by = Some(Box::new(cause));
        self
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ExceptionKind {
        self.kind
    }

    /// What happened, for people.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The HTTP status to answer with.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.unwrap_or(self.kind.status())
    }

    /// The status, if it was set apart from the kind's own.
    #[must_use]
    pub fn status_override(&self) -> Option<u16> {
        self.status
    }

    /// The index that the failure is about, if it is about one.
    #[must_use]
    pub fn index(&self) -> Option<&str> {
        self.index.as_deref()
    }

    /// Machine-readable detail by key.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, Vec<String>> {
        &self.metadata
    }

    /// The failure that led to this one.
    #[must_use]
    pub fn caused_by(&self) -> Option<&Exception> {
        self.caused_by.as_deref()
    }

    /// Whether a shard follow task may try again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }

    /// The object that clients see: `type`, `reason`, `index`, metadata without its `es.` prefix, `caused_by`.
    ///
    /// Source: Elasticsearch prints a metadata list of one value as the bare value.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("type".into(), self.kind.type_name().into());
        object.insert("reason".into(), self.reason.clone().into());
        if let Some(index) = &self.index {
            object.insert("index".into(), index.clone().into());
        }
        for (key, values) in &self.metadata {
            let key = key.strip_prefix("es.").unwrap_or(key);
            let value = match values.as_slice() {
                [one] => Value::from(one.clone()),
                many => Value::from(many.to_vec()),
            };
            object.insert(key.into(), value);
        }
        if let Some(cause) = &self.caused_by {
            object.insert("caused_by".into(), cause.to_json());
        }
        Value::Object(object)
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.kind.type_name(), self.reason)?;
        match &self.caused_by {
            Some(cause) => write!(formatter, " (caused by {cause})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Exception {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_the_shape_that_clients_read() {
        let missing = Exception::new(ExceptionKind::ResourceNotFound, "operations are gone")
            .with_index("orders")
            .with_metadata("es.requested_operations_missing", vec!["3".into(), "9".into()])
            .with_metadata("es.shard", vec!["0".into()])
            .with_cause(Exception::illegal_argument("why"));
        let expected = serde_json::json!({
            "type": "resource_not_found_exception", "reason": "operations are gone", "index": "orders",
            "requested_operations_missing": ["3", "9"], "shard": "0",
            "caused_by": {"type": "illegal_argument_exception", "reason": "why"}
        });
        assert_eq!(missing.to_json(), expected);
    }

    #[test]
    fn a_status_may_differ_from_the_kinds_own() {
        let refused =
            Exception::new(ExceptionKind::Status, "follower indices are read-only").with_status(403);
        assert_eq!(
            (refused.status(), Exception::illegal_argument("x").status()),
            (403, 400)
        );
    }
}
