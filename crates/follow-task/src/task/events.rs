//! What each event changes.

use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use oplog::Frame;

use super::FollowTask;
use crate::buffer::Buffer;
use crate::cursor::after;
use crate::event::{Action, Event};
use crate::follower::{Purpose, StateAnswer};
use crate::heal::is_missing_operations;
use crate::ids::{ReadId, StateId, WriteId};
use crate::metadata::SyncEnd;
use crate::ports::{AppendResponse, FollowerState, ReadResponse};
use crate::time::Timestamp;
use crate::writes::{Batch, Reconciled};

impl FollowTask {
    pub(super) fn handle(&mut self, now: Timestamp, event: Event, actions: &mut Vec<Action>) {
        let known = match event {
            Event::Wake => true,
            Event::Cancel => {
                self.cancelled = true;
                self.free_memory();
                true
            }
            Event::FollowerState { id, result } => self.on_follower_state(now, id, result, actions),
            Event::ReadAnswered { id, result } => self.on_read(now, id, result),
            Event::AppendFinished { id, result } => self.on_append(now, id, result),
            Event::MetadataSynced { id, result } => {
                match self
                    .metadata
                    .finish(now, id, result, |failures| self.backoff.delay(failures))
                {
                    SyncEnd::Unknown => false,
                    SyncEnd::Handled => true,
                    SyncEnd::Fatal(exception) => self.fail(exception),
                }
            }
            Event::LeaseFinished { id, result } => {
                let may_add = self.is_running();
                self.lease
                    .finish(now, id, result, may_add, &mut self.ids, actions)
            }
            Event::HealFinished { id, result } => self.on_heal(now, id, result),
            Event::BudgetGranted { id, bytes } => {
                let wanted = self.credit.grant(id, bytes);
                if !wanted {
                    actions.push(Action::ReleaseBudget { bytes });
                }
                wanted
            }
        };
        if !known {
            self.ignored_events = self.ignored_events.saturating_add(1);
        }
    }

    fn on_follower_state(
        &mut self,
        now: Timestamp,
        id: StateId,
        result: Result<FollowerState, Exception>,
        actions: &mut Vec<Action>,
    ) -> bool {
        let max_retry_delay = self.parameters.max_retry_delay();
        let pause = |purpose, failures| match purpose {
            Purpose::Recovery => self.backoff.delay(failures),
            // Source: Elasticsearch tries a start again after exactly this pause.
            Purpose::Start | Purpose::Checkpoint => max_retry_delay,
        };
        match self.follower.answered(now, id, result, pause) {
            StateAnswer::Unknown => return false,
            StateAnswer::Fatal(exception) => return self.fail(exception),
            // Also of a stopped task: its numbers are shown.
            StateAnswer::Known {
                purpose: Purpose::Start,
                ..
            } => self.begin(now),
            StateAnswer::Known {
                purpose: Purpose::Recovery,
                state,
                lost,
            } if self.is_running() => self.reconcile(now, &state, lost, actions),
            // What batches under way will find is not known yet: ask again when they have ended.
            StateAnswer::Known {
                purpose: Purpose::Checkpoint,
                lost: true,
                ..
            } if self.is_running() => self.writes.recover_not_before(now),
            StateAnswer::Known { .. } => self.skip_to_applied(),
            StateAnswer::Failed => {}
        }
        true
    }

    /// The follower's position is known for the first time; the leader is assumed to be there too until it answers.
    fn begin(&mut self, now: Timestamp) {
        self.dispatched = self.follower.applied();
        self.reads.raise_requested(self.dispatched);
        self.leader_global_checkpoint = self.follower.global_checkpoint;
        self.leader_max_seq_no = self.follower.max_seq_no;
        self.lag.start(now, self.dispatched);
    }

    /// A write failed, nothing is under way, and the follower has told where it stands; `lost` if that is before what it had acknowledged.
    fn reconcile(&mut self, now: Timestamp, state: &FollowerState, lost: bool, actions: &mut Vec<Action>) {
        let next = after(state.max_seq_no);
        let Reconciled { had, lost } = if lost {
            self.writes.give_up(next)
        } else {
            self.writes
                .reconcile(now, next, self.dispatched, &mut self.ids, actions)
        };
        for batch in had {
            self.wrote(&batch);
        }
        if !lost {
            self.skip_to_applied();
            return;
        }
        self.follower.fall_back_to(state);
        self.reads.leave_over(next, self.dispatched);
        // Read again as well: beside what was lost, and what may be lost next, the buffer could outgrow its limit (FT-2).
        for (first, end) in self.buffer.drain() {
            self.reads.leave_over(first, end);
        }
        self.dispatched = next;
    }

    fn on_read(&mut self, now: Timestamp, id: ReadId, result: Result<ReadResponse, Exception>) -> bool {
        let Some(took) = self.reads.attempt(now, id) else {
            return false;
        };
        let (result, malformed) = match result {
            Ok(mut response) => match self.reads.check(id, self.leader_global_checkpoint, &mut response) {
                Ok(()) => (Ok(response), false),
                Err(exception) => (Err(exception), true),
            },
            Err(exception) => (Err(exception), false),
        };
        match result {
            Ok(_) if !self.is_running() || self.heal.is_some() => self.reads.drop_answer(id),
            Ok(response) => self.on_answer(now, id, took, response),
            Err(exception) => {
                self.counters.failed_reads += 1;
                self.counters.read_time += took;
                return self.on_read_failure(now, id, exception, malformed);
            }
        }
        true
    }

    fn on_answer(&mut self, now: Timestamp, id: ReadId, took: Duration, response: ReadResponse) {
        let bytes = response.frames.iter().map(Frame::estimated_size).sum();
        if !response.frames.is_empty() {
            self.counters.successful_reads += 1;
            self.counters.read_time += took;
            self.counters.read_remote_exec_time += response.took;
            self.counters.operations_read += response.frames.len() as u64;
            self.counters.bytes_read += bytes;
        }
        let (checkpoint, leader_now) = (response.global_checkpoint, response.leader_now);
        self.lag
            .observe(now, checkpoint, leader_now, self.follower.applied());
        let versions = response.metadata_versions();
        self.metadata.require(versions);
        // One that must wait, for its metadata or for room, has the leader wait too: no answer piles up behind it.
        let may_stay_open = self.metadata.covers(versions) && self.has_room();
        self.reads
            .answered(now, id, response, bytes, may_stay_open, &mut self.ids);
        if self.reads.is_under_way(id) {
            self.counters.last_read_at = Some(now);
        }
    }

    fn on_read_failure(&mut self, now: Timestamp, id: ReadId, exception: Exception, malformed: bool) -> bool {
        if is_missing_operations(&exception) && self.auto_heal && self.is_running() {
            self.begin_heal(now, id, exception);
            return true;
        }
        if self.heal.is_some() {
            self.reads.drop_answer(id);
            return true;
        }
        let most = self.parameters.max_outstanding_read_requests();
        if !(exception.is_retryable() || malformed) {
            self.reads.failed_for_good(id, exception.clone(), most);
            return self.fail(exception);
        }
        if self.is_running() {
            self.reads
                .failed(now, id, exception, most, |failures| self.backoff.delay(failures));
        }
        true
    }

    fn on_append(&mut self, now: Timestamp, id: WriteId, result: Result<AppendResponse, Exception>) -> bool {
        let Some((took, end)) = self.writes.attempt(now, id) else {
            return false;
        };
        self.counters.write_time += took;
        match result {
            // An acknowledgement that does not cover the batch is none.
            Ok(response) if after(response.max_seq_no) >= end => {
                self.follower
                    .advance_to(response.global_checkpoint, response.max_seq_no);
                if let Some(batch) = self.writes.succeed(id) {
                    self.wrote(&batch);
                }
                self.skip_to_applied();
            }
            Err(exception) if !exception.is_retryable() => {
                self.counters.failed_writes += 1;
                return self.fail(exception);
            }
            result => {
                self.counters.failed_writes += 1;
                if self.is_running() {
                    let exception = result.err().unwrap_or_else(not_covered);
                    self.writes
                        .fail(now, id, exception, |failures| self.backoff.delay(failures));
                }
            }
        }
        true
    }

    fn wrote(&mut self, batch: &Batch) {
        self.counters.successful_writes += 1;
        self.counters.operations_written += batch.operations();
        if let Some(frame) = batch
            .last_frame()
            .filter(|_| batch.end() <= self.follower.applied())
        {
            self.lag.applied(frame.timestamp(), self.follower.applied());
        }
    }

    /// The follower may hold more than this task gave it, or even asked for: from attempts that counted as failed, and from a former task.
    pub(super) fn skip_to_applied(&mut self) {
        if self.dispatched < self.follower.applied() {
            self.dispatched = self.follower.applied();
            self.reads.raise_requested(self.dispatched);
            self.buffer.drop_below(self.dispatched);
        }
    }

    /// Stops the task for good. The first reason stands.
    pub(super) fn fail(&mut self, exception: Exception) -> bool {
        self.fatal_exception.get_or_insert(exception);
        self.free_memory();
        true
    }

    /// A stopped task holds no operations: nothing else shall be disturbed by it (FT-5).
    fn free_memory(&mut self) {
        self.buffer = Buffer::default();
        self.reads.forget_answers();
        self.writes.forget_frames();
        self.heal = None;
    }
}

fn not_covered() -> Exception {
    let reason = "the follower acknowledged a batch without its last operation";
    Exception::new(ExceptionKind::IllegalState, reason)
}
