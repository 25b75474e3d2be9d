//! Storage that fails when told to.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cluster::{
    Compare, Listing, Record, RedbStore, Revision, StateStore, StoreError, TransactionOutcome, Write,
};
use oplog::{FsStorage, Storage, StorageFile};
use parking_lot::Mutex;
use tokio::sync::watch;

/// A store of cluster state that takes so many more commits and refuses what comes then, as if the node had stopped there.
#[derive(Debug)]
pub(crate) struct StoppingStore {
    inner: Arc<RedbStore>,
    /// `None` is no limit.
    left: Mutex<Option<usize>>,
    refused: AtomicUsize,
}

impl StoppingStore {
    pub(crate) fn over(inner: Arc<RedbStore>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            left: Mutex::default(),
            refused: AtomicUsize::new(0),
        })
    }

    pub(crate) fn stop_after(&self, commits: usize) {
        *self.left.lock() = Some(commits);
    }

    /// Takes commits again.
    pub(crate) fn go_on(&self) {
        *self.left.lock() = None;
    }

    /// How many commits were refused.
    pub(crate) fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    fn take(&self) -> Result<(), StoreError> {
        let mut left = self.left.lock();
        match left.as_mut() {
            None => Ok(()),
            Some(0) => {
                self.refused.fetch_add(1, Ordering::SeqCst);
                Err(StoreError::Io {
                    path: PathBuf::from("state.redb"),
                    operation: "written",
                    source: "the node stopped".into(),
                })
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }
}

#[async_trait]
impl StateStore for StoppingStore {
    async fn get(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.inner.get(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        self.inner.list(prefix).await
    }

    async fn transaction(
        &self,
        compare: Vec<Compare>,
        writes: Vec<Write>,
    ) -> Result<TransactionOutcome, StoreError> {
        self.take()?;
        self.inner.transaction(compare, writes).await
    }

    fn watch(&self) -> watch::Receiver<Revision> {
        self.inner.watch()
    }
}

/// The file system, with one write that fails.
#[derive(Debug, Default)]
pub(crate) struct FaultyStorage {
    faults: Arc<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    /// The next write to a file below this directory fails.
    fail_below: Mutex<Option<PathBuf>>,
    failed: AtomicUsize,
}

impl FaultyStorage {
    pub(crate) fn fail_next_write_below(&self, dir: PathBuf) {
        *self.faults.fail_below.lock() = Some(dir);
    }

    /// How many writes failed.
    pub(crate) fn failed(&self) -> usize {
        self.faults.failed.load(Ordering::SeqCst)
    }

    fn file(&self, path: &Path, inner: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(FaultyFile {
            path: path.to_owned(),
            inner,
            faults: Arc::clone(&self.faults),
        })
    }
}

impl Storage for FaultyStorage {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.file(path, FsStorage.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.file(path, FsStorage.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        FsStorage.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        FsStorage.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        FsStorage.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        FsStorage.exists(path)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        FsStorage.create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        FsStorage.sync_dir(dir)
    }
}

#[derive(Debug)]
struct FaultyFile {
    path: PathBuf,
    inner: Arc<dyn StorageFile>,
    faults: Arc<Faults>,
}

impl StorageFile for FaultyFile {
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        self.inner.read_at(offset, length)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut fail_below = self.faults.fail_below.lock();
        if fail_below.take_if(|dir| self.path.starts_with(dir)).is_some() {
            self.faults.failed.fetch_add(1, Ordering::SeqCst);
            return Err(io::Error::other("no space left on device"));
        }
        drop(fail_below);
        self.inner.write_at(offset, data)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.inner.truncate(length)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}
