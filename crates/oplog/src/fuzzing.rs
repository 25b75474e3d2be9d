//! Bytes that nobody vouches for, put through every decoder of the crate: for fuzzers, and for the mutation tests that every test run makes.
//!
//! A decoder may refuse bytes. It may not panic, ask for memory that the bytes do not justify ([`MemStorage`] checks the reads), or answer a
//! value that is not the one that lies there: what was decoded is encoded again and compared.

mod seal;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use self::seal::{put, seal_blocks, seal_frames, seal_journal, seal_leases, seal_pages, seal_part};
use crate::block::{BlockWriter, TRAILER_LENGTH};
use crate::checkpoint::{CHECKPOINT_NAME, Checkpoint};
use crate::frame::u64_at;
use crate::heal::{JOURNAL_NAME, Journal, staged_name};
use crate::healed::Healed;
use crate::live_file::LiveFile;
use crate::scan::read_header;
use crate::sealed::SealedSegment;
use crate::segment::{
    Encoding, HEADER_LENGTH, MARKER_MAGIC, SegmentHeader, encode_marker, index_path, log_path,
};
use crate::{
    Digest, DocumentVersion, Frame, GroupCommitter, HistoryUuid, LeaseId, LiveSet, Log, LogError, LogOptions,
    ManualClock, MemStorage, Operation, OperationKind, PrimaryTerm, ReadError, ReadLimits, RetentionLease,
    RetentionLeases, SeqNo, Storage as _, UnixMillis, lease_file,
};

/// So many operations have the logs of the examples.
const OPERATIONS: u64 = 9;
/// The salt of the examples: equal runs take equal bytes.
const SALT: u64 = 0x5a17;

/// A decoder, by what it decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Frames one after another, as they come over the wire.
    Frame,
    /// The only segment of a log.
    Segment,
    /// The offset index of a sealed plain segment.
    Index,
    /// A sealed segment of compressed blocks.
    BlockSegment,
    /// The file `checkpoint`.
    Checkpoint,
    /// The file `live`.
    Live,
    /// The file `leases`.
    Leases,
    /// The file `healed`.
    Healed,
    /// The file `heal`, and what a log does with it when it is opened.
    HealJournal,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Frame,
        Self::Segment,
        Self::Index,
        Self::BlockSegment,
        Self::Checkpoint,
        Self::Live,
        Self::Leases,
        Self::Healed,
        Self::HealJournal,
    ];

    /// Decodes the bytes, and once more with right checksums: behind a wrong one nothing else is looked at.
    ///
    /// # Panics
    /// As [`Self::run`].
    pub fn fuzz(self, bytes: &[u8]) {
        self.run(bytes);
        let mut sealed = bytes.to_vec();
        self.seal(&mut sealed);
        self.run(&sealed);
    }

    /// Decodes the bytes, and answers whether they were accepted.
    ///
    /// # Panics
    /// When what was accepted is not what lies in the bytes.
    pub fn run(self, bytes: &[u8]) -> bool {
        match self {
            Self::Frame => frames(bytes),
            Self::Segment => segment(bytes),
            Self::Index => index(bytes),
            Self::BlockSegment => block_segment(bytes),
            Self::Checkpoint => checkpoint(bytes),
            Self::Live => live(bytes),
            Self::Leases => leases(bytes),
            Self::Healed => healed(bytes),
            Self::HealJournal => heal_journal(bytes),
        }
    }

    /// Bytes that are accepted.
    pub fn example(self) -> Vec<u8> {
        match self {
            Self::Frame => operations().flat_map(|frame| frame.bytes().to_vec()).collect(),
            Self::Segment => plain_segment(),
            Self::Index => sealed_plain()
                .content(&index_path(dir(), SeqNo::ZERO))
                .unwrap_or_default(),
            Self::BlockSegment => example_blocks(),
            Self::Checkpoint => example_checkpoint().encode(),
            Self::Live => LiveFile {
                valid_through: Some(SeqNo::new(8)),
                updates: Some(SeqNo::new(8)),
                digest: Digest::new(7 << 70),
                live: (4..70_000).step_by(3).map(SeqNo::new).collect(),
            }
            .encode(),
            Self::Leases => lease_file::encode(&example_leases()),
            Self::Healed => example_healed(SeqNo::new(90)).encode(),
            Self::HealJournal => example_journal().encode(),
        }
    }

    /// Puts every checksum right that has a place in the bytes.
    pub fn seal(self, bytes: &mut [u8]) {
        match self {
            Self::Frame => seal_frames(bytes, 0, None),
            Self::Segment if bytes.len() >= HEADER_LENGTH => {
                seal_part(bytes, 0, 32);
                let salt = u64_at(bytes, 24);
                seal_frames(bytes, HEADER_LENGTH, Some(salt));
            }
            Self::Index if bytes.len() >= 64 => {
                seal_part(bytes, 0, 56);
                seal_pages(&mut bytes[64..]);
            }
            Self::BlockSegment if bytes.len() >= HEADER_LENGTH + TRAILER_LENGTH => seal_blocks(bytes),
            Self::Checkpoint | Self::Live | Self::Healed if bytes.len() >= 8 => {
                seal_part(bytes, 0, bytes.len() - 8);
            }
            Self::HealJournal if bytes.len() >= 8 => seal_journal(bytes),
            Self::Leases => seal_leases(bytes),
            _ => {}
        }
    }
}

fn dir() -> &'static Path {
    Path::new("/oplog")
}

fn operations() -> impl Iterator<Item = Frame> {
    (0..OPERATIONS).map(|seq_no| {
        let kind = match seq_no {
            6 => OperationKind::Delete,
            7 => OperationKind::NoOp,
            _ => OperationKind::Index,
        };
        let operation = Operation {
            seq_no: SeqNo::new(seq_no),
            superseded: [None, Some(SeqNo::new(seq_no / 2))][usize::from(matches!(seq_no, 3 | 6))],
            primary_term: PrimaryTerm::FIRST,
            version: DocumentVersion::new(seq_no + 1),
            timestamp: UnixMillis::new(1_700_000_000_000 + seq_no),
            kind,
            id: format!("dö-{seq_no}"),
            routing: (seq_no == 2).then(|| "r".to_owned()),
            source: format!("{{\"n\":{seq_no}}}").into(),
        };
        operation.to_frame().expect("its parts are short")
    })
}

fn plain_segment() -> Vec<u8> {
    let header = SegmentHeader {
        encoding: Encoding::Plain,
        first: SeqNo::ZERO,
        salt: SALT,
    };
    let mut bytes = header.encode().to_vec();
    for frame in operations() {
        if frame.seq_no().get() == 4 {
            let marker = encode_marker(bytes.len() as u64, SeqNo::new(3), SALT);
            bytes.extend_from_slice(&marker);
        }
        bytes.extend_from_slice(frame.bytes());
    }
    bytes
}

/// The example of a segment, with an index.
fn sealed_plain() -> MemStorage {
    let storage = storage_with(&log_path(dir(), SeqNo::ZERO), &plain_segment());
    SealedSegment::open(&storage, dir(), SeqNo::ZERO).expect("the segment is whole");
    storage
}

fn example_blocks() -> Vec<u8> {
    let storage = storage_with(Path::new("/oplog/unused"), &[]);
    let path = log_path(dir(), SeqNo::ZERO);
    let mut writer = BlockWriter::create(&storage, &path, SeqNo::ZERO, 1).expect("storage in memory");
    for frame in operations().filter(|frame| !matches!(frame.seq_no().get(), 1 | 5)) {
        writer.push(&frame).expect("the segment is short");
    }
    writer.finish(SeqNo::new(OPERATIONS)).expect("storage in memory");
    let mut bytes = storage.content(&path).unwrap_or_default();
    let trailer = bytes.len() - TRAILER_LENGTH;
    put(&mut bytes, 24, SALT);
    put(&mut bytes, trailer + 8, SALT);
    seal_blocks(&mut bytes);
    bytes
}

fn example_checkpoint() -> Checkpoint {
    Checkpoint {
        is_healed: false,
        durable: None,
        min_retained: SeqNo::ZERO,
        primary_term: PrimaryTerm::FIRST,
        history_uuid: history_uuid(),
        terms: vec![crate::TermStart {
            term: PrimaryTerm::FIRST,
            first_seq_no: SeqNo::ZERO,
        }],
    }
}

fn example_leases() -> RetentionLeases {
    let lease = |id: &str, retaining_seq_no| RetentionLease {
        id: id.parse::<LeaseId>().expect("the id is short"),
        retaining_seq_no: SeqNo::new(retaining_seq_no),
        timestamp: UnixMillis::new(1_700_000_000_000),
        source: "ccr".to_owned(),
    };
    RetentionLeases {
        primary_term: PrimaryTerm::FIRST,
        version: 3,
        leases: vec![lease("follower-1", 4), lease("follower-2", 7)],
    }
}

fn example_healed(through: SeqNo) -> Healed {
    let dead: LiveSet = [1, 5, 1 << 40].into_iter().map(SeqNo::new).collect();
    Healed::followed_by(None, through, &dead.into_bitmap())
}

/// A heal that brings the whole example of a segment of blocks.
fn example_journal() -> Journal {
    let through = SeqNo::new(OPERATIONS);
    let operations: LiveSet = operations().map(|frame| frame.seq_no()).collect();
    Journal {
        staged: vec![SeqNo::ZERO],
        checkpoint: Checkpoint {
            is_healed: true,
            durable: Some(through),
            ..example_checkpoint()
        },
        live: LiveFile {
            valid_through: Some(through),
            updates: Some(SeqNo::new(6)),
            digest: Digest::EMPTY,
            live: operations,
        },
        healed: example_healed(through),
    }
}

fn history_uuid() -> HistoryUuid {
    "fuzzed-history".parse().expect("letters and a hyphen")
}

/// Storage with one file in the directory of the log.
fn storage_with(path: &Path, content: &[u8]) -> MemStorage {
    let storage = MemStorage::new();
    storage.create_dir_all(dir()).expect("storage in memory");
    add_file(&storage, path, content);
    storage
}

fn add_file(storage: &MemStorage, path: &Path, content: &[u8]) {
    let file = storage.create(path).expect("the directory exists");
    file.write_at(0, content).expect("storage in memory");
}

fn frames(bytes: &[u8]) -> bool {
    let shared = Bytes::copy_from_slice(bytes);
    let alone = Frame::verify(shared.clone());
    let split = Frame::split(shared);
    if let Ok(frame) = alone {
        assert_eq!(
            split.as_deref(),
            Ok(&[frame][..]),
            "one frame is split into itself"
        );
    }
    let Ok(frames) = split else { return false };
    let again: Vec<u8> = frames
        .iter()
        .flat_map(|frame| encoded_again(frame).to_vec())
        .collect();
    assert_eq!(again, bytes, "frames are what they were decoded from");
    true
}

fn encoded_again(frame: &Frame) -> Bytes {
    let again = frame
        .to_operation()
        .to_frame()
        .expect("a frame is within the limits");
    assert_eq!(again.estimated_size(), frame.estimated_size());
    again.bytes().clone()
}

fn segment(bytes: &[u8]) -> bool {
    let path = log_path(dir(), SeqNo::ZERO);
    let storage = storage_with(&path, bytes);
    let checkpoint = Checkpoint {
        terms: Vec::new(),
        ..example_checkpoint()
    };
    add_file(&storage, &dir().join(CHECKPOINT_NAME), &checkpoint.encode());
    let Ok(log) = open(&storage) else { return false };
    let held = held(&log);
    assert_eq!(
        log.recompute_live_summary().ok(),
        Some(log.live_summary()),
        "OL-5"
    );
    let kept = storage.content(&path).unwrap_or_default();
    assert!(bytes.starts_with(&kept), "recovery cuts, it does not change");
    let header = read_header(
        &*storage.open(&path).expect("it is open"),
        &path,
        SeqNo::ZERO,
        kept.len() as u64,
    );
    let salt = header.expect("the log opened").salt;
    let mut again = kept[..HEADER_LENGTH].to_vec();
    for frame in &held {
        while kept[again.len()..].starts_with(MARKER_MAGIC) {
            let durable = SeqNo::new(u64_at(&kept, again.len() + 16));
            let marker = encode_marker(again.len() as u64, durable, salt);
            again.extend_from_slice(&marker);
        }
        again.extend_from_slice(&encoded_again(frame));
    }
    assert_eq!(again, kept, "the segment is its frames and markers");
    drop(log);
    let reopened = open(&storage).expect("what was opened once opens again");
    assert_eq!(self::held(&reopened), held, "OL-3");
    true
}

fn open(storage: &MemStorage) -> Result<Arc<Log>, LogError> {
    let clock = Arc::new(ManualClock::default());
    let committer = GroupCommitter::manual(clock.clone());
    Log::open(
        Arc::new(storage.clone()),
        PathBuf::from(dir()),
        LogOptions::default(),
        committer,
        clock,
    )
}

fn held(log: &Log) -> Vec<Frame> {
    let Some(max) = log.max_seq_no() else {
        return Vec::new();
    };
    log.read(SeqNo::ZERO, max, ReadLimits::NONE)
        .expect("every operation of an open segment was read at open")
}

fn index(bytes: &[u8]) -> bool {
    let storage = storage_with(&log_path(dir(), SeqNo::ZERO), &plain_segment());
    add_file(&storage, &index_path(dir(), SeqNo::ZERO), bytes);
    // The index is derived: a bad one is built again. One that lies gives an error at the frame, never another frame.
    let segment = match SealedSegment::open(&storage, dir(), SeqNo::ZERO) {
        Ok(segment) => segment,
        // It says that the segment was longer once; that is not the index's loss.
        Err(LogError::Corrupt { .. }) => return false,
        Err(error) => panic!("{error}"),
    };
    let index = storage.content(&index_path(dir(), SeqNo::ZERO));
    let Ok(frames) = all_frames(&segment) else {
        return false;
    };
    let expected: Vec<Frame> = operations().collect();
    assert!(
        expected.starts_with(&frames),
        "an index cannot make up operations"
    );
    index.as_deref() == Some(bytes)
}

fn block_segment(bytes: &[u8]) -> bool {
    let storage = storage_with(&log_path(dir(), SeqNo::ZERO), bytes);
    let Ok(segment) = SealedSegment::open(&storage, dir(), SeqNo::ZERO) else {
        return false;
    };
    let Ok(frames) = all_frames(&segment) else {
        return false;
    };
    let path = Path::new("/oplog/again");
    let mut writer = BlockWriter::create(&storage, path, SeqNo::ZERO, 1).expect("storage in memory");
    for frame in &frames {
        writer.push(frame).expect("it fit the segment before");
    }
    let (file, trailer) = writer.finish(segment.last()).expect("storage in memory");
    let again = SealedSegment::blocks(dir(), file, trailer);
    assert_eq!(
        all_frames(&again).ok(),
        Some(frames),
        "a segment survives being written again"
    );
    assert_eq!((again.first(), again.last()), (segment.first(), segment.last()));
    true
}

/// Every frame, read in pieces; their order and places are checked.
fn all_frames(segment: &SealedSegment) -> Result<Vec<Frame>, ReadError> {
    segment.position(segment.last())?;
    let count = usize::try_from(segment.count()).expect("its entries lie in memory");
    let mut frames: Vec<Frame> = Vec::new();
    while frames.len() < count {
        let piece = segment.frames(frames.len(), 4, 200)?;
        assert!(!piece.is_empty(), "the segment says that there are more");
        frames.extend(piece);
    }
    Ok(frames)
}

fn checkpoint(bytes: &[u8]) -> bool {
    let Ok(decoded) = Checkpoint::decode(bytes, Path::new(CHECKPOINT_NAME)) else {
        return false;
    };
    let mut expected = bytes.to_vec();
    // Reserved: written as 0, not looked at.
    expected[10..12].fill(0);
    let end = expected.len() - 8;
    seal_part(&mut expected, 0, end);
    assert_eq!(decoded.encode(), expected);
    true
}

fn live(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| LiveFile::decode(bytes, Path::new("live"));
    let Ok(decoded) = decode(bytes) else { return false };
    let again = decoded.encode();
    assert_eq!(again[16..48], bytes[16..48]);
    // Bitmaps of one set may be written in several ways, of which this crate writes one.
    assert_eq!(decode(&again).ok().as_ref(), Some(&decoded));
    assert_eq!(
        LiveSet::from_bytes(&decoded.live.to_bytes()).as_ref(),
        Ok(&decoded.live)
    );
    true
}

fn leases(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| lease_file::decode(bytes, Path::new("leases"));
    let Ok(decoded) = decode(bytes) else { return false };
    // JSON may be laid out in many ways, of which this crate writes one.
    assert_eq!(
        decode(&lease_file::encode(&decoded)).ok().as_ref(),
        Some(&decoded)
    );
    true
}

fn healed(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| Healed::decode(bytes, Path::new("healed"));
    let Ok(decoded) = decode(bytes) else { return false };
    let again = decoded.encode();
    assert_eq!(again[16..24], bytes[16..24]);
    // Bitmaps of one set may be written in several ways, of which this crate writes one.
    assert_eq!(decode(&again).ok().as_ref(), Some(&decoded));
    true
}

fn heal_journal(bytes: &[u8]) -> bool {
    let path = dir().join(JOURNAL_NAME);
    let storage = storage_with(&dir().join(staged_name(SeqNo::ZERO)), &example_blocks());
    add_file(&storage, &path, bytes);
    let decoded = Journal::decode(bytes, &path);
    let opened = open(&storage);
    let Ok(decoded) = decoded else {
        assert!(
            opened.is_err(),
            "a heal that cannot be read must not be passed over"
        );
        assert_eq!(storage.content(&path).as_deref(), Some(bytes), "nor be removed");
        return false;
    };
    let again = Journal::decode(&decoded.encode(), &path);
    assert_eq!(again.ok().as_ref(), Some(&decoded));
    // The journal may name segments that are not there, and cannot be told from a true one before the log is read.
    if let Ok(log) = opened {
        assert_eq!(storage.content(&path), None, "a heal is carried out once");
        assert_eq!(log.healed().as_deref(), Some(&decoded.healed));
        assert_eq!(log.durable_checkpoint(), Some(decoded.healed.through()));
    }
    true
}
