//! What a task shows of itself.

use std::time::Duration;

use oplog::Frame;

use super::FollowTask;
use crate::cursor::before;
use crate::event::MetadataKind;
use crate::status::ShardFollowTaskStatus;
use crate::time::Timestamp;

/// Numbers for the status that no decision depends on.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) read_time: Duration,
    pub(super) read_remote_exec_time: Duration,
    pub(super) successful_reads: u64,
    pub(super) failed_reads: u64,
    pub(super) operations_read: u64,
    pub(super) bytes_read: u64,
    pub(super) write_time: Duration,
    pub(super) successful_writes: u64,
    pub(super) failed_writes: u64,
    pub(super) operations_written: u64,
    pub(super) successful_heals: u64,
    pub(super) last_read_at: Option<Timestamp>,
}

impl FollowTask {
    /// What the task shows of itself at `now`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> ShardFollowTaskStatus {
        let now = now.max(self.now);
        let counters = &self.counters;
        let applied = self.follower.applied();
        ShardFollowTaskStatus {
            identity: self.identity.clone(),
            phase: self.phase(),
            leader_global_checkpoint: self.leader_global_checkpoint,
            leader_max_seq_no: self.leader_max_seq_no,
            follower_global_checkpoint: self.follower.global_checkpoint,
            follower_max_seq_no: self.follower.max_seq_no,
            last_requested_seq_no: before(self.reads.requested()),
            outstanding_read_requests: self.reads.outstanding(),
            outstanding_write_requests: self.writes.outstanding(),
            write_buffer_operation_count: self.buffer.operations(),
            write_buffer_size_in_bytes: self.buffer.bytes(),
            follower_mapping_version: self.metadata.held(MetadataKind::Mapping),
            follower_settings_version: self.metadata.held(MetadataKind::Settings),
            follower_aliases_version: self.metadata.held(MetadataKind::Aliases),
            total_read_time: counters.read_time,
            total_read_remote_exec_time: counters.read_remote_exec_time,
            successful_read_requests: counters.successful_reads,
            failed_read_requests: counters.failed_reads,
            operations_read: counters.operations_read,
            bytes_read: counters.bytes_read,
            total_write_time: counters.write_time,
            successful_write_requests: counters.successful_writes,
            failed_write_requests: counters.failed_writes,
            operations_written: counters.operations_written,
            read_exceptions: self.reads.exceptions(),
            time_since_last_read: counters.last_read_at.map(|at| now.since(at)),
            fatal_exception: self.fatal_exception.clone(),
            retention_lease_exception: self.lease.last_failure().cloned(),
            metadata_exception: self.metadata.exception(),
            follower_to_leader_lag_millis: self.lag_millis(now),
            follower_to_leader_lagging_ops_count: self.lag.known().get().saturating_sub(applied.get()),
            heal: self
                .heal
                .as_ref()
                .map(|heal| heal.status(applied, self.writes_are_out())),
            successful_heals: counters.successful_heals,
            estimated_catch_up: self.estimated_catch_up(now),
            time_since_retention_lease_renewal: self.lease.renewed_at().map(|at| now.since(at)),
        }
    }

    fn lag_millis(&self, now: Timestamp) -> u64 {
        let applied = self.follower.applied();
        let buffered = || self.buffer.first().filter(|frame| frame.seq_no() == applied);
        let oldest = self.writes.frame(applied).or_else(buffered).map(Frame::timestamp);
        self.lag.millis(
            now,
            applied,
            oldest,
            self.is_running() && self.is_out_of_contact(),
        )
    }

    /// Whether the leader has stopped answering: it may hold anything by now.
    fn is_out_of_contact(&self) -> bool {
        let heal_fails = self
            .heal
            .as_ref()
            .is_some_and(|heal| heal.last_failure().is_some());
        self.reads.is_failing() || heal_fails
    }

    /// What a heal brings is applied at once at its end, so until then nothing tells how fast it is.
    fn estimated_catch_up(&self, now: Timestamp) -> Option<Duration> {
        // The first poll of an idle leader may take its whole timeout; that metadata was synced tells of contact too.
        let was_answered = self.lag.is_answered() || self.metadata.is_initialised();
        let in_contact = self.is_running() && was_answered && !self.is_out_of_contact();
        if !in_contact || self.heal.is_some() {
            return None;
        }
        self.catch_up
            .estimate(now, self.follower.applied(), self.lag.known())
    }
}
