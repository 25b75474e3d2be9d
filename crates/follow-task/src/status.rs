//! What a task shows of itself.

use std::time::Duration;

use es_exception::Exception;
use oplog::{SeqNo, ShardNumber};

use crate::event::MetadataKind;

/// Whom a task follows, and as whom. Fixed for the life of the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowTaskIdentity {
    /// Alias under which this cluster knows the leader's cluster.
    pub remote_cluster: String,
    /// Name of the leader index.
    pub leader_index: String,
    /// Name of the follower index.
    pub follower_index: String,
    /// The shard's number, the same in both indices.
    pub shard_id: ShardNumber,
}

/// A read that keeps failing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadException {
    /// The first operation that the read asks for.
    pub from_seq_no: SeqNo,
    /// How often it was tried again so far.
    pub retries: u32,
    /// Why the last attempt failed.
    pub exception: Exception,
}

/// A sync of metadata that keeps failing. What needs it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataException {
    /// What is synced.
    pub kind: MetadataKind,
    /// How often it was tried in vain so far.
    pub retries: u32,
    /// Why the last attempt failed.
    pub exception: Exception,
}

/// How a task ends, or that it has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FollowTaskPhase {
    /// The follower's state is not known yet.
    Starting,
    /// Reading and writing.
    Following,
    /// Getting over operations that the leader has removed; see [`ShardFollowTaskStatus::heal`].
    Healing,
    /// Stopped by a failure that no retry can mend; see [`ShardFollowTaskStatus::fatal_exception`].
    Failed,
    /// Stopped on request.
    Cancelled,
}

/// How far a delta heal has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HealStage {
    /// Batches under way end first.
    WaitingForWrites,
    /// Fetching and staging what the leader still holds.
    ReadingOperations,
    /// Fetching what is live on the leader.
    ReadingLiveSet,
    /// The copy becomes equal to the leader's.
    Installing,
}

/// A delta heal under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealStatus {
    /// How far it has come.
    pub stage: HealStage,
    /// The first operation that the follower lacks.
    pub from_seq_no: SeqNo,
    /// What the leader holds before this operation is staged.
    pub next_seq_no: SeqNo,
    /// The last operation that the heal is to reach, as far as it is known; rises while the leader is written to, until its live set was read.
    pub to_seq_no: Option<SeqNo>,
    /// Operations received.
    pub operations: u64,
    /// Estimated bytes of the operations received.
    pub bytes: u64,
    /// Attempts at its pieces of work that failed.
    pub failures: u64,
    /// Why the last attempt failed; `None` after a success.
    pub exception: Option<Exception>,
}

/// Everything that follow stats show of one shard.
///
/// Source: elasticsearch-specification, `ccr/_types/FollowIndexStats.ts` (`ShardStats`), plus what comes after `fatal_exception`, which is ours.
/// Where Elasticsearch prints -1 there is `None` here. Kept in memory only: a restarted task counts from zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardFollowTaskStatus {
    /// Whom the task follows.
    pub identity: FollowTaskIdentity,
    /// Whether the task runs.
    pub phase: FollowTaskPhase,
    /// Highest global checkpoint that any of the leader's answers carried; at the start the follower's own.
    pub leader_global_checkpoint: Option<SeqNo>,
    /// Highest max_seq_no that any of the leader's answers carried; at the start the follower's own.
    pub leader_max_seq_no: Option<SeqNo>,
    /// Everything up to here is durable on the follower.
    pub follower_global_checkpoint: Option<SeqNo>,
    /// Everything up to here is applied on the follower.
    pub follower_max_seq_no: Option<SeqNo>,
    /// Last operation of the ranges asked for so far; polls at the end do not count.
    pub last_requested_seq_no: Option<SeqNo>,
    /// Reads that are not handled to the end: waiting for the leader, for metadata or for another try.
    pub outstanding_read_requests: u32,
    /// Batches that are not acknowledged by the follower.
    pub outstanding_write_requests: u32,
    /// Operations received and not yet handed to the follower.
    pub write_buffer_operation_count: u64,
    /// Estimated bytes of these operations.
    pub write_buffer_size_in_bytes: u64,
    /// The leader's mapping version that is applied here.
    pub follower_mapping_version: u64,
    /// The leader's settings version that is applied here.
    pub follower_settings_version: u64,
    /// The leader's aliases version that is applied here.
    pub follower_aliases_version: u64,
    /// Time spent on reads that brought operations or failed.
    pub total_read_time: Duration,
    /// The leader's share of the time of reads that brought operations.
    pub total_read_remote_exec_time: Duration,
    /// Reads that brought operations.
    pub successful_read_requests: u64,
    /// Attempts to read that failed.
    pub failed_read_requests: u64,
    /// Operations received.
    pub operations_read: u64,
    /// Estimated bytes of the operations received.
    pub bytes_read: u64,
    /// Time spent on attempts to write.
    pub total_write_time: Duration,
    /// Batches acknowledged.
    pub successful_write_requests: u64,
    /// Attempts to write that failed.
    pub failed_write_requests: u64,
    /// Operations in the batches acknowledged.
    pub operations_written: u64,
    /// Reads that keep failing, by the first operation asked for.
    pub read_exceptions: Vec<ReadException>,
    /// Time since a read was last sent; `None` before the first.
    pub time_since_last_read: Option<Duration>,
    /// Why the task stopped for good. Set once, kept until the task is gone.
    pub fatal_exception: Option<Exception>,
    /// Age, on the leader's clock, of the oldest operation that is known on the leader and not applied here; 0 when in sync.
    ///
    /// Never too small: where the operation was not received yet, its age is counted from the last moment at which it cannot have existed. While
    /// reads fail, nobody knows what the leader holds, so the lag grows from the leader's last answer.
    pub follower_to_leader_lag_millis: u64,
    /// Why the last renewal of the retention lease failed; `None` after a success. Renewals go on.
    pub retention_lease_exception: Option<Exception>,
    /// The sync of metadata that keeps failing; `None` after a success.
    pub metadata_exception: Option<MetadataException>,
    /// Operations known on the leader and not applied here.
    pub follower_to_leader_lagging_ops_count: u64,
    /// The delta heal under way.
    pub heal: Option<HealStatus>,
    /// Delta heals completed.
    pub successful_heals: u64,
    /// Time until the follower has caught up, if both sides go on as in the last seconds; 0 when it is in sync.
    ///
    /// `None` while it falls behind or stands still, and while nobody knows: before the first second after the leader's first answer, while
    /// reads fail or a heal is under way, and of a task that does not run.
    pub estimated_catch_up: Option<Duration>,
    /// Time since the last renewal that succeeded was sent; `None` before the first. See [`retention_lease_left`](Self::retention_lease_left).
    pub time_since_retention_lease_renewal: Option<Duration>,
}

impl ShardFollowTaskStatus {
    /// For how long the leader keeps what the follower has yet to read, should no renewal of the lease succeed any more. `period` is the
    /// leader's `index.soft_deletes.retention_lease.period`.
    ///
    /// Never too large: counted from when the renewal was sent, and not from when the leader noted it. `None` before this task's first renewal.
    #[must_use]
    pub fn retention_lease_left(&self, period: Duration) -> Option<Duration> {
        let since = self.time_since_retention_lease_renewal?;
        Some(period.saturating_sub(since))
    }
}
