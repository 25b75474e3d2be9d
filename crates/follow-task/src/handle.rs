//! The outside's hold on a running task.

use std::fmt;
use std::sync::Arc;

use oplog::Clock;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::status::{FollowTaskPhase, ShardFollowTaskStatus};
use crate::task::FollowTask;
use crate::time::Timestamp;

/// Watches and stops a running follow task. Dropping all handles does not stop it.
#[derive(Clone)]
pub struct FollowTaskHandle {
    core: Arc<Mutex<FollowTask>>,
    clock: Arc<dyn Clock>,
    token: CancellationToken,
    ended: CancellationToken,
    phase: watch::Receiver<FollowTaskPhase>,
}

impl FollowTaskHandle {
    pub(crate) fn new(
        core: Arc<Mutex<FollowTask>>,
        clock: Arc<dyn Clock>,
        token: CancellationToken,
        ended: CancellationToken,
        phase: watch::Receiver<FollowTaskPhase>,
    ) -> Self {
        Self {
            core,
            clock,
            token,
            ended,
            phase,
        }
    }

    /// What the task shows of itself now.
    #[must_use]
    pub fn status(&self) -> ShardFollowTaskStatus {
        let now = Timestamp::new(self.clock.monotonic());
        self.core.lock().status(now)
    }

    /// Whether the task runs.
    #[must_use]
    pub fn phase(&self) -> FollowTaskPhase {
        *self.phase.borrow()
    }

    /// Switches delta heals on or off (`ccr.auto_heal`), for the failures to come. One under way goes on.
    pub fn set_auto_heal(&self, auto_heal: bool) {
        self.core.lock().set_auto_heal(auto_heal);
    }

    /// Asks the task to stop; [`wait`](Self::wait) tells when it has.
    pub fn cancel(&self) {
        self.token.cancel();
    }

    /// Whether the driver has ended and nothing of the task runs any more.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Waits until the driver has ended and nothing of the task runs any more. Cancel safe.
    ///
    /// A task with a fatal failure has not ended: it waits, visible, to be cancelled.
    pub async fn wait(&self) {
        self.ended.cancelled().await;
    }

    /// Waits until the task has failed for good or was cancelled, and tells which. Cancel safe.
    pub async fn stopped(&self) -> FollowTaskPhase {
        let stopped =
            |phase: &FollowTaskPhase| matches!(phase, FollowTaskPhase::Failed | FollowTaskPhase::Cancelled);
        let mut phase = self.phase.clone();
        // The sender is gone only after the driver; then the last phase stands.
        let last = phase.wait_for(stopped).await.map(|phase| *phase);
        last.unwrap_or_else(|_| self.phase())
    }
}

impl fmt::Debug for FollowTaskHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FollowTaskHandle")
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}
