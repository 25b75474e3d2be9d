//! Compaction: sealed segments are compressed once, and rewritten without the dead operations that nobody needs any more.
//!
//! An operation may go when all of this holds:
//! 1. it is dead: deleted or replaced by an operation that every reader and every copy has passed, or a delete or no-op itself;
//! 2. it lies below the minimum retained seq_no (OL-4);
//! 3. what it supersedes is gone before it, or goes with it (OL-6). So the live set computed from the operations that are left is always right.
//!
//! A rewrite makes one segment of a run of neighbours, in a temporary file, synced, renamed over the first of them. From the rename on
//! the new segment counts: it says which seq_nos it stands for, and recovery removes the rest of the run if the process died before. Whoever reads
//! the old files keeps them open. A rewrite that fails at any point leaves the log as it was.

mod policy;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use roaring::RoaringTreemap;

use crate::atomic_file::TEMPORARY_SUFFIX;
use crate::block::BlockWriter;
use crate::sealed::SealedSegment;
use crate::segment::{index_path, log_name, log_path};
use crate::shared::Shared;
use crate::{ByteCount, Frame, LiveSet, Log, LogError, ReadError, SeqNo, Storage};
use policy::{Policy, SegmentFacts};

/// Which segments a compaction rewrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompactionGoal {
    /// Those that are not compressed yet, have garbage above [`crate::LogOptions::garbage_ratio`], or are small: for the background.
    Due,
    /// All that have any operation that may go: for a forced merge.
    All,
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompactionReport {
    /// Segments that were read, and those that took their place.
    pub segments_before: usize,
    /// See `segments_before`.
    pub segments_after: usize,
    /// Operations that were removed.
    pub removed_operations: u64,
    /// Bytes of the files that were read.
    pub bytes_read: u64,
    /// Bytes of the files that were written.
    pub bytes_written: u64,
    /// Whether there is more to do, but a reader or a copy has not passed the operations that made others dead.
    pub postponed: bool,
}

/// What compaction needs from whoever starts it.
pub trait CompactionContext {
    /// Waits, within bounds of its own, until every in-sync copy holds `seq_no` durably and every reader of the log and of what is derived from
    /// it has passed it: then what operations up to there made dead may go. False when that takes too long.
    fn wait_until_passed(&self, seq_no: SeqNo) -> bool;

    /// Called before each piece of work on about so many bytes of files, at most a few MiB: waits as long as the work should be slowed down.
    /// False stops the compaction; what is unfinished is dropped.
    fn throttle(&self, bytes: ByteCount) -> bool;
}

/// A compaction failed; the log is as it was.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CompactionError {
    /// A segment could not be read.
    #[error("failed to read a segment")]
    Read(#[from] ReadError),
    /// A new segment could not be written, or the log is not usable.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Why a run was not finished, if it did not fail.
enum Stopped {
    Postponed,
    ByThrottle,
}

impl Log {
    /// Whether [`Log::compact`] with [`CompactionGoal::Due`] would find work.
    ///
    /// # Errors
    /// [`ReadError`] when an index cannot be read.
    pub fn is_compaction_due(&self) -> Result<bool, ReadError> {
        let plan = Plan::new(&self.shared);
        Ok(plan.policy(CompactionGoal::Due).choose(&plan.facts()?).is_some())
    }

    /// Rewrites segments until the goal is reached; [`CompactionGoal::All`] seals the open one first. Blocks; appends, reads and snapshots go on. One at a time: another waits.
    ///
    /// Uses memory for one block, 24 bytes for each operation of one segment, and a bitmap of the operations that sparse segments hold.
    ///
    /// # Errors
    /// [`CompactionError`]. The log stays usable unless it says otherwise.
    pub fn compact(
        &self,
        goal: CompactionGoal,
        context: &dyn CompactionContext,
    ) -> Result<CompactionReport, CompactionError> {
        let shared = &self.shared;
        let _one_at_a_time = shared.compaction_lock.lock();
        let mut report = CompactionReport::default();
        if goal == CompactionGoal::All {
            let mut writer = shared.writer.lock();
            let sealed = writer.commit(shared, true).and_then(|_| writer.seal(shared));
            drop(writer);
            self.poison_on_error(sealed)?;
            for segment in shared.state.lock().sealed.iter() {
                segment.set_kept_dead(0);
            }
        }
        loop {
            let plan = Plan::new(shared);
            let Some(run) = plan.policy(goal).choose(&plan.facts()?) else {
                return Ok(report);
            };
            match self.rewrite(&plan, run, context, &mut report)? {
                None => {}
                Some(Stopped::Postponed | Stopped::ByThrottle) => return Ok(report),
            }
        }
    }

    /// Makes one segment of a run.
    fn rewrite(
        &self,
        plan: &Plan<'_>,
        run: Range<usize>,
        context: &dyn CompactionContext,
        report: &mut CompactionReport,
    ) -> Result<Option<Stopped>, CompactionError> {
        let shared = &self.shared;
        let old = &plan.sealed[run.clone()];
        let (first, last) = (old[0].first(), old[old.len() - 1].last());
        let removes = plan.removable(&run)? > 0 && plan.is_passed(context);
        if removes {
            let mut writer = shared.writer.lock();
            let written = writer.commit(shared, true);
            self.poison_on_error(written)?;
            writer.prepare_compaction(shared, plan.dead_as_of)?;
        } else if plan.removable(&run)? > 0 {
            report.postponed = true;
            if old.iter().all(|segment| segment.is_compressed()) {
                return Ok(Some(Stopped::Postponed));
            }
        }
        let temporary = shared.dir.join(format!("{}{TEMPORARY_SUFFIX}", log_name(first)));
        let written = Rewrite::new(plan, run.start, removes).write(old, &temporary, last, context);
        let Some(rewritten) = written.inspect_err(|_| remove_quietly(&*shared.storage, &temporary))? else {
            remove_quietly(&*shared.storage, &temporary);
            return Ok(Some(Stopped::ByThrottle));
        };
        let Rewritten { segment, kept_dead } = rewritten;
        segment.set_kept_dead(kept_dead);
        report.segments_before += old.len();
        report.segments_after += 1;
        report.removed_operations += old.iter().map(|old| old.count()).sum::<u64>() - segment.count();
        report.bytes_read += old.iter().map(|old| old.file_length()).sum::<u64>();
        report.bytes_written += segment.file_length();
        tracing::debug!(
            dir = %shared.dir.display(), %first, %last, segments = old.len(), operations = segment.count(),
            bytes = segment.file_length(), "segments compacted"
        );
        self.put_in_place(&temporary, Arc::new(segment), old)?;
        Ok(None)
    }

    /// Lets the new segment take the place of the old ones, on disk and then for readers.
    fn put_in_place(
        &self,
        temporary: &Path,
        segment: Arc<SealedSegment>,
        old: &[Arc<SealedSegment>],
    ) -> Result<(), LogError> {
        let shared = &self.shared;
        // Sealing and pinning look at the list of segments and at the directory; neither may come in between.
        let writer = shared.writer.lock();
        shared.state.lock().check_usable()?;
        shared
            .storage
            .rename(temporary, segment.path())
            .map_err(|source| LogError::io("replace", segment.path(), source))?;
        // If this fails, the name may point to either file; both hold what is needed, and readers have the old one open.
        shared
            .storage
            .sync_dir(&shared.dir)
            .map_err(|source| LogError::io("sync", &shared.dir, source))?;
        {
            let mut state = shared.state.lock();
            let mut sealed: Vec<_> = state.sealed.to_vec();
            let start = sealed.partition_point(|held| held.first() < segment.first());
            assert!(
                sealed[start..]
                    .iter()
                    .zip(old)
                    .all(|(held, old)| Arc::ptr_eq(held, old)),
                "segments change by compaction alone, and there is one at a time"
            );
            sealed.splice(start..start + old.len(), [segment]);
            state.sealed = Arc::new(sealed);
        }
        drop(writer);
        for (place, gone) in old.iter().enumerate() {
            if place > 0 {
                remove_quietly(&*shared.storage, &log_path(&shared.dir, gone.first()));
            }
            if gone.index_file().is_some() {
                remove_quietly(&*shared.storage, &index_path(&shared.dir, gone.first()));
            }
        }
        Ok(())
    }
}

/// Removes a file that nothing needs; what is left over is removed at the next open.
fn remove_quietly(storage: &dyn Storage, path: &Path) {
    match storage.remove(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(file = %path.display(), %error, "a file that is not needed any more cannot be removed");
        }
        _ => {}
    }
}

/// One moment of the log, by which a run is chosen and rewritten.
struct Plan<'a> {
    shared: &'a Arc<Shared>,
    sealed: Arc<Vec<Arc<SealedSegment>>>,
    /// The operations that are live as of `dead_as_of`.
    live: LiveSet,
    dead_as_of: Option<SeqNo>,
    min_retained: SeqNo,
}

impl<'a> Plan<'a> {
    fn new(shared: &'a Arc<Shared>) -> Self {
        let state = shared.state.lock();
        Self {
            shared,
            sealed: state.sealed.clone(),
            live: state.tracker.live.clone(),
            dead_as_of: state.max_seq_no,
            min_retained: state.min_retained,
        }
    }

    fn policy(&self, goal: CompactionGoal) -> Policy {
        let options = &self.shared.options;
        Policy {
            garbage_ratio: match goal {
                CompactionGoal::Due => options.garbage_ratio,
                CompactionGoal::All => 0.0,
            },
            segment_bytes: options.segment_bytes.get(),
        }
    }

    /// How many operations of a run may go.
    fn removable(&self, run: &Range<usize>) -> Result<u64, ReadError> {
        let of = |segment: &Arc<SealedSegment>| Ok(self.facts_of(segment)?.removable);
        self.sealed[run.clone()].iter().map(of).sum()
    }

    /// Whether what is dead is dead for all.
    fn is_passed(&self, context: &dyn CompactionContext) -> bool {
        self.dead_as_of
            .is_none_or(|seq_no| context.wait_until_passed(seq_no))
    }

    fn facts(&self) -> Result<Vec<SegmentFacts>, ReadError> {
        self.sealed.iter().map(|segment| self.facts_of(segment)).collect()
    }

    fn facts_of(&self, segment: &SealedSegment) -> Result<SegmentFacts, ReadError> {
        let removable = if segment.first() < self.min_retained {
            let below = match segment.last() < self.min_retained {
                true => segment.count(),
                false => segment.position(self.min_retained)? as u64,
            };
            let last = segment.last().min(SeqNo::new(self.min_retained.get() - 1));
            let live = self.live.count_in(segment.first(), last);
            below.saturating_sub(live).saturating_sub(segment.kept_dead())
        } else {
            0
        };
        Ok(SegmentFacts {
            count: segment.count(),
            removable,
            content_length: segment.content_length(),
            compressed: segment.is_compressed(),
            span: segment.last().get() - segment.first().get() + 1,
        })
    }
}

struct Rewritten {
    segment: SealedSegment,
    kept_dead: u64,
}

/// The rewrite of one run.
struct Rewrite<'a> {
    plan: &'a Plan<'a>,
    /// Whether operations may be removed, or are compressed alone.
    removes: bool,
    /// Sealed segments before the run.
    before: &'a [Arc<SealedSegment>],
    /// What sparse segments before the run hold, by their first seq_no.
    held: BTreeMap<SeqNo, RoaringTreemap>,
    /// Dead operations of the run that stay.
    kept_dead: HashSet<SeqNo>,
}

impl<'a> Rewrite<'a> {
    fn new(plan: &'a Plan<'a>, start: usize, removes: bool) -> Self {
        Self {
            plan,
            removes,
            before: &plan.sealed[..start],
            held: BTreeMap::new(),
            kept_dead: HashSet::new(),
        }
    }

    /// `None`: stopped by the throttle.
    fn write(
        mut self,
        run: &[Arc<SealedSegment>],
        path: &Path,
        last: SeqNo,
        context: &dyn CompactionContext,
    ) -> Result<Option<Rewritten>, CompactionError> {
        let shared = self.plan.shared;
        let first = run[0].first();
        let level = shared.options.compression_level;
        let mut writer = BlockWriter::create(&*shared.storage, path, first, level)?;
        for segment in run {
            let mut position = 0;
            while position < segment.count() as usize {
                let frames = segment.frames(position, READ_OPERATIONS, READ_BYTES)?;
                let bytes: u64 = frames.iter().map(|frame| frame.len() as u64).sum();
                let written_before = writer.length();
                position += frames.len();
                for frame in &frames {
                    if self.stays(frame, first)? {
                        writer.push(frame)?;
                    }
                }
                let work = ByteCount::new(bytes + (writer.length() - written_before));
                if frames.is_empty() || !context.throttle(work) {
                    return Ok(None);
                }
            }
        }
        let (file, trailer) = writer.finish(last)?;
        Ok(Some(Rewritten {
            segment: SealedSegment::blocks(&shared.dir, file, trailer),
            kept_dead: self.kept_dead.len() as u64,
        }))
    }

    fn stays(&mut self, frame: &Frame, run_first: SeqNo) -> Result<bool, ReadError> {
        let seq_no = frame.seq_no();
        if !self.removes || seq_no >= self.plan.min_retained || self.plan.live.contains(seq_no) {
            return Ok(true);
        }
        let needed = match frame.superseded() {
            None => false,
            Some(superseded) if superseded >= run_first => self.kept_dead.contains(&superseded),
            Some(superseded) => self.is_held(superseded)?,
        };
        if needed {
            self.kept_dead.insert(seq_no);
        }
        Ok(needed)
    }

    /// Whether a segment before the run holds the operation.
    fn is_held(&mut self, seq_no: SeqNo) -> Result<bool, ReadError> {
        let place = self.before.partition_point(|segment| segment.last() < seq_no);
        let Some(segment) = self.before.get(place).filter(|segment| segment.first() <= seq_no) else {
            return Ok(false);
        };
        if segment.is_dense() {
            return Ok(true);
        }
        let held = match self.held.entry(segment.first()) {
            Entry::Occupied(held) => held.into_mut(),
            Entry::Vacant(empty) => {
                let entries = segment.entries(0, usize::MAX)?;
                empty.insert(entries.iter().map(|entry| u64::from(entry.delta)).collect())
            }
        };
        let delta = seq_no.get() - segment.first().get();
        Ok(held.contains(delta))
    }
}

/// One read of a rewrite.
const READ_OPERATIONS: usize = 4096;
const READ_BYTES: u64 = 1 << 20;
