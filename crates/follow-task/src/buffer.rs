//! Operations that were received and are yet to be handed to the follower.

use std::collections::{BTreeMap, VecDeque};

use oplog::{Frame, SeqNo};

use crate::cursor::{after, distance};

/// Runs of operations by their first seq_no. Parallel reads leave gaps between runs; only what lies directly at the writer's position can leave.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    runs: BTreeMap<SeqNo, Run>,
    operations: u64,
    bytes: u64,
}

/// Contiguous operations, never none.
#[derive(Debug)]
struct Run {
    frames: VecDeque<Frame>,
    bytes: u64,
}

impl Run {
    fn end(&self) -> SeqNo {
        after(self.frames.back().map(Frame::seq_no))
    }
}

/// Operations taken out together.
#[derive(Debug)]
pub(crate) struct TakenBatch {
    pub(crate) frames: Vec<Frame>,
    pub(crate) bytes: u64,
}

impl Buffer {
    pub(crate) fn operations(&self) -> u64 {
        self.operations
    }

    /// Estimated bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The lowest operation held.
    pub(crate) fn first(&self) -> Option<&Frame> {
        self.runs
            .first_key_value()
            .and_then(|(_, run)| run.frames.front())
    }

    /// Adds contiguous operations. Those below `keep_from` and those held already are left out: two reads may overlap after the follower lost operations.
    pub(crate) fn insert(&mut self, frames: Vec<Frame>, keep_from: SeqNo) {
        let mut frames: VecDeque<Frame> = frames.into();
        while let Some(first) = frames.front().map(Frame::seq_no) {
            let covered_until = self
                .runs
                .range(..=first)
                .next_back()
                .map_or(SeqNo::ZERO, |(_, run)| run.end());
            let skip = distance(first, covered_until.max(keep_from));
            if skip > 0 {
                frames.drain(..usize::try_from(skip).map_or(frames.len(), |skip| skip.min(frames.len())));
                continue;
            }
            let next_run = self.runs.range(first..).next().map(|(start, _)| *start);
            let fitting = next_run.map_or(u64::MAX, |start| distance(first, start));
            let rest = frames.split_off(
                usize::try_from(fitting).map_or(frames.len(), |fitting| fitting.min(frames.len())),
            );
            let bytes = frames.iter().map(Frame::estimated_size).sum();
            self.operations += frames.len() as u64;
            self.bytes += bytes;
            self.runs.insert(first, Run { frames, bytes });
            frames = rest;
        }
    }

    /// Takes operations from exactly `first` on, across runs as long as no gap lies between: up to `max_operations`, ending with the
    /// one that makes their size exceed `max_bytes`. `None` if `first` is not held.
    pub(crate) fn take(&mut self, first: SeqNo, max_operations: u32, max_bytes: u64) -> Option<TakenBatch> {
        let mut batch = TakenBatch {
            frames: Vec::new(),
            bytes: 0,
        };
        let mut next = first;
        while batch.frames.len() < max_operations as usize && batch.bytes <= max_bytes {
            let Some(mut run) = self.runs.remove(&next) else {
                break;
            };
            while batch.frames.len() < max_operations as usize && batch.bytes <= max_bytes {
                let Some(frame) = run.frames.pop_front() else {
                    break;
                };
                let size = frame.estimated_size();
                next = after(Some(frame.seq_no()));
                run.bytes -= size;
                batch.bytes += size;
                batch.frames.push(frame);
            }
            if !run.frames.is_empty() {
                self.runs.insert(next, run);
            }
        }
        self.operations -= batch.frames.len() as u64;
        self.bytes -= batch.bytes;
        (!batch.frames.is_empty()).then_some(batch)
    }

    /// Forgets operations below `keep_from`, which the follower holds already.
    pub(crate) fn drop_below(&mut self, keep_from: SeqNo) {
        while let Some(first) = self.first().map(Frame::seq_no).filter(|first| *first < keep_from) {
            let count = u32::try_from(distance(first, keep_from)).unwrap_or(u32::MAX);
            self.take(first, count, u64::MAX);
        }
    }

    /// Forgets everything, and gives the ranges that were held: first operation, and first operation after the range.
    pub(crate) fn drain(&mut self) -> Vec<(SeqNo, SeqNo)> {
        std::mem::take(self)
            .runs
            .iter()
            .map(|(first, run)| (*first, run.end()))
            .collect()
    }

    /// The predicate behind FT-1 and FT-2 for the buffer: runs apart and in order, nothing that was handed out, sums right.
    pub(crate) fn check_invariants(&self, dispatched: SeqNo) {
        let mut end = dispatched;
        let (mut operations, mut bytes) = (0, 0);
        for (start, run) in &self.runs {
            assert!(*start >= end, "FT-1: run at {start} reaches below {end}");
            assert_eq!(
                run.frames.front().map(Frame::seq_no),
                Some(*start),
                "FT-1: run does not begin at its key"
            );
            assert_eq!(
                distance(*start, run.end()),
                run.frames.len() as u64,
                "FT-1: gap inside a run"
            );
            end = run.end();
            operations += run.frames.len() as u64;
            bytes += run.bytes;
        }
        assert_eq!(
            (operations, bytes),
            (self.operations, self.bytes),
            "FT-2: buffer sums are wrong"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_frames::frames;

    fn seq_nos(batch: Option<TakenBatch>) -> Vec<u64> {
        batch.map_or(Vec::new(), |batch| {
            batch.frames.iter().map(|frame| frame.seq_no().get()).collect()
        })
    }

    fn filled(ranges: &[std::ops::Range<u64>]) -> Buffer {
        let mut buffer = Buffer::default();
        for range in ranges {
            buffer.insert(frames(range.clone()), SeqNo::ZERO);
            buffer.check_invariants(SeqNo::ZERO);
        }
        buffer
    }

    #[test]
    fn only_what_lies_at_the_position_leaves_and_runs_are_joined() {
        let mut buffer = filled(&[4..6, 0..2]);
        assert_eq!(seq_nos(buffer.take(SeqNo::ZERO, 100, u64::MAX)), [0, 1]);
        assert_eq!(seq_nos(buffer.take(SeqNo::new(2), 100, u64::MAX)), [] as [u64; 0]);
        buffer.insert(frames(2..4), SeqNo::ZERO);
        assert_eq!(seq_nos(buffer.take(SeqNo::new(2), 3, u64::MAX)), [2, 3, 4]);
        assert_eq!(seq_nos(buffer.take(SeqNo::new(5), 3, u64::MAX)), [5]);
        assert_eq!((buffer.operations(), buffer.bytes()), (0, 0));
    }

    #[test]
    fn a_batch_ends_after_the_operation_that_exceeds_the_size() {
        let mut buffer = filled(&[0..4, 4..9]);
        let size = frames(0..1)[0].estimated_size();
        assert_eq!(seq_nos(buffer.take(SeqNo::ZERO, 100, 1)), [0]);
        assert_eq!(seq_nos(buffer.take(SeqNo::new(1), 100, 2 * size)), [1, 2, 3]);
        assert_eq!(seq_nos(buffer.take(SeqNo::new(4), 100, 2 * size - 1)), [4, 5]);
    }

    #[test]
    fn overlaps_are_held_once() {
        let mut buffer = filled(&[2..4, 6..8, 0..10]);
        assert_eq!(buffer.operations(), 10);
        buffer.insert(frames(3..12), SeqNo::ZERO);
        assert_eq!(buffer.operations(), 12);
        assert_eq!(
            seq_nos(buffer.take(SeqNo::ZERO, 100, u64::MAX)),
            (0..12).collect::<Vec<_>>()
        );
        buffer.insert(frames(0..14), SeqNo::new(12));
        assert_eq!(buffer.operations(), 2);
        buffer.insert(frames(0..3), SeqNo::new(12));
        assert_eq!(buffer.operations(), 2);
    }

    #[test]
    fn what_the_follower_holds_is_forgotten() {
        let mut buffer = filled(&[0..3, 5..9]);
        buffer.drop_below(SeqNo::new(6));
        buffer.check_invariants(SeqNo::new(6));
        assert_eq!(buffer.first().map(|frame| frame.seq_no().get()), Some(6));
        assert_eq!(buffer.operations(), 3);
    }
}
