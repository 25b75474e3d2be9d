//! What the small binary files share: a magic, a version at offset 8, and an xxh3_64 of everything before it at the end.

use std::ops::RangeInclusive;
use std::path::Path;

use bytes::BufMut as _;
use twox_hash::XxHash3_64;

use crate::LogError;
use crate::frame::u64_at;

/// One kind of file.
pub(crate) struct Envelope {
    pub(crate) magic: &'static [u8; 8],
    /// What it is called in an error, with its article.
    pub(crate) what: &'static str,
    /// The versions that are read.
    pub(crate) versions: RangeInclusive<u16>,
    /// Its shortest length, without the checksum.
    pub(crate) fixed_length: usize,
}

impl Envelope {
    /// The bytes up to offset 10, with room for `more`.
    pub(crate) fn begin(&self, version: u16, more: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.fixed_length + more + 8);
        bytes.put_slice(self.magic);
        bytes.put_u16_le(version);
        bytes
    }

    /// Adds the checksum.
    pub(crate) fn end(mut bytes: Vec<u8>) -> Vec<u8> {
        let checksum = XxHash3_64::oneshot(&bytes);
        bytes.put_u64_le(checksum);
        bytes
    }

    /// The version, and the bytes without the checksum: at least `fixed_length` of them.
    pub(crate) fn open<'a>(&self, bytes: &'a [u8], path: &Path) -> Result<(u16, &'a [u8]), LogError> {
        let corrupt = |reason: String| LogError::corrupt(path, 0, None, reason);
        if bytes.len() < self.fixed_length + 8 || &bytes[..8] != self.magic {
            return Err(corrupt(format!("not {}", self.what)));
        }
        let (content, checksum) = bytes.split_at(bytes.len() - 8);
        if u64_at(checksum, 0) != XxHash3_64::oneshot(content) {
            return Err(corrupt("checksum mismatch".to_owned()));
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        if !self.versions.contains(&version) {
            return Err(LogError::UnsupportedFormat {
                file: path.to_owned(),
                version,
                supported: *self.versions.end(),
            });
        }
        Ok((version, content))
    }
}
