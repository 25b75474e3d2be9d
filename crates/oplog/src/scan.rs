//! Reading a segment from its first byte to its last, trusting nothing.

use std::path::Path;

use bytes::Bytes;

use crate::frame::{FRAME_HEADER_LENGTH, frame_length, u32_at};
use crate::segment::{HEADER_LENGTH, MARKER_LENGTH, MARKER_MAGIC, SegmentHeader, is_marker};
use crate::{Frame, LogError, MAX_FRAME_LENGTH, SeqNo, StorageFile};

/// How much is read at once.
const CHUNK: u64 = 1 << 20;

/// What begins at the scanner's offset.
#[derive(Debug)]
pub(crate) enum Item {
    Frame {
        offset: u64,
        frame: Frame,
    },
    /// Nothing valid: damage, or the torn end of the last write.
    Bad {
        offset: u64,
        reason: String,
    },
    End,
}

/// A cursor over the frames of a segment.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    file: &'a dyn StorageFile,
    path: &'a Path,
    header: SegmentHeader,
    length: u64,
    offset: u64,
    buffer: Bytes,
    buffer_start: u64,
}

impl<'a> Scanner<'a> {
    /// Starts behind the header; `length` bounds what is looked at.
    pub(crate) fn new(file: &'a dyn StorageFile, path: &'a Path, header: SegmentHeader, length: u64) -> Self {
        let start = HEADER_LENGTH as u64;
        Self {
            file,
            path,
            header,
            length,
            offset: start,
            buffer: Bytes::new(),
            buffer_start: start,
        }
    }

    /// The next frame. Markers are passed over. After [`Item::Bad`] the scanner does not move.
    pub(crate) fn next(&mut self) -> Result<Item, LogError> {
        loop {
            let offset = self.offset;
            if offset >= self.length {
                return Ok(Item::End);
            }
            self.fill(FRAME_HEADER_LENGTH)?;
            let rest = self.rest();
            if rest.len() >= 4 && u32_at(&rest, 0) == u32::MAX {
                if is_marker(&rest, offset, self.header.salt) {
                    self.offset += MARKER_LENGTH as u64;
                    continue;
                }
                return Ok(Item::Bad {
                    offset,
                    reason: "damaged sync marker".to_owned(),
                });
            }
            if rest.len() >= 4 {
                self.fill((u32_at(&rest, 0) as usize).min(MAX_FRAME_LENGTH))?;
            }
            let rest = self.rest();
            let frame = frame_length(&rest).and_then(|length| Frame::verify(rest.slice(..length)));
            return Ok(match frame {
                Ok(frame) => {
                    self.offset += frame.len() as u64;
                    Item::Frame { offset, frame }
                }
                Err(error) => Item::Bad {
                    offset,
                    reason: error.to_string(),
                },
            });
        }
    }

    /// Whether a valid marker lies anywhere behind `offset`: then everything before the marker was durable.
    pub(crate) fn marker_after(&self, offset: u64) -> Result<bool, LogError> {
        let mut start = offset + 1;
        while start + (MARKER_LENGTH as u64) <= self.length {
            let length = (self.length - start).min(CHUNK) as usize;
            let chunk = self.read(start, length)?;
            let places = chunk.windows(MARKER_LENGTH).enumerate();
            for (place, bytes) in places.filter(|(_, bytes)| bytes.starts_with(MARKER_MAGIC)) {
                if is_marker(bytes, start + place as u64, self.header.salt) {
                    return Ok(true);
                }
            }
            // The next chunk overlaps, so that a marker on the border is seen whole.
            start += (length - MARKER_LENGTH + 1) as u64;
        }
        Ok(false)
    }

    fn rest(&self) -> Bytes {
        self.buffer.slice((self.offset - self.buffer_start) as usize..)
    }

    /// Makes at least `wanted` bytes from the offset on available, or all that there are.
    fn fill(&mut self, wanted: usize) -> Result<(), LogError> {
        let available = self.buffer_start + self.buffer.len() as u64 - self.offset;
        let possible = self.length - self.offset;
        if available >= (wanted as u64).min(possible) {
            return Ok(());
        }
        let length = possible.min(CHUNK.max(wanted as u64)) as usize;
        self.buffer = self.read(self.offset, length)?;
        self.buffer_start = self.offset;
        Ok(())
    }

    fn read(&self, offset: u64, length: usize) -> Result<Bytes, LogError> {
        self.file
            .read_at(offset, length)
            .map_err(|source| LogError::io("read", self.path, source))
    }
}

/// Reads and checks the header of a segment.
pub(crate) fn read_header(
    file: &dyn StorageFile,
    path: &Path,
    first: SeqNo,
    length: u64,
) -> Result<SegmentHeader, LogError> {
    let available = length.min(HEADER_LENGTH as u64) as usize;
    let bytes = file
        .read_at(0, available)
        .map_err(|source| LogError::io("read", path, source))?;
    SegmentHeader::decode(&bytes, path, first)
}
