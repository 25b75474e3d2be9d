//! The leader's side: what it answers, and when it refuses. The rules are those of `crates/ccr/src/leader`.

use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use follow_task::{ReadRequest, ReadResponse};
use oplog::{
    ByteCount, Clock as _, Frame, HistoryUuid, IndexUuid, LeaseError, LeaseId, Log, LogError, ReadError,
    ReadLimits, SeqNo,
};

use crate::copies::{CopyId, KnownLease, NodeId, OpenSession, Waiter, end_of};
use crate::disk::{broken, micros, not_started};
use crate::happening::{Happening, ReadFacts};
use crate::mutant::Mutant;
use crate::wire::{Answer, Envelope, Request, Response, Session, size_of_frames};
use crate::world::{MILLI, World};

/// Who asks for a lease, as leases show it.
const LEASE_SOURCE: &str = "ccr";

impl World {
    pub(crate) fn on_request(&mut self, to: NodeId, envelope: Envelope) {
        self.note("asked", [to.0 as u64, envelope.rpc, 0]);
        let answer = self.respond(to, &envelope);
        if let Some(answer) = answer {
            self.answer(&envelope, answer);
        }
    }

    /// `None` when the answer comes later.
    fn respond(&mut self, to: NodeId, envelope: &Envelope) -> Option<Answer> {
        if !self.nodes[to.0].up {
            let refused = Exception::new(ExceptionKind::ConnectTransport, "connection refused");
            return Some(Err(refused));
        }
        if self.nodes[to.0].refuses {
            let refused = Exception::new(ExceptionKind::Security, "action is unauthorized");
            return Some(Err(refused));
        }
        let copy = envelope.copy;
        match &envelope.request {
            Request::Read { .. } => self.read(envelope).err().map(Err),
            Request::ReadHeld { history, request } => Some(self.read_held(envelope, history, request)),
            Request::ReadLiveSet { history } => self.read_live_set(envelope, history),
            Request::AddLease { lease, retaining } => {
                Some(self.add_lease(copy, &envelope.index, lease, *retaining))
            }
            Request::RenewLease { lease, retaining } => {
                Some(self.renew_lease(copy, &envelope.index, lease, *retaining))
            }
            Request::Metadata => Some(self.metadata(copy)),
            Request::OpenSession { session } => Some(self.open_session(copy, &envelope.index, *session)),
            Request::ReadFile {
                session,
                file,
                offset,
                length,
            } => Some(self.read_file(copy, *session, *file, *offset, *length)),
            Request::CloseSession { session } => {
                self.copies[copy.0].sessions.remove(session);
                Some(Ok(Response::Done))
            }
        }
    }

    pub(crate) fn find_shard(&self, copy: CopyId, index: &IndexUuid) -> Result<Arc<Log>, Exception> {
        let state = &self.copies[copy.0];
        let is_it = state.uuid == *index || self.plan.is(Mutant::FindsTheLeaderByName);
        if !(state.exists && is_it) {
            return Err(Exception::index_not_found(&index.to_string()));
        }
        if !state.open {
            return Err(Exception::new(ExceptionKind::IndexClosed, "closed"));
        }
        state.log.clone().ok_or_else(not_started)
    }

    // ---- reads ----------------------------------------------------------------------------------------------

    pub(crate) fn check_history(&self, log: &Log, expected: &HistoryUuid) -> Result<(), Exception> {
        let actual = log.history_uuid();
        if actual == *expected || self.plan.is(Mutant::FindsTheLeaderByName) {
            return Ok(());
        }
        let reason = format!("unexpected history uuid, expected [{expected}], actual [{actual}]");
        Err(Exception::new(ExceptionKind::IllegalState, reason))
    }

    /// A read begins: it goes on at once, or when its first operation is durable.
    fn read(&mut self, envelope: &Envelope) -> Result<(), Exception> {
        let Request::Read { request, .. } = &envelope.request else {
            return Ok(());
        };
        let open_until = self.now + micros(request.poll_timeout);
        self.wait_and_read(&Envelope {
            open_until,
            ..envelope.clone()
        })
    }

    /// What is asked for when the read stays open after an answer; `None` when it ends. The rule is the one of `crates/transport`.
    fn continued(&self, envelope: &Envelope, answer: &ReadResponse) -> Option<Envelope> {
        let Request::Read { history, request } = &envelope.request else {
            return None;
        };
        let last = answer.frames.last().map(Frame::seq_no)?;
        let size = size_of_frames(&answer.frames);
        let rest = request.max_response_size.get().saturating_sub(size);
        let left = envelope.open_until.saturating_sub(self.now);
        let stays_open =
            request.may_stay_open && Some(last) == answer.global_checkpoint && rest >= size && left > 0;
        stays_open.then(|| Envelope {
            answered: envelope.answered + 1,
            request: Request::Read {
                history: history.clone(),
                request: ReadRequest {
                    from: SeqNo::new(last.get() + 1),
                    max_response_size: ByteCount::new(rest),
                    poll_timeout: std::time::Duration::from_micros(left),
                    known_metadata: request.known_metadata.max(answer.metadata_versions()),
                    ..request.clone()
                },
            },
            ..envelope.clone()
        })
    }

    fn wait_and_read(&mut self, envelope: &Envelope) -> Result<(), Exception> {
        let Request::Read { history, request } = &envelope.request else {
            return Ok(());
        };
        let log = self.find_shard(envelope.copy, &envelope.index)?;
        if !self.plan.is(Mutant::ComparesTheHistoryOnlyWithOperations) {
            self.check_history(&log, history)?;
        }
        if self.visible(&log) >= Some(request.from) {
            self.check_history(&log, history)?;
            self.plan_read(envelope.clone());
            return Ok(());
        }
        if self.has_newer_metadata(envelope) {
            self.answer_without_operations(envelope);
            return Ok(());
        }
        let id = self.number();
        let (from, timeout) = (request.from, micros(request.poll_timeout));
        let copy = envelope.copy;
        self.copies[copy.0].waiters.push(Waiter {
            id,
            from,
            envelope: envelope.clone(),
        });
        self.after(timeout, Happening::PollTimeout { copy, waiter: id });
        Ok(())
    }

    /// The last operation that may leave the leader (TR-1).
    pub(crate) fn visible(&self, log: &Log) -> Option<SeqNo> {
        if self.plan.is(Mutant::ShowsWhatIsNotDurable) {
            log.max_seq_no()
        } else {
            log.durable_checkpoint()
        }
    }

    fn plan_read(&mut self, envelope: Envelope) {
        let boot = self.nodes[self.copies[envelope.copy.0].node.0].boot;
        if self.random.chance(0.3) {
            let wait = self.random.below(3 * MILLI);
            self.after(wait, Happening::ReadStage { boot, envelope });
        } else {
            self.read_stage(boot, envelope);
        }
    }

    /// Long polls whose operation is durable by now.
    pub(crate) fn answer_polls(&mut self, copy: CopyId, durable: u64) {
        let waiters = std::mem::take(&mut self.copies[copy.0].waiters);
        let (ready, waiting) = waiters
            .into_iter()
            .partition(|waiter| waiter.from.get() < durable);
        self.copies[copy.0].waiters = waiting;
        for waiter in Vec::into_iter(ready) {
            let waiter: Waiter = waiter;
            self.plan_read(waiter.envelope);
        }
    }

    /// The shard stops serving under its long polls.
    pub(crate) fn close_polls(&mut self, copy: CopyId) {
        self.copies[copy.0].sessions.clear();
        self.copies[copy.0].heal = None;
        for pending in std::mem::take(&mut self.copies[copy.0].live_sets) {
            self.answer(&pending.envelope, Err(not_started()));
        }
        for waiter in std::mem::take(&mut self.copies[copy.0].waiters) {
            let closed = Exception::new(ExceptionKind::IndexShardClosed, "closed while a read waited");
            self.answer(&waiter.envelope, Err(closed));
        }
    }

    pub(crate) fn poll_timeout(&mut self, copy: CopyId, waiter: u64) {
        let waiters = &mut self.copies[copy.0].waiters;
        let Some(place) = waiters.iter().position(|waiting| waiting.id == waiter) else {
            return;
        };
        let envelope = waiters.remove(place).envelope;
        self.answer_without_operations(&envelope);
    }

    fn has_newer_metadata(&self, envelope: &Envelope) -> bool {
        let Request::Read { request, .. } = &envelope.request else {
            return false;
        };
        let known = request.known_metadata;
        let versions = self.versions(envelope.copy).into_iter();
        versions
            .zip([known.aliases, known.settings, known.mapping])
            .any(|(version, known)| version > known)
    }

    /// Long polls of followers that do not know the metadata of now.
    pub(crate) fn tell_of_metadata(&mut self, copy: CopyId) {
        let waiters = std::mem::take(&mut self.copies[copy.0].waiters);
        let (told, waiting) = waiters
            .into_iter()
            .partition::<Vec<_>, _>(|waiter| self.has_newer_metadata(&waiter.envelope));
        self.copies[copy.0].waiters = waiting;
        for waiter in told {
            self.answer_without_operations(&waiter.envelope);
        }
    }

    fn answer_without_operations(&mut self, envelope: &Envelope) {
        let copy = envelope.copy;
        let boot = self.nodes[self.copies[copy.0].node.0].boot;
        let checked = self.find_shard(copy, &envelope.index).and_then(|log| {
            if let Request::Read { history, .. } = &envelope.request
                && !self.plan.is(Mutant::ComparesTheHistoryOnlyWithOperations)
            {
                self.check_history(&log, history)?;
            }
            Ok(self.facts(copy, log))
        });
        match checked {
            Ok(facts) => self.answer_stage(boot, envelope, Vec::new(), facts),
            Err(error) => self.answer(envelope, Err(error)),
        }
    }

    fn facts(&self, copy: CopyId, log: Arc<Log>) -> ReadFacts {
        ReadFacts {
            checkpoint: self.visible(&log),
            log,
            versions: self.versions(copy),
            started: self.now,
        }
    }

    pub(crate) fn versions(&self, copy: CopyId) -> [u64; 3] {
        let meta = self.copies[copy.0].meta;
        [meta.aliases.version, meta.settings.version, meta.mapping.version]
    }

    /// The operations are read; what else the answer says is found out later.
    pub(crate) fn read_stage(&mut self, boot: u64, envelope: Envelope) {
        let node = self.copies[envelope.copy.0].node;
        if self.nodes[node.0].boot != boot {
            return;
        }
        let read = self.find_shard(envelope.copy, &envelope.index).and_then(|log| {
            let facts = self.facts(envelope.copy, log.clone());
            let late = self.plan.is(Mutant::TakesVersionsBeforeOperations);
            let frames = if late {
                Vec::new()
            } else {
                self.read_frames(&envelope, &log)?
            };
            Ok((frames, facts))
        });
        match read {
            Err(error) => self.answer(&envelope, Err(error)),
            Ok((frames, facts)) if self.random.chance(0.3) => {
                let wait = self.random.below(3 * MILLI);
                self.after(
                    wait,
                    Happening::AnswerStage {
                        boot,
                        envelope,
                        frames,
                        facts,
                    },
                );
            }
            Ok((frames, facts)) => self.answer_stage(boot, &envelope, frames, facts),
        }
    }

    fn read_frames(&mut self, envelope: &Envelope, log: &Log) -> Result<Vec<Frame>, Exception> {
        let Request::Read { history, request } = &envelope.request else {
            return Ok(Vec::new());
        };
        self.check_history(log, history)?;
        let Some(checkpoint) = self.visible(log).filter(|checkpoint| *checkpoint >= request.from) else {
            return Ok(Vec::new());
        };
        let count = u64::from(request.max_operation_count);
        let last_wanted = SeqNo::new(request.from.get() + count.saturating_sub(1));
        let mut limits = ReadLimits {
            operations: request.max_operation_count as usize,
            bytes: request.max_batch_size.min(request.max_response_size),
        };
        if self.plan.is(Mutant::BatchesByCountOnly) {
            limits.bytes = ReadLimits::NONE.bytes;
        }
        match log.read(request.from, checkpoint.min(last_wanted), limits) {
            Ok(frames) => Ok(frames),
            Err(ReadError::Missing { range, .. }) => {
                let reason = format!("operations {range} are no longer available");
                let asked = vec![request.from.to_string(), last_wanted.to_string()];
                Err(Exception::new(ExceptionKind::ResourceNotFound, reason)
                    .with_metadata("es.requested_operations_missing", asked))
            }
            Err(ReadError::Closed) => Err(not_started()),
            Err(error) => {
                let error = LogError::from(error);
                self.break_log(envelope.copy, &error);
                Err(broken(&error))
            }
        }
    }

    /// The rest of the answer. The versions are taken after the operations, so that they are at least what those need (FT-3).
    pub(crate) fn answer_stage(
        &mut self,
        boot: u64,
        envelope: &Envelope,
        mut frames: Vec<Frame>,
        facts: ReadFacts,
    ) {
        let copy = envelope.copy;
        if self.nodes[self.copies[copy.0].node.0].boot != boot {
            return;
        }
        let state = &self.copies[copy.0];
        let is_it = state.uuid == envelope.index || self.plan.is(Mutant::FindsTheLeaderByName);
        if !(state.exists && is_it) {
            let gone = Exception::index_not_found(&envelope.index.to_string());
            return self.answer(envelope, Err(gone));
        }
        let log = &facts.log;
        let mut versions = self.versions(copy);
        if self.plan.is(Mutant::TakesVersionsBeforeOperations) {
            frames = match self.read_frames(envelope, log) {
                Ok(frames) => frames,
                Err(error) => return self.answer(envelope, Err(error)),
            };
            versions = facts.versions;
        }
        let mut next_operation_size = None;
        if let Request::Read { request, .. } = &envelope.request {
            let cut = oplog::cut_to_size(&mut frames, request.max_response_size);
            next_operation_size = cut
                .filter(|_| frames.is_empty())
                .map(|frame| ByteCount::new(frame.estimated_size()));
        }
        let last = frames.last().map(Frame::seq_no);
        if last > log.durable_checkpoint() {
            self.violate("TR-1", format!("operation {last:?} leaves copy {}", copy.0));
        }
        let [aliases_version, settings_version, mapping_version] = versions;
        let mut response = ReadResponse {
            frames,
            next_operation_size,
            global_checkpoint: facts.checkpoint.max(last),
            max_seq_no: log.max_seq_no(),
            max_seq_no_of_updates_or_deletes: log.max_seq_no_of_updates_or_deletes(),
            mapping_version,
            settings_version,
            aliases_version,
            took: std::time::Duration::from_micros(self.now - facts.started),
            leader_now: self.nodes[self.copies[copy.0].node.0].clock.now(),
            stays_open: false,
        };
        let continued = self.continued(envelope, &response);
        response.stays_open = continued.is_some();
        self.answer(envelope, Ok(Response::Read(Box::new(response))));
        if let Some(next) = continued
            && let Err(error) = self.wait_and_read(&next)
        {
            self.answer(&next, Err(error));
        }
    }

    // ---- leases ---------------------------------------------------------------------------------------------

    fn add_lease(
        &mut self,
        copy: CopyId,
        index: &IndexUuid,
        lease: &LeaseId,
        retaining: Option<SeqNo>,
    ) -> Answer {
        let log = self.find_shard(copy, index)?;
        let added = log.add_retention_lease(lease.clone(), retaining, LEASE_SOURCE);
        let added = added.map_err(|error| self.lease_failed(copy, &error))?;
        let effective = added.retaining_seq_no.max(log.min_retained_seq_no());
        self.remember_lease(copy, &added, effective.get());
        Ok(Response::Done)
    }

    fn renew_lease(
        &mut self,
        copy: CopyId,
        index: &IndexUuid,
        lease: &LeaseId,
        retaining: Option<SeqNo>,
    ) -> Answer {
        let log = self.find_shard(copy, index)?;
        let renewed = log.renew_retention_lease(lease.clone(), retaining, LEASE_SOURCE);
        let renewed = renewed.map_err(|error| self.lease_failed(copy, &error))?;
        let known = self.copies[copy.0].leases.get(lease);
        let effective = known.map_or(0, |known| known.effective);
        self.remember_lease(copy, &renewed, effective.max(renewed.retaining_seq_no.get()));
        Ok(Response::Done)
    }

    fn remember_lease(&mut self, copy: CopyId, lease: &oplog::RetentionLease, effective: u64) {
        let known = KnownLease {
            retaining: lease.retaining_seq_no.get(),
            timestamp: lease.timestamp.get(),
            effective,
        };
        self.note("lease", [copy.0 as u64, known.retaining, known.timestamp]);
        self.copies[copy.0].leases.insert(lease.id.clone(), known);
    }

    fn lease_failed(&mut self, copy: CopyId, error: &LeaseError) -> Exception {
        let kind = match error {
            LeaseError::AlreadyExists { .. } => ExceptionKind::RetentionLeaseAlreadyExists,
            LeaseError::NotFound { .. } => ExceptionKind::RetentionLeaseNotFound,
            LeaseError::InvalidRetainingSeqNo { .. } => ExceptionKind::RetentionLeaseInvalidRetainingSeqNo,
            LeaseError::Storage(error) => {
                self.break_log(copy, error);
                ExceptionKind::Engine
            }
        };
        Exception::new(kind, error.to_string())
    }

    pub(crate) fn expire_leases(&mut self, copy: CopyId, log: &Log) {
        let now = self.nodes[self.copies[copy.0].node.0].clock.now();
        let expired = match log.expire_retention_leases(now, self.plan.lease_period) {
            Ok(expired) => expired,
            Err(LeaseError::Storage(error)) => return self.break_log(copy, &error),
            Err(_) => return,
        };
        for lease in &expired {
            self.note(
                "lease expired",
                [copy.0 as u64, lease.retaining_seq_no.get(), now.get()],
            );
        }
        self.check_expiry(copy, &expired, now.get());
    }

    // ---- metadata and files ---------------------------------------------------------------------------------

    /// By name, as the product asks for it: the asker compares the UUID.
    fn metadata(&mut self, copy: CopyId) -> Answer {
        let state = &self.copies[copy.0];
        if !state.exists {
            return Err(Exception::index_not_found("leader"));
        }
        Ok(Response::Metadata {
            index: state.uuid.clone(),
            meta: state.meta,
        })
    }

    fn open_session(&mut self, copy: CopyId, index: &IndexUuid, session: u64) -> Answer {
        let log = self.find_shard(copy, index)?;
        let files = match log.pin_files() {
            Ok(files) => files,
            Err(error) => {
                self.break_log(copy, &error);
                return Err(broken(&error));
            }
        };
        self.note_durable(copy, end_of(log.durable_checkpoint()));
        let answer = Session {
            history: log.history_uuid(),
            checkpoint: files.checkpoint(),
            mapping_version: self.copies[copy.0].meta.mapping.version,
            files: files
                .files()
                .iter()
                .map(|file| (file.name.clone(), file.length))
                .collect(),
        };
        self.copies[copy.0]
            .sessions
            .insert(session, OpenSession { files });
        Ok(Response::Session(Box::new(answer)))
    }

    fn read_file(&mut self, copy: CopyId, session: u64, file: usize, offset: u64, length: u64) -> Answer {
        let gone = || Exception::illegal_argument("no such recovery session");
        let open = self.copies[copy.0].sessions.get(&session).ok_or_else(gone)?;
        let name = &open.files.files().get(file).ok_or_else(gone)?.name;
        let length = usize::try_from(length).map_err(|_| gone())?;
        match open.files.read_at(name, offset, length) {
            Ok(bytes) => Ok(Response::Chunk(bytes)),
            Err(error) => Err(broken(&error)),
        }
    }
}
