//! The parts of a segment file that are not frames: its name, its header and its sync markers.

use std::path::{Path, PathBuf};

use twox_hash::XxHash3_64;

use crate::frame::u64_at;
use crate::{LogError, SeqNo};

pub(crate) const FORMAT_VERSION: u16 = 1;
pub(crate) const HEADER_LENGTH: usize = 40;
const MAGIC: &[u8; 8] = b"CCROPLOG";

/// How a segment holds its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Frames and sync markers one after another, as they were written. Its offset index is a file of its own.
    Plain,
    /// Compressed blocks of frames, followed by their index: written once, by compaction.
    Blocks,
}

impl Encoding {
    const fn to_byte(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Blocks => 1,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Plain),
            1 => Some(Self::Blocks),
            _ => None,
        }
    }
}

pub(crate) const MARKER_LENGTH: usize = 32;
/// Read as a frame, its first four bytes are an impossible length.
pub(crate) const MARKER_MAGIC: &[u8; 8] = b"\xff\xff\xff\xffSYNC";

const _: () = assert!(u32::MAX as usize > crate::MAX_FRAME_LENGTH);

pub(crate) fn log_name(first: SeqNo) -> String {
    format!("{:020}.log", first.get())
}

pub(crate) fn index_name(first: SeqNo) -> String {
    format!("{:020}.idx", first.get())
}

pub(crate) fn log_path(dir: &Path, first: SeqNo) -> PathBuf {
    dir.join(log_name(first))
}

pub(crate) fn index_path(dir: &Path, first: SeqNo) -> PathBuf {
    dir.join(index_name(first))
}

/// The first seq_no in the name of a segment, if it is one.
pub(crate) fn parse_log_name(name: &str) -> Option<SeqNo> {
    let digits = name.strip_suffix(".log")?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

/// The first bytes of every segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) encoding: Encoding,
    pub(crate) first: SeqNo,
    /// Random; keeps bytes of a document, or of an older file, from passing as a marker of this one.
    pub(crate) salt: u64,
}

impl SegmentHeader {
    pub(crate) fn encode(self) -> [u8; HEADER_LENGTH] {
        let mut bytes = [0; HEADER_LENGTH];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[10] = self.encoding.to_byte();
        bytes[16..24].copy_from_slice(&self.first.get().to_le_bytes());
        bytes[24..32].copy_from_slice(&self.salt.to_le_bytes());
        let checksum = XxHash3_64::oneshot(&bytes[..32]);
        bytes[32..40].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// `bytes` are the first [`HEADER_LENGTH`] of the file, or fewer if it is shorter.
    pub(crate) fn decode(bytes: &[u8], path: &Path, first: SeqNo) -> Result<Self, LogError> {
        let corrupt = |reason: &str| Err(LogError::corrupt(path, 0, Some(first), reason));
        if bytes.len() < HEADER_LENGTH {
            return corrupt("the segment header is cut off");
        }
        if &bytes[..8] != MAGIC || u64_at(bytes, 32) != XxHash3_64::oneshot(&bytes[..32]) {
            return corrupt("the segment header is damaged");
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        let encoding = Encoding::from_byte(bytes[10]).filter(|_| version == FORMAT_VERSION);
        let Some(encoding) = encoding else {
            return Err(LogError::UnsupportedFormat {
                file: path.to_owned(),
                version,
                supported: FORMAT_VERSION,
            });
        };
        let header = Self {
            encoding,
            first: SeqNo::new(u64_at(bytes, 16)),
            salt: u64_at(bytes, 24),
        };
        if header.first != first {
            return corrupt("the segment header names another first seq_no than the file name");
        }
        Ok(header)
    }
}

/// A number that no other segment has.
pub(crate) fn new_salt() -> u64 {
    let mut salt = [0; 8];
    getrandom::fill(&mut salt).expect("the operating system provides random numbers");
    u64::from_le_bytes(salt)
}

/// A proof, in the file itself, that every byte of it before `offset` was fsynced before the marker was written.
pub(crate) fn encode_marker(offset: u64, durable: SeqNo, salt: u64) -> [u8; MARKER_LENGTH] {
    let mut bytes = [0; MARKER_LENGTH];
    bytes[..8].copy_from_slice(MARKER_MAGIC);
    bytes[8..16].copy_from_slice(&offset.to_le_bytes());
    bytes[16..24].copy_from_slice(&durable.get().to_le_bytes());
    let checksum = XxHash3_64::oneshot_with_seed(salt, &bytes[..24]);
    bytes[24..32].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Whether a valid marker of this segment begins here.
pub(crate) fn is_marker(bytes: &[u8], offset: u64, salt: u64) -> bool {
    bytes.len() >= MARKER_LENGTH
        && &bytes[..8] == MARKER_MAGIC
        && u64_at(bytes, 8) == offset
        && u64_at(bytes, 24) == XxHash3_64::oneshot_with_seed(salt, &bytes[..24])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_and_damage_is_found() {
        let header = |encoding| SegmentHeader {
            encoding,
            first: SeqNo::new(9),
            salt: 77,
        };
        for encoding in [Encoding::Plain, Encoding::Blocks] {
            let bytes = header(encoding).encode();
            let decoded = SegmentHeader::decode(&bytes, Path::new("x"), SeqNo::new(9));
            assert_eq!(decoded.unwrap(), header(encoding));
        }
        let header = header(Encoding::Plain);
        let bytes = header.encode();
        assert!(SegmentHeader::decode(&bytes, Path::new("x"), SeqNo::new(8)).is_err());
        for byte in 0..HEADER_LENGTH {
            let mut damaged = bytes;
            damaged[byte] ^= 1;
            assert!(
                SegmentHeader::decode(&damaged, Path::new("x"), header.first).is_err(),
                "byte {byte}"
            );
        }
    }

    #[test]
    fn a_marker_is_bound_to_its_place_and_file() {
        let marker = encode_marker(100, SeqNo::new(4), 7);
        assert!(is_marker(&marker, 100, 7));
        assert!(!is_marker(&marker, 101, 7));
        assert!(!is_marker(&marker, 100, 8));
        assert!(!is_marker(&marker[..31], 100, 7));
    }

    #[test]
    fn names_sort_like_numbers_and_others_are_ignored() {
        assert_eq!(parse_log_name(&log_name(SeqNo::new(42))), Some(SeqNo::new(42)));
        for other in [
            "42.log",
            "checkpoint",
            "00000000000000000042.idx",
            "0000000000000000004x.log",
        ] {
            assert_eq!(parse_log_name(other), None, "{other}");
        }
    }
}
