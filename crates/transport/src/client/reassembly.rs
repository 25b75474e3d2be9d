//! An answer to a read of operations, put together from its parts.

use es_exception::{Exception, ExceptionKind};
use oplog::SeqNo;

use super::frame_pieces::{FramePieces, FramePiecesError};
use crate::proto::read_shard_changes_part::Part;
use crate::wire::{FrameOrderError, check_frames};
use crate::{InvalidMessage, ShardChangesRequest, ShardChangesResponse, proto};

/// An answer that is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    #[error("the answer has no header")]
    NoHeader,
    #[error("the answer has a second header")]
    SecondHeader,
    #[error("{0}")]
    Pieces(#[from] FramePiecesError),
    #[error("the answer ended too soon")]
    LiveSetTruncated,
    #[error("the answer is longer than the {limit} bytes that it announced")]
    LiveSetTooLong { limit: u64 },
    #[error("{0}")]
    Order(#[source] FrameOrderError),
    #[error("{0}")]
    Header(#[source] InvalidMessage),
}

impl AnswerError {
    /// What the caller gets. An answer that broke on the way is worth another try, one that was made wrong is not.
    pub(super) fn to_exception(&self, context: &str) -> Exception {
        let reason = format!("{context} {self}");
        match self {
            Self::Pieces(FramePiecesError::Truncated) | Self::LiveSetTruncated | Self::NoHeader => {
                Exception::new(ExceptionKind::ConnectTransport, reason)
            }
            Self::Pieces(FramePiecesError::Frame(_)) => {
                Exception::new(ExceptionKind::ConnectTransport, reason)
                    .with_cause(Exception::new(ExceptionKind::CorruptIndex, self.to_string()))
            }
            Self::SecondHeader
            | Self::Pieces(FramePiecesError::TooLong { .. })
            | Self::LiveSetTooLong { .. }
            | Self::Order(_)
            | Self::Header(_) => Exception::new(ExceptionKind::IllegalState, reason),
        }
    }
}

/// Takes the parts of one answer, never more bytes than the request allows (FT-2).
#[derive(Debug)]
pub(super) struct Reassembly {
    from: SeqNo,
    max_operation_count: u32,
    answer: Option<ShardChangesResponse>,
    /// How many operations the answer has, when others follow it.
    operations: Option<u32>,
    pieces: FramePieces,
}

impl Reassembly {
    pub(super) fn new(request: &ShardChangesRequest) -> Self {
        Self {
            from: request.from,
            max_operation_count: request.max_operation_count,
            answer: None,
            operations: None,
            pieces: FramePieces::new(
                request.max_operation_count,
                request.max_batch_size,
                request.max_response_size,
            ),
        }
    }

    pub(super) fn push(&mut self, part: proto::ReadShardChangesPart) -> Result<(), AnswerError> {
        match part.part {
            Some(Part::Header(_)) if self.answer.is_some() => Err(AnswerError::SecondHeader),
            Some(Part::Header(header)) => {
                self.answer = Some(ShardChangesResponse::from_header(&header).map_err(AnswerError::Header)?);
                self.operations = header.operations_before_next_header;
                Ok(())
            }
            Some(Part::Frames(_)) if self.answer.is_none() => Err(AnswerError::NoHeader),
            Some(Part::Frames(piece)) => Ok(self.pieces.push(piece)?),
            None => Ok(()),
        }
    }

    /// Whether an answer that others follow is all there. The last one ends with the stream.
    pub(super) fn is_complete(&self) -> bool {
        self.operations
            .is_some_and(|operations| self.pieces.whole_frames() >= operations as usize)
    }

    pub(super) fn finish(self) -> Result<ShardChangesResponse, AnswerError> {
        let mut answer = self.answer.ok_or(AnswerError::NoHeader)?;
        answer.frames = self.pieces.finish()?;
        check_frames(
            &answer.frames,
            self.from,
            self.max_operation_count,
            answer.global_checkpoint,
        )
        .map_err(AnswerError::Order)?;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::frame;
    use bytes::Bytes;
    use oplog::{ByteCount, HistoryUuid, IndexUuid, ShardId, ShardNumber};
    use std::time::Duration;

    fn request(max_batch_size: u64) -> ShardChangesRequest {
        ShardChangesRequest {
            shard: ShardId::new(IndexUuid::generate(), ShardNumber::new(0)),
            expected_history_uuid: HistoryUuid::generate(),
            from: SeqNo::ZERO,
            max_operation_count: 10,
            max_batch_size: ByteCount::new(max_batch_size),
            max_response_size: ByteCount::new(max_batch_size),
            poll_timeout: Duration::ZERO,
            known_metadata: None,
            may_stay_open: false,
        }
    }

    fn header() -> Part {
        Part::Header(proto::ShardChangesHeader {
            global_checkpoint: Some(9),
            ..Default::default()
        })
    }

    fn piece(frames: Bytes, continued: bool) -> Part {
        Part::Frames(proto::FramesPiece { frames, continued })
    }

    fn answer(max_batch_size: u64, parts: Vec<Part>) -> Result<Vec<u64>, AnswerError> {
        let mut reassembly = Reassembly::new(&request(max_batch_size));
        for part in parts {
            reassembly.push(proto::ReadShardChangesPart { part: Some(part) })?;
        }
        Ok(reassembly
            .finish()?
            .frames
            .iter()
            .map(|frame| frame.seq_no().get())
            .collect())
    }

    #[test]
    fn operations_are_joined_over_pieces_and_whole_ones_are_slices_of_what_was_received() {
        let (long, short) = (frame(0, 1000).bytes().clone(), frame(1, 3).bytes().clone());
        let parts = vec![
            header(),
            piece(long.slice(..10), true),
            piece(long.slice(10..500), true),
            piece(long.slice(500..), false),
            piece(short.clone(), false),
        ];
        assert_eq!(answer(1 << 20, parts).unwrap(), [0, 1]);
        let mut reassembly = Reassembly::new(&request(99));
        for part in [header(), piece(short.clone(), false)] {
            reassembly
                .push(proto::ReadShardChangesPart { part: Some(part) })
                .unwrap();
        }
        // Frame 1 where 0 was asked for is fine: what lies between may be dead.
        assert_eq!(
            reassembly.finish().unwrap().frames[0].bytes().as_ptr(),
            short.as_ptr()
        );
    }

    #[test]
    fn an_unknown_part_is_passed_over() {
        let mut reassembly = Reassembly::new(&request(99));
        reassembly
            .push(proto::ReadShardChangesPart { part: Some(header()) })
            .unwrap();
        reassembly
            .push(proto::ReadShardChangesPart { part: None })
            .unwrap();
        assert_eq!(reassembly.finish().unwrap().frames.len(), 0);
    }

    #[test]
    fn what_is_no_answer_is_refused_and_only_damage_on_the_way_is_retryable() {
        let bytes = frame(0, 100).bytes().clone();
        let mut damaged = bytes.to_vec();
        damaged[80] ^= 1;
        let big = Bytes::from(vec![0; 60 << 20]);
        let cases = [
            (vec![], true, "no header"),
            (vec![piece(bytes.clone(), false)], true, "no header"),
            (vec![header(), header()], false, "second header"),
            (
                vec![header(), piece(bytes.slice(..50), true)],
                true,
                "ended within",
            ),
            (vec![header(), piece(bytes.slice(..50), false)], true, "damaged"),
            (vec![header(), piece(damaged.into(), false)], true, "damaged"),
            (
                vec![header(), piece(big.clone(), true), piece(big, true)],
                false,
                "longer than",
            ),
            (
                vec![header(), piece(bytes.clone(), false), piece(bytes, false)],
                false,
                "operation 0 where",
            ),
            (
                vec![header(), piece(frame(10, 1).bytes().clone(), false)],
                false,
                "above the global checkpoint",
            ),
        ];
        for (parts, is_retryable, text) in cases {
            let exception = answer(1 << 10, parts).unwrap_err().to_exception("[lisbon]");
            assert!(exception.reason().contains(text), "{exception} has no [{text}]");
            assert_eq!(exception.is_retryable(), is_retryable, "{exception}");
        }
    }
}
