//! What is to be done now. Runs after every event, and finds all work that the state allows.

use oplog::Frame;

use super::FollowTask;
use crate::cursor::after;
use crate::event::Action;
use crate::follower::Purpose;
use crate::reads::{Answer, Plan, Sending};
use crate::time::Timestamp;

impl FollowTask {
    pub(super) fn advance(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        if !self.follower.is_known() {
            self.follower.ask(now, Purpose::Start, &mut self.ids, actions);
            return;
        }
        let retaining = after(self.follower.global_checkpoint);
        self.lease.advance(now, retaining, &mut self.ids, actions);
        self.metadata.advance(now, &mut self.ids, actions);
        if !self.metadata.is_initialised() {
            return;
        }
        while let Some(answer) = self
            .reads
            .take_answer(|response| self.metadata.covers(response.metadata_versions()))
        {
            self.accept(answer);
        }
        self.write(now, actions);
        let idle = !self.writes_are_out();
        self.follower.poll_checkpoint(now, idle, &mut self.ids, actions);
        if self.heal.is_some() {
            self.advance_heal(now, actions);
            return;
        }
        let before_reads = actions.len();
        self.read(now, actions);
        if actions[before_reads..]
            .iter()
            .any(|action| matches!(action, Action::Read { .. }))
        {
            self.counters.last_read_at = Some(now);
        }
    }

    /// Takes over an answer whose metadata is applied.
    fn accept(&mut self, answer: Answer) {
        let Answer {
            from,
            end,
            sent_at,
            response,
        } = answer;
        self.leader_global_checkpoint = self.leader_global_checkpoint.max(response.global_checkpoint);
        self.leader_max_seq_no = self.leader_max_seq_no.max(response.max_seq_no);
        self.needed_mapping_version = self.needed_mapping_version.max(response.mapping_version);
        let next = match (response.frames.last(), response.next_operation_size) {
            (Some(last), _) => after(Some(last.seq_no())),
            (None, Some(size)) => {
                self.reads.is_large(from, size.get(), self.dispatched);
                from
            }
            (None, None) => {
                self.reads.was_empty(sent_at);
                from
            }
        };
        self.reads.raise_requested(next);
        self.reads.leave_over(next, end);
        self.buffer.insert(response.frames, self.dispatched);
    }

    fn write(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        if self.writes.recovery_due().is_some_and(|due| due <= now) {
            self.follower.ask(now, Purpose::Recovery, &mut self.ids, actions);
        }
        let max_operations = self.parameters.max_write_request_operation_count();
        let max_bytes = self.parameters.max_write_request_size().get();
        while self
            .writes
            .may_send(self.parameters.max_outstanding_write_requests())
        {
            let Some(batch) = self.buffer.take(self.dispatched, max_operations, max_bytes) else {
                break;
            };
            self.dispatched = after(batch.frames.last().map(Frame::seq_no));
            self.writes.send(now, &mut self.ids, batch, actions);
        }
    }

    fn read(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        while let Some((id, plan)) = self.reads.due(now) {
            let Some(reserved) = self.set_aside(now, plan, actions) else {
                self.starve(now);
                return;
            };
            let sending = self.sending(reserved);
            self.reads.send_again(now, id, sending, &mut self.ids, actions);
        }
        let max_count = self.parameters.max_read_request_operation_count();
        let known = after(self.leader_global_checkpoint);
        while let Some(plan) = self.reads.plan(now, self.dispatched, known, max_count) {
            // Nothing at the writer's position is buffered: without this read nothing would ever move.
            let fills_lowest_gap = plan.from == self.dispatched;
            if !(self.has_slot(plan, fills_lowest_gap) && (fills_lowest_gap || self.has_room())) {
                break;
            }
            let Some(reserved) = self.set_aside(now, plan, actions) else {
                self.starve(now);
                break;
            };
            let sending = self.sending(reserved);
            self.reads
                .send(now, plan, sending, &self.parameters, &mut self.ids, actions);
        }
    }

    fn sending(&self, reserved: u64) -> Sending {
        Sending {
            reserved,
            known_metadata: self.metadata.known(),
        }
    }

    fn has_slot(&self, plan: Plan, fills_lowest_gap: bool) -> bool {
        let (outstanding, most) = (
            self.reads.outstanding(),
            self.parameters.max_outstanding_read_requests(),
        );
        let beside_polls = fills_lowest_gap && !plan.is_poll() && self.reads.only_polls_outstanding();
        outstanding < most || (outstanding == most && beside_polls)
    }

    /// Whether there may be more in the buffer. While the follower takes nothing, what would be read could only lie there, and be missing elsewhere.
    pub(super) fn has_room(&self) -> bool {
        self.writes.recovery_due().is_none()
            && self.buffer.bytes() < self.parameters.max_write_buffer_size().get()
            && self.buffer.operations() < u64::from(self.parameters.max_write_buffer_count())
    }

    /// Sets memory aside for the answer to a read: so many bytes; `None` if it must wait for a grant.
    pub(super) fn set_aside(&mut self, now: Timestamp, plan: Plan, actions: &mut Vec<Action>) -> Option<u64> {
        if plan.is_poll() {
            // A poll never waits. One that brings nothing for want of memory still tells that there is something.
            let wanted = self.reads.poll_size();
            return self.credit.for_poll(wanted, &mut self.ids, actions);
        }
        let (needed, wanted) = self.reads.wanted_size(plan, &self.parameters);
        self.credit.for_range(now, needed, wanted, &mut self.ids, actions)
    }

    /// What lies above the lowest gap helps nobody until that is filled. A task that has waited for long for the memory to fill it gives back what the
    /// others hold: two of them could wait for each other for ever.
    fn starve(&mut self, now: Timestamp) {
        let next = self.buffer.first().map(Frame::seq_no);
        let is_stuck = next != Some(self.dispatched) && !self.reads.is_coming(self.dispatched);
        if !is_stuck || !self.credit.is_starving(now) {
            return;
        }
        for (first, end) in self.buffer.drain() {
            self.reads.leave_over(first, end);
        }
    }
}
