//! A medium that turns read-only: writes are refused, nothing acknowledged is lost, and it ends by itself.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use indices::IndicesConfig;
use oplog::{LogOptions, MemStorage, Storage, StorageFile};
use parking_lot::Mutex;
use serde_json::json;

use crate::disk::{DEADLINE, all_are_there, is_blocked, one_shard, write};
use crate::node::{Node, on_unlimited_disk};

/// Storage whose every change can be refused, as by a file system that was mounted again read-only, or whose rights were taken away.
#[derive(Debug, Clone)]
struct RefusingStorage {
    inner: MemStorage,
    refusal: Arc<Mutex<Option<io::ErrorKind>>>,
}

#[derive(Debug)]
struct RefusingFile {
    inner: Arc<dyn StorageFile>,
    refusal: Arc<Mutex<Option<io::ErrorKind>>>,
}

fn allowed(refusal: &Mutex<Option<io::ErrorKind>>) -> io::Result<()> {
    refusal.lock().map_or(Ok(()), |kind| Err(kind.into()))
}

impl RefusingStorage {
    fn wrap(&self, inner: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(RefusingFile {
            inner,
            refusal: Arc::clone(&self.refusal),
        })
    }
}

impl Storage for RefusingStorage {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        allowed(&self.refusal)?;
        Ok(self.wrap(self.inner.create(path)?))
    }

    /// Files are opened for writing, which such a medium refuses as well.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        allowed(&self.refusal)?;
        Ok(self.wrap(self.inner.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        allowed(&self.refusal)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        allowed(&self.refusal)?;
        self.inner.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.inner.exists(path)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        allowed(&self.refusal)?;
        self.inner.create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        allowed(&self.refusal)?;
        self.inner.sync_dir(dir)
    }
}

impl StorageFile for RefusingFile {
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        self.inner.read_at(offset, length)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        allowed(&self.refusal)?;
        self.inner.write_at(offset, data)
    }

    fn sync_data(&self) -> io::Result<()> {
        allowed(&self.refusal)?;
        self.inner.sync_data()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        allowed(&self.refusal)?;
        self.inner.truncate(length)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_medium_refuses_writes_and_takes_them_again_when_it_is_writable() {
    for kind in [io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::PermissionDenied] {
        let directory = tempfile::tempdir().unwrap();
        let storage = RefusingStorage {
            inner: MemStorage::new(),
            refusal: Arc::default(),
        };
        let config = IndicesConfig {
            maintenance_interval: Duration::from_millis(20),
            ..on_unlimited_disk(directory.path())
        };
        let log = LogOptions::default();
        let node = Node::start_on(Arc::new(storage.clone()), log, directory.path(), config).await;
        node.create("orders", one_shard(), json!({})).await;
        let mut acknowledged = Vec::new();
        for id in 0..5 {
            write(&node, &id.to_string()).await.unwrap();
            acknowledged.push(id.to_string());
        }

        *storage.refusal.lock() = Some(kind);
        let refused = write(&node, "refused").await;
        let cause = refused.clone().unwrap_err();
        let cause = cause.caused_by().expect("what the medium said").reason();
        assert!(cause.contains(".log"), "{kind:?}: {cause}");
        is_blocked(refused, "orders");
        for attempt in 0..20 {
            let error = write(&node, "more").await.unwrap_err();
            assert!(error.is_retryable(), "{kind:?}, attempt {attempt}: {error}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }

        *storage.refusal.lock() = None;
        let again = async {
            while let Err(error) = write(&node, "more").await {
                assert!(error.is_retryable(), "{kind:?}: {error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(DEADLINE, again)
            .await
            .unwrap_or_else(|_| panic!("{kind:?}: writes never work again"));
        acknowledged.push("more".into());
        all_are_there(&node, &acknowledged).await;
        node.stop().await;
    }
}
