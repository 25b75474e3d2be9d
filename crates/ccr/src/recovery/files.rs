//! Files of a shard that is being copied.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use transport::{FilePieces, RecoveryFile};

/// Name of the list of what was copied, beside the files, while they are incomplete.
const RECORD_NAME: &str = "recovery.ndjson";
const RECORD_FORMAT: u32 = 1;

/// The first line of the record.
#[derive(Debug, Serialize, Deserialize)]
struct RecordHeader {
    format: u32,
}

/// A line of the record: the first `durable` bytes of a file are here. A later line on the same file counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RecordLine {
    name: String,
    length: u64,
    /// `None` for a file that grows: its bytes are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_id: Option<u64>,
    durable: u64,
}

/// The directory of a shard under recovery. Everything here blocks.
///
/// A record in it says how far each file was copied. It is written after the bytes are durable, so that it may say too little but never too much, and
/// it is removed before the shard is opened: a directory without a record holds nothing that a recovery may build on.
#[derive(Debug, Clone)]
pub(crate) struct StagingDir {
    path: PathBuf,
    /// Of the files that stayed, how many of their first bytes are durable.
    kept: Arc<BTreeMap<String, u64>>,
    record: Arc<Mutex<File>>,
}

impl StagingDir {
    /// Prepares the directory at `path` for `wanted`: what an earlier attempt copied of the same files stays, everything else is removed.
    ///
    /// # Errors
    /// Illegal state if a name leads out of the directory; a failure of the file system.
    pub(crate) fn prepare(path: &Path, wanted: &[RecoveryFile]) -> Result<Self, Exception> {
        for file in wanted {
            check_name(&file.name)?;
        }
        let known = read_record(path);
        let kept = wanted.iter().filter_map(|file| {
            let line = known.get(&file.name)?;
            let there = path.join(&file.name);
            let metadata = fs::symlink_metadata(&there).ok()?;
            if !metadata.is_file() {
                return None;
            }
            if is_of(line, file) && metadata.len() == file.length {
                return Some(line.clone());
            }
            // A file that cannot be read is copied anew.
            let durable = same_pieces(&there, line.durable.min(metadata.len()), file).unwrap_or(0);
            (durable > 0).then(|| RecordLine::new(file, durable))
        });
        let kept: Vec<RecordLine> = kept.collect();
        let prepare = || {
            if kept.is_empty() {
                remove_all(path)?;
                fs::create_dir_all(path)?;
            } else {
                remove_others(path, &kept)?;
            }
            write_record(path, &kept)
        };
        let record = prepare().map_err(|error| failed("prepare", path, &error))?;
        let durable = |line: RecordLine| (line.name, line.durable.min(line.length));
        Ok(Self {
            path: path.to_owned(),
            kept: Arc::new(kept.into_iter().map(durable).collect()),
            record: Arc::new(Mutex::new(record)),
        })
    }

    /// How many of the first bytes of `file` are there and durable.
    pub(crate) fn durable(&self, file: &RecoveryFile) -> u64 {
        self.kept.get(&file.name).copied().unwrap_or(0)
    }

    /// Opens `file` to be filled, at its full length.
    ///
    /// # Errors
    /// A failure of the file system.
    pub(crate) fn open_file(&self, file: &RecoveryFile) -> Result<StagedFile, Exception> {
        let path = self.path.join(&file.name);
        let open = || {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let opened = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)?;
            opened.set_len(file.length)?;
            Ok(opened)
        };
        let opened = open().map_err(|error| failed("create", &path, &error))?;
        Ok(StagedFile {
            file: Arc::new(opened),
            path,
        })
    }

    /// Makes the content of `staged`, which is `file`, durable, and remembers that its first `copied` bytes are there.
    ///
    /// # Errors
    /// A failure of the file system.
    pub(crate) fn save(
        &self,
        file: &RecoveryFile,
        staged: &StagedFile,
        copied: u64,
    ) -> Result<(), Exception> {
        staged.sync()?;
        if file.content_id.is_none() && file.pieces.is_none() {
            return Ok(());
        }
        let line = RecordLine::new(file, copied);
        let mut record = self.record.lock();
        append_line(&mut record, &line).map_err(|error| failed("write", &self.path.join(RECORD_NAME), &error))
    }

    /// Makes the directory entries durable, and the directory one that a shard may be opened in.
    ///
    /// # Errors
    /// A failure of the file system.
    pub(crate) fn finish(&self) -> Result<(), Exception> {
        let sync = |path: &Path| {
            File::open(path)
                .and_then(|dir| dir.sync_all())
                .map_err(|error| failed("sync", path, &error))
        };
        let entries = fs::read_dir(&self.path).map_err(|error| failed("list", &self.path, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| failed("list", &self.path, &error))?.path();
            if path.is_dir() {
                sync(&path)?;
            }
        }
        let record = self.path.join(RECORD_NAME);
        fs::remove_file(&record).map_err(|error| failed("remove", &record, &error))?;
        sync(&self.path)
    }
}

impl RecordLine {
    fn new(file: &RecoveryFile, durable: u64) -> Self {
        Self {
            name: file.name.clone(),
            length: file.length,
            content_id: file.content_id,
            durable,
        }
    }
}

fn is_of(line: &RecordLine, file: &RecoveryFile) -> bool {
    let is_same = line.content_id.is_some() && line.content_id == file.content_id;
    is_same && line.name == file.name && line.length == file.length
}

/// How many of the first `durable` bytes of the file at `path` are those of `wanted`, as far as its pieces tell; the file has `wanted`'s length, or less, afterwards.
fn same_pieces(path: &Path, durable: u64, wanted: &RecoveryFile) -> io::Result<u64> {
    let Some(pieces) = &wanted.pieces else {
        return Ok(0);
    };
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    if file.metadata()?.len() > wanted.length {
        file.set_len(wanted.length)?;
    }
    let whole = durable.min(wanted.length) / pieces.length;
    let mut piece = vec![0; usize::try_from(pieces.length).unwrap_or(usize::MAX)];
    let mut offset = 0;
    for checksum in pieces
        .checksums
        .iter()
        .take(usize::try_from(whole).unwrap_or(usize::MAX))
    {
        file.read_exact_at(&mut piece, offset)?;
        if FilePieces::checksum(&piece) != *checksum {
            break;
        }
        offset += pieces.length;
    }
    Ok(offset)
}

/// What an earlier attempt left, by name: up to the first line that cannot be read, as a crash leaves it.
fn read_record(dir: &Path) -> BTreeMap<String, RecordLine> {
    let mut known = BTreeMap::new();
    let Ok(content) = fs::read_to_string(dir.join(RECORD_NAME)) else {
        return known;
    };
    let mut lines = content.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let header = lines.next().map(serde_json::from_str::<RecordHeader>);
    if !matches!(
        header,
        Some(Ok(RecordHeader {
            format: RECORD_FORMAT
        }))
    ) {
        return known;
    }
    let lines = lines.map_while(|line| serde_json::from_str::<RecordLine>(line).ok());
    known.extend(lines.map(|line| (line.name.clone(), line)));
    known
}

/// Writes a new record in place of the old one.
fn write_record(dir: &Path, kept: &[RecordLine]) -> io::Result<File> {
    let (path, temporary) = (dir.join(RECORD_NAME), dir.join(format!("{RECORD_NAME}.tmp")));
    let mut record = File::create(&temporary)?;
    append_line(
        &mut record,
        &RecordHeader {
            format: RECORD_FORMAT,
        },
    )?;
    for line in kept {
        append_line(&mut record, line)?;
    }
    fs::rename(temporary, path)?;
    Ok(record)
}

fn append_line(record: &mut File, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    record.write_all(&text)
}

fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes everything in `dir` but the files in `kept`, which lie in it or in a folder of it.
fn remove_others(dir: &Path, kept: &[RecordLine]) -> io::Result<()> {
    let is_kept = |path: &Path| kept.iter().any(|line| dir.join(&line.name) == path);
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if !path.is_dir() {
            if !is_kept(&path) {
                fs::remove_file(&path)?;
            }
            continue;
        }
        for entry in fs::read_dir(&path)? {
            let path = entry?.path();
            match path.is_dir() {
                true => fs::remove_dir_all(&path)?,
                false if is_kept(&path) => {}
                false => fs::remove_file(&path)?,
            }
        }
    }
    Ok(())
}

/// A file that is being filled.
#[derive(Debug, Clone)]
pub(crate) struct StagedFile {
    file: Arc<File>,
    path: PathBuf,
}

impl StagedFile {
    pub(crate) fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), Exception> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(|error| failed("write", &self.path, &error))
    }

    fn sync(&self) -> Result<(), Exception> {
        self.file
            .sync_all()
            .map_err(|error| failed("sync", &self.path, &error))
    }
}

/// A peer names the files, so a name may only be one or two plain parts: a file, or a folder and a file.
fn check_name(name: &str) -> Result<(), Exception> {
    let parts: Vec<&str> = name.split('/').collect();
    let plain =
        |part: &&str| !part.is_empty() && *part != "." && *part != ".." && !part.contains(['\\', '\0']);
    if parts.len() <= 2 && parts.iter().all(plain) {
        return Ok(());
    }
    Err(Exception::new(
        ExceptionKind::IllegalState,
        format!("the leader named a file [{name}] that is not a plain file of a shard"),
    ))
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Exception {
    Exception::new(
        ExceptionKind::IndexShardRestoreFailed,
        format!(
            "cannot {what} [{}] while copying a shard from its leader: {error}",
            path.display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_cannot_name_a_file_outside_of_the_shard() {
        for name in [
            "../x",
            "/etc/passwd",
            "a/../../x",
            "",
            "a//b",
            "a/b/c",
            ".",
            "a\\b",
            "oplog/..",
        ] {
            assert!(check_name(name).is_err(), "{name:?} must be refused");
        }
        for name in ["meta.json", "oplog/0.log", "index/abc.term"] {
            assert_eq!(check_name(name), Ok(()), "{name:?}");
        }
    }

    fn wanted(name: &str, length: u64, content_id: Option<u64>) -> RecoveryFile {
        RecoveryFile {
            name: name.to_owned(),
            length,
            content_id,
            pieces: None,
        }
    }

    #[test]
    fn chunks_land_at_their_offsets_in_any_order() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("shard");
        fs::create_dir_all(&path).expect("create");
        fs::write(path.join("stale"), "x").expect("write");
        let log = wanted("oplog/0.log", 6, Some(1));
        let staging = StagingDir::prepare(&path, std::slice::from_ref(&log)).expect("prepare");
        assert!(!path.join("stale").exists(), "what is no copy is not kept");
        assert_eq!(staging.durable(&log), 0);
        let file = staging.open_file(&log).expect("create");
        file.write_at(3, b"def").expect("write");
        file.write_at(0, b"abc").expect("write");
        staging.save(&log, &file, 6).expect("save");
        staging.finish().expect("finish");
        assert_eq!(fs::read(path.join("oplog/0.log")).expect("read"), b"abcdef");
        assert_eq!(
            fs::read_dir(&path).expect("list").count(),
            1,
            "the record is gone"
        );

        let again = StagingDir::prepare(&path, std::slice::from_ref(&log)).expect("prepare");
        assert_eq!(again.durable(&log), 0, "a finished copy may have been used");
    }

    #[test]
    fn an_attempt_goes_on_where_the_one_before_was_sure_of_its_bytes() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("shard");
        let files = [
            wanted("oplog/0.log", 6, Some(1)),
            wanted("oplog/0.idx", 2, Some(2)),
            wanted("oplog/9.log", 5, Some(3)),
            wanted("oplog/checkpoint", 3, None),
            wanted("index/a.term", 4, Some(4)),
        ];
        let staging = StagingDir::prepare(&path, &files).expect("prepare");
        for file in &files {
            let staged = staging.open_file(file).expect("create");
            staged.write_at(0, b"ab").expect("write");
            staging.save(file, &staged, 2).expect("save");
        }
        // As a crash in the middle of a line leaves it.
        let mut record = OpenOptions::new()
            .append(true)
            .open(path.join(RECORD_NAME))
            .expect("open");
        record
            .write_all(br#"{"name":"oplog/0.log","length":6,"content_id":1,"durable":6"#)
            .expect("write");

        let now = [
            files[0].clone(),
            wanted("oplog/0.idx", 2, Some(22)),
            wanted("oplog/9.log", 6, Some(3)),
            files[3].clone(),
        ];
        let staging = StagingDir::prepare(&path, &now).expect("prepare");
        let there: Vec<_> = now.iter().map(|file| staging.durable(file)).collect();
        assert_eq!(
            there,
            [2, 0, 0, 0],
            "the same bytes, other ones, a longer file, one that changes"
        );
        assert!(!path.join("index/a.term").exists(), "nobody wants it any more");
        drop(staging);

        fs::remove_file(path.join("oplog/0.log")).expect("remove");
        let staging = StagingDir::prepare(&path, &now).expect("prepare");
        assert_eq!(staging.durable(&now[0]), 0, "the file is gone");
    }

    /// A file of `content` that grows, in pieces of 4 bytes.
    fn growing(content: &[u8]) -> RecoveryFile {
        RecoveryFile {
            pieces: Some(FilePieces {
                length: 4,
                checksums: content.chunks_exact(4).map(FilePieces::checksum).collect(),
            }),
            ..wanted("oplog/5.log", content.len() as u64, None)
        }
    }

    #[test]
    fn a_file_that_grew_is_kept_as_far_as_its_bytes_are_the_same() {
        let before = growing(b"aaaabbbbccccdd");
        let sealed = RecoveryFile {
            content_id: Some(1),
            ..growing(b"aaaabbbbccccddddeeee")
        };
        let cases = [
            (before.clone(), 14, 12, "the same"),
            (growing(b"aaaabbbbccccddddeeee"), 14, 12, "longer"),
            (sealed, 14, 12, "longer, and sealed since"),
            (growing(b"aaaabbbbccccddddeeee"), 7, 4, "only so much is durable"),
            (
                growing(b"aaaabbbbXcccdd"),
                14,
                8,
                "other bytes in the third piece",
            ),
            (
                growing(b"Xaaabbbbccccdd"),
                14,
                0,
                "other bytes in the first piece",
            ),
            (growing(b"aaaabbbb"), 14, 8, "shorter"),
            (wanted("oplog/5.log", 14, None), 14, 0, "not told in pieces"),
            (wanted("oplog/5.log", 14, Some(9)), 14, 0, "rewritten"),
        ];
        for (now, copied, expected, what) in cases {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let path = dir.path().join("shard");
            let staging = StagingDir::prepare(&path, std::slice::from_ref(&before)).expect("prepare");
            let staged = staging.open_file(&before).expect("create");
            staged.write_at(0, b"aaaabbbbccccdd").expect("write");
            staging.save(&before, &staged, copied).expect("save");
            let wanted = std::slice::from_ref(&now);
            let again = StagingDir::prepare(&path, wanted).expect("prepare");
            assert_eq!(again.durable(&now), expected, "{what}");
            let length = fs::metadata(path.join("oplog/5.log")).map_or(0, |metadata| metadata.len());
            assert!(length <= now.length, "{what}");
            // The record of what was kept is as good as the first.
            let once_more = StagingDir::prepare(&path, wanted).expect("prepare");
            assert_eq!(once_more.durable(&now), expected, "{what}, once more");
        }
    }
}
