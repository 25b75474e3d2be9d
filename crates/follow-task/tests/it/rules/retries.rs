//! Failures: what is tried again, and what is shown of it.

use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use follow_task::{Action, Event, FollowTaskPhase};

use crate::harness::{Rig, answer, fatal, reads, retryable, seq};

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

/// The kinds that are tried again; all others are fatal. Elasticsearch's list, and the time-outs of transport and cluster state, which say
/// nothing about what another attempt would find.
const RETRYABLE: [ExceptionKind; 18] = [
    ExceptionKind::ShardNotFound,
    ExceptionKind::IndexShardNotStarted,
    ExceptionKind::IndexShardClosed,
    ExceptionKind::NoShardAvailable,
    ExceptionKind::UnavailableShards,
    ExceptionKind::AlreadyClosed,
    ExceptionKind::Security,
    ExceptionKind::ClusterBlock,
    ExceptionKind::IndexClosed,
    ExceptionKind::ConnectTransport,
    ExceptionKind::NodeClosed,
    ExceptionKind::NoSuchRemoteCluster,
    ExceptionKind::NoSeedNodeLeft,
    ExceptionKind::EsRejectedExecution,
    ExceptionKind::CircuitBreaking,
    ExceptionKind::ReceiveTimeoutTransport,
    ExceptionKind::FailedToCommitClusterState,
    ExceptionKind::ProcessClusterEventTimeout,
];

/// Brings a new task to a piece of work and fails it.
type Failing = (&'static str, fn(&mut Rig, Exception));

const FAILING: [Failing; 4] = [
    ("question", |rig, exception| {
        rig.step(Event::Wake);
        let id = rig.question();
        rig.state_known(id, Err(exception));
    }),
    ("sync", |rig, exception| {
        rig.step(Event::Wake);
        let id = rig.question();
        rig.state_known(id, Ok(crate::harness::state(-1)));
        rig.sync(Err(exception));
    }),
    ("read", |rig, exception| {
        let id = started(rig);
        rig.read_done(id, Err(exception));
    }),
    ("write", |rig, exception| {
        let id = started(rig);
        rig.read_done(id, Ok(answer(0..8, 7)));
        let append = rig.appends()[0].0;
        rig.write_failed(append, exception);
    }),
];

fn started(rig: &mut Rig) -> follow_task::ReadId {
    rig.step(Event::Wake);
    let id = rig.question();
    rig.state_known(id, Ok(crate::harness::state(-1)));
    for _ in 0..3 {
        rig.sync(Ok(1));
    }
    rig.next_read().0
}

#[test]
fn a_failure_of_each_kind_is_tried_again_or_ends_the_task_whatever_failed() {
    for (what, failing) in FAILING {
        for kind in ExceptionKind::ALL {
            let mut rig = Rig::new(reads(8, 1));
            let exception = Exception::new(*kind, "made up");
            failing(&mut rig, exception.clone());
            let fatal = (!RETRYABLE.contains(kind)).then_some(exception);
            let status = rig.status();
            assert_eq!(
                status.phase == FollowTaskPhase::Failed,
                fatal.is_some(),
                "{what} {kind:?}"
            );
            assert_eq!(status.fatal_exception, fatal, "{what} {kind:?}");
            assert_eq!(rig.core.next_wake().is_some(), status.fatal_exception.is_none());
        }
    }
}

#[test]
fn only_reads_are_shown_among_the_read_exceptions() {
    for exception in [retryable(), fatal()] {
        for (what, failing) in FAILING {
            let mut rig = Rig::new(reads(8, 1));
            failing(&mut rig, exception.clone());
            let status = rig.status();
            let shown: Vec<_> = status
                .read_exceptions
                .iter()
                .map(|entry| (entry.from_seq_no, &entry.exception))
                .collect();
            let expected = [(seq(0), &exception)];
            let is_read = what == "read";
            assert_eq!(shown, expected[..usize::from(is_read)], "{what}");
            assert_eq!(
                (status.failed_read_requests, status.failed_write_requests),
                (u64::from(is_read), u64::from(what == "write"))
            );
        }
    }
}

#[test]
fn each_failing_read_is_shown_until_it_succeeds() {
    let mut rig = Rig::started(reads(8, 3), -1);
    let id = rig.one_read(0, 8);
    rig.read_done(id, Ok(answer(0..0, 23)));
    for (id, _) in rig.reads() {
        rig.read_done(id, Err(retryable()));
    }
    let shown = |rig: &Rig| -> Vec<u64> {
        let entries = rig.status().read_exceptions;
        entries.iter().map(|entry| entry.from_seq_no.get()).collect()
    };
    assert_eq!(shown(&rig), [0, 8, 16]);
    let mut left = vec![0, 8, 16];
    // An empty answer to a read of the middle is a success too.
    while !left.is_empty() {
        rig.until(|action| matches!(action, Action::Read { .. }));
        for (id, request) in rig.reads() {
            let from = request.from.get();
            if left.contains(&from) {
                rig.read_done(id, Ok(answer(from..from, 23)));
                left.retain(|other| *other != from);
                assert_eq!(shown(&rig), left);
            }
        }
    }
}

#[test]
fn a_read_that_is_sent_again_is_still_shown_and_a_new_reason_replaces_the_old_one() {
    let mut rig = Rig::started(reads(8, 1), -1);
    let (id, _) = rig.next_read();
    rig.read_done(id, Err(retryable()));
    let (id, _) = rig.next_read();
    assert_eq!(rig.status().read_exceptions.len(), 1, "under way again");
    let other = Exception::new(ExceptionKind::CircuitBreaking, "too much");
    rig.read_done(id, Err(other.clone()));
    let entries = rig.status().read_exceptions;
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].retries, &entries[0].exception), (2, &other));
}

#[test]
fn a_malformed_answer_is_tried_again_although_the_leaders_own_failure_of_its_kind_is_fatal() {
    let mut rig = Rig::started(reads(8, 1), -1);
    let (id, request) = rig.next_read();
    rig.read_done(id, Ok(answer(0..8, 6)));
    let status = rig.status();
    assert_eq!(
        (
            status.failed_read_requests,
            status.successful_read_requests,
            status.operations_read
        ),
        (1, 0, 0)
    );
    let shown = &status.read_exceptions[0];
    assert_eq!(
        (shown.exception.kind(), shown.retries),
        (ExceptionKind::IllegalState, 1)
    );
    let (id, again) = rig.next_read();
    assert_eq!((again.from, again.max_operation_count), (request.from, 8));
    rig.read_done(id, Ok(answer(0..8, 7)));
    assert_eq!(rig.status().read_exceptions, []);
}

#[test]
fn the_start_is_tried_again_after_exactly_the_longest_pause() {
    for (delay, expected) in [("120ms", 120), ("5m", 300_000)] {
        let mut raw = reads(8, 1);
        raw.max_retry_delay = Some(delay.into());
        let mut rig = Rig::new(raw);
        rig.step(Event::Wake);
        for _ in 0..5 {
            let id = rig.question();
            rig.state_known(id, Err(retryable()));
            let pause = rig.core.next_wake().map(|wake| wake.since(rig.now));
            assert_eq!(pause, Some(Duration::from_millis(expected)));
        }
    }
}
