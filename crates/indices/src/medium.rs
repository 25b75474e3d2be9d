//! Shards whose medium takes no more writes: it is full, or read-only.
//!
//! A log that could not write is poisoned, and opened again in what it holds durably. What the failure was is seen here, where the medium says it:
//! writes to such a shard are refused with 429 until a trial write succeeds, so that clients wait and nobody opens the shard again and again.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster::ClusterState;
use es_exception::{Exception, ExceptionKind};
use oplog::{Clock, ShardId, ShardNumber, Storage, StorageFile};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::local::LocalShards;

/// The trial file in a shard's directory, and its size: that of one write of a busy log.
const TRIAL_NAME: &str = "room.tmp";
const TRIAL_BYTES: usize = 1 << 20;
/// A shard stays marked so long at least, so that all whose writes failed learn why.
const LEAST_MARKED: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Mark {
    reason: String,
    since: Duration,
}

/// The shards that cannot be written to, and why.
#[derive(Debug)]
pub(crate) struct FullShards {
    /// The medium itself: trials are not watched.
    storage: Arc<dyn Storage>,
    indices_dir: PathBuf,
    shards: Mutex<BTreeMap<ShardId, Mark>>,
    clock: Arc<dyn Clock>,
    /// Asks for shards that could not be opened to be opened again.
    kick: Arc<Notify>,
}

impl FullShards {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        indices_dir: PathBuf,
        clock: Arc<dyn Clock>,
        kick: Arc<Notify>,
    ) -> Arc<Self> {
        Arc::new(Self {
            storage,
            indices_dir,
            shards: Mutex::default(),
            clock,
            kick,
        })
    }

    /// What the medium said when it last refused to write for the shard, if it has not been found writable since.
    pub(crate) fn reason(&self, id: &ShardId) -> Option<String> {
        self.shards.lock().get(id).map(|mark| mark.reason.clone())
    }

    fn note<T>(&self, path: &Path, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            if takes_no_writes(error)
                && let Some(id) = shard_of(&self.indices_dir, path)
            {
                self.mark(id, format!("[{}]: {error}", path.display()));
            }
        })
    }

    fn mark(&self, id: ShardId, reason: String) {
        let since = self.clock.monotonic();
        let mut shards = self.shards.lock();
        if let Some(mark) = shards.get_mut(&id) {
            mark.since = since;
            return;
        }
        tracing::error!(shard = %id, reason, "the medium takes no more writes; those to the shard are refused until it does");
        shards.insert(id, Mark { reason, since });
    }

    /// Lets shards be written to again whose medium takes a trial write, and has those opened that could not be. Blocks.
    pub(crate) fn probe(&self, state: &ClusterState, shards: &LocalShards) {
        let now = self.clock.monotonic();
        let marked: Vec<(ShardId, Duration)> = {
            let marks = self.shards.lock();
            let old = marks.iter().filter(|(_, mark)| now >= mark.since + LEAST_MARKED);
            old.map(|(id, mark)| (id.clone(), mark.since)).collect()
        };
        for (id, since) in marked {
            let is_wanted = state
                .index_by_uuid(&id.index)
                .is_some_and(|index| index.is_open());
            if is_wanted && let Err(error) = self.try_to_write(&id) {
                tracing::debug!(shard = %id, %error, "the medium still takes no writes");
                continue;
            }
            let mut marks = self.shards.lock();
            // A mark that was renewed during the trial stays.
            if marks.get(&id).is_none_or(|mark| mark.since != since) {
                continue;
            }
            marks.remove(&id);
            drop(marks);
            if is_wanted {
                tracing::info!(shard = %id, "the medium takes writes again");
                shards.retry_failed(&id);
                self.kick.notify_one();
            }
        }
    }

    fn try_to_write(&self, id: &ShardId) -> io::Result<()> {
        let path = self
            .indices_dir
            .join(id.index.as_str())
            .join(id.shard.to_string())
            .join(TRIAL_NAME);
        let write = || {
            let file = self.storage.create(&path)?;
            file.write_at(0, &vec![0x5a; TRIAL_BYTES])?;
            file.sync_data()
        };
        let written = write();
        match self.storage.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => written.and(Err(error)),
            _ => written,
        }
    }
}

/// The refusal of a write to a shard whose medium takes none: the block of a disk that is too full, and what the medium said.
pub(crate) fn no_room(index: &str, reason: String) -> Exception {
    cluster::disk_full_exception(index).with_cause(Exception::new(ExceptionKind::Engine, reason))
}

/// Whether waiting for room, or for somebody to make the medium writable, is what helps.
fn takes_no_writes(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::PermissionDenied
    )
}

/// The shard that a file belongs to: `indices/<index uuid>/<shard>/...`.
fn shard_of(indices_dir: &Path, path: &Path) -> Option<ShardId> {
    let mut parts = path.strip_prefix(indices_dir).ok()?.iter();
    let index = parts.next()?.to_str()?.parse().ok()?;
    let shard = parts.next()?.to_str()?.parse().ok()?;
    Some(ShardId::new(index, ShardNumber::new(shard)))
}

/// The medium, with an eye on what it refuses.
#[derive(Debug)]
pub(crate) struct WatchedStorage {
    inner: Arc<dyn Storage>,
    full: Arc<FullShards>,
}

impl WatchedStorage {
    pub(crate) fn new(full: Arc<FullShards>) -> Self {
        Self {
            inner: Arc::clone(&full.storage),
            full,
        }
    }

    fn file(&self, path: &Path, file: io::Result<Arc<dyn StorageFile>>) -> io::Result<Arc<dyn StorageFile>> {
        let file = self.full.note(path, file)?;
        Ok(Arc::new(WatchedFile {
            inner: file,
            path: path.to_owned(),
            full: Arc::clone(&self.full),
        }))
    }
}

impl Storage for WatchedStorage {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.file(path, self.inner.create(path))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.file(path, self.inner.open(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.full.note(to, self.inner.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.full.note(path, self.inner.remove(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.inner.exists(path)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.full.note(dir, self.inner.create_dir_all(dir))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.full.note(dir, self.inner.sync_dir(dir))
    }
}

#[derive(Debug)]
struct WatchedFile {
    inner: Arc<dyn StorageFile>,
    path: PathBuf,
    full: Arc<FullShards>,
}

impl StorageFile for WatchedFile {
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        self.inner.read_at(offset, length)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.full.note(&self.path, self.inner.write_at(offset, data))
    }

    fn write_pieces_at(&self, offset: u64, pieces: &[Bytes]) -> io::Result<()> {
        self.full
            .note(&self.path, self.inner.write_pieces_at(offset, pieces))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.full.note(&self.path, self.inner.sync_data())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.full.note(&self.path, self.inner.truncate(length))
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}

#[cfg(test)]
mod tests {
    use oplog::{IndexUuid, MemStorage};

    use super::*;

    #[test]
    fn only_a_medium_that_takes_no_writes_marks_the_shard_of_the_file() {
        let storage = MemStorage::new();
        let (dir, uuid) = (Path::new("/data/indices"), IndexUuid::generate());
        let shard_dir = dir.join(uuid.as_str()).join("3/oplog");
        storage.create_dir_all(&shard_dir).unwrap();
        let full = FullShards::new(
            Arc::new(storage.clone()),
            dir.to_owned(),
            Arc::new(oplog::SystemClock),
            Arc::default(),
        );
        let watched = WatchedStorage::new(Arc::clone(&full));
        let file = watched.create(&shard_dir.join("0.log")).unwrap();
        file.write_at(0, b"abc").unwrap();
        let id = ShardId::new(uuid, ShardNumber::new(3));

        storage.inject(storage.changes(), oplog::Fault::Fail);
        assert!(file.sync_data().is_err());
        assert!(watched.open(Path::new("/elsewhere")).is_err());
        assert_eq!(full.reason(&id), None, "another failure, another remedy");

        storage.set_capacity(Some(5));
        assert!(file.write_at(3, b"def").is_err());
        assert!(full.reason(&id).unwrap().contains("0.log"));
        assert!(full.try_to_write(&id).is_err());
        storage.set_capacity(None);
        full.try_to_write(&id).unwrap();
        assert!(
            !storage
                .exists(&shard_dir.parent().unwrap().join(TRIAL_NAME))
                .unwrap()
        );
    }
}
