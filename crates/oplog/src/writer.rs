//! The writing side of a log: turns pending frames into bytes of the open segment, syncs, seals, keeps the checkpoint.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use crate::atomic_file::NameSync;
use crate::checkpoint::Checkpoint;
use crate::entries::{Entry, entry_of};
use crate::live::is_update_or_delete;
use crate::live_file::LiveFile;
use crate::open_entries::OpenEntries;
use crate::sealed::SealedSegment;
use crate::segment::{
    Encoding, HEADER_LENGTH, MARKER_LENGTH, SegmentHeader, encode_marker, log_path, new_salt,
};
use crate::shared::{ActiveSegment, PendingFrame, Shared, State};
use crate::{Frame, LogError, SeqNo, Storage, StorageFile};

/// Frames are gathered into writes of about this size, unless one is larger.
const WRITE_CHUNK: usize = 1 << 20;
/// And of at most so many frames.
const WRITE_PIECES: usize = 1024;
/// After this time without a read or write of the open segment, its entries are forgotten.
pub(crate) const FORGET_AFTER: Duration = Duration::from_secs(30);

/// The state of the open segment that only its writer needs.
#[derive(Debug)]
pub(crate) struct Writer {
    file: Arc<dyn StorageFile>,
    header: SegmentHeader,
    /// Bytes that are in the file or in `pieces`.
    length: u64,
    /// The last operation whose bytes are counted in `length`.
    staged: Option<SeqNo>,
    /// Bytes and entries that are counted but not written. Without capacity between two writes: an idle log holds no memory for the next one.
    pieces: Vec<Bytes>,
    piece_bytes: usize,
    entries: Vec<Entry>,
    /// The last staged update or delete.
    updates: Option<SeqNo>,
    /// How many frames the segment has, staged ones included.
    frames: u64,
    /// The durable checkpoint that the last marker of this segment, or its existence, proves.
    marked: Option<SeqNo>,
    unsynced_bytes: u64,
    unsynced_since: Option<Duration>,
    checkpoint: SavedCheckpoint,
    live: SavedLive,
    /// When to forget the entries of the open segment unless somebody needs them until then; `None`: they are few.
    forget_at: Option<Duration>,
    /// The earliest wake that was asked for and has not come yet.
    wake_at: Option<Duration>,
}

/// What the checkpoint file says, and since when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SavedCheckpoint {
    pub(crate) durable: Option<SeqNo>,
    pub(crate) min_retained: SeqNo,
    pub(crate) at: Duration,
}

/// What the live file says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SavedLive {
    /// `None`: there is no usable live file.
    pub(crate) valid_through: Option<Option<SeqNo>>,
    pub(crate) length: u64,
    /// Bytes of the log that were written since.
    pub(crate) bytes_since: u64,
}

/// Where a writer begins: behind the last frame of the open segment.
#[derive(Debug)]
pub(crate) struct WriterStart {
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) header: SegmentHeader,
    pub(crate) length: u64,
    pub(crate) frames: u64,
    pub(crate) last: Option<SeqNo>,
    pub(crate) checkpoint: SavedCheckpoint,
    pub(crate) live: SavedLive,
}

impl Writer {
    pub(crate) fn new(start: WriterStart) -> Self {
        Self {
            file: start.file,
            header: start.header,
            length: start.length,
            staged: start.last,
            pieces: Vec::new(),
            piece_bytes: 0,
            entries: Vec::new(),
            updates: None,
            frames: start.frames,
            marked: None,
            unsynced_bytes: 0,
            unsynced_since: None,
            checkpoint: start.checkpoint,
            live: start.live,
            forget_at: None,
            wake_at: None,
        }
    }

    /// Writes what is pending, and syncs when someone waits for it, enough is unsynced, or it is time.
    pub(crate) fn commit(&mut self, shared: &Arc<Shared>, force_sync: bool) -> Result<(), LogError> {
        let (batch, wanted) = {
            let mut state = shared.state.lock();
            state.check_usable()?;
            let batch = Arc::new(std::mem::take(&mut state.pending));
            state.writing = batch.clone();
            (batch, state.sync_wanted)
        };
        let now = shared.committer.now();
        if !batch.is_empty() {
            self.write(shared, &batch)?;
            self.release(shared);
        }
        let durable = shared.durable_checkpoint();
        let overdue = self
            .unsynced_since
            .is_some_and(|since| now >= since + shared.sync_interval());
        let enough = self.unsynced_bytes >= shared.options.async_sync_bytes.get();
        if durable < self.staged && (force_sync || wanted > durable || enough || overdue) {
            self.sync(shared)?;
        }
        if self.checkpoint_due(shared).is_some_and(|due| due <= now) {
            self.save_checkpoint(shared, NameSync::Later)?;
        }
        self.forget_entries(shared, now);
        if self.wake_at.is_some_and(|due| due <= now) {
            self.wake_at = None;
        }
        Ok(())
    }

    /// Gives back the memory of the open segment's entries when nobody needed them for a while.
    fn forget_entries(&mut self, shared: &Shared, now: Duration) {
        let entries = &mut shared.state.lock().active.entries;
        if !entries.is_large() {
            self.forget_at = None;
        } else if self.forget_at.is_none_or(|due| due <= now) {
            let forgotten = self.forget_at.is_some() && entries.forget_unused();
            self.forget_at = (!forgotten).then_some(now + FORGET_AFTER);
        }
    }

    /// When the log needs the committer again without anyone appending; `None` when a wake is on its way already.
    pub(crate) fn next_wake(&mut self, shared: &Shared) -> Option<Duration> {
        let sync = self.unsynced_since.map(|since| since + shared.sync_interval());
        let due = [sync, self.checkpoint_due(shared), self.forget_at]
            .into_iter()
            .flatten()
            .min()?;
        if self.wake_at.is_some_and(|wake| wake <= due) {
            return None;
        }
        self.wake_at = Some(due);
        Some(due)
    }

    /// When the checkpoint file should be written; `None` when it is up to date.
    fn checkpoint_due(&self, shared: &Shared) -> Option<Duration> {
        (self.checkpoint.durable != shared.durable_checkpoint())
            .then(|| self.checkpoint.at + shared.options.checkpoint_interval)
    }

    /// Syncs everything and writes checkpoint and live set, all durably.
    pub(crate) fn flush(&mut self, shared: &Arc<Shared>) -> Result<(), LogError> {
        self.commit(shared, true)?;
        let durable = shared.durable_checkpoint();
        let live_current = self.live.valid_through == Some(durable);
        if !live_current {
            self.save_live(shared)?;
        }
        let min_retained = shared.state.lock().min_retained;
        if self.checkpoint.durable != durable || self.checkpoint.min_retained != min_retained {
            self.save_checkpoint(shared, NameSync::Now)
        } else if !live_current {
            self.sync_dir(shared)
        } else {
            Ok(())
        }
    }

    /// Writes checkpoint, live set and what heals left behind durably, whether they changed or not.
    pub(crate) fn rewrite_small_files(&mut self, shared: &Arc<Shared>) -> Result<(), LogError> {
        self.commit(shared, true)?;
        let healed = shared.state.lock().healed.clone();
        if let Some(healed) = healed {
            healed.save(&*shared.storage, &shared.dir)?;
        }
        self.save_live(shared)?;
        self.save_checkpoint(shared, NameSync::Now)
    }

    pub(crate) fn save_checkpoint(&mut self, shared: &Shared, name_sync: NameSync) -> Result<(), LogError> {
        let durable = shared.durable_checkpoint();
        let checkpoint = {
            let state = shared.state.lock();
            let next = SeqNo::to_plus_one(durable);
            Checkpoint {
                durable,
                min_retained: state.min_retained,
                primary_term: state.primary_term,
                is_healed: state.healed.is_some(),
                history_uuid: shared.history_uuid.clone(),
                terms: state
                    .terms
                    .iter()
                    .filter(|start| start.first_seq_no.get() < next)
                    .copied()
                    .collect(),
            }
        };
        checkpoint.save(&*shared.storage, &shared.dir, name_sync)?;
        self.checkpoint = SavedCheckpoint {
            durable,
            min_retained: checkpoint.min_retained,
            at: shared.committer.now(),
        };
        Ok(())
    }

    /// Makes durable what a compaction relies on: that nothing below the minimum retained seq_no is asked for any more, and a live
    /// set as of `dead_as_of` or later. Only called when everything written is durable. A failure changes nothing.
    pub(crate) fn prepare_compaction(
        &mut self,
        shared: &Shared,
        dead_as_of: Option<SeqNo>,
    ) -> Result<(), LogError> {
        if self.live.valid_through.is_none_or(|valid| valid < dead_as_of) {
            self.save_live(shared)?;
        }
        if self.checkpoint.min_retained < shared.state.lock().min_retained {
            self.save_checkpoint(shared, NameSync::Later)?;
        }
        self.sync_dir(shared)
    }

    /// Goes on behind a heal.
    pub(crate) fn restart(&mut self, start: WriterStart) {
        let wake_at = self.wake_at;
        *self = Self::new(start);
        self.wake_at = wake_at;
    }

    /// Memory kept for frames that are still to come.
    #[cfg(test)]
    pub(crate) fn kept_bytes(&self) -> usize {
        self.pieces.capacity() * size_of::<Bytes>() + self.entries.capacity() * size_of::<Entry>()
    }

    /// The file and length of the open segment, everything written and synced.
    pub(crate) fn open_segment(&self) -> (Arc<dyn StorageFile>, SegmentHeader, u64) {
        (self.file.clone(), self.header, self.length)
    }

    fn write(&mut self, shared: &Arc<Shared>, batch: &[PendingFrame]) -> Result<(), LogError> {
        for PendingFrame { frame, .. } in batch {
            let end = self.length + (MARKER_LENGTH + frame.len()) as u64;
            if self.frames > 0 && end > shared.options.segment_bytes.get() {
                self.write_staged(shared)?;
                self.roll(shared)?;
            }
            self.stage_marker(shared);
            self.stage(shared, frame)?;
        }
        self.write_staged(shared)?;
        (self.pieces, self.entries) = (Vec::new(), Vec::new());
        Ok(())
    }

    /// The first write after a sync says so, for recovery to tell a torn tail from damage.
    fn stage_marker(&mut self, shared: &Shared) {
        let durable = shared.durable_checkpoint();
        if self.frames == 0 || durable <= self.marked || durable < Some(self.header.first) {
            return;
        }
        if let Some(seq_no) = durable {
            let marker = encode_marker(self.length, seq_no, self.header.salt);
            self.push(Bytes::copy_from_slice(&marker));
            self.marked = durable;
        }
    }

    fn stage(&mut self, shared: &Shared, frame: &Frame) -> Result<(), LogError> {
        let entry = entry_of(frame, self.header.first, self.length)
            .expect("segment_bytes is at most 1 GiB, and a frame is 100 MiB at most");
        if self.piece_bytes + frame.len() > WRITE_CHUNK || self.pieces.len() >= WRITE_PIECES {
            self.write_staged(shared)?;
        }
        self.push(frame.bytes().clone());
        self.entries.push(entry);
        self.frames += 1;
        self.staged = Some(frame.seq_no());
        if is_update_or_delete(frame) {
            self.updates = self.staged;
        }
        Ok(())
    }

    fn push(&mut self, piece: Bytes) {
        self.length += piece.len() as u64;
        self.piece_bytes += piece.len();
        self.pieces.push(piece);
    }

    /// Writes the staged frames and shows them to readers of the file.
    fn write_staged(&mut self, shared: &Shared) -> Result<(), LogError> {
        if !self.pieces.is_empty() {
            self.write_pieces(shared)?;
        }
        let (Some(last), false) = (self.staged, self.entries.is_empty()) else {
            return Ok(());
        };
        let mut state = shared.state.lock();
        state.updates_written = self.updates.or(state.updates_written);
        state.active.entries.append(&mut self.entries);
        state.active.length = self.length;
        state.written = Some(last);
        drop(state);
        shared
            .written
            .store(SeqNo::to_plus_one(Some(last)), Ordering::Release);
        shared.progress.notify(usize::MAX);
        Ok(())
    }

    fn write_pieces(&mut self, shared: &Shared) -> Result<(), LogError> {
        let bytes = std::mem::take(&mut self.piece_bytes) as u64;
        self.unsynced_since.get_or_insert_with(|| shared.committer.now());
        self.unsynced_bytes += bytes;
        self.live.bytes_since += bytes;
        self.file
            .write_pieces_at(self.length - bytes, &self.pieces)
            .map_err(|source| LogError::io("write", log_path(&shared.dir, self.header.first), source))?;
        self.pieces.clear();
        Ok(())
    }

    /// Forgets the frames in memory: they are in the file.
    fn release(&self, shared: &Shared) {
        let mut state = shared.state.lock();
        let written = std::mem::take(&mut state.writing);
        let bytes: u64 = written.iter().map(|pending| pending.frame.len() as u64).sum();
        state.pending_bytes -= bytes;
        drop(state);
        shared.room.notify_all();
    }

    fn sync(&mut self, shared: &Shared) -> Result<(), LogError> {
        let path = || log_path(&shared.dir, self.header.first);
        self.file
            .sync_data()
            .map_err(|source| LogError::io("sync", path(), source))?;
        shared.committer.count_sync();
        self.unsynced_bytes = 0;
        self.unsynced_since = None;
        shared
            .durable
            .store(SeqNo::to_plus_one(self.staged), Ordering::Release);
        shared.progress.notify(usize::MAX);
        Ok(())
    }

    fn sync_dir(&self, shared: &Shared) -> Result<(), LogError> {
        shared
            .storage
            .sync_dir(&shared.dir)
            .map_err(|source| LogError::io("sync", &shared.dir, source))
    }

    /// Seals the full segment and opens the next one.
    ///
    /// No frame is written to the new segment before its header and name are durable, nor before everything in the
    /// old one is: so the existence of a segment with frames proves that all earlier segments are complete.
    fn roll(&mut self, shared: &Arc<Shared>) -> Result<(), LogError> {
        self.sync(shared)?;
        shared.recall_entries()?;
        let entries = shared.state.lock().active.entries.all().map(<[Entry]>::to_vec);
        let entries = entries.expect("entries are forgotten under the writer's lock, which is held");
        let sealed = SealedSegment::seal(
            &*shared.storage,
            &shared.dir,
            self.file.clone(),
            self.header,
            &entries,
            self.length,
        )?;
        // A large live set is not worth writing with every segment.
        if self.live.bytes_since >= 8 * self.live.length {
            self.save_live(shared)?;
        }
        self.save_checkpoint(shared, NameSync::Later)?;
        let first = self.staged.and_then(SeqNo::checked_next).unwrap_or(SeqNo::ZERO);
        let (file, header) = create_segment(&*shared.storage, &shared.dir, first)?;
        self.sync_dir(shared)?;
        self.file = file.clone();
        self.header = header;
        self.length = HEADER_LENGTH as u64;
        self.frames = 0;
        self.marked = None;
        let mut state = shared.state.lock();
        Arc::make_mut(&mut state.sealed).push(Arc::new(sealed));
        state.active = ActiveSegment {
            file,
            path: log_path(&shared.dir, first),
            header,
            entries: OpenEntries::default(),
            length: HEADER_LENGTH as u64,
        };
        Ok(())
    }

    /// Seals the open segment although it is not full. Only called when everything written is durable.
    pub(crate) fn seal(&mut self, shared: &Arc<Shared>) -> Result<(), LogError> {
        if self.frames == 0 {
            return Ok(());
        }
        self.roll(shared)
    }

    /// Only called when everything written is durable.
    fn save_live(&mut self, shared: &Shared) -> Result<(), LogError> {
        let (tracker, updates) = {
            let state: &State = &shared.state.lock();
            debug_assert_eq!(state.written, shared.durable_checkpoint());
            (state.written_tracker(), state.updates_written)
        };
        let valid_through = shared.durable_checkpoint();
        let file = LiveFile {
            valid_through,
            updates,
            digest: tracker.digest,
            live: tracker.live,
        };
        let length = file.save(&*shared.storage, &shared.dir)?;
        self.live = SavedLive {
            valid_through: Some(valid_through),
            length,
            bytes_since: 0,
        };
        Ok(())
    }
}

/// Creates an empty segment; its content is durable at return, its name is not.
pub(crate) fn create_segment(
    storage: &dyn Storage,
    dir: &std::path::Path,
    first: SeqNo,
) -> Result<(Arc<dyn StorageFile>, SegmentHeader), LogError> {
    create_segment_at(storage, &log_path(dir, first), first)
}

/// As [`create_segment`], in a file of another name.
pub(crate) fn create_segment_at(
    storage: &dyn Storage,
    path: &std::path::Path,
    first: SeqNo,
) -> Result<(Arc<dyn StorageFile>, SegmentHeader), LogError> {
    let header = SegmentHeader {
        encoding: Encoding::Plain,
        first,
        salt: new_salt(),
    };
    let file = storage.create(path).and_then(|file| {
        file.write_at(0, &header.encode())?;
        file.sync_data()?;
        Ok(file)
    });
    Ok((
        file.map_err(|source| LogError::io("create", path, source))?,
        header,
    ))
}
