//! One request as its handler sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cluster::Patience;
use es_exception::{Exception, ExceptionKind};
use serde_json::{Map, Value, json};

use crate::json_body;
use crate::media_type::Accepted;
use crate::params::{Params, split_list};
use crate::reply::Reply;
use crate::route::Verb;
use crate::state::RestState;
use crate::tasks::TaskHandle;

/// A request that fits its route: parameters known, body read, path decoded.
pub(crate) struct Call {
    pub(crate) state: RestState,
    pub(crate) verb: Verb,
    pub(crate) params: Params,
    pub(crate) body: Bytes,
    pub(crate) accepted: Accepted,
    /// The header by which the client knows its request.
    pub(crate) opaque_id: Option<String>,
    /// How long it is willing to wait, and whether that was long enough.
    pub(crate) patience: Arc<Patience>,
    /// The task that the request is, if it is one that lasts.
    pub(crate) task: Option<Arc<TaskHandle>>,
    segments: BTreeMap<String, String>,
}

impl Call {
    pub(crate) fn new(
        state: RestState,
        verb: Verb,
        segments: BTreeMap<String, String>,
        params: Params,
        body: Bytes,
        accepted: Accepted,
    ) -> Self {
        Self {
            state,
            verb,
            params,
            body,
            accepted,
            opaque_id: None,
            patience: Arc::default(),
            task: None,
            segments,
        }
    }

    /// The decoded path segment `name`, `None` when the route's path has no such one.
    pub(crate) fn segment(&self, name: &str) -> Option<&str> {
        self.segments.get(name).map(String::as_str)
    }

    /// The index expression of the path; empty means all indices.
    pub(crate) fn index(&self) -> &str {
        self.segment("index").unwrap_or_default()
    }

    /// The parts of the index expression of the path.
    pub(crate) fn index_parts(&self) -> Vec<&str> {
        split_list(self.index())
    }

    /// The document id of the path.
    pub(crate) fn id(&self) -> &str {
        self.segment("id").unwrap_or_default()
    }

    /// Whether human-readable fields are wanted besides the raw ones.
    ///
    /// # Errors
    /// `illegal_argument_exception` for a value that is no boolean.
    pub(crate) fn human(&self) -> Result<bool, Exception> {
        self.params.flag("human", false)
    }

    /// Whether what the request changed has taken effect everywhere before its time was over.
    pub(crate) fn is_acknowledged(&self) -> bool {
        !self.patience.is_late()
    }

    /// `{"acknowledged": true}`, or false when the request did not want to wait for long enough.
    pub(crate) fn acknowledged(&self) -> Result<Reply, Exception> {
        Reply::ok(&json!({"acknowledged": self.is_acknowledged()}))
    }

    /// The body as an object, `None` when there is no body.
    ///
    /// # Errors
    /// `x_content_parse_exception` when it is not a JSON object.
    pub(crate) fn object(&self) -> Result<Option<Map<String, Value>>, Exception> {
        match self.body.iter().all(u8::is_ascii_whitespace) {
            true => Ok(None),
            false => json_body::parse_object(&self.body).map(Some),
        }
    }

    /// The body as an object.
    ///
    /// # Errors
    /// As [`object`](Self::object); `parse_exception` as well when there is no body.
    pub(crate) fn required_object(&self) -> Result<Map<String, Value>, Exception> {
        self.object()?
            .ok_or_else(|| Exception::new(ExceptionKind::Parse, "a request body is required"))
    }
}
