//! The log of one shard copy.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::MutexGuard;

use crate::adopt::adopt;
use crate::healed::HEALED_NAME;
use crate::live::{LiveTracker, is_update_or_delete};
use crate::open_entries::Forgotten;
use crate::pinned::PinnedFile;
use crate::read::{checksum_in_memory, checksum_in_sealed};
use crate::recovery::{self, Environment, note_term};
use crate::sealed::SealedSegment;
use crate::segment::{index_name, log_name};
use crate::shared::{PendingFrame, Shared, State};
use crate::ticket;
use crate::{
    AppendError, AppendTicket, Clock, Digest, Durability, Frame, GroupCommitter, HistoryUuid, LiveSet,
    LiveSummary, LogError, LogOptions, NewLog, PinnedFiles, PrimaryTerm, ReadError, ReadLimits, SeqNo,
    Storage, SyncTicket,
};
use crate::{checkpoint, live_file};

/// Where a primary term begins in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TermStart {
    /// The term.
    pub term: PrimaryTerm,
    /// The first operation of the term.
    pub first_seq_no: SeqNo,
}

/// The operations of one shard copy, in seq_no order and without gaps, and what is derived from them.
///
/// All methods may be called from any thread. Calls that read or write files block; async callers put them on a
/// blocking thread, except for [`AppendTicket::durable`], [`SyncTicket::durable`] and [`Log::wait_durable`].
///
/// Dropping a log without [`Log::close`] is like a crash of the process: what was written stays, the rest is lost.
#[derive(Debug)]
pub struct Log {
    pub(crate) shared: Arc<Shared>,
    /// Keeps the threads alive that write this log.
    _committer: Arc<GroupCommitter>,
}

impl Log {
    /// Creates an empty log in `dir`, durably, and opens it.
    ///
    /// # Errors
    /// [`LogError::AlreadyExists`] when there is one, [`LogError::Invalid`] for bad options, [`LogError::Io`].
    pub fn create(
        storage: Arc<dyn Storage>,
        dir: PathBuf,
        new: NewLog,
        options: LogOptions,
        committer: Arc<GroupCommitter>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, LogError> {
        options.check()?;
        recovery::create(&*storage, &dir, new)?;
        Self::open(storage, dir, options, committer, clock)
    }

    /// Opens the log in `dir`: cuts a torn end of writes that were never synced, then everything in it is durable.
    ///
    /// Only the last segment is read as a whole. No other [`Log`] may be open on the directory.
    ///
    /// # Errors
    /// [`LogError::NotFound`] when there is none, [`LogError::Corrupt`] when bytes that were durable are damaged,
    /// [`LogError::UnsupportedFormat`], [`LogError::Invalid`] for bad options, [`LogError::Io`].
    pub fn open(
        storage: Arc<dyn Storage>,
        dir: PathBuf,
        options: LogOptions,
        committer: Arc<GroupCommitter>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, LogError> {
        let shared = recovery::open(Environment {
            storage,
            dir,
            options,
            committer: committer.handle(),
            clock,
        })?;
        Ok(Arc::new(Self {
            shared,
            _committer: committer,
        }))
    }

    /// Turns files that were copied from the [`PinnedFiles`] of a leader into this copy's own log, to be opened afterwards:
    /// a history of its own, `primary_term` for what it may write itself one day, no retention leases, nothing above `up_to` (`None`: no operations at all), all of it durable.
    /// May be repeated after a failure.
    ///
    /// # Errors
    /// [`LogError::NotFound`] when there is no log, [`LogError::Corrupt`] when it is damaged or does not reach `up_to`,
    /// [`LogError::Io`].
    pub fn adopt(
        storage: &dyn Storage,
        dir: &Path,
        history_uuid: HistoryUuid,
        primary_term: PrimaryTerm,
        up_to: Option<SeqNo>,
    ) -> Result<(), LogError> {
        adopt(storage, dir, history_uuid, primary_term, up_to)
    }

    /// Appends the operations that continue the log; all or none.
    ///
    /// At return they have their place and are visible to [`Log::get`] and [`Log::read`]; the ticket tells when they are written or durable.
    /// Blocks while [`LogOptions::max_pending_bytes`] wait for their write (one append alone may be larger).
    ///
    /// # Errors
    /// [`AppendError`]; the log is as it was before.
    pub fn append(&self, frames: Vec<Frame>, durability: Durability) -> Result<AppendTicket, AppendError> {
        let first = frames.first().ok_or(AppendError::Empty)?.seq_no();
        let last = frames.last().ok_or(AppendError::Empty)?.seq_no();
        let shared = &self.shared;
        let _order = shared.append_lock.lock();
        let mut state = shared.state.lock();
        self.wait_for_room(&mut state, bytes_of(&frames))?;
        check_order(&state, &frames)?;
        let mut checksums = loop {
            if let Ok(checksums) = checksums_in_memory(&mut state, &frames) {
                break checksums;
            }
            MutexGuard::unlocked(&mut state, || shared.recall_for_reading(first))?;
            state.check_usable()?;
        };
        if frames
            .iter()
            .zip(&checksums)
            .any(|(frame, checksum)| frame.superseded().is_some() && checksum.is_none())
        {
            // Index files are read without the lock; the append lock keeps what was checked right.
            let sealed = state.sealed.clone();
            MutexGuard::unlocked(&mut state, || look_up_sealed(&sealed, &frames, &mut checksums))?;
            state.check_usable()?;
        }
        apply_all(&mut state.tracker, &frames, &checksums)?;
        state.pending_bytes += bytes_of(&frames);
        state.max_seq_no = Some(last);
        if durability == Durability::Request {
            state.sync_wanted = Some(last);
        }
        state.pending.reserve(frames.len());
        for (frame, superseded_checksum) in frames.into_iter().zip(checksums) {
            note_term(&mut state.terms, &frame);
            if is_update_or_delete(&frame) {
                state.updates = Some(frame.seq_no());
            }
            state.pending.push(PendingFrame {
                frame,
                superseded_checksum,
            });
        }
        shared.schedule(&mut state);
        Ok(AppendTicket::new(shared.clone(), first, last, durability))
    }

    fn wait_for_room(&self, state: &mut MutexGuard<'_, State>, bytes: u64) -> Result<(), LogError> {
        let limit = self.shared.options.max_pending_bytes.get();
        loop {
            state.check_usable()?;
            if state.pending_bytes == 0 || state.pending_bytes + bytes <= limit {
                return Ok(());
            }
            if self.shared.committer.is_manual() {
                MutexGuard::unlocked(state, || self.shared.committer.help_if_manual());
            } else {
                self.shared.room.wait(state);
            }
        }
    }

    /// The last operation that was appended.
    pub fn max_seq_no(&self) -> Option<SeqNo> {
        self.shared.state.lock().max_seq_no
    }

    /// The last operation that is fsynced, and with it all before it: the local checkpoint.
    pub fn durable_checkpoint(&self) -> Option<SeqNo> {
        self.shared.durable_checkpoint()
    }

    /// Waits until `at_least` is durable, whether it is appended already or not, and answers the durable checkpoint.
    /// It starts no fsync. Cancel safe, and independent of the life of `self`.
    ///
    /// # Errors
    /// [`LogError::Poisoned`] or [`LogError::Closed`], when that happens first.
    pub fn wait_durable(
        &self,
        at_least: SeqNo,
    ) -> impl Future<Output = Result<SeqNo, LogError>> + Send + use<> {
        ticket::wait_durable(self.shared.clone(), at_least)
    }

    /// Starts an fsync of everything that was appended so far.
    pub fn sync(&self) -> SyncTicket {
        let mut state = self.shared.state.lock();
        let up_to = state.max_seq_no;
        if up_to > self.shared.durable_checkpoint() {
            state.sync_wanted = state.sync_wanted.max(up_to);
            self.shared.schedule(&mut state);
        }
        SyncTicket::new(self.shared.clone(), up_to)
    }

    /// How long asynchronously appended operations may stay without an fsync, from the next one on.
    pub fn set_sync_interval(&self, interval: Duration) {
        let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        self.shared.sync_interval_millis.store(millis, Ordering::Relaxed);
    }

    /// The operations `from` to `to`, both included, in order, as stored and verified, as far as `limits` allow.
    ///
    /// Reads up to [`Log::max_seq_no`]: bounding `to` by a checkpoint is the caller's job.
    /// An empty range (`to` before `from`) gives nothing; any other gives at least one operation.
    ///
    /// # Errors
    /// [`ReadError::Missing`] when the read comes to an operation that was compacted away or is not appended yet,
    /// [`ReadError::Corrupt`] when stored bytes are damaged, [`ReadError::Io`], [`ReadError::Closed`].
    pub fn read(&self, from: SeqNo, to: SeqNo, limits: ReadLimits) -> Result<Vec<Frame>, ReadError> {
        self.shared.read(from, to, limits)
    }

    /// One operation; `None` when the log does not hold it.
    ///
    /// # Errors
    /// As [`Log::read`], without [`ReadError::Missing`].
    pub fn get(&self, seq_no: SeqNo) -> Result<Option<Frame>, ReadError> {
        self.shared.get(seq_no)
    }

    /// The identity of the history.
    pub fn history_uuid(&self) -> HistoryUuid {
        self.shared.history_uuid.clone()
    }

    /// The term of the shard copy.
    pub fn primary_term(&self) -> PrimaryTerm {
        self.shared.state.lock().primary_term
    }

    /// Sets the term of the shard copy, durably.
    ///
    /// # Errors
    /// [`LogError::Invalid`] when it is lower than the present one, and what writing the checkpoint gives.
    pub fn set_primary_term(&self, term: PrimaryTerm) -> Result<(), LogError> {
        let mut writer = self.shared.writer.lock();
        {
            let mut state = self.shared.state.lock();
            state.check_usable()?;
            if term < state.primary_term {
                let reason = format!(
                    "primary term {term} is lower than the present one, {}",
                    state.primary_term
                );
                return Err(LogError::Invalid { reason });
            }
            if term == state.primary_term {
                return Ok(());
            }
            state.primary_term = term;
        }
        let saved = writer.save_checkpoint(&self.shared, crate::atomic_file::NameSync::Now);
        self.poison_on_error(saved)
    }

    /// Where each term begins, in order, for all appended operations.
    pub fn term_table(&self) -> Vec<TermStart> {
        self.shared.state.lock().terms.clone()
    }

    /// Every operation from here on is held; below, dead ones may be gone. Never goes down.
    pub fn min_retained_seq_no(&self) -> SeqNo {
        self.shared.state.lock().min_retained
    }

    /// Whether the operation is the current version of its document.
    pub fn is_live(&self, seq_no: SeqNo) -> bool {
        self.shared.state.lock().tracker.live.contains(seq_no)
    }

    /// The live operations as of [`Log::max_seq_no`].
    pub fn live_set(&self) -> LiveSet {
        self.shared.state.lock().tracker.live.clone()
    }

    /// Count and digest of the live operations as of [`Log::max_seq_no`].
    pub fn live_summary(&self) -> LiveSummary {
        let state = self.shared.state.lock();
        LiveSummary {
            max_seq_no: state.max_seq_no,
            live_count: state.tracker.live.len(),
            digest: state.tracker.digest,
        }
    }

    /// The same as [`Log::live_summary`], computed by reading every operation, for verification. Reads the log twice.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn recompute_live_summary(&self) -> Result<LiveSummary, ReadError> {
        // What is read twice must not be rewritten in between.
        let _unchanged = self.shared.compaction_lock.lock();
        let (max_seq_no, healed) = {
            let state = self.shared.state.lock();
            (state.max_seq_no, state.healed.clone())
        };
        let mut live = LiveSet::new();
        self.for_each(max_seq_no, |frame| {
            if let Some(superseded) = frame.superseded() {
                live.remove(superseded);
            }
            if frame.kind() == crate::OperationKind::Index {
                live.insert(frame.seq_no());
            }
        })?;
        if let Some(healed) = healed {
            healed.bury(&mut live);
        }
        let mut digest = Digest::EMPTY;
        self.for_each(max_seq_no, |frame| {
            if live.contains(frame.seq_no()) {
                digest = digest.with(frame.seq_no(), frame.checksum());
            }
        })?;
        Ok(LiveSummary {
            max_seq_no,
            live_count: live.len(),
            digest,
        })
    }

    fn for_each(&self, max: Option<SeqNo>, mut visit: impl FnMut(&Frame)) -> Result<(), ReadError> {
        let Some(max) = max else { return Ok(()) };
        let mut next = SeqNo::ZERO;
        while next <= max {
            let frames = self.shared.read_from(next, max, usize::MAX, u64::MAX)?;
            let Some(last) = frames.last().map(Frame::seq_no) else {
                break;
            };
            frames
                .iter()
                .filter(|frame| frame.seq_no() <= max)
                .for_each(&mut visit);
            next = SeqNo::new(last.get() + 1);
        }
        Ok(())
    }

    /// The last operation that replaced or removed a document that existed, or is a delete.
    pub fn max_seq_no_of_updates_or_deletes(&self) -> Option<SeqNo> {
        self.shared.state.lock().updates
    }

    /// Makes everything durable and writes checkpoint, live set and leases, so that the next open has little to do. Blocks.
    ///
    /// # Errors
    /// [`LogError::Io`] when the medium fails, which poisons the log; [`LogError::Poisoned`], [`LogError::Closed`].
    pub fn flush(&self) -> Result<(), LogError> {
        let flushed = self.shared.writer.lock().flush(&self.shared);
        self.poison_on_error(flushed)?;
        self.save_renewals()
    }

    /// Writes checkpoint, live set and leases anew, durably.
    pub(crate) fn rewrite_small_files(&self) -> Result<(), LogError> {
        let rewritten = self.shared.writer.lock().rewrite_small_files(&self.shared);
        self.poison_on_error(rewritten)?;
        self.rewrite_leases()
    }

    /// Flushes and holds the files as they are then, to be copied. Blocks. Appends go on meanwhile and afterwards.
    ///
    /// # Errors
    /// As [`Log::flush`].
    pub fn pin_files(&self) -> Result<PinnedFiles, LogError> {
        let shared = &self.shared;
        let mut writer = shared.writer.lock();
        let flushed = writer.flush(shared);
        self.poison_on_error(flushed)?;
        let pin = |name: String, file: Arc<dyn crate::StorageFile>| {
            let length = file
                .len()
                .map_err(|source| LogError::io("read", shared.dir.join(&name), source))?;
            Ok::<_, LogError>((PinnedFile { name, length }, file))
        };
        let sealed = shared.state.lock().sealed.clone();
        let mut opened = Vec::with_capacity(2 * sealed.len() + 3);
        for segment in sealed.iter() {
            let segment: &SealedSegment = segment;
            opened.push(pin(log_name(segment.first()), segment.file().clone())?);
            if let Some(index) = segment.index_file() {
                opened.push(pin(index_name(segment.first()), index.clone())?);
            }
        }
        let (file, header, length) = writer.open_segment();
        opened.push((
            PinnedFile {
                name: log_name(header.first),
                length,
            },
            file,
        ));
        let healed = shared.state.lock().healed.is_some().then_some(HEALED_NAME);
        for name in [checkpoint::CHECKPOINT_NAME, live_file::LIVE_NAME]
            .into_iter()
            .chain(healed)
        {
            let path = shared.dir.join(name);
            let file = shared
                .storage
                .open(&path)
                .map_err(|source| LogError::io("open", path, source))?;
            opened.push(pin(name.to_owned(), file)?);
        }
        Ok(PinnedFiles::new(shared.durable_checkpoint(), opened))
    }

    /// Flushes and refuses everything afterwards; whoever waits is told. Blocks. Closing twice is harmless.
    ///
    /// # Errors
    /// As [`Log::flush`]; the log is closed all the same.
    pub fn close(&self) -> Result<(), LogError> {
        if self.shared.state.lock().closed {
            return Ok(());
        }
        let flushed = self.flush();
        self.shared.abandon();
        flushed
    }

    /// How many bytes the segments have on disk, without the index files of plain ones.
    pub fn size_in_bytes(&self) -> u64 {
        let state = self.shared.state.lock();
        state
            .sealed
            .iter()
            .map(|segment| segment.file_length())
            .sum::<u64>()
            + state.active.length
    }

    /// The last operation that is in the files, synced or not.
    #[cfg(test)]
    pub(crate) fn written_checkpoint(&self) -> Option<SeqNo> {
        self.shared.state.lock().written
    }

    /// The first seq_no of the open segment, which compaction leaves alone.
    #[cfg(test)]
    pub(crate) fn open_segment_first(&self) -> SeqNo {
        self.shared.state.lock().active.header.first
    }

    /// How many segments there are, the open one included.
    pub fn segment_count(&self) -> usize {
        self.shared.state.lock().sealed.len() + 1
    }

    pub(crate) fn poison_on_error(&self, result: Result<(), LogError>) -> Result<(), LogError> {
        if let Err(error) = &result {
            self.shared.poison(error);
        }
        result
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}

fn bytes_of(frames: &[Frame]) -> u64 {
    frames.iter().map(|frame| frame.len() as u64).sum()
}

fn check_order(state: &State, frames: &[Frame]) -> Result<(), AppendError> {
    let mut last = state.terms.last().map(|start| start.term);
    for (expected, frame) in (state.next_seq_no()..).zip(frames) {
        if frame.seq_no().get() != expected {
            return Err(AppendError::NotContiguous {
                expected: SeqNo::new(expected),
                got: frame.seq_no(),
            });
        }
        if let Some(last) = last.filter(|last| frame.primary_term() < *last) {
            return Err(AppendError::TermWentBack {
                seq_no: frame.seq_no(),
                got: frame.primary_term(),
                last,
            });
        }
        last = Some(frame.primary_term());
    }
    Ok(())
}

/// For each frame the checksum of what it supersedes, as far as that is among the frames, waits for its write, or is in the open segment.
fn checksums_in_memory(state: &mut State, frames: &[Frame]) -> Result<Vec<Option<u64>>, Forgotten> {
    let first = frames[0].seq_no().get();
    let mut checksum = |superseded: SeqNo| match superseded.get().checked_sub(first) {
        Some(place) => Ok(usize::try_from(place)
            .ok()
            .and_then(|place| frames.get(place))
            .map(Frame::checksum)),
        None => checksum_in_memory(state, superseded),
    };
    frames
        .iter()
        .map(|frame| frame.superseded().map_or(Ok(None), &mut checksum))
        .collect()
}

/// Fills in what is in sealed segments. An operation that is nowhere is not live.
fn look_up_sealed(
    sealed: &[Arc<SealedSegment>],
    frames: &[Frame],
    checksums: &mut [Option<u64>],
) -> Result<(), AppendError> {
    for (frame, checksum) in frames.iter().zip(checksums) {
        if let (Some(superseded), None) = (frame.superseded(), &checksum) {
            *checksum = checksum_in_sealed(sealed, superseded)?;
            if checksum.is_none() {
                return Err(AppendError::SupersedesDead {
                    seq_no: frame.seq_no(),
                    superseded,
                });
            }
        }
    }
    Ok(())
}

/// Applies all frames to the live set, or none.
fn apply_all(
    tracker: &mut LiveTracker,
    frames: &[Frame],
    checksums: &[Option<u64>],
) -> Result<(), AppendError> {
    for (place, frame) in frames.iter().enumerate() {
        if tracker.apply(frame, checksums[place]) {
            continue;
        }
        for back in (0..place).rev() {
            tracker.undo(&frames[back], checksums[back]);
        }
        let superseded = frame.superseded().unwrap_or(frame.seq_no());
        return Err(AppendError::SupersedesDead {
            seq_no: frame.seq_no(),
            superseded,
        });
    }
    Ok(())
}
