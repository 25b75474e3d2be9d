//! Reading operations back: from memory while they wait for their write, from the files after that.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::entries::Entry;
use crate::frame::{LENGTH_END, u32_at};
use crate::open_entries::Forgotten;
use crate::sealed::SealedSegment;
use crate::shared::{ActiveSegment, Shared, State};
use crate::{Frame, LogError, ReadError, ReadLimits, SeqNo, SeqNoRange, StorageFile};

/// One read from a file is at most this long, unless a single frame is longer.
const READ_CHUNK: u64 = 1 << 20;
/// One read from a file is at least this long, if there are frames for it.
const MIN_READ: u64 = 4096;
/// So many operations are looked up under the lock at once.
const LOOKUP: usize = 1024;

/// Where the next operations lie.
enum Source {
    Memory(Vec<Frame>),
    File(Run),
    /// In the open segment, which has to tell first where.
    Forgotten,
    Sealed(Arc<SealedSegment>),
}

/// Consecutive frames of one file.
struct Run {
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    first: SeqNo,
    entries: Vec<Entry>,
    /// The end of the last frame, or a later point.
    end: u64,
}

impl Shared {
    /// The operations `from` to `to` in order, as far as the limits allow, at least one.
    pub(crate) fn read(
        self: &Arc<Self>,
        from: SeqNo,
        to: SeqNo,
        limits: ReadLimits,
    ) -> Result<Vec<Frame>, ReadError> {
        let mut frames = Vec::new();
        let mut bytes = 0_u64;
        let mut next = from;
        while next <= to {
            let operations = limits.operations.max(1) - frames.len();
            let budget = limits.bytes.get().saturating_sub(bytes);
            let chunk = self.read_from(next, to, operations, budget)?;
            if chunk.is_empty() {
                return Err(self.missing(next, to));
            }
            for frame in chunk {
                let seq_no = frame.seq_no();
                if seq_no != next {
                    let before = seq_no.checked_prev().unwrap_or(seq_no);
                    return Err(self.missing(next, before.min(to)));
                }
                bytes = bytes.saturating_add(frame.estimated_size());
                frames.push(frame);
                if seq_no == to || bytes > limits.bytes.get() || frames.len() >= limits.operations {
                    return Ok(frames);
                }
                next = seq_no.checked_next().unwrap_or(to);
            }
        }
        Ok(frames)
    }

    pub(crate) fn get(self: &Arc<Self>, seq_no: SeqNo) -> Result<Option<Frame>, ReadError> {
        let frame = self.read_from(seq_no, seq_no, 1, 0)?.into_iter().next();
        Ok(frame.filter(|frame| frame.seq_no() == seq_no))
    }

    /// Some operations at or above `next`, in order, holes skipped; nothing when there are none.
    /// Not all that the limits allow: as many as one read gives. They may lie above `to` only if `next..=to` is a hole.
    pub(crate) fn read_from(
        self: &Arc<Self>,
        next: SeqNo,
        to: SeqNo,
        operations: usize,
        budget: u64,
    ) -> Result<Vec<Frame>, ReadError> {
        let span = usize::try_from(to.get() - next.get())
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        let count = operations.min(span).min(LOOKUP);
        let mut next = next;
        loop {
            let source = {
                let mut state = self.state.lock();
                if state.closed {
                    return Err(ReadError::Closed);
                }
                locate(&mut state, next, count)
            };
            match source {
                None => return Ok(Vec::new()),
                Some(Source::Memory(frames)) => return Ok(frames),
                Some(Source::File(run)) => return read_run(&run, budget),
                Some(Source::Forgotten) => self.recall_for_reading(next)?,
                Some(Source::Sealed(segment)) => {
                    let frames = segment.frames(segment.position(next)?, count, budget)?;
                    if !frames.is_empty() {
                        return Ok(frames);
                    }
                    // The rest of what the segment stands for is gone.
                    let Some(after) = segment.last().checked_next() else {
                        return Ok(Vec::new());
                    };
                    next = after;
                }
            }
        }
    }

    /// The checksum of an operation's frame, from the offset index.
    pub(crate) fn checksum_of(self: &Arc<Self>, seq_no: SeqNo) -> Result<Option<u64>, ReadError> {
        loop {
            let sealed = {
                let mut state = self.state.lock();
                match checksum_in_memory(&mut state, seq_no) {
                    Ok(Some(checksum)) => return Ok(Some(checksum)),
                    Ok(None) => Some(state.sealed.clone()),
                    Err(Forgotten) => None,
                }
            };
            match sealed {
                Some(sealed) => return checksum_in_sealed(&sealed, seq_no),
                None => self.recall_for_reading(seq_no)?,
            }
        }
    }

    /// As [`Shared::recall_entries`], for a read of `seq_no`.
    pub(crate) fn recall_for_reading(self: &Arc<Self>, seq_no: SeqNo) -> Result<(), ReadError> {
        self.recall_entries().map_err(|error| match error {
            LogError::Corrupt {
                file,
                offset,
                seq_no: damaged,
                reason,
            } => ReadError::Corrupt {
                file,
                offset,
                seq_no: damaged.unwrap_or(seq_no),
                reason,
            },
            other => ReadError::Io {
                file: self.dir.clone(),
                offset: 0,
                source: Arc::new(io::Error::other(other)),
            },
        })
    }

    /// The first operation that the log holds.
    pub(crate) fn first_held(&self) -> Option<SeqNo> {
        let (sealed, active) = {
            let state = self.state.lock();
            let active = state.max_seq_no.filter(|max| state.active.header.first <= *max);
            (state.sealed.clone(), active.map(|_| state.active.header.first))
        };
        let held = sealed.iter().find_map(|segment| {
            let entry = segment.entries(0, 1).ok()?.first().copied()?;
            Some(SeqNo::new(segment.first().get() + u64::from(entry.delta)))
        });
        held.or(active)
    }

    fn missing(&self, first: SeqNo, last: SeqNo) -> ReadError {
        let last_held = self.state.lock().max_seq_no;
        let range = SeqNoRange::new(first, last).expect("a missing range begins before it ends");
        ReadError::Missing {
            range,
            first_held: self.first_held(),
            last_held,
        }
    }
}

/// The checksum of an operation that is in memory or in the open segment.
pub(crate) fn checksum_in_memory(state: &mut State, seq_no: SeqNo) -> Result<Option<u64>, Forgotten> {
    if let Some(pending) = state.in_memory(seq_no) {
        return Ok(Some(pending.frame.checksum()));
    }
    let active = &mut state.active;
    let Some(place) = seq_no.get().checked_sub(active.header.first.get()) else {
        return Ok(None);
    };
    let (entries, _) = active.entries.run(place, 1)?;
    Ok(entries.first().map(|entry| entry.checksum))
}

/// The checksum of an operation that is in a sealed segment.
pub(crate) fn checksum_in_sealed(
    sealed: &[Arc<SealedSegment>],
    seq_no: SeqNo,
) -> Result<Option<u64>, ReadError> {
    let after = sealed.partition_point(|segment| segment.last() < seq_no);
    let Some(segment) = sealed.get(after).filter(|segment| segment.first() <= seq_no) else {
        return Ok(None);
    };
    let entries = segment.entries(segment.position(seq_no)?, 1)?;
    let delta = seq_no.get() - segment.first().get();
    Ok(entries
        .first()
        .filter(|entry| u64::from(entry.delta) == delta)
        .map(|entry| entry.checksum))
}

fn locate(state: &mut State, next: SeqNo, count: usize) -> Option<Source> {
    if state.max_seq_no.is_none_or(|max| next > max) {
        return None;
    }
    if state.in_memory(next).is_some() {
        let in_memory = (0..count as u64).map_while(|step| state.in_memory(SeqNo::new(next.get() + step)));
        return Some(Source::Memory(
            in_memory.map(|pending| pending.frame.clone()).collect(),
        ));
    }
    let after = state.sealed.partition_point(|segment| segment.last() < next);
    if let Some(segment) = state.sealed.get(after) {
        return Some(Source::Sealed(segment.clone()));
    }
    run_in_active(&mut state.active, next, count)
}

fn run_in_active(active: &mut ActiveSegment, next: SeqNo, count: usize) -> Option<Source> {
    let first = active.header.first;
    // What is between the last sealed segment and this one is gone.
    let place = next.get().saturating_sub(first.get());
    let Ok((entries, after)) = active.entries.run(place, count) else {
        return Some(Source::Forgotten);
    };
    (!entries.is_empty()).then(|| {
        Source::File(Run {
            entries: entries.to_vec(),
            end: after.unwrap_or(active.length),
            file: active.file.clone(),
            path: active.path.clone(),
            first,
        })
    })
}

/// Of consecutive entries those that one read should give, and the bytes from the first to the end of the last.
/// `end` is where the last of `entries` ends.
pub(crate) fn frames_in_budget(entries: &[Entry], end: u64, budget: u64) -> (&[Entry], u64, u64) {
    let Some(first) = entries.first() else {
        return (entries, end, end);
    };
    let start = u64::from(first.offset);
    let end_of = |place: usize| {
        entries
            .get(place + 1)
            .map_or(end, |entry| u64::from(entry.offset))
    };
    let target = budget.clamp(MIN_READ, READ_CHUNK);
    let fitting = (1..entries.len())
        .take_while(|place| end_of(*place).saturating_sub(start) <= target)
        .count()
        + 1;
    (&entries[..fitting], start, end_of(fitting - 1))
}

/// Reads the frames of a run that one read should give, and checks each of them.
fn read_run(run: &Run, budget: u64) -> Result<Vec<Frame>, ReadError> {
    let (entries, start, end) = frames_in_budget(&run.entries, run.end, budget);
    let Some(first) = entries.first() else {
        return Ok(Vec::new());
    };
    let seq_no = SeqNo::new(run.first.get() + u64::from(first.delta));
    let length = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
    let bytes = run
        .file
        .read_at(start, length)
        .map_err(|error| read_error(error, &run.path, start, seq_no))?;
    cut_frames(&run.path, run.first, entries, start, &bytes, |entry| {
        u64::from(entry.offset)
    })
}

/// The frames of `entries`, cut out of `bytes`, which begin at `start`; each is verified. `place` tells where in the file an entry's frame lies.
pub(crate) fn cut_frames(
    path: &Path,
    first: SeqNo,
    entries: &[Entry],
    start: u64,
    bytes: &Bytes,
    place: impl Fn(&Entry) -> u64,
) -> Result<Vec<Frame>, ReadError> {
    let mut frames = Vec::with_capacity(entries.len());
    for entry in entries {
        let seq_no = SeqNo::new(first.get() + u64::from(entry.delta));
        let corrupt = |reason: String| ReadError::Corrupt {
            file: path.to_owned(),
            offset: place(entry),
            seq_no,
            reason,
        };
        let from = u64::from(entry.offset)
            .checked_sub(start)
            .and_then(|at| usize::try_from(at).ok());
        let from = from
            .filter(|from| {
                bytes
                    .len()
                    .checked_sub(*from)
                    .is_some_and(|rest| rest >= LENGTH_END)
            })
            .ok_or_else(|| corrupt("the offset index is wrong".to_owned()))?;
        let length = (u32_at(&bytes[from..], 0) as usize).min(bytes.len() - from);
        let frame =
            Frame::verify(bytes.slice(from..from + length)).map_err(|error| corrupt(error.to_string()))?;
        if frame.seq_no() != seq_no || frame.checksum() != entry.checksum {
            return Err(corrupt(format!(
                "found operation {} with another checksum",
                frame.seq_no()
            )));
        }
        frames.push(frame);
    }
    Ok(frames)
}

pub(crate) fn read_error(error: io::Error, path: &Path, offset: u64, seq_no: SeqNo) -> ReadError {
    let file = path.to_owned();
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return ReadError::Corrupt {
            file,
            offset,
            seq_no,
            reason: "the file ends".to_owned(),
        };
    }
    ReadError::Io {
        file,
        offset,
        source: Arc::new(error),
    }
}
