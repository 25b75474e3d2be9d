//! What a shard does when it has nothing else to do: gives up history that nobody needs, and makes its files small.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use oplog::{ByteCount, CompactionContext, CompactionGoal, CompactionReport, RetentionBound, SeqNo};

use crate::view::{MergeGoal, next_of};
use crate::{Shard, ShardError};

/// How long a compaction waits for searches that still see dead documents.
#[cfg(not(test))]
const READERS_WAIT: Duration = Duration::from_secs(5);
#[cfg(test)]
const READERS_WAIT: Duration = Duration::from_millis(200);
const READERS_STEP: Duration = Duration::from_millis(10);

/// Slows background work down.
pub trait Throttle {
    /// Called before each piece of work on about so many bytes of files: waits as long as the work should be slowed down. False ends the work early.
    fn throttle(&self, bytes: ByteCount) -> bool;
}

/// Work at full speed, to its end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unthrottled;

impl Throttle for Unthrottled {
    fn throttle(&self, _bytes: ByteCount) -> bool {
        true
    }
}

/// What a forced merge is to reach.
///
/// Source: Elasticsearch, `POST /{index}/_forcemerge`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ForceMergeRequest {
    /// At most so many segments of the search view, without dead documents; `None`: what the merge policy wants anyway. At least 1.
    pub max_num_segments: Option<usize>,
    /// Only rewrite segments with deleted documents.
    pub only_expunge_deletes: bool,
}

struct Compactor<'a> {
    shard: &'a Shard,
    throttle: &'a dyn Throttle,
}

impl CompactionContext for Compactor<'_> {
    /// The view commits up to `seq_no`, and searches that began before are over.
    fn wait_until_passed(&self, seq_no: SeqNo) -> bool {
        let shard = self.shard;
        if shard.view.refresh_to(next_of(Some(seq_no))).wait().is_err() {
            return false;
        }
        let mut waited = Duration::ZERO;
        while shard.passed_by_all() < Some(seq_no) {
            // A scroll or a point in time lives for minutes: what it shows is kept until then, and nobody waits for it.
            let is_held = shard.view.is_held_before(seq_no.get());
            if is_held || waited >= READERS_WAIT || shard.check_open().is_err() {
                return false;
            }
            thread::sleep(READERS_STEP);
            waited += READERS_STEP;
        }
        true
    }

    fn throttle(&self, bytes: ByteCount) -> bool {
        self.shard.check_open().is_ok() && self.throttle.throttle(bytes)
    }
}

impl Shard {
    /// The last operation that every copy holds durably and every reader has passed.
    fn passed_by_all(&self) -> Option<SeqNo> {
        let seen = self.view.oldest_next_in_use().checked_sub(1).map(SeqNo::new);
        self.log.durable_checkpoint().min(seen)
    }

    /// Lets the minimum retained seq_no go up as far as leases, `index.soft_deletes.retention.operations` and the view's last commit allow.
    pub fn advance_min_retained(&self) -> SeqNo {
        self.log.advance_min_retained(RetentionBound {
            global_checkpoint: self.log.durable_checkpoint(),
            retention_operations: self.settings().soft_deletes_retention_operations(),
            safe_commit: self.refreshed_seq_no(),
        })
    }

    /// The regular round of background work: raises the minimum retained seq_no, and compacts the log if it is due. Blocks.
    ///
    /// # Errors
    /// [`ShardError::Closed`], [`ShardError::Compaction`]; the shard goes on as before.
    pub fn maintain(&self, throttle: &dyn Throttle) -> Result<CompactionReport, ShardError> {
        self.check_open()?;
        self.advance_min_retained();
        if !self.note(self.log.is_compaction_due())? {
            return Ok(CompactionReport::default());
        }
        let context = Compactor {
            shard: self,
            throttle,
        };
        self.note(self.log.compact(CompactionGoal::Due, &context))
    }

    /// Removes from the log all that may go, and merges the view's segments. Blocks; everything else goes on.
    ///
    /// # Errors
    /// [`ShardError::Closed`], [`ShardError::Compaction`], [`ShardError::View`]; the shard goes on as before.
    pub fn force_merge(
        &self,
        request: ForceMergeRequest,
        throttle: &dyn Throttle,
    ) -> Result<CompactionReport, ShardError> {
        self.check_open()?;
        self.refresh().wait()?;
        self.counters.merges_current.fetch_add(1, Ordering::Relaxed);
        let merged = self.merge_and_compact(request, throttle);
        self.counters.merges_current.fetch_sub(1, Ordering::Relaxed);
        self.counters.merges_total.fetch_add(1, Ordering::Relaxed);
        merged
    }

    fn merge_and_compact(
        &self,
        request: ForceMergeRequest,
        throttle: &dyn Throttle,
    ) -> Result<CompactionReport, ShardError> {
        let merged = if request.only_expunge_deletes {
            self.view.merge(MergeGoal::ExpungeDeletes)
        } else if let Some(most) = request.max_num_segments {
            self.view.merge(MergeGoal::MaxSegments(most))
        } else {
            Ok(())
        };
        self.advance_min_retained();
        let context = Compactor {
            shard: self,
            throttle,
        };
        // Whatever became of the view's part, the log's does not depend on it.
        let compacted = self.note(self.log.compact(CompactionGoal::All, &context));
        merged.and(compacted)
    }
}
