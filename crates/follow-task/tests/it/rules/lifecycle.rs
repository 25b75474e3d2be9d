//! Start, cancellation, and completions that come too late.

use std::time::Duration;

use es_exception::ExceptionKind;
use follow_task::{Action, Event, FollowTaskPhase, FollowerState};

use crate::harness::{Rig, answer, opt, reads, retryable, state};

#[test]
fn the_start_is_tried_again_and_another_history_is_fatal() {
    let mut rig = Rig::new(reads(64, 1));
    rig.step(Event::Wake);
    for _ in 0..3 {
        let [Action::QueryFollowerState { id }] = rig.take()[..] else {
            panic!("no question")
        };
        rig.step(Event::FollowerState {
            id,
            result: Err(retryable()),
        });
        assert_eq!(
            rig.core.next_wake().map(|wake| wake.since(rig.now)),
            Some(Duration::from_millis(500))
        );
        rig.wake();
    }
    assert_eq!(rig.status().phase, FollowTaskPhase::Starting);
    let [Action::QueryFollowerState { id }] = rig.take()[..] else {
        panic!("no question")
    };
    let half_durable = FollowerState {
        global_checkpoint: opt(2),
        ..state(5)
    };
    rig.step(Event::FollowerState {
        id,
        result: Ok(half_durable),
    });
    while rig
        .actions
        .iter()
        .any(|action| matches!(action, Action::SyncMetadata { .. }))
    {
        rig.sync(Ok(1));
    }
    rig.one_read(6, 64);
    rig.take();
    rig.wake();
    let [Action::QueryFollowerState { id }] = rig.take()[..] else {
        panic!("not asked")
    };
    let other = FollowerState {
        history_uuid: "other".parse().unwrap(),
        ..state(5)
    };
    rig.step(Event::FollowerState {
        id,
        result: Ok(other),
    });
    assert_eq!(
        rig.status().fatal_exception.map(|exception| exception.kind()),
        Some(ExceptionKind::IllegalState)
    );
}

#[test]
fn a_cancelled_task_reads_and_writes_no_more() {
    // Elasticsearch takes a late answer's operations into the buffer; here a stopped task holds no memory.
    let mut rig = Rig::started(reads(64, 5), -1);
    let id = rig.one_read(0, 64);
    rig.step(Event::Cancel);
    rig.take();
    rig.read_done(id, Ok(answer(0..10, 64)));
    assert_eq!(rig.take(), []);
    let status = rig.status();
    assert_eq!(
        (
            status.outstanding_read_requests,
            status.write_buffer_operation_count
        ),
        (0, 0)
    );
    assert_eq!(
        (status.phase, rig.core.next_wake()),
        (FollowTaskPhase::Cancelled, None)
    );
}

#[test]
fn cancel_during_a_failing_read_is_no_failure() {
    let mut rig = Rig::started(reads(64, 1), -1);
    let id = rig.one_read(0, 64);
    rig.read_done(id, Err(retryable()));
    rig.step(Event::Cancel);
    let late = rig.reads();
    if let Some((id, _)) = late.first() {
        rig.read_done(*id, Err(retryable()));
    }
    let status = rig.status();
    assert_eq!(
        (status.phase, status.fatal_exception, status.read_exceptions.len()),
        (FollowTaskPhase::Cancelled, None, 1)
    );
}

#[test]
fn superseded_completions_are_ignored_and_counted() {
    let mut rig = Rig::started(reads(64, 1), -1);
    let id = rig.one_read(0, 64);
    rig.read_done(id, Ok(answer(0..10, 9)));
    let buffered = rig.status().operations_read;
    rig.read_done(id, Ok(answer(0..10, 9)));
    let append = rig.appends()[0].0;
    rig.write_done(append, 9);
    rig.write_done(append, 9);
    assert_eq!(
        (rig.core.ignored_events(), rig.status().operations_read),
        (2, buffered)
    );
}
