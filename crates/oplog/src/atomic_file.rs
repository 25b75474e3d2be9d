//! Small files that are replaced as a whole.

use std::io;
use std::path::Path;

use bytes::Bytes;

use crate::{LogError, Storage};

pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

/// Whether a replaced file's name must be durable at return. Without that, a crash leaves the old or the new content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameSync {
    Now,
    Later,
}

/// Replaces a file: written beside it, synced, renamed over it.
pub(crate) fn replace(
    storage: &dyn Storage,
    dir: &Path,
    name: &str,
    content: &[u8],
    name_sync: NameSync,
) -> Result<(), LogError> {
    let temporary = dir.join(format!("{name}{TEMPORARY_SUFFIX}"));
    let written = storage.create(&temporary).and_then(|file| {
        file.write_at(0, content)?;
        file.sync_data()
    });
    written.map_err(|source| LogError::io("write", &temporary, source))?;
    let target = dir.join(name);
    storage
        .rename(&temporary, &target)
        .map_err(|source| LogError::io("replace", &target, source))?;
    if name_sync == NameSync::Now {
        storage
            .sync_dir(dir)
            .map_err(|source| LogError::io("sync", dir, source))?;
    }
    Ok(())
}

/// The whole content of a file, or `None` when there is none.
pub(crate) fn read(storage: &dyn Storage, path: &Path) -> Result<Option<Bytes>, LogError> {
    let content = storage.open(path).and_then(|file| {
        let length = usize::try_from(file.len()?).map_err(io::Error::other)?;
        file.read_at(0, length)
    });
    match content {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LogError::io("read", path, error)),
    }
}
