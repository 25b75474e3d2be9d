//! The events of the simulation, in the order of their time.

use std::collections::BTreeMap;
use std::sync::Arc;

use follow_task::{Event, HealId, HealWork};
use oplog::{Frame, Log, SeqNo};

use crate::copies::{CopyId, NodeId};
use crate::faults::Repair;
use crate::wire::{Answer, Envelope};

/// Something that happens at a time.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A follower's task wanted to be woken, or its bootstrap goes on.
    Wake { copy: CopyId, epoch: u64 },
    /// Something local that a task waits for has ended.
    Ended { copy: CopyId, epoch: u64, event: Event },
    /// The follower's worker takes its next batch.
    AppendNext { copy: CopyId, epoch: u64 },
    /// The follower's shard does a piece of work of a delta heal.
    DeltaHeal {
        copy: CopyId,
        epoch: u64,
        id: HealId,
        work: HealWork,
    },
    /// A settings sync opens the index that it closed.
    EndCycle { copy: CopyId, boot: u64 },
    /// A recovering follower renews its lease.
    RenewWhileCopying { copy: CopyId, epoch: u64 },
    /// A request arrives.
    Request { to: NodeId, envelope: Envelope },
    /// An answer arrives, if the asker still runs.
    Answer {
        to: NodeId,
        boot: u64,
        rpc: u64,
        /// How many answers the call has had before; `None` for what the line itself tells.
        place: Option<u32>,
        answer: Answer,
    },
    /// Nobody answered in time.
    CallTimeout { node: NodeId, boot: u64, rpc: u64 },
    /// A leader reads operations.
    ReadStage { boot: u64, envelope: Envelope },
    /// A leader completes an answer with what it knows by now.
    AnswerStage {
        boot: u64,
        envelope: Envelope,
        frames: Vec<Frame>,
        facts: ReadFacts,
    },
    /// A long poll ends without operations.
    PollTimeout { copy: CopyId, waiter: u64 },
    /// The disk writes what was appended.
    Commit { node: NodeId, boot: u64 },
    /// Leases expire, the log is compacted.
    Maintain { node: NodeId },
    /// Users write.
    Write { copy: CopyId },
    /// A node's process starts.
    Start { node: NodeId, boot: u64 },
    /// A shard that failed is opened again.
    Reopen { copy: CopyId, boot: u64 },
    /// The next fault.
    Fault,
    /// A fault ends.
    Repair(Repair),
    /// The phase of faults is over.
    Heal,
    /// Somebody looks whether all is well.
    Look,
}

/// What a leader noted when it read the operations.
#[derive(Debug, Clone)]
pub(crate) struct ReadFacts {
    /// What was read; by now it may be closed, or another one in its place.
    pub(crate) log: Arc<Log>,
    pub(crate) checkpoint: Option<SeqNo>,
    /// Aliases, settings, mapping; for a mutant that takes them too early.
    pub(crate) versions: [u64; 3],
    pub(crate) started: u64,
}

/// Events by time; those of one time in the order in which they were planned.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    events: BTreeMap<(u64, u64), Happening>,
    next: u64,
}

impl Queue {
    pub(crate) fn plan(&mut self, at: u64, happening: Happening) {
        self.events.insert((at, self.next), happening);
        self.next += 1;
    }

    pub(crate) fn take(&mut self) -> Option<(u64, Happening)> {
        let ((at, _), happening) = self.events.pop_first()?;
        Some((at, happening))
    }
}
