//! An idle log gives back what it knows of its open segment, and has it again when it is needed.

use std::sync::Arc;

use super::{Fixture, active_segment, append, frame, new_document, read_all};
use crate::open_entries::KEPT_ENTRIES;
use crate::writer::FORGET_AFTER;
use crate::{ByteCount, Log, LogOptions, OperationKind, ReadError, Scrubber, SeqNo};

const OPERATIONS: u64 = KEPT_ENTRIES as u64 + 10;

/// A log whose open segment has more entries than stay in memory.
fn loaded() -> (Fixture, Arc<Log>) {
    let fixture = Fixture::new(LogOptions::default());
    let log = fixture.create();
    append(&log, (0..OPERATIONS).map(new_document).collect());
    (fixture, log)
}

fn known(log: &Log) -> Option<usize> {
    let state = log.shared.state.lock();
    state.active.entries.all().ok().map(<[_]>::len)
}

#[test]
fn entries_are_forgotten_after_a_while_and_read_again_when_needed() {
    let (fixture, log) = loaded();
    let before = read_all(&log).unwrap();
    fixture.rest();
    assert_eq!(known(&log), None, "forgotten");
    let last = SeqNo::new(OPERATIONS - 1);
    assert_eq!(log.get(last).unwrap().as_ref(), before.last());
    assert_eq!(known(&log), Some(before.len()));
    assert_eq!(read_all(&log).unwrap(), before);
    fixture.rest();
    assert_eq!(known(&log), None, "forgotten again");
}

#[test]
fn entries_in_use_stay() {
    let (fixture, log) = loaded();
    for _ in 0..5 {
        fixture.clock.advance(FORGET_AFTER);
        fixture.committer.run_pending();
        assert_eq!(known(&log), Some(usize::try_from(OPERATIONS).unwrap()));
        log.get(SeqNo::ZERO).unwrap();
    }
}

#[test]
fn a_few_entries_stay() {
    let fixture = Fixture::new(LogOptions::default());
    let log = fixture.create();
    append(&log, (0..KEPT_ENTRIES as u64).map(new_document).collect());
    fixture.rest();
    assert_eq!(known(&log), Some(KEPT_ENTRIES));
}

#[test]
fn new_operations_do_not_bring_forgotten_entries_back() {
    let (fixture, log) = loaded();
    fixture.rest();
    append(&log, vec![new_document(OPERATIONS)]);
    assert_eq!(known(&log), None);
    let new = log.get(SeqNo::new(OPERATIONS)).unwrap();
    assert_eq!(new, Some(new_document(OPERATIONS)));
    assert_eq!(known(&log), None);
    assert_eq!(read_all(&log).unwrap().len() as u64, OPERATIONS + 1);
}

#[test]
fn an_update_of_a_forgotten_operation_keeps_the_digest_right() {
    let (fixture, log) = loaded();
    fixture.rest();
    let delete = frame(OPERATIONS, OperationKind::Delete, "doc-2", Some(2), 1);
    append(&log, vec![delete]);
    assert_eq!(log.recompute_live_summary().unwrap(), log.live_summary());
    assert_eq!(log.live_summary().live_count, OPERATIONS - 1);
}

#[test]
fn a_segment_with_forgotten_entries_is_sealed_whole() {
    let (fixture, log) = loaded();
    fixture.rest();
    log.shared.writer.lock().seal(&log.shared).unwrap();
    assert_eq!(log.segment_count(), 2);
    assert_eq!(read_all(&log).unwrap().len() as u64, OPERATIONS);
    drop(log);
    let log = fixture.open().unwrap();
    assert_eq!(read_all(&log).unwrap().len() as u64, OPERATIONS);
}

#[test]
fn a_scrub_of_a_log_with_forgotten_entries_finds_nothing() {
    let (fixture, log) = loaded();
    fixture.rest();
    let progress = Scrubber::new().step(&log, ByteCount::from_mib(64)).unwrap();
    assert_eq!(progress.operations, OPERATIONS);
}

#[test]
fn an_opened_log_forgets_too() {
    let (fixture, log) = loaded();
    drop(log);
    let log = fixture.open().unwrap();
    fixture.rest();
    assert_eq!(known(&log), None);
    assert_eq!(read_all(&log).unwrap().len() as u64, OPERATIONS);
}

#[test]
fn damage_to_a_segment_with_forgotten_entries_is_told_with_its_place() {
    let (fixture, log) = loaded();
    let damaged = SeqNo::new(7);
    fixture.rest();
    let path = active_segment(&fixture.storage);
    let mut content = fixture.storage.content(&path).unwrap();
    let source = b"{\"n\":7}";
    let place = content
        .windows(source.len())
        .position(|window| window == source)
        .unwrap();
    content[place] ^= 1;
    fixture.storage.damage(&path, content);
    let error = log.get(damaged).unwrap_err();
    assert!(
        matches!(&error, ReadError::Corrupt { file, seq_no, .. } if *file == path && *seq_no == damaged),
        "{error}"
    );
}
