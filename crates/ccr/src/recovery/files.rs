//! Files of a shard that is being copied.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};

/// The directory of a shard under recovery. Everything here blocks.
#[derive(Debug, Clone)]
pub(crate) struct StagingDir {
    path: PathBuf,
}

impl StagingDir {
    /// An empty directory at `path`; what an earlier attempt left there is removed.
    pub(crate) fn create_empty(path: &Path) -> Result<Self, Exception> {
        let staging = Self {
            path: path.to_owned(),
        };
        let result = match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::create_dir_all(path),
        };
        result
            .map(|()| staging)
            .map_err(|error| failed("prepare", path, &error))
    }

    /// Creates the file `name` with `length` bytes to be written.
    ///
    /// # Errors
    /// Illegal state if the name leads out of the directory; a failure of the file system.
    pub(crate) fn create_file(&self, name: &str, length: u64) -> Result<StagedFile, Exception> {
        check_name(name)?;
        let path = self.path.join(name);
        let create = || {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
            file.set_len(length)?;
            Ok(file)
        };
        let file = create().map_err(|error| failed("create", &path, &error))?;
        Ok(StagedFile {
            file: Arc::new(file),
            path,
        })
    }

    /// Makes the directory entries durable.
    pub(crate) fn sync(&self) -> Result<(), Exception> {
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
        sync(&self.path)
    }
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

    /// Makes the content durable.
    pub(crate) fn sync(&self) -> Result<(), Exception> {
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

    #[test]
    fn chunks_land_at_their_offsets_in_any_order() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("shard");
        fs::create_dir_all(&path).expect("create");
        fs::write(path.join("stale"), "x").expect("write");
        let staging = StagingDir::create_empty(&path).expect("empty");
        assert!(
            !path.join("stale").exists(),
            "an earlier attempt leaves nothing behind"
        );
        let file = staging.create_file("oplog/0.log", 6).expect("create");
        file.write_at(3, b"def").expect("write");
        file.write_at(0, b"abc").expect("write");
        file.sync().expect("sync");
        staging.sync().expect("sync");
        assert_eq!(fs::read(path.join("oplog/0.log")).expect("read"), b"abcdef");
    }
}
