//! The heal journal: what makes the installation of a heal one step, whenever the process dies.
//!
//! It is written when everything that the heal brings is durable under names that do not count yet. From then on the heal has happened:
//! whoever opens the log carries out what the journal says, as often as it takes, and removes it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::BufMut as _;

use super::stage::staged_path;
use crate::atomic_file::{self, NameSync};
use crate::checkpoint::Checkpoint;
use crate::envelope::Envelope;
use crate::files::{remove, sync_dir};
use crate::frame::u64_at;
use crate::healed::Healed;
use crate::live_file::LiveFile;
use crate::segment::{SegmentHeader, log_path};
use crate::writer::create_segment;
use crate::{LogError, SeqNo, Storage, StorageFile};

pub(crate) const JOURNAL_NAME: &str = "heal";
const FORMAT_VERSION: u16 = 1;
const FIXED_LENGTH: usize = 16;
const ENVELOPE: Envelope = Envelope {
    magic: b"CCRHEALJ",
    what: "a heal journal",
    versions: FORMAT_VERSION..=FORMAT_VERSION,
    fixed_length: FIXED_LENGTH,
};

/// What a heal changes, once and for all. `checkpoint.durable` is the operation that it ends with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Journal {
    /// The first seq_nos of the staged segments, which follow each other.
    pub(crate) staged: Vec<SeqNo>,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) live: LiveFile,
    pub(crate) healed: Healed,
}

impl Journal {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut firsts = Vec::with_capacity(8 * self.staged.len());
        for first in &self.staged {
            firsts.put_u64_le(first.get());
        }
        let parts = [
            firsts,
            self.checkpoint.encode(),
            self.live.encode(),
            self.healed.encode(),
        ];
        let length = parts.iter().map(|part| part.len() + 8).sum();
        let mut bytes = ENVELOPE.begin(FORMAT_VERSION, length);
        bytes.put_slice(&[0; 6]);
        for part in parts {
            bytes.put_u64_le(part.len() as u64);
            bytes.put_slice(&part);
        }
        Envelope::end(bytes)
    }

    pub(crate) fn decode(bytes: &[u8], path: &Path) -> Result<Self, LogError> {
        let corrupt = |reason: &str| LogError::corrupt(path, 0, None, reason);
        let (_, content) = ENVELOPE.open(bytes, path)?;
        let mut rest = &content[FIXED_LENGTH..];
        let mut part = || {
            let (length, after) = rest.split_at_checked(8)?;
            let length = usize::try_from(u64_at(length, 0)).ok()?;
            let (part, after) = after.split_at_checked(length)?;
            rest = after;
            Some(part)
        };
        let (Some(staged), Some(checkpoint), Some(live), Some(healed)) = (part(), part(), part(), part())
        else {
            return Err(corrupt("it ends before its parts"));
        };
        let journal = Self {
            staged: staged
                .chunks_exact(8)
                .map(|first| SeqNo::new(u64_at(first, 0)))
                .collect(),
            checkpoint: Checkpoint::decode(checkpoint, path)?,
            live: LiveFile::decode(live, path)?,
            healed: Healed::decode(healed, path)?,
        };
        let through = Some(journal.healed.through());
        let fits = journal.checkpoint.is_healed
            && journal.checkpoint.durable == through
            && journal.live.valid_through == through;
        if !fits || !rest.is_empty() || !staged.len().is_multiple_of(8) {
            return Err(corrupt("a field is not valid"));
        }
        Ok(journal)
    }

    /// The first operation after the heal.
    pub(crate) fn next(&self) -> Result<SeqNo, LogError> {
        self.healed
            .through()
            .checked_next()
            .ok_or_else(|| LogError::Invalid {
                reason: "the log is full".to_owned(),
            })
    }

    pub(crate) fn load(storage: &dyn Storage, dir: &Path) -> Result<Option<Self>, LogError> {
        let path = dir.join(JOURNAL_NAME);
        atomic_file::read(storage, &path)?
            .map(|bytes| Self::decode(&bytes, &path))
            .transpose()
    }

    /// Decides the heal: at return it happens, whatever comes.
    pub(crate) fn write(&self, storage: &dyn Storage, dir: &Path) -> Result<(), LogError> {
        atomic_file::replace(storage, dir, JOURNAL_NAME, &self.encode(), NameSync::Now)
    }

    /// Does what the journal says, all or the rest of it, and removes it. Answers the open segment, which is empty.
    ///
    /// The journal goes last and durably: until then nothing is appended, so the open segment may be created again, and afterwards nothing is done twice.
    pub(crate) fn carry_out(
        &self,
        storage: &dyn Storage,
        dir: &Path,
    ) -> Result<(Arc<dyn StorageFile>, SegmentHeader), LogError> {
        for first in &self.staged {
            let (from, to) = (staged_path(dir, *first), log_path(dir, *first));
            match storage.rename(&from, &to) {
                // An earlier attempt came so far.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                renamed => renamed.map_err(|source| LogError::io("put in place", from, source))?,
            }
        }
        let open = create_segment(storage, dir, self.next()?)?;
        self.healed.save(storage, dir)?;
        self.live.save(storage, dir)?;
        self.checkpoint.save(storage, dir, NameSync::Now)?;
        remove(storage, &dir.join(JOURNAL_NAME))?;
        sync_dir(storage, dir)?;
        Ok(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digest, HistoryUuid, PrimaryTerm};

    fn example() -> Journal {
        let through = SeqNo::new(90);
        let live = [4, 70, 90].into_iter().map(SeqNo::new).collect();
        let gone: crate::LiveSet = [3, 17].into_iter().map(SeqNo::new).collect();
        Journal {
            staged: vec![SeqNo::new(40), SeqNo::new(60)],
            checkpoint: Checkpoint {
                durable: Some(through),
                min_retained: SeqNo::new(80),
                primary_term: PrimaryTerm::FIRST,
                history_uuid: HistoryUuid::generate(),
                terms: Vec::new(),
                is_healed: true,
            },
            live: LiveFile {
                valid_through: Some(through),
                updates: None,
                digest: Digest::EMPTY,
                live,
            },
            healed: Healed::followed_by(None, through, &gone.into_bitmap()),
        }
    }

    #[test]
    fn a_journal_survives_and_every_damage_is_found() {
        let (journal, path) = (example(), Path::new("heal"));
        let bytes = journal.encode();
        assert_eq!(Journal::decode(&bytes, path).unwrap(), journal);
        for byte in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[byte] ^= 0x40;
            assert!(Journal::decode(&damaged, path).is_err(), "byte {byte}");
            assert!(Journal::decode(&bytes[..byte], path).is_err());
        }
    }

    #[test]
    fn parts_that_do_not_fit_each_other_are_refused() {
        let path = Path::new("heal");
        let changes: [fn(&mut Journal); 3] = [
            |journal| journal.checkpoint.durable = None,
            |journal| journal.checkpoint.is_healed = false,
            |journal| journal.live.valid_through = Some(SeqNo::new(89)),
        ];
        for change in changes {
            let mut journal = example();
            change(&mut journal);
            let decoded = Journal::decode(&journal.encode(), path);
            assert!(matches!(decoded, Err(LogError::Corrupt { .. })), "{journal:?}");
        }
    }
}
