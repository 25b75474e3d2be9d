//! Delta heal: bringing a log up to its leader's although the leader has removed some of the operations in between.
//!
//! A log that ends with operation F, of a leader that ends with L, needs two things: every operation behind F that the leader still holds, and which operations
//! are live on the leader. What is live here and not there was replaced or deleted by an operation that is gone. Leader and follower are then equal, and
//! it cost what changed. In steps, each of which may be repeated:
//!
//! 1. [`Log::stage_heal`], then [`Log::read_held`] on the leader and [`HealStage::push`], until the leader's end.
//! 2. [`Log::live_snapshot`] on the leader, as of an operation M; then the operations up to M that it still holds.
//! 3. [`Log::install_heal`] checks that the result is the leader's live set, digest and all, and makes it so in one step that a crash cannot divide.
//!
//! The live set comes last on purpose. An operation that is live as of M was there whenever it was read before, so everything that the live set names has been
//! fetched, as long as nothing between the reads of step 1 and M was removed, for which a retention lease sees. If it was, step 3 says so, and step 2 is done again.
//! Hence the leader keeps no state for a heal, and may restart or compact as it likes.
//!
//! Until step 3 the log is as it was, and serves reads.

mod journal;
mod stage;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use roaring::RoaringTreemap;

pub(crate) use journal::{JOURNAL_NAME, Journal};
pub use stage::HealStage;
pub(crate) use stage::{discard, parse_staged_name, staged_name};

use crate::checkpoint::Checkpoint;
use crate::healed::Healed;
use crate::live::{LiveTracker, is_update_or_delete};
use crate::live_file::LiveFile;
use crate::log::TermStart;
use crate::open_entries::OpenEntries;
use crate::read::checksum_in_sealed;
use crate::segment::{HEADER_LENGTH, log_path};
use crate::shared::ActiveSegment;
use crate::writer::{SavedCheckpoint, SavedLive, WriterStart};
use crate::{Digest, Frame, LiveSet, Log, LogError, ReadError, ReadLimits, SeqNo};

/// What is live in a log at one moment, and what else a heal takes over from its leader.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveSnapshot {
    /// The last operation that is taken into account.
    pub max_seq_no: SeqNo,
    /// The live operations.
    pub live: LiveSet,
    /// The digest over them.
    pub digest: Digest,
    /// Where each term begins.
    pub terms: Vec<TermStart>,
    /// The last operation that replaced or removed a document that existed, or is a delete.
    pub max_seq_no_of_updates_or_deletes: Option<SeqNo>,
}

/// A heal cannot go on. The log is as it was, unless it says that it is poisoned.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HealError {
    /// The log does not end any more where the staged operations begin.
    #[error("the log continues with operation {log}, the operations staged for a heal begin with {staged}")]
    Moved {
        /// The operation that continues the log.
        log: SeqNo,
        /// The operation that the stage begins with.
        staged: SeqNo,
    },
    /// Operations are not those that are to be staged next, for instance since some were dropped after a failure.
    #[error("operations from {next} on are to be staged next, not those from {from} on")]
    NotNext {
        /// The operation that is to be staged next.
        next: SeqNo,
        /// Where the operations begin that were offered.
        from: SeqNo,
    },
    /// Not all operations up to the snapshot were staged.
    #[error("operations were staged up to {next} (not included), the live set is as of {max_seq_no}")]
    NotStaged {
        /// The operation that is to be staged next.
        next: SeqNo,
        /// What the snapshot ends with.
        max_seq_no: SeqNo,
    },
    /// The leader removed operations, which were live in the snapshot, before they were fetched. A newer snapshot does not have them.
    #[error(
        "{count} operations, the first of them {first}, were live on the leader and gone before they were fetched"
    )]
    Incomplete {
        /// How many.
        count: u64,
        /// The lowest.
        first: SeqNo,
    },
    /// The result would not be equal to the leader: what both had in common was not. The log must be copied as a whole.
    #[error("the log has another history than its leader: {reason}")]
    Diverged {
        /// What differs.
        reason: String,
    },
    /// A staged operation cannot be read back. All of them were removed, to be fetched again.
    #[error("operations staged for a heal are damaged")]
    StageDamaged(#[source] ReadError),
    /// An operation of the log itself cannot be read.
    #[error(transparent)]
    Read(ReadError),
    /// Files could not be written, or the log takes no writes.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl HealError {
    /// Whether another attempt, with a newer snapshot or what is lacking, may succeed without anyone's help.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Moved { .. }
            | Self::NotNext { .. }
            | Self::NotStaged { .. }
            | Self::Incomplete { .. }
            | Self::StageDamaged(_) => true,
            Self::Diverged { .. } | Self::Read(_) | Self::Log(_) => false,
        }
    }
}

/// What installing a heal changes, computed before anything is changed.
struct Outcome {
    tracker: LiveTracker,
    dead: RoaringTreemap,
    updates: Option<SeqNo>,
    /// Everything from here on is held, as far as the staged operations tell.
    min_retained: SeqNo,
}

impl Log {
    /// The operations from `from` to `to`, both included, that the log holds, as far as `limits` allow, and the operation after those that were looked at: whatever
    /// lies before it and was not given is gone.
    ///
    /// # Errors
    /// As [`Log::read`], without [`ReadError::Missing`]: holes are skipped.
    pub fn read_held(
        &self,
        from: SeqNo,
        to: SeqNo,
        limits: ReadLimits,
    ) -> Result<(Vec<Frame>, SeqNo), ReadError> {
        let mut held = Vec::new();
        let (mut next, mut bytes) = (from, 0_u64);
        let after = to.checked_next().unwrap_or(to);
        while next <= to && bytes <= limits.bytes.get() && held.len() < limits.operations.max(1) {
            let operations = limits.operations.max(1) - held.len();
            let frames = self
                .shared
                .read_from(next, to, operations, limits.bytes.get() - bytes)?;
            let Some(last) = frames.last().map(Frame::seq_no).filter(|last| *last <= to) else {
                held.extend(frames.into_iter().filter(|frame| frame.seq_no() <= to));
                return Ok((held, after.max(from)));
            };
            bytes = frames
                .iter()
                .fold(bytes, |sum, frame| sum.saturating_add(frame.estimated_size()));
            held.extend(frames);
            next = last.checked_next().unwrap_or(after);
            if last == to {
                return Ok((held, after));
            }
        }
        Ok((held, next))
    }

    /// What is live as of [`Log::max_seq_no`]; `None` if there is no operation. It may hold operations that are not durable yet.
    pub fn live_snapshot(&self) -> Option<LiveSnapshot> {
        let state = self.shared.state.lock();
        Some(LiveSnapshot {
            max_seq_no: state.max_seq_no?,
            live: state.tracker.live.clone(),
            digest: state.tracker.digest,
            terms: state.terms.clone(),
            max_seq_no_of_updates_or_deletes: state.updates,
        })
    }

    /// What heals have left behind; `None` if there was none.
    pub fn healed(&self) -> Option<Arc<Healed>> {
        self.shared.state.lock().healed.clone()
    }

    /// Makes the log, with what was staged, equal to the leader as of `snapshot`: in one step, durably. Blocks; reads go on, appends wait.
    ///
    /// # Errors
    /// [`HealError`]. After [`HealError::StageDamaged`] another stage is to be begun, after any other that is retryable this one goes on.
    pub fn install_heal(&self, stage: &mut HealStage, snapshot: &LiveSnapshot) -> Result<(), HealError> {
        let shared = &self.shared;
        assert!(Arc::ptr_eq(shared, &stage.shared), "a stage belongs to one log");
        if snapshot.max_seq_no.checked_next() != Some(stage.next()) {
            return Err(HealError::NotStaged {
                next: stage.next(),
                max_seq_no: snapshot.max_seq_no,
            });
        }
        stage.flush()?;
        let _order = shared.append_lock.lock();
        let mut writer = shared.writer.lock();
        let begin = shared.state.lock().next();
        if begin != stage.begin {
            return Err(HealError::Moved {
                log: begin,
                staged: stage.begin,
            });
        }
        // From here on everything is in sealed segments.
        let sealed = writer.commit(shared, true).and_then(|()| writer.seal(shared));
        self.poison_on_error(sealed)?;
        // Reads all that was staged. Others wait for the thread that writes this log, and appends wait anyhow.
        drop(writer);
        let outcome = self.outcome(stage, snapshot)?;
        let mut writer = shared.writer.lock();
        let (journal, mut next) = {
            let state = shared.state.lock();
            state.check_usable()?;
            let terms = snapshot
                .terms
                .iter()
                .filter(|start| start.first_seq_no <= snapshot.max_seq_no);
            let journal = Journal {
                staged: stage.sealed.iter().map(|segment| segment.first()).collect(),
                checkpoint: Checkpoint {
                    durable: Some(snapshot.max_seq_no),
                    min_retained: outcome.min_retained.max(state.min_retained),
                    primary_term: state.primary_term,
                    history_uuid: shared.history_uuid.clone(),
                    terms: terms.copied().collect(),
                    is_healed: true,
                },
                live: LiveFile {
                    valid_through: Some(snapshot.max_seq_no),
                    updates: outcome.updates,
                    digest: outcome.tracker.digest,
                    live: outcome.tracker.live.clone(),
                },
                healed: Healed::followed_by(state.healed.as_deref(), snapshot.max_seq_no, &outcome.dead),
            };
            (journal, state.sealed.to_vec())
        };
        next.append(&mut stage.sealed.clone());
        // If this fails, the heal may have been decided or not; whoever opens the log next finds out.
        let done = journal
            .write(&*shared.storage, &shared.dir)
            .and_then(|()| journal.carry_out(&*shared.storage, &shared.dir));
        let (file, header) = done.inspect_err(|error| shared.poison(error))?;
        writer.restart(WriterStart {
            file: file.clone(),
            header,
            length: HEADER_LENGTH as u64,
            frames: 0,
            last: Some(snapshot.max_seq_no),
            checkpoint: SavedCheckpoint {
                durable: journal.checkpoint.durable,
                min_retained: journal.checkpoint.min_retained,
                at: shared.committer.now(),
            },
            live: SavedLive {
                valid_through: Some(journal.live.valid_through),
                length: journal.live.live.to_bytes().len() as u64,
                bytes_since: 0,
            },
        });
        let mut state = shared.state.lock();
        state.sealed = Arc::new(next);
        state.active = ActiveSegment {
            file,
            path: log_path(&shared.dir, header.first),
            header,
            entries: OpenEntries::default(),
            length: HEADER_LENGTH as u64,
        };
        state.max_seq_no = Some(snapshot.max_seq_no);
        state.written = state.max_seq_no;
        state.tracker = outcome.tracker;
        state.updates = outcome.updates;
        state.updates_written = outcome.updates;
        state.terms = journal.checkpoint.terms;
        state.min_retained = state.min_retained.max(journal.checkpoint.min_retained);
        state.healed = Some(Arc::new(journal.healed));
        drop(state);
        let end = SeqNo::to_plus_one(Some(snapshot.max_seq_no));
        shared.written.store(end, Ordering::Release);
        shared.durable.store(end, Ordering::Release);
        shared.progress.notify(usize::MAX);
        tracing::info!(
            dir = %shared.dir.display(), from = %begin, through = %snapshot.max_seq_no, dead = outcome.dead.len(),
            "log healed: what its leader has removed is gone here too"
        );
        Ok(())
    }

    /// Applies what was staged to the live set, and compares the result with the leader's.
    fn outcome(&self, stage: &HealStage, snapshot: &LiveSnapshot) -> Result<Outcome, HealError> {
        let shared = &self.shared;
        let (mut tracker, mut all, mut updates) = {
            let state = shared.state.lock();
            check_terms(&state.terms, snapshot, stage.begin)?;
            (state.tracker.clone(), state.sealed.to_vec(), state.updates)
        };
        let mut min_retained = SeqNo::ZERO;
        all.extend(stage.sealed.iter().cloned());
        let staged = |error| {
            discard(&*shared.storage, &shared.dir)
                .map_or_else(HealError::Log, |()| HealError::StageDamaged(error))
        };
        let mut next = stage.begin;
        for segment in &stage.sealed {
            let mut position = 0;
            while position < segment.count() as usize {
                let frames = segment
                    .frames(position, FRAMES_AT_ONCE, BYTES_AT_ONCE)
                    .map_err(staged)?;
                if frames.is_empty() {
                    break;
                }
                position += frames.len();
                for frame in &frames {
                    if frame.seq_no() > next {
                        min_retained = min_retained.max(frame.seq_no());
                    }
                    next = frame.seq_no().checked_next().unwrap_or(frame.seq_no());
                    let checksum = match frame.superseded() {
                        Some(superseded) => checksum_in_sealed(&all, superseded).map_err(HealError::Read)?,
                        None => None,
                    };
                    // What it supersedes may have been dead on the leader before it was fetched, and is live here only if it is held.
                    if !tracker.apply(frame, checksum) {
                        let reason = format!(
                            "operation {} supersedes one that is not live here",
                            frame.seq_no()
                        );
                        return Err(HealError::Diverged { reason });
                    }
                    if is_update_or_delete(frame) {
                        updates = Some(frame.seq_no());
                    }
                }
            }
        }
        // Everything behind the last hole is held.
        if let Some(end) = snapshot.max_seq_no.checked_next().filter(|end| *end > next) {
            min_retained = min_retained.max(end);
        }
        let missing = snapshot.live.without(&tracker.live);
        if let Some(first) = missing.min() {
            return Err(HealError::Incomplete {
                count: missing.len(),
                first: SeqNo::new(first),
            });
        }
        let dead = tracker.live.without(&snapshot.live);
        for seq_no in dead.iter().map(SeqNo::new) {
            let checksum = checksum_in_sealed(&all, seq_no).map_err(HealError::Read)?;
            let Some(checksum) = checksum else {
                let reason = format!("operation {seq_no} is live, but the log does not hold it");
                return Err(HealError::Diverged { reason });
            };
            tracker.digest = tracker.digest.without(seq_no, checksum);
        }
        tracker.live.subtract(&dead);
        if tracker.digest != snapshot.digest {
            let reason = format!(
                "as of operation {} the digest of the live operations is {}, and {} on the leader",
                snapshot.max_seq_no, tracker.digest, snapshot.digest
            );
            return Err(HealError::Diverged { reason });
        }
        Ok(Outcome {
            tracker,
            dead,
            updates: updates.max(snapshot.max_seq_no_of_updates_or_deletes),
            min_retained,
        })
    }
}

/// One read of what was staged.
const FRAMES_AT_ONCE: usize = 4096;
const BYTES_AT_ONCE: u64 = 1 << 20;

/// Leader and follower have the same terms up to where the follower ends.
fn check_terms(own: &[TermStart], snapshot: &LiveSnapshot, begin: SeqNo) -> Result<(), HealError> {
    let leaders = snapshot.terms.iter().filter(|start| start.first_seq_no < begin);
    if own.iter().eq(leaders) {
        return Ok(());
    }
    let reason = format!("their primary terms before operation {begin} begin at different operations");
    Err(HealError::Diverged { reason })
}
