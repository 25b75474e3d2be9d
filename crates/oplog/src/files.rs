//! Calls on files whose failure is a [`LogError`] that names the file.

use std::path::Path;

use crate::{LogError, Storage};

pub(crate) fn list(storage: &dyn Storage, dir: &Path) -> Result<Vec<String>, LogError> {
    storage
        .list(dir)
        .map_err(|source| LogError::io("list", dir, source))
}

pub(crate) fn remove(storage: &dyn Storage, path: &Path) -> Result<(), LogError> {
    storage
        .remove(path)
        .map_err(|source| LogError::io("remove", path, source))
}

pub(crate) fn remove_if_exists(storage: &dyn Storage, path: &Path) -> Result<(), LogError> {
    match storage.remove(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(LogError::io("remove", path, error))
        }
        _ => Ok(()),
    }
}

pub(crate) fn sync_dir(storage: &dyn Storage, dir: &Path) -> Result<(), LogError> {
    storage
        .sync_dir(dir)
        .map_err(|source| LogError::io("sync", dir, source))
}

pub(crate) fn sync_file(storage: &dyn Storage, path: &Path) -> Result<(), LogError> {
    storage
        .open(path)
        .and_then(|file| file.sync_data())
        .map_err(|source| LogError::io("sync", path, source))
}
