//! A directory whose files prove their content and their name.
//!
//! Tantivy's own checksums do not cover `meta.json`, which says what a commit holds, and do not tell one file from another: two intact files that changed
//! places would answer searches wrongly. So every file gets a trailer here, with a hash of its name and one of name and content.
//! Opening a file checks the trailer; [`FileVerification`] reads the content too.

use std::fmt;
use std::fs::File;
use std::hash::Hasher as _;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, FileSlice, Lock, MmapDirectory, TerminatingWrite,
    WatchCallback, WatchHandle, WritePtr,
};
use twox_hash::XxHash3_64;

const MAGIC: &[u8; 8] = b"CCRVIEW\x01";
const TRAILER_LENGTH: usize = 24;
const CHUNK: usize = 1 << 20;

fn hash_of(name: &str) -> XxHash3_64 {
    let mut hash = XxHash3_64::new();
    hash.write(name.as_bytes());
    hash
}

fn trailer(name: &str, content: u64) -> [u8; TRAILER_LENGTH] {
    let mut bytes = [0; TRAILER_LENGTH];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&XxHash3_64::oneshot(name.as_bytes()).to_le_bytes());
    bytes[16..].copy_from_slice(&content.to_le_bytes());
    bytes
}

/// The bytes of a whole file called `name`, its trailer with it.
pub(crate) fn sealed(name: &str, content: &[u8]) -> Vec<u8> {
    let mut hash = hash_of(name);
    hash.write(content);
    [content, &trailer(name, hash.finish())].concat()
}

fn unsealed(name: &str, mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let length = content_length(name, bytes.len())?;
    let mut hash = hash_of(name);
    hash.write(&bytes[..length]);
    if bytes[length..] != trailer(name, hash.finish()) {
        return Err(damaged(name, "its content is not what was written"));
    }
    bytes.truncate(length);
    Ok(bytes)
}

fn content_length(name: &str, length: usize) -> io::Result<usize> {
    length
        .checked_sub(TRAILER_LENGTH)
        .ok_or_else(|| damaged(name, "it is too short"))
}

fn damaged(name: &str, what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("file [{name}] is damaged: {what}"),
    )
}

fn name_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Reads the whole file `name` in `dir` and checks it.
///
/// # Errors
/// As those of [`FileVerification`].
pub(crate) fn verify_file(dir: &Path, name: &str) -> io::Result<()> {
    let mut file = FileVerification::open(dir, name)?;
    while file.step(CHUNK)?.is_some() {}
    Ok(())
}

/// One file that is read and checked in steps. Reads by calls and not by mapping, since a medium that fails answers those with an error. Goes on with a
/// file that was removed meanwhile.
pub(super) struct FileVerification {
    name: String,
    file: File,
    hash: Box<XxHash3_64>,
    /// Bytes of content still to be read.
    rest: usize,
}

impl fmt::Debug for FileVerification {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FileVerification")
            .field("name", &self.name)
            .field("rest", &self.rest)
            .finish_non_exhaustive()
    }
}

impl FileVerification {
    /// Opens file `name` in `dir`.
    ///
    /// # Errors
    /// Of kind `InvalidData` if the file is too short; what the medium says.
    pub(super) fn open(dir: &Path, name: &str) -> io::Result<Self> {
        let file = File::open(dir.join(name))?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        Ok(Self {
            name: name.to_owned(),
            file,
            hash: Box::new(hash_of(name)),
            rest: content_length(name, length)?,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Reads at most `most` bytes more, and answers how many; `None` once the whole file was found good.
    ///
    /// # Errors
    /// Of kind `InvalidData` if the file is damaged; what the medium says.
    pub(super) fn step(&mut self, most: usize) -> io::Result<Option<usize>> {
        if self.rest == 0 {
            let mut end = [0; TRAILER_LENGTH];
            self.file.read_exact(&mut end)?;
            if end != trailer(&self.name, self.hash.finish()) {
                return Err(damaged(&self.name, "its content is not what was written"));
            }
            return Ok(None);
        }
        let mut part = vec![0; most.clamp(1, CHUNK).min(self.rest)];
        self.file.read_exact(&mut part)?;
        self.hash.write(&part);
        self.rest -= part.len();
        Ok(Some(part.len()))
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct SealedDirectory {
    inner: MmapDirectory,
}

impl SealedDirectory {
    pub(super) fn open(dir: &Path) -> tantivy::Result<Self> {
        let inner = MmapDirectory::open(dir)?;
        Ok(Self { inner })
    }
}

impl Directory for SealedDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let file = FileSlice::new(self.inner.get_file_handle(path)?);
        let name = name_of(path);
        let check = || {
            let length = content_length(&name, tantivy::HasLen::len(&file))?;
            let end = file.read_bytes_slice(length..length + TRAILER_LENGTH)?;
            // The content's hash takes reading all of it.
            if end[..16] != trailer(&name, 0)[..16] {
                return Err(damaged(&name, "it does not end as a file of this name does"));
            }
            Ok(length)
        };
        let length = check().map_err(|error| OpenReadError::wrap_io_error(error, path.to_path_buf()))?;
        Ok(Arc::new(file.slice_to(length)))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.inner.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.inner.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let name = name_of(path);
        Ok(BufWriter::new(Box::new(SealingWriter {
            inner: self.inner.open_write(path)?,
            content: hash_of(&name),
            name,
        })))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let bytes = self.inner.atomic_read(path)?;
        unsealed(&name_of(path), bytes)
            .map_err(|error| OpenReadError::wrap_io_error(error, path.to_path_buf()))
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        self.inner.atomic_write(path, &sealed(&name_of(path), data))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.inner.sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.inner.acquire_lock(lock)
    }

    fn watch(&self, watch_callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.inner.watch(watch_callback)
    }
}

struct SealingWriter {
    inner: WritePtr,
    name: String,
    content: XxHash3_64,
}

impl fmt::Debug for SealingWriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SealingWriter")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Write for SealingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.content.write(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl TerminatingWrite for SealingWriter {
    fn terminate_ref(&mut self, token: AntiCallToken) -> io::Result<()> {
        self.inner
            .write_all(&trailer(&self.name, self.content.finish()))?;
        self.inner.terminate_ref(token)
    }
}

/// The files in `dir` that a commit with these segments needs, beside `meta.json`.
pub(super) fn files_of(
    directory: &dyn Directory,
    segments: impl Iterator<Item = PathBuf>,
) -> tantivy::Result<Vec<String>> {
    let mut segments = segments.peekable();
    if segments.peek().is_none() {
        // Nothing was committed yet; the list of files comes with the first of them.
        return Ok(Vec::new());
    }
    let managed = directory.atomic_read(MANAGED_FILE.as_ref())?;
    let managed: std::collections::HashSet<PathBuf> =
        serde_json::from_slice(&managed).map_err(|error| damaged(MANAGED_FILE, &error.to_string()))?;
    // Not every kind of file exists for every segment; those that do are managed.
    Ok(segments
        .filter(|path| managed.contains(path))
        .map(|path| name_of(&path))
        .collect())
}

/// Where tantivy lists its files.
pub(crate) const MANAGED_FILE: &str = ".managed.json";
/// Where tantivy lists the segments of the last commit.
pub(crate) const META_FILE: &str = "meta.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_byte_and_every_other_name_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let directory = SealedDirectory::open(dir.path()).unwrap();
        for name in ["a.term", "b.term"] {
            let mut writer = directory.open_write(name.as_ref()).unwrap();
            writer.write_all(format!("content of {name}").as_bytes()).unwrap();
            writer.terminate().unwrap();
            verify_file(dir.path(), name).unwrap();
        }
        let content = directory
            .open_read("a.term".as_ref())
            .unwrap()
            .read_bytes()
            .unwrap();
        assert_eq!(content.as_slice(), b"content of a.term");
        let (path, other) = (dir.path().join("a.term"), dir.path().join("b.term"));
        let intact = std::fs::read(&path).unwrap();
        for place in 0..intact.len() {
            let mut bytes = intact.clone();
            bytes[place] ^= 0x10;
            std::fs::write(&path, &bytes).unwrap();
            assert!(verify_file(dir.path(), "a.term").is_err(), "byte {place}");
        }
        for length in 0..intact.len() {
            std::fs::write(&path, &intact[..length]).unwrap();
            assert!(verify_file(dir.path(), "a.term").is_err(), "length {length}");
        }
        std::fs::copy(&other, &path).unwrap();
        assert!(verify_file(dir.path(), "a.term").is_err());
        assert!(directory.open_read("a.term".as_ref()).is_err());
    }

    #[test]
    fn every_flipped_byte_of_a_file_written_at_once_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let directory = SealedDirectory::open(dir.path()).unwrap();
        let (name, path) = (Path::new(META_FILE), dir.path().join(META_FILE));
        directory.atomic_write(name, br#"{"a":1}"#).unwrap();
        assert_eq!(directory.atomic_read(name).unwrap(), br#"{"a":1}"#);
        let intact = std::fs::read(&path).unwrap();
        for place in 0..intact.len() {
            let mut bytes = intact.clone();
            bytes[place] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            assert!(directory.atomic_read(name).is_err(), "byte {place}");
        }
        std::fs::write(&path, b"{").unwrap();
        assert!(directory.atomic_read(name).is_err());
    }
}
