//! Waiting for what was appended.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use event_listener::Listener as _;

use crate::shared::Shared;
use crate::{Durability, LogError, SeqNo};

/// What has to happen before a waiter goes on.
#[derive(Debug, Clone, Copy)]
enum Goal {
    Written(u64),
    Durable(u64),
}

/// A wait for one log.
#[derive(Debug)]
struct Wait {
    shared: Arc<Shared>,
    goal: Goal,
}

impl Wait {
    /// `None`: not yet. What was reached stays reached, even when the log failed or was closed afterwards.
    fn poll(&self) -> Option<Result<(), LogError>> {
        let reached = match self.goal {
            Goal::Written(plus_one) => self.shared.written.load(Ordering::Acquire) >= plus_one,
            Goal::Durable(plus_one) => self.shared.durable.load(Ordering::Acquire) >= plus_one,
        };
        if reached {
            return Some(Ok(()));
        }
        self.shared.state.lock().check_usable().err().map(Err)
    }

    fn blocking(&self) -> Result<(), LogError> {
        loop {
            if let Some(result) = self.poll() {
                return result;
            }
            self.shared.committer.help_if_manual();
            let listener = self.shared.progress.listen();
            if let Some(result) = self.poll() {
                return result;
            }
            listener.wait();
        }
    }

    async fn wait(&self) -> Result<(), LogError> {
        loop {
            if let Some(result) = self.poll() {
                return result;
            }
            self.shared.committer.help_if_manual();
            let listener = self.shared.progress.listen();
            if let Some(result) = self.poll() {
                return result;
            }
            listener.await;
        }
    }
}

/// The right to be told when appended operations are as durable as was asked for.
///
/// Dropping it does not take the operations back.
#[derive(Debug)]
#[must_use = "the operations are not durable before the ticket says so"]
pub struct AppendTicket {
    first: SeqNo,
    last: SeqNo,
    wait: Wait,
}

impl AppendTicket {
    pub(crate) fn new(shared: Arc<Shared>, first: SeqNo, last: SeqNo, durability: Durability) -> Self {
        let plus_one = SeqNo::to_plus_one(Some(last));
        let goal = match durability {
            Durability::Request => Goal::Durable(plus_one),
            Durability::Async => Goal::Written(plus_one),
        };
        Self {
            first,
            last,
            wait: Wait { shared, goal },
        }
    }

    /// The first operation of the append.
    pub const fn first(&self) -> SeqNo {
        self.first
    }

    /// The last operation of the append.
    pub const fn last(&self) -> SeqNo {
        self.last
    }

    /// Blocks until the operations are fsynced ([`Durability::Request`]) or written ([`Durability::Async`]).
    ///
    /// # Errors
    /// [`LogError::Poisoned`] or [`LogError::Closed`] when that will not happen; whether they survive is not known then.
    pub fn wait(self) -> Result<(), LogError> {
        self.wait.blocking()
    }

    /// As [`Self::wait`], for async callers. Cancel safe: the append goes on.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub async fn durable(self) -> Result<(), LogError> {
        self.wait.wait().await
    }
}

/// The right to be told when everything that was in the log at the call of [`crate::Log::sync`] is durable.
#[derive(Debug)]
#[must_use = "nothing is known to be durable before the ticket says so"]
pub struct SyncTicket {
    up_to: Option<SeqNo>,
    wait: Wait,
}

impl SyncTicket {
    pub(crate) fn new(shared: Arc<Shared>, up_to: Option<SeqNo>) -> Self {
        Self {
            up_to,
            wait: Wait {
                shared,
                goal: Goal::Durable(SeqNo::to_plus_one(up_to)),
            },
        }
    }

    /// The last operation that the sync covers; `None` when the log was empty.
    pub const fn up_to(&self) -> Option<SeqNo> {
        self.up_to
    }

    /// Blocks until the operations are fsynced.
    ///
    /// # Errors
    /// [`LogError::Poisoned`] or [`LogError::Closed`] when that will not happen.
    pub fn wait(self) -> Result<(), LogError> {
        self.wait.blocking()
    }

    /// As [`Self::wait`], for async callers. Cancel safe: the sync goes on.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub async fn durable(self) -> Result<(), LogError> {
        self.wait.wait().await
    }
}

/// Waits until `at_least` is durable, whoever appends it and whenever.
pub(crate) async fn wait_durable(shared: Arc<Shared>, at_least: SeqNo) -> Result<SeqNo, LogError> {
    let wait = Wait {
        shared,
        goal: Goal::Durable(SeqNo::to_plus_one(Some(at_least))),
    };
    wait.wait().await?;
    Ok(wait.shared.durable_checkpoint().unwrap_or(at_least))
}
