//! What must always hold. Each predicate compares what the cores hold with the naive record of what leaders wrote.

use std::fmt;

use es_exception::{Exception, ExceptionKind};
use follow_task::{FollowTaskPhase, Timestamp};
use oplog::{Clock as _, Frame, LeaseId, Log, ReadError, ReadLimits, RetentionLease, SeqNo};

use crate::copies::{CopyId, FollowState, KnownLease, TaskRun, Work, end_of};
use crate::plan::Plan;
use crate::truth::needed_mapping;
use crate::world::World;

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its id in `docs/architecture.md`.
    pub invariant: &'static str,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.invariant, self.what)
    }
}

impl World {
    /// Operations that a copy has got since the last event.
    pub(crate) fn check_after_event(&mut self) {
        for copy in (0..self.copies.len()).map(CopyId) {
            let state = &self.copies[copy.0];
            let Some(log) = &state.log else { continue };
            let end = state.end();
            if end < state.checked_end {
                let checked = state.checked_end;
                self.violate(
                    "OL-3",
                    format!("copy {} went back from {checked} to {end}", copy.0),
                );
            } else if end > state.checked_end {
                let new = log.read(
                    SeqNo::new(state.checked_end),
                    SeqNo::new(end - 1),
                    ReadLimits::NONE,
                );
                match new {
                    Ok(frames) => self.check_frames(copy, &frames),
                    Err(ReadError::Missing { range, .. }) => {
                        self.violate("OL-1", format!("copy {} lacks {range}", copy.0));
                    }
                    // The storage died; what there is shows when it is opened again.
                    Err(_) => {}
                }
                self.copies[copy.0].checked_end = end;
            }
        }
    }

    /// FT-1, FT-3 and TR-1 for operations that are in a copy.
    fn check_frames(&mut self, copy: CopyId, frames: &[Frame]) {
        let state = &self.copies[copy.0];
        let history = self.truth.of(state.truth);
        let mapping = state.meta.mapping.content;
        let shown = state.following.as_ref().and_then(|following| {
            let leader = &self.copies[following.leader.0];
            let is_same = leader.uuid == following.leader_uuid && leader.history == following.leader_history;
            is_same.then_some(leader.durable_end)
        });
        let mut wrong = None;
        for frame in frames {
            let seq_no = frame.seq_no().get();
            if history.frame(seq_no) != Some(frame) {
                wrong = Some(("FT-1", format!("operation {seq_no} is not the leader's")));
            } else if needed_mapping(frame) > mapping {
                wrong = Some(("FT-3", format!("operation {seq_no} came before its mapping")));
            } else if shown.is_some_and(|shown| seq_no >= shown) {
                wrong = Some((
                    "TR-1",
                    format!("operation {seq_no} was never durable on the leader"),
                ));
            }
        }
        if state.following.is_some() {
            self.tally.operations_checked += frames.len() as u64;
        }
        if let Some((invariant, what)) = wrong {
            self.violate(invariant, format!("copy {}: {what}", copy.0));
        }
    }

    /// A log that was opened holds everything durable, unchanged, and what is missing may be missing (OL-1, OL-2, OL-3).
    pub(crate) fn check_reopened(&mut self, copy: CopyId) {
        let state = &self.copies[copy.0];
        let Some(log) = state.log.clone() else { return };
        let history = self.truth.of(state.truth);
        let needed = match &state.following {
            Some(_) => state.durable_end,
            None => history.durable.max(history.acknowledged),
        };
        let end = state.end();
        if end < needed {
            self.violate(
                "OL-2",
                format!("copy {} holds {end} of {needed} durable operations", copy.0),
            );
        }
        self.check_whole(copy, &log);
        let min_retained = log.min_retained_seq_no().get();
        let known: Vec<_> = Self::known_leases(&log).collect();
        let now = self.nodes[self.copies[copy.0].node.0].clock.now().get();
        for (lease, remembered) in self.copies[copy.0].leases.clone() {
            match known.iter().find(|(id, _)| *id == lease) {
                Some((_, found)) if found.retaining <= remembered.retaining => {}
                // An expiry whose write failed may have reached the disk all the same.
                None if self.is_over(&remembered, now) => self.lapse(copy, &lease),
                _ => self.violate("OL-4", format!("copy {} lost the lease [{lease}]", copy.0)),
            }
        }
        let state = &mut self.copies[copy.0];
        state.leases = known.into_iter().collect();
        // A heal that was cut off may have been decided all the same, and was carried out just now.
        let heal = log.healed().map(|heal| end_of(Some(heal.through())));
        let is_healed = heal > Some(state.checked_end);
        (state.checked_end, state.min_retained) = (end, min_retained);
        if is_healed {
            self.check_healed(copy);
        }
    }

    /// All operations that a log holds, and its holes.
    pub(crate) fn check_whole(&mut self, copy: CopyId, log: &Log) {
        let (mut next, Some(last)) = (0, log.max_seq_no()) else {
            return;
        };
        while next <= last.get() {
            match log.read(SeqNo::new(next), last, ReadLimits::NONE) {
                Ok(frames) => {
                    self.check_frames(copy, &frames);
                    return;
                }
                Err(ReadError::Missing { range, .. }) => {
                    let (first, hole_end) = (range.first().get(), range.last().get() + 1);
                    let live = (first..hole_end).any(|seq_no| log.is_live(SeqNo::new(seq_no)));
                    if live || hole_end > log.min_retained_seq_no().get() {
                        self.violate("OL-1", format!("copy {} lacks {range}", copy.0));
                    }
                    if first > next {
                        let held = log.read(SeqNo::new(next), SeqNo::new(first - 1), ReadLimits::NONE);
                        self.check_frames(copy, &held.unwrap_or_default());
                    }
                    next = hole_end;
                }
                Err(error @ ReadError::Corrupt { .. }) => {
                    return self.violate("OL-3", format!("copy {}: {error}", copy.0));
                }
                Err(_) => return,
            }
        }
    }

    // ---- leases ---------------------------------------------------------------------------------------------

    /// Leases end when their time is over, not before and not later.
    pub(crate) fn check_expiry(&mut self, copy: CopyId, expired: &[RetentionLease], now: u64) {
        for lease in expired {
            let Some(known) = self.copies[copy.0].leases.remove(&lease.id) else {
                continue;
            };
            if !self.is_over(&known, now) {
                self.violate("OL-4", format!("the lease [{}] expired too early", lease.id));
            }
            self.lapse(copy, &lease.id);
        }
        let leases = &self.copies[copy.0].leases;
        if let Some((id, _)) = leases.iter().find(|(_, known)| self.is_over(known, now)) {
            let what = format!("the lease [{id}] outlives its time");
            self.violate("OL-4", what);
        }
    }

    fn is_over(&self, lease: &KnownLease, now: u64) -> bool {
        now.saturating_sub(lease.timestamp) > self.plan.lease_period.as_millis() as u64
    }

    /// Whoever held the lease may miss operations from now on.
    fn lapse(&mut self, copy: CopyId, lease: &LeaseId) {
        for follower in &mut self.copies {
            if let Some(following) = &mut follower.following {
                following.lapsed |= following.lease == *lease && following.leader == copy;
            }
        }
    }

    /// What leases, and followers that hold one, still need is there.
    pub(crate) fn check_retention(&mut self, copy: CopyId) {
        let state = &self.copies[copy.0];
        let Some(log) = &state.log else { return };
        let min_retained = log.min_retained_seq_no().get();
        let mut wrong = None;
        if min_retained < state.min_retained {
            wrong = Some("the minimum retained seq_no went down".to_owned());
        }
        for (id, lease) in &state.leases {
            if min_retained > lease.effective {
                wrong = Some(format!("operations that [{id}] retains are gone"));
            }
        }
        for follower in &self.copies {
            let Some(following) = &follower.following else {
                continue;
            };
            let holds = following.leader == copy
                && following.leader_uuid == state.uuid
                && following.leader_history == state.history
                && following.state != FollowState::Copying
                && !following.lapsed
                && state.leases.contains_key(&following.lease);
            if holds && min_retained > follower.durable_end {
                let (uuid, end) = (&follower.uuid, follower.durable_end);
                wrong = Some(format!(
                    "[{uuid}] is at {end} and holds a lease, and only {min_retained} and later are kept"
                ));
            }
        }
        self.copies[copy.0].min_retained = min_retained;
        if let Some(what) = wrong {
            self.violate("OL-4", format!("copy {}: {what}", copy.0));
        }
    }

    // ---- tasks ----------------------------------------------------------------------------------------------

    /// FT-2 and FT-5 for a task that has just taken a step.
    pub(crate) fn check_task(&mut self, copy: CopyId) {
        let limits = Limits::of(&self.plan, self.largest_operation);
        let now = Timestamp::new(std::time::Duration::from_micros(self.now));
        self.check_budget(copy);
        let Some(following) = &mut self.copies[copy.0].following else {
            return;
        };
        let Some(Work::Task(run)) = &mut following.work else {
            return;
        };
        let mut wrong = limits.exceeded_by(run, now).map(|what| ("FT-2", what));
        let failed = run.task.phase() == FollowTaskPhase::Failed;
        match (run.fatal.clone(), run.task.fatal_exception()) {
            (Some(first), now) if now != Some(&first) => {
                wrong = Some(("FT-5", format!("the fatal state {first} was not kept")));
            }
            (None, Some(first)) if failed => {
                run.fatal = Some(first.clone());
                let first = first.clone();
                if !self.is_justified(copy, &first) {
                    wrong = Some(("FT-5", format!("nothing justifies the end by {first}")));
                }
            }
            _ => {}
        }
        if let Some((invariant, what)) = wrong {
            self.violate(invariant, format!("copy {}: {what}", copy.0));
        }
    }

    /// FT-2 for all tasks of a node: one operation that is larger than the budget comes through alone, beside polls.
    fn check_budget(&mut self, copy: CopyId) {
        let budget = self.plan.budget.get();
        let most = budget.max(budget / 4 + self.largest_operation);
        let in_use = self.nodes[self.copies[copy.0].node.0].budget.in_use().get();
        if in_use > most {
            let what = format!("the tasks beside copy {} hold {in_use} bytes of {budget}", copy.0);
            self.violate("FT-2", what);
        }
    }

    /// Whether what was done to the leader makes this failure right.
    pub(crate) fn is_justified(&self, copy: CopyId, fatal: &Exception) -> bool {
        let Some(following) = &self.copies[copy.0].following else {
            return false;
        };
        match fatal.kind() {
            ExceptionKind::IndexNotFound => !self.leader_is_there(copy),
            ExceptionKind::IllegalState => {
                self.copies[following.leader.0].history != following.leader_history
            }
            ExceptionKind::ResourceNotFound => following.lapsed && !self.plan.auto_heal,
            _ => false,
        }
    }

    /// Whether the index that is followed still exists, with whatever history.
    pub(crate) fn leader_is_there(&self, copy: CopyId) -> bool {
        self.copies[copy.0].following.as_ref().is_some_and(|following| {
            let leader = &self.copies[following.leader.0];
            leader.exists && leader.uuid == following.leader_uuid
        })
    }
}

/// What a task may hold in its buffer (FT-2), from its parameters alone.
struct Limits {
    buffer: u64,
}

impl Limits {
    /// Reads that were allowed while the buffer had room all land; each overshoots by one operation at most.
    fn of(plan: &Plan, largest: u64) -> Self {
        let parameters = &plan.limits;
        let one_read = parameters.max_read_request_size().get() + largest;
        let reads = u64::from(parameters.max_outstanding_read_requests());
        Self {
            buffer: parameters.max_write_buffer_size().get() + (reads + 1) * one_read,
        }
    }

    fn exceeded_by(&self, run: &TaskRun, now: Timestamp) -> Option<String> {
        let (used, granted) = (run.task.used_bytes(), run.member.held().get());
        if used > granted {
            return Some(format!("the task holds {used} bytes, {granted} were granted"));
        }
        if used <= self.buffer {
            return None;
        }
        let buffered = run.task.status(now).write_buffer_size_in_bytes;
        (buffered > self.buffer)
            .then(|| format!("the task buffers {buffered} bytes, {} are allowed", self.buffer))
    }
}
