//! What delta heals left behind: operations that are dead although nothing in this log supersedes them.
//!
//! A heal brings a log up to its leader without the operations that the leader has removed. So a document may have been replaced or deleted by an
//! operation that never came here, and the live set computed from the frames alone would still have it (OL-5). The `healed` file says so, for good: it is as
//! durable as the frames, and its loss is corruption.

use std::path::Path;

use bytes::BufMut as _;
use roaring::RoaringTreemap;

use crate::atomic_file::{self, NameSync};
use crate::envelope::Envelope;
use crate::frame::u64_at;
use crate::{LiveSet, LogError, SeqNo, Storage};

pub(crate) const HEALED_NAME: &str = "healed";
const FORMAT_VERSION: u16 = 1;
const FIXED_LENGTH: usize = 32;
const ENVELOPE: Envelope = Envelope {
    magic: b"CCRHEALD",
    what: "a healed file",
    versions: FORMAT_VERSION..=FORMAT_VERSION,
    fixed_length: FIXED_LENGTH,
};

/// The operations that delta heals made dead.
///
/// A bitmap of at most one bit for each operation; it only grows.
#[derive(Debug, Clone, PartialEq)]
pub struct Healed {
    through: SeqNo,
    dead: RoaringTreemap,
}

impl Healed {
    /// The operation that the last heal ended with: whatever was derived from the log up to somewhere before it must drop
    /// [`dead`](Self::dead) operations when it gets here.
    pub const fn through(&self) -> SeqNo {
        self.through
    }

    /// The operations that are dead without being superseded in this log, in seq_no order. Some may be gone by now.
    pub fn dead(&self) -> impl Iterator<Item = SeqNo> + '_ {
        self.dead.iter().map(SeqNo::new)
    }

    /// Whether the operation is among the dead ones.
    pub fn is_dead(&self, seq_no: SeqNo) -> bool {
        self.dead.contains(seq_no.get())
    }

    /// How many operations are [`dead`](Self::dead).
    pub fn dead_count(&self) -> u64 {
        self.dead.len()
    }

    /// Takes the dead operations out of a live set that was computed from frames up to [`through`](Self::through) or further.
    pub(crate) fn bury(&self, live: &mut LiveSet) {
        live.subtract(&self.dead);
    }

    /// These dead operations and `more`, as of a later heal.
    pub(crate) fn followed_by(before: Option<&Self>, through: SeqNo, more: &RoaringTreemap) -> Self {
        let dead = before.map_or_else(|| more.clone(), |before| &before.dead | more);
        Self { through, dead }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let length = self.dead.serialized_size();
        let mut bytes = ENVELOPE.begin(FORMAT_VERSION, length);
        bytes.put_slice(&[0; 6]);
        bytes.put_u64_le(self.through.get());
        bytes.put_u64_le(length as u64);
        self.dead
            .serialize_into(&mut bytes)
            .expect("writing to memory cannot fail");
        Envelope::end(bytes)
    }

    pub(crate) fn decode(bytes: &[u8], path: &Path) -> Result<Self, LogError> {
        let corrupt = |reason: &str| LogError::corrupt(path, 0, None, reason);
        let (_, content) = ENVELOPE.open(bytes, path)?;
        let bitmap = &content[FIXED_LENGTH..];
        if u64_at(content, 24) != bitmap.len() as u64 {
            return Err(corrupt("a field is not valid"));
        }
        let dead = LiveSet::from_bytes(bitmap).map_err(|error| corrupt(&error.reason))?;
        Ok(Self {
            through: SeqNo::new(u64_at(content, 16)),
            dead: dead.into_bitmap(),
        })
    }

    pub(crate) fn save(&self, storage: &dyn Storage, dir: &Path) -> Result<(), LogError> {
        atomic_file::replace(storage, dir, HEALED_NAME, &self.encode(), NameSync::Later)
    }

    pub(crate) fn load(storage: &dyn Storage, dir: &Path) -> Result<Option<Self>, LogError> {
        let path = dir.join(HEALED_NAME);
        atomic_file::read(storage, &path)?
            .map(|bytes| Self::decode(&bytes, &path))
            .transpose()
    }

    /// As [`load`](Self::load), where the checkpoint says whether there must be one.
    pub(crate) fn load_expected(
        storage: &dyn Storage,
        dir: &Path,
        is_expected: bool,
    ) -> Result<Option<Self>, LogError> {
        let healed = Self::load(storage, dir)?;
        if healed.is_none() && is_expected {
            return Err(LogError::corrupt(dir.join(HEALED_NAME), 0, None, "it is missing"));
        }
        Ok(healed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_healed_file_survives_and_every_damage_is_found() {
        let healed = Healed {
            through: SeqNo::new(90),
            dead: [3, 17, 1 << 40].into_iter().collect(),
        };
        let bytes = healed.encode();
        let path = Path::new("healed");
        assert_eq!(Healed::decode(&bytes, path).unwrap(), healed);
        for byte in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[byte] ^= 0x40;
            assert!(Healed::decode(&damaged, path).is_err(), "byte {byte}");
            assert!(Healed::decode(&bytes[..byte], path).is_err());
        }
    }
}
