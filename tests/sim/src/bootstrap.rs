//! The first copy of a follower, by files. The rules are those of `crates/ccr/src/recovery`.

use es_exception::{Exception, ExceptionKind};
use oplog::{HistoryUuid, IndexUuid, LeaseId};

use crate::copies::{CopyId, FollowState, Following, Purpose, Snapshot, Work, end_of};
use crate::disk::micros;
use crate::happening::Happening;
use crate::mutant::Mutant;
use crate::wire::{Answer, Request, Response, Session};
use crate::world::{MILLI, SECOND, World};

const CALL_TIMEOUT: u64 = 5 * SECOND;
/// Pause between two attempts.
const ATTEMPT_PAUSE: u64 = 500 * MILLI;

/// One attempt to copy a leader.
#[derive(Debug)]
pub(crate) struct Bootstrap {
    step: Step,
    session: u64,
    manifest: Option<Session>,
    files: Vec<(String, Vec<u8>)>,
    /// Why no attempt will succeed.
    pub(crate) failed: Option<Exception>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    AddLease,
    /// It exists already.
    RenewLease,
    OpenSession,
    Files,
    Mapping,
    Pausing,
}

impl World {
    /// A user asks to follow `leader` into `copy`.
    pub(crate) fn follow(&mut self, copy: CopyId, leader: CopyId) {
        let number = self.number();
        let uuid: IndexUuid = id(&format!("follower-{number}"));
        let epoch = self.number();
        self.close_log(copy);
        let state = &mut self.copies[copy.0];
        state.uuid = uuid;
        state.exists = true;
        state.open = true;
        state.in_cycle = false;
        state.meta = Default::default();
        state.leases.clear();
        (state.durable_end, state.checked_end, state.min_retained) = (0, 0, 0);
        state.following = Some(Following {
            leader,
            leader_uuid: id("unknown"),
            leader_history: id("unknown"),
            lease: id("unknown"),
            state: FollowState::Copying,
            epoch,
            work: None,
            lapsed: false,
            renewed_end: 0,
            starts: 0,
        });
        self.after(MILLI, Happening::Wake { copy, epoch });
    }

    /// Records whom it follows as soon as the leader can say who it is.
    fn record_leader(&mut self, copy: CopyId) -> bool {
        let Some(following) = &self.copies[copy.0].following else {
            return false;
        };
        if following.lease != id("unknown") {
            return true;
        }
        let leader = following.leader;
        let state = &self.copies[leader.0];
        let (uuid, truth) = (state.uuid.clone(), state.truth);
        let Some(history) = state.log.as_ref().map(|log| log.history_uuid()) else {
            return false;
        };
        let lease = if self.plan.is(Mutant::SharesOneLease) {
            "followers".to_owned()
        } else {
            format!("{}-following-{uuid}", self.copies[copy.0].uuid)
        };
        self.copies[copy.0].truth = truth;
        if let Some(following) = &mut self.copies[copy.0].following {
            following.leader_uuid = uuid;
            following.leader_history = history;
            following.lease = lease.parse().expect("a short id is valid");
        }
        self.note("follow", [copy.0 as u64, leader.0 as u64, 0]);
        true
    }

    /// Begins an attempt, from nothing.
    pub(crate) fn start_copying(&mut self, copy: CopyId) {
        let epoch = self.number();
        let session = self.number();
        let is_known = self.record_leader(copy);
        let skips_lease = self.plan.is(Mutant::CopiesWithoutALease);
        let Some(following) = &mut self.copies[copy.0].following else {
            return;
        };
        following.epoch = epoch;
        if !is_known {
            following.work = None;
            return self.after(ATTEMPT_PAUSE, Happening::Wake { copy, epoch });
        }
        following.work = Some(Work::Bootstrap(Box::new(Bootstrap {
            step: Step::AddLease,
            session,
            manifest: None,
            files: Vec::new(),
            failed: None,
        })));
        let lease = following.lease.clone();
        if skips_lease {
            return self.open_copy_session(copy);
        }
        self.ask_for_copy(
            copy,
            Step::AddLease,
            Request::AddLease {
                lease,
                retaining: None,
            },
        );
        let interval = micros(self.plan.renew_interval);
        self.after(interval, Happening::RenewWhileCopying { copy, epoch });
    }

    pub(crate) fn continue_copying(&mut self, copy: CopyId) {
        let pausing = match self.bootstrap(copy) {
            Some(bootstrap) => bootstrap.step == Step::Pausing && bootstrap.failed.is_none(),
            None => true,
        };
        if pausing {
            self.start_copying(copy);
        }
    }

    fn bootstrap(&mut self, copy: CopyId) -> Option<&mut Bootstrap> {
        match &mut self.copies[copy.0].following.as_mut()?.work {
            Some(Work::Bootstrap(bootstrap)) => Some(bootstrap),
            _ => None,
        }
    }

    fn ask_for_copy(&mut self, copy: CopyId, step: Step, request: Request) {
        if let Some(bootstrap) = self.bootstrap(copy) {
            bootstrap.step = step;
            self.call(copy, Purpose::Boot, request, CALL_TIMEOUT);
        }
    }

    pub(crate) fn renew_while_copying(&mut self, copy: CopyId, epoch: u64) {
        let Some(following) = &self.copies[copy.0].following else {
            return;
        };
        if following.epoch != epoch || !matches!(following.work, Some(Work::Bootstrap(_))) {
            return;
        }
        let lease = following.lease.clone();
        let request = Request::RenewLease {
            lease,
            retaining: None,
        };
        self.call(copy, Purpose::Courtesy, request, CALL_TIMEOUT);
        let interval = micros(self.plan.renew_interval);
        self.after(interval, Happening::RenewWhileCopying { copy, epoch });
    }

    pub(crate) fn on_copy_answer(&mut self, copy: CopyId, answer: Answer) {
        let Some(step) = self.bootstrap(copy).map(|bootstrap| bootstrap.step) else {
            return;
        };
        let lease = self.copies[copy.0]
            .following
            .as_ref()
            .map(|following| following.lease.clone());
        match (step, answer) {
            (Step::AddLease, Err(error)) if error.kind() == ExceptionKind::RetentionLeaseAlreadyExists => {
                let request = |lease: LeaseId| Request::RenewLease {
                    lease,
                    retaining: None,
                };
                if let Some(lease) = lease {
                    self.ask_for_copy(copy, Step::RenewLease, request(lease));
                }
            }
            (Step::Pausing, _) => {}
            (_, Err(error)) => self.attempt_failed(copy, error),
            (Step::AddLease | Step::RenewLease, Ok(_)) => self.open_copy_session(copy),
            (Step::OpenSession, Ok(Response::Session(session))) => self.begin_files(copy, *session),
            (Step::Files, Ok(Response::Chunk(bytes))) => self.take_chunk(copy, &bytes),
            (Step::Mapping, Ok(Response::Metadata { index, meta })) => {
                let same = self.copies[copy.0]
                    .following
                    .as_ref()
                    .is_some_and(|following| following.leader_uuid == index);
                if !same {
                    return self.attempt_failed(copy, Exception::index_not_found("leader"));
                }
                if meta.mapping.version < self.needed_mapping_version(copy) {
                    let late = Exception::new(ExceptionKind::ReceiveTimeoutTransport, "mapping is too old");
                    return self.attempt_failed(copy, late);
                }
                self.copies[copy.0].meta.mapping.take_over(meta.mapping.content);
                self.finish_copy(copy);
            }
            _ => {}
        }
    }

    /// The mapping version that the copied operations need.
    fn needed_mapping_version(&mut self, copy: CopyId) -> u64 {
        let manifest = self
            .bootstrap(copy)
            .and_then(|bootstrap| bootstrap.manifest.as_ref());
        manifest.map_or(0, |manifest| manifest.mapping_version)
    }

    fn attempt_failed(&mut self, copy: CopyId, error: Exception) {
        let Some(epoch) = self.copies[copy.0]
            .following
            .as_ref()
            .map(|following| following.epoch)
        else {
            return;
        };
        self.note("copy failed", [copy.0 as u64, epoch, 0]);
        let Some(bootstrap) = self.bootstrap(copy) else {
            return;
        };
        bootstrap.step = Step::Pausing;
        let for_good = matches!(
            error.kind(),
            ExceptionKind::IndexNotFound | ExceptionKind::IllegalState
        );
        if for_good {
            bootstrap.failed = Some(error);
        } else {
            self.after(ATTEMPT_PAUSE, Happening::Wake { copy, epoch });
        }
    }

    fn open_copy_session(&mut self, copy: CopyId) {
        let Some(session) = self.bootstrap(copy).map(|bootstrap| bootstrap.session) else {
            return;
        };
        self.ask_for_copy(copy, Step::OpenSession, Request::OpenSession { session });
    }

    fn begin_files(&mut self, copy: CopyId, session: Session) {
        let expected = self.copies[copy.0]
            .following
            .as_ref()
            .map(|following| following.leader_history.clone());
        if expected != Some(session.history.clone()) {
            let other = Exception::new(ExceptionKind::IllegalState, "the leader has another history");
            return self.attempt_failed(copy, other);
        }
        let Some(bootstrap) = self.bootstrap(copy) else {
            return;
        };
        bootstrap.files = session
            .files
            .iter()
            .map(|(name, _)| (name.clone(), Vec::new()))
            .collect();
        bootstrap.manifest = Some(session);
        self.next_chunk(copy);
    }

    /// Asks for the first bytes that are missing, or goes on when none are.
    fn next_chunk(&mut self, copy: CopyId) {
        let chunk = self.plan.chunk;
        let Some(bootstrap) = self.bootstrap(copy) else {
            return;
        };
        let session = bootstrap.session;
        let Some(manifest) = &bootstrap.manifest else {
            return;
        };
        let lengths = manifest.files.iter().map(|(_, length)| *length);
        let missing = lengths
            .zip(&bootstrap.files)
            .position(|(length, (_, content))| (content.len() as u64) < length);
        match missing {
            Some(file) => {
                let offset = bootstrap.files[file].1.len() as u64;
                let length = chunk.min(manifest.files[file].1 - offset);
                let request = Request::ReadFile {
                    session,
                    file,
                    offset,
                    length,
                };
                self.ask_for_copy(copy, Step::Files, request);
            }
            None => {
                self.call(
                    copy,
                    Purpose::Courtesy,
                    Request::CloseSession { session },
                    CALL_TIMEOUT,
                );
                self.ask_for_copy(copy, Step::Mapping, Request::Metadata);
            }
        }
    }

    fn take_chunk(&mut self, copy: CopyId, bytes: &[u8]) {
        let Some(bootstrap) = self.bootstrap(copy) else {
            return;
        };
        let Some(manifest) = &bootstrap.manifest else {
            return;
        };
        let lengths = manifest.files.iter().map(|(_, length)| *length);
        let filling = lengths
            .zip(&mut bootstrap.files)
            .find(|(length, (_, content))| (content.len() as u64) < *length);
        if let Some((_, (_, content))) = filling {
            content.extend_from_slice(bytes);
        }
        self.next_chunk(copy);
    }

    fn finish_copy(&mut self, copy: CopyId) {
        let number = self.number();
        let Some(bootstrap) = self.bootstrap(copy) else {
            return;
        };
        let Some(checkpoint) = bootstrap.manifest.as_ref().map(|manifest| manifest.checkpoint) else {
            return;
        };
        let files = std::mem::take(&mut bootstrap.files);
        let snapshot = Snapshot { files, checkpoint };
        let history: HistoryUuid = id(&format!("copied-{number}"));
        if let Err(error) = self.install(copy, &snapshot, history.clone()) {
            if self.nodes[self.copies[copy.0].node.0].storage.is_dead() {
                return self.crash(self.copies[copy.0].node, true);
            }
            let failed = Exception::new(ExceptionKind::IndexShardRestoreFailed, error.to_string());
            return self.attempt_failed(copy, failed);
        }
        self.tally.bootstraps += 1;
        self.note("copied", [copy.0 as u64, number, 0]);
        let state = &mut self.copies[copy.0];
        state.history = history;
        // What was installed is durable.
        state.durable_end = end_of(checkpoint);
        (state.checked_end, state.min_retained) = (0, 0);
        if let Some(following) = &mut state.following {
            following.state = FollowState::Active;
        }
        self.open_log(copy);
        if self.plan.is(Mutant::FillsTheHandOffWithNoOps) {
            self.fill_with_no_ops(copy);
        }
        self.start_task(copy);
    }

    /// What a mutant does at the hand-off: nothing may be missing up to where the leader is.
    fn fill_with_no_ops(&mut self, copy: CopyId) {
        let Some(following) = &self.copies[copy.0].following else {
            return;
        };
        let end = self.copies[following.leader.0].durable_end;
        let Some(log) = self.copies[copy.0].log.clone() else {
            return;
        };
        for seq_no in self.copies[copy.0].end()..end {
            let operation = crate::workload::no_op(seq_no, log.primary_term());
            let _ = log.append(vec![operation], oplog::Durability::Async);
        }
    }
}

/// An id that is known to be valid.
pub(crate) fn id<T: std::str::FromStr>(text: &str) -> T {
    text.parse()
        .unwrap_or_else(|_| unreachable!("[{text}] is a valid id"))
}
