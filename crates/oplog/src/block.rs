//! The content of a block segment: frames in compressed blocks, then their index. Written once by compaction, never changed.
//!
//! ```text
//! header (segment.rs) | blocks | pages of entries | block table | trailer
//! ```
//!
//! The frames, one after another, are the *content*; an entry's offset counts in it. A block holds whole frames: one zstd frame with a content size.
//! Everything lies in one file, so that one rename puts a compacted segment in place. `docs/formats/oplog.md` has every byte.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use twox_hash::XxHash3_64;

use crate::entries::{Entry, encode_pages, entry_of, pages_length};
use crate::frame::{u32_at, u64_at};
use crate::segment::{Encoding, HEADER_LENGTH, SegmentHeader, new_salt};
use crate::{Frame, LogError, MAX_FRAME_LENGTH, SeqNo, Storage, StorageFile};

/// A block takes frames until it has so many bytes of content. Small, because a random get decompresses one block.
pub(crate) const BLOCK_BYTES: usize = 32 << 10;
const TRAILER_MAGIC: &[u8; 8] = b"CCROPEND";
pub(crate) const TRAILER_LENGTH: usize = 96;
const RECORD_LENGTH: usize = 16;
/// Compressed blocks are gathered into writes of about this size.
const WRITE_CHUNK: usize = 1 << 20;

/// What the end of a block segment says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) salt: u64,
    /// The operations that the segment stands for, both included; those it does not hold are gone.
    pub(crate) first: SeqNo,
    pub(crate) last: SeqNo,
    pub(crate) count: u64,
    /// Bytes of content.
    pub(crate) content_length: u64,
    entries_at: u64,
    table_at: u64,
    blocks: u64,
    table_checksum: u64,
    pub(crate) file_length: u64,
}

/// A block of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    /// Where its content begins in the content of the segment.
    start: u32,
    /// Where it begins in the file.
    offset: u32,
    /// xxh3_64 of its bytes in the file.
    checksum: u64,
}

/// Bytes of a block segment cannot be used.
#[derive(Debug)]
pub(crate) enum BlockError {
    Damaged { offset: u64, reason: String },
    Io { offset: u64, source: io::Error },
}

impl BlockError {
    fn damaged(offset: u64, reason: impl Into<String>) -> Self {
        Self::Damaged {
            offset,
            reason: reason.into(),
        }
    }

    fn read(offset: u64, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            Self::damaged(offset, "the file ends")
        } else {
            Self::Io { offset, source }
        }
    }

    pub(crate) fn into_log_error(self, path: &Path, seq_no: SeqNo) -> LogError {
        match self {
            Self::Damaged { offset, reason } => LogError::corrupt(path, offset, Some(seq_no), reason),
            Self::Io { source, .. } => LogError::io("read", path, source),
        }
    }
}

impl Trailer {
    fn encode(&self) -> [u8; TRAILER_LENGTH] {
        let mut bytes = [0; TRAILER_LENGTH];
        bytes[..8].copy_from_slice(TRAILER_MAGIC);
        let fields = [
            self.salt,
            self.first.get(),
            self.last.get(),
            self.count,
            self.content_length,
            self.entries_at,
            self.table_at,
            self.blocks,
            self.table_checksum,
            self.file_length,
        ];
        for (place, field) in fields.into_iter().enumerate() {
            bytes[8 + 8 * place..16 + 8 * place].copy_from_slice(&field.to_le_bytes());
        }
        let checksum = XxHash3_64::oneshot(&bytes[..88]);
        bytes[88..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the trailer of the file and checks that it belongs to the header and that its parts fit the file.
    pub(crate) fn read(
        file: &dyn StorageFile,
        header: SegmentHeader,
        file_length: u64,
    ) -> Result<Self, BlockError> {
        let least = (HEADER_LENGTH + TRAILER_LENGTH) as u64;
        let at = file_length.saturating_sub(TRAILER_LENGTH as u64);
        if file_length < least {
            return Err(BlockError::damaged(file_length, "the segment is cut off"));
        }
        let bytes = file
            .read_at(at, TRAILER_LENGTH)
            .map_err(|source| BlockError::read(at, source))?;
        if &bytes[..8] != TRAILER_MAGIC || u64_at(&bytes, 88) != XxHash3_64::oneshot(&bytes[..88]) {
            return Err(BlockError::damaged(at, "the segment trailer is damaged"));
        }
        let field = |place: usize| u64_at(&bytes, 8 + 8 * place);
        let trailer = Self {
            salt: field(0),
            first: SeqNo::new(field(1)),
            last: SeqNo::new(field(2)),
            count: field(3),
            content_length: field(4),
            entries_at: field(5),
            table_at: field(6),
            blocks: field(7),
            table_checksum: field(8),
            file_length: field(9),
        };
        if trailer.fits(header, file_length) {
            Ok(trailer)
        } else {
            Err(BlockError::damaged(
                at,
                "the segment trailer does not fit the segment",
            ))
        }
    }

    /// Nothing in it is believed before it was compared with the file: whoever sent a copy may have made it up.
    fn fits(&self, header: SegmentHeader, file_length: u64) -> bool {
        let span = self.last.get().checked_sub(self.first.get());
        if span.is_none_or(|span| span > u64::from(u32::MAX) || self.count > span + 1) {
            return false;
        }
        let pages = usize::try_from(self.count).map(pages_length).ok();
        let table = self.blocks.checked_mul(RECORD_LENGTH as u64);
        let table_and_trailer = table.and_then(|table| table.checked_add(TRAILER_LENGTH as u64));
        self.salt == header.salt
            && self.first == header.first
            && self.content_length <= u64::from(u32::MAX)
            && self.file_length == file_length
            && self.entries_at >= HEADER_LENGTH as u64
            && pages.and_then(|pages| self.entries_at.checked_add(pages as u64)) == Some(self.table_at)
            && table_and_trailer.and_then(|rest| self.table_at.checked_add(rest)) == Some(file_length)
    }

    /// Where the pages of entries begin.
    pub(crate) const fn entries_at(&self) -> u64 {
        self.entries_at
    }

    fn table(&self, file: &dyn StorageFile) -> Result<Vec<Block>, BlockError> {
        let length = usize::try_from(self.blocks).unwrap_or(usize::MAX) * RECORD_LENGTH;
        let bytes = file
            .read_at(self.table_at, length)
            .map_err(|source| BlockError::read(self.table_at, source))?;
        if XxHash3_64::oneshot(&bytes) != self.table_checksum {
            return Err(BlockError::damaged(self.table_at, "the block table is damaged"));
        }
        let block = |record: &[u8]| Block {
            start: u32_at(record, 0),
            offset: u32_at(record, 4),
            checksum: u64_at(record, 8),
        };
        let table: Vec<Block> = bytes.chunks_exact(RECORD_LENGTH).map(block).collect();
        let mut ends = table
            .windows(2)
            .map(|pair| (pair[0], u64::from(pair[1].start), u64::from(pair[1].offset)))
            .chain(
                table
                    .last()
                    .map(|last| (*last, self.content_length, self.entries_at)),
            );
        // Every byte of the content belongs to a block.
        let is_whole = match table.first() {
            Some(block) => block.start == 0 && block.offset as usize == HEADER_LENGTH,
            None => self.content_length == 0,
        };
        let follow = ends.all(|(block, end, stored_end)| {
            let length = end.checked_sub(u64::from(block.start));
            length.is_some_and(|length| length > 0 && length <= (BLOCK_BYTES + MAX_FRAME_LENGTH) as u64)
                && stored_end > u64::from(block.offset)
        });
        if is_whole && follow {
            Ok(table)
        } else {
            Err(BlockError::damaged(self.table_at, "the block table is not valid"))
        }
    }

    /// The blocks that hold the content from `start` to `end` (not included), decompressed: where each begins in the content,
    /// where in the file, and its content.
    pub(crate) fn read_content(
        &self,
        file: &dyn StorageFile,
        start: u64,
        end: u64,
    ) -> Result<Vec<ContentBlock>, BlockError> {
        let table = self.table(file)?;
        let from = table
            .partition_point(|block| u64::from(block.start) <= start)
            .saturating_sub(1);
        let to = table.partition_point(|block| u64::from(block.start) < end);
        if from >= to {
            return Ok(Vec::new());
        }
        let ends = |place: usize| {
            table
                .get(place + 1)
                .map_or((self.content_length, self.entries_at), |next| {
                    (u64::from(next.start), u64::from(next.offset))
                })
        };
        let stored_start = u64::from(table[from].offset);
        let length = usize::try_from(ends(to - 1).1 - stored_start).unwrap_or(usize::MAX);
        let stored = file
            .read_at(stored_start, length)
            .map_err(|source| BlockError::read(stored_start, source))?;
        let mut decompressor =
            zstd::bulk::Decompressor::new().map_err(|source| BlockError::read(stored_start, source))?;
        let mut blocks = Vec::with_capacity(to - from);
        for (place, block) in table.iter().enumerate().take(to).skip(from) {
            let offset = u64::from(block.offset);
            let (content_end, stored_end) = ends(place);
            let bytes = &stored[(offset - stored_start) as usize..(stored_end - stored_start) as usize];
            if XxHash3_64::oneshot(bytes) != block.checksum {
                return Err(BlockError::damaged(offset, "block checksum mismatch"));
            }
            let length = (content_end - u64::from(block.start)) as usize;
            let content = decompressor.decompress(bytes, length).map_err(|error| {
                BlockError::damaged(offset, format!("the block cannot be decompressed: {error}"))
            })?;
            if content.len() != length {
                return Err(BlockError::damaged(
                    offset,
                    "the block has another length than the table says",
                ));
            }
            blocks.push(ContentBlock {
                start: u64::from(block.start),
                offset,
                content: content.into(),
            });
        }
        Ok(blocks)
    }

    /// Every entry, found by reading all frames: the pages of entries are derived from them.
    pub(crate) fn scan_entries(&self, file: &dyn StorageFile) -> Result<Vec<Entry>, BlockError> {
        let mut entries = Vec::with_capacity(usize::try_from(self.count).unwrap_or(0));
        let mut next = 0;
        while next < self.content_length {
            let end = (next + WRITE_CHUNK as u64).min(self.content_length);
            for block in self.read_content(file, next, end)? {
                let damaged = |reason: String| BlockError::damaged(block.offset, reason);
                let mut at = block.start;
                for frame in
                    Frame::split(block.content.clone()).map_err(|error| damaged(error.to_string()))?
                {
                    let entry = entry_of(&frame, self.first, at)
                        .filter(|_| frame.seq_no() <= self.last)
                        .ok_or_else(|| damaged(format!("found operation {} instead", frame.seq_no())))?;
                    entries.push(entry);
                    at += frame.len() as u64;
                }
                next = at;
            }
        }
        Ok(entries)
    }
}

/// A decompressed block.
#[derive(Debug)]
pub(crate) struct ContentBlock {
    pub(crate) start: u64,
    pub(crate) offset: u64,
    pub(crate) content: Bytes,
}

/// Writes a block segment, frame by frame.
pub(crate) struct BlockWriter {
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    header: SegmentHeader,
    compressor: zstd::bulk::Compressor<'static>,
    /// Content of the block that is being filled.
    block: Vec<u8>,
    /// Bytes that are to be written at `written`.
    out: Vec<u8>,
    written: u64,
    content_length: u64,
    entries: Vec<Entry>,
    table: Vec<Block>,
}

impl BlockWriter {
    /// Creates the file.
    pub(crate) fn create(
        storage: &dyn Storage,
        path: &Path,
        first: SeqNo,
        level: i32,
    ) -> Result<Self, LogError> {
        let io = |source| LogError::io("create", path, source);
        let header = SegmentHeader {
            encoding: Encoding::Blocks,
            first,
            salt: new_salt(),
        };
        Ok(Self {
            file: storage.create(path).map_err(io)?,
            path: path.to_owned(),
            header,
            compressor: zstd::bulk::Compressor::new(level).map_err(io)?,
            block: Vec::with_capacity(2 * BLOCK_BYTES),
            out: header.encode().to_vec(),
            written: 0,
            content_length: 0,
            entries: Vec::new(),
            table: Vec::new(),
        })
    }

    /// Bytes of the file so far.
    pub(crate) fn length(&self) -> u64 {
        self.written + self.out.len() as u64
    }

    /// Bytes of the frames so far.
    pub(crate) const fn content_length(&self) -> u64 {
        self.content_length
    }

    /// Adds the next frame.
    pub(crate) fn push(&mut self, frame: &Frame) -> Result<(), LogError> {
        let entry =
            entry_of(frame, self.header.first, self.content_length).ok_or_else(|| LogError::Invalid {
                reason: format!("operation {} does not fit the segment", frame.seq_no()),
            })?;
        self.block.extend_from_slice(frame.bytes());
        self.content_length += frame.len() as u64;
        self.entries.push(entry);
        if self.block.len() >= BLOCK_BYTES {
            self.end_block()?;
        }
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), LogError> {
        let too_long = |_| LogError::Invalid {
            reason: "a compacted segment is longer than 4 GiB".to_owned(),
        };
        let compressed = self
            .compressor
            .compress(&self.block)
            .map_err(|source| LogError::io("compress", &self.path, source))?;
        self.table.push(Block {
            start: u32::try_from(self.content_length - self.block.len() as u64).map_err(too_long)?,
            offset: u32::try_from(self.length()).map_err(too_long)?,
            checksum: XxHash3_64::oneshot(&compressed),
        });
        self.block.clear();
        self.out.extend_from_slice(&compressed);
        if self.out.len() >= WRITE_CHUNK {
            self.write_out()?;
        }
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), LogError> {
        self.file
            .write_at(self.written, &self.out)
            .map_err(|source| LogError::io("write", &self.path, source))?;
        self.written += self.out.len() as u64;
        self.out.clear();
        Ok(())
    }

    /// Ends the segment, which stands for everything up to `last`, and syncs it.
    pub(crate) fn finish(mut self, last: SeqNo) -> Result<(Arc<dyn StorageFile>, Trailer), LogError> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        let entries_at = self.length();
        self.out.extend_from_slice(&encode_pages(&self.entries));
        let table_at = self.length();
        let mut table = Vec::with_capacity(self.table.len() * RECORD_LENGTH);
        for block in &self.table {
            table.extend_from_slice(&block.start.to_le_bytes());
            table.extend_from_slice(&block.offset.to_le_bytes());
            table.extend_from_slice(&block.checksum.to_le_bytes());
        }
        self.out.extend_from_slice(&table);
        let trailer = Trailer {
            salt: self.header.salt,
            first: self.header.first,
            last,
            count: self.entries.len() as u64,
            content_length: self.content_length,
            entries_at,
            table_at,
            blocks: self.table.len() as u64,
            table_checksum: XxHash3_64::oneshot(&table),
            file_length: self.length() + TRAILER_LENGTH as u64,
        };
        self.out.extend_from_slice(&trailer.encode());
        self.write_out()?;
        self.file
            .sync_data()
            .map_err(|source| LogError::io("sync", &self.path, source))?;
        debug_assert!(
            trailer.fits(self.header, self.written),
            "what is written can be opened"
        );
        Ok((self.file, trailer))
    }
}
