//! The core of a follow task.

use std::time::Duration;

use crate::event::{Action, Event};
use crate::parameters::FollowParameters;
use crate::status::{FollowTaskIdentity, FollowTaskPhase, ShardFollowTaskStatus};
use crate::time::Timestamp;

/// What a task is made from.
#[derive(Debug, Clone)]
pub struct FollowTaskConfig {
    /// Whom the task follows; shown in its status.
    pub identity: FollowTaskIdentity,
    /// Limits and pauses; fixed for the life of the task.
    pub parameters: FollowParameters,
    /// Seeds the jitter of pauses. Different shards should have different seeds.
    pub seed: u64,
    /// Pause between two renewals of the retention lease; [`DEFAULT_RETENTION_LEASE_RENEW_INTERVAL`] unless a test wants another.
    pub retention_lease_renew_interval: Duration,
}

/// How often the retention lease is renewed. Source: Elasticsearch's `index.ccr.retention_lease.renew_interval`.
pub const DEFAULT_RETENTION_LEASE_RENEW_INTERVAL: Duration = Duration::from_secs(30);

/// A shard follow task, without IO. See the crate documentation.
#[derive(Debug)]
pub struct FollowTask {
    config: FollowTaskConfig,
}

impl FollowTask {
    /// A task that begins with its first step.
    #[must_use]
    pub fn new(config: FollowTaskConfig) -> Self {
        Self { config }
    }

    /// Takes note of `event` and appends what is to be done now to `actions`.
    pub fn step(&mut self, now: Timestamp, event: Event, actions: &mut Vec<Action>) {
        let _ = (now, event, actions, &self.config);
        unimplemented!()
    }

    /// Earliest time at which [`Event::Wake`] is useful; extra wakes are harmless.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        unimplemented!()
    }

    /// What the task shows of itself at `now`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> ShardFollowTaskStatus {
        let _ = now;
        unimplemented!()
    }

    /// Whether the task runs.
    #[must_use]
    pub fn phase(&self) -> FollowTaskPhase {
        unimplemented!()
    }
}
