//! The follower's side: what the task's driver and its ports do. The rules are those of `crates/ccr/src/follower`.

use es_exception::{Exception, ExceptionKind};
use follow_task::{
    Action, Event, FollowParameters, FollowTask, FollowTaskConfig, FollowTaskIdentity, FollowTaskPhase,
    FollowerState, Timestamp, WriteId,
};
use futures::FutureExt;
use oplog::{AppendTicket, Durability, Frame, SeqNo, ShardNumber};

use crate::copies::{AppendWaits, CopyId, FollowState, PendingAppend, Purpose, TaskRun, Work};
use crate::disk::{broken, micros, not_started};
use crate::happening::Happening;
use crate::mutant::Mutant;
use crate::plan::parsed;
use crate::wire::Request;
use crate::world::{MILLI, SECOND, World};

/// Beyond the poll timeout, for the way there and back.
pub(crate) const CALL_MARGIN: u64 = 5 * SECOND;

impl World {
    pub(crate) fn run_of(&mut self, copy: CopyId) -> Option<&mut TaskRun> {
        match &mut self.copies[copy.0].following.as_mut()?.work {
            Some(Work::Task(run)) => Some(run),
            _ => None,
        }
    }

    pub(crate) fn is_current(&self, copy: CopyId, epoch: u64) -> bool {
        let following = self.copies[copy.0].following.as_ref();
        following.is_some_and(|following| following.epoch == epoch && following.work.is_some())
    }

    // ---- life of a task -------------------------------------------------------------------------------------

    /// What the process does for a follower after its start.
    pub(crate) fn start_following(&mut self, copy: CopyId) {
        let Some(following) = &self.copies[copy.0].following else {
            return;
        };
        match following.state {
            FollowState::Copying => self.start_copying(copy),
            FollowState::Active => self.start_task(copy),
            FollowState::Paused => {}
        }
    }

    pub(crate) fn start_task(&mut self, copy: CopyId) {
        let epoch = self.number();
        let config = FollowTaskConfig {
            identity: FollowTaskIdentity {
                remote_cluster: "leader".to_owned(),
                leader_index: "orders".to_owned(),
                follower_index: "copy".to_owned(),
                shard_id: ShardNumber::new(0),
            },
            parameters: self.task_parameters(),
            seed: self.random.below(u64::MAX),
            retention_lease_renew_interval: self.plan.renew_interval,
            auto_heal: self.plan.auto_heal,
        };
        let member = self.nodes[self.copies[copy.0].node.0].budget.join();
        let Some(following) = &mut self.copies[copy.0].following else {
            return;
        };
        following.state = FollowState::Active;
        following.epoch = epoch;
        following.starts += 1;
        following.work = Some(Work::Task(Box::new(TaskRun {
            task: FollowTask::new(config),
            member,
            grants: Vec::new(),
            batches: Default::default(),
            wake_at: None,
            cycle: None,
            fatal: None,
        })));
        self.note("task started", [copy.0 as u64, epoch, 0]);
        self.step(copy, Event::Wake);
    }

    fn task_parameters(&self) -> FollowParameters {
        let mut raw = self.plan.parameters.clone();
        if self.plan.is(Mutant::OverrunsTheBuffer) {
            (raw.max_write_buffer_size, raw.max_write_buffer_count) = (None, None);
        }
        if self.plan.is(Mutant::BatchesByCountOnly) {
            raw.max_read_request_size = None;
        }
        parsed(raw)
    }

    /// Stops the task; batches that it handed over are appended all the same.
    pub(crate) fn pause(&mut self, copy: CopyId) {
        let Some(following) = &mut self.copies[copy.0].following else {
            return;
        };
        following.state = FollowState::Paused;
        let Some(Work::Task(mut run)) = following.work.take() else {
            return;
        };
        self.note("paused", [copy.0 as u64, 0, 0]);
        run.task
            .step(Timestamp::new(self.time_now()), Event::Cancel, &mut Vec::new());
        if run.task.used_bytes() > 0 {
            self.violate(
                "FT-5",
                format!("the cancelled task of copy {} holds memory", copy.0),
            );
        }
        while let Some((_, frames)) = run.batches.pop_front() {
            let _ = self.append(copy, frames);
        }
    }

    fn time_now(&self) -> std::time::Duration {
        std::time::Duration::from_micros(self.now)
    }

    pub(crate) fn on_wake(&mut self, copy: CopyId, epoch: u64) {
        if !self.nodes[self.copies[copy.0].node.0].up {
            return;
        }
        let Some(following) = &mut self.copies[copy.0].following else {
            return;
        };
        if following.epoch != epoch {
            return;
        }
        match &mut following.work {
            Some(Work::Task(run)) if run.wake_at == Some(self.now) => {
                run.wake_at = None;
                self.step(copy, Event::Wake);
            }
            Some(Work::Bootstrap(_)) | None if following.state == FollowState::Copying => {
                self.continue_copying(copy);
            }
            Some(_) | None => {}
        }
    }

    pub(crate) fn on_ended(&mut self, copy: CopyId, epoch: u64, event: Event) {
        if self.is_current(copy, epoch) {
            self.step(copy, event);
        }
    }

    /// Lets the task take an event in, and does what it asks for.
    pub(crate) fn step(&mut self, copy: CopyId, event: Event) {
        let now = Timestamp::new(self.time_now());
        let Some(run) = self.run_of(copy) else { return };
        let mut actions = Vec::new();
        run.task.step(now, event, &mut actions);
        let wake = run.task.next_wake().map(|at| micros(at.get()));
        for action in actions {
            self.perform(copy, action);
        }
        let now = self.now;
        let Some(epoch) = self.copies[copy.0]
            .following
            .as_ref()
            .map(|following| following.epoch)
        else {
            return;
        };
        if let (Some(wake), Some(run)) = (wake, self.run_of(copy)) {
            let at = wake.max(now + 1);
            if run.wake_at.is_none_or(|planned| planned > at) {
                run.wake_at = Some(at);
                self.queue.plan(at, Happening::Wake { copy, epoch });
            }
        }
        self.check_task(copy);
    }

    // ---- what a task asks for -------------------------------------------------------------------------------

    fn perform(&mut self, copy: CopyId, action: Action) {
        let Some(following) = &self.copies[copy.0].following else {
            return;
        };
        let (epoch, history) = (following.epoch, following.leader_history.clone());
        match action {
            Action::QueryFollowerState { id } => {
                let result = self.follower_state(copy);
                let way = self.random.below(MILLI);
                let event = Event::FollowerState { id, result };
                self.after(way, Happening::Ended { copy, epoch, event });
            }
            Action::Read { id, request } => {
                let timeout = micros(request.poll_timeout) + CALL_MARGIN;
                self.call(
                    copy,
                    Purpose::Read(id),
                    Request::Read { history, request },
                    timeout,
                );
            }
            Action::Append { id, frames } => {
                let way = self.random.below(2 * MILLI);
                let Some(run) = self.run_of(copy) else { return };
                run.batches.push_back((id, frames));
                self.after(way, Happening::AppendNext { copy, epoch });
            }
            Action::SyncMetadata { id, kind, required } => {
                let purpose = Purpose::Sync { id, kind, required };
                self.call(copy, purpose, Request::Metadata, 2 * CALL_MARGIN);
            }
            Action::RenewRetentionLease { id, retaining } => self.renew(copy, id, retaining),
            Action::AddRetentionLease { id, retaining } => {
                let lease = following.lease.clone();
                let retaining = Some(retaining);
                self.call(
                    copy,
                    Purpose::Lease(id),
                    Request::AddLease { lease, retaining },
                    self.lease_timeout(),
                );
            }
            Action::Heal { id, work } => self.perform_heal(copy, epoch, id, work),
            Action::RequestBudget { id, request } => {
                if let Some(run) = self.run_of(copy) {
                    let grant = run.member.acquire(request);
                    run.grants.push((id, grant));
                }
            }
            Action::ReleaseBudget { bytes } => {
                if let Some(run) = self.run_of(copy) {
                    run.member.release(bytes);
                }
            }
        }
    }

    /// Leases live for seconds here, not for hours: a lost answer must not outlast one.
    fn lease_timeout(&self) -> u64 {
        micros(self.plan.renew_interval)
    }

    fn renew(&mut self, copy: CopyId, id: follow_task::LeaseRequestId, retaining: SeqNo) {
        let end = self.copies[copy.0].end();
        let durable = self.copies[copy.0].durable_end;
        let plan = &self.plan;
        let (on_traffic, at_nothing, not_durable) = (
            plan.is(Mutant::RenewsOnlyOnTraffic),
            plan.is(Mutant::RenewsAtNothingAfterRestart),
            plan.is(Mutant::RenewsForWhatIsNotDurable),
        );
        let Some(following) = &mut self.copies[copy.0].following else {
            return;
        };
        let (lease, epoch) = (following.lease.clone(), following.epoch);
        if on_traffic && following.renewed_end == end {
            let event = Event::LeaseFinished { id, result: Ok(()) };
            return self.after(1, Happening::Ended { copy, epoch, event });
        }
        following.renewed_end = end;
        let retaining = match () {
            () if at_nothing && following.starts > 1 => SeqNo::ZERO,
            () if not_durable => SeqNo::new(end),
            () => retaining,
        };
        if retaining.get() > durable {
            self.violate(
                "OL-4",
                format!(
                    "copy {} gives up operations below {retaining}, and {durable} are durable",
                    copy.0
                ),
            );
        }
        let retaining = Some(retaining);
        self.call(
            copy,
            Purpose::Lease(id),
            Request::RenewLease { lease, retaining },
            self.lease_timeout(),
        );
    }

    /// Bytes of the budget that are there by now.
    pub(crate) fn deliver_grants(&mut self) {
        for copy in (0..self.copies.len()).map(CopyId) {
            let mut granted = Vec::new();
            if let Some(run) = self.run_of(copy) {
                run.grants.retain_mut(|(id, grant)| match grant.now_or_never() {
                    Some(bytes) => {
                        granted.push((*id, bytes));
                        false
                    }
                    None => true,
                });
            }
            let Some(epoch) = self.copies[copy.0]
                .following
                .as_ref()
                .map(|following| following.epoch)
            else {
                continue;
            };
            for (id, bytes) in granted {
                let event = Event::BudgetGranted { id, bytes };
                self.after(1, Happening::Ended { copy, epoch, event });
            }
        }
    }

    // ---- the local shard ------------------------------------------------------------------------------------

    fn follower_state(&self, copy: CopyId) -> Result<FollowerState, Exception> {
        let state = &self.copies[copy.0];
        if !state.open {
            return Err(Exception::new(ExceptionKind::IndexClosed, "follower is closed"));
        }
        let log = state.log.as_ref().ok_or_else(not_started)?;
        Ok(FollowerState {
            history_uuid: log.history_uuid(),
            global_checkpoint: log.durable_checkpoint(),
            max_seq_no: log.max_seq_no(),
        })
    }

    /// The worker takes batches in the order in which they were handed over.
    pub(crate) fn append_next(&mut self, copy: CopyId, epoch: u64) {
        if !self.is_current(copy, epoch) {
            return;
        }
        let Some((id, frames)) = self.run_of(copy).and_then(|run| run.batches.pop_front()) else {
            return;
        };
        let appended = self.append(copy, frames);
        self.finish_or_wait(copy, epoch, id, appended);
    }

    fn finish_or_wait(
        &mut self,
        copy: CopyId,
        epoch: u64,
        id: WriteId,
        appended: Result<Option<AppendTicket>, Exception>,
    ) {
        match appended {
            Ok(ticket) => {
                let node = self.copies[copy.0].node;
                let waits = AppendWaits::Task { epoch, id };
                self.nodes[node.0]
                    .appends
                    .push(PendingAppend { copy, ticket, waits });
                let within = self.random.below(3 * MILLI);
                self.plan_commit(node, within);
            }
            Err(_) if self.plan.is(Mutant::NeverRecovers) => {}
            Err(error) => {
                let event = Event::AppendFinished {
                    id,
                    result: Err(error),
                };
                self.after(1, Happening::Ended { copy, epoch, event });
            }
        }
    }

    /// Appends in order; skips what is held, refuses what would leave a gap.
    fn append(&mut self, copy: CopyId, mut frames: Vec<Frame>) -> Result<Option<AppendTicket>, Exception> {
        let state = &self.copies[copy.0];
        if !state.open {
            return Err(Exception::new(ExceptionKind::IndexClosed, "follower is closed"));
        }
        let log = state.log.clone().ok_or_else(not_started)?;
        let expected = state.end();
        self.damage(&mut frames);
        frames.retain(|frame| frame.seq_no().get() >= expected);
        let Some(first) = frames.first() else {
            return Ok(None);
        };
        if first.seq_no().get() != expected {
            let reason = format!("operation {} where {expected} is due", first.seq_no());
            return Err(Exception::new(ExceptionKind::NoShardAvailable, reason));
        }
        self.note("append", [copy.0 as u64, expected, frames.len() as u64]);
        match log.append(frames, Durability::Async) {
            Ok(ticket) => Ok(Some(ticket)),
            Err(oplog::AppendError::Log(error)) => {
                self.break_log(copy, &error);
                Err(broken(&error))
            }
            Err(oplog::AppendError::Read(error)) => {
                let error = error.into();
                self.break_log(copy, &error);
                Err(broken(&error))
            }
            Err(error) => {
                self.violate("FT-1", format!("copy {} cannot append: {error}", copy.0));
                Err(not_started())
            }
        }
    }

    /// What the mutants do to operations.
    fn damage(&mut self, frames: &mut [Frame]) {
        let mutant = self.plan.mutant;
        let relevant = matches!(
            mutant,
            Some(Mutant::SkipsAnOperation | Mutant::AppliesTwice | Mutant::AltersBytes)
        );
        if !relevant || !self.random.chance(0.05) {
            return;
        }
        let place = self.random.below(frames.len() as u64) as usize;
        let mut operation = frames[place].to_operation();
        match mutant {
            Some(Mutant::SkipsAnOperation) => {
                operation.kind = oplog::OperationKind::NoOp;
                operation.superseded = None;
            }
            Some(Mutant::AppliesTwice) => {
                operation.seq_no = SeqNo::new(operation.seq_no.get() + 1);
                operation.superseded = None;
            }
            _ => operation.source = crate::truth::source(0, operation.source.len() as u64, b'?'),
        }
        let place = place + usize::from(mutant == Some(Mutant::AppliesTwice));
        if let (Some(frame), Ok(changed)) = (frames.get_mut(place), operation.to_frame()) {
            *frame = changed;
        }
    }

    /// Why following stopped for good, if it did.
    pub(crate) fn fatal(&self, copy: CopyId) -> Option<&Exception> {
        match self.copies[copy.0].following.as_ref()?.work.as_ref()? {
            Work::Task(run) if run.task.phase() == FollowTaskPhase::Failed => run.task.fatal_exception(),
            Work::Task(_) => None,
            Work::Bootstrap(bootstrap) => bootstrap.failed.as_ref(),
        }
    }
}
