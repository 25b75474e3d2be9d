//! Every number of the status, exactly.

use std::time::Duration;

use follow_task::{Action, Event, ShardFollowTaskStatus};
use oplog::ShardNumber;

use crate::harness::{Rig, answer, appended, missing, opt, reads, retryable, seq, size, state, writes};

/// Time between two steps of the rig.
const STEP: u32 = 20;

fn millis(count: u32) -> Duration {
    Duration::from_millis(count.into())
}

/// Time of reads, the leader's share, successes, failures, operations and bytes.
fn read_counters(status: &ShardFollowTaskStatus) -> (Duration, Duration, u64, u64, u64, u64) {
    (
        status.total_read_time,
        status.total_read_remote_exec_time,
        status.successful_read_requests,
        status.failed_read_requests,
        status.operations_read,
        status.bytes_read,
    )
}

/// Time of writes, successes, failures and operations.
fn write_counters(status: &ShardFollowTaskStatus) -> (Duration, u64, u64, u64) {
    (
        status.total_write_time,
        status.successful_write_requests,
        status.failed_write_requests,
        status.operations_written,
    )
}

#[test]
fn reads_count_when_they_bring_operations_or_fail() {
    let mut rig = Rig::started(reads(8, 1), -1);
    // (answer, milliseconds that it takes, what is counted for it: time, the leader's share, successes, failures, operations, bytes)
    let cases = [
        (Ok(0..0), 7000, (0, 0, 0, 0, 0, 0)),
        (Err(retryable()), 40, (40, 0, 0, 1, 0, 0)),
        (Ok(0..0), 20, (0, 0, 0, 0, 0, 0)),
        (Ok(0..5), 300, (300, 3, 1, 0, 5, size(0..5))),
        (Err(retryable()), 20, (20, 0, 0, 1, 0, 0)),
        (Err(retryable()), 60, (60, 0, 0, 1, 0, 0)),
        (Ok(5..8), 20, (20, 3, 1, 0, 3, size(5..8))),
    ];
    let mut expected = read_counters(&rig.status());
    assert_eq!(expected, (millis(0), millis(0), 0, 0, 0, 0));
    for (position, (result, takes, counted)) in cases.into_iter().enumerate() {
        let (id, _) = rig.next_read();
        rig.now = rig.now.after(millis(takes - STEP));
        rig.read_done(id, result.map(|range| answer(range, 7)));
        expected.0 += millis(counted.0);
        expected.1 += millis(counted.1);
        expected.2 += counted.2;
        expected.3 += counted.3;
        expected.4 += counted.4;
        expected.5 += counted.5;
        assert_eq!(read_counters(&rig.status()), expected, "case {position}");
    }
}

#[test]
fn writes_count_by_attempt_and_operations_when_the_follower_has_them() {
    let mut rig = Rig::started(writes(8, 3), -1);
    let id = rig.one_read(0, 1000);
    rig.read_done(id, Ok(answer(0..20, 19)));
    let first = rig.appends();
    assert_eq!(write_counters(&rig.status()), (millis(0), 0, 0, 0));
    rig.now = rig.now.after(millis(100 - STEP));
    rig.write_done(first[0].0, 7);
    assert_eq!(write_counters(&rig.status()), (millis(100), 1, 0, 8));
    rig.write_failed(first[1].0, retryable());
    rig.write_failed(first[2].0, retryable());
    assert_eq!(write_counters(&rig.status()), (millis(100 + 120 + 140), 1, 2, 8));
    assert_eq!(
        rig.status().outstanding_write_requests,
        2,
        "failed ones are outstanding"
    );
    // The follower has the second after all; asking it is no attempt.
    let id = rig.question();
    rig.state_known(id, Ok(state(15)));
    assert_eq!(write_counters(&rig.status()), (millis(360), 2, 2, 16));
    let again = rig.appends();
    assert_eq!(again[0].1, [16, 17, 18, 19]);
    rig.write_done(again[0].0, 19);
    assert_eq!(write_counters(&rig.status()), (millis(380), 3, 2, 20));
    assert_eq!(rig.status().outstanding_write_requests, 0);
}

#[test]
fn the_time_since_the_last_read_counts_from_any_attempt() {
    let mut rig = Rig::new(reads(8, 1));
    rig.step(Event::Wake);
    let id = rig.question();
    rig.state_known(id, Ok(state(-1)));
    assert_eq!(rig.status().time_since_last_read, None);
    for _ in 0..3 {
        rig.sync(Ok(1));
    }
    let since = |rig: &Rig| rig.status().time_since_last_read;
    assert_eq!(since(&rig), Some(millis(0)));
    let (id, _) = rig.next_read();
    rig.step(Event::Wake);
    assert_eq!(since(&rig), Some(millis(20)), "nothing was sent");
    rig.read_done(id, Err(retryable()));
    let (id, _) = rig.next_read();
    assert_eq!(since(&rig), Some(millis(0)), "a retry");
    rig.read_done(id, Ok(answer(0..8, 7)));
    assert_eq!(since(&rig), Some(millis(0)), "a poll");
    rig.step(Event::Cancel);
    assert_eq!(since(&rig), Some(millis(20)));
}

#[test]
fn a_read_that_waits_for_the_budget_counts_as_not_sent() {
    let mut rig = Rig::started(reads(8, 5), -1);
    let id = rig.one_read(0, 8);
    let later = rig.now.after(millis(50));
    let result = Ok(answer(0..8, 200));
    let mut actions = Vec::new();
    rig.core
        .step(later, Event::ReadAnswered { id, result }, &mut actions);
    let asked = |action: &Action| matches!(action, Action::RequestBudget { .. });
    assert!(actions.iter().any(asked), "{actions:?}");
    assert_eq!(rig.core.status(later).time_since_last_read, Some(millis(50)));
}

#[test]
fn the_operations_behind_are_those_known_on_the_leader_and_not_applied() {
    let mut rig = Rig::started(writes(8, 1), -1);
    let behind = |rig: &Rig| rig.status().follower_to_leader_lagging_ops_count;
    assert_eq!(behind(&rig), 0);
    let id = rig.one_read(0, 1000);
    rig.read_done(id, Ok(answer(0..20, 29)));
    assert_eq!(behind(&rig), 30);
    let append = rig.appends()[0].0;
    // What is applied counts, durable or not.
    rig.step(Event::AppendFinished {
        id: append,
        result: appended(-1, 7),
    });
    assert_eq!(behind(&rig), 22);
}

#[test]
fn a_status_names_whom_it_is_about() {
    let rig = Rig::started(reads(8, 1), 4);
    let identity = rig.status().identity;
    assert_eq!(
        (
            identity.remote_cluster.as_str(),
            identity.leader_index.as_str(),
            identity.follower_index.as_str(),
            identity.shard_id
        ),
        ("leader", "orders", "orders-copy", ShardNumber::new(0))
    );
    assert_eq!(rig.status().follower_max_seq_no, opt(4));
}

#[test]
fn catching_up_is_estimated_while_the_leader_answers() {
    let seconds = |count: u32| Some(millis(1000 * count));
    let estimate = |rig: &Rig| rig.status().estimated_catch_up;
    assert_eq!(
        estimate(&Rig::new(writes(1000, 1))),
        None,
        "no word of the leader"
    );
    let mut rig = Rig::started(writes(1000, 1), -1);
    assert_eq!(
        estimate(&rig),
        seconds(0),
        "a first poll of an idle leader takes long"
    );
    let id = rig.one_read(0, 1000);
    rig.read_done(id, Ok(answer(0..500, 2999)));
    assert_eq!(estimate(&rig), None, "no speed yet");
    let append = rig.appends()[0].0;
    rig.now = rig.now.after(millis(2000 - STEP));
    rig.write_done(append, 499);
    assert_eq!(estimate(&rig), seconds(10), "500 of 3,000 in two seconds");

    let (id, _) = rig.next_read();
    rig.read_done(id, Err(retryable()));
    assert_eq!(estimate(&rig), None, "nobody knows what the leader has");
    for (range, last) in [(500..1500, 1499), (1500..2500, 2499), (2500..3000, 2999)] {
        let (id, request) = rig.next_read();
        assert_eq!(request.from, seq(range.start));
        rig.read_done(id, Ok(answer(range, 2999)));
        let append = rig.appends()[0].0;
        rig.write_done(append, last);
    }
    assert_eq!(estimate(&rig), seconds(0));
    let (id, _) = rig.next_read();
    rig.now = rig.now.after(millis(60_000));
    rig.read_done(id, Ok(answer(0..0, 2999)));
    assert_eq!(estimate(&rig), seconds(0), "idle and in contact is in sync");
    let (id, _) = rig.next_read();
    rig.read_done(id, Err(retryable()));
    assert_eq!(estimate(&rig), None, "in sync with what is known");
    let (id, _) = rig.next_read();
    rig.read_done(id, Ok(answer(0..0, 2999)));
    assert_eq!(estimate(&rig), seconds(0));
    rig.step(Event::Cancel);
    assert_eq!(estimate(&rig), None, "a task that does not run");
}

#[test]
fn when_a_heal_will_end_is_not_told() {
    let mut rig = Rig::started(reads(64, 2), 9);
    let id = rig.one_read(10, 64);
    rig.read_done(id, Ok(answer(10..74, 200)));
    let append = rig.appends()[0].0;
    rig.now = rig.now.after(millis(2000));
    rig.write_done(append, 73);
    let estimate = |rig: &Rig| rig.status().estimated_catch_up;
    assert!(estimate(&rig).is_some_and(|time| time > Duration::ZERO));
    let (id, _) = rig.reads()[0];
    rig.read_done(id, Err(missing(74, 137)));
    assert!(rig.status().heal.is_some());
    assert_eq!(estimate(&rig), None, "nothing of it is applied before its end");
}
