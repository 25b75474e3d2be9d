//! Where the frames of a segment lie: entries of 16 bytes, stored in checksummed pages.

use twox_hash::XxHash3_64;

use crate::frame::{u32_at, u64_at};
use crate::scan::{Item, Scanner};
use crate::segment::SegmentHeader;
use crate::{Frame, LogError, SeqNo, StorageFile};

const ENTRY_LENGTH: usize = 16;
pub(crate) const PAGE_LENGTH: usize = 4096;
/// Entries of one page; the rest of it is padding and the checksum.
pub(crate) const PAGE_ENTRIES: usize = 255;

const _: () = assert!(PAGE_ENTRIES * ENTRY_LENGTH + 8 <= PAGE_LENGTH);

/// One frame of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its seq_no, less the first seq_no of the segment.
    pub(crate) delta: u32,
    /// Where it begins: in the file of a plain segment, in the uncompressed content of a block segment.
    pub(crate) offset: u32,
    pub(crate) checksum: u64,
}

/// The entry of a frame at this offset, if both fit into it.
pub(crate) fn entry_of(frame: &Frame, first: SeqNo, offset: u64) -> Option<Entry> {
    let delta = frame.seq_no().get().checked_sub(first.get())?;
    Some(Entry {
        delta: u32::try_from(delta).ok()?,
        offset: u32::try_from(offset).ok()?,
        checksum: frame.checksum(),
    })
}

/// How many bytes the pages of so many entries have.
pub(crate) const fn pages_length(count: usize) -> usize {
    count.div_ceil(PAGE_ENTRIES) * PAGE_LENGTH
}

pub(crate) fn encode_pages(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(pages_length(entries.len()));
    for page in entries.chunks(PAGE_ENTRIES) {
        let start = bytes.len();
        for entry in page {
            bytes.extend_from_slice(&entry.delta.to_le_bytes());
            bytes.extend_from_slice(&entry.offset.to_le_bytes());
            bytes.extend_from_slice(&entry.checksum.to_le_bytes());
        }
        bytes.resize(start + PAGE_LENGTH - 8, 0);
        let checksum = XxHash3_64::oneshot(&bytes[start..]);
        bytes.extend_from_slice(&checksum.to_le_bytes());
    }
    bytes
}

/// The entries `start..end` of the pages that begin at `base` of a file; `None` when they are not readable or damaged.
pub(crate) fn read_entries(
    file: &dyn StorageFile,
    base: u64,
    start: usize,
    end: usize,
) -> Option<Vec<Entry>> {
    let (first_page, last_page) = (start / PAGE_ENTRIES, (end - 1) / PAGE_ENTRIES);
    let offset = base + (first_page * PAGE_LENGTH) as u64;
    let pages = file
        .read_at(offset, (last_page - first_page + 1) * PAGE_LENGTH)
        .ok()?;
    let mut entries = Vec::with_capacity(end - start);
    for (number, page) in pages.chunks_exact(PAGE_LENGTH).enumerate() {
        let (content, checksum) = page.split_at(PAGE_LENGTH - 8);
        if u64_at(checksum, 0) != XxHash3_64::oneshot(content) {
            return None;
        }
        let page_start = (first_page + number) * PAGE_ENTRIES;
        for place in start.max(page_start)..end.min(page_start + PAGE_ENTRIES) {
            let at = (place - page_start) * ENTRY_LENGTH;
            entries.push(Entry {
                delta: u32_at(content, at),
                offset: u32_at(content, at + 4),
                checksum: u64_at(content, at + 8),
            });
        }
    }
    Some(entries)
}

/// Every frame of a plain segment whose every frame must be good.
pub(crate) fn scan_entries(
    file: &dyn StorageFile,
    path: &std::path::Path,
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
                let entry = entry_of(&frame, header.first, offset).filter(|entry| entry.delta == expected);
                entries.push(entry.ok_or_else(|| {
                    let reason = format!("found operation {} instead", frame.seq_no());
                    LogError::corrupt(path, offset, Some(expected_seq_no), reason)
                })?);
            }
        }
    }
}
