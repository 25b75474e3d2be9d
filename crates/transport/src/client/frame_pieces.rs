//! Operations put together from their pieces.

use bytes::{Bytes, BytesMut};
use oplog::{ByteCount, Frame, FrameError, MAX_FRAME_LENGTH};

use crate::proto;

/// Frame header and what an id and routing take more than their estimated size says.
const EXCESS_PER_OPERATION: u64 = 128;

/// The largest estimated size of an operation, and a bit.
const LARGEST_OPERATION: u64 = 2 * MAX_FRAME_LENGTH as u64;

/// Pieces that are no operations.
#[derive(Debug, thiserror::Error)]
pub(super) enum FramePiecesError {
    #[error("the answer ended within an operation")]
    Truncated,
    #[error("the answer is longer than the {limit} bytes that were asked for at most")]
    TooLong { limit: u64 },
    #[error("a frame is damaged: {0}")]
    Frame(#[source] FrameError),
}

/// Takes the pieces of one answer, never more bytes than the request allows (FT-2).
#[derive(Debug)]
pub(super) struct FramePieces {
    limit: u64,
    received: u64,
    frames: Vec<Frame>,
    /// Pieces of an operation that is longer than a piece.
    unfinished: Vec<Bytes>,
}

impl FramePieces {
    /// For a request of so many operations, and of bytes as in [`crate::ShardChangesRequest`].
    pub(super) fn new(
        max_operation_count: u32,
        max_batch_size: ByteCount,
        max_response_size: ByteCount,
    ) -> Self {
        // The operation that makes the estimated size exceed the size of a batch comes on top.
        let estimated = max_batch_size
            .get()
            .saturating_add(LARGEST_OPERATION)
            .min(max_response_size.get());
        // The estimated size counts ids and routing twice, so encoded text takes at most half as much again.
        let excess = EXCESS_PER_OPERATION.saturating_mul(u64::from(max_operation_count));
        let limit = estimated.saturating_add(estimated / 2).saturating_add(excess);
        Self {
            limit,
            received: 0,
            frames: Vec::new(),
            unfinished: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, piece: proto::FramesPiece) -> Result<(), FramePiecesError> {
        self.received = self.received.saturating_add(piece.frames.len() as u64);
        if self.received > self.limit {
            return Err(FramePiecesError::TooLong { limit: self.limit });
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
        self.frames
            .extend(Frame::split(bytes).map_err(FramePiecesError::Frame)?);
        Ok(())
    }

    /// How many frames are there from end to end.
    pub(super) fn whole_frames(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn finish(self) -> Result<Vec<Frame>, FramePiecesError> {
        if self.unfinished.is_empty() {
            Ok(self.frames)
        } else {
            Err(FramePiecesError::Truncated)
        }
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
