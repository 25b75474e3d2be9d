//! Failures: what is tried again, what ends the task, and what is shown of them.

use std::time::Duration;

use follow_task::{Action, Event, FollowTaskPhase};

use crate::harness::{Rig, answer, fatal, reads, retryable, seq, writes};

#[test]
fn retryable_read_errors_repeat_the_same_read() {
    for errors in [1, 7, 30] {
        let mut rig = Rig::started(reads(64, 1), -1);
        for retries in 1..=errors {
            let id = rig.one_read(0, 64);
            rig.read_done(id, Err(retryable()));
            let status = rig.status();
            assert_eq!(status.read_exceptions.len(), 1);
            assert_eq!(
                (
                    status.read_exceptions[0].from_seq_no,
                    status.read_exceptions[0].retries
                ),
                (seq(0), retries)
            );
            while !rig
                .actions
                .iter()
                .any(|action| matches!(action, Action::Read { .. }))
            {
                rig.wake();
            }
        }
        let id = rig.one_read(0, 64);
        rig.read_done(id, Ok(answer(0..64, 63)));
        let status = rig.status();
        assert_eq!(
            (status.failed_read_requests, status.successful_read_requests),
            (u64::from(errors), 1)
        );
        assert_eq!(
            (status.read_exceptions.len(), status.phase),
            (0, FollowTaskPhase::Following)
        );
    }
}

#[test]
fn pauses_are_capped_by_max_retry_delay() {
    // Elasticsearch caps by the poll timeout; its documentation says max_retry_delay.
    let mut raw = reads(64, 1);
    raw.max_retry_delay = Some("120ms".into());
    let mut rig = Rig::started(raw, -1);
    for _ in 0..40 {
        let reads = rig.reads();
        let before = rig.now;
        rig.read_done(reads[0].0, Err(retryable()));
        let slept = rig
            .core
            .next_wake()
            .map_or(Duration::ZERO, |wake| wake.since(before));
        assert!(slept <= Duration::from_millis(140), "{slept:?}");
        while !rig
            .actions
            .iter()
            .any(|action| matches!(action, Action::Read { .. }))
        {
            rig.wake();
        }
    }
}

#[test]
fn empty_answers_clear_errors_and_change_no_counters() {
    let mut rig = Rig::started(reads(64, 1), -1);
    let id = rig.one_read(0, 64);
    rig.read_done(id, Err(retryable()));
    while !rig
        .actions
        .iter()
        .any(|action| matches!(action, Action::Read { .. }))
    {
        rig.wake();
    }
    for _ in 0..5 {
        let id = rig.one_read(0, 64);
        rig.read_done(id, Ok(answer(0..0, -1)));
    }
    let status = rig.status();
    assert_eq!(
        (
            status.read_exceptions.len(),
            status.successful_read_requests,
            status.operations_read
        ),
        (0, 0, 0)
    );
    let id = rig.one_read(0, 64);
    rig.read_done(id, Ok(answer(0..64, 63)));
    rig.one_read(64, 64);
    let status = rig.status();
    assert_eq!(
        (status.successful_read_requests, status.outstanding_write_requests),
        (1, 1)
    );
}

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
