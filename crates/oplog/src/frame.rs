//! The stored form of an operation: checksummed, little-endian, the same bytes in every log and on every wire.
//!
//! ```text
//! 0   u32  length of the whole frame, this field included
//! 4   u64  xxh3_64 of everything that follows
//! 12  u64  seq_no
//! 20  u64  superseded seq_no + 1, 0 for none
//! 28  u64  primary term
//! 36  u64  document version
//! 44  u64  timestamp, ms since 1970 on the leader's clock
//! 52  u8   kind: 1 index, 2 delete, 3 no-op
//! 53  u8   flags, 0
//! 54  u16  id length     56 u16 routing length (0: none)     58 u32 source length
//! 62  id, routing, source
//! ```

use std::fmt;

use bytes::Bytes;
use twox_hash::XxHash3_64;

use crate::operation::{MAX_ID_LENGTH, MAX_ROUTING_LENGTH, MAX_SOURCE_LENGTH};
use crate::{ByteCount, DocumentVersion, Operation, OperationKind, PrimaryTerm, SeqNo, UnixMillis};

/// Bytes before the id.
pub const FRAME_HEADER_LENGTH: usize = 62;
/// The longest frame in bytes.
pub const MAX_FRAME_LENGTH: usize =
    FRAME_HEADER_LENGTH + MAX_ID_LENGTH + MAX_ROUTING_LENGTH + MAX_SOURCE_LENGTH;

pub(crate) const LENGTH_END: usize = 4;
pub(crate) const CHECKSUM_END: usize = 12;

/// Bytes are not a valid frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes end before the frame does.
    #[error("frame is cut off: {available} of {needed} bytes")]
    CutOff {
        /// How many bytes there are.
        available: usize,
        /// How many bytes the frame has, or its header if even that is not complete.
        needed: usize,
    },
    /// The length field cannot be that of a frame.
    #[error("frame length {length} is out of bounds")]
    Length {
        /// The value of the length field.
        length: u32,
    },
    /// There are bytes after the frame.
    #[error("{excess} bytes follow the frame")]
    Excess {
        /// How many.
        excess: usize,
    },
    /// The content does not have the stated checksum.
    #[error("frame checksum mismatch: stated {stated:016x}, computed {computed:016x}")]
    Checksum {
        /// The checksum in the frame.
        stated: u64,
        /// The checksum of its bytes.
        computed: u64,
    },
    /// The checksum is right, but a field is not valid: written by a faulty or newer version.
    #[error("frame field [{field}] is not valid")]
    Field {
        /// Which field.
        field: &'static str,
    },
}

/// A verified operation: a cheap view over shared bytes.
///
/// A clone costs a reference count. Slices of a larger buffer keep all of it in memory (at most 1 MiB for frames
/// that were read from a log, unless one frame alone is larger).
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
}

impl Frame {
    /// Takes bytes that are exactly one frame.
    ///
    /// # Errors
    /// [`FrameError`] when they are not.
    pub fn verify(bytes: Bytes) -> Result<Self, FrameError> {
        let length = frame_length(&bytes)?;
        if bytes.len() > length {
            return Err(FrameError::Excess {
                excess: bytes.len() - length,
            });
        }
        check(&bytes)?;
        Ok(Self { bytes })
    }

    /// Cuts bytes into the frames they consist of; the frames share `bytes`.
    ///
    /// # Errors
    /// [`FrameError`] of the first bytes that are not a frame.
    pub fn split(mut bytes: Bytes) -> Result<Vec<Self>, FrameError> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let length = frame_length(&bytes)?;
            let frame = bytes.split_to(length);
            check(&frame)?;
            frames.push(Self { bytes: frame });
        }
        Ok(frames)
    }

    pub(crate) fn from_encoded(bytes: Bytes) -> Self {
        debug_assert_eq!(check(&bytes), Ok(()));
        Self { bytes }
    }

    /// Its place in the history.
    pub fn seq_no(&self) -> SeqNo {
        SeqNo::new(self.u64_at(12))
    }

    /// The live index operation of the same document that this one makes dead.
    pub fn superseded(&self) -> Option<SeqNo> {
        SeqNo::from_plus_one(self.u64_at(20))
    }

    /// The term of the primary that accepted it.
    pub fn primary_term(&self) -> PrimaryTerm {
        PrimaryTerm::new(self.u64_at(28)).expect("verify refused the term 0")
    }

    /// The version of the document after it.
    pub fn version(&self) -> DocumentVersion {
        DocumentVersion::new(self.u64_at(36))
    }

    /// When the leader's primary accepted it, on the leader's clock.
    pub fn timestamp(&self) -> UnixMillis {
        UnixMillis::new(self.u64_at(44))
    }

    /// What it does.
    pub fn kind(&self) -> OperationKind {
        OperationKind::from_byte(self.bytes[52]).expect("verify refused unknown kinds")
    }

    /// The document's id.
    pub fn id(&self) -> &str {
        let end = FRAME_HEADER_LENGTH + id_length(&self.bytes);
        std::str::from_utf8(&self.bytes[FRAME_HEADER_LENGTH..end])
            .expect("verify refused ids that are not UTF-8")
    }

    /// The document's routing, if it was given.
    pub fn routing(&self) -> Option<&str> {
        let start = FRAME_HEADER_LENGTH + id_length(&self.bytes);
        let routing = &self.bytes[start..self.source_start()];
        if routing.is_empty() {
            return None;
        }
        Some(std::str::from_utf8(routing).expect("verify refused routings that are not UTF-8"))
    }

    /// The document's source.
    pub fn source(&self) -> &[u8] {
        &self.bytes[self.source_start()..]
    }

    /// The document's source, sharing this frame's bytes.
    pub fn source_bytes(&self) -> Bytes {
        self.bytes.slice(self.source_start()..)
    }

    /// The xxh3_64 checksum of everything after the checksum.
    pub fn checksum(&self) -> u64 {
        self.u64_at(LENGTH_END)
    }

    /// The frame as it is stored and sent.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a frame is never empty")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The size that every byte limit of a read counts.
    ///
    /// Source: `Translog.Operation#estimateSize` of Elasticsearch: strings count two bytes for each UTF-16 unit, plus 32
    /// (index), 24 (delete) or 16 (no-op).
    pub fn estimated_size(&self) -> u64 {
        let size = match self.kind() {
            OperationKind::Index => {
                // Of id and routing, which lie one after the other.
                2 * utf16_length(&self.bytes[FRAME_HEADER_LENGTH..self.source_start()])
                    + self.source().len()
                    + 32
            }
            OperationKind::Delete => 2 * utf16_length(self.id().as_bytes()) + 24,
            OperationKind::NoOp => 2 * utf16_length(self.source()) + 16,
        };
        size as u64
    }

    /// The operation in its owned form.
    pub fn to_operation(&self) -> Operation {
        Operation {
            seq_no: self.seq_no(),
            superseded: self.superseded(),
            primary_term: self.primary_term(),
            version: self.version(),
            timestamp: self.timestamp(),
            kind: self.kind(),
            id: self.id().to_owned(),
            routing: self.routing().map(str::to_owned),
            source: self.source_bytes(),
        }
    }

    fn u64_at(&self, offset: usize) -> u64 {
        u64_at(&self.bytes, offset)
    }

    fn source_start(&self) -> usize {
        FRAME_HEADER_LENGTH + id_length(&self.bytes) + routing_length(&self.bytes)
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("seq_no", &self.seq_no().get())
            .field("superseded", &self.superseded().map(SeqNo::get))
            .field("primary_term", &self.primary_term().get())
            .field("version", &self.version().get())
            .field("kind", &self.kind())
            .field("id", &self.id())
            .field("length", &self.len())
            .finish_non_exhaustive()
    }
}

/// The length of the frame that starts here, if its length field is possible and all its bytes are there.
pub(crate) fn frame_length(bytes: &[u8]) -> Result<usize, FrameError> {
    if bytes.len() < LENGTH_END {
        return Err(FrameError::CutOff {
            available: bytes.len(),
            needed: FRAME_HEADER_LENGTH,
        });
    }
    let length = u32_at(bytes, 0);
    let needed = length as usize;
    if !(FRAME_HEADER_LENGTH..=MAX_FRAME_LENGTH).contains(&needed) {
        return Err(FrameError::Length { length });
    }
    if bytes.len() < needed {
        return Err(FrameError::CutOff {
            available: bytes.len(),
            needed,
        });
    }
    Ok(needed)
}

/// Checks a whole frame whose length is that of `bytes`.
fn check(bytes: &[u8]) -> Result<(), FrameError> {
    let stated = u64_at(bytes, LENGTH_END);
    let computed = XxHash3_64::oneshot(&bytes[CHECKSUM_END..]);
    if stated != computed {
        return Err(FrameError::Checksum { stated, computed });
    }
    let field = |field| Err(FrameError::Field { field });
    let source_length = u32_at(bytes, 58) as usize;
    let (id, routing) = (id_length(bytes), routing_length(bytes));
    if FRAME_HEADER_LENGTH + id + routing + source_length != bytes.len() {
        return field("length");
    }
    if id > MAX_ID_LENGTH || !is_utf8(&bytes[FRAME_HEADER_LENGTH..][..id]) {
        return field("id");
    }
    if routing > MAX_ROUTING_LENGTH || !is_utf8(&bytes[FRAME_HEADER_LENGTH + id..][..routing]) {
        return field("routing");
    }
    if source_length > MAX_SOURCE_LENGTH {
        return field("source");
    }
    let seq_no = u64_at(bytes, 12);
    if seq_no > SeqNo::MAX.get() {
        return field("seq_no");
    }
    if u64_at(bytes, 20) > seq_no {
        return field("superseded");
    }
    if u64_at(bytes, 28) == 0 {
        return field("primary_term");
    }
    if OperationKind::from_byte(bytes[52]).is_none() {
        return field("kind");
    }
    if bytes[53] != 0 {
        return field("flags");
    }
    Ok(())
}

fn id_length(bytes: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([bytes[54], bytes[55]]))
}

fn routing_length(bytes: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([bytes[56], bytes[57]]))
}

/// Ids are mostly ASCII, which is told faster.
fn is_utf8(text: &[u8]) -> bool {
    text.is_ascii() || std::str::from_utf8(text).is_ok()
}

/// The UTF-16 units of a text; none if it is not UTF-8.
fn utf16_length(text: &[u8]) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        std::str::from_utf8(text).map_or(0, |text| text.encode_utf16().count())
    }
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(
        bytes[offset..offset + 4]
            .try_into()
            .expect("the slice has 4 bytes"),
    )
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(
        bytes[offset..offset + 8]
            .try_into()
            .expect("the slice has 8 bytes"),
    )
}

/// Cuts off what goes beyond `most` bytes of [`Frame::estimated_size`] together; gives the first frame that was cut off, if any was.
pub fn cut_to_size(frames: &mut Vec<Frame>, most: ByteCount) -> Option<Frame> {
    let mut size = 0_u64;
    let fitting = frames.iter().take_while(|frame| {
        size = size.saturating_add(frame.estimated_size());
        size <= most.get()
    });
    let fitting = fitting.count();
    let first = frames.get(fitting).cloned();
    frames.truncate(fitting);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(source: usize) -> Frame {
        let source = vec![b'x'; source].into();
        Operation {
            source,
            ..operation()
        }
        .to_frame()
        .unwrap()
    }

    fn operation() -> Operation {
        Operation {
            seq_no: SeqNo::new(7),
            superseded: Some(SeqNo::new(3)),
            primary_term: PrimaryTerm::FIRST,
            version: DocumentVersion::new(2),
            timestamp: UnixMillis::new(1_700_000_000_000),
            kind: OperationKind::Index,
            id: "dö".to_owned(),
            routing: Some("r1".to_owned()),
            source: Bytes::from_static(b"{\"a\":1}"),
        }
    }

    #[test]
    fn an_operation_survives_its_frame() {
        let frame = operation().to_frame().unwrap();
        assert_eq!(
            Frame::verify(frame.bytes().clone()).unwrap().to_operation(),
            operation()
        );
        assert_eq!(frame.len(), FRAME_HEADER_LENGTH + 3 + 2 + 7);
        assert_eq!(frame.estimated_size(), 2 * 2 + 7 + 2 * 2 + 32);
    }

    #[test]
    fn size_estimates_follow_the_kind() {
        let delete = Operation {
            kind: OperationKind::Delete,
            source: Bytes::new(),
            ..operation()
        };
        assert_eq!(delete.to_frame().unwrap().estimated_size(), 2 * 2 + 24);
        let source = Bytes::from_static(b"because");
        let no_op = Operation {
            kind: OperationKind::NoOp,
            id: String::new(),
            source,
            ..operation()
        };
        assert_eq!(no_op.to_frame().unwrap().estimated_size(), 2 * 7 + 16);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let frame = operation().to_frame().unwrap();
        for byte in 0..frame.len() {
            for bit in 0..8 {
                let mut bytes = frame.bytes().to_vec();
                bytes[byte] ^= 1 << bit;
                assert!(Frame::verify(bytes.into()).is_err(), "byte {byte} bit {bit}");
            }
            assert!(Frame::verify(frame.bytes().slice(..byte)).is_err());
        }
        let mut longer = frame.bytes().to_vec();
        longer.push(0);
        assert_eq!(
            Frame::verify(longer.into()),
            Err(FrameError::Excess { excess: 1 })
        );
    }

    #[test]
    fn frames_are_cut_to_the_size_that_they_may_have_together() {
        let all: Vec<Frame> = [10, 200, 30].map(sized).into();
        let sizes: Vec<u64> = all.iter().map(Frame::estimated_size).collect();
        // (bytes, frames left)
        let cases = [
            (0, 0),
            (sizes[0] - 1, 0),
            (sizes[0], 1),
            (sizes[0] + sizes[1] - 1, 1),
            (sizes[0] + sizes[2], 1),
            (sizes[0] + sizes[1], 2),
            (sizes.iter().sum(), 3),
            (u64::MAX, 3),
        ];
        for (most, left) in cases {
            let mut frames = all.clone();
            let cut = cut_to_size(&mut frames, ByteCount::new(most));
            assert_eq!(frames, all[..left], "{most} bytes");
            assert_eq!(cut.as_ref(), all.get(left), "{most} bytes");
        }
        assert_eq!(cut_to_size(&mut Vec::new(), ByteCount::ZERO), None);
    }

    #[test]
    fn frames_are_split_without_a_copy() {
        let first = operation().to_frame().unwrap();
        let second = Operation {
            seq_no: SeqNo::new(8),
            routing: None,
            ..operation()
        }
        .to_frame()
        .unwrap();
        let joined: Bytes = [first.bytes().as_ref(), second.bytes().as_ref()].concat().into();
        let frames = Frame::split(joined.clone()).unwrap();
        assert_eq!(frames, [first.clone(), second]);
        assert_eq!(frames[1].bytes().as_ptr(), joined[first.len()..].as_ptr());
        assert!(Frame::split(joined.slice(..joined.len() - 1)).is_err());
    }

    #[test]
    fn limits_are_enforced() {
        let long_id = Operation {
            id: "x".repeat(MAX_ID_LENGTH + 1),
            ..operation()
        };
        assert!(matches!(long_id.to_frame(), Err(EncodeError::IdTooLong { .. })));
        let long_routing = Operation {
            routing: Some("x".repeat(MAX_ROUTING_LENGTH + 1)),
            ..operation()
        };
        assert!(matches!(
            long_routing.to_frame(),
            Err(EncodeError::RoutingTooLong { .. })
        ));
        let later = Operation {
            superseded: Some(SeqNo::new(7)),
            ..operation()
        };
        assert!(matches!(
            later.to_frame(),
            Err(EncodeError::SupersedesLater { .. })
        ));
        let long_source = Operation {
            source: vec![0; MAX_SOURCE_LENGTH + 1].into(),
            ..operation()
        };
        assert!(matches!(
            long_source.to_frame(),
            Err(EncodeError::SourceTooLong { .. })
        ));
    }

    use crate::EncodeError;
}
