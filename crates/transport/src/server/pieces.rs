//! Frames in pieces.

use bytes::{Bytes, BytesMut};
use oplog::Frame;

use crate::proto;
use crate::wire::PIECE_BYTES;

/// Cuts operations into pieces as they are sent, so that an answer is never in memory twice.
///
/// A piece ends with a frame, unless a frame is longer than a piece: then the receiver can take its frames as slices of what it received.
#[derive(Debug)]
pub(super) struct Pieces {
    frames: std::iter::Peekable<std::vec::IntoIter<Frame>>,
    /// What is left of a frame that is longer than a piece.
    rest: Bytes,
}

impl Pieces {
    pub(super) fn new(frames: Vec<Frame>) -> Self {
        Self {
            frames: frames.into_iter().peekable(),
            rest: Bytes::new(),
        }
    }

    fn cut_rest(&mut self) -> proto::FramesPiece {
        let frames = self.rest.split_to(self.rest.len().min(PIECE_BYTES));
        proto::FramesPiece {
            frames,
            continued: !self.rest.is_empty(),
        }
    }
}

impl Iterator for Pieces {
    type Item = proto::FramesPiece;

    fn next(&mut self) -> Option<proto::FramesPiece> {
        if !self.rest.is_empty() {
            return Some(self.cut_rest());
        }
        let first = self.frames.next()?;
        let mut length = first.len();
        if length > PIECE_BYTES {
            self.rest = first.bytes().clone();
            return Some(self.cut_rest());
        }
        let mut together = vec![first];
        while let Some(frame) = self.frames.next_if(|frame| length + frame.len() <= PIECE_BYTES) {
            length += frame.len();
            together.push(frame);
        }
        let frames = match together.as_slice() {
            [one] => one.bytes().clone(),
            many => {
                let mut bytes = BytesMut::with_capacity(length);
                many.iter()
                    .for_each(|frame| bytes.extend_from_slice(frame.bytes()));
                bytes.freeze()
            }
        };
        Some(proto::FramesPiece {
            frames,
            continued: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::frame;

    #[test]
    fn pieces_are_bounded_end_with_a_frame_and_join_to_the_stored_bytes() {
        let sizes = [
            10,
            20,
            PIECE_BYTES * 3 / 5,
            PIECE_BYTES * 3 / 5,
            0,
            PIECE_BYTES - 62 - 4,
            PIECE_BYTES,
            3 * PIECE_BYTES,
            1,
        ];
        let frames: Vec<Frame> = (0..)
            .zip(sizes)
            .map(|(seq_no, size)| frame(seq_no, size))
            .collect();
        let stored: Vec<u8> = frames.iter().flat_map(|frame| frame.bytes().to_vec()).collect();
        let pieces: Vec<_> = Pieces::new(frames).collect();
        assert!(
            pieces
                .iter()
                .all(|piece| !piece.frames.is_empty() && piece.frames.len() <= PIECE_BYTES)
        );
        let continued: Vec<bool> = pieces.iter().map(|piece| piece.continued).collect();
        let expected = [false, false, false, true, false, true, true, true, false, false];
        assert_eq!(continued, expected);
        assert_eq!(
            pieces
                .iter()
                .flat_map(|piece| piece.frames.to_vec())
                .collect::<Vec<u8>>(),
            stored
        );
        assert_eq!(Pieces::new(Vec::new()).count(), 0);
    }

    #[test]
    fn a_lone_frame_is_sent_without_a_copy() {
        let big = frame(7, 2 * PIECE_BYTES);
        let small = frame(8, PIECE_BYTES / 2 + 1);
        let pieces: Vec<_> = Pieces::new(vec![big.clone(), small.clone()]).collect();
        assert_eq!(pieces[0].frames.as_ptr(), big.bytes().as_ptr());
        assert_eq!(pieces.last().unwrap().frames.as_ptr(), small.bytes().as_ptr());
    }
}
