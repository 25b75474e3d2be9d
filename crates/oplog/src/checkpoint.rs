//! The checkpoint file: how far the log was surely durable, and what the log is.

use std::path::Path;

use bytes::BufMut as _;

use crate::atomic_file::{self, NameSync};
use crate::envelope::Envelope;
use crate::frame::{u32_at, u64_at};
use crate::log::TermStart;
use crate::{HistoryUuid, LogError, PrimaryTerm, SeqNo, Storage};

pub(crate) const CHECKPOINT_NAME: &str = "checkpoint";
/// Of a log that was never healed.
const FORMAT_VERSION: u16 = 1;
/// The same bytes, and the log has a `healed` file, without which its live set cannot be told.
const HEALED_FORMAT_VERSION: u16 = 2;
const FIXED_LENGTH: usize = 48;
const ENVELOPE: Envelope = Envelope {
    magic: b"CCRCHECK",
    what: "a checkpoint file",
    versions: FORMAT_VERSION..=HEALED_FORMAT_VERSION,
    fixed_length: FIXED_LENGTH,
};

/// What the checkpoint file holds. Written at seal, at flush, and at most each second after a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Everything up to here was fsynced. May trail what really was; losing it would hide damage.
    pub(crate) durable: Option<SeqNo>,
    /// Never goes down.
    pub(crate) min_retained: SeqNo,
    pub(crate) primary_term: PrimaryTerm,
    pub(crate) history_uuid: HistoryUuid,
    pub(crate) terms: Vec<TermStart>,
    /// Whether the log has a `healed` file.
    pub(crate) is_healed: bool,
}

impl Checkpoint {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let uuid = self.history_uuid.as_str().as_bytes();
        let version = match self.is_healed {
            true => HEALED_FORMAT_VERSION,
            false => FORMAT_VERSION,
        };
        let mut bytes = ENVELOPE.begin(version, uuid.len() + 16 * self.terms.len());
        bytes.put_u16_le(0);
        bytes.put_u32_le(
            u32::try_from(self.terms.len()).expect("terms change by hand, not four billion times"),
        );
        bytes.put_u64_le(SeqNo::to_plus_one(self.durable));
        bytes.put_u64_le(self.min_retained.get());
        bytes.put_u64_le(self.primary_term.get());
        bytes.put_u64_le(uuid.len() as u64);
        bytes.put_slice(uuid);
        for start in &self.terms {
            bytes.put_u64_le(start.term.get());
            bytes.put_u64_le(start.first_seq_no.get());
        }
        Envelope::end(bytes)
    }

    pub(crate) fn decode(bytes: &[u8], path: &Path) -> Result<Self, LogError> {
        let corrupt = |reason: &str| LogError::corrupt(path, 0, None, reason);
        let (version, content) = ENVELOPE.open(bytes, path)?;
        let is_healed = version == HEALED_FORMAT_VERSION;
        Self::decode_fields(content, is_healed).ok_or_else(|| corrupt("a field is not valid"))
    }

    fn decode_fields(content: &[u8], is_healed: bool) -> Option<Self> {
        let term_count = u32_at(content, 12) as usize;
        let uuid_length = usize::try_from(u64_at(content, 40)).ok()?;
        let rest = &content[FIXED_LENGTH..];
        let uuid = rest.get(..uuid_length)?;
        let terms = &rest[uuid_length..];
        if terms.len() != term_count.checked_mul(16)? {
            return None;
        }
        let term_start = |bytes: &[u8]| {
            Some(TermStart {
                term: PrimaryTerm::new(u64_at(bytes, 0))?,
                first_seq_no: SeqNo::new(u64_at(bytes, 8)),
            })
        };
        Some(Self {
            durable: SeqNo::from_plus_one(u64_at(content, 16)),
            min_retained: SeqNo::new(u64_at(content, 24)),
            primary_term: PrimaryTerm::new(u64_at(content, 32))?,
            history_uuid: std::str::from_utf8(uuid).ok()?.parse().ok()?,
            terms: terms.chunks_exact(16).map(term_start).collect::<Option<_>>()?,
            is_healed,
        })
    }

    pub(crate) fn save(
        &self,
        storage: &dyn Storage,
        dir: &Path,
        name_sync: NameSync,
    ) -> Result<(), LogError> {
        atomic_file::replace(storage, dir, CHECKPOINT_NAME, &self.encode(), name_sync)
    }

    pub(crate) fn load(storage: &dyn Storage, dir: &Path) -> Result<Option<Self>, LogError> {
        let path = dir.join(CHECKPOINT_NAME);
        atomic_file::read(storage, &path)?
            .map(|bytes| Self::decode(&bytes, &path))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_survives_and_every_damage_is_found() {
        for is_healed in [false, true] {
            check_damage(is_healed);
        }
    }

    fn check_damage(is_healed: bool) {
        let start = |term, first| TermStart {
            term: PrimaryTerm::new(term).unwrap(),
            first_seq_no: SeqNo::new(first),
        };
        let checkpoint = Checkpoint {
            is_healed,
            durable: Some(SeqNo::new(41)),
            min_retained: SeqNo::new(7),
            primary_term: PrimaryTerm::new(3).unwrap(),
            history_uuid: HistoryUuid::generate(),
            terms: vec![start(1, 0), start(3, 20)],
        };
        let bytes = checkpoint.encode();
        let path = Path::new("checkpoint");
        assert_eq!(Checkpoint::decode(&bytes, path).unwrap(), checkpoint);
        for byte in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[byte] ^= 0x40;
            assert!(Checkpoint::decode(&damaged, path).is_err(), "byte {byte}");
            assert!(Checkpoint::decode(&bytes[..byte], path).is_err());
        }
    }
}
