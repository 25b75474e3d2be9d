//! Files as the log sees them, so that tests can put faults and crashes under it.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;

/// Slices that one system call takes: `IOV_MAX` of Linux.
const MAX_SLICES: usize = 1024;

/// One open file. Reads and writes name their offset; a handle stays valid when its file is renamed or removed.
pub trait StorageFile: Send + Sync + Debug {
    /// Reads exactly `length` bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the file is shorter, else what the medium says.
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes>;

    /// Writes all of `data`, extending the file as needed. Not durable before [`Self::sync_data`].
    ///
    /// # Errors
    /// What the medium says; any part of `data` may have been written.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Writes `pieces` one after the other, as [`Self::write_at`] writes one.
    ///
    /// # Errors
    /// As those of [`Self::write_at`].
    fn write_pieces_at(&self, offset: u64, pieces: &[Bytes]) -> io::Result<()> {
        self.write_at(offset, &pieces.concat())
    }

    /// Makes all content that was written so far durable. The file's name is made durable by [`Storage::sync_dir`].
    ///
    /// # Errors
    /// What the medium says; nothing is known of what was written since the last success.
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts the file to `length` bytes.
    ///
    /// # Errors
    /// What the medium says.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    /// What the medium says.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// What the medium says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// A tree of files. Changes of names are durable only after [`Self::sync_dir`] of their directory.
pub trait Storage: Send + Sync + Debug {
    /// Creates a file, or empties the one that exists, for reading and writing.
    ///
    /// # Errors
    /// What the medium says.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is none, else what the medium says.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>>;

    /// Renames a file, replacing the target in one step.
    ///
    /// # Errors
    /// What the medium says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is none, else what the medium says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The names of the files directly in a directory, sorted.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is no such directory, else what the medium says.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Whether there is a file or directory of this name.
    ///
    /// # Errors
    /// What the medium says.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Creates a directory and its parents, durably.
    ///
    /// # Errors
    /// What the medium says.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// What the medium says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// The machine's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct FsStorage;

#[derive(Debug)]
struct FsFile(File);

impl StorageFile for FsFile {
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        // Not zeroed before: that would cost as much as the read itself when the file is in memory.
        let mut buffer = Vec::with_capacity(length);
        while buffer.len() < length {
            let place = offset + buffer.len() as u64;
            match rustix::io::pread(&self.0, spare_capacity(&mut buffer), place) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        buffer.truncate(length);
        Ok(buffer.into())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }

    /// Without copying them into one buffer.
    fn write_pieces_at(&self, mut offset: u64, pieces: &[Bytes]) -> io::Result<()> {
        for pieces in pieces.chunks(MAX_SLICES) {
            let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            let mut rest = &mut slices[..];
            // Passes over empty ones, which would look like a write that does not get on.
            IoSlice::advance_slices(&mut rest, 0);
            while !rest.is_empty() {
                match rustix::io::pwritev(&self.0, rest, offset) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => {
                        offset += written as u64;
                        IoSlice::advance_slices(&mut rest, written);
                    }
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

impl Storage for FsStorage {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        Ok(Arc::new(FsFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(FsFile(
            OpenOptions::new().read(true).write(true).open(path)?,
        )))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let missing: Vec<_> = dir
            .ancestors()
            .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !ancestor.exists())
            .collect();
        std::fs::create_dir_all(dir)?;
        for created in missing {
            if let Some(parent) = created.parent() {
                let parent = if parent.as_os_str().is_empty() {
                    Path::new(".")
                } else {
                    parent
                };
                self.sync_dir(parent)?;
            }
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_written_one_after_the_other_and_read_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let file = FsStorage.create(&dir.path().join("file")).unwrap();
        // More than one system call takes, and empty ones among them.
        let pieces: Vec<Bytes> = (0..3 * MAX_SLICES + 7)
            .map(|number| Bytes::from(vec![number as u8; number % 50]))
            .collect();
        let whole = pieces.concat();
        file.write_pieces_at(10, &pieces).unwrap();
        file.write_pieces_at(0, &[]).unwrap();
        file.write_pieces_at(0, &[Bytes::new()]).unwrap();
        assert_eq!(file.len().unwrap(), 10 + whole.len() as u64);
        assert_eq!(file.read_at(10, whole.len()).unwrap(), whole);
        assert_eq!(file.read_at(0, 10).unwrap(), [0; 10][..], "a hole");
        let beyond = file.read_at(11, whole.len()).unwrap_err();
        assert_eq!(beyond.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(file.read_at(10, 0).unwrap(), Bytes::new());
    }
}
