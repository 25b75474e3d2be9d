//! The staging area of a heal: operations of the leader in segments whose names do not count yet.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::atomic_file::TEMPORARY_SUFFIX;
use crate::block::BlockWriter;
use crate::files::{list, remove, sync_dir};
use crate::heal::HealError;
use crate::sealed::SealedSegment;
use crate::segment::{log_name, parse_log_name};
use crate::shared::Shared;
use crate::{Frame, Log, LogError, SeqNo, Storage};

const STAGED_SUFFIX: &str = ".staged";
/// A segment stands for at most so many operations: entries count from its first one in 32 bits.
const SPAN: u64 = u32::MAX as u64;

pub(crate) fn staged_name(first: SeqNo) -> String {
    format!("{}{STAGED_SUFFIX}", log_name(first))
}

pub(super) fn staged_path(dir: &Path, first: SeqNo) -> PathBuf {
    dir.join(staged_name(first))
}

pub(crate) fn parse_staged_name(name: &str) -> Option<SeqNo> {
    parse_log_name(name.strip_suffix(STAGED_SUFFIX)?)
}

/// Removes every staged segment, finished or not.
pub(crate) fn discard(storage: &dyn Storage, dir: &Path) -> Result<(), LogError> {
    for name in list(storage, dir)? {
        if parse_staged_name(name.strip_suffix(TEMPORARY_SUFFIX).unwrap_or(&name)).is_some() {
            remove(storage, &dir.join(name))?;
        }
    }
    Ok(())
}

fn staged_firsts(storage: &dyn Storage, dir: &Path) -> Result<Vec<SeqNo>, LogError> {
    let names = list(storage, dir)?;
    let mut firsts: Vec<SeqNo> = names.iter().filter_map(|name| parse_staged_name(name)).collect();
    firsts.sort_unstable();
    Ok(firsts)
}

/// The operations that a heal has fetched so far: those behind the log's end that its leader still holds, in order.
///
/// They are on disk in block segments, as compaction writes them, beside the log and not part of it. What was sealed survives a restart, and
/// another stage goes on behind it. Memory: one block, and 16 bytes for each operation of one segment.
#[derive(Debug)]
pub struct HealStage {
    pub(super) shared: Arc<Shared>,
    /// The operation after the log's end.
    pub(super) begin: SeqNo,
    /// Everything from `begin` up to here that exists was staged.
    next: SeqNo,
    pub(super) sealed: Vec<Arc<SealedSegment>>,
    open: Option<OpenSegment>,
}

struct OpenSegment {
    writer: BlockWriter,
    temporary: PathBuf,
    first: SeqNo,
}

impl std::fmt::Debug for OpenSegment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("OpenSegment")
            .field("first", &self.first)
            .finish_non_exhaustive()
    }
}

impl Log {
    /// Begins a heal, or goes on with one that was cut off. Makes the log's end durable first, since what is staged continues it. There must be no
    /// other stage of this log.
    ///
    /// # Errors
    /// [`HealError::Log`].
    pub fn stage_heal(&self) -> Result<HealStage, HealError> {
        self.sync().wait()?;
        let shared = &self.shared;
        let mut stage = HealStage {
            shared: Arc::clone(shared),
            begin: shared.state.lock().next(),
            next: SeqNo::ZERO,
            sealed: Vec::new(),
            open: None,
        };
        stage.next = stage.begin;
        for first in staged_firsts(&*shared.storage, &shared.dir)? {
            stage.take_over(first)?;
        }
        Ok(stage)
    }

    /// Removes what a heal has left that nobody goes on with.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn discard_heal(&self) -> Result<(), LogError> {
        discard(&*self.shared.storage, &self.shared.dir)
    }
}

impl HealStage {
    /// The operation that is to be staged next: everything before it is here or in the log, as far as it existed when it was read.
    pub const fn next(&self) -> SeqNo {
        self.next
    }

    /// Takes over a segment that an earlier stage has sealed, if it continues this one. It can be fetched again, so any other is removed.
    fn take_over(&mut self, first: SeqNo) -> Result<(), LogError> {
        let (storage, dir) = (&*self.shared.storage, self.shared.dir.as_path());
        let path = staged_path(dir, first);
        let opened = match first == self.next {
            true => SealedSegment::open_blocks(storage, dir, &path, first),
            false => Err(LogError::corrupt(
                &path,
                0,
                Some(first),
                "it does not continue the log",
            )),
        };
        match opened {
            Ok(segment) => {
                self.next = segment.last().checked_next().unwrap_or(segment.last());
                self.sealed.push(Arc::new(segment));
                Ok(())
            }
            Err(LogError::Io { action, path, source }) => Err(LogError::Io { action, path, source }),
            Err(error) => {
                tracing::info!(%error, "removing a staged segment of a heal that cannot be gone on with");
                remove(storage, &path)
            }
        }
    }

    /// Adds, in order, the operations that the leader holds from `from` on and before `next`: whatever lies there and is not among `frames` is gone on the leader.
    ///
    /// # Errors
    /// [`HealError::NotNext`] when `from` is not what is to be staged next: what lies in between would pass for gone. [`HealError::Log`]; what was staged since
    /// the last sealed segment is dropped then, see [`next`](Self::next).
    pub fn push(&mut self, from: SeqNo, frames: &[Frame], next: SeqNo) -> Result<(), HealError> {
        if from != self.next {
            return Err(HealError::NotNext {
                next: self.next,
                from,
            });
        }
        let pushed = self.try_push(frames, next);
        if pushed.is_err() {
            self.fall_back();
        }
        Ok(pushed?)
    }

    fn try_push(&mut self, frames: &[Frame], next: SeqNo) -> Result<(), LogError> {
        let mut expected = self.next;
        for frame in frames {
            if frame.seq_no() < expected || frame.seq_no() >= next {
                let reason = format!(
                    "operation {} is not one of {expected} to {next}, which are to be staged",
                    frame.seq_no()
                );
                return Err(LogError::Invalid { reason });
            }
            expected = frame.seq_no().checked_next().unwrap_or(next);
            self.push_one(frame)?;
        }
        self.advance_to(self.next.max(next))
    }

    /// Everything before `next` that exists is here; a segment stands for so many operations only.
    fn advance_to(&mut self, next: SeqNo) -> Result<(), LogError> {
        while next.get() - self.open_first().get() > SPAN {
            self.next = SeqNo::new(self.open_first().get() + SPAN);
            self.seal()?;
        }
        self.next = next;
        Ok(())
    }

    /// Where the open segment begins, or the next one will.
    fn open_first(&self) -> SeqNo {
        self.open
            .as_ref()
            .map_or_else(|| self.sealed_next(), |open| open.first)
    }

    fn push_one(&mut self, frame: &Frame) -> Result<(), LogError> {
        let limit = self.shared.options.segment_bytes.get();
        let is_full = |open: &OpenSegment| {
            let content = open.writer.content_length();
            content > 0 && content + frame.len() as u64 > limit
        };
        self.advance_to(frame.seq_no())?;
        if self.open.as_ref().is_some_and(is_full) {
            self.seal()?;
        }
        if self.open.is_none() {
            self.open = Some(self.create(self.sealed_next())?);
        }
        if let Some(open) = &mut self.open {
            open.writer.push(frame)?;
        }
        self.next = frame.seq_no().checked_next().unwrap_or(frame.seq_no());
        Ok(())
    }

    fn create(&self, first: SeqNo) -> Result<OpenSegment, LogError> {
        let shared = &self.shared;
        let temporary = shared
            .dir
            .join(format!("{}{TEMPORARY_SUFFIX}", staged_name(first)));
        let level = shared.options.compression_level;
        Ok(OpenSegment {
            writer: BlockWriter::create(&*shared.storage, &temporary, first, level)?,
            temporary,
            first,
        })
    }

    /// Makes everything staged so far survive a restart.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn flush(&mut self) -> Result<(), HealError> {
        let sealed = self.seal();
        if sealed.is_err() {
            self.fall_back();
        }
        Ok(sealed?)
    }

    fn seal(&mut self) -> Result<(), LogError> {
        let first = self.sealed_next();
        let Some(last) = self.next.checked_prev().filter(|last| *last >= first) else {
            return Ok(());
        };
        let open = match self.open.take() {
            Some(open) => open,
            // Nothing of this range exists any more; the segment says so.
            None => self.create(first)?,
        };
        let (storage, dir) = (&*self.shared.storage, self.shared.dir.as_path());
        let (file, trailer) = open.writer.finish(last)?;
        let path = staged_path(dir, open.first);
        storage
            .rename(&open.temporary, &path)
            .map_err(|source| LogError::io("rename", &path, source))?;
        sync_dir(storage, dir)?;
        self.sealed
            .push(Arc::new(SealedSegment::blocks(dir, file, trailer)));
        Ok(())
    }

    /// Everything before this is in sealed segments.
    fn sealed_next(&self) -> SeqNo {
        let last = self.sealed.last().map(|segment| segment.last());
        last.map_or(self.begin, |last| last.checked_next().unwrap_or(last))
    }

    fn fall_back(&mut self) {
        self.open = None;
        self.next = self.sealed_next();
    }
}
