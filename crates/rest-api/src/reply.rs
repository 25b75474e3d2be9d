//! The answer of a handler, before it is written the way the client asked.

use es_exception::{Exception, ExceptionKind};
use http::StatusCode;
use serde::Serialize;

/// What the body of an answer is.
#[derive(Debug)]
pub(crate) enum Payload {
    /// A serialized JSON value.
    Json(Vec<u8>),
    /// Plain text.
    Text(String),
    /// No body at all.
    Empty,
}

/// Status and body of an answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) payload: Payload,
    /// The value of a `Location` header, which names a document that was created.
    pub(crate) location: Option<String>,
    /// What a `Warning` header tells the caller of something that was done all the same.
    pub(crate) warning: Option<String>,
}

impl Reply {
    /// A JSON answer with status 200.
    ///
    /// # Errors
    /// `exception` when the value cannot be written as JSON.
    pub(crate) fn ok(value: &impl Serialize) -> Result<Self, Exception> {
        Self::json(StatusCode::OK, value)
    }

    /// A JSON answer.
    ///
    /// # Errors
    /// `exception` when the value cannot be written as JSON.
    pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Result<Self, Exception> {
        let body = serde_json::to_vec(value).map_err(|error| {
            Exception::new(
                ExceptionKind::Exception,
                format!("cannot write the answer: {error}"),
            )
        })?;
        Ok(Self {
            status,
            payload: Payload::Json(body),
            location: None,
            warning: None,
        })
    }

    /// Plain text with status 200.
    pub(crate) fn text(text: String) -> Self {
        Self {
            status: StatusCode::OK,
            payload: Payload::Text(text),
            location: None,
            warning: None,
        }
    }

    /// Bytes that hold a JSON value already, with status 200.
    pub(crate) fn raw_json(body: Vec<u8>) -> Self {
        Self {
            status: StatusCode::OK,
            payload: Payload::Json(body),
            location: None,
            warning: None,
        }
    }

    /// 200 when the thing asked for by `HEAD` exists, 404 when not; no body.
    pub(crate) fn exists(exists: bool) -> Self {
        let status = if exists {
            StatusCode::OK
        } else {
            StatusCode::NOT_FOUND
        };
        Self {
            status,
            payload: Payload::Empty,
            location: None,
            warning: None,
        }
    }
}

/// The HTTP status of an exception.
pub(crate) fn status_of(exception: &Exception) -> StatusCode {
    StatusCode::from_u16(exception.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
