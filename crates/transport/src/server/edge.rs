//! Between the generated services and those that a leader implements.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::wire::exception_to_status;
use crate::{InvalidMessage, LeaderServices};

/// Implements the generated services by a leader's.
#[derive(Clone)]
pub(super) struct Edge {
    pub(super) services: Arc<dyn LeaderServices>,
    stop: CancellationToken,
}

impl fmt::Debug for Edge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Edge")
            .field("stop", &self.stop)
            .finish_non_exhaustive()
    }
}

impl Edge {
    pub(super) fn new(services: Arc<dyn LeaderServices>) -> Self {
        Self {
            services,
            stop: CancellationToken::new(),
        }
    }

    pub(super) fn stopping_with(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    /// Runs a call to its end. A panic fails that call alone.
    pub(super) async fn run<T>(&self, call: impl Future<Output = Result<T, Exception>>) -> Result<T, Status> {
        let answer = AssertUnwindSafe(call)
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| Err(panicked(&*panic)));
        answer.map_err(|exception| exception_to_status(&exception))
    }

    /// Runs a call that may wait for something to happen: it ends when the server stops.
    pub(super) async fn run_waiting<T>(
        &self,
        call: impl Future<Output = Result<T, Exception>>,
    ) -> Result<T, Status> {
        tokio::select! {
            biased;
            answer = self.run(call) => answer,
            () = self.stop.cancelled() => {
                Err(exception_to_status(&Exception::new(ExceptionKind::NodeClosed, "the node is shutting down")))
            }
        }
    }
}

/// The refusal of a request that does not say what it must.
pub(super) fn refused(error: &InvalidMessage) -> Status {
    exception_to_status(&Exception::from(error))
}

pub(super) fn panicked(panic: &(dyn Any + Send)) -> Exception {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(message, "a transport call panicked");
    Exception::new(
        ExceptionKind::Exception,
        format!("the call panicked on this node: {message}"),
    )
}
