//! Where the frames of a segment lie: in memory for the open segment, in an `.idx` file for a sealed one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::BufMut as _;
use xxhash_rust::xxh3::xxh3_64;

use crate::frame::{u32_at, u64_at};
use crate::scan::{Item, Scanner, read_header};
use crate::segment::{HEADER_LENGTH, SegmentHeader, index_path, log_path};
use crate::{LogError, ReadError, SeqNo, Storage, StorageFile};

const MAGIC: &[u8; 8] = b"CCROPIDX";
const FORMAT_VERSION: u16 = 1;
const INDEX_HEADER_LENGTH: usize = 64;
const ENTRY_LENGTH: usize = 16;
const BLOCK_LENGTH: usize = 4096;
/// Entries of one block; the rest of it is padding and the checksum.
const BLOCK_ENTRIES: usize = 255;

const _: () = assert!(BLOCK_ENTRIES * ENTRY_LENGTH + 8 <= BLOCK_LENGTH);

/// One frame of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its seq_no, less the first seq_no of the segment.
    pub(crate) delta: u32,
    pub(crate) offset: u32,
    pub(crate) checksum: u64,
}

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
        let checksum = xxh3_64(&bytes[..56]);
        bytes[56..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let valid = &bytes[..8] == MAGIC
            && u64_at(bytes, 56) == xxh3_64(&bytes[..56])
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

fn encode_blocks(entries: &[Entry]) -> Vec<u8> {
    let blocks = entries.len().div_ceil(BLOCK_ENTRIES);
    let mut bytes = Vec::with_capacity(INDEX_HEADER_LENGTH + blocks * BLOCK_LENGTH);
    for block in entries.chunks(BLOCK_ENTRIES) {
        let start = bytes.len();
        for entry in block {
            bytes.put_u32_le(entry.delta);
            bytes.put_u32_le(entry.offset);
            bytes.put_u64_le(entry.checksum);
        }
        bytes.resize(start + BLOCK_LENGTH - 8, 0);
        let checksum = xxh3_64(&bytes[start..]);
        bytes.put_u64_le(checksum);
    }
    bytes
}

/// A segment that is not written any more, with its index.
#[derive(Debug)]
pub(crate) struct SealedSegment {
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) path: PathBuf,
    index: Arc<dyn StorageFile>,
    header: IndexHeader,
    /// Filled when the index file turned out to be damaged: it is derived from the frames, so it is derived again.
    rebuilt: OnceLock<Vec<Entry>>,
}

impl SealedSegment {
    /// Writes the index of a full segment, durably up to its name, and takes the segment over.
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
        bytes.extend_from_slice(&encode_blocks(entries));
        let index = storage.create(&path).and_then(|index| {
            index.write_at(0, &bytes)?;
            index.sync_data()?;
            Ok(index)
        });
        let index = index.map_err(|source| LogError::io("write", &path, source))?;
        Ok(Self {
            file,
            path: log_path(dir, header.first),
            index,
            header,
            rebuilt: OnceLock::new(),
        })
    }

    /// Opens a sealed segment by its index alone. Without a usable index the segment is scanned and the index written again;
    /// all of its frames were durable when it was sealed, so a bad one is corruption.
    pub(crate) fn open(storage: &dyn Storage, dir: &Path, first: SeqNo) -> Result<Self, LogError> {
        let path = log_path(dir, first);
        let file = storage
            .open(&path)
            .map_err(|source| LogError::io("open", &path, source))?;
        let length = file.len().map_err(|source| LogError::io("read", &path, source))?;
        let segment = read_header(&*file, &path, first, length)?;
        if let Some((index, header)) = open_index(storage, &index_path(dir, first), segment)? {
            if header.log_length == length {
                return Ok(Self {
                    file,
                    path,
                    index,
                    header,
                    rebuilt: OnceLock::new(),
                });
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

    pub(crate) const fn first(&self) -> SeqNo {
        self.header.first
    }

    pub(crate) const fn last(&self) -> SeqNo {
        self.header.last
    }

    pub(crate) const fn log_length(&self) -> u64 {
        self.header.log_length
    }

    pub(crate) fn index_file(&self) -> &Arc<dyn StorageFile> {
        &self.index
    }

    pub(crate) const fn segment_header(&self) -> SegmentHeader {
        SegmentHeader {
            first: self.header.first,
            salt: self.header.salt,
        }
    }

    /// The place of the first frame at or above `seq_no` among the frames of this segment.
    pub(crate) fn position(&self, seq_no: SeqNo) -> Result<usize, ReadError> {
        let delta = seq_no.get().saturating_sub(self.header.first.get());
        let span = self.header.last.get() - self.header.first.get() + 1;
        if span == self.header.count {
            return Ok(delta as usize);
        }
        let (mut low, mut high) = (0, self.header.count as usize);
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
        let end = position.saturating_add(count).min(self.header.count as usize);
        if position >= end {
            return Ok(Vec::new());
        }
        if let Some(entries) = self.rebuilt.get() {
            return Ok(entries[position..end].to_vec());
        }
        if let Some(entries) = self.read_entries(position, end) {
            return Ok(entries);
        }
        tracing::warn!(file = %self.path.display(), "index of a sealed segment is damaged, reading the segment instead");
        let entries = scan_entries(
            &*self.file,
            &self.path,
            self.segment_header(),
            self.header.log_length,
        )
        .map_err(|error| self.unreadable(error))?;
        if entries.len() as u64 != self.header.count {
            let reason = format!("{} operations instead of {}", entries.len(), self.header.count);
            return Err(self.unreadable(LogError::corrupt(&self.path, 0, Some(self.header.first), reason)));
        }
        Ok(self.rebuilt.get_or_init(|| entries)[position..end].to_vec())
    }

    /// Reads whole blocks and checks them; `None` when they are not readable or damaged.
    fn read_entries(&self, position: usize, end: usize) -> Option<Vec<Entry>> {
        let (first_block, last_block) = (position / BLOCK_ENTRIES, (end - 1) / BLOCK_ENTRIES);
        let offset = INDEX_HEADER_LENGTH + first_block * BLOCK_LENGTH;
        let blocks = self
            .index
            .read_at(offset as u64, (last_block - first_block + 1) * BLOCK_LENGTH)
            .ok()?;
        let mut entries = Vec::with_capacity(end - position);
        for (number, block) in blocks.chunks_exact(BLOCK_LENGTH).enumerate() {
            let (content, checksum) = block.split_at(BLOCK_LENGTH - 8);
            if u64_at(checksum, 0) != xxh3_64(content) {
                return None;
            }
            let start = (first_block + number) * BLOCK_ENTRIES;
            for place in position.max(start)..end.min(start + BLOCK_ENTRIES) {
                let at = (place - start) * ENTRY_LENGTH;
                entries.push(Entry {
                    delta: u32_at(content, at),
                    offset: u32_at(content, at + 4),
                    checksum: u64_at(content, at + 8),
                });
            }
        }
        Some(entries)
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
                seq_no: seq_no.unwrap_or(self.header.first),
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
        .filter(|header| header.first == segment.first && header.salt == segment.salt && header.count > 0);
    Ok(header.map(|header| (index, header)))
}

/// Every frame of a segment whose every frame must be good.
pub(crate) fn scan_entries(
    file: &dyn StorageFile,
    path: &Path,
    header: SegmentHeader,
    length: u64,
) -> Result<Vec<Entry>, LogError> {
    let mut scanner = Scanner::new(file, path, header, length);
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let expected = entries.last().map_or(0, |entry| entry.delta + 1);
        let expected_seq_no = SeqNo::new(header.first.get() + u64::from(expected));
        match scanner.next()? {
            Item::End => return Ok(entries),
            Item::Bad { offset, reason } => {
                return Err(LogError::corrupt(path, offset, Some(expected_seq_no), reason));
            }
            Item::Frame { offset, frame } => {
                entries.push(entry_of(&frame, header.first, offset).ok_or_else(|| {
                    let reason = format!("found operation {} instead", frame.seq_no());
                    LogError::corrupt(path, offset, Some(expected_seq_no), reason)
                })?);
            }
        }
    }
}

/// The entry of a frame at this offset, if both fit into it.
pub(crate) fn entry_of(frame: &crate::Frame, first: SeqNo, offset: u64) -> Option<Entry> {
    let delta = frame.seq_no().get().checked_sub(first.get())?;
    Some(Entry {
        delta: u32::try_from(delta).ok()?,
        offset: u32::try_from(offset).ok()?,
        checksum: frame.checksum(),
    })
}
