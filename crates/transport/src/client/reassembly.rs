//! An answer to a read of operations, put together from its parts.

use bytes::{Bytes, BytesMut};
use es_exception::{Exception, ExceptionKind};
use oplog::{Frame, FrameError, MAX_FRAME_LENGTH, SeqNo};

use crate::proto::read_shard_changes_part::Part;
use crate::wire::{FrameOrderError, check_frames};
use crate::{InvalidMessage, ShardChangesRequest, ShardChangesResponse, proto};

/// Frame header and what an id and routing take more than their estimated size says.
const EXCESS_PER_OPERATION: u64 = 128;

/// An answer that is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    #[error("the answer has no header")]
    NoHeader,
    #[error("the answer has a second header")]
    SecondHeader,
    #[error("the answer ended within an operation")]
    Truncated,
    #[error("the answer is longer than the {limit} bytes that were asked for at most")]
    TooLong { limit: u64 },
    #[error("a frame is damaged: {0}")]
    Frame(#[source] FrameError),
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
            Self::Truncated | Self::NoHeader => Exception::new(ExceptionKind::ConnectTransport, reason),
            Self::Frame(_) => Exception::new(ExceptionKind::ConnectTransport, reason)
                .with_cause(Exception::new(ExceptionKind::CorruptIndex, self.to_string())),
            Self::SecondHeader | Self::TooLong { .. } | Self::Order(_) | Self::Header(_) => {
                Exception::new(ExceptionKind::IllegalState, reason)
            }
        }
    }
}

/// Takes the parts of one answer, never more bytes than the request allows (FT-2).
#[derive(Debug)]
pub(super) struct Reassembly {
    from: SeqNo,
    max_operation_count: u32,
    limit: u64,
    received: u64,
    answer: Option<ShardChangesResponse>,
    /// Pieces of an operation that is longer than a piece.
    unfinished: Vec<Bytes>,
}

impl Reassembly {
    pub(super) fn new(request: &ShardChangesRequest) -> Self {
        // The estimated size counts ids and routing twice, so encoded text takes at most half as much again.
        let estimated = request
            .max_batch_size
            .get()
            .saturating_add(request.max_batch_size.get() / 2);
        let excess = EXCESS_PER_OPERATION.saturating_mul(u64::from(request.max_operation_count));
        // The operation that makes the estimated size exceed the limit comes on top.
        let limit = estimated
            .saturating_add(excess)
            .saturating_add(MAX_FRAME_LENGTH as u64);
        Self {
            from: request.from,
            max_operation_count: request.max_operation_count,
            limit,
            received: 0,
            answer: None,
            unfinished: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, part: proto::ReadShardChangesPart) -> Result<(), AnswerError> {
        match part.part {
            Some(Part::Header(_)) if self.answer.is_some() => Err(AnswerError::SecondHeader),
            Some(Part::Header(header)) => {
                self.answer = Some(ShardChangesResponse::from_header(&header).map_err(AnswerError::Header)?);
                Ok(())
            }
            Some(Part::Frames(piece)) => self.push_piece(piece),
            None => Ok(()),
        }
    }

    fn push_piece(&mut self, piece: proto::FramesPiece) -> Result<(), AnswerError> {
        let answer = self.answer.as_mut().ok_or(AnswerError::NoHeader)?;
        self.received = self.received.saturating_add(piece.frames.len() as u64);
        if self.received > self.limit {
            return Err(AnswerError::TooLong { limit: self.limit });
        }
        if piece.continued {
            self.unfinished.push(piece.frames);
            return Ok(());
        }
        let bytes = if self.unfinished.is_empty() {
            piece.frames
        } else {
            join(&mut self.unfinished, &piece.frames)
        };
        answer
            .frames
            .extend(Frame::split(bytes).map_err(AnswerError::Frame)?);
        Ok(())
    }

    pub(super) fn finish(self) -> Result<ShardChangesResponse, AnswerError> {
        let answer = self.answer.ok_or(AnswerError::NoHeader)?;
        if !self.unfinished.is_empty() {
            return Err(AnswerError::Truncated);
        }
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

fn join(unfinished: &mut Vec<Bytes>, last: &Bytes) -> Bytes {
    let length = unfinished.iter().map(Bytes::len).sum::<usize>() + last.len();
    let mut bytes = BytesMut::with_capacity(length);
    for piece in unfinished.drain(..) {
        bytes.extend_from_slice(&piece);
    }
    bytes.extend_from_slice(last);
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::frame;
    use oplog::{ByteCount, HistoryUuid, IndexUuid, ShardId, ShardNumber};
    use std::time::Duration;

    fn request(max_batch_size: u64) -> ShardChangesRequest {
        ShardChangesRequest {
            shard: ShardId::new(IndexUuid::generate(), ShardNumber::new(0)),
            expected_history_uuid: HistoryUuid::generate(),
            from: SeqNo::ZERO,
            max_operation_count: 10,
            max_batch_size: ByteCount::new(max_batch_size),
            poll_timeout: Duration::ZERO,
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
