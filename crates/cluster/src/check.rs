//! Verifying a store of cluster state that no node has open, without changing it.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::record;
use crate::service::OpenError;
use crate::state::ClusterState;
use crate::store::{StoreError, verify};

/// Verifies every page and every record of the embedded store in `file`, and reads the cluster state; `None` if there was none yet.
///
/// Opening a store writes to it, and more so after a crash. So the store is copied to `copy` first, which must not exist and is left behind.
///
/// # Errors
/// [`StoreError::Corrupt`] when the store is damaged; else as [`ClusterService::open`](crate::ClusterService::open).
pub fn check_store(file: &Path, copy: &Path) -> Result<Option<ClusterState>, OpenError> {
    copy_content(file, copy).map_err(|error| StoreError::Io {
        path: file.to_path_buf(),
        operation: "copied",
        source: Box::new(error),
    })?;
    let listing = verify(copy, file)?;
    Ok(record::read(&listing.records)?)
}

/// Not the permissions, which may forbid to write.
fn copy_content(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = File::open(from)?;
    io::copy(&mut from, &mut File::create_new(to)?)?;
    Ok(())
}
