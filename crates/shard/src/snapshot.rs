//! A stable set of files for copying the shard to another node.

use std::collections::BTreeSet;
use std::hash::Hasher as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use oplog::{HistoryUuid, Log, PinnedFile, PinnedFiles, SeqNo};
use parking_lot::Mutex;
use tantivy::IndexMeta;
use tantivy::directory::Directory;
use twox_hash::XxHash3_64;

use crate::view::{MANAGED_FILE, META_FILE, STEP_LIMITS, ViewCore, next_of, read_held, sealed};
use crate::{Shard, ShardError};

/// Looks at the commit so often before giving up; each time a merge or commit came in between.
const MAX_ATTEMPTS: usize = 20;

/// One file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Path relative to the shard's directory: `oplog/...` or `index/...`.
    pub name: String,
    /// Length in bytes.
    pub length: u64,
    /// Files of one name, length and content id have the same bytes, whatever snapshot they are from. `None` for a file that may still change.
    pub content_id: Option<u64>,
    /// Of a file that grows, or did so until lately: xxh3_64 of each whole piece of [`SNAPSHOT_PIECE_BYTES`], from the beginning on. A copy of an earlier snapshot's
    /// file goes on behind the pieces that are the same.
    pub pieces: Option<Vec<u64>>,
}

/// Bytes in a piece of a file that grows. Less makes a copy that broke off lose less, and the list longer: this is 2 KiB for a segment of 64 MiB.
pub const SNAPSHOT_PIECE_BYTES: usize = 256 << 10;

/// So much of both ends of a file goes into its content id: the random salt in a segment's header, and the trailer that holds the checksums of blocks and of files
/// of the view.
const ENDS: usize = 128;

/// The id of a file that does not change any more, from its ends.
fn content_id(
    name: &str,
    length: u64,
    read_at: impl Fn(u64, usize) -> Result<Bytes, ShardError>,
) -> Result<u64, ShardError> {
    let part = usize::try_from(length).unwrap_or(usize::MAX).min(ENDS);
    let mut hash = XxHash3_64::new();
    hash.write(name.as_bytes());
    hash.write(&length.to_le_bytes());
    for offset in [0, length - part as u64] {
        hash.write(&read_at(offset, part)?);
    }
    Ok(hash.finish())
}

fn read_file_at(path: &Path, offset: u64, length: usize) -> Result<Bytes, ShardError> {
    let mut buffer = vec![0; length];
    std::fs::File::open(path)?.read_exact_at(&mut buffer, offset)?;
    Ok(Bytes::from(buffer))
}

/// Pins a shard's log files and the segments of one commit of its view for as long as it lives.
///
/// The view's commit never holds an operation above the log's checkpoint, so that the copy, cut after the checkpoint, is consistent.
pub struct ShardSnapshot {
    log: PinnedFiles,
    index_dir: PathBuf,
    files: Vec<SnapshotFile>,
    meta: Bytes,
    managed: Bytes,
    max_seq_no: Option<SeqNo>,
    mapping_version: u64,
    history_uuid: HistoryUuid,
    operations: Arc<Log>,
    /// Log files whose operations were read and checked.
    verified: Mutex<BTreeSet<String>>,
    /// Tantivy deletes no file of segments that are alive in memory; these are, here.
    _segments: IndexMeta,
    view: Arc<ViewCore>,
}

impl std::fmt::Debug for ShardSnapshot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ShardSnapshot")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Shard {
    /// Pins the present state. The view is refreshed first, so that the copy has little to index.
    ///
    /// # Errors
    /// [`ShardError::Log`], [`ShardError::View`].
    pub fn pin_snapshot(&self) -> Result<ShardSnapshot, ShardError> {
        self.check_open()?;
        self.refresh().wait()?;
        // A mapping that is at least as new as the operations; read first it could be older.
        let (meta, segments) = self.pin_commit()?;
        let log = self.note(self.log.pin_files())?;
        let mapping_version = self.metadata.mapping_version();
        let index_dir = self.dir.join("index");
        let mut names: BTreeSet<String> = BTreeSet::new();
        let mut files = Vec::new();
        for path in segments.list_segment_files() {
            let Some(name) = path.to_str() else { continue };
            // Not every kind of file exists for every segment.
            if let Ok(metadata) = std::fs::metadata(index_dir.join(&path))
                && names.insert(name.to_owned())
            {
                let (name, length) = (format!("index/{name}"), metadata.len());
                let content_id = content_id(&name, length, |offset, length| {
                    read_file_at(&index_dir.join(&path), offset, length)
                })?;
                files.push(SnapshotFile {
                    name,
                    length,
                    content_id: Some(content_id),
                    pieces: None,
                });
            }
        }
        names.insert(META_FILE.into());
        let managed = serde_json::to_vec(&names).map_err(|error| ShardError::View {
            reason: error.to_string(),
        })?;
        // As they would lie in the directory.
        let managed = sealed(MANAGED_FILE, &managed);
        let meta = sealed(META_FILE, &meta);
        for (name, content) in [(MANAGED_FILE, &managed), (META_FILE, &meta)] {
            files.push(SnapshotFile {
                name: format!("index/{name}"),
                length: content.len() as u64,
                content_id: None,
                pieces: None,
            });
        }
        files.extend(self.note(log_files(&log))?);
        Ok(ShardSnapshot {
            log,
            index_dir,
            files,
            meta: Bytes::from(meta),
            managed: Bytes::from(managed),
            max_seq_no: self.log.max_seq_no(),
            mapping_version,
            history_uuid: self.log.history_uuid(),
            operations: Arc::clone(&self.log),
            verified: Mutex::default(),
            _segments: segments,
            view: Arc::clone(&self.view),
        })
    }

    /// The commit's `meta.json` as it is on disk, and its segments, alive.
    fn pin_commit(&self) -> Result<(Bytes, IndexMeta), ShardError> {
        let index = self.view.index();
        let read = || index.directory().atomic_read(META_FILE.as_ref());
        for _ in 0..MAX_ATTEMPTS {
            let before = read().map_err(tantivy::TantivyError::from)?;
            let segments = index.load_metas()?;
            let after = read().map_err(tantivy::TantivyError::from)?;
            if before == after {
                return Ok((Bytes::from(after), segments));
            }
        }
        Err(ShardError::View {
            reason: "the search view changed too often to be pinned".into(),
        })
    }
}

impl ShardSnapshot {
    /// The operation after which an installed copy cuts its log; it continues there.
    #[must_use]
    pub fn checkpoint(&self) -> Option<SeqNo> {
        self.log.checkpoint()
    }

    /// The highest operation when the snapshot was taken.
    #[must_use]
    pub fn max_seq_no(&self) -> Option<SeqNo> {
        self.max_seq_no
    }

    /// A mapping version that is enough for every operation of the snapshot.
    #[must_use]
    pub fn mapping_version(&self) -> u64 {
        self.mapping_version
    }

    /// Identity of the history that was copied.
    #[must_use]
    pub fn history_uuid(&self) -> &HistoryUuid {
        &self.history_uuid
    }

    /// Every file that the copy needs.
    #[must_use]
    pub fn files(&self) -> &[SnapshotFile] {
        &self.files
    }

    /// At most `length` bytes of a file from `offset` on; fewer only at its end. The first read of a log file checks all operations in it.
    ///
    /// # Errors
    /// [`ShardError::Failed`] when the shard failed, for instance by this read; [`ShardError::Io`] of kind `NotFound` for a name that is not in [`files`](Self::files), and when the file cannot be read.
    pub fn read_at(&self, name: &str, offset: u64, length: usize) -> Result<Bytes, ShardError> {
        self.view.health().check()?;
        let Some(file) = self.files.iter().find(|file| file.name == name) else {
            let reason = format!("[{name}] is not part of the snapshot");
            return Err(std::io::Error::new(std::io::ErrorKind::NotFound, reason).into());
        };
        let rest = file.length.saturating_sub(offset);
        let length = length.min(usize::try_from(rest).unwrap_or(usize::MAX));
        if let Some(log_name) = name.strip_prefix("oplog/") {
            self.verify_operations(log_name)?;
            let read = self.log.read_at(log_name, offset, length);
            return self.view.health().note(read.map_err(ShardError::from));
        }
        let index_name = name.strip_prefix("index/").unwrap_or(name);
        // Bounded by the length of the file above.
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        match index_name {
            _ if length == 0 => Ok(Bytes::new()),
            META_FILE => Ok(self.meta.slice(start..start + length)),
            MANAGED_FILE => Ok(self.managed.slice(start..start + length)),
            _ => read_file_at(&self.index_dir.join(index_name), offset, length),
        }
    }

    /// Reads the operations of a segment, once, so that no damaged one is copied.
    fn verify_operations(&self, log_name: &str) -> Result<(), ShardError> {
        let Some(first) = first_of_segment(log_name) else {
            return Ok(());
        };
        // Held while reading, so that the ranges of one file that are read side by side wait for one check.
        let mut verified = self.verified.lock();
        if verified.contains(log_name) {
            return Ok(());
        }
        let segments = self
            .log
            .files()
            .iter()
            .filter_map(|file| first_of_segment(&file.name));
        let following = segments.filter(|other| *other > first).min();
        let end = next_of(self.log.checkpoint()).min(following.unwrap_or(u64::MAX));
        let mut next = first;
        while next < end {
            let read = read_held(&self.operations, next, end - 1, STEP_LIMITS);
            (_, next) = self.view.health().note(read)?;
        }
        verified.insert(log_name.to_owned());
        Ok(())
    }
}

/// Sealed segments and their indices do not change any more; the open segment grows, and the other files are written anew.
///
/// The open segment is read for the checksums of its pieces, and so is the last sealed one, unless it was rewritten: an earlier snapshot may have seen it open.
/// A content id that says as much cannot be had without reading: which bytes lie between the operations depends on when they were synced, and is another on
/// each copy of a shard.
fn log_files(log: &PinnedFiles) -> Result<Vec<SnapshotFile>, ShardError> {
    let mut firsts: Vec<u64> = log
        .files()
        .iter()
        .filter_map(|file| first_of_segment(&file.name))
        .collect();
    firsts.sort_unstable();
    let open = firsts.pop();
    let is_plain = |first: &u64| {
        log.files()
            .iter()
            .any(|file| file.name == format!("{first:020}.idx"))
    };
    let last_sealed = firsts.pop().filter(is_plain);
    let to_snapshot = |file: &PinnedFile| {
        let is_sealed = match first_of_segment(&file.name) {
            Some(first) => Some(first) != open,
            None => file.name.ends_with(".idx"),
        };
        let read_at = |offset, length| Ok(log.read_at(&file.name, offset, length)?);
        let name = format!("oplog/{}", file.name);
        let content_id = is_sealed
            .then(|| content_id(&name, file.length, read_at))
            .transpose()?;
        let grew =
            first_of_segment(&file.name).is_some_and(|first| [open, last_sealed].contains(&Some(first)));
        let pieces = grew.then(|| pieces(file.length, read_at)).transpose()?;
        Ok(SnapshotFile {
            name,
            length: file.length,
            content_id,
            pieces,
        })
    };
    log.files().iter().map(to_snapshot).collect()
}

/// The checksums of the whole pieces of a file.
fn pieces(
    length: u64,
    read_at: impl Fn(u64, usize) -> Result<Bytes, ShardError>,
) -> Result<Vec<u64>, ShardError> {
    let whole = length / SNAPSHOT_PIECE_BYTES as u64;
    let checksum = |number| {
        let bytes = read_at(number * SNAPSHOT_PIECE_BYTES as u64, SNAPSHOT_PIECE_BYTES)?;
        Ok(XxHash3_64::oneshot(&bytes))
    };
    (0..whole).map(checksum).collect()
}

/// A segment of the log is named by its first operation.
fn first_of_segment(log_name: &str) -> Option<u64> {
    log_name.strip_suffix(".log")?.parse().ok()
}
