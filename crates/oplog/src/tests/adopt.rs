//! Files of one copy made the log of another: what must not come along, and where they are cut.

use super::{AllPassed, Fixture, append, dir, frame, new_document, read_held, small_segments};
use crate::lease_file::LEASES_NAME;
use crate::segment::log_path;
use crate::{
    CompactionGoal, HistoryUuid, LeaseId, Log, LogError, OperationKind, PrimaryTerm, RetentionBound, SeqNo,
    Storage as _, check,
};

fn adopt(fixture: &Fixture, up_to: Option<u64>) -> Result<(), LogError> {
    let term = PrimaryTerm::new(3).unwrap();
    let up_to = up_to.map(SeqNo::new);
    Log::adopt(&fixture.storage, &dir(), HistoryUuid::generate(), term, up_to)
}

/// What a lease holds back is the business of the copy that gave it, and a follower of that copy never renews it here.
#[test]
fn leases_that_came_with_the_files_are_not_adopted() {
    let fixture = Fixture::new(small_segments());
    let log = fixture.create();
    append(&log, (0..5).map(new_document).collect());
    let id: LeaseId = "follower".parse().unwrap();
    log.add_retention_lease(id, Some(SeqNo::new(2)), "ccr").unwrap();
    log.close().unwrap();
    assert!(fixture.storage.content(&dir().join(LEASES_NAME)).is_some());
    adopt(&fixture, Some(4)).unwrap();
    fixture.storage.crash(5);
    let adopted = fixture.open().unwrap();
    assert_eq!(adopted.max_seq_no(), Some(SeqNo::new(4)));
    assert_eq!(adopted.retention_leases().leases, []);
    let min_retained = adopted.advance_min_retained(RetentionBound {
        global_checkpoint: adopted.max_seq_no(),
        retention_operations: 0,
        safe_commit: adopted.max_seq_no(),
    });
    assert_eq!(min_retained, SeqNo::new(5), "nothing holds it back");
}

/// Documents 0 to 29, of which 10 to 15 are replaced by 30 to 35 and compacted away; then four more, of the next term as the updates are.
fn log_with_a_hole(fixture: &Fixture) -> Log {
    let log = fixture.create();
    append(&log, (0..30).map(new_document).collect());
    let update = |seq_no| {
        let id = format!("doc-{}", seq_no - 20);
        frame(seq_no, OperationKind::Index, &id, Some(seq_no - 20), 2)
    };
    append(&log, (30..36).map(update).collect());
    let min_retained = log.advance_min_retained(RetentionBound {
        global_checkpoint: log.max_seq_no(),
        retention_operations: 0,
        safe_commit: log.max_seq_no(),
    });
    assert_eq!(min_retained, SeqNo::new(36));
    let report = log.compact(CompactionGoal::All, &AllPassed).unwrap();
    assert_eq!(report.removed_operations, 6);
    let later = |seq_no| frame(seq_no, OperationKind::Index, "later", None, 2);
    append(&log, (36..40).map(later).collect());
    std::sync::Arc::into_inner(log).unwrap()
}

#[test]
fn a_compacted_segment_is_cut_anywhere() {
    let source = Fixture::new(small_segments());
    let log = log_with_a_hole(&source);
    log.flush().unwrap();
    let held = read_held(&log).unwrap();
    assert_eq!(held.len(), 34);
    let mut compressed_cut = 0;
    for up_to in (0..40).map(Some).chain([None]) {
        let copy = Fixture {
            storage: source.storage.fork(),
            ..Fixture::new(small_segments())
        };
        adopt(&copy, up_to).unwrap();
        adopt(&copy, up_to).unwrap();
        let report = check(&copy.storage, &dir()).unwrap();
        assert!(!report.is_damaged(), "{up_to:?}: {report:?}");
        copy.storage.crash(up_to.unwrap_or(77));
        let adopted = copy.open().unwrap();
        assert_eq!(adopted.max_seq_no(), up_to.map(SeqNo::new), "{up_to:?}");
        let end = up_to.map_or(0, |last| last + 1);
        let expected = held.range(..end).map(|(seq_no, frame)| (*seq_no, frame.clone()));
        assert_eq!(read_held(&adopted).unwrap(), expected.collect(), "{up_to:?}");
        let summary = adopted.live_summary();
        assert_eq!(
            adopted.recompute_live_summary().unwrap(),
            summary,
            "{up_to:?}: OL-5"
        );
        assert!(adopted.min_retained_seq_no().get() <= end, "{up_to:?}");
        assert_eq!(adopted.primary_term(), PrimaryTerm::new(3).unwrap());
        let first = SeqNo::new(end);
        append(&adopted, vec![frame(end, OperationKind::Index, "next", None, 3)]);
        assert!(adopted.is_live(first));
        let open = copy
            .storage
            .content(&log_path(&dir(), adopted.open_segment_first()))
            .unwrap();
        assert_eq!(open[10], 0, "{up_to:?}: the open segment is plain");
        compressed_cut += u32::from(adopted.open_segment_first() == first && end > 0);
    }
    assert!(compressed_cut > 20, "{compressed_cut}");
}

#[test]
fn a_compacted_segment_that_does_not_reach_far_enough_is_an_error() {
    let fixture = Fixture::new(small_segments());
    log_with_a_hole(&fixture).close().unwrap();
    let open = log_path(&dir(), SeqNo::new(36));
    fixture.storage.remove(&open).unwrap();
    let Err(LogError::Corrupt { file, seq_no, .. }) = adopt(&fixture, Some(36)) else {
        panic!("the copy has no operation 36")
    };
    assert!(
        file.extension().is_some_and(|extension| extension == "log"),
        "{file:?}"
    );
    assert_eq!(seq_no, Some(SeqNo::new(36)));
    adopt(&fixture, Some(35)).unwrap();
    assert_eq!(fixture.open().unwrap().max_seq_no(), Some(SeqNo::new(35)));
}
