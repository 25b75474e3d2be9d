//! What can go wrong here apart from what the other side reports.

use std::net::SocketAddr;

use es_exception::{Exception, ExceptionKind};

/// A message from the wire that does not say what it must.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[{message}] has an invalid [{field}]: {problem}")]
pub struct InvalidMessage {
    /// The message, as `proto/` names it.
    pub message: &'static str,
    /// The field, as `proto/` names it.
    pub field: &'static str,
    /// What is wrong with the value.
    pub problem: String,
}

impl InvalidMessage {
    pub(crate) fn new(message: &'static str, field: &'static str, problem: impl ToString) -> Self {
        Self {
            message,
            field,
            problem: problem.to_string(),
        }
    }
}

impl From<&InvalidMessage> for Exception {
    fn from(error: &InvalidMessage) -> Self {
        Self::illegal_argument(error.to_string())
    }
}

/// A transport server that could not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The address cannot be listened on.
    #[error("cannot listen on transport address [{address}]: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The server stopped by itself.
    #[error("the transport server on [{address}] failed: {source}")]
    Serve {
        /// The address it listened on.
        address: SocketAddr,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
}

impl TransportError {
    /// Whether trying again can help. A taken address may become free.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Bind { .. })
    }
}

impl From<&TransportError> for Exception {
    fn from(error: &TransportError) -> Self {
        Self::new(ExceptionKind::IllegalState, error.to_string())
    }
}
