//! Reading operations back: from memory while they wait for their write, from the files after that.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::frame::{LENGTH_END, u32_at};
use crate::index::{Entry, SealedSegment};
use crate::shared::{ActiveSegment, Shared, State};
use crate::{Frame, ReadError, ReadLimits, SeqNo, SeqNoRange, StorageFile};

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
    pub(crate) fn read(&self, from: SeqNo, to: SeqNo, limits: ReadLimits) -> Result<Vec<Frame>, ReadError> {
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

    pub(crate) fn get(&self, seq_no: SeqNo) -> Result<Option<Frame>, ReadError> {
        let frame = self.read_from(seq_no, seq_no, 1, 0)?.into_iter().next();
        Ok(frame.filter(|frame| frame.seq_no() == seq_no))
    }

    /// Some operations at or above `next`, in order, holes skipped; nothing when there are none.
    /// Not all that the limits allow: as many as one read gives. They may lie above `to` only if `next..=to` is a hole.
    pub(crate) fn read_from(
        &self,
        next: SeqNo,
        to: SeqNo,
        operations: usize,
        budget: u64,
    ) -> Result<Vec<Frame>, ReadError> {
        let span = usize::try_from(to.get() - next.get())
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        let count = operations.min(span).min(LOOKUP);
        let source = {
            let state = self.state.lock();
            if state.closed {
                return Err(ReadError::Closed);
            }
            locate(&state, next, count)
        };
        match source {
            None => Ok(Vec::new()),
            Some(Source::Memory(frames)) => Ok(frames),
            Some(Source::File(run)) => read_run(&run, count, budget),
            Some(Source::Sealed(segment)) => {
                let position = segment.position(next)?;
                let mut entries = segment.entries(position, count + 1)?;
                let end = if entries.len() > count {
                    entries.pop().map_or(0, |entry| u64::from(entry.offset))
                } else {
                    segment.log_length()
                };
                let (file, path) = (segment.file.clone(), segment.path.clone());
                read_run(
                    &Run {
                        file,
                        path,
                        first: segment.first(),
                        entries,
                        end,
                    },
                    count,
                    budget,
                )
            }
        }
    }

    /// The checksum of an operation's frame, from the offset index.
    pub(crate) fn checksum_of(&self, seq_no: SeqNo) -> Result<Option<u64>, ReadError> {
        let sealed = {
            let state = self.state.lock();
            if let Some(checksum) = checksum_in_memory(&state, seq_no) {
                return Ok(Some(checksum));
            }
            state.sealed.clone()
        };
        checksum_in_sealed(&sealed, seq_no)
    }

    pub(crate) fn first_held(&self) -> Option<SeqNo> {
        let state = self.state.lock();
        let first = state
            .sealed
            .first()
            .map_or(state.active.first, |segment| segment.first());
        state.max_seq_no.filter(|max| first <= *max).map(|_| first)
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
pub(crate) fn checksum_in_memory(state: &State, seq_no: SeqNo) -> Option<u64> {
    if let Some(pending) = state.in_memory(seq_no) {
        return Some(pending.frame.checksum());
    }
    let active = &state.active;
    let delta = seq_no.get().checked_sub(active.first.get())?;
    let entry = active.entries.get(lower_bound(&active.entries, delta))?;
    (u64::from(entry.delta) == delta).then_some(entry.checksum)
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

/// The place of the first entry at or above `delta`: at once when there are no holes, else by search.
fn lower_bound(entries: &[Entry], delta: u64) -> usize {
    match usize::try_from(delta) {
        Ok(place)
            if entries
                .get(place)
                .is_some_and(|entry| u64::from(entry.delta) == delta) =>
        {
            place
        }
        _ => entries.partition_point(|entry| u64::from(entry.delta) < delta),
    }
}

fn locate(state: &State, next: SeqNo, count: usize) -> Option<Source> {
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
    run_in_active(&state.active, next, count).map(Source::File)
}

fn run_in_active(active: &ActiveSegment, next: SeqNo, count: usize) -> Option<Run> {
    let start = lower_bound(&active.entries, next.get().saturating_sub(active.first.get()));
    let stop = (start + count).min(active.entries.len());
    let entries = active.entries[start..stop].to_vec();
    let end = active
        .entries
        .get(stop)
        .map_or(active.length, |entry| u64::from(entry.offset));
    let (file, path, first) = (active.file.clone(), active.path.clone(), active.first);
    (!entries.is_empty()).then_some(Run {
        file,
        path,
        first,
        entries,
        end,
    })
}

/// Reads the frames of a run that one read should give, and checks each of them.
fn read_run(run: &Run, count: usize, budget: u64) -> Result<Vec<Frame>, ReadError> {
    let entries = &run.entries[..run.entries.len().min(count)];
    let Some(first) = entries.first() else {
        return Ok(Vec::new());
    };
    let start = u64::from(first.offset);
    let end_of = |place: usize| {
        run.entries
            .get(place + 1)
            .map_or(run.end, |entry| u64::from(entry.offset))
    };
    let target = budget.clamp(MIN_READ, READ_CHUNK);
    let fitting = (1..entries.len())
        .take_while(|place| end_of(*place).saturating_sub(start) <= target)
        .count()
        + 1;
    let seq_no = |entry: &Entry| SeqNo::new(run.first.get() + u64::from(entry.delta));
    let length = end_of(fitting - 1).saturating_sub(start);
    let bytes = run
        .file
        .read_at(start, usize::try_from(length).unwrap_or(usize::MAX))
        .map_err(|error| read_error(error, &run.path, start, seq_no(first)))?;
    let mut frames = Vec::with_capacity(fitting);
    for entry in &entries[..fitting] {
        let corrupt = |reason: String| ReadError::Corrupt {
            file: run.path.clone(),
            offset: u64::from(entry.offset),
            seq_no: seq_no(entry),
            reason,
        };
        let from = u64::from(entry.offset)
            .checked_sub(start)
            .and_then(|at| usize::try_from(at).ok());
        let rest = from
            .filter(|at| *at + LENGTH_END <= bytes.len())
            .map(|at| bytes.slice(at..));
        let rest = rest.ok_or_else(|| corrupt("the offset index is wrong".to_owned()))?;
        let frame_end = (u32_at(&rest, 0) as usize).min(rest.len());
        let frame = Frame::verify(rest.slice(..frame_end)).map_err(|error| corrupt(error.to_string()))?;
        if frame.seq_no() != seq_no(entry) || frame.checksum() != entry.checksum {
            return Err(corrupt(format!(
                "found operation {} with another checksum",
                frame.seq_no()
            )));
        }
        frames.push(frame);
    }
    Ok(frames)
}

fn read_error(error: io::Error, path: &Path, offset: u64, seq_no: SeqNo) -> ReadError {
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
