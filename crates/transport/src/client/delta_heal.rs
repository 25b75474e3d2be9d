//! The calls of a follower that heals.

use bytes::BytesMut;
use es_exception::Exception;

use super::RemoteCluster;
use super::frame_pieces::FramePieces;
use super::reassembly::AnswerError;
use crate::proto::read_held_operations_part::Part as HeldPart;
use crate::proto::read_live_set_part::Part as LivePart;
use crate::wire::{MAX_LIVE_SET_BYTES, check_held_frames};
use crate::{
    HeldOperationsRequest, HeldOperationsResponse, InvalidMessage, LiveSetRequest, LiveSetResponse, proto,
};

impl RemoteCluster {
    /// Reads the operations of a leader shard that it still holds.
    ///
    /// The frames are verified, ascend from the one asked for, and lie before `next`, which is at most the operation after the global checkpoint.
    ///
    /// # Errors
    ///
    /// See [`RemoteCluster`]; `unsupported_operation_exception` from a release that knows no heal.
    pub async fn read_held_operations(
        &self,
        request: HeldOperationsRequest,
    ) -> Result<HeldOperationsResponse, Exception> {
        let call = self.begin("held_operations").await?;
        let mut answer = HeldOperations::new(&request);
        let mut client = call.delta_heal();
        let mut parts = call
            .unary(
                call.margin(),
                client.read_held(tonic::Request::new(request.into())),
            )
            .await?;
        let told = |error: AnswerError| error.to_exception(&call.context);
        while let Some(part) = call.until(call.margin(), parts.message()).await? {
            answer.push(part).map_err(told)?;
        }
        answer.finish().map_err(told)
    }

    /// Reads which operations of a leader shard are live. The set is checked to name nothing above its end.
    ///
    /// # Errors
    ///
    /// See [`RemoteCluster`]; `unsupported_operation_exception` from a release that knows no heal.
    pub async fn read_live_set(&self, request: LiveSetRequest) -> Result<LiveSetResponse, Exception> {
        let call = self.begin("live_set").await?;
        let mut answer = LiveSetPieces::default();
        let mut client = call.delta_heal();
        // The leader may wait for its global checkpoint, and takes no longer for it than any call may.
        let timeout = call.margin().saturating_mul(2);
        let mut parts = call
            .unary(timeout, client.read_live_set(tonic::Request::new(request.into())))
            .await?;
        let told = |error: AnswerError| error.to_exception(&call.context);
        while let Some(part) = call.until(call.margin(), parts.message()).await? {
            answer.push(part).map_err(told)?;
        }
        answer.finish().map_err(told)
    }
}

/// An answer with held operations, put together from its parts.
struct HeldOperations {
    request: HeldOperationsRequest,
    answer: Option<HeldOperationsResponse>,
    pieces: FramePieces,
}

impl HeldOperations {
    fn new(request: &HeldOperationsRequest) -> Self {
        Self {
            request: request.clone(),
            answer: None,
            pieces: FramePieces::new(
                request.max_operation_count,
                request.max_batch_size,
                request.max_response_size,
            ),
        }
    }

    fn push(&mut self, part: proto::ReadHeldOperationsPart) -> Result<(), AnswerError> {
        match part.part {
            Some(HeldPart::Header(_)) if self.answer.is_some() => Err(AnswerError::SecondHeader),
            Some(HeldPart::Header(header)) => {
                let answer = HeldOperationsResponse::from_header(&header);
                self.answer = Some(answer.map_err(AnswerError::Header)?);
                Ok(())
            }
            Some(HeldPart::Frames(_)) if self.answer.is_none() => Err(AnswerError::NoHeader),
            Some(HeldPart::Frames(piece)) => Ok(self.pieces.push(piece)?),
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<HeldOperationsResponse, AnswerError> {
        let mut answer = self.answer.ok_or(AnswerError::NoHeader)?;
        answer.frames = self.pieces.finish()?;
        check_held_frames(&answer, self.request.from, self.request.max_operation_count)
            .map_err(AnswerError::Order)?;
        Ok(answer)
    }
}

/// An answer with a live set, put together from its parts, never more bytes than its header says, nor than a set can have.
#[derive(Default)]
struct LiveSetPieces {
    header: Option<proto::LiveSetHeader>,
    live: BytesMut,
}

impl LiveSetPieces {
    fn push(&mut self, part: proto::ReadLiveSetPart) -> Result<(), AnswerError> {
        match part.part {
            Some(LivePart::Header(_)) if self.header.is_some() => Err(AnswerError::SecondHeader),
            Some(LivePart::Header(header)) if header.live_length > MAX_LIVE_SET_BYTES => {
                Err(AnswerError::Header(InvalidMessage::new(
                    "LiveSetHeader",
                    "live_length",
                    format!(
                        "is {} and may be {MAX_LIVE_SET_BYTES} at most",
                        header.live_length
                    ),
                )))
            }
            Some(LivePart::Header(header)) => {
                self.header = Some(header);
                Ok(())
            }
            Some(LivePart::Live(piece)) => {
                let limit = self.header.as_ref().ok_or(AnswerError::NoHeader)?.live_length;
                if (self.live.len() + piece.len()) as u64 > limit {
                    return Err(AnswerError::LiveSetTooLong { limit });
                }
                self.live.extend_from_slice(&piece);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<LiveSetResponse, AnswerError> {
        let header = self.header.ok_or(AnswerError::NoHeader)?;
        if (self.live.len() as u64) < header.live_length {
            return Err(AnswerError::LiveSetTruncated);
        }
        LiveSetResponse::from_wire(&header, &self.live).map_err(AnswerError::Header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::frame;
    use bytes::Bytes;
    use oplog::{
        ByteCount, Digest, HistoryUuid, IndexUuid, LiveSet, LiveSnapshot, SeqNo, ShardId, ShardNumber,
        UnixMillis,
    };

    fn held(next: u64, checkpoint: u64, frames: &[Bytes]) -> Result<Vec<u64>, Exception> {
        let request = HeldOperationsRequest {
            shard: ShardId::new(IndexUuid::generate(), ShardNumber::new(0)),
            expected_history_uuid: HistoryUuid::generate(),
            from: SeqNo::new(5),
            to: None,
            max_operation_count: 2,
            max_batch_size: ByteCount::new(1000),
            max_response_size: ByteCount::new(1000),
        };
        let mut answer = HeldOperations::new(&request);
        let header = HeldPart::Header(proto::HeldOperationsHeader {
            next,
            global_checkpoint: Some(checkpoint),
            ..Default::default()
        });
        let pieces = frames.iter().map(|frames| {
            HeldPart::Frames(proto::FramesPiece {
                frames: frames.clone(),
                continued: false,
            })
        });
        let told = |error: AnswerError| error.to_exception("[lisbon]");
        for part in std::iter::once(header).chain(pieces) {
            answer
                .push(proto::ReadHeldOperationsPart { part: Some(part) })
                .map_err(told)?;
        }
        let answer = answer.finish().map_err(told)?;
        Ok(answer.frames.iter().map(|frame| frame.seq_no().get()).collect())
    }

    #[test]
    fn held_operations_lie_between_the_one_asked_for_and_the_next() {
        let bytes = |seq_no| frame(seq_no, 10).bytes().clone();
        assert_eq!(held(9, 8, &[bytes(5), bytes(8)]).unwrap(), [5, 8]);
        assert_eq!(held(9, 8, &[]).unwrap(), [] as [u64; 0]);
        let cases = [
            (held(9, 8, &[bytes(4)]), "operation 4 where"),
            (held(9, 20, &[bytes(9)]), "operation 9 at or behind"),
            (held(10, 8, &[]), "next operation 10 lies above"),
            (held(4, 8, &[]), "next operation 4 lies before"),
            (
                held(9, 8, &[bytes(5), bytes(6), bytes(7)]),
                "3 operations in place of",
            ),
        ];
        for (result, text) in cases {
            let exception = result.unwrap_err();
            assert!(exception.reason().contains(text), "{exception} has no [{text}]");
            assert!(!exception.is_retryable());
        }
    }

    fn response() -> LiveSetResponse {
        LiveSetResponse {
            snapshot: LiveSnapshot {
                max_seq_no: SeqNo::new(90_000),
                live: (0..90_000).step_by(2).map(SeqNo::new).collect::<LiveSet>(),
                digest: Digest::new(7),
                terms: Vec::new(),
                max_seq_no_of_updates_or_deletes: None,
            },
            mapping_version: 1,
            settings_version: 2,
            aliases_version: 3,
            leader_now: UnixMillis::new(4),
        }
    }

    fn live(parts: Vec<LivePart>) -> Result<LiveSetResponse, Exception> {
        let told = |error: AnswerError| error.to_exception("[lisbon]");
        let mut answer = LiveSetPieces::default();
        for part in parts {
            answer
                .push(proto::ReadLiveSetPart { part: Some(part) })
                .map_err(told)?;
        }
        answer.finish().map_err(told)
    }

    #[test]
    fn a_live_set_is_joined_and_one_of_another_length_is_refused() {
        let (header, bytes) = response().to_wire();
        let half = bytes.len() / 2;
        let pieces = [bytes.slice(..half), bytes.slice(half..)].map(LivePart::Live);
        let [first, second] = pieces;
        let head = || LivePart::Header(header.clone());
        assert_eq!(
            live(vec![head(), first.clone(), second.clone()]).unwrap(),
            response()
        );
        let huge = LivePart::Header(proto::LiveSetHeader {
            live_length: MAX_LIVE_SET_BYTES + 1,
            ..header.clone()
        });
        let short = LivePart::Header(proto::LiveSetHeader {
            max_seq_no: 70_000,
            ..header.clone()
        });
        let garbage = LivePart::Live(Bytes::from(vec![0xff; bytes.len()]));
        let cases = [
            (vec![], true, "no header"),
            (vec![first.clone()], true, "no header"),
            (vec![head(), head()], false, "second header"),
            (vec![head(), first.clone()], true, "ended too soon"),
            (
                vec![head(), first.clone(), second.clone(), first.clone()],
                false,
                "longer than",
            ),
            (vec![huge], false, "may be"),
            (vec![short, first, second], false, "above max_seq_no 70000"),
            (vec![head(), garbage], false, "[live]"),
        ];
        for (parts, is_retryable, text) in cases {
            let exception = live(parts).unwrap_err();
            assert!(exception.reason().contains(text), "{exception} has no [{text}]");
            assert_eq!(exception.is_retryable(), is_retryable, "{exception}");
        }
    }
}
