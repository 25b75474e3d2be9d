//! Opening a log after whatever happened to it.
//!
//! The rule of the last segment: scanning from its header, everything up to the first bad frame is kept. The bad frame is
//! *corruption*, and the log does not open, when it was durable for certain:
//! 1. the checkpoint file, or the live file, says so; or
//! 2. a valid sync marker lies anywhere behind it: markers are written only after an fsync of everything before them.
//!
//! Otherwise it is the torn end of writes that were never synced, hence never acknowledged, and is cut. Valid *frames* behind it prove
//! nothing: pages of one unsynced write reach the disk in any order. What remains undecided is damage to the very last synced
//! writes while no later write and no checkpoint followed: at most the checkpoint interval (1 s) after the last sync of a log.
//!
//! Earlier segments are complete and durable before the next one takes a frame, so they are not scanned,
//! and whatever is wrong with them is corruption.
//!
//! The directory is synced before anything in it is removed or replaced: after a sync that failed, names are seen that a loss of power would take back,
//! and a compacted segment that is not durable is no reason to remove what it was made of.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use event_listener::Event;
use parking_lot::{Condvar, Mutex};

use crate::atomic_file::{NameSync, TEMPORARY_SUFFIX};
use crate::checkpoint::{CHECKPOINT_NAME, Checkpoint};
use crate::committer::CommitterHandle;
use crate::entries::{Entry, entry_of};
use crate::files::{list, remove, remove_if_exists, sync_dir};
use crate::heal::{JOURNAL_NAME, Journal, parse_staged_name};
use crate::healed::{HEALED_NAME, Healed};
use crate::lease::LeaseTable;
use crate::lease_file::{self, LEASES_NAME};
use crate::live::{LiveTracker, is_update_or_delete};
use crate::live_file::{LIVE_NAME, LiveFile};
use crate::log::TermStart;
use crate::open_entries::OpenEntries;
use crate::scan::{Item, Scanner, read_header};
use crate::sealed::SealedSegment;
use crate::segment::{Encoding, HEADER_LENGTH, SegmentHeader, index_path, log_path, parse_log_name};
use crate::shared::{ActiveSegment, Leases, Schedule, Shared, State};
use crate::writer::{SavedCheckpoint, SavedLive, Writer, WriterStart, create_segment};
use crate::{Clock, Frame, LogError, LogOptions, NewLog, SeqNo, Storage, StorageFile};

/// How much is written again at once.
const REWRITE_CHUNK: u64 = 1 << 20;

/// What a log runs on.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) dir: PathBuf,
    pub(crate) options: LogOptions,
    pub(crate) committer: CommitterHandle,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Lays out an empty log. The checkpoint comes last: without it there is no log, and leftovers are removed.
pub(crate) fn create(storage: &dyn Storage, dir: &Path, new: NewLog) -> Result<(), LogError> {
    let checkpoint = dir.join(CHECKPOINT_NAME);
    if storage
        .exists(&checkpoint)
        .map_err(|source| LogError::io("look up", &checkpoint, source))?
    {
        return Err(LogError::AlreadyExists { dir: dir.to_owned() });
    }
    storage
        .create_dir_all(dir)
        .map_err(|source| LogError::io("create", dir, source))?;
    for name in list(storage, dir)? {
        let ours = name.ends_with(".log")
            || name.ends_with(".idx")
            || parse_staged_name(&name).is_some()
            || [LIVE_NAME, LEASES_NAME, HEALED_NAME, JOURNAL_NAME].contains(&name.as_str());
        if ours {
            remove(storage, &dir.join(name))?;
        }
    }
    create_segment(storage, dir, SeqNo::ZERO)?;
    let checkpoint = Checkpoint {
        durable: None,
        min_retained: SeqNo::ZERO,
        primary_term: new.primary_term,
        history_uuid: new.history_uuid,
        terms: Vec::new(),
        is_healed: false,
    };
    sync_dir(storage, dir)?;
    checkpoint.save(storage, dir, NameSync::Now)
}

/// The segments of a log as they are found.
struct Segments {
    sealed: Vec<Arc<SealedSegment>>,
    open: OpenSegment,
}

struct OpenSegment {
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    header: SegmentHeader,
    entries: Vec<Entry>,
    /// The end of the last good frame or marker before it.
    length: u64,
}

impl OpenSegment {
    fn last(&self) -> Option<SeqNo> {
        self.entries
            .last()
            .map(|entry| SeqNo::new(self.header.first.get() + u64::from(entry.delta)))
            .or_else(|| self.header.first.checked_prev())
    }
}

pub(crate) fn open(env: Environment) -> Result<Arc<Shared>, LogError> {
    env.options.check()?;
    let (storage, dir) = (&*env.storage, env.dir.as_path());
    // What is seen may not be durable: a sync of the directory may have failed. Nothing is removed on its strength before it is.
    match storage.sync_dir(dir) {
        // There is no log, as whoever looks for its checkpoint finds.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        synced => synced.map_err(|source| LogError::io("sync", dir, source))?,
    }
    if let Some(journal) = Journal::load(storage, dir)? {
        tracing::info!(dir = %dir.display(), through = %journal.healed.through(), "finishing a heal that was decided before");
        journal.carry_out(storage, dir)?;
    }
    let checkpoint = load_checkpoint(storage, dir)?;
    let healed = Healed::load_expected(storage, dir, checkpoint.is_healed)?;
    let live = load_live(storage, dir)?;
    let known_durable = checkpoint
        .durable
        .max(live.as_ref().and_then(|live| live.valid_through));
    let segments = open_segments(storage, dir, known_durable)?;
    let leases = lease_file::load(storage, dir)?;
    let leases = leases.map_or_else(
        || LeaseTable::empty(checkpoint.primary_term),
        LeaseTable::from_collection,
    );
    // The frames may be in the page cache only, if the process died and not the machine.
    let open = &segments.open;
    open.file
        .sync_data()
        .map_err(|source| LogError::io("sync", &open.path, source))?;
    let shared = build(env, &checkpoint, healed, live.as_ref(), segments, leases);
    replay(&shared, &checkpoint, live.as_ref())?;
    if shared.durable_checkpoint() != checkpoint.durable {
        shared.writer.lock().save_checkpoint(&shared, NameSync::Now)?;
    }
    {
        let mut state = shared.state.lock();
        if state.active.entries.is_large() {
            shared.schedule(&mut state);
        }
    }
    Ok(shared)
}

pub(crate) fn load_checkpoint(storage: &dyn Storage, dir: &Path) -> Result<Checkpoint, LogError> {
    let checkpoint = Checkpoint::load(storage, dir)?;
    checkpoint.ok_or_else(|| LogError::NotFound { dir: dir.to_owned() })
}

/// The live file if it is usable. It is derived from the frames, so damage to it only costs a replay.
pub(crate) fn load_live(storage: &dyn Storage, dir: &Path) -> Result<Option<LiveFile>, LogError> {
    match LiveFile::load(storage, dir) {
        Err(error @ LogError::Corrupt { .. }) => {
            tracing::warn!(%error, "the live set is damaged, computing it from the operations");
            Ok(None)
        }
        loaded => loaded,
    }
}

fn open_segments(
    storage: &dyn Storage,
    dir: &Path,
    known_durable: Option<SeqNo>,
) -> Result<Segments, LogError> {
    let firsts = segment_firsts(storage, dir)?;
    let Some((last, before)) = firsts.split_last() else {
        return Err(LogError::corrupt(dir, 0, known_durable, "there are no segments"));
    };
    if firsts[0] != SeqNo::ZERO {
        // What compaction removed is still stood for by a segment, so this one cannot have become unnecessary.
        return Err(LogError::corrupt(
            log_path(dir, SeqNo::ZERO),
            0,
            Some(SeqNo::ZERO),
            "the segment is missing",
        ));
    }
    let mut sealed: Vec<Arc<SealedSegment>> = Vec::with_capacity(before.len());
    for first in before {
        if let Some(segment) = sealed.last().filter(|segment| *first <= segment.last()) {
            // A compacted segment took its place, and the process died before the old files were removed.
            tracing::info!(segment = first.get(), by = %segment.path().display(), "removing a segment that was compacted away");
            remove(storage, &log_path(dir, *first))?;
            remove_if_exists(storage, &index_path(dir, *first))?;
            continue;
        }
        check_tiling(&sealed, *first)?;
        let segment = SealedSegment::open(storage, dir, *first)?;
        if segment.is_compressed() {
            remove_if_exists(storage, &index_path(dir, *first))?;
        }
        sealed.push(Arc::new(segment));
    }
    check_tiling(&sealed, *last)?;
    let open = open_last(storage, dir, *last, known_durable, !sealed.is_empty())?;
    Ok(Segments { sealed, open })
}

/// Every seq_no belongs to one segment, also those whose operations are gone: so a missing file shows.
fn check_tiling(sealed: &[Arc<SealedSegment>], first: SeqNo) -> Result<(), LogError> {
    let Some(before) = sealed.last() else {
        return Ok(());
    };
    if before.last().checked_next() == Some(first) {
        return Ok(());
    }
    let reason = format!("the next segment begins with {first}");
    let next = before.last().checked_next();
    Err(LogError::corrupt(
        before.path(),
        before.file_length(),
        next,
        reason,
    ))
}

/// Opens and scans the last segment by the rule of this module.
fn open_last(
    storage: &dyn Storage,
    dir: &Path,
    first: SeqNo,
    known_durable: Option<SeqNo>,
    may_be_torn: bool,
) -> Result<OpenSegment, LogError> {
    let path = log_path(dir, first);
    let file = storage
        .open(&path)
        .map_err(|source| LogError::io("open", &path, source))?;
    let length = file.len().map_err(|source| LogError::io("read", &path, source))?;
    remove_if_exists(storage, &index_path(dir, first))?;
    let header = match read_header(&*file, &path, first, length) {
        Ok(header) => header,
        // No frame is written before the header is durable, so a segment without frames may have been torn at its creation.
        Err(LogError::Corrupt { .. })
            if may_be_torn && length <= HEADER_LENGTH as u64 && known_durable < Some(first) =>
        {
            let (file, header) = create_segment(storage, dir, first)?;
            return Ok(OpenSegment {
                file,
                path,
                header,
                entries: Vec::new(),
                length: HEADER_LENGTH as u64,
            });
        }
        Err(error) => return Err(error),
    };
    if header.encoding != Encoding::Plain {
        let reason = "the open segment, which follows it, is missing";
        return Err(LogError::corrupt(path, length, None, reason));
    }
    let mut open = OpenSegment {
        file,
        path,
        header,
        entries: Vec::new(),
        length: HEADER_LENGTH as u64,
    };
    let (file, path) = (open.file.clone(), open.path.clone());
    let mut scanner = Scanner::new(&*file, &path, header, length);
    let (offset, reason) = loop {
        let expected = first.get() + open.entries.len() as u64;
        match scanner.next()? {
            Item::Frame { offset, frame } if frame.seq_no().get() == expected => {
                let entry = entry_of(&frame, first, offset).ok_or_else(|| {
                    LogError::corrupt(&path, offset, Some(frame.seq_no()), "the segment is too long")
                })?;
                open.entries.push(entry);
                open.length = offset + frame.len() as u64;
            }
            Item::Frame { offset, frame } => {
                break (offset, format!("found operation {} instead", frame.seq_no()));
            }
            Item::Bad { offset, reason } => break (offset, reason),
            Item::End => break (length, "the file ends".to_owned()),
        }
    };
    let expected = SeqNo::new(first.get() + open.entries.len() as u64);
    if known_durable >= Some(expected) {
        return Err(LogError::corrupt(path, offset, Some(expected), reason));
    }
    if offset < length && scanner.marker_after(offset)? {
        let reason = format!("{reason}; a later sync marker proves that it was durable");
        return Err(LogError::corrupt(path, offset, Some(expected), reason));
    }
    if open.length < length {
        tracing::warn!(
            file = %path.display(), offset = open.length, cut = length - open.length, seq_no = %expected, reason,
            "cutting the torn end of the last write"
        );
        open.file
            .truncate(open.length)
            .map_err(|source| LogError::io("truncate", &path, source))?;
    }
    write_again(&open, known_durable)?;
    Ok(open)
}

/// Writes what may not be durable over itself, for the sync that follows.
///
/// After an fsync that failed, the operating system may hold bytes that are not on the disk and count them as clean: a later fsync says yes and
/// writes nothing. Bytes that were written again are dirty again.
fn write_again(open: &OpenSegment, known_durable: Option<SeqNo>) -> Result<(), LogError> {
    let io = |action| move |source| LogError::io(action, &open.path, source);
    let first = open.header.first.get();
    // From the last durable operation on, not from the one after it: a sync marker may lie in between.
    let known = known_durable.and_then(|durable| usize::try_from(durable.get().checked_sub(first)?).ok());
    let mut offset = known
        .and_then(|place| open.entries.get(place))
        .map_or(0, |entry| u64::from(entry.offset));
    while offset < open.length {
        let length = (open.length - offset).min(REWRITE_CHUNK) as usize;
        let bytes = open.file.read_at(offset, length).map_err(io("read"))?;
        open.file.write_at(offset, &bytes).map_err(io("write"))?;
        offset += length as u64;
    }
    Ok(())
}

fn build(
    env: Environment,
    checkpoint: &Checkpoint,
    healed: Option<Healed>,
    live: Option<&LiveFile>,
    segments: Segments,
    leases: LeaseTable,
) -> Arc<Shared> {
    let Segments { sealed, open } = segments;
    let last = open.last();
    let saved_live = live.map_or_else(SavedLive::default, |live| SavedLive {
        valid_through: Some(live.valid_through),
        length: live.live.to_bytes().len() as u64,
        bytes_since: 0,
    });
    let writer = Writer::new(WriterStart {
        file: open.file.clone(),
        header: open.header,
        length: open.length,
        frames: open.entries.len() as u64,
        last,
        checkpoint: SavedCheckpoint {
            durable: checkpoint.durable,
            min_retained: checkpoint.min_retained,
            at: env.committer.now(),
        },
        live: saved_live,
    });
    let active = ActiveSegment {
        file: open.file,
        path: open.path,
        header: open.header,
        entries: OpenEntries::new(open.entries),
        length: open.length,
    };
    let state = State {
        poisoned: None,
        closed: false,
        schedule: Schedule::Idle,
        writing: Arc::default(),
        pending: Vec::new(),
        pending_bytes: 0,
        max_seq_no: last,
        written: last,
        sync_wanted: None,
        sealed: Arc::new(sealed),
        active,
        tracker: LiveTracker::default(),
        updates: None,
        updates_written: None,
        terms: checkpoint.terms.clone(),
        primary_term: checkpoint.primary_term,
        min_retained: checkpoint.min_retained,
        healed: healed.map(Arc::new),
    };
    let plus_one = SeqNo::to_plus_one(last);
    let sync_interval = u64::try_from(env.options.sync_interval.as_millis()).unwrap_or(u64::MAX);
    Arc::new(Shared {
        storage: env.storage,
        dir: env.dir,
        options: env.options,
        clock: env.clock,
        committer: env.committer,
        history_uuid: checkpoint.history_uuid.clone(),
        append_lock: Mutex::new(()),
        writer: Mutex::new(writer),
        state: Mutex::new(state),
        leases: Mutex::new(Leases {
            table: leases,
            dirty: false,
        }),
        compaction_lock: Mutex::new(()),
        room: Condvar::new(),
        progress: Event::new(),
        written: AtomicU64::new(plus_one),
        durable: AtomicU64::new(plus_one),
        sync_interval_millis: AtomicU64::new(sync_interval),
    })
}

/// Brings the live set and the term table up to the end of the log, from where the files end that hold them.
fn replay(shared: &Arc<Shared>, checkpoint: &Checkpoint, live: Option<&LiveFile>) -> Result<(), LogError> {
    let replayed = match replay_from(shared, checkpoint, live) {
        Err(error @ LogError::Corrupt { .. }) if live.is_some() => {
            tracing::warn!(%error, "the live set does not fit the operations, computing it from them");
            replay_from(shared, checkpoint, None)?
        }
        other => other?,
    };
    let mut state = shared.state.lock();
    state.tracker = replayed.tracker;
    state.updates = replayed.updates;
    state.updates_written = replayed.updates;
    state.terms = replayed.terms;
    Ok(())
}

struct Replayed {
    tracker: LiveTracker,
    updates: Option<SeqNo>,
    terms: Vec<TermStart>,
}

impl Replayed {
    /// Takes out what heals have made dead.
    fn bury(&mut self, shared: &Arc<Shared>, healed: &Healed) -> Result<(), LogError> {
        let tracker = &mut self.tracker;
        let dead = healed.dead().filter(|seq_no| tracker.live.contains(*seq_no));
        for seq_no in dead.collect::<Vec<_>>() {
            let checksum = shared.checksum_of(seq_no)?.ok_or_else(|| {
                LogError::corrupt(
                    &shared.dir,
                    0,
                    Some(seq_no),
                    "it is live, but the log does not hold it",
                )
            })?;
            tracker.live.remove(seq_no);
            tracker.digest = tracker.digest.without(seq_no, checksum);
        }
        Ok(())
    }
}

fn replay_from(
    shared: &Arc<Shared>,
    checkpoint: &Checkpoint,
    live: Option<&LiveFile>,
) -> Result<Replayed, LogError> {
    let live_from = live.map_or(0, |live| SeqNo::to_plus_one(live.valid_through));
    let mut replayed = Replayed {
        tracker: live.map_or_else(LiveTracker::default, |live| LiveTracker {
            live: live.live.clone(),
            digest: live.digest,
        }),
        updates: live.and_then(|live| live.updates),
        terms: checkpoint.terms.clone(),
    };
    let mut next = SeqNo::new(live_from.min(SeqNo::to_plus_one(checkpoint.durable)));
    let Some(max) = shared.durable_checkpoint() else {
        return Ok(replayed);
    };
    while next <= max {
        let frames = shared.read_from(next, max, usize::MAX, u64::MAX)?;
        let Some(last) = frames.last().map(Frame::seq_no) else {
            break;
        };
        for frame in &frames {
            note_term(&mut replayed.terms, frame);
            if frame.seq_no().get() >= live_from {
                replay_frame(shared, checkpoint, &mut replayed, frame)?;
            }
        }
        next = SeqNo::new(last.get() + 1);
    }
    let healed = shared.state.lock().healed.clone();
    if let Some(healed) = healed {
        replayed.bury(shared, &healed)?;
    }
    if live.is_none() && !shared.is_dense() {
        // An update or delete may be among the operations that are gone; saying too much is safe.
        replayed.updates = replayed.updates.max(checkpoint.min_retained.checked_prev());
    }
    Ok(replayed)
}

fn replay_frame(
    shared: &Arc<Shared>,
    checkpoint: &Checkpoint,
    replayed: &mut Replayed,
    frame: &Frame,
) -> Result<(), LogError> {
    let checksum = match frame.superseded() {
        Some(superseded) => shared.checksum_of(superseded)?,
        None => None,
    };
    // Compaction removes an operation after the one that it supersedes, never before (OL-6). So what is gone was never counted here.
    let known = frame.superseded().is_none_or(|superseded| {
        checksum.is_some()
            || superseded < checkpoint.min_retained && !replayed.tracker.live.contains(superseded)
    });
    if !known || !replayed.tracker.apply(frame, checksum) {
        let reason = "it supersedes an operation that is not live";
        return Err(LogError::corrupt(&shared.dir, 0, Some(frame.seq_no()), reason));
    }
    if is_update_or_delete(frame) {
        replayed.updates = Some(frame.seq_no());
    }
    Ok(())
}

/// Adds the term of the next operation to the table, if it is new.
pub(crate) fn note_term(terms: &mut Vec<TermStart>, frame: &Frame) {
    if terms.last().is_none_or(|last| last.term < frame.primary_term()) {
        terms.push(TermStart {
            term: frame.primary_term(),
            first_seq_no: frame.seq_no(),
        });
    }
}

/// Where the segments begin that are there, in order. Removes what an interrupted write left.
pub(crate) fn segment_firsts(storage: &dyn Storage, dir: &Path) -> Result<Vec<SeqNo>, LogError> {
    let names = list(storage, dir)?;
    for name in names.iter().filter(|name| name.ends_with(TEMPORARY_SUFFIX)) {
        remove(storage, &dir.join(name))?;
    }
    let mut firsts: Vec<SeqNo> = names.iter().filter_map(|name| parse_log_name(name)).collect();
    firsts.sort_unstable();
    Ok(firsts)
}
