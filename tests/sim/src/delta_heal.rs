//! Delta heals: what a leader answers to them, and what they do to the follower's log. The rules are those of `crates/ccr/src/leader/heal.rs`
//! and `crates/shard/src/heal.rs`.

use std::collections::BTreeMap;

use es_exception::{Exception, ExceptionKind};
use follow_task::{
    Event, FollowerState, HealId, HealOutcome, HealWork, HeldReadRequest, HeldReadResponse, LiveSetResponse,
    MetadataVersions,
};
use oplog::{
    ByteCount, Clock as _, Frame, HealError, HistoryUuid, LiveSnapshot, LogError, OperationKind, ReadError,
    ReadLimits, SeqNo,
};

use crate::copies::{CopyId, PendingLiveSet, Purpose, end_of};
use crate::disk::{broken, not_started};
use crate::follower::CALL_MARGIN;
use crate::happening::Happening;
use crate::wire::{Answer, Envelope, Request, Response};
use crate::world::{MILLI, World};

impl World {
    // ---- the follower's side --------------------------------------------------------------------------------

    /// A task asks for a piece of work of a heal.
    pub(crate) fn perform_heal(&mut self, copy: CopyId, epoch: u64, id: HealId, work: HealWork) {
        let Some(following) = &self.copies[copy.0].following else {
            return;
        };
        let history = following.leader_history.clone();
        match work {
            HealWork::ReadHeld(request) => {
                let request = Request::ReadHeld { history, request };
                self.call(copy, Purpose::Heal(id), request, CALL_MARGIN);
            }
            HealWork::ReadLiveSet => {
                let request = Request::ReadLiveSet { history };
                self.call(copy, Purpose::Heal(id), request, 2 * CALL_MARGIN);
            }
            work => {
                let way = self.random.below(5 * MILLI);
                self.after(
                    way,
                    Happening::DeltaHeal {
                        copy,
                        epoch,
                        id,
                        work,
                    },
                );
            }
        }
    }

    /// The follower's shard does its part.
    pub(crate) fn heal_shard(&mut self, copy: CopyId, epoch: u64, id: HealId, work: HealWork) {
        if !self.is_current(copy, epoch) {
            return;
        }
        let result = match work {
            HealWork::Begin => self.begin_delta_heal(copy).map(HealOutcome::Begun),
            HealWork::Stage { from, frames, next } => self
                .stage_delta_heal(copy, from, &frames, next)
                .map(HealOutcome::Staged),
            HealWork::Install(snapshot) => self
                .install_delta_heal(copy, &snapshot)
                .map(HealOutcome::Installed),
            HealWork::ReadHeld(_) | HealWork::ReadLiveSet => return,
        };
        if self.nodes[self.copies[copy.0].node.0].storage.is_dead() {
            return self.crash(self.copies[copy.0].node, true);
        }
        // A stage begins where the log ends on disk, and an installation is durable.
        if let Some(log) = &self.copies[copy.0].log {
            let durable = end_of(log.durable_checkpoint());
            self.note_durable(copy, durable);
            self.answer_polls(copy, durable);
            self.answer_live_sets(copy, durable);
        }
        let event = Event::HealFinished { id, result };
        let way = self.random.below(2 * MILLI);
        self.after(way, Happening::Ended { copy, epoch, event });
    }

    fn begin_delta_heal(&mut self, copy: CopyId) -> Result<SeqNo, Exception> {
        let state = &mut self.copies[copy.0];
        state.heal = None;
        let log = state.log.clone().ok_or_else(not_started)?;
        let stage = log.stage_heal().map_err(|error| self.heal_failed(copy, &error))?;
        let next = stage.next();
        self.note("heal begins", [copy.0 as u64, next.get(), 0]);
        self.copies[copy.0].heal = Some(stage);
        Ok(next)
    }

    fn stage_delta_heal(
        &mut self,
        copy: CopyId,
        from: SeqNo,
        frames: &[Frame],
        next: SeqNo,
    ) -> Result<SeqNo, Exception> {
        let stage = self.copies[copy.0].heal.as_mut().ok_or_else(not_started)?;
        let pushed = stage.push(from, frames, next);
        let next = stage.next();
        pushed.map_err(|error| self.heal_failed(copy, &error))?;
        Ok(next)
    }

    fn install_delta_heal(
        &mut self,
        copy: CopyId,
        snapshot: &LiveSnapshot,
    ) -> Result<FollowerState, Exception> {
        let state = &mut self.copies[copy.0];
        let mut stage = state.heal.take().ok_or_else(not_started)?;
        let log = state.log.clone().ok_or_else(not_started)?;
        let installed = log.install_heal(&mut stage, snapshot);
        if let Err(error) = &installed
            && !error.is_retryable()
            && let HealError::Log(error) = error
        {
            // It may have been decided or not: the next open finds out.
            self.break_log(copy, error);
            return Err(broken(error));
        }
        installed.map_err(|error| self.heal_failed(copy, &error))?;
        self.note("healed by delta", [copy.0 as u64, snapshot.max_seq_no.get(), 0]);
        self.tally.heals += 1;
        self.check_healed(copy);
        Ok(FollowerState {
            history_uuid: log.history_uuid(),
            global_checkpoint: log.durable_checkpoint(),
            max_seq_no: log.max_seq_no(),
        })
    }

    fn heal_failed(&mut self, copy: CopyId, error: &HealError) -> Exception {
        match error {
            HealError::Diverged { reason } => {
                self.violate("FT-1", format!("copy {} is not its leader's: {reason}", copy.0));
                Exception::new(ExceptionKind::IllegalState, error.to_string())
            }
            HealError::Read(error) => {
                let error = LogError::from(error.clone());
                self.break_log(copy, &error);
                broken(&error)
            }
            error => Exception::new(ExceptionKind::EsRejectedExecution, error.to_string()),
        }
    }

    /// The copy is what its leader was: what it holds is the leader's, and live is what was live there, by a naive replay of all that was written.
    pub(crate) fn check_healed(&mut self, copy: CopyId) {
        let state = &self.copies[copy.0];
        let Some(log) = state.log.clone() else { return };
        let end = state.end();
        let mut latest = BTreeMap::new();
        for frame in self
            .truth
            .of(state.truth)
            .frames
            .iter()
            .take(usize::try_from(end).unwrap_or(usize::MAX))
        {
            match frame.kind() {
                OperationKind::Index => latest.insert(frame.id().to_owned(), frame.seq_no()),
                OperationKind::Delete => latest.remove(frame.id()),
                _ => None,
            };
        }
        let mut expected: Vec<SeqNo> = latest.into_values().collect();
        expected.sort_unstable();
        let live: Vec<SeqNo> = (0..end)
            .map(SeqNo::new)
            .filter(|seq_no| log.is_live(*seq_no))
            .collect();
        if live != expected {
            let what = format!(
                "copy {} healed to {end} and {live:?} are live, not {expected:?}",
                copy.0
            );
            self.violate("FT-1", what);
        }
        self.check_whole(copy, &log);
        let min_retained = log.min_retained_seq_no().get();
        let state = &mut self.copies[copy.0];
        (state.checked_end, state.min_retained) = (end, min_retained);
        // Nobody can keep here what never was here.
        for lease in state.leases.values_mut() {
            lease.effective = lease.effective.max(min_retained);
        }
        for follower in &mut self.copies {
            if let Some(following) = &mut follower.following {
                following.lapsed |= following.leader == copy;
            }
        }
    }

    // ---- the leader's side ----------------------------------------------------------------------------------

    pub(crate) fn read_held(
        &mut self,
        envelope: &Envelope,
        history: &HistoryUuid,
        request: &HeldReadRequest,
    ) -> Answer {
        let copy = envelope.copy;
        let log = self.find_shard(copy, &envelope.index)?;
        self.check_history(&log, history)?;
        let checkpoint = self.visible(&log);
        let to = checkpoint.map(|checkpoint| request.to.map_or(checkpoint, |to| to.min(checkpoint)));
        let limits = ReadLimits {
            operations: request.max_operation_count as usize,
            bytes: request.max_batch_size.min(request.max_response_size),
        };
        let (mut frames, mut next) = match to.filter(|to| *to >= request.from) {
            Some(to) => match log.read_held(request.from, to, limits) {
                Ok(held) => held,
                Err(ReadError::Closed) => return Err(not_started()),
                Err(error) => {
                    let error = LogError::from(error);
                    self.break_log(copy, &error);
                    return Err(broken(&error));
                }
            },
            None => (Vec::new(), request.from),
        };
        let mut next_operation_size = None;
        if let Some(cut) = oplog::cut_to_size(&mut frames, request.max_response_size) {
            next = cut.seq_no();
            next_operation_size = frames.is_empty().then(|| ByteCount::new(cut.estimated_size()));
        }
        Ok(Response::Held(Box::new(HeldReadResponse {
            frames,
            next,
            next_operation_size,
            global_checkpoint: checkpoint,
            versions: self.heal_versions(copy),
            leader_now: self.nodes[self.copies[copy.0].node.0].clock.now(),
        })))
    }

    /// `None` when the answer comes once the disk has what the live set takes into account.
    pub(crate) fn read_live_set(&mut self, envelope: &Envelope, history: &HistoryUuid) -> Option<Answer> {
        let copy = envelope.copy;
        let log = match self.find_shard(copy, &envelope.index) {
            Ok(log) => log,
            Err(error) => return Some(Err(error)),
        };
        if let Err(error) = self.check_history(&log, history) {
            return Some(Err(error));
        }
        let Some(snapshot) = log.live_snapshot() else {
            return Some(Err(not_started()));
        };
        if self.visible(&log) >= Some(snapshot.max_seq_no) {
            return Some(Ok(self.live_set(copy, snapshot)));
        }
        let envelope = envelope.clone();
        self.copies[copy.0]
            .live_sets
            .push(PendingLiveSet { envelope, snapshot });
        None
    }

    /// Live sets that only take into account what is durable by now.
    pub(crate) fn answer_live_sets(&mut self, copy: CopyId, durable: u64) {
        let waiting = std::mem::take(&mut self.copies[copy.0].live_sets);
        for PendingLiveSet { envelope, snapshot } in waiting {
            if snapshot.max_seq_no.get() < durable {
                let answer = self.live_set(copy, snapshot);
                self.answer(&envelope, Ok(answer));
            } else {
                self.copies[copy.0]
                    .live_sets
                    .push(PendingLiveSet { envelope, snapshot });
            }
        }
    }

    fn live_set(&self, copy: CopyId, snapshot: LiveSnapshot) -> Response {
        Response::LiveSet(Box::new(LiveSetResponse {
            snapshot,
            versions: self.heal_versions(copy),
            leader_now: self.nodes[self.copies[copy.0].node.0].clock.now(),
        }))
    }

    fn heal_versions(&self, copy: CopyId) -> MetadataVersions {
        let [aliases, settings, mapping] = self.versions(copy);
        MetadataVersions {
            mapping,
            settings,
            aliases,
        }
    }
}
