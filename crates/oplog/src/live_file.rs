//! The live file: the live set and its digest as of one durable operation. Derived data, to spare a replay at open.

use std::path::Path;

use bytes::BufMut as _;

use crate::atomic_file::{self, NameSync};
use crate::envelope::Envelope;
use crate::frame::u64_at;
use crate::{Digest, LiveSet, LogError, SeqNo, Storage};

pub(crate) const LIVE_NAME: &str = "live";
const FORMAT_VERSION: u16 = 1;
const FIXED_LENGTH: usize = 56;
const ENVELOPE: Envelope = Envelope {
    magic: b"CCROLIVE",
    what: "a live file",
    versions: FORMAT_VERSION..=FORMAT_VERSION,
    fixed_length: FIXED_LENGTH,
};

/// The live set as of `valid_through`; every operation up to there was durable when this was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LiveFile {
    pub(crate) valid_through: Option<SeqNo>,
    pub(crate) updates: Option<SeqNo>,
    pub(crate) digest: Digest,
    pub(crate) live: LiveSet,
}

impl LiveFile {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let bitmap = self.live.to_bytes();
        let mut bytes = ENVELOPE.begin(FORMAT_VERSION, bitmap.len());
        bytes.put_slice(&[0; 6]);
        bytes.put_u64_le(SeqNo::to_plus_one(self.valid_through));
        bytes.put_u64_le(SeqNo::to_plus_one(self.updates));
        bytes.put_u128_le(self.digest.get());
        bytes.put_u64_le(bitmap.len() as u64);
        bytes.put_slice(&bitmap);
        Envelope::end(bytes)
    }

    pub(crate) fn decode(bytes: &[u8], path: &Path) -> Result<Self, LogError> {
        let corrupt = |reason: &str| LogError::corrupt(path, 0, None, reason);
        let (_, content) = ENVELOPE.open(bytes, path)?;
        let bitmap = &content[FIXED_LENGTH..];
        if u64_at(content, 48) != bitmap.len() as u64 {
            return Err(corrupt("a field is not valid"));
        }
        let digest = content[32..48].try_into().expect("the slice has 16 bytes");
        Ok(Self {
            valid_through: SeqNo::from_plus_one(u64_at(content, 16)),
            updates: SeqNo::from_plus_one(u64_at(content, 24)),
            digest: Digest::new(u128::from_le_bytes(digest)),
            live: LiveSet::from_bytes(bitmap).map_err(|error| corrupt(&error.reason))?,
        })
    }

    /// Writes the file and returns its size.
    pub(crate) fn save(&self, storage: &dyn Storage, dir: &Path) -> Result<u64, LogError> {
        let bytes = self.encode();
        atomic_file::replace(storage, dir, LIVE_NAME, &bytes, NameSync::Later)?;
        Ok(bytes.len() as u64)
    }

    pub(crate) fn load(storage: &dyn Storage, dir: &Path) -> Result<Option<Self>, LogError> {
        let path = dir.join(LIVE_NAME);
        atomic_file::read(storage, &path)?
            .map(|bytes| Self::decode(&bytes, &path))
            .transpose()
    }
}
