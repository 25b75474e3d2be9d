//! One rule each.

use std::sync::Arc;
use std::time::Duration;

use super::{Fixture, block_on, dir, frame, new_document, read_all, small_segments};
use crate::{
    AppendError, ByteCount, Durability, Fault, FsStorage, GroupCommitter, HistoryUuid, LeaseError, Log,
    LogError, LogOptions, NewLog, OperationKind, PrimaryTerm, ReadError, ReadLimits, SeqNo, Storage as _,
    SystemClock,
};

fn append(log: &Log, frames: Vec<crate::Frame>) {
    log.append(frames, Durability::Request).unwrap().wait().unwrap();
}

#[test]
fn only_what_continues_the_log_is_appended() {
    let log = Fixture::new(LogOptions::default()).create();
    append(&log, (0..3).map(new_document).collect());
    let refused = |frames| log.append(frames, Durability::Request).unwrap_err();
    assert!(matches!(refused(vec![]), AppendError::Empty));
    let not_contiguous = refused(vec![new_document(4)]);
    assert!(
        matches!(not_contiguous, AppendError::NotContiguous { expected, got }
        if expected == SeqNo::new(3) && got == SeqNo::new(4))
    );
    assert!(matches!(
        refused(vec![new_document(2)]),
        AppendError::NotContiguous { .. }
    ));
    assert!(matches!(
        refused(vec![new_document(3), new_document(5)]),
        AppendError::NotContiguous { .. }
    ));
    let summary = log.live_summary();
    let update = |seq_no, superseded| frame(seq_no, OperationKind::Index, "x", Some(superseded), 1);
    assert!(matches!(
        refused(vec![update(3, 1), update(4, 1)]),
        AppendError::SupersedesDead { .. }
    ));
    assert_eq!(log.live_summary(), summary, "a refused append leaves no trace");
    append(&log, vec![frame(3, OperationKind::Index, "x", None, 2)]);
    assert!(matches!(
        refused(vec![new_document(4)]),
        AppendError::TermWentBack { .. }
    ));
}

#[test]
fn an_update_of_an_operation_in_a_sealed_segment_keeps_the_digest_right() {
    let fixture = Fixture::new(small_segments());
    let log = fixture.create();
    append(&log, (0..30).map(new_document).collect());
    assert!(log.segment_count() > 3);
    append(&log, vec![frame(30, OperationKind::Delete, "doc-2", Some(2), 1)]);
    assert!(!log.is_live(SeqNo::new(2)));
    assert_eq!(log.recompute_live_summary().unwrap(), log.live_summary());
    assert_eq!(log.live_summary().live_count, 29);
}

#[test]
fn reads_stop_at_their_limits_but_give_at_least_one() {
    let fixture = Fixture::new(small_segments());
    let log = fixture.create();
    append(&log, (0..30).map(new_document).collect());
    let read = |operations, bytes| {
        let limits = ReadLimits {
            operations,
            bytes: ByteCount::new(bytes),
        };
        log.read(SeqNo::new(3), SeqNo::new(25), limits).unwrap().len()
    };
    let size = new_document(3).estimated_size();
    assert_eq!(read(usize::MAX, u64::MAX), 23);
    assert_eq!(read(7, u64::MAX), 7);
    assert_eq!(read(0, u64::MAX), 1);
    assert_eq!(read(usize::MAX, 0), 1);
    assert_eq!(
        read(usize::MAX, size),
        2,
        "the operation that exceeds the limit is the last one"
    );
    let missing = log
        .read(SeqNo::new(28), SeqNo::new(31), ReadLimits::NONE)
        .unwrap_err();
    assert!(matches!(missing, ReadError::Missing { range, .. } if range.first() == SeqNo::new(30)));
    assert_eq!(log.get(SeqNo::new(30)).unwrap(), None);
    assert_eq!(log.get(SeqNo::new(29)).unwrap(), Some(new_document(29)));
    assert!(
        log.read(SeqNo::new(2), SeqNo::new(1), ReadLimits::NONE)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn appended_operations_are_visible_before_they_are_written() {
    let fixture = Fixture::new(LogOptions::default());
    let log = fixture.create();
    append(&log, vec![new_document(0)]);
    let ticket = log
        .append((1..5).map(new_document).collect(), Durability::Request)
        .unwrap();
    assert_eq!(
        read_all(&log).unwrap(),
        (0..5).map(new_document).collect::<Vec<_>>()
    );
    assert_eq!(log.get(SeqNo::new(4)).unwrap(), Some(new_document(4)));
    assert_eq!(log.durable_checkpoint(), Some(SeqNo::ZERO));
    assert_eq!((ticket.first(), ticket.last()), (SeqNo::new(1), SeqNo::new(4)));
    block_on(ticket.durable()).unwrap();
    assert_eq!(log.durable_checkpoint(), Some(SeqNo::new(4)));
}

#[test]
fn asynchronous_appends_are_synced_after_the_interval_or_enough_bytes() {
    let options = LogOptions {
        async_sync_bytes: ByteCount::new(1000),
        ..LogOptions::default()
    };
    let fixture = Fixture::new(options);
    let log = fixture.create();
    log.append(vec![new_document(0)], Durability::Async)
        .unwrap()
        .wait()
        .unwrap();
    fixture.clock.advance(Duration::from_millis(4999));
    fixture.committer.run_pending();
    assert_eq!(log.durable_checkpoint(), None);
    fixture.clock.advance(Duration::from_millis(1));
    fixture.committer.run_pending();
    assert_eq!(log.durable_checkpoint(), Some(SeqNo::ZERO));
    log.append((1..20).map(new_document).collect(), Durability::Async)
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(log.durable_checkpoint(), Some(SeqNo::new(19)));
}

#[test]
fn the_checkpoint_file_follows_a_sync_within_its_interval() {
    let fixture = Fixture::new(LogOptions::default());
    let log = fixture.create();
    let saved = || {
        crate::checkpoint::Checkpoint::load(&fixture.storage, &dir())
            .unwrap()
            .unwrap()
            .durable
    };
    append(&log, vec![new_document(0)]);
    assert_eq!(saved(), None);
    fixture.clock.advance(Duration::from_secs(1));
    fixture.committer.run_pending();
    assert_eq!(saved(), Some(SeqNo::ZERO));
}

#[test]
fn a_full_buffer_makes_appends_wait_for_their_write() {
    let options = LogOptions {
        max_pending_bytes: ByteCount::new(200),
        ..LogOptions::default()
    };
    let fixture = Fixture::new(options);
    let log = fixture.create();
    let first = log
        .append(vec![new_document(0), new_document(1)], Durability::Async)
        .unwrap();
    let changes = fixture.storage.changes();
    let second = log
        .append((2..9).map(new_document).collect(), Durability::Async)
        .unwrap();
    assert!(fixture.storage.changes() > changes, "room was made by writing");
    first.wait().unwrap();
    second.wait().unwrap();
}

#[test]
fn after_a_failed_sync_the_log_takes_nothing_more_but_stays_readable() {
    let fixture = Fixture::new(LogOptions::default());
    let log = fixture.create();
    append(&log, vec![new_document(0)]);
    let waiting = log.wait_durable(SeqNo::new(5));
    // The append writes first, then it syncs.
    fixture.storage.inject(fixture.storage.changes() + 1, Fault::Fail);
    let failed = log
        .append(vec![new_document(1)], Durability::Request)
        .unwrap()
        .wait();
    assert!(matches!(failed, Err(LogError::Poisoned { .. })));
    assert!(matches!(block_on(waiting), Err(LogError::Poisoned { .. })));
    assert!(matches!(
        log.append(vec![new_document(2)], Durability::Async),
        Err(AppendError::Log(_))
    ));
    assert!(matches!(log.flush(), Err(LogError::Poisoned { .. })));
    assert!(matches!(
        log.set_primary_term(PrimaryTerm::new(2).unwrap()),
        Err(LogError::Poisoned { .. })
    ));
    assert_eq!(log.durable_checkpoint(), Some(SeqNo::ZERO));
    assert_eq!(log.get(SeqNo::ZERO).unwrap(), Some(new_document(0)));
}

#[test]
fn a_closed_log_answers_everyone_who_waits() {
    let fixture = Fixture::new(LogOptions::default());
    let log = fixture.create();
    let waiting = log.wait_durable(SeqNo::ZERO);
    log.close().unwrap();
    log.close().unwrap();
    assert!(matches!(block_on(waiting), Err(LogError::Closed)));
    assert!(matches!(
        log.append(vec![new_document(0)], Durability::Async),
        Err(AppendError::Log(LogError::Closed))
    ));
    assert!(matches!(log.get(SeqNo::ZERO), Err(ReadError::Closed)));
}

#[test]
fn opening_does_not_scan_sealed_segments() {
    let fixture = Fixture::new(small_segments());
    let log = fixture.create();
    append(&log, (0..30).map(new_document).collect());
    log.close().unwrap();
    // Damage that opening would find if it looked at the frames.
    let path = dir().join("00000000000000000000.log");
    let mut content = fixture.storage.content(&path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fixture.storage.damage(&path, content);
    let log = fixture.open().unwrap();
    let error = read_all(&log).unwrap_err();
    assert!(matches!(error, ReadError::Corrupt { file, .. } if file == path));
    assert_eq!(
        log.read(SeqNo::new(20), SeqNo::new(29), ReadLimits::NONE)
            .unwrap()
            .len(),
        10
    );
}

/// Each of them has its own right checksum.
#[test]
fn good_frames_in_each_others_places_are_corrupt() {
    let fixture = Fixture::new(small_segments());
    let log = fixture.create();
    append(&log, (0..30).map(new_document).collect());
    drop(log);
    let path = crate::segment::log_path(&dir(), SeqNo::ZERO);
    let mut content = fixture.storage.content(&path).unwrap();
    let length = new_document(0).len();
    assert_eq!(new_document(1).len(), length);
    // Found by what they say, since markers may lie between them.
    let place = |content: &[u8], seq_no| {
        let frame = new_document(seq_no);
        content
            .windows(length)
            .position(|bytes| bytes == &frame.bytes()[..])
            .unwrap()
    };
    let (first, second) = (place(&content, 0), place(&content, 1));
    let (left, right) = content.split_at_mut(second);
    left[first..first + length].swap_with_slice(&mut right[..length]);
    fixture.storage.damage(&path, content);
    let log = fixture.open().unwrap();
    for seq_no in [0, 1] {
        let error = log.get(SeqNo::new(seq_no)).unwrap_err();
        assert!(
            matches!(&error, ReadError::Corrupt { file, seq_no: of, .. } if *file == path && of.get() == seq_no),
            "{error:?}"
        );
    }
    assert_eq!(log.get(SeqNo::new(2)).unwrap(), Some(new_document(2)));
}

#[test]
fn creating_twice_is_refused_and_opening_nothing_is_not_found() {
    let fixture = Fixture::new(LogOptions::default());
    assert!(matches!(fixture.open(), Err(LogError::NotFound { .. })));
    drop(fixture.create());
    let new = NewLog {
        history_uuid: HistoryUuid::generate(),
        primary_term: PrimaryTerm::FIRST,
    };
    let storage = Arc::new(fixture.storage.clone());
    let clock = fixture.clock.clone();
    let again = Log::create(
        storage,
        dir(),
        new,
        LogOptions::default(),
        fixture.committer.clone(),
        clock,
    );
    assert!(matches!(again, Err(LogError::AlreadyExists { .. })));
}

#[test]
fn a_crash_during_creation_leaves_nothing_or_an_empty_log() {
    for at in 0..20 {
        for seed in 0..4 {
            let fixture = Fixture::new(LogOptions::default());
            fixture.storage.inject(at, Fault::PowerCut);
            let new = NewLog {
                history_uuid: HistoryUuid::generate(),
                primary_term: PrimaryTerm::FIRST,
            };
            let storage = Arc::new(fixture.storage.clone());
            let clock = fixture.clock.clone();
            let _ = Log::create(
                storage,
                dir(),
                new,
                LogOptions::default(),
                fixture.committer.clone(),
                clock,
            );
            fixture.storage.crash(seed);
            let log = match fixture.open() {
                Err(LogError::NotFound { .. }) => fixture.create(),
                opened => opened.unwrap(),
            };
            assert_eq!(log.max_seq_no(), None);
        }
    }
}

#[test]
fn the_primary_term_is_durable_and_never_goes_back() {
    let fixture = Fixture::new(LogOptions::default());
    let log = fixture.create();
    let term = |value| PrimaryTerm::new(value).unwrap();
    log.set_primary_term(term(4)).unwrap();
    assert!(matches!(
        log.set_primary_term(term(3)),
        Err(LogError::Invalid { .. })
    ));
    fixture.storage.crash(1);
    assert_eq!(fixture.open().unwrap().primary_term(), term(4));
}

#[test]
fn leases_follow_the_rules_of_elasticsearch() {
    let fixture = Fixture::new(LogOptions::default());
    let log = fixture.create();
    let id = || "a/b/c".parse::<crate::LeaseId>().unwrap();
    assert!(matches!(
        log.renew_retention_lease(id(), None, "ccr"),
        Err(LeaseError::NotFound { .. })
    ));
    assert_eq!(
        log.add_retention_lease(id(), None, "ccr")
            .unwrap()
            .retaining_seq_no,
        SeqNo::ZERO
    );
    assert!(matches!(
        log.add_retention_lease(id(), None, "ccr"),
        Err(LeaseError::AlreadyExists { .. })
    ));
    log.renew_retention_lease(id(), Some(SeqNo::new(7)), "ccr")
        .unwrap();
    let lower = log.renew_retention_lease(id(), Some(SeqNo::new(6)), "ccr");
    assert!(matches!(lower, Err(LeaseError::InvalidRetainingSeqNo { .. })));
    assert_eq!(
        log.renew_retention_lease(id(), None, "ccr")
            .unwrap()
            .retaining_seq_no,
        SeqNo::new(7)
    );
    assert_eq!(log.retention_leases().version, 3);
    let period = Duration::from_secs(60);
    fixture.clock.advance(period);
    let now = crate::Clock::now(&*fixture.clock);
    assert!(
        log.expire_retention_leases(now, period).unwrap().is_empty(),
        "exactly the period is not too long"
    );
    fixture.storage.crash(3);
    let log = fixture.open().unwrap();
    assert_eq!(log.retention_leases().version, 3, "expiring wrote the renewals");
    fixture.clock.advance(Duration::from_millis(1));
    let now = crate::Clock::now(&*fixture.clock);
    assert_eq!(log.expire_retention_leases(now, period).unwrap().len(), 1);
    assert!(matches!(
        log.remove_retention_lease(&id()),
        Err(LeaseError::NotFound { .. })
    ));
}

#[test]
fn a_pinned_snapshot_becomes_another_copy_s_log() {
    for up_to in [Some(24), Some(11), Some(0), None] {
        let fixture = Fixture::new(small_segments());
        let log = fixture.create();
        append(&log, (0..20).map(new_document).collect());
        append(
            &log,
            (20..25)
                .map(|seq_no| frame(seq_no, OperationKind::Index, "u", Some(seq_no - 20), 2))
                .collect(),
        );
        log.add_retention_lease("l".parse().unwrap(), None, "ccr")
            .unwrap();
        let pinned = log.pin_files().unwrap();
        append(&log, vec![frame(25, OperationKind::Delete, "x", None, 2)]);
        assert_eq!(pinned.checkpoint(), Some(SeqNo::new(24)));
        let copy = Fixture::new(small_segments());
        copy.storage.create_dir_all(&dir()).unwrap();
        for file in pinned.files() {
            let target = copy.storage.create(&dir().join(&file.name)).unwrap();
            target
                .write_at(0, &pinned.read_at(&file.name, 0, file.length as usize).unwrap())
                .unwrap();
        }
        assert!(pinned.read_at("checkpoint", 0, 100_000).is_err());
        assert!(pinned.read_at("leases", 0, 1).is_err());
        let history = HistoryUuid::generate();
        let up_to = up_to.map(SeqNo::new);
        Log::adopt(&copy.storage, &dir(), history.clone(), PrimaryTerm::FIRST, up_to).unwrap();
        Log::adopt(&copy.storage, &dir(), history.clone(), PrimaryTerm::FIRST, up_to).unwrap();
        copy.storage.crash(7);
        let adopted = copy.open().unwrap();
        assert_eq!(adopted.history_uuid(), history);
        assert_eq!(adopted.max_seq_no(), up_to);
        assert!(adopted.retention_leases().leases.is_empty());
        let frames = read_all(&adopted).unwrap();
        assert_eq!(frames[..], read_all(&log).unwrap()[..frames.len()]);
        assert_eq!(adopted.recompute_live_summary().unwrap(), adopted.live_summary());
        assert_eq!(
            adopted.term_table().len(),
            if up_to == Some(SeqNo::new(24)) {
                2
            } else {
                usize::from(up_to.is_some())
            }
        );
        append(
            &adopted,
            vec![frame(frames.len() as u64, OperationKind::Index, "n", None, 2)],
        );
    }
}

#[test]
fn adopting_more_than_was_copied_is_an_error() {
    let fixture = Fixture::new(LogOptions::default());
    let log = fixture.create();
    append(&log, vec![new_document(0)]);
    log.close().unwrap();
    let adopted = Log::adopt(
        &fixture.storage,
        &dir(),
        HistoryUuid::generate(),
        PrimaryTerm::FIRST,
        Some(SeqNo::new(1)),
    );
    assert!(matches!(adopted, Err(LogError::Corrupt { .. })));
}

#[test]
fn large_frames_and_many_small_ones_survive_on_a_real_file_system() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().join("a/b/oplog");
    let committer = GroupCommitter::start(1);
    let new = NewLog {
        history_uuid: HistoryUuid::generate(),
        primary_term: PrimaryTerm::FIRST,
    };
    let options = LogOptions {
        segment_bytes: ByteCount::from_mib(2),
        ..LogOptions::default()
    };
    let storage = Arc::new(FsStorage);
    let clock = Arc::new(SystemClock);
    let log = Log::create(
        storage.clone(),
        dir.clone(),
        new,
        options.clone(),
        committer.clone(),
        clock.clone(),
    )
    .unwrap();
    let mut operation = new_document(0).to_operation();
    let frames: Vec<_> = [3 << 20, 10, 300 << 10, 1 << 20, 700, 0]
        .into_iter()
        .chain(std::iter::repeat_n(2000, 1500))
        .enumerate()
        .map(|(seq_no, length)| {
            operation.seq_no = SeqNo::new(seq_no as u64);
            operation.source = vec![b'x'; length].into();
            operation.to_frame().unwrap()
        })
        .collect();
    append(&log, frames.clone());
    assert!(log.segment_count() > 2);
    assert_eq!(read_all(&log).unwrap(), frames);
    log.close().unwrap();
    drop(log);
    let log = Log::open(storage, dir, options, committer, clock).unwrap();
    assert_eq!(read_all(&log).unwrap(), frames);
    assert_eq!(log.recompute_live_summary().unwrap(), log.live_summary());
}

/// After an fsync that failed, later ones write nothing of what it should have written; also not the marker in front of the first such frame.
#[test]
fn what_a_failed_fsync_lost_is_written_again_when_the_log_is_opened() {
    for earlier in 0..3 {
        let fixture = Fixture::new(LogOptions::default());
        let log = fixture.create();
        for seq_no in 0..earlier {
            log.append(vec![new_document(seq_no)], Durability::Request)
                .unwrap()
                .wait()
                .unwrap();
        }
        log.flush().unwrap();
        // One write, then the fsync.
        fixture
            .storage
            .inject(fixture.storage.changes() + 1, Fault::LoseSync);
        let ticket = log
            .append(vec![new_document(earlier)], Durability::Request)
            .unwrap();
        assert!(ticket.wait().is_err());
        drop(log);
        // The same process, hence the same page cache: the operation is still to be seen.
        let log = fixture.open().unwrap();
        assert_eq!(log.max_seq_no(), Some(SeqNo::new(earlier)));
        log.append(vec![new_document(earlier + 1)], Durability::Request)
            .unwrap()
            .wait()
            .unwrap();
        drop(log);
        fixture.storage.crash(0);
        let log = fixture.open().unwrap();
        assert_eq!(
            read_all(&log).unwrap().len() as u64,
            earlier + 2,
            "{earlier} before"
        );
    }
}
