//! What users do with the leader index.

use std::sync::Arc;

use oplog::{
    AppendError, Clock as _, DocumentVersion, Durability, Frame, HistoryUuid, Log, NewLog, Operation,
    OperationKind, PrimaryTerm, SeqNo, UnixMillis,
};

use crate::bootstrap::id;
use crate::convergence::Phase;
use crate::copies::{AppendWaits, CopyId, NodeId, PendingAppend, ShardCopy};
use crate::disk::micros;
use crate::happening::Happening;
use crate::mutant::Mutant;
use crate::truth::{History, TruthId, needed_mapping, source};
use crate::world::{MILLI, World};

impl World {
    pub(crate) fn add_copy(&mut self, node: NodeId) -> CopyId {
        let truth = self.truth.add(History::default());
        self.copies.push(ShardCopy {
            node,
            uuid: id("none"),
            history: id("none"),
            exists: false,
            open: false,
            in_cycle: false,
            dir: Default::default(),
            log: None,
            meta: Default::default(),
            truth,
            waiters: Vec::new(),
            live_sets: Vec::new(),
            heal: None,
            sessions: Default::default(),
            leases: Default::default(),
            durable_end: 0,
            checked_end: 0,
            min_retained: 0,
            documents: Default::default(),
            snapshot: None,
            following: None,
        });
        CopyId(self.copies.len() - 1)
    }

    /// Creates a leader index under the copy's name. Leaves none if the disk does not let it.
    pub(crate) fn create_leader_index(&mut self, copy: CopyId) {
        let (dir, number) = (self.new_dir(copy), self.number());
        let history: HistoryUuid = id(&format!("created-{number}"));
        let new = NewLog {
            history_uuid: history.clone(),
            primary_term: PrimaryTerm::FIRST,
        };
        let node = &self.nodes[self.copies[copy.0].node.0];
        let created = Log::create(
            Arc::new(node.storage.clone()),
            dir.clone(),
            new,
            self.plan.log_options.clone(),
            node.committer.clone(),
            node.clock.clone(),
        );
        let Ok(log) = created else { return };
        let truth = self.truth.add(History::default());
        let first_write = self.random.below(2 * micros(self.plan.write_pause));
        let state = &mut self.copies[copy.0];
        let is_new = state.uuid == id("none");
        state.uuid = id(&format!("leader-{number}"));
        (state.history, state.dir, state.truth) = (history, dir, truth);
        (state.exists, state.open) = (true, true);
        state.log = Some(log);
        state.meta = Default::default();
        state.leases.clear();
        state.documents.clear();
        state.snapshot = None;
        (state.durable_end, state.checked_end, state.min_retained) = (0, 0, 0);
        if is_new {
            self.after(first_write, Happening::Write { copy });
        }
    }

    pub(crate) fn write(&mut self, copy: CopyId) {
        if self.phase != Phase::Chaos {
            return;
        }
        let pause = self.random.below(2 * micros(self.plan.write_pause));
        self.after(pause, Happening::Write { copy });
        self.write_batch(copy);
    }

    /// Changes metadata now and then, and writes some operations.
    pub(crate) fn write_batch(&mut self, copy: CopyId) {
        let state = &self.copies[copy.0];
        if !(state.exists && state.open) {
            return;
        }
        let Some(log) = state.log.clone() else { return };
        self.change_metadata(copy);
        let count = self.random.between(1..self.plan.largest_write + 1);
        let mut documents = self.copies[copy.0].documents.clone();
        let now = self.nodes[self.copies[copy.0].node.0].clock.now();
        let first = self.copies[copy.0].end();
        let mut frames = Vec::new();
        for seq_no in first..first + count {
            // A document may bring a field with it: the mapping is changed before the operation is logged.
            if self.random.chance(self.plan.new_fields) {
                self.copies[copy.0].meta.mapping.change();
            }
            frames.push(self.operation(copy, seq_no, log.primary_term(), now, &mut documents));
        }
        let durability = if self.plan.is(Mutant::AcknowledgesBeforeTheSync) {
            Durability::Async
        } else {
            Durability::Request
        };
        let ticket = match log.append(frames.clone(), durability) {
            Ok(ticket) => ticket,
            Err(AppendError::Log(error)) => return self.break_log(copy, &error),
            Err(AppendError::Read(error)) => return self.break_log(copy, &error.into()),
            Err(error) => return self.violate("OL-1", format!("the leader cannot append: {error}")),
        };
        self.note("write", [copy.0 as u64, first, count]);
        self.copies[copy.0].documents = documents;
        let truth = self.copies[copy.0].truth;
        self.truth.change(truth).frames.extend(frames);
        let node = self.copies[copy.0].node;
        let waits = AppendWaits::Users {
            truth,
            end: first + count,
        };
        let ticket = Some(ticket);
        self.nodes[node.0]
            .appends
            .push(PendingAppend { copy, ticket, waits });
        let within = self.random.below(5 * MILLI);
        self.plan_commit(node, within);
    }

    fn change_metadata(&mut self, copy: CopyId) {
        let meta = &mut self.copies[copy.0].meta;
        if self.random.chance(0.04) {
            meta.settings.change();
        }
        if self.random.chance(0.04) {
            meta.aliases.change();
        }
        if self.random.chance(0.02) {
            // A change that nothing depends on.
            meta.mapping.version += 1;
        }
        self.tell_of_metadata(copy);
    }

    fn operation(
        &mut self,
        copy: CopyId,
        seq_no: u64,
        primary_term: PrimaryTerm,
        timestamp: UnixMillis,
        documents: &mut std::collections::BTreeMap<u64, u64>,
    ) -> Frame {
        if self.random.chance(0.02) {
            return no_op(seq_no, primary_term);
        }
        let document = self.random.below(self.plan.documents);
        let superseded = documents.remove(&document);
        let delete = self.random.chance(0.15);
        let kind = if delete {
            OperationKind::Delete
        } else {
            documents.insert(document, seq_no);
            OperationKind::Index
        };
        let length = self.random.below(self.plan.largest_source);
        let needed = self.copies[copy.0].meta.mapping.content;
        let operation = Operation {
            seq_no: SeqNo::new(seq_no),
            superseded: superseded.map(SeqNo::new),
            primary_term,
            version: DocumentVersion::new(seq_no + 1),
            timestamp,
            kind,
            id: document.to_string(),
            routing: None,
            source: if delete {
                Default::default()
            } else {
                source(needed, length, seq_no as u8)
            },
        };
        let frame = operation
            .to_frame()
            .expect("a small document is within the limits");
        self.largest_operation = self.largest_operation.max(frame.estimated_size());
        frame
    }

    pub(crate) fn acknowledge(&mut self, truth: TruthId, end: u64) {
        let history = self.truth.change(truth);
        self.tally.operations_acknowledged += end.saturating_sub(history.acknowledged);
        history.acknowledged = history.acknowledged.max(end);
    }

    /// After a crash the leader goes on from what is left.
    pub(crate) fn forget_lost_operations(&mut self, copy: CopyId) {
        let end = self.copies[copy.0].end();
        let truth = self.copies[copy.0].truth;
        let history = self.truth.change(truth);
        history
            .frames
            .truncate(usize::try_from(end).unwrap_or(usize::MAX));
        let mut documents = std::collections::BTreeMap::new();
        for frame in &history.frames {
            let Ok(document) = frame.id().parse() else {
                continue;
            };
            match frame.kind() {
                OperationKind::Index => documents.insert(document, frame.seq_no().get()),
                _ => documents.remove(&document),
            };
        }
        let needed = history.frames.iter().map(needed_mapping).max().unwrap_or(0);
        self.copies[copy.0].documents = documents;
        if needed > self.copies[copy.0].meta.mapping.content {
            self.violate("simulation", "the leader's mapping went back".to_owned());
        }
    }
}

/// An operation that only fills its place.
pub(crate) fn no_op(seq_no: u64, primary_term: PrimaryTerm) -> Frame {
    let operation = Operation {
        seq_no: SeqNo::new(seq_no),
        superseded: None,
        primary_term,
        version: DocumentVersion::new(1),
        timestamp: UnixMillis::new(0),
        kind: OperationKind::NoOp,
        id: "none".to_owned(),
        routing: None,
        source: Default::default(),
    };
    operation.to_frame().expect("it is small")
}
