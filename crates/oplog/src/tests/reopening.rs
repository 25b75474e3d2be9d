//! What a log is made of when it opens: which of its files are believed, and what is computed instead.

use super::{AllPassed, Fixture, append, dir, frame, new_document, read_all, small_segments};
use crate::atomic_file::NameSync;
use crate::checkpoint::Checkpoint;
use crate::live_file::{LIVE_NAME, LiveFile};
use crate::segment::{index_path, log_path};
use crate::{
    CompactionGoal, Fault, LeaseError, LeaseId, Log, LogError, OperationKind, Problem, RetentionBound, SeqNo,
    Storage as _, check,
};

fn raise_min_retained(log: &Log) -> SeqNo {
    log.advance_min_retained(RetentionBound {
        global_checkpoint: log.max_seq_no(),
        retention_operations: 0,
        safe_commit: log.max_seq_no(),
    })
}

/// A crash during creation, in a directory that had a log before.
#[test]
fn a_new_log_takes_nothing_over_from_files_that_are_in_its_way() {
    let fixture = Fixture::new(small_segments());
    let log = fixture.create();
    append(&log, (0..30).map(new_document).collect());
    let id: LeaseId = "old".parse().unwrap();
    log.add_retention_lease(id, None, "ccr").unwrap();
    log.close().unwrap();
    drop(log);
    fixture.storage.remove(&dir().join("checkpoint")).unwrap();
    let log = fixture.create();
    assert_eq!((log.max_seq_no(), log.live_summary().live_count), (None, 0));
    assert_eq!(log.retention_leases().leases, []);
    assert_eq!(log.segment_count(), 1);
    append(&log, (0..30).map(new_document).collect());
    log.close().unwrap();
    assert_eq!(read_all(&fixture.open().unwrap()).unwrap().len(), 30);
}

/// A crash between the two files of a flush leaves the live file as the only one that knows.
#[test]
fn what_the_live_file_counts_was_durable() {
    let fixture = Fixture::new(small_segments());
    let log = fixture.create();
    append(&log, (0..4).map(new_document).collect());
    log.close().unwrap();
    let checkpoint = Checkpoint::load(&fixture.storage, &dir()).unwrap().unwrap();
    let older = Checkpoint {
        durable: None,
        terms: Vec::new(),
        ..checkpoint
    };
    older.save(&fixture.storage, &dir(), NameSync::Now).unwrap();
    assert_eq!(
        fixture.open_in(&fixture.storage.fork()).unwrap().max_seq_no(),
        Some(SeqNo::new(3))
    );
    let path = log_path(&dir(), SeqNo::ZERO);
    let mut content = fixture.storage.content(&path).unwrap();
    content.truncate(content.len() - 1);
    fixture.storage.damage(&path, content);
    let report = check(&fixture.storage, &dir()).unwrap();
    let segment = report.files.iter().find(|file| file.name.ends_with(".log"));
    assert!(
        segment.unwrap().problems.iter().any(Problem::is_damage),
        "{report:?}"
    );
    let Err(LogError::Corrupt { seq_no, .. }) = fixture.open() else {
        panic!("operation 3 was durable")
    };
    assert_eq!(seq_no, Some(SeqNo::new(3)));
}

/// It is derived from the operations, so that a wrong one costs time and nothing else.
#[test]
fn a_live_file_that_does_not_fit_the_operations_behind_it_is_not_used() {
    let fixture = Fixture::new(small_segments());
    let log = fixture.create();
    append(&log, (0..10).map(new_document).collect());
    log.flush().unwrap();
    append(&log, vec![frame(10, OperationKind::Index, "u", Some(5), 1)]);
    let summary = log.live_summary();
    drop(log);
    let mut live = LiveFile::load(&fixture.storage, &dir()).unwrap().unwrap();
    assert_eq!(live.valid_through, Some(SeqNo::new(9)));
    live.live.remove(SeqNo::new(5));
    live.save(&fixture.storage, &dir()).unwrap();
    let log = fixture.open().unwrap();
    assert_eq!(log.live_summary(), summary);
    assert_eq!(log.recompute_live_summary().unwrap(), summary);
}

/// A compacted log whose operations 4 and 5, a document and its deletion, are gone. They were the last ones of their kind.
fn log_without_a_deletion(fixture: &Fixture) {
    let log = fixture.create();
    append(&log, (0..5).map(new_document).collect());
    append(&log, vec![frame(5, OperationKind::Delete, "doc-4", Some(4), 1)]);
    assert_eq!(raise_min_retained(&log), SeqNo::new(6));
    let report = log.compact(CompactionGoal::All, &AllPassed).unwrap();
    assert_eq!(report.removed_operations, 2);
    append(&log, (6..8).map(new_document).collect());
    assert_eq!(log.max_seq_no_of_updates_or_deletes(), Some(SeqNo::new(5)));
    log.close().unwrap();
}

/// A follower that believed in fewer would take an update for a new document.
#[test]
fn the_last_deletion_is_not_forgotten_with_its_operation() {
    let fixture = Fixture::new(small_segments());
    log_without_a_deletion(&fixture);
    let reopened = fixture.open_in(&fixture.storage.fork()).unwrap();
    assert_eq!(reopened.max_seq_no_of_updates_or_deletes(), Some(SeqNo::new(5)));
    fixture.storage.remove(&dir().join(LIVE_NAME)).unwrap();
    let log = fixture.open().unwrap();
    assert_eq!(log.get(SeqNo::new(5)).unwrap(), None);
    assert_eq!(log.max_seq_no_of_updates_or_deletes(), Some(SeqNo::new(5)));
}

/// Without the live file the operations must account for everything that is retained.
#[test]
fn an_operation_that_supersedes_what_is_missing_but_retained_is_corrupt() {
    let fixture = Fixture::new(small_segments());
    let log = fixture.create();
    append(&log, (0..20).map(new_document).collect());
    append(&log, vec![frame(20, OperationKind::Index, "u", Some(1), 1)]);
    let segment = log.shared.state.lock().sealed[0].clone();
    let kept = segment.frames(0, usize::MAX, u64::MAX).unwrap();
    log.close().unwrap();
    let path = log_path(&dir(), SeqNo::ZERO);
    let mut writer = crate::block::BlockWriter::create(&fixture.storage, &path, SeqNo::ZERO, 1).unwrap();
    for frame in kept.iter().filter(|frame| frame.seq_no() != SeqNo::new(1)) {
        writer.push(frame).unwrap();
    }
    writer.finish(segment.last()).unwrap();
    fixture.storage.remove(&index_path(&dir(), SeqNo::ZERO)).unwrap();
    fixture.storage.remove(&dir().join(LIVE_NAME)).unwrap();
    let Err(LogError::Corrupt { seq_no, .. }) = fixture.open() else {
        panic!("the log opened without operation 1")
    };
    assert_eq!(seq_no, Some(SeqNo::new(20)));
}

#[test]
fn a_renewal_without_a_seq_no_retains_no_more_than_there_is() {
    let fixture = Fixture::new(small_segments());
    let log = fixture.create();
    append(&log, (0..10).map(new_document).collect());
    assert_eq!(raise_min_retained(&log), SeqNo::new(10));
    let id = || "follower".parse::<LeaseId>().unwrap();
    let lease = log.add_retention_lease(id(), Some(SeqNo::new(3)), "ccr").unwrap();
    assert_eq!(lease.retaining_seq_no, SeqNo::new(3));
    let renewed = log.renew_retention_lease(id(), None, "ccr").unwrap();
    assert_eq!(renewed.retaining_seq_no, SeqNo::new(10));
}

/// Otherwise a lease would hold back the log that nobody was promised, or be gone that somebody relies on.
#[test]
fn a_lease_that_could_not_be_stored_is_not_there() {
    let id = |text: &str| text.parse::<LeaseId>().unwrap();
    let fixture = Fixture::new(small_segments());
    let log = fixture.create();
    append(&log, (0..3).map(new_document).collect());
    log.add_retention_lease(id("first"), None, "ccr").unwrap();
    let before = log.retention_leases();
    fixture.storage.inject(fixture.storage.changes(), Fault::Fail);
    let added = log.add_retention_lease(id("second"), None, "ccr");
    assert!(
        matches!(added, Err(LeaseError::Storage(LogError::Io { .. }))),
        "{added:?}"
    );
    assert_eq!(log.retention_leases(), before);
    // The log is poisoned: what it does not hold on disk it must not promise.
    let is_poisoned = |error: &LeaseError| matches!(error, LeaseError::Storage(LogError::Poisoned { .. }));
    assert!(is_poisoned(
        &log.renew_retention_lease(id("first"), None, "ccr").unwrap_err()
    ));
    assert!(is_poisoned(
        &log.remove_retention_lease(&id("first")).unwrap_err()
    ));
    assert_eq!(log.retention_leases(), before);
}

/// A compacted segment is in its place, but a failed sync left its name to the next loss of power. What it was made of must not be removed on its strength.
#[test]
fn what_a_failed_sync_of_the_directory_left_undecided_removes_nothing() {
    let loaded = || {
        let fixture = Fixture::new(small_segments());
        let log = fixture.create();
        append(&log, (0..20).map(new_document).collect());
        let update = |seq_no| frame(seq_no, OperationKind::Index, "u", Some(seq_no - 20), 1);
        append(&log, (20..32).map(update).collect());
        raise_min_retained(&log);
        (fixture, log)
    };
    let mut reached = 0;
    for failing in 0.. {
        let (fixture, log) = loaded();
        let expected = log.live_summary();
        let before = fixture.storage.changes();
        fixture.storage.inject(before + failing, Fault::Fail);
        // Whether the compaction or a flush meets the fault does not matter.
        let _ = log.compact(CompactionGoal::All, &AllPassed);
        if fixture.storage.faults() == 0 {
            break;
        }
        drop(log);
        for cut in 0.. {
            let storage = fixture.storage.fork();
            storage.inject(cut, Fault::PowerCut);
            drop(fixture.open_in(&storage));
            let opened_whole = storage.faults() == 0;
            for seed in 0..8 {
                let storage = storage.fork();
                storage.crash(seed);
                let log = fixture.open_in(&storage).unwrap_or_else(|error| {
                    panic!(
                        "change {failing} failed, the power was cut at {cut} of opening, seed {seed}: {error}"
                    )
                });
                assert_eq!(log.live_summary(), expected);
                assert_eq!(log.recompute_live_summary().unwrap(), expected);
                reached += 1;
            }
            if opened_whole {
                break;
            }
        }
    }
    assert!(reached > 1000, "{reached} histories");
}
