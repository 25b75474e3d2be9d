//! Batches to the follower.

use follow_task::{Action, AppendResponse, Event};

use crate::harness::{Rig, answer, appended, opt, reads, size, state, writes};

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
fn a_write_moves_the_followers_checkpoint_and_polling_goes_on() {
    let mut rig = Rig::started(reads(64, 1), -1);
    let id = rig.one_read(0, 64);
    rig.read_done(id, Ok(answer(0..64, 63)));
    let appends = rig.appends();
    assert_eq!(appends.len(), 1);
    assert_eq!(appends[0].1, (0..64).collect::<Vec<_>>());
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
fn a_batch_ends_after_the_operation_that_exceeds_its_size() {
    // (limit in bytes, operations in the first batch)
    let cases = [
        (1, 1),
        (size(0..1), 2),
        (size(0..2) - 1, 2),
        (size(0..2), 3),
        (size(0..64), 64),
    ];
    for (limit, operations) in cases {
        let mut raw = writes(1000, 1);
        raw.max_write_request_size = Some(format!("{limit}b"));
        let mut rig = Rig::started(raw, -1);
        let id = rig.one_read(0, 1000);
        rig.read_done(id, Ok(answer(0..64, 63)));
        assert_eq!(rig.appends()[0].1, (0..operations).collect::<Vec<_>>(), "{limit}");
    }
}

#[test]
fn operations_leave_the_buffer_when_they_are_sent_and_a_freed_writer_takes_the_next() {
    let mut rig = writing(28, 2);
    let appends = rig.appends();
    assert_eq!(appends.len(), 2);
    let buffered = |rig: &Rig| {
        let status = rig.status();
        (
            status.write_buffer_operation_count,
            status.write_buffer_size_in_bytes,
        )
    };
    assert_eq!(buffered(&rig), (12, size(16..28)));
    rig.write_done(appends[0].0, 7);
    assert_eq!(seq_nos(&rig.appends()), [(16..24).collect::<Vec<_>>()]);
    assert_eq!(buffered(&rig), (4, size(24..28)));
    assert_eq!(rig.status().outstanding_write_requests, 2);
}

#[test]
fn acknowledgements_that_overtake_each_other_never_take_the_follower_back() {
    let mut rig = writing(24, 3);
    let appends = rig.appends();
    // (batch, durable, last, follower's checkpoint, its max_seq_no, batches under way, operations written)
    let cases = [
        (1, 3, 15, 3, 15, 2, 8),
        (0, -1, 7, 3, 15, 1, 16),
        (2, 23, 23, 23, 23, 0, 24),
    ];
    for (batch, durable, last, checkpoint, max, outstanding, written) in cases {
        rig.step(Event::AppendFinished {
            id: appends[batch].0,
            result: appended(durable, last),
        });
        let status = rig.status();
        assert_eq!(
            (status.follower_global_checkpoint, status.follower_max_seq_no),
            (opt(checkpoint), opt(max))
        );
        assert_eq!(
            (status.outstanding_write_requests, status.operations_written),
            (outstanding, written)
        );
    }
}

#[test]
fn a_durable_follower_is_not_asked() {
    let mut rig = writing(8, 1);
    let append = rig.appends()[0].0;
    rig.write_done(append, 7);
    rig.take();
    for _ in 0..3 {
        rig.now = rig.now.after(std::time::Duration::from_secs(5));
        rig.step(Event::Wake);
    }
    let asked = |action: &Action| matches!(action, Action::QueryFollowerState { .. });
    assert!(!rig.take().iter().any(asked));
}
