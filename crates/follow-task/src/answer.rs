//! What an answer of the leader must look like.

use es_exception::{Exception, ExceptionKind};
use oplog::{ByteCount, Frame, MAX_FRAME_LENGTH, SeqNo};

use crate::ports::{ReadRequest, ReadResponse};

/// The predicate behind FT-1 and TR-1 for an answer. A wrong one is the failure of an attempt: another copy may answer well.
pub(crate) fn check_answer(
    request: &ReadRequest,
    known_checkpoint: Option<SeqNo>,
    response: &mut ReadResponse,
) -> Result<(), Exception> {
    let (mut size, mut keep) = (0_u64, 0);
    let most = request.max_response_size.get();
    for (frame, expected) in response.frames.iter().zip(request.from.get()..) {
        if frame.seq_no().get() != expected {
            return Err(malformed(format!(
                "operation [{}] where [{expected}] was due",
                frame.seq_no()
            )));
        }
        let with_it = size.saturating_add(frame.estimated_size());
        if keep == request.max_operation_count as usize
            || size > request.max_batch_size.get()
            || with_it > most
        {
            break;
        }
        size = with_it;
        keep += 1;
    }
    let first = response
        .frames
        .first()
        .map(|frame| ByteCount::new(frame.estimated_size()));
    response.frames.truncate(keep);
    response.next_operation_size = first.filter(|_| keep == 0).or(response.next_operation_size);
    let last = response.frames.last().map(Frame::seq_no);
    let checkpoint = response.global_checkpoint.max(known_checkpoint);
    if last > checkpoint {
        return Err(malformed(format!(
            "operation {last:?} above the global checkpoint {checkpoint:?}"
        )));
    }
    if let Some(next) = response.next_operation_size {
        let is_there = checkpoint >= Some(request.from) && response.frames.is_empty();
        check_next_operation_size(next, request.max_response_size, is_there).map_err(malformed)?;
    }
    Ok(())
}

/// The predicate behind FT-2 for an operation that did not fit: it is there, it really does not fit, and it is not larger than an operation can be.
pub(crate) fn check_next_operation_size(
    next: ByteCount,
    most: ByteCount,
    is_there: bool,
) -> Result<(), String> {
    if is_there && next > most && next.get() <= LARGEST_OPERATION {
        return Ok(());
    }
    Err(format!(
        "the next operation is said to take {next}, where an answer of {most} was allowed"
    ))
}

/// Text counts two bytes a unit, so an estimated size is at most twice as large as the operation.
const LARGEST_OPERATION: u64 = 2 * MAX_FRAME_LENGTH as u64;

/// Retryable, unlike the leader's own failures of this kind.
fn malformed(what: impl std::fmt::Display) -> Exception {
    Exception::new(
        ExceptionKind::IllegalState,
        format!("malformed answer of the leader: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::MetadataVersions;
    use crate::test_frames::frames;
    use oplog::UnixMillis;
    use std::time::Duration;

    fn response(range: std::ops::Range<u64>, checkpoint: u64) -> ReadResponse {
        ReadResponse {
            frames: frames(range),
            next_operation_size: None,
            global_checkpoint: Some(SeqNo::new(checkpoint)),
            max_seq_no: Some(SeqNo::new(checkpoint)),
            max_seq_no_of_updates_or_deletes: None,
            mapping_version: 1,
            settings_version: 1,
            aliases_version: 1,
            took: Duration::ZERO,
            leader_now: UnixMillis::new(0),
            stays_open: false,
        }
    }

    #[test]
    fn answers_are_checked_and_cut_to_the_limits() {
        let size = frames(0..1)[0].estimated_size();
        let mut holey = response(5..9, 99);
        holey.frames.remove(1);
        // (answer, operations allowed, bytes after which it stops, bytes allowed, operations kept)
        let cases = [
            (response(5..9, 8), 9, 10_000, 10_000, Some(4)),
            (response(5..9, 8), 3, 10_000, 10_000, Some(3)),
            (response(5..9, 8), 9, 2 * size, 10_000, Some(3)),
            (response(5..9, 8), 9, 2 * size - 1, 10_000, Some(2)),
            (response(5..9, 8), 9, 1, 10_000, Some(1)),
            (response(5..9, 8), 9, 10_000, 2 * size, Some(2)),
            (response(5..9, 8), 9, 10_000, 3 * size - 1, Some(2)),
            (response(5..9, 8), 9, 10_000, size - 1, Some(0)),
            (response(5..5, 8), 9, 1, 1, Some(0)),
            (response(5..9, 7), 9, 10_000, 10_000, None),
            (response(4..9, 8), 9, 10_000, 10_000, None),
            (response(6..9, 8), 9, 10_000, 10_000, None),
            (holey, 9, 10_000, 10_000, None),
        ];
        for (position, (mut answer, count, batch, most, kept)) in cases.into_iter().enumerate() {
            let request = request(count, batch, most);
            let came = answer.frames.len();
            let result = check_answer(&request, None, &mut answer)
                .ok()
                .map(|()| answer.frames.len());
            assert_eq!(result, kept, "case {position}");
            let next = (kept == Some(0) && came > 0).then_some(ByteCount::new(size));
            assert_eq!(answer.next_operation_size, next, "case {position}");
        }
    }

    #[test]
    fn the_size_of_an_operation_that_did_not_fit_is_checked() {
        // (operations beside it, checkpoint, size told, accepted)
        let cases = [
            (5..5, 5, 101, true),
            (5..5, 5, LARGEST_OPERATION, true),
            (5..5, 5, LARGEST_OPERATION + 1, false),
            (5..5, 5, 100, false),
            (5..5, 4, 101, false),
            (5..6, 5, 101, false),
        ];
        for (position, (operations, checkpoint, told, accepted)) in cases.into_iter().enumerate() {
            let mut answer = response(operations, checkpoint);
            answer.next_operation_size = Some(ByteCount::new(told));
            let result = check_answer(&request(9, 100, 100), None, &mut answer);
            assert_eq!(result.is_ok(), accepted, "case {position}: {result:?}");
        }
    }

    fn request(count: u32, batch: u64, most: u64) -> ReadRequest {
        ReadRequest {
            known_metadata: MetadataVersions::default(),
            from: SeqNo::new(5),
            max_operation_count: count,
            max_batch_size: ByteCount::new(batch),
            max_response_size: ByteCount::new(most),
            poll_timeout: Duration::ZERO,
            may_stay_open: false,
        }
    }
}
