//! Batches on their way to the follower, in seq_no order.

use std::collections::VecDeque;
use std::time::Duration;

use es_exception::Exception;
use oplog::{Frame, SeqNo};

use crate::buffer::TakenBatch;
use crate::cursor::{after, before, plus};
use crate::event::Action;
use crate::ids::{IdSource, WriteId};
use crate::time::Timestamp;

/// Batches handed to the follower and not acknowledged.
///
/// The follower takes batches strictly in order, so one failure makes those behind it fail as well. Then nothing new is sent: all batches under
/// way end first, the follower is asked where it stands, and what it lacks is sent again from the lowest batch on.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    batches: VecDeque<Batch>,
    recovery: Recovery,
    last_failure: Option<Exception>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Recovery {
    /// Every batch is under way.
    #[default]
    NotNeeded,
    /// The follower is to be asked once nothing is under way, and not before this time.
    NotBefore(Timestamp),
}

/// One batch, kept until the follower has it.
#[derive(Debug)]
pub(crate) struct Batch {
    id: WriteId,
    first: SeqNo,
    end: SeqNo,
    frames: Vec<Frame>,
    bytes: u64,
    sent_at: Timestamp,
    under_way: bool,
    failures: u32,
}

impl Batch {
    /// The first operation that is not part of it.
    pub(crate) fn end(&self) -> SeqNo {
        self.end
    }

    pub(crate) fn operations(&self) -> u64 {
        self.end.get() - self.first.get()
    }

    pub(crate) fn last_frame(&self) -> Option<&Frame> {
        self.frames.last()
    }
}

/// What the follower's answer means for the batches.
#[derive(Debug)]
pub(crate) struct Reconciled {
    /// The batches that it has after all.
    pub(crate) had: Vec<Batch>,
    /// It lost operations that it had acknowledged. The other batches are dropped, and everything from its position on must be read again;
    /// otherwise they were sent again.
    pub(crate) lost: bool,
}

impl Writes {
    pub(crate) fn outstanding(&self) -> u32 {
        u32::try_from(self.batches.len()).unwrap_or(u32::MAX)
    }

    /// Estimated bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        self.batches.iter().map(|batch| batch.bytes).sum()
    }

    /// Why a batch failed that the follower still lacks.
    pub(crate) fn last_failure(&self) -> Option<&Exception> {
        let lacking = self.batches.iter().any(|batch| batch.failures > 0);
        self.last_failure.as_ref().filter(|_| lacking)
    }

    /// Whether a new batch may be sent.
    pub(crate) fn may_send(&self, max_outstanding: u32) -> bool {
        self.recovery == Recovery::NotNeeded && self.outstanding() < max_outstanding
    }

    pub(crate) fn send(
        &mut self,
        now: Timestamp,
        ids: &mut IdSource,
        taken: TakenBatch,
        actions: &mut Vec<Action>,
    ) {
        let Some(first) = taken.frames.first().map(Frame::seq_no) else {
            return;
        };
        let end = plus(first, taken.frames.len() as u64);
        let mut batch = Batch {
            id: ids.next(),
            first,
            end,
            frames: taken.frames,
            bytes: taken.bytes,
            sent_at: now,
            under_way: true,
            failures: 0,
        };
        batch.start(now, ids, actions);
        self.batches.push_back(batch);
    }

    /// The time that the attempt took and the end of its batch, or `None` for one that is not waited for.
    pub(crate) fn attempt(&self, now: Timestamp, id: WriteId) -> Option<(Duration, SeqNo)> {
        let batch = self
            .batches
            .iter()
            .find(|batch| batch.under_way && batch.id == id)?;
        Some((now.since(batch.sent_at), batch.end))
    }

    /// The follower has the batch.
    pub(crate) fn succeed(&mut self, id: WriteId) -> Option<Batch> {
        let position = self
            .batches
            .iter()
            .position(|batch| batch.under_way && batch.id == id)?;
        self.batches.remove(position)
    }

    /// An attempt failed; `delay` gives the pause for a number of failures.
    pub(crate) fn fail(
        &mut self,
        now: Timestamp,
        id: WriteId,
        exception: Exception,
        delay: impl FnOnce(u32) -> Duration,
    ) {
        if let Some(batch) = self
            .batches
            .iter_mut()
            .find(|batch| batch.under_way && batch.id == id)
        {
            batch.under_way = false;
            batch.failures = batch.failures.saturating_add(1);
            let until = now.after(delay(batch.failures));
            // Those behind it fail for want of it: its own reason is the one that tells something.
            if self.recovery == Recovery::NotNeeded {
                self.last_failure = Some(exception);
            }
            self.recover_not_before(until);
        }
    }

    /// Has the follower asked where it stands, not before `time`. A failure behind another one adds nothing to wait for.
    pub(crate) fn recover_not_before(&mut self, time: Timestamp) {
        if self.recovery == Recovery::NotNeeded {
            self.recovery = Recovery::NotBefore(time);
        }
    }

    /// When the follower is to be asked; `None` while nothing failed or a batch is under way.
    pub(crate) fn recovery_due(&self) -> Option<Timestamp> {
        match self.recovery {
            Recovery::NotBefore(time) if !self.batches.iter().any(|batch| batch.under_way) => Some(time),
            _ => None,
        }
    }

    /// Compares with a follower whose next operation is `next`. Everything before `dispatched` was handed to it.
    pub(crate) fn reconcile(
        &mut self,
        now: Timestamp,
        next: SeqNo,
        dispatched: SeqNo,
        ids: &mut IdSource,
        actions: &mut Vec<Action>,
    ) -> Reconciled {
        if next < self.batches.front().map_or(dispatched, |batch| batch.first) {
            return self.give_up(next);
        }
        self.recovery = Recovery::NotNeeded;
        let had = self.take_had(next);
        for batch in &mut self.batches {
            batch.start(now, ids, actions);
        }
        Reconciled { had, lost: false }
    }

    /// The follower, whose next operation is `next`, lost some that no batch holds: those behind would leave a gap.
    pub(crate) fn give_up(&mut self, next: SeqNo) -> Reconciled {
        self.recovery = Recovery::NotNeeded;
        let had = self.take_had(next);
        self.batches.clear();
        Reconciled { had, lost: true }
    }

    fn take_had(&mut self, next: SeqNo) -> Vec<Batch> {
        let had = self.batches.iter().take_while(|batch| batch.end <= next).count();
        self.batches.drain(..had).collect()
    }

    /// The operation `seq_no`, if a batch holds it.
    pub(crate) fn frame(&self, seq_no: SeqNo) -> Option<&Frame> {
        let batch = self
            .batches
            .iter()
            .find(|batch| batch.first <= seq_no && seq_no < batch.end)?;
        batch
            .frames
            .get(usize::try_from(seq_no.get() - batch.first.get()).ok()?)
    }

    /// Frees memory when the task has stopped; the batches still count as outstanding.
    pub(crate) fn forget_frames(&mut self) {
        for batch in &mut self.batches {
            batch.frames = Vec::new();
            batch.bytes = 0;
        }
    }

    /// The predicate behind FT-1 for batches: in order, apart, and nothing that was not dispatched.
    pub(crate) fn check_invariants(&self, dispatched: SeqNo, max_outstanding: u32) {
        let mut end = SeqNo::ZERO;
        for batch in &self.batches {
            assert!(
                batch.first >= end && batch.first < batch.end,
                "FT-1: batch at {} overlaps {end}",
                batch.first
            );
            end = batch.end;
            let idle = !batch.under_way && self.recovery == Recovery::NotNeeded;
            assert!(
                !idle,
                "FT-4: batch at {} failed and nobody asks the follower",
                batch.first
            );
        }
        assert!(
            end <= dispatched,
            "FT-1: a batch ends at {end:?}, past {:?}",
            before(dispatched)
        );
        assert!(self.outstanding() <= max_outstanding, "FT-2: too many batches");
    }
}

impl Batch {
    fn start(&mut self, now: Timestamp, ids: &mut IdSource, actions: &mut Vec<Action>) {
        self.id = ids.next();
        self.sent_at = now;
        self.under_way = true;
        debug_assert_eq!(after(self.frames.last().map(Frame::seq_no)), self.end);
        actions.push(Action::Append {
            id: self.id,
            frames: self.frames.clone(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_frames::frames;
    use es_exception::ExceptionKind;

    #[test]
    fn the_pauses_of_one_batch_grow_over_all_its_attempts_and_later_batches_do_not_add_to_them() {
        let (mut writes, mut ids, mut actions) = (Writes::default(), IdSource::default(), Vec::new());
        let at = |seconds| Timestamp::new(Duration::from_secs(seconds));
        for range in [0..2, 2..4] {
            let frames = frames(range);
            let bytes = frames.iter().map(Frame::estimated_size).sum();
            writes.send(at(0), &mut ids, TakenBatch { frames, bytes }, &mut actions);
        }
        for expected in 1..=5 {
            let attempts = actions.drain(..).filter_map(|action| match action {
                Action::Append { id, .. } => Some(id),
                _ => None,
            });
            for (position, id) in (0..).zip(attempts) {
                let busy = Exception::new(ExceptionKind::EsRejectedExecution, format!("batch {position}"));
                writes.fail(at(position), id, busy, |failures| {
                    assert_eq!(failures, expected);
                    Duration::from_secs(10)
                });
            }
            assert_eq!(
                writes.recovery_due(),
                Some(at(10)),
                "the second batch failed one second later"
            );
            assert_eq!(writes.last_failure().map(Exception::reason), Some("batch 0"));
            let next = SeqNo::ZERO;
            writes.reconcile(at(10), next, SeqNo::new(4), &mut ids, &mut actions);
        }
        writes.reconcile(at(10), SeqNo::new(4), SeqNo::new(4), &mut ids, &mut actions);
        assert_eq!(writes.last_failure(), None, "the follower has both");
    }
}
