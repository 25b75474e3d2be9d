//! One operation on a document, as its owner writes it; [`Operation::to_frame`] gives the bytes that are stored and sent.

use bytes::{BufMut, Bytes, BytesMut};
use twox_hash::XxHash3_64;

use crate::frame::{CHECKSUM_END, FRAME_HEADER_LENGTH, Frame, LENGTH_END};
use crate::{DocumentVersion, PrimaryTerm, SeqNo, UnixMillis};

/// The longest document id in bytes.
pub const MAX_ID_LENGTH: usize = 512;
/// The longest routing value in bytes.
pub const MAX_ROUTING_LENGTH: usize = 512;
/// The longest source in bytes.
pub const MAX_SOURCE_LENGTH: usize = 100 << 20;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OperationKind {
    /// Creates or replaces a document.
    Index,
    /// Removes a document.
    Delete,
    /// Fills a place in the history; its reason, if any, is the source.
    NoOp,
}

impl OperationKind {
    pub(crate) const fn to_byte(self) -> u8 {
        match self {
            Self::Index => 1,
            Self::Delete => 2,
            Self::NoOp => 3,
        }
    }

    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Index),
            2 => Some(Self::Delete),
            3 => Some(Self::NoOp),
            _ => None,
        }
    }
}

/// An operation cannot be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The id is longer than [`MAX_ID_LENGTH`].
    #[error("id is too long, must be no longer than {MAX_ID_LENGTH} bytes but was: {length}")]
    IdTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The routing is longer than [`MAX_ROUTING_LENGTH`].
    #[error("routing is too long, must be no longer than {MAX_ROUTING_LENGTH} bytes but was: {length}")]
    RoutingTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The source is longer than [`MAX_SOURCE_LENGTH`].
    #[error("source is too long, must be no longer than {MAX_SOURCE_LENGTH} bytes but was: {length}")]
    SourceTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// An operation supersedes only an earlier one.
    #[error("operation {seq_no} cannot supersede operation {superseded}")]
    SupersedesLater {
        /// The operation.
        seq_no: SeqNo,
        /// What it claims to supersede.
        superseded: SeqNo,
    },
}

/// An operation with all its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its place in the history.
    pub seq_no: SeqNo,
    /// The live index operation of the same document that this one makes dead; `None` when the document did not exist.
    pub superseded: Option<SeqNo>,
    /// The term of the primary that accepted it.
    pub primary_term: PrimaryTerm,
    /// The version of the document after it.
    pub version: DocumentVersion,
    /// When the leader's primary accepted it, on the leader's clock.
    pub timestamp: UnixMillis,
    /// What it does.
    pub kind: OperationKind,
    /// The document's id, at most [`MAX_ID_LENGTH`] bytes.
    pub id: String,
    /// The document's routing, if it was given; at most [`MAX_ROUTING_LENGTH`] bytes. An empty text is no routing.
    pub routing: Option<String>,
    /// The document's source, at most [`MAX_SOURCE_LENGTH`] bytes; empty for a delete.
    pub source: Bytes,
}

impl Operation {
    /// Encodes the operation, once for its whole life.
    ///
    /// # Errors
    /// [`EncodeError`] when a part exceeds its limit.
    pub fn to_frame(&self) -> Result<Frame, EncodeError> {
        let routing = self.routing.as_deref().unwrap_or_default();
        self.check(routing)?;
        let length = FRAME_HEADER_LENGTH + self.id.len() + routing.len() + self.source.len();
        let mut bytes = BytesMut::with_capacity(length);
        // The limits above keep every length within its field.
        bytes.put_u32_le(length as u32);
        bytes.put_u64_le(0);
        bytes.put_u64_le(self.seq_no.get());
        bytes.put_u64_le(SeqNo::to_plus_one(self.superseded));
        bytes.put_u64_le(self.primary_term.get());
        bytes.put_u64_le(self.version.get());
        bytes.put_u64_le(self.timestamp.get());
        bytes.put_u8(self.kind.to_byte());
        bytes.put_u8(0);
        bytes.put_u16_le(self.id.len() as u16);
        bytes.put_u16_le(routing.len() as u16);
        bytes.put_u32_le(self.source.len() as u32);
        bytes.put_slice(self.id.as_bytes());
        bytes.put_slice(routing.as_bytes());
        bytes.put_slice(&self.source);
        let checksum = XxHash3_64::oneshot(&bytes[CHECKSUM_END..]);
        bytes[LENGTH_END..CHECKSUM_END].copy_from_slice(&checksum.to_le_bytes());
        Ok(Frame::from_encoded(bytes.freeze()))
    }

    fn check(&self, routing: &str) -> Result<(), EncodeError> {
        if self.id.len() > MAX_ID_LENGTH {
            return Err(EncodeError::IdTooLong {
                length: self.id.len(),
            });
        }
        if routing.len() > MAX_ROUTING_LENGTH {
            return Err(EncodeError::RoutingTooLong {
                length: routing.len(),
            });
        }
        if self.source.len() > MAX_SOURCE_LENGTH {
            return Err(EncodeError::SourceTooLong {
                length: self.source.len(),
            });
        }
        match self.superseded {
            Some(superseded) if superseded >= self.seq_no => Err(EncodeError::SupersedesLater {
                seq_no: self.seq_no,
                superseded,
            }),
            _ => Ok(()),
        }
    }
}
