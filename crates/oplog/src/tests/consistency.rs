//! OL-1 and OL-5 against a log that breaks them: the scrub and `check` must tell. No append, compaction or recovery makes such a log, so the tests
//! put it together: wrong state in memory, and wrong files with right checksums.

use super::{Fixture, append, dir, frame, new_document, small_segments};
use crate::block::BlockWriter;
use crate::live_file::{LIVE_NAME, LiveFile};
use crate::segment::{index_path, log_name, log_path};
use crate::{
    ByteCount, CheckReport, Digest, Durability, LiveSet, Log, OperationKind, Problem, ReadError,
    RetentionBound, Scrubber, SeqNo, Storage as _, check,
};
use std::path::Path;
use std::sync::Arc;

/// Documents 0 to 29; 2 and 3 are replaced by 30 and 31. Several segments, closed.
fn closed_log(fixture: &Fixture) {
    let log = fixture.create();
    append(&log, (0..30).map(new_document).collect());
    let update = |seq_no| frame(seq_no, OperationKind::Index, "u", Some(seq_no - 28), 1);
    append(&log, (30..32).map(update).collect());
    assert!(log.segment_count() > 4);
    log.close().unwrap();
}

/// A whole pass; small steps, so that it does not see all at once.
fn scrub(log: &Log) -> Result<u64, ReadError> {
    let mut scrubber = Scrubber::new();
    loop {
        let progress = scrubber.step(log, ByteCount::new(500))?;
        if progress.done {
            return Ok(progress.operations);
        }
    }
}

/// The operation and the reason of the damage that a scrub finds.
fn found_by_scrub(log: &Log) -> (u64, String) {
    match scrub(log).unwrap_err() {
        ReadError::Corrupt { seq_no, reason, .. } => (seq_no.get(), reason),
        other => panic!("{other}"),
    }
}

/// Writes a segment again, compressed, without some of its operations.
fn drop_from_segment(fixture: &Fixture, first: u64, dropped: &[u64]) -> u64 {
    let log = fixture.open_in(&fixture.storage.fork()).unwrap();
    let sealed = log.shared.state.lock().sealed.clone();
    let segment = sealed
        .iter()
        .find(|segment| segment.first().get() == first)
        .unwrap();
    let path = log_path(&dir(), segment.first());
    fixture.storage.remove(&path).unwrap();
    fixture
        .storage
        .remove(&index_path(&dir(), segment.first()))
        .unwrap();
    let mut writer = BlockWriter::create(&fixture.storage, &path, segment.first(), 1).unwrap();
    for frame in segment.frames(0, usize::MAX, u64::MAX).unwrap() {
        if !dropped.contains(&frame.seq_no().get()) {
            writer.push(&frame).unwrap();
        }
    }
    writer.finish(segment.last()).unwrap();
    segment.last().get()
}

fn raise_min_retained(log: &Log) {
    let min_retained = log.advance_min_retained(RetentionBound {
        global_checkpoint: log.max_seq_no(),
        retention_operations: 0,
        safe_commit: log.max_seq_no(),
    });
    assert_eq!(Some(min_retained), log.max_seq_no().and_then(SeqNo::checked_next));
}

#[test]
fn a_scrub_minds_a_missing_operation_that_is_retained() {
    let fixture = Fixture::new(small_segments());
    closed_log(&fixture);
    // Operation 3 is dead, so that the live set and the digest are right all the same.
    let last = drop_from_segment(&fixture, 0, &[3]);
    assert!(last > 3);
    let log = fixture.open().unwrap();
    assert_eq!(log.recompute_live_summary().unwrap(), log.live_summary());
    let (seq_no, reason) = found_by_scrub(&log);
    assert_eq!(seq_no, 3);
    assert!(reason.contains("is retained"), "{reason}");
    // Once nobody needs it, it may be gone.
    raise_min_retained(&log);
    assert_eq!(scrub(&log).unwrap(), 31);
}

#[test]
fn a_scrub_minds_missing_operations_at_the_end_of_a_segment_and_of_the_log() {
    let fixture = Fixture::new(small_segments());
    let log = fixture.create();
    append(&log, (0..6).map(new_document).collect());
    append(&log, vec![frame(6, OperationKind::Delete, "doc-5", Some(5), 1)]);
    log.compact(crate::CompactionGoal::All, &Never).unwrap();
    log.close().unwrap();
    drop(log);
    let storage = fixture.storage.fork();
    let open = storage
        .list(&dir())
        .unwrap()
        .into_iter()
        .rfind(|name| name.ends_with(".log"));
    assert_eq!(open, Some(log_name(SeqNo::new(7))));
    let log = fixture.open().unwrap();
    let mut sealed = log.shared.state.lock().sealed.to_vec();
    let segment = sealed.pop().unwrap();
    let path = dir().join("other");
    let mut writer = BlockWriter::create(&storage, &path, segment.first(), 1).unwrap();
    for frame in segment.frames(0, usize::MAX, u64::MAX).unwrap() {
        if frame.seq_no() < SeqNo::new(5) {
            writer.push(&frame).unwrap();
        }
    }
    let (file, trailer) = writer.finish(segment.last()).unwrap();
    sealed.push(Arc::new(crate::sealed::SealedSegment::blocks(
        &dir(),
        file,
        trailer,
    )));
    log.shared.state.lock().sealed = Arc::new(sealed);
    let (seq_no, reason) = found_by_scrub(&log);
    assert_eq!(seq_no, 6, "{reason}");
    raise_min_retained(&log);
    assert_eq!(
        scrub(&log).unwrap(),
        5,
        "both are dead, and below what is retained"
    );
}

/// Compresses, and removes nothing.
struct Never;

impl crate::CompactionContext for Never {
    fn wait_until_passed(&self, _seq_no: SeqNo) -> bool {
        false
    }

    fn throttle(&self, _bytes: ByteCount) -> bool {
        true
    }
}

#[test]
fn a_scrub_minds_a_missing_operation_that_is_live() {
    let fixture = Fixture::new(small_segments());
    closed_log(&fixture);
    drop_from_segment(&fixture, 0, &[1]);
    let log = fixture.open().unwrap();
    raise_min_retained(&log);
    let (seq_no, reason) = found_by_scrub(&log);
    assert_eq!(seq_no, 1);
    assert!(
        reason.contains("1 live operations from here to 1 are missing"),
        "{reason}"
    );
}

#[test]
fn a_scrub_minds_the_digest() {
    let fixture = Fixture::new(small_segments());
    closed_log(&fixture);
    let log = fixture.open().unwrap();
    let operations = scrub(&log).unwrap();
    assert_eq!(operations, 32);
    let right = log.live_summary().digest;
    let wrong = right.with(SeqNo::new(7), 7);
    log.shared.state.lock().tracker.digest = wrong;
    let (_, reason) = found_by_scrub(&log);
    assert!(
        reason.contains(&right.to_string()) && reason.contains(&wrong.to_string()),
        "{reason}"
    );
    log.shared.state.lock().tracker.digest = right;
    assert_eq!(scrub(&log).unwrap(), operations);
}

/// What is only in memory counts too.
#[test]
fn a_scrub_minds_the_digest_of_what_waits_for_its_write() {
    let fixture = Fixture::new(small_segments());
    closed_log(&fixture);
    let log = fixture.open().unwrap();
    let ticket = log
        .append((32..36).map(new_document).collect(), Durability::Request)
        .unwrap();
    assert_eq!(scrub(&log).unwrap(), 36);
    ticket.wait().unwrap();
    assert_eq!(scrub(&log).unwrap(), 36);
}

#[test]
fn a_scrub_minds_a_live_set_with_one_too_many_or_too_few() {
    let fixture = Fixture::new(small_segments());
    closed_log(&fixture);
    let log = fixture.open().unwrap();
    let change = |change: &dyn Fn(&mut LiveSet)| change(&mut log.shared.state.lock().tracker.live);
    change(&|live| assert!(live.remove(SeqNo::new(9))));
    let (seq_no, reason) = found_by_scrub(&log);
    assert_eq!(
        (seq_no, reason.as_str()),
        (9, "nothing supersedes it, but the live set lacks it")
    );
    change(&|live| assert!(live.insert(SeqNo::new(9))));
    change(&|live| assert!(live.insert(SeqNo::new(2))));
    let (seq_no, reason) = found_by_scrub(&log);
    assert_eq!(
        (seq_no, reason.as_str()),
        (2, "it is live, but operation 30 supersedes it")
    );
    change(&|live| assert!(live.remove(SeqNo::new(2))));
    change(&|live| assert!(live.insert(SeqNo::new(1000))));
    let (seq_no, reason) = found_by_scrub(&log);
    assert_eq!(
        (seq_no, reason.as_str()),
        (1000, "the live set has it, the operations do not")
    );
}

/// A delete is in the log, but never live.
#[test]
fn a_scrub_minds_a_live_operation_that_is_no_document() {
    let fixture = Fixture::new(small_segments());
    let log = fixture.create();
    append(
        &log,
        vec![new_document(0), frame(1, OperationKind::Delete, "gone", None, 1)],
    );
    log.shared.state.lock().tracker.live.insert(SeqNo::new(1));
    assert_eq!(found_by_scrub(&log).0, 1);
}

#[test]
fn a_scrub_begins_anew_after_damage() {
    let fixture = Fixture::new(small_segments());
    closed_log(&fixture);
    let log = fixture.open().unwrap();
    let right = log.live_summary().digest;
    log.shared.state.lock().tracker.digest = Digest::EMPTY;
    let mut scrubber = Scrubber::new();
    assert!(
        scrubber.step(&log, ByteCount::new(500)).is_ok(),
        "the digest comes last"
    );
    assert!(scrubber.step(&log, ByteCount::new(u64::MAX)).is_err());
    log.shared.state.lock().tracker.digest = right;
    append(&log, vec![new_document(32)]);
    let progress = scrubber.step(&log, ByteCount::new(u64::MAX)).unwrap();
    assert!(progress.done);
    assert_eq!(progress.operations, 33, "all that there are now, and none twice");
    let again = scrubber.step(&log, ByteCount::new(1)).unwrap();
    assert!(
        again.operations < 33 && !again.done,
        "another pass, from the beginning"
    );
}

#[test]
fn small_files_that_are_damaged_on_disk_are_written_anew_from_memory() {
    let fixture = Fixture::new(small_segments());
    let log = fixture.create();
    append(&log, (0..3).map(new_document).collect());
    log.add_retention_lease("l".parse().unwrap(), None, "ccr")
        .unwrap();
    log.flush().unwrap();
    assert_eq!(
        log.verify_small_files().unwrap(),
        Vec::<std::path::PathBuf>::new()
    );
    for name in ["checkpoint", "live", "leases"] {
        let path = dir().join(name);
        let right = fixture.storage.content(&path).unwrap();
        let mut wrong = right.clone();
        let middle = wrong.len() / 2;
        wrong[middle] ^= 1;
        fixture.storage.damage(&path, wrong);
        assert_eq!(log.verify_small_files().unwrap(), std::slice::from_ref(&path));
        assert_eq!(fixture.storage.content(&path).unwrap(), right, "{name}");
        assert!(log.verify_small_files().unwrap().is_empty());
    }
}

fn problems(report: &CheckReport, name: &str) -> Vec<Problem> {
    let file = report.files.iter().find(|file| file.name == name).unwrap();
    file.problems.clone()
}

fn change_live_file(fixture: &Fixture, change: impl FnOnce(&mut LiveFile)) {
    let mut live = LiveFile::load(&fixture.storage, &dir()).unwrap().unwrap();
    change(&mut live);
    live.save(&fixture.storage, &dir()).unwrap();
}

#[test]
fn check_minds_a_live_file_that_is_not_what_the_operations_give() {
    let fixture = Fixture::new(small_segments());
    closed_log(&fixture);
    let is_damaged = |change: fn(&mut LiveFile)| {
        let copy = Fixture {
            storage: fixture.storage.fork(),
            ..Fixture::new(small_segments())
        };
        change_live_file(&copy, change);
        let report = check(&copy.storage, &dir()).unwrap();
        let found = problems(&report, LIVE_NAME);
        assert_eq!(found.iter().any(Problem::is_damage), report.is_damaged());
        assert_eq!(report.live_count, 30, "computed from the operations");
        report.is_damaged()
    };
    assert!(!is_damaged(|_| {}));
    assert!(is_damaged(|live| live.digest = live.digest.with(SeqNo::ZERO, 1)));
    assert!(is_damaged(|live| assert!(live.live.remove(SeqNo::new(5)))));
    assert!(is_damaged(|live| assert!(live.live.insert(SeqNo::new(3)))));
    assert!(is_damaged(|live| live.valid_through = Some(SeqNo::new(30))));
    assert!(is_damaged(|live| live.valid_through = None));
}

/// The live file is one of an earlier moment, as most of the time.
#[test]
fn check_compares_the_live_file_with_the_operations_up_to_its_own() {
    let fixture = Fixture::new(small_segments());
    closed_log(&fixture);
    let log = fixture.open().unwrap();
    let update = |seq_no| frame(seq_no, OperationKind::Index, "u", Some(seq_no - 27), 1);
    append(&log, (32..34).map(update).collect());
    log.set_primary_term(crate::PrimaryTerm::new(2).unwrap()).unwrap();
    let summary = log.live_summary();
    drop(log);
    let report = check(&fixture.storage, &dir()).unwrap();
    assert!(!report.is_damaged(), "{report:?}");
    assert_eq!(
        (report.live_count, report.digest),
        (summary.live_count, summary.digest)
    );
    // Right for the end of the log, but it says that it is older.
    change_live_file(&fixture, |live| {
        live.live.remove(SeqNo::new(5));
        live.live.insert(SeqNo::new(32));
    });
    assert!(check(&fixture.storage, &dir()).unwrap().is_damaged());
}

fn reasons(report: &CheckReport) -> String {
    format!("{:?}", report.files)
}

#[test]
fn check_minds_a_hole_above_what_may_be_gone() {
    for (dropped, first_missing) in [(&[3][..], 3), (&[2, 3], 2)] {
        let fixture = Fixture::new(small_segments());
        closed_log(&fixture);
        drop_from_segment(&fixture, 0, dropped);
        let report = check(&fixture.storage, &dir()).unwrap();
        assert!(report.is_damaged());
        let found = problems(&report, &log_name(SeqNo::ZERO));
        assert!(
            matches!(&found[..], [Problem::Damaged { seq_no: Some(seq_no), reason, .. }]
                if seq_no.get() == first_missing && reason.contains("is retained")),
            "{found:?}"
        );
        // Below the minimum retained seq_no of the checkpoint the same hole is right.
        let log = fixture.open().unwrap();
        raise_min_retained(&log);
        log.close().unwrap();
        let report = check(&fixture.storage, &dir()).unwrap();
        assert!(!report.is_damaged(), "{}", reasons(&report));
        assert_eq!(report.operations, 32 - dropped.len() as u64);
    }
}

#[test]
fn check_minds_a_hole_at_the_end_of_a_segment() {
    let fixture = Fixture::new(small_segments());
    let log = fixture.create();
    append(&log, (0..20).map(new_document).collect());
    let first = log.shared.state.lock().sealed[0].last().get();
    append(&log, vec![frame(20, OperationKind::Delete, "x", Some(first), 1)]);
    log.close().unwrap();
    drop_from_segment(&fixture, 0, &[first]);
    let report = check(&fixture.storage, &dir()).unwrap();
    let found = problems(&report, &log_name(SeqNo::ZERO));
    assert!(
        matches!(&found[..], [Problem::Damaged { seq_no: Some(seq_no), .. }] if seq_no.get() == first),
        "{found:?}"
    );
}

/// Below the minimum retained seq_no, where only the live file can tell.
#[test]
fn check_minds_a_missing_operation_that_is_live() {
    let fixture = Fixture::new(small_segments());
    closed_log(&fixture);
    drop_from_segment(&fixture, 0, &[1]);
    let log = fixture.open().unwrap();
    raise_min_retained(&log);
    log.close().unwrap();
    let report = check(&fixture.storage, &dir()).unwrap();
    assert!(report.is_damaged());
    assert!(problems(&report, LIVE_NAME).iter().any(Problem::is_damage));
}

#[test]
fn check_names_a_segment_that_is_missing_and_what_is_left_over() {
    let fixture = Fixture::new(small_segments());
    closed_log(&fixture);
    let firsts: Vec<SeqNo> = {
        let log = fixture.open_in(&fixture.storage.fork()).unwrap();
        let state = log.shared.state.lock();
        state.sealed.iter().map(|segment| segment.first()).collect()
    };
    let storage = fixture.storage.fork();
    storage.remove(&log_path(&dir(), firsts[1])).unwrap();
    let report = check(&storage, &dir()).unwrap();
    let found = problems(&report, &log_name(firsts[1]));
    assert!(
        matches!(&found[..], [Problem::Damaged { seq_no: Some(seq_no), .. }] if *seq_no == firsts[1]),
        "{found:?}"
    );
    let storage = fixture.storage.fork();
    let put = |name: &str| storage.create(Path::new(&dir().join(name))).map(drop).unwrap();
    put("live.tmp");
    let names = storage.list(&dir()).unwrap();
    let open = names.iter().rfind(|name| name.ends_with(".log")).unwrap();
    let open = open.replace(".log", ".idx");
    put(&open);
    let report = check(&storage, &dir()).unwrap();
    assert!(!report.is_damaged());
    for name in ["live.tmp", open.as_str()] {
        assert_eq!(problems(&report, name), [Problem::Leftover], "{name}");
    }
}

/// The sync marker behind it proves that the bad frame was durable, also before any checkpoint says so.
#[test]
fn check_tells_damage_before_a_sync_marker_from_a_torn_tail() {
    let fixture = Fixture::new(small_segments());
    let log = fixture.create();
    append(&log, vec![new_document(0)]);
    append(&log, vec![new_document(1)]);
    drop(log);
    let path = log_path(&dir(), SeqNo::ZERO);
    let content = fixture.storage.content(&path).unwrap();
    for (seq_no, is_damage) in [(0, true), (1, false)] {
        let frame = new_document(seq_no);
        let mut windows = content.windows(frame.len());
        let place = windows.position(|bytes| bytes == &frame.bytes()[..]).unwrap();
        let mut damaged = content.clone();
        damaged[place + 20] ^= 1;
        let storage = fixture.storage.fork();
        storage.damage(&path, damaged);
        let report = check(&storage, &dir()).unwrap();
        assert_eq!(report.is_damaged(), is_damage, "{report:?}");
        assert_eq!(fixture.open_in(&storage).is_err(), is_damage);
    }
}

/// A page of entries follows from the frames, and is found to be damaged before a reader needs it.
#[test]
fn check_names_a_damaged_page_of_an_index() {
    let fixture = Fixture::new(small_segments());
    closed_log(&fixture);
    let path = index_path(&dir(), SeqNo::ZERO);
    let mut content = fixture.storage.content(&path).unwrap();
    content[64 + 20] ^= 1;
    fixture.storage.damage(&path, content);
    let report = check(&fixture.storage, &dir()).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(
        matches!(problems(&report, name)[..], [Problem::Rebuilt { .. }]),
        "{report:?}"
    );
    assert!(!report.is_damaged());
}
