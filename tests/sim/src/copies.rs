//! Nodes, and the shard copies on them.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use es_exception::Exception;
use follow_task::{BudgetId, BudgetMember, FollowTask, InflightBudget, MetadataId, WriteId};
use futures::future::BoxFuture;
use oplog::{
    AppendTicket, ByteCount, Frame, GroupCommitter, HealStage, HistoryUuid, IndexUuid, LeaseId, LiveSnapshot,
    Log, MemStorage, PinnedFiles, SeqNo,
};

use crate::bootstrap::Bootstrap;
use crate::clock::NodeClock;
use crate::truth::TruthId;
use crate::wire::Envelope;

/// One cluster of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) usize);

/// A shard copy, by the name of its index: what replaces the index keeps the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CopyId(pub(crate) usize);

/// A node and its process.
pub(crate) struct Node {
    pub(crate) storage: MemStorage,
    pub(crate) clock: Arc<NodeClock>,
    pub(crate) committer: Arc<GroupCommitter>,
    pub(crate) budget: Arc<InflightBudget>,
    pub(crate) up: bool,
    /// Counts the starts of the process; what belongs to an earlier one is void.
    pub(crate) boot: u64,
    /// Calls to other nodes that wait for an answer.
    pub(crate) calls: BTreeMap<u64, Call>,
    pub(crate) appends: Vec<PendingAppend>,
    /// When the disk works next, if that is planned.
    pub(crate) commit_at: Option<u64>,
    /// Followers lack the privilege here.
    pub(crate) refuses: bool,
}

/// A call that waits for an answer.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) copy: CopyId,
    pub(crate) epoch: u64,
    pub(crate) to: NodeId,
    pub(crate) purpose: Purpose,
    /// Answers that came and were not the last.
    pub(crate) answered: u32,
}

/// What an answer is for.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    Read(follow_task::ReadId),
    Heal(follow_task::HealId),
    Lease(follow_task::LeaseRequestId),
    Sync {
        id: MetadataId,
        kind: follow_task::MetadataKind,
        required: u64,
    },
    Boot,
    /// Whether it succeeds does not matter.
    Courtesy,
}

/// An append that waits for the disk.
pub(crate) struct PendingAppend {
    pub(crate) copy: CopyId,
    pub(crate) ticket: Option<AppendTicket>,
    pub(crate) waits: AppendWaits,
}

/// Who waits for an append.
pub(crate) enum AppendWaits {
    /// Of the history in which they wrote.
    Users {
        truth: TruthId,
        end: u64,
    },
    Task {
        epoch: u64,
        id: WriteId,
    },
}

/// A version, and how much it stands for on the leader that the content came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Versioned {
    pub(crate) version: u64,
    pub(crate) content: u64,
}

impl Default for Versioned {
    fn default() -> Self {
        Self {
            version: 1,
            content: 1,
        }
    }
}

impl Versioned {
    /// A change made here.
    pub(crate) fn change(&mut self) {
        self.version += 1;
        self.content += 1;
    }

    /// Takes over content of another index.
    pub(crate) fn take_over(&mut self, content: u64) {
        if content > self.content {
            self.content = content;
            self.version += 1;
        }
    }
}

/// Metadata of an index: cluster state, which survives all crashes. In the order of syncing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Meta {
    pub(crate) aliases: Versioned,
    pub(crate) settings: Versioned,
    pub(crate) mapping: Versioned,
}

/// A lease as the simulation remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownLease {
    pub(crate) retaining: u64,
    pub(crate) timestamp: u64,
    /// What the leader must keep for it: no more than there was when it was added.
    pub(crate) effective: u64,
}

/// A long poll.
pub(crate) struct Waiter {
    pub(crate) id: u64,
    pub(crate) from: SeqNo,
    pub(crate) envelope: Envelope,
}

/// A live set that waits until what it takes into account is durable.
pub(crate) struct PendingLiveSet {
    pub(crate) envelope: Envelope,
    pub(crate) snapshot: LiveSnapshot,
}

/// Files of a log as they once were.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) checkpoint: Option<SeqNo>,
}

/// A session's files, and the version of the mapping that their operations need.
pub(crate) struct OpenSession {
    pub(crate) files: PinnedFiles,
}

/// A shard copy and what cluster state says of its index.
pub(crate) struct ShardCopy {
    pub(crate) node: NodeId,
    pub(crate) uuid: IndexUuid,
    /// The history that the log has, or will have when it is open.
    pub(crate) history: HistoryUuid,
    pub(crate) exists: bool,
    pub(crate) open: bool,
    /// Closed by a settings sync, which opens it again.
    pub(crate) in_cycle: bool,
    pub(crate) dir: PathBuf,
    pub(crate) log: Option<Arc<Log>>,
    pub(crate) meta: Meta,
    /// The operations that it holds, or is to hold.
    pub(crate) truth: TruthId,
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) live_sets: Vec<PendingLiveSet>,
    /// What a heal has staged; gone with the process, and read again from the disk.
    pub(crate) heal: Option<HealStage>,
    pub(crate) sessions: BTreeMap<u64, OpenSession>,
    pub(crate) leases: BTreeMap<LeaseId, KnownLease>,
    /// The most that was ever durable here.
    pub(crate) durable_end: u64,
    /// Operations compared with the truth.
    pub(crate) checked_end: u64,
    pub(crate) min_retained: u64,
    /// For leaders: the live operation of each document.
    pub(crate) documents: BTreeMap<u64, u64>,
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) following: Option<Following>,
}

impl ShardCopy {
    /// The end of the log; 0 without one.
    pub(crate) fn end(&self) -> u64 {
        end_of(self.log.as_ref().and_then(|log| log.max_seq_no()))
    }
}

/// The operation after `last`, as a number.
pub(crate) fn end_of(last: Option<SeqNo>) -> u64 {
    last.map_or(0, |last| last.get() + 1)
}

/// What follows: cluster state, and what the process made of it.
pub(crate) struct Following {
    pub(crate) leader: CopyId,
    pub(crate) leader_uuid: IndexUuid,
    pub(crate) leader_history: HistoryUuid,
    pub(crate) lease: LeaseId,
    pub(crate) state: FollowState,
    /// Told apart from every earlier task or bootstrap of the run.
    pub(crate) epoch: u64,
    pub(crate) work: Option<Work>,
    /// The lease expired, or was lost with the leader's.
    pub(crate) lapsed: bool,
    /// For a mutant: operations appended as of the last renewal, and whether a task was started again.
    pub(crate) renewed_end: u64,
    pub(crate) starts: u64,
}

/// What cluster state says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FollowState {
    /// Files are being copied.
    Copying,
    /// There is a task.
    Active,
    /// There is none until someone resumes.
    Paused,
}

/// What the process does.
pub(crate) enum Work {
    Bootstrap(Box<Bootstrap>),
    Task(Box<TaskRun>),
}

/// A running task.
pub(crate) struct TaskRun {
    pub(crate) task: FollowTask,
    pub(crate) member: BudgetMember,
    pub(crate) grants: Vec<(BudgetId, BoxFuture<'static, ByteCount>)>,
    pub(crate) batches: VecDeque<(WriteId, Vec<Frame>)>,
    pub(crate) wake_at: Option<u64>,
    /// A sync that waits for the end of the settings cycle.
    pub(crate) cycle: Option<(MetadataId, u64)>,
    /// The first fatal failure; the task must keep it.
    pub(crate) fatal: Option<Exception>,
}
