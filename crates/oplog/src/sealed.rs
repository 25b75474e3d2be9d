//! A segment that is not written any more.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use twox_hash::XxHash3_64;

use crate::block::{BlockError, Trailer};
use crate::entries::{Entry, encode_pages, read_entries, scan_entries};
use crate::frame::u64_at;
use crate::read::{cut_frames, frames_in_budget};
use crate::scan::read_header;
use crate::segment::{Encoding, HEADER_LENGTH, SegmentHeader, index_path, log_path};
use crate::{Frame, LogError, ReadError, SeqNo, Storage, StorageFile};

const MAGIC: &[u8; 8] = b"CCROPIDX";
const FORMAT_VERSION: u16 = 1;
const INDEX_HEADER_LENGTH: usize = 64;

/// The header of an `.idx` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IndexHeader {
    first: SeqNo,
    last: SeqNo,
    count: u64,
    log_length: u64,
    salt: u64,
}

impl IndexHeader {
    fn encode(self) -> [u8; INDEX_HEADER_LENGTH] {
        let mut bytes = [0; INDEX_HEADER_LENGTH];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        let fields = [
            self.first.get(),
            self.last.get(),
            self.count,
            self.log_length,
            self.salt,
        ];
        for (place, field) in fields.into_iter().enumerate() {
            bytes[16 + 8 * place..24 + 8 * place].copy_from_slice(&field.to_le_bytes());
        }
        let checksum = XxHash3_64::oneshot(&bytes[..56]);
        bytes[56..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Whether it counts every operation from the first to the last, as a plain segment holds them.
    fn is_dense(&self) -> bool {
        let span = self.last.get().checked_sub(self.first.get());
        span.and_then(|span| span.checked_add(1)) == Some(self.count)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let valid = &bytes[..8] == MAGIC
            && u64_at(bytes, 56) == XxHash3_64::oneshot(&bytes[..56])
            && u16::from_le_bytes([bytes[8], bytes[9]]) == FORMAT_VERSION;
        valid.then(|| Self {
            first: SeqNo::new(u64_at(bytes, 16)),
            last: SeqNo::new(u64_at(bytes, 24)),
            count: u64_at(bytes, 32),
            log_length: u64_at(bytes, 40),
            salt: u64_at(bytes, 48),
        })
    }
}

/// Where a sealed segment keeps its entries and frames.
#[derive(Debug)]
enum Body {
    Plain { index: Arc<dyn StorageFile> },
    Blocks(Trailer),
}

/// A segment that is not written any more, with its index.
///
/// It stands for the operations `first` to `last`. Those it does not hold are gone: dead, and below the minimum retained seq_no.
#[derive(Debug)]
pub(crate) struct SealedSegment {
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    body: Body,
    first: SeqNo,
    last: SeqNo,
    count: u64,
    salt: u64,
    file_length: u64,
    /// Filled when the entries turned out to be damaged: they are derived from the frames, so they are derived again.
    rebuilt: OnceLock<Vec<Entry>>,
    /// How many dead operations the last rewrite had to keep, so that it is not repeated in vain.
    kept_dead: AtomicU64,
}

impl SealedSegment {
    /// Writes the index of a full segment, durably, and takes the segment over.
    pub(crate) fn seal(
        storage: &dyn Storage,
        dir: &Path,
        file: Arc<dyn StorageFile>,
        header: SegmentHeader,
        entries: &[Entry],
        log_length: u64,
    ) -> Result<Self, LogError> {
        let last = entries.last().map_or(0, |entry| u64::from(entry.delta));
        let header = IndexHeader {
            first: header.first,
            last: SeqNo::new(header.first.get() + last),
            count: entries.len() as u64,
            log_length,
            salt: header.salt,
        };
        let path = index_path(dir, header.first);
        let mut bytes = header.encode().to_vec();
        bytes.extend_from_slice(&encode_pages(entries));
        let index = storage.create(&path).and_then(|index| {
            index.write_at(0, &bytes)?;
            index.sync_data()?;
            Ok(index)
        });
        let index = index.map_err(|source| LogError::io("write", &path, source))?;
        Ok(Self::plain(dir, file, index, header))
    }

    fn plain(
        dir: &Path,
        file: Arc<dyn StorageFile>,
        index: Arc<dyn StorageFile>,
        header: IndexHeader,
    ) -> Self {
        Self {
            file,
            path: log_path(dir, header.first),
            body: Body::Plain { index },
            first: header.first,
            last: header.last,
            count: header.count,
            salt: header.salt,
            file_length: header.log_length,
            rebuilt: OnceLock::new(),
            kept_dead: AtomicU64::new(0),
        }
    }

    /// A block segment that has just been written, under its name in `dir`.
    pub(crate) fn blocks(dir: &Path, file: Arc<dyn StorageFile>, trailer: Trailer) -> Self {
        Self {
            file,
            path: log_path(dir, trailer.first),
            body: Body::Blocks(trailer),
            first: trailer.first,
            last: trailer.last,
            count: trailer.count,
            salt: trailer.salt,
            file_length: trailer.file_length,
            rebuilt: OnceLock::new(),
            kept_dead: AtomicU64::new(0),
        }
    }

    /// Opens a sealed segment by its index alone. Without a usable index a plain segment is scanned and the index written again;
    /// all of its frames were durable when it was sealed, so a bad one is corruption.
    pub(crate) fn open(storage: &dyn Storage, dir: &Path, first: SeqNo) -> Result<Self, LogError> {
        let path = log_path(dir, first);
        let file = storage
            .open(&path)
            .map_err(|source| LogError::io("open", &path, source))?;
        let length = file.len().map_err(|source| LogError::io("read", &path, source))?;
        let segment = read_header(&*file, &path, first, length)?;
        if segment.encoding == Encoding::Blocks {
            return Self::with_trailer(dir, &path, file, segment, length);
        }
        if let Some((index, header)) = open_index(storage, &index_path(dir, first), segment)? {
            if header.log_length == length {
                return Ok(Self::plain(dir, file, index, header));
            }
            if header.log_length > length {
                let reason = format!(
                    "the sealed segment had {} bytes, now it has {length}",
                    header.log_length
                );
                return Err(LogError::corrupt(path, length, None, reason));
            }
        }
        tracing::warn!(file = %path.display(), "index of a sealed segment is missing or damaged, building it again");
        let entries = scan_entries(&*file, &path, segment, length)?;
        if entries.is_empty() {
            return Err(LogError::corrupt(
                path,
                HEADER_LENGTH as u64,
                Some(first),
                "a sealed segment is empty",
            ));
        }
        Self::seal(storage, dir, file, segment, &entries, length)
    }

    /// Opens a block segment by its own name or, staged for a heal, by another than the one that it will have in `dir`.
    pub(crate) fn open_blocks(
        storage: &dyn Storage,
        dir: &Path,
        path: &Path,
        first: SeqNo,
    ) -> Result<Self, LogError> {
        let file = storage
            .open(path)
            .map_err(|source| LogError::io("open", path, source))?;
        let length = file.len().map_err(|source| LogError::io("read", path, source))?;
        let header = read_header(&*file, path, first, length)?;
        if header.encoding != Encoding::Blocks {
            return Err(LogError::corrupt(path, 0, Some(first), "it has no blocks"));
        }
        Self::with_trailer(dir, path, file, header, length)
    }

    fn with_trailer(
        dir: &Path,
        path: &Path,
        file: Arc<dyn StorageFile>,
        header: SegmentHeader,
        length: u64,
    ) -> Result<Self, LogError> {
        let trailer = Trailer::read(&*file, header, length)
            .map_err(|error| error.into_log_error(path, header.first))?;
        Ok(Self::blocks(dir, file, trailer))
    }

    /// Opens a plain segment by its index file; `None` when there is none that belongs to it. Changes nothing.
    pub(crate) fn open_by_index(
        storage: &dyn Storage,
        dir: &Path,
        first: SeqNo,
    ) -> Result<Option<Self>, LogError> {
        let path = log_path(dir, first);
        let io = |source| LogError::io("open", &path, source);
        let file = storage.open(&path).map_err(io)?;
        let length = file.len().map_err(io)?;
        let segment = read_header(&*file, &path, first, length)?;
        let index = open_index(storage, &index_path(dir, first), segment)?;
        Ok(index.map(|(index, header)| Self::plain(dir, file, index, header)))
    }

    /// Whether the stored entries are readable and those of the frames.
    pub(crate) fn has_good_entries(&self) -> bool {
        let (file, base) = self.stored_entries();
        let count = self.count as usize;
        if count == 0 {
            return true;
        }
        match (read_entries(&**file, base, 0, count), self.scan()) {
            (Some(stored), Ok(scanned)) => stored == scanned,
            _ => false,
        }
    }

    /// The file that holds the entries, and where in it they begin.
    fn stored_entries(&self) -> (&Arc<dyn StorageFile>, u64) {
        match &self.body {
            Body::Plain { index } => (index, INDEX_HEADER_LENGTH as u64),
            Body::Blocks(trailer) => (&self.file, trailer.entries_at()),
        }
    }

    /// The first operation that the segment stands for, held or not.
    pub(crate) const fn first(&self) -> SeqNo {
        self.first
    }

    /// The last operation that the segment stands for, held or not.
    pub(crate) const fn last(&self) -> SeqNo {
        self.last
    }

    /// How many operations it holds.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// Whether it holds every operation that it stands for.
    pub(crate) const fn is_dense(&self) -> bool {
        self.last.get() - self.first.get() + 1 == self.count
    }

    pub(crate) const fn file_length(&self) -> u64 {
        self.file_length
    }

    /// Bytes of its frames, and of markers between them.
    pub(crate) const fn content_length(&self) -> u64 {
        match &self.body {
            Body::Plain { .. } => self.file_length - HEADER_LENGTH as u64,
            Body::Blocks(trailer) => trailer.content_length,
        }
    }

    pub(crate) const fn is_compressed(&self) -> bool {
        matches!(self.body, Body::Blocks(_))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn file(&self) -> &Arc<dyn StorageFile> {
        &self.file
    }

    /// The index file, if the segment has one of its own.
    pub(crate) const fn index_file(&self) -> Option<&Arc<dyn StorageFile>> {
        match &self.body {
            Body::Plain { index } => Some(index),
            Body::Blocks(_) => None,
        }
    }

    /// How many dead operations the rewrite that made it had to keep.
    pub(crate) fn kept_dead(&self) -> u64 {
        self.kept_dead.load(Ordering::Relaxed)
    }

    pub(crate) fn set_kept_dead(&self, count: u64) {
        self.kept_dead.store(count, Ordering::Relaxed);
    }

    /// The place of the first frame at or above `seq_no` among the frames of this segment.
    pub(crate) fn position(&self, seq_no: SeqNo) -> Result<usize, ReadError> {
        let delta = seq_no.get().saturating_sub(self.first.get());
        if self.is_dense() {
            return Ok(usize::try_from(delta.min(self.count)).unwrap_or(usize::MAX));
        }
        let (mut low, mut high) = (0, self.count as usize);
        while low < high {
            let middle = low.midpoint(high);
            let entry = self.entries(middle, 1)?[0];
            if u64::from(entry.delta) < delta {
                low = middle + 1
            } else {
                high = middle
            }
        }
        Ok(low)
    }

    /// Up to `count` entries from `position` on.
    pub(crate) fn entries(&self, position: usize, count: usize) -> Result<Vec<Entry>, ReadError> {
        let end = position.saturating_add(count).min(self.count as usize);
        if position >= end {
            return Ok(Vec::new());
        }
        if let Some(entries) = self.rebuilt.get() {
            return Ok(entries[position..end].to_vec());
        }
        // An entry decides how much is read, so it must lie in the segment.
        let content_end = match &self.body {
            Body::Plain { .. } => self.file_length,
            Body::Blocks(trailer) => trailer.content_length,
        };
        let span = self.last.get() - self.first.get();
        let is_inside =
            |entry: &Entry| u64::from(entry.delta) <= span && u64::from(entry.offset) < content_end;
        let (file, base) = self.stored_entries();
        let entries = read_entries(&**file, base, position, end);
        if let Some(entries) = entries.filter(|entries| entries.iter().all(is_inside)) {
            return Ok(entries);
        }
        tracing::warn!(file = %self.path.display(), "index of a sealed segment is damaged, reading the segment instead");
        let entries = self.scan()?;
        if entries.len() as u64 != self.count {
            let reason = format!("{} operations instead of {}", entries.len(), self.count);
            return Err(self.unreadable(LogError::corrupt(&self.path, 0, Some(self.first), reason)));
        }
        Ok(self.rebuilt.get_or_init(|| entries)[position..end].to_vec())
    }

    /// Every entry, from the frames alone.
    fn scan(&self) -> Result<Vec<Entry>, ReadError> {
        match &self.body {
            Body::Plain { .. } => {
                let header = SegmentHeader {
                    encoding: Encoding::Plain,
                    first: self.first,
                    salt: self.salt,
                };
                scan_entries(&*self.file, &self.path, header, self.file_length)
                    .map_err(|error| self.unreadable(error))
            }
            Body::Blocks(trailer) => trailer
                .scan_entries(&*self.file)
                .map_err(|error| self.block_error(error, self.first)),
        }
    }

    /// Frames from `position` on, verified: at most `count` of them and about `budget` bytes, at least one if there are any.
    pub(crate) fn frames(&self, position: usize, count: usize, budget: u64) -> Result<Vec<Frame>, ReadError> {
        let mut entries = self.entries(position, count.saturating_add(1))?;
        let end = if entries.len() > count {
            entries.pop().map(|entry| u64::from(entry.offset))
        } else {
            None
        };
        let (entries, start, end) = match &self.body {
            Body::Plain { .. } => frames_in_budget(&entries, end.unwrap_or(self.file_length), budget),
            Body::Blocks(trailer) => {
                frames_in_budget(&entries, end.unwrap_or(trailer.content_length), budget)
            }
        };
        let Some(first_entry) = entries.first() else {
            return Ok(Vec::new());
        };
        let seq_no = |entry: &Entry| SeqNo::new(self.first.get() + u64::from(entry.delta));
        match &self.body {
            Body::Plain { .. } => {
                let length = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
                let bytes = self.file.read_at(start, length).map_err(|source| {
                    crate::read::read_error(source, &self.path, start, seq_no(first_entry))
                })?;
                cut_frames(&self.path, self.first, entries, start, &bytes, |entry| {
                    u64::from(entry.offset)
                })
            }
            Body::Blocks(trailer) => {
                let blocks = trailer
                    .read_content(&*self.file, start, end)
                    .map_err(|error| self.block_error(error, seq_no(first_entry)))?;
                let mut frames = Vec::with_capacity(entries.len());
                let mut rest = entries;
                for block in &blocks {
                    let block_end = block.start + block.content.len() as u64;
                    let (here, later) =
                        rest.split_at(rest.partition_point(|entry| u64::from(entry.offset) < block_end));
                    frames.extend(cut_frames(
                        &self.path,
                        self.first,
                        here,
                        block.start,
                        &block.content,
                        |_| block.offset,
                    )?);
                    rest = later;
                }
                if let Some(entry) = rest.first() {
                    let error = BlockError::Damaged {
                        offset: trailer.entries_at(),
                        reason: "an entry points behind the content".to_owned(),
                    };
                    return Err(self.block_error(error, seq_no(entry)));
                }
                Ok(frames)
            }
        }
    }

    fn block_error(&self, error: BlockError, seq_no: SeqNo) -> ReadError {
        let file = self.path.clone();
        match error {
            BlockError::Damaged { offset, reason } => ReadError::Corrupt {
                file,
                offset,
                seq_no,
                reason,
            },
            BlockError::Io { offset, source } => ReadError::Io {
                file,
                offset,
                source: Arc::new(source),
            },
        }
    }

    fn unreadable(&self, error: LogError) -> ReadError {
        match error {
            LogError::Corrupt {
                file,
                offset,
                seq_no,
                reason,
            } => ReadError::Corrupt {
                file,
                offset,
                seq_no: seq_no.unwrap_or(self.first),
                reason,
            },
            LogError::Io { path, source, .. } => ReadError::Io {
                file: path,
                offset: 0,
                source,
            },
            other => ReadError::Io {
                file: self.path.clone(),
                offset: 0,
                source: Arc::new(io::Error::other(other.to_string())),
            },
        }
    }
}

/// An index file and its header.
type OpenIndex = (Arc<dyn StorageFile>, IndexHeader);

/// The index file and its header if both exist and belong to the segment.
fn open_index(
    storage: &dyn Storage,
    path: &Path,
    segment: SegmentHeader,
) -> Result<Option<OpenIndex>, LogError> {
    let index = match storage.open(path) {
        Ok(index) => index,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LogError::io("open", path, error)),
    };
    let Ok(bytes) = index.read_at(0, INDEX_HEADER_LENGTH) else {
        return Ok(None);
    };
    let header = IndexHeader::decode(&bytes)
        .filter(|header| header.first == segment.first && header.salt == segment.salt && header.is_dense());
    Ok(header.map(|header| (index, header)))
}
