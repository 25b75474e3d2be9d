//! How a delta heal is part of a task: what leads to it, what it may use, and how the task goes on after it.

use es_exception::Exception;

use super::FollowTask;
use crate::cursor::plus;
use crate::event::{Action, HealOutcome};
use crate::heal::{Heal, HealEnd, ReadLimits, Step};
use crate::ids::{HealId, ReadId};
use crate::reads::Plan;
use crate::time::Timestamp;

impl FollowTask {
    /// The read `id` found operations missing: what was read and not handed out is dropped, and all is got by a heal.
    pub(super) fn begin_heal(&mut self, now: Timestamp, id: ReadId, reason: Exception) {
        let Some((from, end)) = self.reads.take_range(id) else {
            return;
        };
        if self.heal.is_some() {
            return;
        }
        if from < self.dispatched {
            // Sent before a heal that has ended meanwhile: what is missing may lie before what is still wanted.
            self.reads.leave_over(self.dispatched, end);
            return;
        }
        self.reads.give_way();
        self.buffer.drain();
        self.heal = Some(Heal::new(reason, self.follower.applied()));
        // What the leader still has is to stay from now on.
        self.lease.hurry(now);
    }

    /// Whether batches are under way, or one failed and the follower is to be asked: they end before a heal begins.
    pub(super) fn writes_are_out(&self) -> bool {
        self.writes.outstanding() > 0 || self.writes.recovery_due().is_some()
    }

    pub(super) fn advance_heal(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        if self.writes_are_out() {
            return;
        }
        while let Some(heal) = &self.heal
            && let Some(step) = heal.next(now, |versions| self.metadata.covers(versions))
        {
            let mut limits = ReadLimits::NOTHING;
            if let Step::Read(from, _) = step {
                let count = self.parameters.max_read_request_operation_count();
                let plan = Plan {
                    from,
                    end: plus(from, count.into()),
                    count,
                };
                let Some(reserved) = self.set_aside(now, plan, actions) else {
                    return;
                };
                limits = ReadLimits {
                    max_operation_count: count,
                    max_batch_size: self.parameters.max_read_request_size(),
                    reserved,
                };
                self.counters.last_read_at = Some(now);
            }
            if let Some(heal) = &mut self.heal {
                if step == Step::Install {
                    let needed = heal.versions().mapping;
                    self.needed_mapping_version = self.needed_mapping_version.max(needed);
                }
                heal.take(step, limits, &mut self.ids, actions);
            }
        }
    }

    pub(super) fn on_heal(
        &mut self,
        now: Timestamp,
        id: HealId,
        result: Result<HealOutcome, Exception>,
    ) -> bool {
        let Some(heal) = &mut self.heal else {
            return false;
        };
        let end = heal.finish(now, id, result, |failures| self.backoff.delay(failures));
        self.metadata.require(heal.versions());
        if let Some((seq_no, size)) = heal.take_large() {
            // Nothing before it is read any more.
            self.reads.is_large(seq_no, size, seq_no);
        }
        match end {
            HealEnd::Unknown => return false,
            HealEnd::GoesOn => {}
            HealEnd::LeaderStands(checkpoint, leader_now) => {
                self.leader_global_checkpoint = self.leader_global_checkpoint.max(checkpoint);
                self.leader_max_seq_no = self.leader_max_seq_no.max(checkpoint);
                self.lag
                    .observe(now, checkpoint, leader_now, self.follower.applied());
            }
            HealEnd::Fatal(exception) => return self.fail(exception),
            HealEnd::Healed(state) => {
                self.heal = None;
                self.counters.successful_heals += 1;
                if let Err(exception) = self.follower.healed(&state) {
                    return self.fail(exception);
                }
                self.skip_to_applied();
                // What was asked for, dropped, and not got by the heal.
                self.reads.leave_over(self.dispatched, self.reads.requested());
            }
        }
        true
    }
}
