//! Batches to the follower, and what its answers lead to.

use follow_task::{Action, AppendResponse, Event};

use crate::harness::{Rig, answer, opt, reads, retryable, state, writes};

#[test]
fn batches_respect_their_limits_and_keep_the_order() {
    let mut tiny = writes(1000, 100);
    tiny.max_write_request_size = Some("1b".into());
    // (parameters, operations, batches, operations in each)
    let cases = [
        (writes(64, 2), 257, 2, 64),
        (writes(64, 4), 257, 4, 64),
        (writes(8, 32), 256, 32, 8),
        (tiny, 64, 64, 1),
    ];
    for (raw, operations, batches, each) in cases {
        let mut rig = Rig::started(raw, -1);
        let id = rig.one_read(0, 1000);
        rig.read_done(id, Ok(answer(0..operations, operations as i64 - 1)));
        let appends = rig.appends();
        assert_eq!(appends.len(), batches);
        for (position, (_, seq_nos)) in (0_u64..).zip(&appends) {
            assert_eq!(
                *seq_nos,
                (position * each..(position + 1) * each).collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn failed_writes_are_sent_again_in_order_after_the_follower_told_where_it_stands() {
    // Elasticsearch repeats each batch on its own, in any order; our follower takes them in order only.
    let mut rig = Rig::started(writes(8, 3), -1);
    let id = rig.one_read(0, 1000);
    rig.read_done(id, Ok(answer(0..64, 63)));
    let mut appends = rig.appends();
    for _ in 0..5 {
        rig.take();
        for (id, _) in &appends {
            assert_eq!(rig.status().outstanding_write_requests, 3);
            rig.step(Event::AppendFinished {
                id: *id,
                result: Err(retryable()),
            });
        }
        while !rig
            .actions
            .iter()
            .any(|action| matches!(action, Action::QueryFollowerState { .. }))
        {
            rig.wake();
        }
        let Some(Action::QueryFollowerState { id }) = rig.take().pop() else {
            panic!("no question")
        };
        rig.step(Event::FollowerState {
            id,
            result: Ok(state(-1)),
        });
        let again = rig.appends();
        let seq_nos = |appends: &[(_, Vec<u64>)]| {
            appends
                .iter()
                .map(|(_, seq_nos)| seq_nos.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(seq_nos(&again), seq_nos(&appends));
        appends = again;
    }
    let status = rig.status();
    assert_eq!(
        (status.failed_write_requests, status.follower_max_seq_no),
        (15, None)
    );
}

#[test]
fn an_acknowledgement_that_does_not_cover_its_batch_is_none() {
    let mut rig = Rig::started(writes(8, 3), -1);
    let id = rig.one_read(0, 1000);
    rig.read_done(id, Ok(answer(0..8, 7)));
    let append = rig.appends()[0].0;
    rig.write_done(append, 6);
    let status = rig.status();
    assert_eq!(
        (status.successful_write_requests, status.failed_write_requests),
        (0, 1)
    );
    assert_eq!(
        (status.outstanding_write_requests, status.follower_max_seq_no),
        (1, None)
    );
}

#[test]
fn what_the_follower_has_after_all_is_not_sent_again() {
    let mut rig = Rig::started(writes(8, 3), -1);
    let id = rig.one_read(0, 1000);
    rig.read_done(id, Ok(answer(0..24, 23)));
    let appends = rig.appends();
    rig.take();
    for (id, _) in &appends {
        rig.step(Event::AppendFinished {
            id: *id,
            result: Err(retryable()),
        });
    }
    while !rig
        .actions
        .iter()
        .any(|action| matches!(action, Action::QueryFollowerState { .. }))
    {
        rig.wake();
    }
    let Some(Action::QueryFollowerState { id }) = rig.take().pop() else {
        panic!("no question")
    };
    rig.step(Event::FollowerState {
        id,
        result: Ok(state(15)),
    });
    assert_eq!(rig.appends()[0].1, (16..24).collect::<Vec<_>>());
    let status = rig.status();
    assert_eq!(
        (status.successful_write_requests, status.operations_written),
        (2, 16)
    );
}

#[test]
fn operations_that_the_follower_lost_are_read_again() {
    let mut rig = Rig::started(writes(8, 1), -1);
    let id = rig.one_read(0, 1000);
    rig.read_done(id, Ok(answer(0..24, 23)));
    let poll = rig.one_read(24, 1000);
    let first = rig.appends();
    let written = AppendResponse {
        global_checkpoint: opt(3),
        max_seq_no: opt(7),
    };
    rig.step(Event::AppendFinished {
        id: first[0].0,
        result: Ok(written),
    });
    let second = rig.appends();
    rig.take();
    rig.step(Event::AppendFinished {
        id: second[0].0,
        result: Err(retryable()),
    });
    while !rig
        .actions
        .iter()
        .any(|action| matches!(action, Action::QueryFollowerState { .. }))
    {
        rig.wake();
    }
    let Some(Action::QueryFollowerState { id }) = rig.take().pop() else {
        panic!("no question")
    };
    rig.step(Event::FollowerState {
        id,
        result: Ok(state(3)),
    });
    // What was buffered above is read again as well: beside it, losses could pile up in the buffer.
    assert_eq!(rig.status().write_buffer_operation_count, 0);
    // Beside the poll, although only one read is allowed: the gap must not wait for the poll's end.
    let again = rig.one_read(4, 20);
    rig.read_done(again, Ok(answer(4..24, 23)));
    assert_eq!(rig.appends()[0].1, (4..12).collect::<Vec<_>>());
    rig.read_done(poll, Ok(answer(24..24, 23)));
    assert_eq!(rig.status().follower_max_seq_no, opt(3));
}

#[test]
fn a_write_moves_the_followers_checkpoint_and_polling_goes_on() {
    let mut rig = Rig::started(reads(64, 1), -1);
    let id = rig.one_read(0, 64);
    rig.read_done(id, Ok(answer(0..64, 63)));
    let appends = rig.appends();
    rig.one_read(64, 64);
    assert!(rig.status().follower_to_leader_lag_millis > 0);
    rig.write_done(appends[0].0, 63);
    let status = rig.status();
    assert_eq!(
        (status.follower_global_checkpoint, status.follower_max_seq_no),
        (opt(63), opt(63))
    );
    assert_eq!(
        (
            status.follower_to_leader_lag_millis,
            status.follower_to_leader_lagging_ops_count
        ),
        (0, 0)
    );
}

#[test]
fn an_idle_follower_is_asked_until_everything_is_durable() {
    let mut rig = Rig::started(reads(64, 1), -1);
    let id = rig.one_read(0, 64);
    rig.read_done(id, Ok(answer(0..64, 63)));
    let appends = rig.appends();
    let written = AppendResponse {
        global_checkpoint: None,
        max_seq_no: opt(63),
    };
    rig.step(Event::AppendFinished {
        id: appends[0].0,
        result: Ok(written),
    });
    rig.take();
    rig.wake();
    let [Action::QueryFollowerState { id }] = rig.take()[..] else {
        panic!("not asked")
    };
    rig.step(Event::FollowerState {
        id,
        result: Ok(state(63)),
    });
    assert_eq!(rig.status().follower_global_checkpoint, opt(63));
}
