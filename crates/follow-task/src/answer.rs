//! What an answer of the leader must look like.

use es_exception::{Exception, ExceptionKind};
use oplog::{Frame, SeqNo};

use crate::ports::{ReadRequest, ReadResponse};

/// The predicate behind FT-1 and TR-1 for an answer. A wrong one is the failure of an attempt: another copy may answer well.
pub(crate) fn check_answer(
    request: &ReadRequest,
    known_checkpoint: Option<SeqNo>,
    response: &mut ReadResponse,
) -> Result<(), Exception> {
    let mut size = 0_u64;
    let mut keep = 0;
    for (frame, expected) in response.frames.iter().zip(request.from.get()..) {
        if frame.seq_no().get() != expected {
            return Err(malformed(format!(
                "operation [{}] where [{expected}] was due",
                frame.seq_no()
            )));
        }
        if keep == request.max_operation_count as usize || size > request.max_batch_size.get() {
            break;
        }
        size = size.saturating_add(frame.estimated_size());
        keep += 1;
    }
    response.frames.truncate(keep);
    let last = response.frames.last().map(Frame::seq_no);
    let checkpoint = response.global_checkpoint.max(known_checkpoint);
    if last > checkpoint {
        return Err(malformed(format!(
            "operation {last:?} above the global checkpoint {checkpoint:?}"
        )));
    }
    Ok(())
}

/// Retryable, unlike the leader's own failures of this kind.
fn malformed(what: String) -> Exception {
    Exception::new(
        ExceptionKind::IllegalState,
        format!("malformed answer of the leader: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_frames::frames;
    use oplog::{ByteCount, UnixMillis};
    use std::time::Duration;

    fn response(range: std::ops::Range<u64>, checkpoint: u64) -> ReadResponse {
        ReadResponse {
            frames: frames(range),
            global_checkpoint: Some(SeqNo::new(checkpoint)),
            max_seq_no: Some(SeqNo::new(checkpoint)),
            max_seq_no_of_updates_or_deletes: None,
            mapping_version: 1,
            settings_version: 1,
            aliases_version: 1,
            took: Duration::ZERO,
            leader_now: UnixMillis::new(0),
        }
    }

    #[test]
    fn answers_are_checked_and_cut_to_the_limits() {
        let size = frames(0..1)[0].estimated_size();
        let mut holey = response(5..9, 99);
        holey.frames.remove(1);
        // (answer, operations allowed, bytes allowed, operations kept)
        let cases = [
            (response(5..9, 8), 9, 10_000, Some(4)),
            (response(5..9, 8), 3, 10_000, Some(3)),
            (response(5..9, 8), 9, 2 * size, Some(3)),
            (response(5..9, 8), 9, 2 * size - 1, Some(2)),
            (response(5..9, 8), 9, 1, Some(1)),
            (response(5..5, 8), 9, 1, Some(0)),
            (response(5..9, 7), 9, 10_000, None),
            (response(4..9, 8), 9, 10_000, None),
            (response(6..9, 8), 9, 10_000, None),
            (holey, 9, 10_000, None),
        ];
        for (position, (mut answer, count, bytes, kept)) in cases.into_iter().enumerate() {
            let request = ReadRequest {
                from: SeqNo::new(5),
                max_operation_count: count,
                max_batch_size: ByteCount::new(bytes),
                poll_timeout: Duration::ZERO,
            };
            let result = check_answer(&request, None, &mut answer)
                .ok()
                .map(|()| answer.frames.len());
            assert_eq!(result, kept, "case {position}");
        }
    }
}
