//! Files that are whole and have right checksums, but are not the ones that belong there; and what readers are told.

use super::{AllPassed, Fixture, append, dir, frame, new_document, read_all, small_segments};
use crate::block::{BlockWriter, TRAILER_LENGTH};
use crate::sealed::SealedSegment;
use crate::segment::{Encoding, HEADER_LENGTH, SegmentHeader, index_path, log_path};
use crate::{
    ByteCount, CompactionGoal, Frame, LiveSet, Log, LogError, LogOptions, MemStorage, OperationKind,
    ReadError, ReadLimits, RetentionBound, SeqNo, Storage as _, check,
};

/// Operation 0 has another timestamp than [`new_document`] gives it, and the same length.
fn other_document() -> Frame {
    let mut operation = new_document(0).to_operation();
    operation.timestamp = crate::UnixMillis::new(operation.timestamp.get() + 1);
    operation.to_frame().unwrap()
}

fn closed_log(fixture: &Fixture, first: Frame) {
    let log = fixture.create();
    append(&log, vec![first]);
    append(&log, (1..30).map(new_document).collect());
    log.close().unwrap();
}

/// As a file of an older log would be that was not removed.
#[test]
fn an_index_of_another_segment_is_built_again() {
    let (fixture, other) = (Fixture::new(small_segments()), Fixture::new(small_segments()));
    closed_log(&fixture, new_document(0));
    closed_log(&other, other_document());
    let path = index_path(&dir(), SeqNo::ZERO);
    let (right, wrong) = (fixture.storage.content(&path), other.storage.content(&path));
    let wrong = wrong.unwrap();
    assert_eq!(right.as_ref().unwrap().len(), wrong.len());
    fixture.storage.damage(&path, wrong);
    let log = fixture.open().unwrap();
    assert_eq!(
        read_all(&log).unwrap(),
        (0..30).map(new_document).collect::<Vec<_>>()
    );
    assert_eq!(fixture.storage.content(&path), right);
}

/// It has the right place, length and checksum, but is not what was written.
#[test]
fn another_version_of_an_operation_in_its_place_is_corrupt() {
    let fixture = Fixture::new(small_segments());
    closed_log(&fixture, new_document(0));
    let path = log_path(&dir(), SeqNo::ZERO);
    let mut content = fixture.storage.content(&path).unwrap();
    let other = other_document();
    content[HEADER_LENGTH..HEADER_LENGTH + other.len()].copy_from_slice(other.bytes());
    fixture.storage.damage(&path, content);
    let log = fixture.open().unwrap();
    let error = log.get(SeqNo::ZERO).unwrap_err();
    assert!(
        matches!(&error, ReadError::Corrupt { seq_no, .. } if *seq_no == SeqNo::ZERO),
        "{error:?}"
    );
    assert_eq!(log.get(SeqNo::new(1)).unwrap(), Some(new_document(1)));
}

/// One operation in it makes the segment stand for the same seq_nos with and without it.
#[test]
fn a_sealed_segment_without_operations_is_corrupt() {
    let options = LogOptions {
        segment_bytes: ByteCount::new(1),
        ..LogOptions::default()
    };
    let fixture = Fixture::new(options);
    closed_log(&fixture, new_document(0));
    let path = log_path(&dir(), SeqNo::new(5));
    let mut content = fixture.storage.content(&path).unwrap();
    content.truncate(HEADER_LENGTH);
    fixture.storage.damage(&path, content);
    fixture
        .storage
        .remove(&index_path(&dir(), SeqNo::new(5)))
        .unwrap();
    assert!(check(&fixture.storage, &dir()).unwrap().is_damaged());
    let Err(LogError::Corrupt { file, seq_no, .. }) = fixture.open() else {
        panic!("the log opened without operation 5")
    };
    assert_eq!((file, seq_no), (path, Some(SeqNo::new(5))));
}

#[test]
fn a_sealed_segment_that_gets_shorter_while_it_is_open_is_corrupt() {
    let fixture = Fixture::new(small_segments());
    closed_log(&fixture, new_document(0));
    let log = fixture.open().unwrap();
    let path = log_path(&dir(), SeqNo::ZERO);
    let mut content = fixture.storage.content(&path).unwrap();
    content.truncate(HEADER_LENGTH + 10);
    fixture.storage.damage(&path, content);
    let error = log.get(SeqNo::new(1)).unwrap_err();
    assert!(
        matches!(&error, ReadError::Corrupt { file, .. } if *file == path),
        "{error:?}"
    );
}

fn block_segment(storage: &MemStorage, first: u64) -> Vec<u8> {
    storage.create_dir_all(&dir()).unwrap();
    let (first, path) = (SeqNo::new(first), log_path(&dir(), SeqNo::new(first)));
    let mut writer = BlockWriter::create(storage, &path, first, 1).unwrap();
    for seq_no in first.get()..first.get() + 5 {
        writer.push(&new_document(seq_no)).unwrap();
    }
    writer.finish(SeqNo::new(first.get() + 5)).unwrap();
    storage.content(&path).unwrap()
}

fn open_segment(storage: &MemStorage, first: u64, content: Vec<u8>) -> Result<SealedSegment, LogError> {
    let path = log_path(&dir(), SeqNo::new(first));
    storage.create(&path).unwrap();
    storage.damage(&path, content);
    SealedSegment::open(storage, &dir(), SeqNo::new(first))
}

#[test]
fn a_block_segment_under_the_header_of_another_is_corrupt() {
    let storage = MemStorage::new();
    let content = block_segment(&storage, 10);
    assert_eq!(open_segment(&storage, 10, content.clone()).unwrap().count(), 5);
    let salt = crate::frame::u64_at(&content, 24);
    for (first, salt) in [(10, salt ^ 1), (20, salt)] {
        let header = SegmentHeader {
            encoding: Encoding::Blocks,
            first: SeqNo::new(first),
            salt,
        };
        let mut content = content.clone();
        content[..HEADER_LENGTH].copy_from_slice(&header.encode());
        let opened = open_segment(&storage, first, content);
        assert!(matches!(opened, Err(LogError::Corrupt { .. })), "{first}");
    }
}

/// With fewer operations in it than there are, some would be lost without a word.
#[test]
fn every_bit_of_a_block_trailer_counts() {
    let storage = MemStorage::new();
    let content = block_segment(&storage, 10);
    let trailer = content.len() - TRAILER_LENGTH;
    for bit in 0..TRAILER_LENGTH * 8 {
        let mut content = content.clone();
        content[trailer + bit / 8] ^= 1 << (bit % 8);
        let opened = open_segment(&storage, 10, content);
        assert!(matches!(opened, Err(LogError::Corrupt { .. })), "bit {bit}");
    }
}

/// Operations 0 and 6 to 9 are replaced by 20 to 24, and gone.
fn log_with_holes(fixture: &Fixture) -> std::sync::Arc<Log> {
    let log = fixture.create();
    append(&log, (0..20).map(new_document).collect());
    let update = |(seq_no, old)| frame(seq_no, OperationKind::Index, "u", Some(old), 1);
    append(&log, (20..).zip([0, 6, 7, 8, 9]).map(update).collect());
    let bound = RetentionBound {
        global_checkpoint: log.max_seq_no(),
        retention_operations: 0,
        safe_commit: log.max_seq_no(),
    };
    log.advance_min_retained(bound);
    let report = log.compact(CompactionGoal::All, &AllPassed).unwrap();
    assert_eq!(report.removed_operations, 5);
    log
}

/// A follower decides by it what it must ask for in another way.
#[test]
fn a_read_that_comes_to_a_hole_tells_which_operations_are_missing() {
    let log = log_with_holes(&Fixture::new(small_segments()));
    let missing = |from, to| match log.read(SeqNo::new(from), SeqNo::new(to), ReadLimits::NONE) {
        Err(ReadError::Missing {
            range,
            first_held,
            last_held,
        }) => {
            assert_eq!(first_held, Some(SeqNo::new(1)), "operation 0 is gone");
            assert_eq!(last_held, Some(SeqNo::new(24)));
            (range.first().get(), range.last().get())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(0, 24), (0, 0));
    assert_eq!(missing(4, 24), (6, 9));
    assert_eq!(missing(4, 8), (6, 8), "nothing was asked about operation 9");
    assert_eq!(missing(7, 7), (7, 7));
    assert_eq!(missing(23, 27), (25, 27), "not there yet");
}

#[test]
fn live_sets_are_counted_and_listed_from_any_operation() {
    let live: LiveSet = [0, 3, 4, 70_000].into_iter().map(SeqNo::new).collect();
    let count = |first, last| live.count_in(SeqNo::new(first), SeqNo::new(last));
    assert_eq!((count(0, 0), count(0, 3), count(1, 2), count(3, 3)), (1, 2, 0, 1));
    assert_eq!((count(3, 4), count(4, 70_000), count(5, u64::MAX)), (2, 2, 1));
    let from = |first| {
        live.iter_from(SeqNo::new(first))
            .map(SeqNo::get)
            .collect::<Vec<_>>()
    };
    assert_eq!(from(0), [0, 3, 4, 70_000]);
    assert_eq!(from(3), [3, 4, 70_000]);
    assert_eq!(from(5), [70_000]);
    let mut bytes = live.to_bytes();
    assert_eq!(LiveSet::from_bytes(&bytes).unwrap(), live);
    bytes.push(0);
    assert!(LiveSet::from_bytes(&bytes).is_err(), "a byte too many");
}
