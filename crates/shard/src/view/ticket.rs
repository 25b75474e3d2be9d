//! Waiting for a view to become searchable up to an operation.

use std::sync::Arc;
use std::time::Duration;

use super::core::ViewCore;
use crate::ShardError;

/// How long one wait lasts before the state is looked at again; wakes come earlier.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Done once every operation up to a certain one can be found by a search.
#[derive(Debug)]
#[must_use]
pub struct RefreshTicket {
    view: Arc<ViewCore>,
    next: u64,
    failures: u64,
}

impl RefreshTicket {
    /// Done when all operations below `next` are searchable.
    pub(super) fn new(view: Arc<ViewCore>, next: u64) -> Self {
        let failures = view.failures();
        Self { view, next, failures }
    }

    /// Whether it is done already.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.view.published().next >= self.next
    }

    fn poll(&self) -> Option<Result<(), ShardError>> {
        if self.is_done() {
            return Some(Ok(()));
        }
        if self.view.is_closed() {
            return Some(Err(ShardError::Closed));
        }
        if let Err(failed) = self.view.health().check() {
            return Some(Err(failed));
        }
        (self.view.failures() != self.failures).then(|| {
            Err(ShardError::View {
                reason: self.view.last_failure(),
            })
        })
    }

    /// Blocks until it is done.
    ///
    /// # Errors
    /// [`ShardError::Closed`] when the shard closes first, [`ShardError::Failed`] when it fails, [`ShardError::View`] when the view fails.
    pub fn wait(self) -> Result<(), ShardError> {
        use event_listener::Listener as _;
        loop {
            let listener = self.view.listen();
            if let Some(result) = self.poll() {
                return result;
            }
            listener.wait_timeout(LOOK_AGAIN);
        }
    }

    /// Waits until it is done. Cancel safe: dropping the future changes nothing.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub async fn done(self) -> Result<(), ShardError> {
        loop {
            let listener = self.view.listen();
            if let Some(result) = self.poll() {
                return result;
            }
            listener.await;
        }
    }
}
