//! Files of a log that can be copied while it is written.

use std::sync::Arc;

use bytes::Bytes;

use crate::{LogError, SeqNo, StorageFile};

/// A file of a pinned log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedFile {
    /// Its name in the log's directory.
    pub name: String,
    /// How many of its bytes belong to the snapshot; the file itself may grow.
    pub length: u64,
}

/// A stable snapshot of a log's files, without its retention leases. Reads work as long as this lives.
#[derive(Debug)]
pub struct PinnedFiles {
    checkpoint: Option<SeqNo>,
    files: Vec<PinnedFile>,
    handles: Vec<Arc<dyn StorageFile>>,
}

impl PinnedFiles {
    pub(crate) fn new(checkpoint: Option<SeqNo>, opened: Vec<(PinnedFile, Arc<dyn StorageFile>)>) -> Self {
        let (files, handles) = opened.into_iter().unzip();
        Self {
            checkpoint,
            files,
            handles,
        }
    }

    /// The last operation in the snapshot; it is durable.
    pub const fn checkpoint(&self) -> Option<SeqNo> {
        self.checkpoint
    }

    /// The files.
    pub fn files(&self) -> &[PinnedFile] {
        &self.files
    }

    /// Reads exactly `length` bytes of a file.
    ///
    /// # Errors
    /// [`LogError::Invalid`] for a file or range outside of the snapshot, [`LogError::Io`] when the medium fails.
    pub fn read_at(&self, name: &str, offset: u64, length: usize) -> Result<Bytes, LogError> {
        let invalid = |what: &str| LogError::Invalid {
            reason: format!("{what} [{name}] is not in the snapshot"),
        };
        let place = self
            .files
            .iter()
            .position(|file| file.name == name)
            .ok_or_else(|| invalid("file"))?;
        let end = offset.checked_add(length as u64);
        if end.is_none_or(|end| end > self.files[place].length) {
            return Err(invalid("the end of that range of file"));
        }
        self.handles[place]
            .read_at(offset, length)
            .map_err(|source| LogError::io("read", name, source))
    }
}
