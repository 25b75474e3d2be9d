//! Builds leaders' operations and answers, and drives a core by hand.

use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use follow_task::{
    Action, AppendResponse, BudgetRequest, DEFAULT_RETENTION_LEASE_RENEW_INTERVAL, Event, FollowParameters,
    FollowTask, FollowTaskConfig, FollowTaskIdentity, FollowerState, LeaseRequestId, MetadataKind,
    RawFollowParameters, ReadId, ReadRequest, ReadResponse, ShardFollowTaskStatus, StateId, Timestamp,
    WriteId,
};
use oplog::{
    ByteCount, DocumentVersion, Frame, HistoryUuid, Operation, OperationKind, PrimaryTerm, SeqNo,
    ShardNumber, UnixMillis,
};

pub(crate) fn seq(number: u64) -> SeqNo {
    SeqNo::new(number)
}

/// -1 is "none", as in the scenarios.
pub(crate) fn opt(number: i64) -> Option<SeqNo> {
    u64::try_from(number).ok().map(SeqNo::new)
}

pub(crate) fn frames(range: std::ops::Range<u64>) -> Vec<Frame> {
    range
        .map(|seq_no| frame(seq_no, &vec![b'x'; (seq_no % 7) as usize * 5]))
        .collect()
}

pub(crate) fn frame(seq_no: u64, source: &[u8]) -> Frame {
    let operation = Operation {
        seq_no: seq(seq_no),
        superseded: None,
        primary_term: PrimaryTerm::FIRST,
        version: DocumentVersion::new(1),
        timestamp: UnixMillis::new(1_000_000 + seq_no),
        kind: OperationKind::Index,
        id: format!("{seq_no:05}"),
        routing: None,
        source: source.to_vec().into(),
    };
    operation.to_frame().unwrap()
}

pub(crate) fn history() -> HistoryUuid {
    "history".parse().unwrap()
}

pub(crate) fn retryable() -> Exception {
    Exception::new(ExceptionKind::UnavailableShards, "not now")
}

/// What a leader answers that has removed some of the operations asked for.
pub(crate) fn missing(from: u64, to: u64) -> Exception {
    Exception::new(ExceptionKind::ResourceNotFound, "operations are gone").with_metadata(
        "es.requested_operations_missing",
        vec![from.to_string(), to.to_string()],
    )
}

pub(crate) fn fatal() -> Exception {
    Exception::new(ExceptionKind::IllegalArgument, "never")
}

pub(crate) fn config(parameters: RawFollowParameters) -> FollowTaskConfig {
    FollowTaskConfig {
        identity: FollowTaskIdentity {
            remote_cluster: "leader".into(),
            leader_index: "orders".into(),
            follower_index: "orders-copy".into(),
            shard_id: ShardNumber::new(0),
        },
        parameters: FollowParameters::try_from(parameters).unwrap(),
        seed: 42,
        retention_lease_renew_interval: DEFAULT_RETENTION_LEASE_RENEW_INTERVAL,
        auto_heal: true,
    }
}

/// Parameters of a task of which reads matter.
pub(crate) fn reads(count: i64, outstanding: i64) -> RawFollowParameters {
    RawFollowParameters {
        max_read_request_operation_count: Some(count),
        max_outstanding_read_requests: Some(outstanding),
        ..Default::default()
    }
}

/// Parameters of a task of which writes matter.
pub(crate) fn writes(count: i64, outstanding: i64) -> RawFollowParameters {
    RawFollowParameters {
        max_read_request_operation_count: Some(1000),
        max_outstanding_read_requests: Some(1),
        max_write_request_operation_count: Some(count),
        max_outstanding_write_requests: Some(outstanding),
        ..Default::default()
    }
}

/// What a budget without a limit grants.
pub(crate) fn granted_in_full(request: BudgetRequest) -> ByteCount {
    match request {
        BudgetRequest::Range { needed, wanted } => needed.max(wanted),
        BudgetRequest::Poll { wanted } => wanted,
    }
}

pub(crate) fn answer(range: std::ops::Range<u64>, checkpoint: i64) -> ReadResponse {
    ReadResponse {
        frames: frames(range),
        next_operation_size: None,
        global_checkpoint: opt(checkpoint),
        max_seq_no: opt(checkpoint),
        max_seq_no_of_updates_or_deletes: None,
        mapping_version: 1,
        settings_version: 1,
        aliases_version: 1,
        took: Duration::from_millis(3),
        leader_now: UnixMillis::new(2_000_000),
        stays_open: false,
    }
}

/// A core whose requests for budget are granted at once, and what it asks for otherwise.
pub(crate) struct Rig {
    pub(crate) core: FollowTask,
    pub(crate) now: Timestamp,
    /// Requests for budget, and what is given back, are among the actions from now on.
    pub(crate) budget_by_hand: bool,
    /// Everything asked for and not looked at yet.
    pub(crate) actions: Vec<Action>,
}

impl Rig {
    /// A task that has learnt the follower's state and synced metadata of version 1.
    pub(crate) fn started(parameters: RawFollowParameters, follower: i64) -> Self {
        Self::started_with(config(parameters), follower)
    }

    /// The same with a configuration of one's own.
    pub(crate) fn started_with(config: FollowTaskConfig, follower: i64) -> Self {
        let mut rig = Self::with(config);
        rig.step(Event::Wake);
        let [Action::QueryFollowerState { id }] = rig.take()[..] else {
            panic!("no question")
        };
        rig.step(Event::FollowerState {
            id,
            result: Ok(state(follower)),
        });
        for expected in [
            MetadataKind::Aliases,
            MetadataKind::Settings,
            MetadataKind::Mapping,
        ] {
            let kind = rig.sync(Ok(1));
            assert_eq!(kind, expected);
        }
        rig
    }

    pub(crate) fn new(parameters: RawFollowParameters) -> Self {
        Self::with(config(parameters))
    }

    fn with(config: FollowTaskConfig) -> Self {
        let now = Timestamp::new(Duration::from_secs(1));
        Self {
            core: FollowTask::new(config),
            now,
            budget_by_hand: false,
            actions: Vec::new(),
        }
    }

    /// Steps 20 ms later, so that no pause after an empty answer is in the way.
    pub(crate) fn step(&mut self, event: Event) {
        self.now = self.now.after(Duration::from_millis(20));
        let mut todo = vec![event];
        while let Some(event) = todo.pop() {
            let mut actions = Vec::new();
            self.core.step(self.now, event, &mut actions);
            for action in actions {
                match action {
                    action if self.budget_by_hand => self.actions.push(action),
                    Action::RequestBudget { id, request } => {
                        let bytes = granted_in_full(request);
                        todo.push(Event::BudgetGranted { id, bytes });
                    }
                    Action::ReleaseBudget { .. } => {}
                    action => self.actions.push(action),
                }
            }
        }
    }

    pub(crate) fn wake(&mut self) {
        let wake = self.core.next_wake().expect("nothing to wait for");
        self.now = self.now.max(wake);
        self.step(Event::Wake);
    }

    /// Lets time pass until something `wanted` is asked for.
    pub(crate) fn until(&mut self, wanted: impl Fn(&Action) -> bool) {
        for _ in 0..1000 {
            if self.actions.iter().any(&wanted) {
                return;
            }
            self.wake();
        }
        panic!("never asked for");
    }

    /// Lets time pass until a read is asked for, and takes out the only one.
    pub(crate) fn next_read(&mut self) -> (ReadId, ReadRequest) {
        self.until(|action| matches!(action, Action::Read { .. }));
        let mut reads = self.reads();
        assert_eq!(reads.len(), 1, "{reads:?}");
        reads.remove(0)
    }

    /// Lets time pass until the follower is asked for its state, and takes out the question.
    pub(crate) fn question(&mut self) -> StateId {
        let wanted = |action: &Action| matches!(action, Action::QueryFollowerState { .. });
        self.until(wanted);
        let at = self.actions.iter().position(wanted);
        match self.actions.remove(at.unwrap()) {
            Action::QueryFollowerState { id } => id,
            _ => unreachable!(),
        }
    }

    /// Takes out the renewal of the lease, if one is asked for.
    pub(crate) fn renewal(&mut self) -> Option<(LeaseRequestId, SeqNo)> {
        let wanted = |action: &Action| matches!(action, Action::RenewRetentionLease { .. });
        let at = self.actions.iter().position(wanted)?;
        match self.actions.remove(at) {
            Action::RenewRetentionLease { id, retaining } => Some((id, retaining)),
            _ => None,
        }
    }

    pub(crate) fn state_known(&mut self, id: StateId, result: Result<FollowerState, Exception>) {
        self.step(Event::FollowerState { id, result });
    }

    pub(crate) fn lease_done(&mut self, id: LeaseRequestId, result: Result<(), Exception>) {
        self.step(Event::LeaseFinished { id, result });
    }

    pub(crate) fn write_failed(&mut self, id: WriteId, exception: Exception) {
        self.step(Event::AppendFinished {
            id,
            result: Err(exception),
        });
    }

    pub(crate) fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    pub(crate) fn status(&self) -> ShardFollowTaskStatus {
        self.core.status(self.now)
    }

    /// Answers the pending metadata sync.
    pub(crate) fn sync(&mut self, result: Result<u64, Exception>) -> MetadataKind {
        let at = self
            .actions
            .iter()
            .position(|action| matches!(action, Action::SyncMetadata { .. }));
        let Action::SyncMetadata { id, kind, .. } = self.actions.remove(at.expect("no sync")) else {
            unreachable!()
        };
        self.step(Event::MetadataSynced { id, result });
        kind
    }

    /// Takes out the reads asked for.
    pub(crate) fn reads(&mut self) -> Vec<(ReadId, ReadRequest)> {
        let (reads, rest) = self
            .take()
            .into_iter()
            .partition(|action| matches!(action, Action::Read { .. }));
        self.actions = rest;
        let read = |action| match action {
            Action::Read { id, request } => (id, request),
            _ => unreachable!(),
        };
        Vec::into_iter(reads).map(read).collect()
    }

    /// Takes out the only read asked for.
    pub(crate) fn one_read(&mut self, from: u64, count: u32) -> ReadId {
        let reads = self.reads();
        assert_eq!(shape(&reads), [(from, count)]);
        reads[0].0
    }

    /// Takes out the appends asked for.
    pub(crate) fn appends(&mut self) -> Vec<(WriteId, Vec<u64>)> {
        let (appends, rest) = self
            .take()
            .into_iter()
            .partition(|action| matches!(action, Action::Append { .. }));
        self.actions = rest;
        let append = |action| match action {
            Action::Append { id, frames } => (
                id,
                frames.iter().map(|frame: &Frame| frame.seq_no().get()).collect(),
            ),
            _ => unreachable!(),
        };
        Vec::into_iter(appends).map(append).collect()
    }

    pub(crate) fn read_done(&mut self, id: ReadId, result: Result<ReadResponse, Exception>) {
        self.step(Event::ReadAnswered { id, result });
    }

    pub(crate) fn write_done(&mut self, id: WriteId, checkpoint: i64) {
        let result = Ok(AppendResponse {
            global_checkpoint: opt(checkpoint),
            max_seq_no: opt(checkpoint),
        });
        self.step(Event::AppendFinished { id, result });
    }
}

pub(crate) fn state(follower: i64) -> FollowerState {
    FollowerState {
        history_uuid: history(),
        global_checkpoint: opt(follower),
        max_seq_no: opt(follower),
    }
}

/// What the follower answers to an append: all up to `durable` is on disk, all up to `last` is there.
pub(crate) fn appended(durable: i64, last: i64) -> Result<AppendResponse, Exception> {
    Ok(AppendResponse {
        global_checkpoint: opt(durable),
        max_seq_no: opt(last),
    })
}

/// Estimated size of the operations of [`frames`].
pub(crate) fn size(range: std::ops::Range<u64>) -> u64 {
    frames(range).iter().map(Frame::estimated_size).sum()
}

/// First operation and count of each read.
pub(crate) fn shape(reads: &[(ReadId, ReadRequest)]) -> Vec<(u64, u32)> {
    reads
        .iter()
        .map(|(_, request)| (request.from.get(), request.max_operation_count))
        .collect()
}
