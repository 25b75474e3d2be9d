//! The live set: which operations are still the current version of their document, and the digest over them.

use std::fmt;

use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use crate::{Frame, IdError, OperationKind, SeqNo};

/// The seq_nos of the operations that are the current version of their document.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LiveSet {
    bitmap: RoaringTreemap,
}

/// Bytes are not a live set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bytes are not a live set: {reason}")]
pub struct LiveSetError {
    pub(crate) reason: String,
}

impl LiveSet {
    /// A set of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the operation is live.
    pub fn contains(&self, seq_no: SeqNo) -> bool {
        self.bitmap.contains(seq_no.get())
    }

    /// How many operations are live, which is how many documents there are.
    pub fn len(&self) -> u64 {
        self.bitmap.len()
    }

    /// How many operations from `first` to `last`, both included, are live.
    pub fn count_in(&self, first: SeqNo, last: SeqNo) -> u64 {
        let below = first
            .get()
            .checked_sub(1)
            .map_or(0, |before| self.bitmap.rank(before));
        self.bitmap.rank(last.get()).saturating_sub(below)
    }

    /// Whether nothing is live.
    pub fn is_empty(&self) -> bool {
        self.bitmap.is_empty()
    }

    /// The live operations in seq_no order.
    pub fn iter(&self) -> impl Iterator<Item = SeqNo> + '_ {
        self.bitmap.iter().map(SeqNo::new)
    }

    /// The live operations from `first` on, in seq_no order.
    pub fn iter_from(&self, first: SeqNo) -> impl Iterator<Item = SeqNo> + '_ {
        let mut iter = self.bitmap.iter();
        iter.advance_to(first.get());
        iter.map(SeqNo::new)
    }

    /// The portable 64-bit Roaring format.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bitmap.serialized_size());
        self.bitmap
            .serialize_into(&mut bytes)
            .expect("writing to memory cannot fail");
        bytes
    }

    /// The inverse of [`Self::to_bytes`].
    ///
    /// # Errors
    /// [`LiveSetError`] when the bytes are not exactly one set.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, LiveSetError> {
        let bitmap = RoaringTreemap::deserialize_from(&mut bytes).map_err(|error| LiveSetError {
            reason: error.to_string(),
        })?;
        if !bytes.is_empty() {
            return Err(LiveSetError {
                reason: format!("{} bytes too many", bytes.len()),
            });
        }
        Ok(Self { bitmap })
    }

    /// Adds an operation; false when it was in the set already. For building the set of a heal or a comparison.
    pub fn insert(&mut self, seq_no: SeqNo) -> bool {
        self.bitmap.insert(seq_no.get())
    }

    /// Removes an operation; false when it was not in the set.
    pub fn remove(&mut self, seq_no: SeqNo) -> bool {
        self.bitmap.remove(seq_no.get())
    }

    /// Removes all of `others`.
    pub(crate) fn subtract(&mut self, others: &RoaringTreemap) {
        self.bitmap -= others;
    }

    /// What is in this set and not in `other`.
    pub(crate) fn without(&self, other: &Self) -> RoaringTreemap {
        &self.bitmap - &other.bitmap
    }

    pub(crate) fn into_bitmap(self) -> RoaringTreemap {
        self.bitmap
    }
}

impl FromIterator<SeqNo> for LiveSet {
    fn from_iter<I: IntoIterator<Item = SeqNo>>(iter: I) -> Self {
        Self {
            bitmap: iter.into_iter().map(SeqNo::get).collect(),
        }
    }
}

/// A commutative fingerprint of a set of operations: the sum, modulo 2^128, of a hash of each (seq_no, frame checksum).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(u128);

impl Digest {
    /// The digest of nothing.
    pub const EMPTY: Self = Self(0);

    /// Wraps a raw value.
    pub const fn new(value: u128) -> Self {
        Self(value)
    }

    /// The raw value.
    pub const fn get(self) -> u128 {
        self.0
    }

    /// This digest with one operation more.
    #[must_use]
    pub fn with(self, seq_no: SeqNo, checksum: u64) -> Self {
        Self(self.0.wrapping_add(hash(seq_no, checksum)))
    }

    /// This digest with one operation less.
    #[must_use]
    pub fn without(self, seq_no: SeqNo, checksum: u64) -> Self {
        Self(self.0.wrapping_sub(hash(seq_no, checksum)))
    }
}

fn hash(seq_no: SeqNo, checksum: u64) -> u128 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&seq_no.get().to_le_bytes());
    bytes[8..].copy_from_slice(&checksum.to_le_bytes());
    XxHash3_128::oneshot(&bytes)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl std::str::FromStr for Digest {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        u128::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| IdError::NotANumber {
                what: "digest",
                text: text.to_owned(),
            })
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What two copies of a shard compare: equal summaries mean equal documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveSummary {
    /// The last operation that the summary takes into account.
    pub max_seq_no: Option<SeqNo>,
    /// How many operations are live.
    pub live_count: u64,
    /// The digest over the live operations.
    pub digest: Digest,
}

/// The live set of a log as operations are applied to it in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct LiveTracker {
    pub(crate) live: LiveSet,
    pub(crate) digest: Digest,
}

impl LiveTracker {
    /// Applies the next operation. `superseded_checksum` belongs to the operation it supersedes.
    /// False, and nothing changed, when that operation is not live.
    pub(crate) fn apply(&mut self, frame: &Frame, superseded_checksum: Option<u64>) -> bool {
        if let (Some(superseded), Some(checksum)) = (frame.superseded(), superseded_checksum) {
            if !self.live.remove(superseded) {
                return false;
            }
            self.digest = self.digest.without(superseded, checksum);
        }
        if frame.kind() == OperationKind::Index {
            self.live.insert(frame.seq_no());
            self.digest = self.digest.with(frame.seq_no(), frame.checksum());
        }
        true
    }

    /// Takes back the operation that was applied last.
    pub(crate) fn undo(&mut self, frame: &Frame, superseded_checksum: Option<u64>) {
        if frame.kind() == OperationKind::Index {
            self.live.remove(frame.seq_no());
            self.digest = self.digest.without(frame.seq_no(), frame.checksum());
        }
        if let (Some(superseded), Some(checksum)) = (frame.superseded(), superseded_checksum) {
            self.live.insert(superseded);
            self.digest = self.digest.with(superseded, checksum);
        }
    }
}

/// Whether an operation changes or removes a document that existed, as far as readers of `max_seq_no_of_updates_or_deletes` care.
pub(crate) fn is_update_or_delete(frame: &Frame) -> bool {
    frame.superseded().is_some() || frame.kind() == OperationKind::Delete
}
