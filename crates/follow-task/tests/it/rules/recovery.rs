//! After a failed write the follower is asked where it stands; what it says is believed.

use es_exception::ExceptionKind;
use follow_task::{Action, AppendResponse, Event, FollowTaskPhase, FollowerState};

use crate::harness::{Rig, answer, appended, fatal, opt, retryable, seq, shape, state, writes};

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

/// A task with `count` operations of the leader read, that writes 8 at a time.
fn writing(count: u64, outstanding: i64) -> Rig {
    let mut rig = Rig::started(writes(8, outstanding), -1);
    let id = rig.one_read(0, 1000);
    rig.read_done(id, Ok(answer(0..count, count as i64 - 1)));
    rig
}

fn seq_nos<Id>(appends: &[(Id, Vec<u64>)]) -> Vec<Vec<u64>> {
    appends.iter().map(|(_, seq_nos)| seq_nos.clone()).collect()
}

#[test]
fn after_a_failed_write_nothing_new_is_sent_until_all_have_ended_and_the_follower_has_told() {
    let mut rig = writing(32, 3);
    let appends = rig.appends();
    rig.take();
    rig.write_failed(appends[0].0, retryable());
    rig.write_failed(appends[1].0, retryable());
    assert_eq!(rig.take(), [], "the third is still under way");
    rig.write_failed(appends[2].0, retryable());
    let id = rig.question();
    assert_eq!(rig.appends(), []);
    rig.state_known(id, Err(retryable()));
    let id = rig.question();
    rig.state_known(id, Ok(state(7)));
    let again = rig.appends();
    assert_eq!(
        seq_nos(&again),
        [
            (8..16).collect::<Vec<_>>(),
            (16..24).collect(),
            (24..32).collect()
        ]
    );
    assert_eq!(rig.status().outstanding_write_requests, 3);
}

#[test]
fn a_batch_that_the_follower_holds_in_part_is_sent_again_as_a_whole() {
    let mut rig = writing(8, 1);
    let append = rig.appends()[0].0;
    rig.write_failed(append, retryable());
    let id = rig.question();
    rig.state_known(id, Ok(state(4)));
    assert_eq!(rig.appends()[0].1, (0..8).collect::<Vec<_>>());
}

#[test]
fn a_follower_that_cannot_tell_where_it_stands_ends_the_task_if_it_never_can() {
    let mut rig = writing(8, 1);
    let append = rig.appends()[0].0;
    rig.write_failed(append, retryable());
    let id = rig.question();
    rig.state_known(id, Err(fatal()));
    let status = rig.status();
    assert_eq!(
        (status.phase, status.fatal_exception),
        (FollowTaskPhase::Failed, Some(fatal()))
    );
}

#[test]
fn another_history_of_the_follower_after_a_failed_write_is_fatal() {
    let mut rig = writing(8, 1);
    let append = rig.appends()[0].0;
    rig.write_failed(append, retryable());
    let id = rig.question();
    let restored = FollowerState {
        history_uuid: "restored".parse().unwrap(),
        ..state(7)
    };
    rig.state_known(id, Ok(restored));
    let exception = rig.status().fatal_exception.unwrap();
    assert_eq!(exception.kind(), ExceptionKind::IllegalState);
    for part in ["[history]", "[restored]", "restored from snapshot"] {
        assert!(exception.reason().contains(part), "{exception}");
    }
    assert_eq!(rig.appends(), []);
}

/// The follower lost a batch that it had acknowledged, and one before it, whose acknowledgement failed, is still to be settled.
#[test]
fn what_was_lost_behind_a_failed_batch_is_read_again_at_once() {
    // (the last operation that the follower still has, operations written by then)
    for (last, written) in [(3, 8), (7, 16), (11, 16)] {
        let mut rig = writing(24, 3);
        let appends = rig.appends();
        rig.take();
        rig.write_failed(appends[0].0, retryable());
        rig.step(Event::AppendFinished {
            id: appends[1].0,
            result: appended(3, 15),
        });
        rig.write_failed(appends[2].0, retryable());
        let id = rig.question();
        rig.state_known(id, Ok(state(last)));
        assert_eq!(rig.appends(), [], "they would leave a gap");
        let next = last.unsigned_abs() + 1;
        rig.one_read(next, 24 - next as u32);
        let status = rig.status();
        assert_eq!(
            (status.follower_max_seq_no, status.outstanding_write_requests),
            (opt(last), 0)
        );
        assert_eq!(status.operations_written, written);
    }
}

#[test]
fn a_long_range_that_was_lost_is_read_again_in_reads_of_the_usual_size() {
    let mut raw = writes(100, 1);
    raw.max_read_request_operation_count = Some(8);
    raw.max_outstanding_read_requests = Some(4);
    let mut rig = Rig::started(raw, -1);
    let id = rig.one_read(0, 8);
    rig.read_done(id, Ok(answer(0..0, 23)));
    // The highest first, so that all are written together.
    let mut three = rig.reads();
    while let Some((id, request)) = three.pop() {
        let from = request.from.get();
        rig.read_done(id, Ok(answer(from..from + 8, 23)));
    }
    let poll = rig.one_read(24, 8);
    let append = rig.appends()[0].0;
    rig.step(Event::AppendFinished {
        id: append,
        result: appended(1, 23),
    });
    rig.read_done(poll, Ok(answer(24..25, 24)));
    let append = rig.appends()[0].0;
    rig.take();
    rig.write_failed(append, retryable());
    let id = rig.question();
    rig.state_known(id, Ok(state(1)));
    let three = rig.reads();
    assert_eq!(shape(&three), [(2, 8), (10, 8), (18, 7)]);
}

/// A batch of a former task, on a node that has not noticed that the task was moved, can land between ours.
#[test]
fn a_follower_that_holds_more_than_this_task_sent_is_believed() {
    let mut rig = writing(8, 1);
    let append = rig.appends()[0].0;
    rig.step(Event::AppendFinished {
        id: append,
        result: appended(3, 20),
    });
    let status = rig.status();
    assert_eq!(
        (status.follower_max_seq_no, status.last_requested_seq_no),
        (opt(20), opt(20))
    );
    // The poll at 8 was sent before; what it brings is there already.
    let poll = rig.one_read(8, 1000);
    rig.read_done(poll, Ok(answer(8..15, 14)));
    assert_eq!(
        (rig.appends(), rig.status().write_buffer_operation_count),
        (vec![], 0)
    );
    rig.one_read(21, 1000);
}

#[test]
fn an_idle_follower_that_holds_more_than_this_task_sent_is_believed() {
    let mut rig = writing(8, 1);
    let append = rig.appends()[0].0;
    rig.step(Event::AppendFinished {
        id: append,
        result: appended(3, 7),
    });
    let id = rig.question();
    rig.state_known(id, Ok(state(9)));
    let poll = rig.one_read(8, 1000);
    rig.read_done(poll, Ok(answer(8..12, 11)));
    assert_eq!(rig.appends()[0].1, [10, 11]);
}

/// An answer that contradicts itself must not end the process.
#[test]
fn a_follower_cannot_have_made_durable_what_it_does_not_hold() {
    let mut rig = writing(16, 1);
    let append = rig.appends()[0].0;
    rig.step(Event::AppendFinished {
        id: append,
        result: appended(9, 7),
    });
    assert_eq!(rig.status().follower_global_checkpoint, opt(7));
    let append = rig.appends()[0].0;
    rig.write_failed(append, retryable());
    let id = rig.question();
    let lost = FollowerState {
        global_checkpoint: opt(7),
        ..state(3)
    };
    rig.state_known(id, Ok(lost));
    let status = rig.status();
    assert_eq!(
        (status.follower_global_checkpoint, status.follower_max_seq_no),
        (opt(3), opt(3))
    );
}

#[test]
fn an_idle_follower_that_lost_operations_is_found_out_and_they_are_read_again() {
    let mut rig = writing(8, 1);
    let append = rig.appends()[0].0;
    rig.step(Event::AppendFinished {
        id: append,
        result: appended(3, 7),
    });
    rig.take();
    let id = rig.question();
    rig.state_known(id, Ok(state(4)));
    let id = rig.question();
    rig.state_known(id, Ok(state(4)));
    let (_, request) = rig.next_read();
    assert_eq!((request.from, request.max_operation_count), (seq(5), 3));
    assert_eq!(rig.status().follower_max_seq_no, opt(4));
}
