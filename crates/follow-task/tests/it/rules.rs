//! One rule per test. The scenarios are those of Elasticsearch's `ShardFollowNodeTaskTests`; a test says so where ours differs.

use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use follow_task::{
    Action, AppendResponse, Event, FollowTaskPhase, FollowerState, LOWEST_READ_SIZE, MetadataKind,
    RawFollowParameters,
};

use crate::harness::{Rig, answer, fatal, frame, history, opt, retryable, seq, shape, state};

fn reads(count: i64, outstanding: i64) -> RawFollowParameters {
    RawFollowParameters {
        max_read_request_operation_count: Some(count),
        max_outstanding_read_requests: Some(outstanding),
        ..Default::default()
    }
}

fn writes(count: i64, outstanding: i64) -> RawFollowParameters {
    RawFollowParameters {
        max_read_request_operation_count: Some(1000),
        max_outstanding_read_requests: Some(1),
        max_write_request_operation_count: Some(count),
        max_outstanding_write_requests: Some(outstanding),
        ..Default::default()
    }
}

#[test]
fn reads_fan_out_once_the_leaders_checkpoint_is_known() {
    let mut rig = Rig::started(reads(8, 64), -1);
    let id = rig.one_read(0, 8);
    rig.read_done(id, Ok(answer(0..6, 60)));
    let expected = [(6, 8), (14, 8), (22, 8), (30, 8), (38, 8), (46, 8), (54, 7)];
    assert_eq!(shape(&rig.reads()), expected);
    let status = rig.status();
    assert_eq!(
        (status.outstanding_read_requests, status.last_requested_seq_no),
        (7, opt(60))
    );
    assert_eq!(
        (
            status.leader_global_checkpoint,
            status.follower_to_leader_lagging_ops_count
        ),
        (opt(60), 61)
    );
}

#[test]
fn one_outstanding_read_means_one() {
    let mut rig = Rig::started(reads(8, 1), -1);
    let id = rig.one_read(0, 8);
    rig.read_done(id, Ok(answer(0..0, 64)));
    rig.one_read(0, 8);
    assert_eq!(rig.status().last_requested_seq_no, opt(7));
}

#[test]
fn a_full_buffer_stops_reading() {
    let small: [fn(&mut RawFollowParameters); 2] = [
        |raw| raw.max_write_buffer_count = Some(32),
        |raw| raw.max_write_buffer_size = Some("1kb".into()),
    ];
    for limit in small {
        let mut raw = writes(1, 1);
        raw.max_outstanding_read_requests = Some(5);
        limit(&mut raw);
        let mut rig = Rig::started(raw, -1);
        let id = rig.one_read(0, 1000);
        rig.read_done(id, Ok(answer(0..64, 128)));
        assert_eq!(shape(&rig.reads()), []);
        assert_eq!(
            rig.status().write_buffer_operation_count,
            63,
            "one is being written"
        );
    }
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
fn empty_answers_do_not_spin() {
    let mut rig = Rig::started(reads(64, 1), -1);
    let id = rig.one_read(0, 64);
    let mut actions = Vec::new();
    rig.core.step(
        rig.now,
        Event::ReadFinished {
            id,
            result: Ok(answer(0..0, -1)),
        },
        &mut actions,
    );
    assert_eq!(actions, []);
    assert!(rig.core.next_wake().is_some_and(|wake| wake > rig.now));
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
fn a_short_answer_is_continued() {
    let mut rig = Rig::started(reads(64, 1), -1);
    let id = rig.one_read(0, 64);
    rig.read_done(id, Ok(answer(0..0, 63)));
    let id = rig.one_read(0, 64);
    rig.read_done(id, Ok(answer(0..21, 63)));
    let id = rig.one_read(21, 43);
    // A copy that lags answers nothing; what is known of the leader stays.
    rig.read_done(id, Ok(answer(21..21, 0)));
    rig.one_read(21, 43);
    assert_eq!(rig.status().leader_global_checkpoint, opt(63));
}

#[test]
fn the_lowest_gap_is_read_however_full_the_buffer_is() {
    // Elasticsearch writes 6..8 and 10..17 together and so has room for both leftovers; here 10..17 wait for 9.
    let raw = RawFollowParameters {
        max_read_request_operation_count: Some(10),
        max_outstanding_read_requests: Some(2),
        max_outstanding_write_requests: Some(1),
        max_write_buffer_count: Some(3),
        ..Default::default()
    };
    let mut rig = Rig::started(raw, -1);
    let id = rig.one_read(0, 10);
    rig.read_done(id, Ok(answer(0..0, 200)));
    let both = rig.reads();
    assert_eq!(shape(&both), [(0, 10), (10, 10)]);
    rig.read_done(both[0].0, Ok(answer(0..6, 200)));
    let six = rig.one_read(6, 4);
    let first_write = rig.appends();
    rig.read_done(both[1].0, Ok(answer(10..18, 200)));
    assert_eq!(shape(&rig.reads()), [], "full");
    rig.read_done(six, Ok(answer(6..9, 200)));
    assert_eq!(
        shape(&rig.reads()),
        [],
        "6..8 wait for the writer, so something moves without a read"
    );
    rig.write_done(first_write[0].0, 5);
    let second_write = rig.appends();
    assert_eq!(second_write[0].1, [6, 7, 8]);
    let nine = rig.one_read(9, 1);
    rig.read_done(nine, Ok(answer(9..10, 200)));
    assert_eq!(shape(&rig.reads()), [], "full, and nothing is missing below");
    rig.write_done(second_write[0].0, 8);
    assert_eq!(rig.appends()[0].1, (9..18).collect::<Vec<_>>());
    assert_eq!(shape(&rig.reads()), [(18, 2), (20, 10)]);
}

#[test]
fn newer_metadata_is_applied_before_the_operations() {
    let mut rig = Rig::started(reads(64, 1), -1);
    let id = rig.one_read(0, 64);
    let mut newer = answer(0..64, 63);
    (
        newer.aliases_version,
        newer.settings_version,
        newer.mapping_version,
    ) = (2, 3, 4);
    rig.read_done(id, Ok(newer));
    for (expected, version) in [
        (MetadataKind::Aliases, 2),
        (MetadataKind::Settings, 3),
        (MetadataKind::Mapping, 4),
    ] {
        assert_eq!(rig.appends(), [], "operations before {expected:?}");
        for _ in 0..5 {
            assert_eq!(rig.sync(Err(retryable())), expected);
            while !rig
                .actions
                .iter()
                .any(|action| matches!(action, Action::SyncMetadata { .. }))
            {
                rig.wake();
            }
        }
        assert_eq!(rig.sync(Ok(version)), expected);
    }
    assert_eq!(rig.appends().len(), 1);
    let status = rig.status();
    let versions = (
        status.follower_aliases_version,
        status.follower_settings_version,
        status.follower_mapping_version,
    );
    assert_eq!(versions, (2, 3, 4));
}

#[test]
fn a_fatal_sync_error_stops_before_the_operations() {
    let mut rig = Rig::started(reads(64, 1), -1);
    let id = rig.one_read(0, 64);
    let mut newer = answer(0..64, 63);
    newer.mapping_version = 2;
    rig.read_done(id, Ok(newer));
    rig.sync(Err(fatal()));
    assert_eq!(rig.appends(), []);
    let status = rig.status();
    assert_eq!(
        (status.phase, status.follower_mapping_version),
        (FollowTaskPhase::Failed, 1)
    );
}

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

/// After an unfollow the lease is gone for good reason: a renewal that was under way must not bring it back.
#[test]
fn a_lease_that_is_gone_is_not_added_once_the_task_is_cancelled() {
    let mut rig = Rig::new(reads(64, 1));
    rig.step(Event::Wake);
    let [Action::QueryFollowerState { id }] = rig.take()[..] else {
        panic!("no question")
    };
    let known = FollowerState {
        history_uuid: history(),
        global_checkpoint: opt(10),
        max_seq_no: opt(20),
    };
    rig.step(Event::FollowerState {
        id,
        result: Ok(known),
    });
    let Action::RenewRetentionLease { id, .. } = rig.actions.remove(0) else {
        panic!("no renewal first")
    };
    rig.step(Event::Cancel);
    rig.take();
    let gone = Exception::new(ExceptionKind::RetentionLeaseNotFound, "gone");
    rig.step(Event::LeaseFinished {
        id,
        result: Err(gone),
    });
    assert_eq!(rig.take(), []);
}

#[test]
fn the_lease_keeps_what_is_not_durable_and_is_added_when_gone() {
    let mut rig = Rig::new(reads(64, 1));
    rig.step(Event::Wake);
    let [Action::QueryFollowerState { id }] = rig.take()[..] else {
        panic!("no question")
    };
    let known = FollowerState {
        history_uuid: history(),
        global_checkpoint: opt(10),
        max_seq_no: opt(20),
    };
    rig.step(Event::FollowerState {
        id,
        result: Ok(known),
    });
    // Elasticsearch renews for the first time after 30 s; a lease may be nearly expired after a long pause.
    let Action::RenewRetentionLease { id, retaining } = rig.actions.remove(0) else {
        panic!("no renewal first")
    };
    assert_eq!(retaining, seq(11));
    let gone = Exception::new(ExceptionKind::RetentionLeaseNotFound, "gone");
    rig.step(Event::LeaseFinished {
        id,
        result: Err(gone),
    });
    let Some(Action::AddRetentionLease { id, retaining }) = rig.actions.pop() else {
        panic!("not added")
    };
    assert_eq!(retaining, seq(11));
    rig.step(Event::LeaseFinished {
        id,
        result: Err(retryable()),
    });
    assert!(rig.status().retention_lease_exception.is_some());
    rig.take();
    let before = rig.now;
    while !rig
        .actions
        .iter()
        .any(|action| matches!(action, Action::RenewRetentionLease { .. }))
    {
        rig.wake();
    }
    let pause = rig.now.since(before);
    assert!(
        pause >= Duration::from_secs(30) && pause < Duration::from_secs(31),
        "{pause:?}"
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
fn malformed_answers_are_retried_and_never_written() {
    let mut wrong_start = answer(1..9, 63);
    wrong_start.frames.truncate(3);
    let mut hole = answer(0..9, 63);
    hole.frames.remove(4);
    for malformed in [wrong_start, hole, answer(0..9, 7)] {
        let mut rig = Rig::started(reads(64, 1), -1);
        let id = rig.one_read(0, 64);
        rig.read_done(id, Ok(malformed));
        assert_eq!(rig.appends(), []);
        let status = rig.status();
        assert_eq!(
            (status.phase, status.read_exceptions.len()),
            (FollowTaskPhase::Following, 1)
        );
    }
}

#[test]
fn an_oversized_answer_is_cut_to_what_was_asked_for() {
    let mut rig = Rig::started(reads(4, 1), -1);
    let id = rig.one_read(0, 4);
    rig.read_done(id, Ok(answer(0..9, 63)));
    assert_eq!(rig.appends()[0].1, [0, 1, 2, 3]);
    rig.one_read(4, 4);
    let mut rig = Rig::started(reads(1000, 1), -1);
    let id = rig.one_read(0, 1000);
    let mut big = answer(0..0, 63);
    big.frames = (0..5)
        .map(|seq_no| frame(seq_no, &vec![b'x'; LOWEST_READ_SIZE.get() as usize]))
        .collect();
    rig.read_done(id, Ok(big));
    assert_eq!(
        rig.status().operations_read,
        1,
        "the first one passes the limit and is the last"
    );
}

#[test]
fn without_budget_only_the_lowest_gap_is_read_and_small() {
    let mut rig = Rig::started(reads(8, 5), -1);
    let id = rig.one_read(0, 8);
    let mut actions = Vec::new();
    rig.core.step(
        rig.now,
        Event::ReadFinished {
            id,
            result: Ok(answer(0..8, 200)),
        },
        &mut actions,
    );
    assert!(!actions.iter().any(|action| matches!(action, Action::Read { .. })));
    assert_eq!(
        actions
            .iter()
            .filter(|action| matches!(action, Action::RequestBudget { .. }))
            .count(),
        1
    );
    let wake = rig.core.next_wake().unwrap();
    assert!(wake.since(rig.now) <= Duration::from_millis(10));
    let mut actions = Vec::new();
    rig.core.step(wake, Event::Wake, &mut actions);
    let sent: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Read { request, .. } => Some((request.from.get(), request.max_batch_size)),
            _ => None,
        })
        .collect();
    assert_eq!(sent, [(8, LOWEST_READ_SIZE)]);
}
