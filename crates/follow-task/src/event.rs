//! What may happen to a task, and what a task may ask for. Plain data, both closed.

use es_exception::Exception;
use oplog::{ByteCount, Frame, LiveSnapshot, SeqNo};

use crate::ids::{BudgetId, HealId, LeaseRequestId, MetadataId, ReadId, StateId, WriteId};
use crate::inflight_budget::BudgetRequest;
use crate::ports::{
    AppendResponse, FollowerState, HeldReadRequest, HeldReadResponse, LiveSetResponse, ReadRequest,
    ReadResponse,
};

/// Something that happened. A completion whose id the task does not wait for is ignored and counted.
#[derive(Debug, Clone)]
pub enum Event {
    /// Time has passed. Extra ones are harmless.
    Wake,
    /// The task is to stop: no further action will be asked for.
    Cancel,
    /// A question about the follower's state was answered.
    FollowerState {
        /// The question.
        id: StateId,
        /// Its answer.
        result: Result<FollowerState, Exception>,
    },
    /// A read was answered, or failed. It is over unless [`FollowTask::is_open`](crate::FollowTask::is_open) says otherwise.
    ReadAnswered {
        /// The read.
        id: ReadId,
        /// Its answer.
        result: Result<ReadResponse, Exception>,
    },
    /// An append ended.
    AppendFinished {
        /// The append.
        id: WriteId,
        /// Its answer.
        result: Result<AppendResponse, Exception>,
    },
    /// A metadata sync ended.
    MetadataSynced {
        /// The sync.
        id: MetadataId,
        /// The leader's version that is now applied.
        result: Result<u64, Exception>,
    },
    /// A renewal or an addition of the retention lease ended.
    LeaseFinished {
        /// The renewal or addition.
        id: LeaseRequestId,
        /// Its answer.
        result: Result<(), Exception>,
    },
    /// A piece of work of a delta heal ended.
    HealFinished {
        /// The work.
        id: HealId,
        /// How it ended.
        result: Result<HealOutcome, Exception>,
    },
    /// Bytes of the node-wide budget are the task's until it gives them back.
    BudgetGranted {
        /// The request that this grants.
        id: BudgetId,
        /// As many bytes as now belong to the task.
        bytes: ByteCount,
    },
}

/// What a piece of work of a delta heal gave. A kind that does not answer the work of its id is ignored.
#[derive(Debug, Clone)]
pub enum HealOutcome {
    /// The heal began: this operation is to be staged next.
    Begun(SeqNo),
    /// Operations that the leader holds.
    Held(HeldReadResponse),
    /// Operations were staged: this one is to be staged next.
    Staged(SeqNo),
    /// What is live on the leader.
    LiveSet(Box<LiveSetResponse>),
    /// The copy is healed.
    Installed(FollowerState),
}

/// A piece of metadata that follows the leader. The order is the one of syncing: operations come after all three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetadataKind {
    /// The index's aliases.
    Aliases,
    /// The index's replicated settings.
    Settings,
    /// The index's mapping.
    Mapping,
}

/// Work that the driver is to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Ask the follower where it stands; answer with [`Event::FollowerState`].
    QueryFollowerState {
        /// Names the question.
        id: StateId,
    },
    /// Read from the leader; answer with [`Event::ReadAnswered`].
    Read {
        /// Names the read.
        id: ReadId,
        /// What to read.
        request: ReadRequest,
    },
    /// Append to the follower, taking the place in the order at once; answer with [`Event::AppendFinished`].
    Append {
        /// Names the append.
        id: WriteId,
        /// Contiguous operations, directly after those of the append asked for before.
        frames: Vec<Frame>,
    },
    /// Bring metadata up to date; answer with [`Event::MetadataSynced`].
    SyncMetadata {
        /// Names the sync.
        id: MetadataId,
        /// What to sync.
        kind: MetadataKind,
        /// The leader's version that is needed at least.
        required: u64,
    },
    /// Renew the retention lease; answer with [`Event::LeaseFinished`].
    RenewRetentionLease {
        /// Names the renewal.
        id: LeaseRequestId,
        /// The leader is to keep this operation and all after it.
        retaining: SeqNo,
    },
    /// Add the retention lease; answer with [`Event::LeaseFinished`].
    AddRetentionLease {
        /// Names the addition.
        id: LeaseRequestId,
        /// The leader is to keep this operation and all after it.
        retaining: SeqNo,
    },
    /// Do a piece of work of a delta heal; answer with [`Event::HealFinished`].
    Heal {
        /// Names the work.
        id: HealId,
        /// What to do.
        work: HealWork,
    },
    /// Ask the node-wide budget for bytes; answer with [`Event::BudgetGranted`] once they are granted.
    RequestBudget {
        /// Names the request.
        id: BudgetId,
        /// What is asked for.
        request: BudgetRequest,
    },
    /// Give bytes back to the node-wide budget.
    ReleaseBudget {
        /// As many bytes as are given back.
        bytes: ByteCount,
    },
}

/// A piece of work of a delta heal; see [`crate::LeaderShard`] and [`crate::FollowerShard`].
#[derive(Debug, Clone, PartialEq)]
pub enum HealWork {
    /// Begin, or go on with what was staged before.
    Begin,
    /// Read operations that the leader holds.
    ReadHeld(HeldReadRequest),
    /// Stage operations on the follower.
    Stage {
        /// The first operation that they stand for.
        from: SeqNo,
        /// Those of them that the leader holds.
        frames: Vec<Frame>,
        /// The first operation behind them.
        next: SeqNo,
    },
    /// Read what is live on the leader.
    ReadLiveSet,
    /// Make the follower equal to the leader.
    Install(Box<LiveSnapshot>),
}
