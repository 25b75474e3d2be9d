//! What holds for the operations of every answer; checked where they leave and where they arrive.

use oplog::{Frame, SeqNo};

use crate::HeldOperationsResponse;

/// An answer whose operations are not those that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameOrderError {
    /// More operations than asked for.
    #[error("{count} operations in place of at most {max_operation_count}")]
    TooMany { count: usize, max_operation_count: u32 },
    /// An operation before the first asked for, or not after its predecessor.
    #[error("operation {seq_no} where one from {expected} on belongs")]
    OutOfOrder { seq_no: SeqNo, expected: SeqNo },
    /// TR-1 does not hold.
    #[error("operation {seq_no} lies above the global checkpoint ({})", .global_checkpoint.map_or_else(|| "none".to_owned(), |seq_no| seq_no.to_string()))]
    AboveGlobalCheckpoint {
        seq_no: SeqNo,
        global_checkpoint: Option<SeqNo>,
    },
    /// What was looked at ends before it begins.
    #[error("the next operation {next} lies before operation {from}, which was asked for")]
    NextBefore { next: SeqNo, from: SeqNo },
    /// More was looked at than the global checkpoint covers.
    #[error("the next operation {next} lies above the one after the global checkpoint")]
    NextAboveGlobalCheckpoint { next: SeqNo },
    /// An operation that was not looked at.
    #[error("operation {seq_no} at or behind the next operation {next}")]
    NotBeforeNext { seq_no: SeqNo, next: SeqNo },
}

/// Checks TR-1 for an answer with held operations, and that they lie from `from` on and before `next`.
pub(crate) fn check_held_frames(
    answer: &HeldOperationsResponse,
    from: SeqNo,
    max_operation_count: u32,
) -> Result<(), FrameOrderError> {
    let HeldOperationsResponse {
        frames,
        next,
        global_checkpoint,
        ..
    } = answer;
    check_frames(frames, from, max_operation_count, *global_checkpoint)?;
    if *next < from {
        return Err(FrameOrderError::NextBefore { next: *next, from });
    }
    if *next > from && next.checked_prev() > *global_checkpoint {
        return Err(FrameOrderError::NextAboveGlobalCheckpoint { next: *next });
    }
    match frames.last().map(Frame::seq_no) {
        Some(seq_no) if seq_no >= *next => Err(FrameOrderError::NotBeforeNext { seq_no, next: *next }),
        _ => Ok(()),
    }
}

/// Checks TR-1 and the order of `frames`. At least one operation is always allowed, since one is always sent.
pub(crate) fn check_frames(
    frames: &[Frame],
    from: SeqNo,
    max_operation_count: u32,
    global_checkpoint: Option<SeqNo>,
) -> Result<(), FrameOrderError> {
    let count = frames.len();
    if u64::try_from(count).unwrap_or(u64::MAX) > u64::from(max_operation_count.max(1)) {
        return Err(FrameOrderError::TooMany {
            count,
            max_operation_count,
        });
    }
    let mut expected = from;
    for frame in frames {
        let seq_no = frame.seq_no();
        if seq_no < expected {
            return Err(FrameOrderError::OutOfOrder { seq_no, expected });
        }
        if Some(seq_no) > global_checkpoint {
            return Err(FrameOrderError::AboveGlobalCheckpoint {
                seq_no,
                global_checkpoint,
            });
        }
        expected = SeqNo::new(seq_no.get().saturating_add(1));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::frame;

    #[test]
    fn operations_ascend_from_the_first_asked_for_up_to_the_global_checkpoint() {
        let check = |seq_nos: &[u64], from: u64, count: u32, checkpoint: Option<u64>| {
            let frames: Vec<Frame> = seq_nos.iter().map(|seq_no| frame(*seq_no, 10)).collect();
            check_frames(&frames, SeqNo::new(from), count, checkpoint.map(SeqNo::new))
        };
        let seq_no = SeqNo::new;
        assert_eq!(check(&[], 5, 0, None), Ok(()));
        assert_eq!(check(&[3, 4, 7], 3, 3, Some(7)), Ok(()));
        assert_eq!(check(&[3], 3, 0, Some(3)), Ok(()));
        let too_many = FrameOrderError::TooMany {
            count: 2,
            max_operation_count: 1,
        };
        assert_eq!(check(&[3, 4], 3, 1, Some(9)), Err(too_many));
        let early = FrameOrderError::OutOfOrder {
            seq_no: seq_no(2),
            expected: seq_no(3),
        };
        assert_eq!(check(&[2], 3, 9, Some(9)), Err(early));
        let twice = FrameOrderError::OutOfOrder {
            seq_no: seq_no(3),
            expected: seq_no(4),
        };
        assert_eq!(check(&[3, 3], 3, 9, Some(9)), Err(twice));
        let above = |global_checkpoint| FrameOrderError::AboveGlobalCheckpoint {
            seq_no: seq_no(4),
            global_checkpoint,
        };
        assert_eq!(check(&[3, 4], 3, 9, Some(3)), Err(above(Some(seq_no(3)))));
        assert_eq!(check(&[4], 3, 9, None), Err(above(None)));
    }
}
