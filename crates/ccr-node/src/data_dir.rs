//! The node's data directory: one process at a time, and where the node can be reached.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

const LOCK_FILE: &str = "node.lock";
const ADDRESSES_FILE: &str = "node.addresses.json";
const CLUSTER_STORE_FILE: &str = "cluster.redb";
const INDICES_DIR: &str = "indices";

/// A data directory that belongs to this process until it is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// Locked by the operating system, which releases it however the process ends.
    _lock: File,
}

impl DataDir {
    /// Creates the directory if it is missing, and takes it.
    ///
    /// # Errors
    /// Says whether the path is no directory, cannot be written, or is in use.
    pub(crate) fn take(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path)
            .with_context(|| format!("cannot create the data directory [{}]", path.display()))?;
        let lock_path = path.join(LOCK_FILE);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .with_context(|| format!("cannot write to the data directory [{}]", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "the data directory [{}] is in use by another ccr-node process",
                    path.display()
                )
            }
            Err(TryLockError::Error(error)) => {
                return Err(error)
                    .with_context(|| format!("cannot lock the data directory [{}]", path.display()));
            }
        }
        let dir = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        dir.remove_addresses()?;
        Ok(dir)
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file that holds the cluster state.
    pub(crate) fn cluster_store(&self) -> PathBuf {
        self.path.join(CLUSTER_STORE_FILE)
    }

    /// Tells scripts where the node can be reached, which matters when ports were left to the system.
    pub(crate) fn write_addresses(&self, http: SocketAddr, transport: SocketAddr) -> anyhow::Result<()> {
        let path = self.path.join(ADDRESSES_FILE);
        let temporary = self.path.join(format!("{ADDRESSES_FILE}.tmp"));
        let content = serde_json::json!({ "http": http.to_string(), "transport": transport.to_string() });
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(content.to_string().as_bytes())?;
            fs::rename(&temporary, &path)
        };
        write().with_context(|| format!("cannot write [{}]", path.display()))
    }

    fn remove_addresses(&self) -> anyhow::Result<()> {
        match fs::remove_file(self.path.join(ADDRESSES_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error)
                .with_context(|| format!("cannot write to the data directory [{}]", self.path.display())),
            _ => Ok(()),
        }
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // Stale addresses would mislead a script; failing to remove them only costs it a connection error.
        let _ = self.remove_addresses();
    }
}

/// A data directory that no node uses, and none can take until this is dropped. Nothing in it was changed.
#[derive(Debug)]
pub(crate) struct StoppedDataDir {
    path: PathBuf,
    /// Shared, so that it needs no right to write. A directory without the file never had a node that could be locked out.
    _lock: Option<File>,
}

impl StoppedDataDir {
    /// Keeps nodes away from the directory.
    ///
    /// # Errors
    /// Says that the path is no data directory, cannot be read, or that a node runs on it.
    pub(crate) fn hold(path: &Path) -> anyhow::Result<Self> {
        let known = [LOCK_FILE, CLUSTER_STORE_FILE, INDICES_DIR];
        if !known.iter().any(|name| path.join(name).exists()) {
            bail!("[{}] is no data directory of ccr-node", path.display());
        }
        let lock_path = path.join(LOCK_FILE);
        let lock = match File::open(&lock_path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            other => Some(other.with_context(|| format!("cannot read [{}]", lock_path.display()))?),
        };
        match lock.as_ref().map_or(Ok(()), File::try_lock_shared) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "a ccr-node process runs on the data directory [{}]; stop it first",
                path.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error)
                    .with_context(|| format!("cannot lock the data directory [{}]", path.display()));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file that holds the cluster state.
    pub(crate) fn cluster_store(&self) -> PathBuf {
        self.path.join(CLUSTER_STORE_FILE)
    }

    /// The directory that holds those of all shards.
    pub(crate) fn indices(&self) -> PathBuf {
        self.path.join(INDICES_DIR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_belongs_to_one_at_a_time() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("data");
        let first = DataDir::take(&path).expect("free");
        let error = DataDir::take(&path).expect_err("taken");
        assert!(format!("{error:#}").contains("in use by another"), "{error:#}");
        drop(first);
        DataDir::take(&path).expect("free again");
    }

    #[test]
    fn a_directory_is_held_while_no_node_has_it() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("data");
        let error = StoppedDataDir::hold(&path).expect_err("nothing there");
        assert!(format!("{error:#}").contains("is no data directory"), "{error:#}");
        let node = DataDir::take(&path).expect("free");
        let error = StoppedDataDir::hold(&path).expect_err("a node runs");
        assert!(
            format!("{error:#}").contains("a ccr-node process runs on"),
            "{error:#}"
        );
        drop(node);
        let held = StoppedDataDir::hold(&path).expect("no node any more");
        StoppedDataDir::hold(&path).expect("two may look");
        DataDir::take(&path).expect_err("held");
        drop(held);
        DataDir::take(&path).expect("free again");
    }

    #[test]
    fn a_file_is_no_data_directory() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let error = DataDir::take(file.path()).expect_err("a file");
        assert!(
            format!("{error:#}").contains("cannot create the data directory"),
            "{error:#}"
        );
    }
}
