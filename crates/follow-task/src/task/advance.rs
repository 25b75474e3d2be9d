//! What is to be done now. Runs after every event, and finds all work that the state allows.

use oplog::Frame;

use super::FollowTask;
use crate::LOWEST_READ_SIZE;
use crate::cursor::after;
use crate::event::Action;
use crate::follower::Purpose;
use crate::reads::{Answer, Plan};
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
        self.reads.retry_due(now, &mut self.ids, actions);
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
        let next = match response.frames.last() {
            Some(last) => after(Some(last.seq_no())),
            None => {
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
        let max_count = self.parameters.max_read_request_operation_count();
        let known = after(self.leader_global_checkpoint);
        while let Some(plan) = self.reads.plan(now, self.dispatched, known, max_count) {
            // Nothing at the writer's position is buffered: without this read nothing would ever move.
            let fills_lowest_gap = plan.from == self.dispatched;
            if !(self.has_slot(plan, fills_lowest_gap) && (fills_lowest_gap || self.has_room())) {
                break;
            }
            let Some((size, reserved)) = self.read_size(now, plan, fills_lowest_gap, actions) else {
                break;
            };
            let poll_timeout = self.parameters.read_poll_timeout();
            self.reads
                .send(now, plan, size, reserved, poll_timeout, &mut self.ids, actions);
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

    fn has_room(&self) -> bool {
        self.buffer.bytes() < self.parameters.max_write_buffer_size().get()
            && self.buffer.operations() < u64::from(self.parameters.max_write_buffer_count())
    }

    /// The size of a read and how much of it is set aside from the node-wide budget; `None` if it must wait for a grant.
    pub(super) fn read_size(
        &mut self,
        now: Timestamp,
        plan: Plan,
        fills_lowest_gap: bool,
        actions: &mut Vec<Action>,
    ) -> Option<(u64, u64)> {
        let lowest = LOWEST_READ_SIZE
            .get()
            .min(self.parameters.max_read_request_size().get());
        if plan.is_poll() {
            // Nothing is set aside: thousands of idle shards poll at once, and most polls bring nothing.
            return Some((lowest, 0));
        }
        let used = self.used_bytes();
        let wanted = self.reads.wanted_size(plan, &self.parameters);
        if let Some(size) = self.credit.size(wanted, used) {
            return Some((size, size));
        }
        self.credit.wish(now, wanted, used, &mut self.ids, actions);
        let impatient = self.credit.patient_until().is_none_or(|until| until <= now);
        (fills_lowest_gap && impatient).then_some((lowest, 0))
    }
}
