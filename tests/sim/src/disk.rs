//! Logs on disks: writing, failing, opening, crashing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use follow_task::{AppendResponse, Event, InflightBudget};
use oplog::{
    CompactionContext, CompactionGoal, GroupCommitter, HistoryUuid, Log, LogError, PrimaryTerm,
    RetentionBound, SeqNo, Storage,
};

use crate::copies::{AppendWaits, CopyId, FollowState, KnownLease, NodeId, PendingAppend, Snapshot, end_of};
use crate::happening::Happening;
use crate::mutant::Mutant;
use crate::world::{MILLI, SECOND, World};

/// Compaction without a search index: every reader has passed everything that is durable.
struct Compactor<'a>(&'a Log);

impl CompactionContext for Compactor<'_> {
    fn wait_until_passed(&self, seq_no: SeqNo) -> bool {
        self.0.sync().wait().is_ok() && self.0.durable_checkpoint() >= Some(seq_no)
    }

    fn throttle(&self, _bytes: oplog::ByteCount) -> bool {
        true
    }
}

impl World {
    pub(crate) fn copies_on(&self, node: NodeId) -> Vec<CopyId> {
        let ids = (0..self.copies.len()).map(CopyId);
        ids.filter(|copy| self.copies[copy.0].node == node).collect()
    }

    // ---- writing --------------------------------------------------------------------------------------------

    /// The disk works on what was appended after a short while.
    pub(crate) fn plan_commit(&mut self, node: NodeId, within: u64) {
        let at = self.now + within;
        let state = &mut self.nodes[node.0];
        if state.commit_at.is_none_or(|planned| planned > at) {
            state.commit_at = Some(at);
            let boot = state.boot;
            self.queue.plan(at, Happening::Commit { node, boot });
        }
    }

    pub(crate) fn commit(&mut self, node: NodeId, boot: u64) {
        let state = &mut self.nodes[node.0];
        if state.boot != boot || !state.up || state.commit_at != Some(self.now) {
            return;
        }
        state.commit_at = None;
        self.after_disk(node);
    }

    /// The disk does what is queued, which users, tasks and long polls notice.
    pub(crate) fn after_disk(&mut self, node: NodeId) {
        self.nodes[node.0].committer.run_pending();
        let mut unsynced = false;
        for copy in self.copies_on(node) {
            let Some(log) = self.copies[copy.0].log.clone() else {
                continue;
            };
            let durable = end_of(log.durable_checkpoint());
            unsynced |= durable < end_of(log.max_seq_no());
            self.note_durable(copy, durable);
            self.answer_polls(copy, durable);
            self.answer_live_sets(copy, durable);
        }
        self.finish_appends(node);
        if self.nodes[node.0].storage.is_dead() {
            self.crash(node, true);
        } else if unsynced {
            self.plan_commit(node, 100 * MILLI);
        }
    }

    pub(crate) fn note_durable(&mut self, copy: CopyId, durable: u64) {
        let state = &mut self.copies[copy.0];
        state.durable_end = state.durable_end.max(durable);
        if state.following.is_none() {
            let history = self.truth.change(state.truth);
            history.durable = history.durable.max(durable);
        }
    }

    /// After the disk has worked, every ticket is decided.
    fn finish_appends(&mut self, node: NodeId) {
        for PendingAppend { copy, ticket, waits } in std::mem::take(&mut self.nodes[node.0].appends) {
            let written = ticket.map_or(Ok(()), oplog::AppendTicket::wait);
            if let Err(error) = &written {
                self.break_log(copy, error);
            }
            match waits {
                AppendWaits::Users { truth, end } => {
                    if written.is_ok() {
                        self.acknowledge(truth, end);
                    }
                }
                AppendWaits::Task { epoch, id } => {
                    let result = written.map_err(|error| broken(&error)).and_then(|()| {
                        let log = self.copies[copy.0].log.as_ref().ok_or_else(not_started)?;
                        Ok(AppendResponse {
                            global_checkpoint: log.durable_checkpoint(),
                            max_seq_no: log.max_seq_no(),
                        })
                    });
                    if result.is_err() && self.plan.is(Mutant::NeverRecovers) {
                        continue;
                    }
                    let event = Event::AppendFinished { id, result };
                    let micros = self.random.below(2 * MILLI);
                    self.after(micros, Happening::Ended { copy, epoch, event });
                }
            }
        }
    }

    // ---- maintenance ----------------------------------------------------------------------------------------

    pub(crate) fn maintain(&mut self, node: NodeId) {
        self.after(micros(self.plan.maintenance), Happening::Maintain { node });
        if !self.nodes[node.0].up {
            return;
        }
        for copy in self.copies_on(node) {
            if let Some(log) = self.copies[copy.0].log.clone() {
                self.take_snapshot(copy);
                self.expire_leases(copy, &log);
                self.prune(copy, &log);
                self.check_retention(copy);
            }
        }
        self.after_disk(node);
    }

    fn prune(&mut self, copy: CopyId, log: &Log) {
        if self.plan.is(Mutant::PrunesWithoutLooking) {
            for lease in log.retention_leases().leases {
                let _ = log.remove_retention_lease(&lease.id);
            }
        }
        log.advance_min_retained(RetentionBound {
            global_checkpoint: log.durable_checkpoint(),
            retention_operations: self.plan.retention_operations,
            safe_commit: log.durable_checkpoint(),
        });
        match log.compact(CompactionGoal::Due, &Compactor(log)) {
            Ok(report) => {
                self.tally.operations_removed += report.removed_operations;
                if report.removed_operations > 0 {
                    self.note("compacted", [copy.0 as u64, report.removed_operations, 0]);
                }
            }
            Err(oplog::CompactionError::Log(error)) => self.break_log(copy, &error),
            Err(oplog::CompactionError::Read(error)) => self.break_log(copy, &error.into()),
        }
    }

    // ---- failing and opening --------------------------------------------------------------------------------

    /// A log that failed takes nothing more; it is opened again after a pause.
    pub(crate) fn break_log(&mut self, copy: CopyId, error: &LogError) {
        if let LogError::Corrupt { .. } = error {
            self.violate("OL-3", format!("copy {}: {error} without damage", copy.0));
        }
        if self.copies[copy.0].log.take().is_none() {
            return;
        }
        self.note("log failed", [copy.0 as u64, 0, 0]);
        self.close_polls(copy);
        let boot = self.nodes[self.copies[copy.0].node.0].boot;
        let pause = self.random.between(50 * MILLI..SECOND);
        self.after(pause, Happening::Reopen { copy, boot });
    }

    pub(crate) fn reopen(&mut self, copy: CopyId, boot: u64) {
        let node = &self.nodes[self.copies[copy.0].node.0];
        if node.boot == boot && node.up {
            self.open_log(copy);
        }
    }

    /// Opens the log if cluster state wants it open; tries again later when that fails.
    pub(crate) fn open_log(&mut self, copy: CopyId) {
        let state = &self.copies[copy.0];
        let copying = state
            .following
            .as_ref()
            .is_some_and(|following| following.state == FollowState::Copying);
        if !state.exists || !state.open || state.log.is_some() || copying {
            return;
        }
        let is_leader = state.following.is_none();
        let node = &self.nodes[state.node.0];
        let opened = Log::open(
            Arc::new(node.storage.clone()),
            state.dir.clone(),
            self.plan.log_options.clone(),
            node.committer.clone(),
            node.clock.clone(),
        );
        let opened = opened.and_then(|log| {
            if is_leader {
                // Above all terms of its history, which may be a restored one.
                let last = log
                    .term_table()
                    .last()
                    .map_or(PrimaryTerm::FIRST, |start| start.term);
                let term = last.max(log.primary_term()).get() + 1;
                log.set_primary_term(PrimaryTerm::new(term).unwrap_or(last))?;
            }
            Ok(log)
        });
        match opened {
            Ok(log) => {
                self.note("log opened", [copy.0 as u64, end_of(log.max_seq_no()), 0]);
                self.copies[copy.0].log = Some(log);
                self.check_reopened(copy);
                if is_leader {
                    self.forget_lost_operations(copy);
                }
                let end = self.copies[copy.0].end();
                self.note_durable(copy, end);
            }
            Err(LogError::Io { .. } | LogError::Poisoned { .. }) => {
                self.note("log not opened", [copy.0 as u64, 0, 0]);
                if self.nodes[self.copies[copy.0].node.0].storage.is_dead() {
                    self.crash(self.copies[copy.0].node, true);
                    return;
                }
                let boot = self.nodes[self.copies[copy.0].node.0].boot;
                self.after(300 * MILLI, Happening::Reopen { copy, boot });
            }
            Err(error) => self.violate("OL-3", format!("copy {} does not open: {error}", copy.0)),
        }
    }

    /// Closes a log in order.
    pub(crate) fn close_log(&mut self, copy: CopyId) {
        if let Some(log) = self.copies[copy.0].log.take() {
            // What a failed close leaves is found out by the next open.
            let _ = log.close();
            let durable = end_of(log.durable_checkpoint());
            self.note_durable(copy, durable);
            self.close_polls(copy);
        }
    }

    // ---- crashes --------------------------------------------------------------------------------------------

    /// The process of a node ends without a word; with the power goes what was not synced.
    pub(crate) fn crash(&mut self, node: NodeId, power: bool) {
        if !self.nodes[node.0].up {
            return;
        }
        self.note(if power { "power lost" } else { "killed" }, [node.0 as u64, 0, 0]);
        for copy in self.copies_on(node) {
            let state = &mut self.copies[copy.0];
            state.log = None;
            state.waiters.clear();
            state.live_sets.clear();
            state.heal = None;
            state.sessions.clear();
            if let Some(following) = &mut state.following {
                following.work = None;
            }
        }
        let seed = self.random.below(u64::MAX);
        let boot = self.number();
        let budget = InflightBudget::new(self.plan.budget);
        let state = &mut self.nodes[node.0];
        if power {
            state.storage.crash(seed);
        }
        state.up = false;
        state.boot = boot;
        state.calls.clear();
        state.appends.clear();
        state.commit_at = None;
        state.budget = budget;
        state.committer = GroupCommitter::manual(state.clock.clone());
        self.reset_calls_to(node);
        let period = self.plan.lease_period.as_micros() as u64;
        let down = self.random.spread(20 * MILLI..5 * SECOND.max(period / 2));
        self.after(down, Happening::Start { node, boot });
    }

    pub(crate) fn start(&mut self, node: NodeId, boot: u64) {
        if self.nodes[node.0].boot != boot || self.nodes[node.0].up {
            return;
        }
        self.nodes[node.0].up = true;
        self.note("started", [node.0 as u64, 0, 0]);
        for copy in self.copies_on(node) {
            // A disk that died while one copy was opened took the node with it.
            if !self.nodes[node.0].up {
                return;
            }
            self.end_broken_cycle(copy);
            self.open_log(copy);
            self.start_following(copy);
        }
    }

    // ---- files ----------------------------------------------------------------------------------------------

    pub(crate) fn new_dir(&mut self, copy: CopyId) -> PathBuf {
        let number = self.number();
        PathBuf::from(format!("/data/{}-{number}", copy.0))
    }

    /// Writes copied files into a new directory and makes them a log with a history of its own.
    pub(crate) fn install(
        &mut self,
        copy: CopyId,
        snapshot: &Snapshot,
        history: HistoryUuid,
    ) -> Result<(), LogError> {
        let dir = self.new_dir(copy);
        let storage = &self.nodes[self.copies[copy.0].node.0].storage;
        let io = |source: std::io::Error| LogError::Io {
            action: "install",
            path: dir.clone(),
            source: Arc::new(source),
        };
        storage.create_dir_all(&dir).map_err(io)?;
        for (name, content) in &snapshot.files {
            let file = storage.create(&dir.join(name)).map_err(io)?;
            file.write_at(0, content).map_err(io)?;
            file.sync_data().map_err(io)?;
        }
        storage.sync_dir(&dir).map_err(io)?;
        Log::adopt(storage, &dir, history, PrimaryTerm::FIRST, snapshot.checkpoint)?;
        self.copies[copy.0].dir = dir;
        Ok(())
    }

    /// Leases of a log that was opened: what it holds now, after some renewals were lost.
    pub(crate) fn known_leases(log: &Log) -> impl Iterator<Item = (oplog::LeaseId, KnownLease)> {
        let min_retained = log.min_retained_seq_no().get();
        log.retention_leases().leases.into_iter().map(move |lease| {
            let retaining = lease.retaining_seq_no.get();
            let known = KnownLease {
                retaining,
                timestamp: lease.timestamp.get(),
                effective: retaining.max(min_retained),
            };
            (lease.id, known)
        })
    }
}

pub(crate) fn not_started() -> Exception {
    Exception::new(ExceptionKind::IndexShardNotStarted, "shard is not started")
}

pub(crate) fn broken(error: &LogError) -> Exception {
    Exception::new(
        ExceptionKind::NoShardAvailable,
        format!("shard failed and is opened again: {error}"),
    )
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
