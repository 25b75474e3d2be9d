//! Storage in memory that fails and loses power on demand. For tests.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{Storage, StorageFile};

/// What happens at the chosen change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// That call fails and does nothing; later ones work.
    Fail,
    /// That call fails, a write having written its first half; later ones work.
    Tear,
    /// As [`Self::Fail`]; if it is a sync, what it should have made durable never will be, although reads still show it and later syncs work. That is
    /// what an operating system leaves that marks pages as clean after a failed write.
    LoseSync,
    /// That call and every later change fail (a write having written its first half), until [`MemStorage::crash`].
    PowerCut,
}

/// Storage in memory.
///
/// Every call that changes something (create, write, truncate, sync, rename, remove, directory sync) counts as one
/// *change*, at which a [`Fault`] can be injected. [`MemStorage::crash`] keeps what was synced, and of the rest whatever a
/// pseudo-random choice leaves: unsynced writes survive in pieces and in any order, unsynced names up to some point or in any order.
#[derive(Debug, Clone, Default)]
pub struct MemStorage {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// Bumped by a crash; handles of an older epoch are dead, as the process that held them.
    epoch: u64,
    files: Vec<FileContent>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    unsynced_names: Vec<NameChange>,
    dirs: BTreeSet<PathBuf>,
    changes: u64,
    syncs: u64,
    fault: Option<(u64, Fault)>,
    /// How many faults were reached.
    faults: u64,
    /// The most bytes that all files together may have.
    capacity: Option<u64>,
    dead: bool,
}

#[derive(Debug, Default, Clone)]
struct FileContent {
    current: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    Truncate(usize),
}

#[derive(Debug, Clone)]
enum NameChange {
    Set(PathBuf, usize),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf, usize),
}

impl NameChange {
    fn dir(&self) -> Option<&Path> {
        match self {
            Self::Set(path, _) | Self::Remove(path) | Self::Rename(_, path, _) => path.parent(),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Set(path, file) => {
                names.insert(path.clone(), *file);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
        }
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => FileContent::write(content, *offset, data),
            Self::Truncate(length) => content.resize(*length, 0),
        }
    }
}

impl FileContent {
    fn write(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[offset..end].copy_from_slice(data);
    }
}

/// The size in which unsynced writes survive a crash or do not.
const SECTOR: usize = 512;
/// The most that may be read without having looked at how long the file is.
const LONGEST_BLIND_READ: usize = 64 << 10;

impl MemStorage {
    /// Empty storage without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many changes were tried so far.
    pub fn changes(&self) -> u64 {
        self.inner.lock().changes
    }

    /// How many file syncs succeeded so far.
    pub fn syncs(&self) -> u64 {
        self.inner.lock().syncs
    }

    /// Whether the power is cut.
    pub fn is_dead(&self) -> bool {
        self.inner.lock().dead
    }

    /// How many injected faults were reached so far.
    pub fn faults(&self) -> u64 {
        self.inner.lock().faults
    }

    /// Bounds the bytes of all files together: writes that would need more fail with [`io::ErrorKind::StorageFull`] after what fits. `None`: no bound.
    pub fn set_capacity(&self, capacity: Option<u64>) {
        self.inner.lock().capacity = capacity;
    }

    /// The bytes of all files together.
    pub fn used(&self) -> u64 {
        self.inner.lock().used()
    }

    /// Injects a fault at the change number `at`, counted from 0 over the whole life of the storage.
    pub fn inject(&self, at: u64, fault: Fault) {
        self.inner.lock().fault = Some((at, fault));
    }

    /// Loses power and restarts: open handles are dead, unsynced changes survive in part, chosen by `seed`.
    /// Faults that were not reached are forgotten.
    pub fn crash(&self, seed: u64) {
        let mut random = SplitMix(seed);
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        inner.epoch += 1;
        inner.dead = false;
        inner.fault = None;
        for file in &mut inner.files {
            let mut content = std::mem::take(&mut file.synced);
            let any_order = random.next(2) == 0;
            let kept = random.next(file.unsynced.len() as u64 + 1) as usize;
            for (position, change) in file.unsynced.drain(..).enumerate() {
                match change {
                    Change::Write { offset, data } if any_order => {
                        for (number, sector) in data.chunks(SECTOR).enumerate() {
                            if random.next(2) == 0 {
                                FileContent::write(&mut content, offset + number * SECTOR, sector);
                            }
                        }
                    }
                    Change::Write { offset, data } if position < kept => {
                        FileContent::write(&mut content, offset, &data);
                    }
                    Change::Write { offset, data } if position == kept => {
                        let torn = random.next(data.len() as u64 + 1) as usize;
                        FileContent::write(&mut content, offset, &data[..torn]);
                    }
                    Change::Truncate(length) if any_order || position < kept => content.truncate(length),
                    Change::Write { .. } | Change::Truncate(_) => {}
                }
            }
            file.synced.clone_from(&content);
            file.current = content;
        }
        let any_order = random.next(2) == 0;
        let kept = random.next(inner.unsynced_names.len() as u64 + 1) as usize;
        let mut names = std::mem::take(&mut inner.durable_names);
        for (position, change) in inner.unsynced_names.drain(..).enumerate() {
            let survives = if any_order {
                random.next(2) == 0
            } else {
                position < kept
            };
            if survives {
                change.apply(&mut names);
            }
        }
        inner.names.clone_from(&names);
        inner.durable_names = names;
    }

    /// An independent copy of what is on the medium, without faults or open handles.
    pub fn fork(&self) -> Self {
        let inner = self.inner.lock();
        let copy = Inner {
            files: inner.files.clone(),
            names: inner.names.clone(),
            durable_names: inner.durable_names.clone(),
            unsynced_names: inner.unsynced_names.clone(),
            dirs: inner.dirs.clone(),
            ..Inner::default()
        };
        Self {
            inner: Arc::new(Mutex::new(copy)),
        }
    }

    /// The content of a file, if it exists.
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let inner = self.inner.lock();
        inner
            .names
            .get(path)
            .map(|file| inner.files[*file].current.clone())
    }

    /// Replaces the content of a file, durably, as damage to the medium would.
    pub fn damage(&self, path: &Path, content: Vec<u8>) {
        let mut inner = self.inner.lock();
        let Some(file) = inner.names.get(path).copied() else {
            return;
        };
        inner.files[file] = FileContent {
            current: content.clone(),
            synced: content,
            unsynced: Vec::new(),
        };
    }
}

/// A small generator, so that a crash is repeatable.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % bound
    }
}

/// How far a change may go.
#[derive(PartialEq, Eq)]
enum Outcome {
    Whole,
    Nothing,
    Half,
    /// As `Nothing`; a sync also forgets what it should have written.
    Lost,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("names", &self.names)
            .field("changes", &self.changes)
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn change(&mut self) -> Outcome {
        let number = self.changes;
        self.changes += 1;
        if self.dead {
            return Outcome::Nothing;
        }
        match self.fault {
            Some((at, fault)) if at == number => {
                self.faults += 1;
                self.dead = fault == Fault::PowerCut;
                match fault {
                    Fault::Fail => Outcome::Nothing,
                    Fault::LoseSync => Outcome::Lost,
                    Fault::Tear | Fault::PowerCut => Outcome::Half,
                }
            }
            _ => Outcome::Whole,
        }
    }

    fn used(&self) -> u64 {
        self.names
            .values()
            .map(|file| self.files[*file].current.len() as u64)
            .sum()
    }

    /// How many of the bytes that begin at `offset` of a file the medium takes.
    fn room_for(&self, file: usize, offset: usize, length: usize) -> usize {
        let Some(capacity) = self.capacity else {
            return length;
        };
        let present = self.files[file].current.len();
        let free = usize::try_from(capacity.saturating_sub(self.used())).unwrap_or(usize::MAX);
        let most = present.saturating_sub(offset).saturating_add(free);
        length.min(most)
    }

    fn whole_change(&mut self) -> io::Result<()> {
        if self.change() == Outcome::Whole {
            Ok(())
        } else {
            Err(injected())
        }
    }
}

fn injected() -> io::Error {
    io::Error::other("injected fault")
}

#[derive(Debug)]
struct MemFile {
    inner: Arc<Mutex<Inner>>,
    file: usize,
    epoch: u64,
}

impl MemFile {
    fn with<T>(&self, f: impl FnOnce(&mut Inner) -> io::Result<T>) -> io::Result<T> {
        let mut inner = self.inner.lock();
        if inner.epoch != self.epoch {
            return Err(io::Error::other("this handle did not survive the crash"));
        }
        f(&mut inner)
    }
}

impl StorageFile for MemFile {
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        self.with(|inner| {
            let content = &inner.files[self.file].current;
            let start = usize::try_from(offset).map_err(io::Error::other)?;
            match start.checked_add(length) {
                Some(end) if end <= content.len() => Ok(Bytes::copy_from_slice(&content[start..end])),
                _ => {
                    assert!(
                        length <= content.len().max(LONGEST_BLIND_READ),
                        "a read of {length} bytes from a file of {}: a file system would take the memory for them first",
                        content.len()
                    );
                    Err(io::ErrorKind::UnexpectedEof.into())
                }
            }
        })
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|inner| {
            let outcome = inner.change();
            let written = match outcome {
                Outcome::Whole => data,
                Outcome::Half => &data[..data.len() / 2],
                Outcome::Nothing | Outcome::Lost => return Err(injected()),
            };
            let offset = usize::try_from(offset).map_err(io::Error::other)?;
            let room = inner.room_for(self.file, offset, written.len());
            let is_full = room < written.len();
            let written = &written[..room];
            let file = &mut inner.files[self.file];
            FileContent::write(&mut file.current, offset, written);
            file.unsynced.push(Change::Write {
                offset,
                data: written.to_vec(),
            });
            if is_full {
                Err(io::ErrorKind::StorageFull.into())
            } else if outcome == Outcome::Whole {
                Ok(())
            } else {
                Err(injected())
            }
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|inner| {
            let outcome = inner.change();
            let file = &mut inner.files[self.file];
            match outcome {
                Outcome::Whole => {
                    let FileContent { synced, unsynced, .. } = file;
                    unsynced.drain(..).for_each(|change| change.apply(synced));
                    inner.syncs += 1;
                    Ok(())
                }
                Outcome::Lost => {
                    file.unsynced.clear();
                    Err(injected())
                }
                Outcome::Half | Outcome::Nothing => Err(injected()),
            }
        })
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.with(|inner| {
            inner.whole_change()?;
            let length = usize::try_from(length).map_err(io::Error::other)?;
            let file = &mut inner.files[self.file];
            file.current.resize(length, 0);
            file.unsynced.push(Change::Truncate(length));
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.with(|inner| Ok(inner.files[self.file].current.len() as u64))
    }
}

impl Storage for MemStorage {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let mut inner = self.inner.lock();
        inner.whole_change()?;
        let file = match inner.names.get(path).copied() {
            Some(file) => {
                let content = &mut inner.files[file];
                content.current.clear();
                content.unsynced.push(Change::Truncate(0));
                file
            }
            None => {
                if !path.parent().is_some_and(|dir| inner.dirs.contains(dir)) {
                    return Err(io::ErrorKind::NotFound.into());
                }
                let file = inner.files.len();
                inner.files.push(FileContent::default());
                inner.names.insert(path.to_owned(), file);
                inner.unsynced_names.push(NameChange::Set(path.to_owned(), file));
                file
            }
        };
        Ok(Arc::new(MemFile {
            inner: self.inner.clone(),
            file,
            epoch: inner.epoch,
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let inner = self.inner.lock();
        let file = inner.names.get(path).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(MemFile {
            inner: self.inner.clone(),
            file,
            epoch: inner.epoch,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.inner.lock();
        inner.whole_change()?;
        let file = inner.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        inner.names.insert(to.to_owned(), file);
        inner
            .unsynced_names
            .push(NameChange::Rename(from.to_owned(), to.to_owned(), file));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner.lock();
        inner.whole_change()?;
        inner.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        inner.unsynced_names.push(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let inner = self.inner.lock();
        if !inner.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let in_dir = inner.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(in_dir
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let inner = self.inner.lock();
        Ok(inner.names.contains_key(path) || inner.dirs.contains(path))
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.inner.lock();
        inner.dirs.extend(dir.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.inner.lock();
        inner.whole_change()?;
        let changes = std::mem::take(&mut inner.unsynced_names);
        for change in changes {
            if change.dir() == Some(dir) {
                change.apply(&mut inner.durable_names);
            } else {
                inner.unsynced_names.push(change);
            }
        }
        Ok(())
    }
}
