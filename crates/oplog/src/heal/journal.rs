//! The heal journal: what makes the installation of a heal one step, whenever the process dies.
//!
//! It is written when everything that the heal brings is durable under names that do not count yet. From then on the heal has happened:
//! whoever opens the log carries out what the journal says, as often as it takes, and removes it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::BufMut as _;
use twox_hash::XxHash3_64;

use super::stage::staged_path;
use crate::atomic_file::{self, NameSync};
use crate::checkpoint::Checkpoint;
use crate::frame::u64_at;
use crate::healed::Healed;
use crate::live_file::LiveFile;
use crate::segment::{SegmentHeader, log_path};
use crate::writer::create_segment;
use crate::{LogError, SeqNo, Storage, StorageFile};

pub(crate) const JOURNAL_NAME: &str = "heal";
const MAGIC: &[u8; 8] = b"CCRHEALJ";
const FORMAT_VERSION: u16 = 1;
const FIXED_LENGTH: usize = 16;

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
    fn encode(&self) -> Vec<u8> {
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
        let mut bytes =
            Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum::<usize>() + FIXED_LENGTH + 8);
        bytes.put_slice(MAGIC);
        bytes.put_u16_le(FORMAT_VERSION);
        bytes.put_slice(&[0; 6]);
        for part in parts {
            bytes.put_u64_le(part.len() as u64);
            bytes.put_slice(&part);
        }
        let checksum = XxHash3_64::oneshot(&bytes);
        bytes.put_u64_le(checksum);
        bytes
    }

    fn decode(bytes: &[u8], path: &Path) -> Result<Self, LogError> {
        let corrupt = |reason: &str| LogError::corrupt(path, 0, None, reason);
        if bytes.len() < FIXED_LENGTH + 8 || &bytes[..8] != MAGIC {
            return Err(corrupt("not a heal journal"));
        }
        let (content, checksum) = bytes.split_at(bytes.len() - 8);
        if u64_at(checksum, 0) != XxHash3_64::oneshot(content) {
            return Err(corrupt("checksum mismatch"));
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        if version != FORMAT_VERSION {
            return Err(LogError::UnsupportedFormat {
                file: path.to_owned(),
                version,
                supported: FORMAT_VERSION,
            });
        }
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
        if !rest.is_empty()
            || !staged.len().is_multiple_of(8)
            || journal.checkpoint.durable != Some(journal.healed.through())
        {
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
        let sync_dir = || {
            storage
                .sync_dir(dir)
                .map_err(|source| LogError::io("sync", dir, source))
        };
        sync_dir()?;
        self.healed.save(storage, dir)?;
        self.live.save(storage, dir)?;
        self.checkpoint.save(storage, dir, NameSync::Now)?;
        let path = dir.join(JOURNAL_NAME);
        storage
            .remove(&path)
            .map_err(|source| LogError::io("remove", path, source))?;
        sync_dir()?;
        Ok(open)
    }
}
