//! Start, cancellation, and completions that come too late.

use std::time::Duration;

use es_exception::ExceptionKind;
use follow_task::{Action, BudgetId, Event, FollowTaskPhase, FollowerState, Timestamp};
use oplog::ByteCount;

use crate::harness::{Rig, answer, fatal, granted_in_full, opt, reads, retryable, seq, state};

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

#[test]
fn a_start_takes_over_where_the_follower_stands_and_assumes_the_leader_there() {
    // (follower's checkpoint, its max_seq_no, lease, first read)
    for (durable, last, retaining, from) in [(-1, -1, 0, 0), (5, 5, 6, 6), (2, 5, 3, 6), (-1, 5, 0, 6)] {
        let mut rig = Rig::new(reads(8, 5));
        let status = rig.status();
        assert_eq!(
            (status.phase, status.time_since_last_read),
            (FollowTaskPhase::Starting, None)
        );
        rig.step(Event::Wake);
        let id = rig.question();
        assert_eq!(rig.take(), [], "the leader is not spoken to before");
        let known = FollowerState {
            global_checkpoint: opt(durable),
            ..state(last)
        };
        rig.state_known(id, Ok(known));
        assert_eq!(
            rig.renewal().map(|(_, retaining)| retaining),
            Some(seq(retaining))
        );
        for _ in 0..3 {
            rig.sync(Ok(1));
        }
        let status = rig.status();
        assert_eq!(
            (status.leader_global_checkpoint, status.leader_max_seq_no),
            (opt(durable), opt(last))
        );
        assert_eq!(
            (status.follower_global_checkpoint, status.follower_max_seq_no),
            (opt(durable), opt(last))
        );
        assert_eq!(
            (status.last_requested_seq_no, status.phase),
            (opt(last), FollowTaskPhase::Following)
        );
        rig.one_read(from, 8);
    }
}

#[test]
fn a_follower_that_is_gone_at_the_start_is_fatal() {
    let mut rig = Rig::new(reads(8, 1));
    rig.step(Event::Wake);
    let id = rig.question();
    rig.state_known(id, Err(fatal()));
    let status = rig.status();
    assert_eq!(
        (status.phase, status.fatal_exception),
        (FollowTaskPhase::Failed, Some(fatal()))
    );
    assert_eq!((rig.take(), rig.core.next_wake()), (vec![], None));
}

/// The answer may be on its way when the task is cancelled.
#[test]
fn an_answer_to_the_first_question_after_the_task_was_cancelled_starts_nothing() {
    let mut rig = Rig::new(reads(8, 1));
    rig.step(Event::Wake);
    let id = rig.question();
    rig.step(Event::Cancel);
    rig.state_known(id, Ok(state(5)));
    assert_eq!((rig.take(), rig.core.next_wake()), (vec![], None));
    let status = rig.status();
    assert_eq!(
        (status.phase, status.follower_max_seq_no),
        (FollowTaskPhase::Cancelled, opt(5))
    );
}

#[test]
fn a_grant_after_the_task_was_cancelled_is_given_back() {
    let mut rig = Rig::started(reads(8, 5), -1);
    let id = rig.one_read(0, 8);
    let result = Ok(answer(0..8, 200));
    let mut actions = Vec::new();
    rig.core
        .step(rig.now, Event::ReadAnswered { id, result }, &mut actions);
    let wished = |action: &Action| match action {
        Action::RequestBudget { id, request } => Some((*id, granted_in_full(*request))),
        _ => None,
    };
    let (id, bytes): (BudgetId, ByteCount) = actions.iter().find_map(wished).unwrap();
    let mut actions = Vec::new();
    rig.core.step(rig.now, Event::Cancel, &mut actions);
    rig.core
        .step(rig.now, Event::BudgetGranted { id, bytes }, &mut actions);
    assert_eq!(
        actions.last(),
        Some(&Action::ReleaseBudget { bytes }),
        "{actions:?}"
    );
    assert_eq!(actions.len(), 2, "what it held before, and the grant");
}

#[test]
fn cancelling_twice_and_waking_a_cancelled_task_do_nothing() {
    let mut rig = Rig::started(reads(8, 5), -1);
    rig.take();
    for event in [Event::Cancel, Event::Cancel, Event::Wake] {
        rig.step(event);
        assert_eq!(
            (rig.take(), rig.core.next_wake(), rig.status().phase),
            (vec![], None, FollowTaskPhase::Cancelled)
        );
    }
}

#[test]
fn a_clock_that_goes_back_counts_as_one_that_stands_still() {
    let mut rig = Rig::started(reads(8, 1), -1);
    let id = rig.one_read(0, 8);
    let result = Err(retryable());
    let mut actions = Vec::new();
    rig.core.step(
        Timestamp::default(),
        Event::ReadAnswered { id, result },
        &mut actions,
    );
    assert!(rig.core.next_wake().is_none_or(|wake| wake >= rig.now));
    assert_eq!(rig.status().total_read_time, Duration::ZERO);
    assert_eq!(
        rig.core.status(Timestamp::default()).time_since_last_read,
        Some(Duration::ZERO)
    );
}
