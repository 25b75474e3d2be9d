//! The core of a follow task: all branching between its parts.

mod advance;
mod events;
mod heal;
mod invariants;
mod status;

use std::time::Duration;

use es_exception::Exception;
use oplog::SeqNo;

use crate::backoff::Backoff;
use crate::buffer::Buffer;
use crate::catch_up::CatchUp;
use crate::credit::Credit;
use crate::event::{Action, Event};
use crate::follower::Follower;
use crate::heal::Heal;
use crate::ids::{IdSource, ReadId};
use crate::lag::Lag;
use crate::lease::LeaseRenewal;
use crate::log::Work;
use crate::metadata::Metadata;
use crate::parameters::FollowParameters;
use crate::reads::Reads;
use crate::status::{FollowTaskIdentity, FollowTaskPhase};
use crate::time::Timestamp;
use crate::writes::Writes;

use status::Counters;

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
    /// Whether a delta heal gets over operations that the leader has removed (`ccr.auto_heal`); otherwise they end the task.
    pub auto_heal: bool,
}

/// How often the retention lease is renewed. Source: Elasticsearch's `index.ccr.retention_lease.renew_interval`.
pub const DEFAULT_RETENTION_LEASE_RENEW_INTERVAL: Duration = Duration::from_secs(30);

/// A shard follow task, without IO. See the crate documentation.
///
/// Nothing of it is persisted: a new task asks the follower where it stands and goes on from there.
#[derive(Debug)]
pub struct FollowTask {
    identity: FollowTaskIdentity,
    parameters: FollowParameters,
    backoff: Backoff,
    ids: IdSource,
    now: Timestamp,

    follower: Follower,
    metadata: Metadata,
    reads: Reads,
    buffer: Buffer,
    writes: Writes,
    lease: LeaseRenewal,
    credit: Credit,
    lag: Lag,
    catch_up: CatchUp,
    counters: Counters,
    auto_heal: bool,
    heal: Option<Heal>,

    leader_global_checkpoint: Option<SeqNo>,
    leader_max_seq_no: Option<SeqNo>,
    /// Everything before this was handed to the follower.
    dispatched: SeqNo,
    /// Newest mapping that an operation past the metadata gate was read under.
    needed_mapping_version: u64,

    fatal_exception: Option<Exception>,
    cancelled: bool,
    ignored_events: u64,
}

impl FollowTask {
    /// A task that begins with its first step.
    #[must_use]
    pub fn new(config: FollowTaskConfig) -> Self {
        let FollowTaskConfig {
            identity,
            parameters,
            seed,
            retention_lease_renew_interval,
            auto_heal,
        } = config;
        Self {
            identity,
            backoff: Backoff::new(seed, parameters.max_retry_delay()),
            parameters,
            ids: IdSource::default(),
            now: Timestamp::default(),
            follower: Follower::default(),
            metadata: Metadata::default(),
            reads: Reads::new(),
            buffer: Buffer::default(),
            writes: Writes::default(),
            lease: LeaseRenewal::new(retention_lease_renew_interval),
            credit: Credit::default(),
            lag: Lag::new(),
            catch_up: CatchUp::default(),
            counters: Counters::default(),
            auto_heal,
            heal: None,
            leader_global_checkpoint: None,
            leader_max_seq_no: None,
            dispatched: SeqNo::ZERO,
            needed_mapping_version: 0,
            fatal_exception: None,
            cancelled: false,
            ignored_events: 0,
        }
    }

    /// Takes note of `event` and appends what is to be done now to `actions`. A `now` before that of the last step counts as that one.
    ///
    /// # Panics
    /// With debug assertions on, when an invariant (FT-1 to FT-5) does not hold afterwards.
    pub fn step(&mut self, now: Timestamp, event: Event, actions: &mut Vec<Action>) {
        let now = now.max(self.now);
        self.now = now;
        self.handle(now, event, actions);
        if self.lag.is_answered() {
            self.catch_up
                .sample(now, self.follower.applied(), self.lag.known());
        }
        if self.is_running() {
            self.advance(now, actions);
        }
        let used = self.used_bytes();
        if self.is_running() {
            self.credit.settle(used, actions);
        } else {
            self.credit.stop(used, actions);
        }
        if cfg!(debug_assertions) {
            self.check_invariants();
        }
    }

    /// Earliest time at which [`Event::Wake`] is useful; extra wakes are harmless.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        if !self.is_running() {
            return None;
        }
        if !self.follower.is_known() {
            return self.follower.next_wake(Some(self.now));
        }
        let wakes = [
            self.follower.next_wake(self.writes.recovery_due()),
            self.metadata.next_wake(),
            self.reads.next_wake(self.now),
            self.lease.next_wake(),
            self.heal.as_ref().and_then(|heal| heal.next_wake(self.now)),
            self.credit.next_wake(self.now),
        ];
        wakes.into_iter().flatten().min()
    }

    /// Whether the task runs.
    #[must_use]
    pub fn phase(&self) -> FollowTaskPhase {
        if self.cancelled {
            FollowTaskPhase::Cancelled
        } else if self.fatal_exception.is_some() {
            FollowTaskPhase::Failed
        } else if self.heal.is_some() {
            FollowTaskPhase::Healing
        } else if self.follower.is_known() {
            FollowTaskPhase::Following
        } else {
            FollowTaskPhase::Starting
        }
    }

    /// Why the task stopped for good, if it did.
    #[must_use]
    pub fn fatal_exception(&self) -> Option<&Exception> {
        self.fatal_exception.as_ref()
    }

    /// Whether further answers to the read `id` are waited for. When it is over, the leader is to be told, by dropping the read.
    #[must_use]
    pub fn is_open(&self, id: ReadId) -> bool {
        self.reads.is_under_way(id)
    }

    /// The identity that the task was made with.
    pub(crate) fn identity(&self) -> &FollowTaskIdentity {
        &self.identity
    }

    /// What is tried again after a failure, and why it failed; the first in the order in which a task needs them.
    pub(crate) fn retried(&self) -> Option<(Work, &Exception)> {
        let failures = [
            (Work::FollowerState, self.follower.last_failure()),
            (Work::MetadataSync, self.metadata.last_failure()),
            (Work::Read, self.reads.last_failure()),
            (Work::Heal, self.heal.as_ref().and_then(Heal::last_failure)),
            (Work::Write, self.writes.last_failure()),
            (Work::RetentionLease, self.lease.last_failure()),
        ];
        failures
            .into_iter()
            .find_map(|(work, failure)| failure.map(|exception| (work, exception)))
    }

    /// Completions that came for work the task did not wait for.
    #[must_use]
    pub fn ignored_events(&self) -> u64 {
        self.ignored_events
    }

    /// Estimated bytes of operations that the task holds, and of the answers it has set memory aside for (FT-2).
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        let healing = self.heal.as_ref().map_or(0, Heal::used_bytes);
        self.reads.bytes() + self.buffer.bytes() + self.writes.bytes() + healing
    }

    /// Switches delta heals on or off for the failures to come. One under way goes on.
    pub(crate) fn set_auto_heal(&mut self, auto_heal: bool) {
        self.auto_heal = auto_heal;
    }

    fn is_running(&self) -> bool {
        !self.cancelled && self.fatal_exception.is_none()
    }
}
