//! Failures that end the task, and what it shows then.

use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use follow_task::{Event, FollowTaskPhase};

use crate::harness::{Rig, answer, fatal, opt, reads, retryable, writes};

#[test]
fn a_fatal_read_error_stops_and_stays_visible() {
    let mut rig = Rig::started(reads(64, 2), -1);
    let id = rig.one_read(0, 64);
    rig.take();
    rig.read_done(id, Err(fatal()));
    assert_eq!(rig.take(), []);
    let status = rig.status();
    assert_eq!(
        (status.fatal_exception, status.failed_read_requests),
        (Some(fatal()), 1)
    );
    assert_eq!(
        (
            status.outstanding_read_requests,
            status.read_exceptions[0].retries
        ),
        (1, 0)
    );
    assert_eq!(
        (status.last_requested_seq_no, status.phase),
        (None, FollowTaskPhase::Failed)
    );
    rig.step(Event::Wake);
    assert_eq!(
        (rig.take(), rig.status().fatal_exception),
        (vec![], Some(fatal()))
    );
}

#[test]
fn a_fatal_write_error_stops_the_task_and_its_lease() {
    let mut rig = Rig::started(writes(8, 1), -1);
    let id = rig.one_read(0, 1000);
    rig.read_done(id, Ok(answer(0..64, 63)));
    let appends = rig.appends();
    rig.take();
    rig.step(Event::AppendFinished {
        id: appends[0].0,
        result: Err(fatal()),
    });
    rig.now = rig.now.after(Duration::from_secs(100));
    rig.step(Event::Wake);
    assert_eq!(rig.take(), []);
    let status = rig.status();
    assert_eq!(
        (status.phase, status.outstanding_write_requests),
        (FollowTaskPhase::Failed, 1)
    );
    assert_eq!(status.write_buffer_size_in_bytes, 0);
}

#[test]
fn a_fatal_failure_after_retries_keeps_their_number() {
    let mut rig = Rig::started(reads(8, 1), -1);
    for _ in 0..3 {
        let (id, _) = rig.next_read();
        rig.read_done(id, Err(retryable()));
    }
    let (id, _) = rig.next_read();
    rig.read_done(id, Err(fatal()));
    let status = rig.status();
    assert_eq!(
        (
            status.read_exceptions[0].retries,
            &status.read_exceptions[0].exception
        ),
        (3, &fatal())
    );
    assert_eq!(
        (status.failed_read_requests, status.outstanding_read_requests),
        (4, 1)
    );
}

#[test]
fn the_first_fatal_reason_stands() {
    let mut rig = Rig::started(reads(8, 2), -1);
    let id = rig.one_read(0, 8);
    rig.read_done(id, Ok(answer(0..0, 63)));
    let two = rig.reads();
    rig.read_done(two[0].0, Err(fatal()));
    let later = Exception::new(ExceptionKind::IndexNotFound, "later");
    rig.read_done(two[1].0, Err(later));
    let status = rig.status();
    assert_eq!(
        (status.fatal_exception, status.failed_read_requests),
        (Some(fatal()), 2)
    );
}

#[test]
fn a_failure_after_the_task_was_cancelled_is_counted_and_shown_only_if_it_is_fatal() {
    for exception in [retryable(), fatal()] {
        let mut rig = Rig::started(writes(8, 9), -1);
        let id = rig.one_read(0, 1000);
        rig.read_done(id, Ok(answer(0..8, 7)));
        let (append, poll) = (rig.appends()[0].0, rig.one_read(8, 1000));
        rig.step(Event::Cancel);
        rig.take();
        rig.write_failed(append, exception.clone());
        rig.read_done(poll, Err(exception.clone()));
        let status = rig.status();
        assert_eq!(status.phase, FollowTaskPhase::Cancelled);
        assert_eq!(
            status.fatal_exception,
            (!exception.is_retryable()).then_some(exception)
        );
        assert_eq!(
            (status.failed_read_requests, status.failed_write_requests),
            (1, 1)
        );
        assert_eq!((rig.take(), rig.core.next_wake()), (vec![], None));
    }
}

#[test]
fn a_fatal_failure_keeps_the_numbers_and_frees_the_memory() {
    let mut rig = Rig::started(reads(8, 3), -1);
    let id = rig.one_read(0, 8);
    rig.read_done(id, Ok(answer(0..0, 63)));
    let three = rig.reads();
    rig.read_done(three[2].0, Ok(answer(16..24, 63)));
    assert!(rig.core.used_bytes() > 0);
    rig.read_done(three[1].0, Err(fatal()));
    let status = rig.status();
    assert_eq!(
        (status.last_requested_seq_no, status.leader_global_checkpoint),
        (opt(31), opt(63))
    );
    // The failed one, the lowest, and the one that followed the third.
    assert_eq!(status.outstanding_read_requests, 3);
    assert_eq!(
        (status.write_buffer_operation_count, rig.core.used_bytes()),
        (0, 0)
    );
    rig.read_done(three[0].0, Ok(answer(0..8, 63)));
    let status = rig.status();
    assert_eq!(
        (
            status.outstanding_read_requests,
            status.write_buffer_operation_count
        ),
        (2, 0)
    );
    assert_eq!(rig.appends(), []);
}
