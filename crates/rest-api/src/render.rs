//! How an answer is written: `pretty`, `filter_path`, media type, and the headers that every answer has.

use axum::body::Body;
use axum::response::Response;
use es_exception::{Exception, ExceptionKind};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, WARNING};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::error_body::error_body;
use crate::filter_path::FilterPath;
use crate::media_type::{Accepted, is_binary_or_yaml};
use crate::params::Params;
use crate::reply::{Payload, Reply, status_of};

/// The header without which the official clients refuse every answer.
const PRODUCT: HeaderName = HeaderName::from_static("x-elastic-product");
/// A header that clients send to recognize their requests, echoed as it came.
pub(crate) const OPAQUE_ID: HeaderName = HeaderName::from_static("x-opaque-id");

/// How one request wants its answer.
#[derive(Debug)]
pub(crate) struct Rendering {
    accepted: Accepted,
    pretty: bool,
    error_trace: bool,
    filter: Option<FilterPath>,
    opaque_id: Option<HeaderValue>,
}

impl Rendering {
    /// For requests that cannot be understood far enough to know.
    pub(crate) fn plain(headers: &HeaderMap) -> Self {
        let opaque_id = headers.get(OPAQUE_ID).cloned();
        Self {
            accepted: Accepted::Any,
            pretty: false,
            error_trace: false,
            filter: None,
            opaque_id,
        }
    }

    /// Reads the common parameters.
    ///
    /// # Errors
    /// `illegal_argument_exception` for a flag that is no boolean or an unknown `format`.
    pub(crate) fn new(headers: &HeaderMap, accepted: Accepted, params: &Params) -> Result<Self, Exception> {
        if let Some(format) = params
            .text("format")
            .filter(|format| !["json", "text", "txt"].contains(format))
        {
            return Err(match is_binary_or_yaml(format) {
                true => Exception::new(
                    ExceptionKind::MediaType,
                    format!(
                        "answers in the [format] [{format}] are not written here: ask for [json], or [text] of the cat APIs"
                    ),
                ),
                false => {
                    let reason = format!("[format] must be one of [json, text], but was [{format}]");
                    Exception::illegal_argument(reason)
                }
            });
        }
        Ok(Self {
            accepted,
            pretty: params.flag("pretty", false)?,
            error_trace: params.flag("error_trace", false)?,
            filter: params.text("filter_path").map(FilterPath::parse),
            opaque_id: headers.get(OPAQUE_ID).cloned(),
        })
    }

    /// The HTTP response for what a handler returned.
    pub(crate) fn response(&self, outcome: Result<Reply, Exception>) -> Response {
        match outcome {
            Ok(reply) => self.reply(reply),
            Err(exception) => self.error(&exception),
        }
    }

    /// The HTTP response for a refusal whose body is this value.
    pub(crate) fn refusal(&self, status: StatusCode, body: &Value) -> Response {
        self.finish(
            status,
            Some(self.accepted.json_content_type()),
            self.json_bytes(body),
        )
    }

    fn reply(&self, reply: Reply) -> Response {
        let (content_type, body) = match reply.payload {
            Payload::Empty => (None, Vec::new()),
            Payload::Text(text) => (Some("text/plain; charset=UTF-8"), text.into_bytes()),
            Payload::Json(bytes) => (Some(self.accepted.json_content_type()), self.reshape(bytes)),
        };
        let mut response = self.finish(reply.status, content_type, body);
        if let Some(location) = reply
            .location
            .and_then(|location| HeaderValue::from_str(&location).ok())
        {
            response.headers_mut().insert(LOCATION, location);
        }
        if let Some(warning) = reply.warning.and_then(|text| warning_header(&text)) {
            response.headers_mut().insert(WARNING, warning);
        }
        response
    }

    fn error(&self, exception: &Exception) -> Response {
        let status = status_of(exception);
        if status.is_server_error() {
            tracing::warn!(%status, error = %exception, "request failed");
        }
        let body = error_body(exception, self.error_trace);
        let body = match &self.filter {
            Some(filter) => filter.apply(body),
            None => body,
        };
        self.refusal(status, &body)
    }

    /// Filters and indents a serialized value where asked; otherwise leaves its bytes alone.
    fn reshape(&self, bytes: Vec<u8>) -> Vec<u8> {
        if self.filter.is_none() && !self.pretty {
            return bytes;
        }
        let Ok(value) = serde_json::from_slice::<Value>(&bytes) else {
            return bytes;
        };
        let value = match &self.filter {
            Some(filter) => filter.apply(value),
            None => value,
        };
        self.json_bytes(&value)
    }

    fn json_bytes(&self, value: &Value) -> Vec<u8> {
        if !self.pretty {
            return value.to_string().into_bytes();
        }
        let mut text = format!("{value:#}");
        text.push('\n');
        text.into_bytes()
    }

    fn finish(&self, status: StatusCode, content_type: Option<&'static str>, body: Vec<u8>) -> Response {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(PRODUCT, HeaderValue::from_static("Elasticsearch"));
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Some(id) = &self.opaque_id {
            headers.insert(OPAQUE_ID, id.clone());
        }
        response
    }
}

/// Source: code 299, who warns, and the text in quotes (RFC 7234), as Elasticsearch does.
fn warning_header(text: &str) -> Option<HeaderValue> {
    let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
    let value = format!("299 ccr-{} \"{quoted}\"", env!("CARGO_PKG_VERSION"));
    HeaderValue::from_str(&value).ok()
}
