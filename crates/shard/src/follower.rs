//! Taking over finished frames from a leader.

use std::sync::atomic::Ordering;

use oplog::{AppendError, AppendTicket, Durability, Frame, OperationKind, SeqNo};

use crate::tail::TailOperation;
use crate::view::next_of;
use crate::{Shard, ShardError, ShardRole};

impl Shard {
    /// Appends frames of the leader's history, in order. Operations that are held already are skipped; `None` if all of them are.
    ///
    /// The frames were verified when they were made; versions are not looked up, a frame says what it supersedes. The ticket means written, not
    /// durable: a follower only ever claims what [`durable_checkpoint`](oplog::Log::durable_checkpoint) says.
    ///
    /// # Errors
    /// [`ShardError::Gap`] when the frames start above the next operation, [`ShardError::NotAFollower`] on a primary,
    /// [`ShardError::TailFull`] when the view does not keep up for long.
    pub fn append_frames(&self, mut frames: Vec<Frame>) -> Result<Option<AppendTicket>, ShardError> {
        let _writer = self.writer.lock();
        self.check_open()?;
        if self.role() != ShardRole::Follower {
            return Err(ShardError::NotAFollower);
        }
        let expected = next_of(self.log.max_seq_no());
        frames.retain(|frame| frame.seq_no().get() >= expected);
        let Some(first) = frames.first() else {
            return Ok(None);
        };
        if first.seq_no().get() != expected {
            return Err(ShardError::Gap {
                expected: SeqNo::new(expected),
                got: first.seq_no(),
            });
        }
        self.wait_for_room()?;
        let operations: Vec<TailOperation> = frames.iter().map(TailOperation::of).collect();
        let deletes = frames
            .iter()
            .filter(|frame| frame.kind() == OperationKind::Delete)
            .count();
        let total = frames.len();
        let ticket = match self.log.append(frames, Durability::Async) {
            Err(AppendError::NotContiguous { expected, got }) => {
                return Err(ShardError::Gap { expected, got });
            }
            appended => self.note(appended)?,
        };
        self.tail.insert(operations);
        self.counters.deleted.fetch_add(deletes as u64, Ordering::Relaxed);
        self.counters
            .indexed
            .fetch_add((total - deletes) as u64, Ordering::Relaxed);
        self.view.appended();
        Ok(Some(ticket))
    }
}
