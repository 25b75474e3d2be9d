//! A host's disk: it outlives the host, and nothing that a dead host still does reaches it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cluster::{Compare, Listing, Record, Revision, StateStore, StoreError, TransactionOutcome, Write};
use oplog::{FsStorage, Storage, StorageFile};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Whether a host still lives.
///
/// When a host crashes, its threads beside the simulation go on for a moment. What they write then is refused, as if they had been killed.
#[derive(Debug, Default)]
pub(crate) struct Breath(Mutex<Death>);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Death {
    /// Not foreseen.
    #[default]
    Open,
    /// After so many more changes of the cluster state.
    After(u64),
    Dead,
}

impl Breath {
    /// The host is dead: nothing is written from now on.
    pub(crate) fn die(&self) {
        *self.0.lock() = Death::Dead;
    }

    /// The host dies when it tries to change the cluster state after so many more changes.
    pub(crate) fn die_after(&self, changes: u64) {
        *self.0.lock() = Death::After(changes);
    }

    pub(crate) fn is_dead(&self) -> bool {
        *self.0.lock() == Death::Dead
    }

    fn check(&self) -> io::Result<()> {
        if self.is_dead() {
            return Err(io::Error::other("the host is dead"));
        }
        Ok(())
    }

    /// Takes one more change of the cluster state.
    fn change(&self) -> io::Result<()> {
        let death = &mut *self.0.lock();
        *death = match *death {
            Death::Open => Death::Open,
            Death::After(left @ 1..) => Death::After(left - 1),
            Death::After(0) | Death::Dead => Death::Dead,
        };
        if *death == Death::Dead {
            return Err(io::Error::other("the host is dead"));
        }
        Ok(())
    }
}

/// The cluster state, as one life of a host sees it.
#[derive(Debug)]
pub(crate) struct MortalStore {
    pub(crate) inner: Arc<dyn StateStore>,
    pub(crate) breath: Arc<Breath>,
}

#[async_trait]
impl StateStore for MortalStore {
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
        self.breath.change().map_err(|error| StoreError::Io {
            path: PathBuf::from("state.redb"),
            operation: "written",
            source: error.into(),
        })?;
        self.inner.transaction(compare, writes).await
    }

    fn watch(&self) -> watch::Receiver<Revision> {
        self.inner.watch()
    }
}

/// The file system, as one life of a host sees it.
#[derive(Debug)]
pub(crate) struct MortalStorage {
    pub(crate) breath: Arc<Breath>,
}

impl MortalStorage {
    fn file(&self, inner: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        let breath = Arc::clone(&self.breath);
        Arc::new(MortalFile { inner, breath })
    }
}

impl Storage for MortalStorage {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.breath.check()?;
        Ok(self.file(FsStorage.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.file(FsStorage.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.breath.check()?;
        FsStorage.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.breath.check()?;
        FsStorage.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        FsStorage.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        FsStorage.exists(path)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.breath.check()?;
        FsStorage.create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.breath.check()?;
        FsStorage.sync_dir(dir)
    }
}

#[derive(Debug)]
struct MortalFile {
    inner: Arc<dyn StorageFile>,
    breath: Arc<Breath>,
}

impl StorageFile for MortalFile {
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        self.inner.read_at(offset, length)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.breath.check()?;
        self.inner.write_at(offset, data)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.breath.check()?;
        self.inner.sync_data()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.breath.check()?;
        self.inner.truncate(length)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}
