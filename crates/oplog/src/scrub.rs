//! Reading a log again in the background, so that damage is found while there are other copies to repair it from.

use std::path::PathBuf;
use std::sync::Arc;

use crate::healed::{HEALED_NAME, Healed};
use crate::live::LiveTracker;
use crate::shared::Shared;
use crate::{
    ByteCount, Digest, Frame, LiveSet, Log, LogError, OperationKind, ReadError, SeqNo, checkpoint,
    lease_file, live_file,
};

/// One pass over a log, in steps: every frame that is there when the pass begins is read and verified, and at the end the live set of that moment
/// and the present digest are compared with those computed from the frames and their indices (OL-5). Holes must be dead and below the minimum
/// retained seq_no (OL-1).
///
/// Uses memory for two more live sets. Appends and compactions may go on between steps; a pass ends however fast the log grows.
#[derive(Debug)]
pub struct Scrubber {
    next: SeqNo,
    live: LiveSet,
    begin: Option<Begin>,
    progress: ScrubProgress,
}

/// The log when the pass began.
#[derive(Debug)]
struct Begin {
    max: Option<SeqNo>,
    live: LiveSet,
}

/// How far a pass has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScrubProgress {
    /// Operations that were verified.
    pub operations: u64,
    /// Bytes of their frames.
    pub bytes: u64,
    /// Whether the pass is over. The next step begins another one.
    pub done: bool,
}

impl Default for Scrubber {
    fn default() -> Self {
        Self::new()
    }
}

impl Scrubber {
    /// A pass that begins with the first operation.
    pub fn new() -> Self {
        Self {
            next: SeqNo::ZERO,
            live: LiveSet::new(),
            begin: None,
            progress: ScrubProgress::default(),
        }
    }

    /// Verifies about `budget` bytes more, at least one operation. Blocks.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] when the log is damaged; [`ReadError::Io`], [`ReadError::Closed`]. The pass begins anew afterwards.
    pub fn step(&mut self, log: &Log, budget: ByteCount) -> Result<ScrubProgress, ReadError> {
        let stepped = self.try_step(&log.shared, budget.get());
        if stepped.as_ref().map_or(true, |progress| progress.done) {
            *self = Self::new();
        }
        stepped
    }

    fn try_step(&mut self, shared: &Arc<Shared>, budget: u64) -> Result<ScrubProgress, ReadError> {
        let end = self.progress.bytes.saturating_add(budget.max(1));
        let max = self.begin.get_or_insert_with(|| Begin::now(shared)).max;
        while self.progress.bytes < end {
            let Some(max) = max.filter(|max| self.next <= *max) else {
                self.finish(shared)?;
                self.progress.done = true;
                break;
            };
            self.read_some(shared, max, end - self.progress.bytes)?;
        }
        Ok(self.progress)
    }

    /// Reads on, at most to `max`.
    fn read_some(&mut self, shared: &Arc<Shared>, max: SeqNo, budget: u64) -> Result<(), ReadError> {
        let frames = shared.read_from(self.next, max, usize::MAX, budget)?;
        for frame in frames.iter().filter(|frame| frame.seq_no() <= max) {
            check_hole(shared, self.next, frame.seq_no())?;
            self.visit(shared, frame)?;
            self.next = SeqNo::new(frame.seq_no().get() + 1);
        }
        if frames.last().is_none_or(|last| last.seq_no() > max) {
            let after = SeqNo::new(max.get() + 1);
            check_hole(shared, self.next, after)?;
            self.next = after;
        }
        Ok(())
    }

    fn visit(&mut self, shared: &Arc<Shared>, frame: &Frame) -> Result<(), ReadError> {
        self.progress.operations += 1;
        self.progress.bytes += frame.len() as u64;
        if let Some(superseded) = frame.superseded() {
            self.live.remove(superseded);
            if shared.state.lock().tracker.live.contains(superseded) {
                let reason = format!("it is live, but operation {} supersedes it", frame.seq_no());
                return Err(inconsistent(shared, superseded, reason));
            }
        }
        if frame.kind() == OperationKind::Index {
            self.live.insert(frame.seq_no());
        }
        Ok(())
    }

    /// Compares what the log says about itself with what was read.
    fn finish(&mut self, shared: &Arc<Shared>) -> Result<(), ReadError> {
        let _unchanged = shared.compaction_lock.lock();
        let (tracker, healed) = {
            let state = shared.state.lock();
            (state.tracker.clone(), state.healed.clone())
        };
        let begin = self.begin.get_or_insert_with(|| Begin::now(shared));
        for seq_no in begin.live.iter() {
            // One that died since may have been compacted away before it was read.
            if !self.live.contains(seq_no) && tracker.live.contains(seq_no) {
                return Err(inconsistent(
                    shared,
                    seq_no,
                    "the live set has it, the operations do not",
                ));
            }
        }
        for seq_no in self.live.iter() {
            // What was read and compacted away since is gone together with what superseded it.
            let healed = healed.as_ref().is_some_and(|healed| healed.is_dead(seq_no));
            if !begin.live.contains(seq_no) && !healed && shared.checksum_of(seq_no)?.is_some() {
                return Err(inconsistent(
                    shared,
                    seq_no,
                    "nothing supersedes it, but the live set lacks it",
                ));
            }
        }
        check_digest(shared, &tracker)
    }
}

impl Begin {
    fn now(shared: &Shared) -> Self {
        let state = shared.state.lock();
        Self {
            max: state.max_seq_no,
            live: state.tracker.live.clone(),
        }
    }
}

impl Log {
    /// Reads the small files of the log again: checkpoint, live set, leases, what heals left behind. One that is damaged is written anew from memory.
    /// Answers which ones were.
    ///
    /// # Errors
    /// [`LogError::Io`] when the medium fails; what writing them gives.
    pub fn verify_small_files(&self) -> Result<Vec<PathBuf>, LogError> {
        let (storage, dir) = (&*self.shared.storage, self.shared.dir.as_path());
        let mut damaged = Vec::new();
        let mut note = |result: Result<(), LogError>, name: &str| match result {
            Err(LogError::Corrupt { reason, .. }) => {
                let path = dir.join(name);
                tracing::warn!(file = %path.display(), reason, "a file is damaged on disk and written anew from memory");
                damaged.push(path);
                Ok(())
            }
            other => other,
        };
        {
            // Nobody replaces them while they are read.
            let _writer = self.shared.writer.lock();
            let _leases = self.shared.leases.lock();
            note(
                checkpoint::Checkpoint::load(storage, dir).map(drop),
                checkpoint::CHECKPOINT_NAME,
            )?;
            note(
                live_file::LiveFile::load(storage, dir).map(drop),
                live_file::LIVE_NAME,
            )?;
            note(lease_file::load(storage, dir).map(drop), lease_file::LEASES_NAME)?;
            let is_healed = self.shared.state.lock().healed.is_some();
            note(
                Healed::load_expected(storage, dir, is_healed).map(drop),
                HEALED_NAME,
            )?;
        }
        if !damaged.is_empty() {
            self.rewrite_small_files()?;
        }
        Ok(damaged)
    }
}

/// Checks that all operations from `from` up to `to` (not included), which the log does not hold, may be gone.
fn check_hole(shared: &Shared, from: SeqNo, to: SeqNo) -> Result<(), ReadError> {
    let Some(last) = to.checked_prev().filter(|last| *last >= from) else {
        return Ok(());
    };
    let (min_retained, live) = {
        let state = shared.state.lock();
        (state.min_retained, state.tracker.live.count_in(from, last))
    };
    if last >= min_retained {
        let reason = format!("it is missing, although everything from {min_retained} on is retained");
        return Err(inconsistent(shared, last, reason));
    }
    if live > 0 {
        let reason = format!("{live} live operations from here to {last} are missing");
        return Err(inconsistent(shared, from, reason));
    }
    Ok(())
}

/// Compares the digest with one computed from the checksums in the offset indices.
fn check_digest(shared: &Arc<Shared>, tracker: &LiveTracker) -> Result<(), ReadError> {
    let mut digest = Digest::EMPTY;
    let mut unknown = None;
    let (sealed, active) = loop {
        let state = shared.state.lock();
        let Ok(in_file) = state.active.entries.all() else {
            drop(state);
            shared.recall_for_reading(SeqNo::ZERO)?;
            continue;
        };
        // Operations of the moment of `tracker` that were in memory then are in the file or still in memory now.
        let in_memory = state.writing.iter().chain(&state.pending);
        let in_memory = in_memory.map(|pending| (pending.frame.seq_no(), pending.frame.checksum()));
        let first = state.active.header.first.get();
        let in_file = in_file.iter();
        let in_file = in_file.map(|entry| (SeqNo::new(first + u64::from(entry.delta)), entry.checksum));
        let active: Vec<_> = in_file.chain(in_memory).collect();
        break (state.sealed.clone(), active);
    };
    let mut counted = LiveSet::new();
    let mut count = |seq_no: SeqNo, checksum: u64| {
        if tracker.live.contains(seq_no) && counted.insert(seq_no) {
            digest = digest.with(seq_no, checksum);
        }
    };
    for segment in sealed.iter() {
        let mut position = 0;
        while (position as u64) < segment.count() {
            let entries = segment.entries(position, ENTRIES_AT_ONCE)?;
            position += entries.len().max(1);
            for entry in entries {
                count(
                    SeqNo::new(segment.first().get() + u64::from(entry.delta)),
                    entry.checksum,
                );
            }
        }
    }
    for (seq_no, checksum) in active {
        count(seq_no, checksum);
    }
    if counted.len() != tracker.live.len() {
        unknown = tracker.live.iter().find(|seq_no| !counted.contains(*seq_no));
    }
    match unknown {
        Some(seq_no) => Err(inconsistent(shared, seq_no, "it is live, but no index has it")),
        None if digest == tracker.digest => Ok(()),
        None => {
            let reason = format!(
                "the digest of the live operations is {digest}, but should be {}",
                tracker.digest
            );
            Err(inconsistent(shared, SeqNo::ZERO, reason))
        }
    }
}

const ENTRIES_AT_ONCE: usize = 4096;

fn inconsistent(shared: &Shared, seq_no: SeqNo, reason: impl Into<String>) -> ReadError {
    ReadError::Corrupt {
        file: shared.dir.clone(),
        offset: 0,
        seq_no,
        reason: reason.into(),
    }
}
