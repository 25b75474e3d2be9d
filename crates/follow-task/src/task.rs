//! The core of a follow task: all branching between its parts.

use std::time::Duration;

use es_exception::Exception;
use oplog::{Frame, SeqNo};

use crate::LOWEST_READ_SIZE;
use crate::backoff::Backoff;
use crate::buffer::Buffer;
use crate::credit::Credit;
use crate::cursor::{after, before};
use crate::event::{Action, Event, MetadataKind};
use crate::follower::{Follower, Purpose, StateAnswer};
use crate::ids::{IdSource, ReadId, StateId, WriteId};
use crate::lag::Lag;
use crate::lease::LeaseRenewal;
use crate::metadata::{Metadata, SyncEnd};
use crate::parameters::FollowParameters;
use crate::ports::{AppendResponse, FollowerState, ReadResponse};
use crate::reads::{Answer, Plan, Reads};
use crate::status::{FollowTaskIdentity, FollowTaskPhase, ShardFollowTaskStatus};
use crate::time::Timestamp;
use crate::writes::{Batch, Reconciled, Writes};

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
    counters: Counters,

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

/// Numbers for the status that no decision depends on.
#[derive(Debug, Default)]
struct Counters {
    read_time: Duration,
    read_remote_exec_time: Duration,
    successful_reads: u64,
    failed_reads: u64,
    operations_read: u64,
    bytes_read: u64,
    write_time: Duration,
    successful_writes: u64,
    failed_writes: u64,
    operations_written: u64,
    last_read_at: Option<Timestamp>,
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
            counters: Counters::default(),
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
            self.credit.patient_until().filter(|until| *until > self.now),
        ];
        wakes.into_iter().flatten().min()
    }

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
            follower_to_leader_lag_millis: self.lag_millis(now),
            follower_to_leader_lagging_ops_count: self.lag.known().get().saturating_sub(applied.get()),
        }
    }

    /// Whether the task runs.
    #[must_use]
    pub fn phase(&self) -> FollowTaskPhase {
        if self.cancelled {
            FollowTaskPhase::Cancelled
        } else if self.fatal_exception.is_some() {
            FollowTaskPhase::Failed
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

    /// Completions that came for work the task did not wait for.
    #[must_use]
    pub fn ignored_events(&self) -> u64 {
        self.ignored_events
    }

    /// Estimated bytes of operations that the task holds, and of the answers it has set memory aside for (FT-2).
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.reads.bytes() + self.buffer.bytes() + self.writes.bytes()
    }

    fn is_running(&self) -> bool {
        !self.cancelled && self.fatal_exception.is_none()
    }

    fn lag_millis(&self, now: Timestamp) -> u64 {
        let applied = self.follower.applied();
        let buffered = || self.buffer.first().filter(|frame| frame.seq_no() == applied);
        let oldest = self.writes.frame(applied).or_else(buffered).map(Frame::timestamp);
        self.lag
            .millis(now, applied, oldest, self.is_running() && self.reads.is_failing())
    }

    // ---- events ---------------------------------------------------------------------------------------------

    fn handle(&mut self, now: Timestamp, event: Event, actions: &mut Vec<Action>) {
        let known = match event {
            Event::Wake => true,
            Event::Cancel => {
                self.cancelled = true;
                self.free_memory();
                true
            }
            Event::FollowerState { id, result } => self.on_follower_state(now, id, result, actions),
            Event::ReadFinished { id, result } => self.on_read(now, id, result),
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
            StateAnswer::Known { .. } | StateAnswer::Failed if !self.is_running() => {}
            StateAnswer::Known {
                purpose: Purpose::Start,
                ..
            } => self.begin(now),
            StateAnswer::Known {
                purpose: Purpose::Recovery,
                state,
                ..
            } => self.reconcile(now, &state, actions),
            // What batches under way will find is not known yet: ask again when they have ended.
            StateAnswer::Known {
                purpose: Purpose::Checkpoint,
                lost: true,
                ..
            } => self.writes.recover_not_before(now),
            StateAnswer::Known {
                purpose: Purpose::Checkpoint,
                lost: false,
                ..
            }
            | StateAnswer::Failed => {}
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

    /// A write failed, nothing is under way, and the follower has told where it stands.
    fn reconcile(&mut self, now: Timestamp, state: &FollowerState, actions: &mut Vec<Action>) {
        let next = after(state.max_seq_no);
        match self
            .writes
            .reconcile(now, next, self.dispatched, &mut self.ids, actions)
        {
            Reconciled::Resent(had) => {
                for batch in had {
                    self.wrote(&batch);
                }
                self.skip_to_applied();
            }
            Reconciled::Lost => {
                self.follower.fall_back_to(state);
                self.reads.leave_over(next, self.dispatched);
                // Read again as well: beside what was lost, and what may be lost next, the buffer could outgrow its limit (FT-2).
                for (first, end) in self.buffer.drain() {
                    self.reads.leave_over(first, end);
                }
                self.dispatched = next;
            }
        }
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
            Ok(_) if !self.is_running() => self.reads.drop_answer(id),
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
        self.lag.observe(now, &response, self.follower.applied());
        self.metadata.require(&response);
        self.reads.answered(id, response, bytes);
    }

    fn on_read_failure(&mut self, now: Timestamp, id: ReadId, exception: Exception, malformed: bool) -> bool {
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
            Ok(_) | Err(_) => {
                self.counters.failed_writes += 1;
                if self.is_running() {
                    self.writes.fail(now, id, |failures| self.backoff.delay(failures));
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

    /// The follower may hold more than this task gave it, from attempts that counted as failed.
    fn skip_to_applied(&mut self) {
        if self.dispatched < self.follower.applied() {
            self.dispatched = self.follower.applied();
            self.buffer.drop_below(self.dispatched);
        }
    }

    /// Stops the task for good. The first reason stands.
    fn fail(&mut self, exception: Exception) -> bool {
        self.fatal_exception.get_or_insert(exception);
        self.free_memory();
        true
    }

    /// A stopped task holds no operations: nothing else shall be disturbed by it (FT-5).
    fn free_memory(&mut self) {
        self.buffer = Buffer::default();
        self.reads.forget_answers();
        self.writes.forget_frames();
    }

    // ---- what to do now -------------------------------------------------------------------------------------

    fn advance(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
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
        while let Some(answer) = self.reads.take_answer(|response| self.metadata.covers(response)) {
            self.accept(answer);
        }
        self.write(now, actions);
        let before_reads = actions.len();
        self.reads.retry_due(now, &mut self.ids, actions);
        self.read(now, actions);
        if actions[before_reads..]
            .iter()
            .any(|action| matches!(action, Action::Read { .. }))
        {
            self.counters.last_read_at = Some(now);
        }
        let idle = self.writes.outstanding() == 0 && self.writes.recovery_due().is_none();
        self.follower.poll_checkpoint(now, idle, &mut self.ids, actions);
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
    fn read_size(
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

    // ---- invariants -----------------------------------------------------------------------------------------

    /// The predicates of FT-1 to FT-5 that can be seen from one state.
    ///
    /// # Panics
    /// When one does not hold.
    pub fn check_invariants(&self) {
        let parameters = &self.parameters;
        self.follower.check_invariants();
        self.buffer.check_invariants(self.dispatched);
        self.writes
            .check_invariants(self.dispatched, parameters.max_outstanding_write_requests());
        self.reads
            .check_invariants(parameters.max_outstanding_read_requests());
        if self.follower.is_known() {
            assert!(
                self.follower.applied() <= self.dispatched,
                "FT-1: applied past what was handed out"
            );
            assert!(
                self.dispatched <= self.reads.requested(),
                "FT-1: handed out past what was requested"
            );
        }
        let mapping_version = self.metadata.held(MetadataKind::Mapping);
        assert!(
            self.needed_mapping_version <= mapping_version,
            "FT-3: operations before their mapping"
        );
        if self.is_running() {
            let wake = self.next_wake();
            assert!(
                wake.is_none_or(|wake| wake > self.now),
                "FT-4: work due now was left undone"
            );
            let work_is_out = self.reads.outstanding() > 0 || self.writes.outstanding() > 0;
            let waiting = work_is_out || self.follower.is_asked();
            let starting = !self.follower.is_known() || !self.metadata.is_initialised();
            assert!(
                waiting || starting || wake.is_some(),
                "FT-4: a running task waits for nothing"
            );
        } else {
            assert_eq!(self.used_bytes(), 0, "FT-5: a stopped task holds memory");
            assert_eq!(self.next_wake(), None, "FT-5: a stopped task wants to go on");
        }
    }
}
