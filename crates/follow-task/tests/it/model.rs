//! Random runs against a naive leader and follower: faults of every kind first, then a healed world in which the task must catch up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use follow_task::{
    Action, AppendResponse, BudgetId, BudgetMember, Event, FollowTask, FollowTaskPhase, FollowerState,
    InflightBudget, LeaseRequestId, MetadataId, MetadataKind, RawFollowParameters, ReadId, ReadRequest,
    ReadResponse, StateId, Timestamp, WriteId,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use oplog::{ByteCount, Frame, SeqNo, UnixMillis};
use proptest::prelude::*;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::harness::{config, frame, history, seq};

/// Operations in a run.
const OPERATIONS: u64 = 150;
/// Operations per mapping version.
const PER_MAPPING: u64 = 20;
/// Steps with faults, and steps in which the healed world must converge.
const FAULTY_STEPS: usize = 400;
const HEALED_STEPS: usize = 20_000;

/// Work of the task that has not been answered.
enum Pending {
    State(StateId),
    Read(ReadId, ReadRequest),
    Append(WriteId, Result<AppendResponse, Exception>),
    Sync(MetadataId, MetadataKind),
    Lease(LeaseRequestId),
    Budget(BudgetId, BoxFuture<'static, ByteCount>),
    Granted(BudgetId, ByteCount),
}

struct World {
    random: Xoshiro256PlusPlus,
    faults: bool,
    now: Timestamp,
    raw: RawFollowParameters,
    task: FollowTask,
    pending: Vec<Pending>,

    history: Vec<Frame>,
    /// Operations below this are checkpointed on the leader.
    leader: u64,
    log: Vec<Frame>,
    durable: usize,
    mapping: u64,

    lease: Option<u64>,
    lease_renewals: u64,
    budget: Arc<InflightBudget>,
    member: BudgetMember,
    /// The budget, or what one large operation takes beside what polls may.
    most_in_use: u64,
    largest_operation: u64,
    appended_ranges: BTreeMap<u64, u64>,
    follower_faulty: bool,
}

/// What is still asked for after an answer, when the leader keeps the read open.
fn rest_of(request: ReadRequest, event: &Event) -> Option<(ReadId, ReadRequest)> {
    let Event::ReadAnswered {
        id,
        result: Ok(response),
    } = event
    else {
        return None;
    };
    let last = response.frames.last().filter(|_| response.stays_open)?;
    let size: u64 = response.frames.iter().map(Frame::estimated_size).sum();
    let rest = request.max_response_size.get().saturating_sub(size);
    let request = ReadRequest {
        from: SeqNo::new(last.seq_no().get() + 1),
        max_response_size: ByteCount::new(rest),
        ..request
    };
    Some((*id, request))
}

impl World {
    fn new(seed: u64, raw: RawFollowParameters, budget_limit: u64) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let history: Vec<Frame> = (0..OPERATIONS)
            .map(|seq_no| frame(seq_no, &vec![b'x'; random.random_range(0..300)]))
            .collect();
        let largest_operation = history.iter().map(Frame::estimated_size).max().unwrap_or(0);
        let budget = InflightBudget::new(ByteCount::new(budget_limit));
        let mut world = Self {
            member: budget.join(),
            budget,
            most_in_use: budget_limit.max(budget_limit / 4 + largest_operation),
            random,
            faults: true,
            now: Timestamp::new(Duration::from_secs(1)),
            task: FollowTask::new(config(raw.clone())),
            raw,
            pending: Vec::new(),
            history,
            leader: 0,
            log: Vec::new(),
            durable: 0,
            mapping: 0,
            lease: None,
            lease_renewals: 0,
            largest_operation,
            appended_ranges: BTreeMap::new(),
            follower_faulty: false,
        };
        world.step(Event::Wake);
        world
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.faults && self.random.random_range(0..100) < percent
    }

    fn mapping_of(operations: u64) -> u64 {
        1 + operations / PER_MAPPING
    }

    fn step(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.task.step(self.now, event, &mut actions);
        for action in actions {
            self.perform(action);
        }
        self.check();
    }

    fn perform(&mut self, action: Action) {
        let pending = match action {
            Action::QueryFollowerState { id } => Pending::State(id),
            Action::Read { id, request } => Pending::Read(id, request),
            Action::Append { id, frames } => Pending::Append(id, self.append(&frames)),
            Action::SyncMetadata { id, kind, required } => {
                assert!(
                    required <= Self::mapping_of(OPERATIONS),
                    "{kind:?} that nobody has"
                );
                Pending::Sync(id, kind)
            }
            Action::RenewRetentionLease { id, retaining } | Action::AddRetentionLease { id, retaining } => {
                assert!(
                    retaining.get() <= self.durable as u64,
                    "lease past what is durable"
                );
                self.lease = Some(retaining.get());
                self.lease_renewals += 1;
                Pending::Lease(id)
            }
            Action::Heal { work, .. } => panic!("this leader removes nothing: {work:?}"),
            Action::RequestBudget { id, request } => Pending::Budget(id, self.member.acquire(request)),
            Action::ReleaseBudget { bytes } => {
                assert!(bytes <= self.member.held(), "more given back than was granted");
                self.member.release(bytes);
                return;
            }
        };
        self.pending.push(pending);
    }

    /// The follower takes an append at the call; its answer may still be lost.
    fn append(&mut self, frames: &[Frame]) -> Result<AppendResponse, Exception> {
        let failed = || Exception::new(ExceptionKind::EsRejectedExecution, "follower is busy");
        if self.chance(10) {
            return Err(failed());
        }
        let first = frames.first().expect("an empty append").seq_no().get();
        if first > self.log.len() as u64 {
            // A batch before it failed, and the task does not know yet.
            let failed_before = self
                .pending
                .iter()
                .any(|pending| matches!(pending, Pending::Append(_, Err(_))));
            assert!(
                self.follower_faulty || self.faults || failed_before,
                "FT-1: a gap without a fault"
            );
            return Err(failed());
        }
        for (frame, expected) in frames.iter().zip(first..) {
            assert_eq!(frame.seq_no().get(), expected, "FT-1: append out of order");
            assert_eq!(
                frame, &self.history[expected as usize],
                "FT-1: not the leader's operation"
            );
            assert!(
                Self::mapping_of(expected) <= self.mapping,
                "FT-3: operation before its mapping"
            );
            if expected == self.log.len() as u64 {
                self.log.push(frame.clone());
                *self.appended_ranges.entry(expected).or_default() += 1;
            }
        }
        self.follower_faulty = false;
        if self.random.random_bool(0.3) {
            self.durable = self.log.len();
        }
        if self.chance(10) {
            return Err(failed());
        }
        let last = |length: usize| (length as u64).checked_sub(1).map(SeqNo::new);
        Ok(AppendResponse {
            global_checkpoint: last(self.durable),
            max_seq_no: last(self.log.len()),
        })
    }

    fn answer(&mut self, pending: Pending) -> Event {
        let busy = Exception::new(
            [
                ExceptionKind::NoSeedNodeLeft,
                ExceptionKind::CircuitBreaking,
                ExceptionKind::UnavailableShards,
            ][self.random.random_range(0..3)],
            "not now",
        );
        let fails = self.chance(20);
        match pending {
            Pending::State(id) => {
                let last = |length: usize| (length as u64).checked_sub(1).map(SeqNo::new);
                if !self.faults {
                    self.durable = self.log.len();
                }
                let state = FollowerState {
                    history_uuid: history(),
                    global_checkpoint: last(self.durable),
                    max_seq_no: last(self.log.len()),
                };
                Event::FollowerState {
                    id,
                    result: if fails { Err(busy) } else { Ok(state) },
                }
            }
            Pending::Read(id, request) => {
                let result = if fails { Err(busy) } else { Ok(self.read(&request)) };
                Event::ReadAnswered { id, result }
            }
            Pending::Append(id, result) => Event::AppendFinished { id, result },
            Pending::Sync(id, kind) => {
                // A node of the leader that lags gives less than was asked for.
                let version = Self::mapping_of(self.leader).saturating_sub(u64::from(self.chance(20)));
                if !fails && kind == MetadataKind::Mapping {
                    self.mapping = self.mapping.max(version);
                }
                Event::MetadataSynced {
                    id,
                    result: if fails { Err(busy) } else { Ok(version) },
                }
            }
            Pending::Lease(id) => {
                let gone = Exception::new(ExceptionKind::RetentionLeaseNotFound, "gone");
                let result = match (fails, self.chance(20)) {
                    (true, _) => Err(busy),
                    (false, true) => Err(gone),
                    (false, false) => Ok(()),
                };
                Event::LeaseFinished { id, result }
            }
            Pending::Granted(id, bytes) => Event::BudgetGranted { id, bytes },
            Pending::Budget(..) => unreachable!("answered when it is granted"),
        }
    }

    fn read(&mut self, request: &ReadRequest) -> ReadResponse {
        let from = request.from.get();
        let mut frames = Vec::new();
        let mut size = 0;
        let mut next_operation_size = None;
        for frame in self.history.iter().take(self.leader as usize).skip(from as usize) {
            let with_it = size + frame.estimated_size();
            let is_full = with_it > request.max_response_size.get();
            if is_full && frames.is_empty() {
                next_operation_size = Some(ByteCount::new(with_it));
            }
            if is_full
                || frames.len() >= request.max_operation_count as usize
                || size > request.max_batch_size.get()
            {
                break;
            }
            size = with_it;
            frames.push(frame.clone());
        }
        if self.chance(30) {
            frames.truncate(self.random.random_range(0..=frames.len()));
        }
        if self.chance(5) && frames.len() > 2 {
            let hole = self.random.random_range(0..frames.len());
            frames.remove(hole);
        }
        if self.chance(5) {
            // More than was asked for.
            let next = frames.last().map_or(from, |frame| frame.seq_no().get() + 1);
            frames.extend(
                self.history
                    .iter()
                    .take(self.leader as usize)
                    .skip(next as usize)
                    .cloned(),
            );
        }
        if self.chance(5) && next_operation_size.is_some() {
            // A size that cannot be.
            next_operation_size = Some(ByteCount::new([0, u64::MAX][self.random.random_range(0..2)]));
        }
        // A copy that lags; its checkpoint still covers what it gave.
        let told = next_operation_size.map_or(0, |_| from + 1);
        let least = frames
            .last()
            .map_or(told, |frame| frame.seq_no().get() + 1)
            .min(self.leader);
        let known = if self.chance(30) {
            self.random.random_range(least..=self.leader)
        } else {
            self.leader
        };
        let checkpoint = known.checked_sub(1).map(SeqNo::new);
        let version = Self::mapping_of(known.max(least));
        ReadResponse {
            next_operation_size: next_operation_size.filter(|_| frames.is_empty()),
            frames,
            global_checkpoint: checkpoint,
            max_seq_no: checkpoint,
            max_seq_no_of_updates_or_deletes: None,
            mapping_version: version,
            settings_version: version,
            aliases_version: version,
            took: Duration::from_millis(1),
            leader_now: UnixMillis::new(2_000_000 + self.now.get().as_millis() as u64),
            // Also when there is more to ask for, or the read was not to stay open.
            stays_open: least > from && self.random.random_bool(0.6),
        }
    }

    /// Whether an answer is of use: a poll at the end waits for more, and a wish for a grant.
    fn is_answerable(&self, pending: &Pending) -> bool {
        match pending {
            Pending::Read(_, request) => self.faults || request.from.get() < self.leader,
            Pending::Budget(..) => false,
            _ => true,
        }
    }

    fn note_grants(&mut self) {
        for pending in &mut self.pending {
            if let Pending::Budget(id, grant) = pending
                && let Some(bytes) = grant.now_or_never()
            {
                *pending = Pending::Granted(*id, bytes);
            }
        }
    }

    /// Cancels the task. As in the driver, wishes under way go away, and a grant that has come already finds a task that has no use for it.
    fn cancel(&mut self) {
        self.note_grants();
        self.step(Event::Cancel);
        for pending in std::mem::take(&mut self.pending) {
            match pending {
                Pending::Granted(id, bytes) => self.step(Event::BudgetGranted { id, bytes }),
                Pending::Budget(..) => {}
                other => self.pending.push(other),
            }
        }
        assert_eq!(self.budget.in_use(), ByteCount::ZERO, "budget is not given back");
    }

    /// Answers something at random, or lets time pass.
    fn go_on(&mut self) {
        self.note_grants();
        let answerable: Vec<usize> = (0..self.pending.len())
            .filter(|index| self.is_answerable(&self.pending[*index]))
            .collect();
        let polls: Vec<usize> = (0..self.pending.len())
            .filter(|index| matches!(self.pending[*index], Pending::Read(..)))
            .collect();
        if answerable.is_empty() && !polls.is_empty() && self.random.random_bool(0.2) {
            // The poll timeout is over.
            let pending = self.pending.swap_remove(polls[0]);
            let event = self.answer(pending);
            self.step(event);
            return;
        }
        if answerable.is_empty() || self.chance(10) {
            match self.task.next_wake() {
                Some(wake) => self.now = self.now.max(wake),
                None => self.now = self.now.after(Duration::from_millis(5)),
            }
            self.step(Event::Wake);
            return;
        }
        let index = answerable[self.random.random_range(0..answerable.len())];
        let pending = self.pending.swap_remove(index);
        let asked = match &pending {
            Pending::Read(_, request) => Some(request.clone()),
            _ => None,
        };
        let event = self.answer(pending);
        let rest = asked.and_then(|request| rest_of(request, &event));
        // Twice the same completion; a grant comes once only.
        if self.chance(3) && !matches!(event, Event::BudgetGranted { .. }) {
            self.step(event.clone());
        }
        self.step(event);
        if let Some((id, request)) = rest
            && self.task.is_open(id)
        {
            self.pending.push(Pending::Read(id, request));
        }
    }

    fn misfortune(&mut self) {
        match self.random.random_range(0..100) {
            0..20 => self.leader = (self.leader + self.random.random_range(1..12)).min(OPERATIONS),
            20..22 => self.lose_log_tail(),
            22..24 => self.restart(),
            24..26 => {
                self.lose_log_tail();
                self.restart();
            }
            26..34 => {
                self.now = self
                    .now
                    .after(Duration::from_millis(self.random.random_range(0..2000)))
            }
            _ => {}
        }
    }

    /// The follower's shard crashed and came back without what was not durable.
    fn lose_log_tail(&mut self) {
        let keep = self.random.random_range(self.durable..=self.log.len());
        for seq_no in keep..self.log.len() {
            *self.appended_ranges.entry(seq_no as u64).or_default() -= 1;
        }
        self.follower_faulty |= keep < self.log.len();
        self.log.truncate(keep);
    }

    fn restart(&mut self) {
        self.pending.clear();
        self.member = self.budget.join();
        self.task = FollowTask::new(config(self.raw.clone()));
        self.step(Event::Wake);
    }

    fn check(&self) {
        self.task.check_invariants();
        assert_ne!(
            self.task.phase(),
            FollowTaskPhase::Failed,
            "{:?}",
            self.task.fatal_exception()
        );
        // FT-2. Reads that were allowed while the buffer had room all land.
        let status = self.task.status(self.now);
        let raw = config(self.raw.clone()).parameters;
        let one_read = raw.max_read_request_size().get() + self.largest_operation;
        let buffer = raw.max_write_buffer_size().get()
            + (u64::from(raw.max_outstanding_read_requests()) + 1) * one_read;
        assert!(
            status.write_buffer_size_in_bytes <= buffer,
            "FT-2: buffer holds too much"
        );
        let (used, held) = (self.task.used_bytes(), self.member.held().get());
        assert!(used <= held, "FT-2: the task holds {used}, {held} were granted");
        assert!(held <= self.most_in_use, "FT-2: {held} of {}", self.most_in_use);
    }

    fn run(mut self) {
        for _ in 0..FAULTY_STEPS {
            self.misfortune();
            self.go_on();
        }
        self.faults = false;
        self.leader = OPERATIONS;
        let mut steps = 0;
        while !self.is_converged() {
            steps += 1;
            assert!(
                steps < HEALED_STEPS,
                "FT-4: does not converge: {:#?}",
                self.task.status(self.now)
            );
            self.go_on();
        }
        assert_eq!(self.log, self.history);
        assert!(
            self.appended_ranges.values().all(|times| *times == 1),
            "FT-1: applied more than once"
        );
        assert!(self.lease_renewals > 0 && self.lease.is_some());
        self.cancel();
    }

    /// Cancels in the middle of faults, then answers what was under way, in any order.
    fn run_and_cancel(mut self, steps: usize) {
        for _ in 0..steps {
            self.misfortune();
            self.go_on();
        }
        self.cancel();
        self.check_stopped();
        while !self.pending.is_empty() {
            let at = self.random.random_range(0..self.pending.len());
            let pending = self.pending.swap_remove(at);
            let (event, left) = (self.answer(pending), self.pending.len());
            self.step(event);
            assert_eq!(self.pending.len(), left, "a cancelled task asks for something");
            self.check_stopped();
        }
        assert_eq!(self.budget.in_use(), ByteCount::ZERO, "budget is not given back");
    }

    fn check_stopped(&self) {
        assert_eq!(self.task.phase(), FollowTaskPhase::Cancelled);
        assert_eq!((self.task.used_bytes(), self.task.next_wake()), (0, None));
        let status = self.task.status(self.now);
        assert_eq!(
            (
                status.write_buffer_operation_count,
                status.write_buffer_size_in_bytes
            ),
            (0, 0)
        );
    }

    fn is_converged(&self) -> bool {
        let status = self.task.status(self.now);
        let last = Some(seq(OPERATIONS - 1));
        let metadata = [
            status.follower_mapping_version,
            status.follower_settings_version,
            status.follower_aliases_version,
        ];
        self.log.len() as u64 == OPERATIONS
            && status.follower_global_checkpoint == last
            && status.leader_global_checkpoint == last
            && status.read_exceptions.is_empty()
            && (
                status.follower_to_leader_lag_millis,
                status.follower_to_leader_lagging_ops_count,
            ) == (0, 0)
            && status.write_buffer_operation_count == 0
            && status.outstanding_write_requests == 0
            && metadata == [Self::mapping_of(OPERATIONS); 3]
    }
}

prop_compose! {
    fn any_parameters()(
        read_count in 1_i64..30,
        read_size in 1_u64..3000,
        reads in 1_i64..6,
        write_count in 1_i64..30,
        write_size in 1_u64..3000,
        writes in 1_i64..6,
        buffer_count in 1_i64..60,
        buffer_size in 1_u64..6000,
    ) -> RawFollowParameters {
        RawFollowParameters {
            max_read_request_operation_count: Some(read_count),
            max_read_request_size: Some(format!("{read_size}b")),
            max_outstanding_read_requests: Some(reads),
            max_write_request_operation_count: Some(write_count),
            max_write_request_size: Some(format!("{write_size}b")),
            max_outstanding_write_requests: Some(writes),
            max_write_buffer_count: Some(buffer_count),
            max_write_buffer_size: Some(format!("{buffer_size}b")),
            ..Default::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn every_operation_arrives_once_and_in_order(
        seed in any::<u64>(),
        raw in any_parameters(),
        budget in prop_oneof![Just(1_u64), 1_u64..5000, Just(1 << 30)],
    ) {
        World::new(seed, raw, budget).run();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_task_can_be_cancelled_at_any_moment(
        seed in any::<u64>(),
        raw in any_parameters(),
        budget in prop_oneof![Just(1_u64), 1_u64..5000, Just(1 << 30)],
        steps in 0_usize..120,
    ) {
        World::new(seed, raw, budget).run_and_cancel(steps);
    }
}

#[test]
fn equal_seeds_give_equal_runs() {
    let trace = || {
        let mut world = World::new(7, RawFollowParameters::default(), 10_000);
        let mut trace = Vec::new();
        for _ in 0..300 {
            world.misfortune();
            world.go_on();
            trace.push(format!("{:?}", world.task.status(world.now)));
        }
        trace
    };
    assert_eq!(trace(), trace());
}
