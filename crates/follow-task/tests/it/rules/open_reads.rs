//! Reads that the leader keeps open: when they go on, and what ends them.

use std::time::Duration;

use follow_task::{LOWEST_READ_SIZE, MetadataKind, RawFollowParameters, ReadId, ReadResponse};
use oplog::ByteCount;

use crate::harness::{Rig, answer, opt, reads, retryable, seq, shape, size};

/// An answer after which the leader goes on.
fn open(range: std::ops::Range<u64>) -> ReadResponse {
    let checkpoint = range.end as i64 - 1;
    ReadResponse {
        stays_open: true,
        ..answer(range, checkpoint)
    }
}

/// A follower of nothing yet, and its poll.
fn polling(raw: RawFollowParameters) -> (Rig, ReadId) {
    let mut rig = Rig::started(raw, -1);
    let (id, poll) = rig.next_read();
    assert!(poll.may_stay_open);
    (rig, id)
}

#[test]
fn an_open_poll_brings_what_is_written_and_nothing_else_is_asked() {
    let (mut rig, id) = polling(reads(8, 3));
    let mut written = Vec::new();
    for range in [0..3, 3..4, 4..12] {
        rig.now = rig.now.after(Duration::from_secs(1));
        rig.read_done(id, Ok(open(range.clone())));
        assert!(rig.core.is_open(id));
        assert_eq!(shape(&rig.reads()), []);
        for (write, seq_nos) in rig.appends() {
            let last = *seq_nos.last().unwrap() as i64;
            written.extend(seq_nos);
            rig.write_done(write, last);
        }
        let status = rig.status();
        assert_eq!(status.outstanding_read_requests, 1);
        assert_eq!(status.follower_to_leader_lagging_ops_count, 0);
        let since = status.time_since_last_read;
        assert!(since < Some(Duration::from_millis(100)), "{since:?}");
    }
    assert_eq!(written, (0..12).collect::<Vec<_>>());
    assert_eq!(rig.status().successful_read_requests, 3);
}

#[test]
fn what_follows_a_read_that_is_over_is_ignored() {
    let (mut rig, id) = polling(reads(8, 3));
    rig.read_done(id, Ok(open(0..3)));
    rig.read_done(id, Ok(answer(3..4, 3)));
    assert!(!rig.core.is_open(id));
    assert_eq!(shape(&rig.reads()), [(4, 8)]);
    let ignored = rig.core.ignored_events();
    rig.read_done(id, Ok(answer(4..5, 4)));
    assert_eq!(rig.core.ignored_events(), ignored + 1);
}

#[test]
fn a_read_stays_open_only_where_nothing_more_can_be_asked_for() {
    // (what makes the answer one after which the leader should not go on, whether the read is over)
    type Case = (&'static str, fn(&mut ReadResponse), bool);
    let cases: [Case; 5] = [
        ("as it should be", |_| (), false),
        (
            "the leader has more",
            |answer| answer.global_checkpoint = opt(9),
            true,
        ),
        ("no operation", |answer| answer.frames.clear(), true),
        ("more than was asked for", |answer| *answer = open(0..9), true),
        ("newer metadata first", |answer| answer.settings_version = 2, true),
    ];
    for (name, change, is_over) in cases {
        let (mut rig, id) = polling(reads(8, 1));
        let mut response = open(0..3);
        change(&mut response);
        rig.read_done(id, Ok(response));
        assert_eq!(rig.core.is_open(id), !is_over, "{name}");
    }
}

#[test]
fn a_range_is_over_with_its_answer() {
    let mut rig = Rig::started(reads(8, 1), -1);
    let id = rig.one_read(0, 8);
    rig.read_done(id, Ok(answer(0..0, 7)));
    let (id, range) = rig.next_read();
    assert!(!range.may_stay_open);
    rig.read_done(id, Ok(open(0..8)));
    assert!(!rig.core.is_open(id));
    rig.one_read(8, 8);
}

#[test]
fn an_open_read_ends_while_metadata_is_synced_and_its_operations_wait() {
    let (mut rig, id) = polling(reads(8, 1));
    rig.read_done(id, Ok(open(0..3)));
    assert_eq!(rig.appends().len(), 1);
    let mut newer = open(3..4);
    newer.mapping_version = 2;
    rig.read_done(id, Ok(newer));
    assert_eq!((rig.appends().len(), rig.reads().len()), (0, 0));
    assert_eq!(rig.status().outstanding_read_requests, 1);
    assert_eq!(rig.sync(Ok(2)), MetadataKind::Mapping);
    rig.one_read(4, 8);
}

#[test]
fn a_full_buffer_ends_an_open_read() {
    let mut raw = reads(8, 1);
    raw.max_write_buffer_count = Some(5);
    raw.max_outstanding_write_requests = Some(1);
    let (mut rig, id) = polling(raw);
    rig.read_done(id, Ok(open(0..1)));
    let (write, _) = rig.appends().remove(0);
    rig.read_done(id, Ok(open(1..4)));
    assert!(rig.core.is_open(id), "3 of 5 are in the buffer");
    rig.read_done(id, Ok(open(4..7)));
    assert!(
        rig.core.is_open(id),
        "what is in the buffer when an answer comes decides"
    );
    rig.read_done(id, Ok(open(7..8)));
    assert!(!rig.core.is_open(id));
    assert_eq!(shape(&rig.reads()), [], "the buffer is full");
    rig.write_done(write, 0);
    assert_eq!(shape(&rig.reads()), [(8, 8)]);
}

#[test]
fn an_open_read_that_fails_is_sent_again_for_what_is_missing() {
    let (mut rig, id) = polling(reads(8, 1));
    rig.read_done(id, Ok(open(0..3)));
    rig.read_done(id, Err(retryable()));
    assert_eq!(rig.status().read_exceptions[0].from_seq_no, seq(3));
    let (id, again) = rig.next_read();
    assert_eq!((again.from, again.max_operation_count), (seq(3), 8));
    assert_eq!(
        again.max_response_size, LOWEST_READ_SIZE,
        "memory is set aside anew"
    );
    rig.read_done(id, Ok(open(3..4)));
    assert!(rig.status().read_exceptions.is_empty());
    assert_eq!(rig.status().failed_read_requests, 1);
}

#[test]
fn the_answers_of_a_read_share_its_memory() {
    let (mut rig, id) = polling(reads(1_000_000, 1));
    let held = rig.core.used_bytes();
    assert_eq!(held, LOWEST_READ_SIZE.get());
    rig.read_done(id, Ok(open(0..10)));
    assert_eq!(rig.core.used_bytes(), held, "moved from the read to the write");
    let (write, _) = rig.appends().remove(0);
    rig.write_done(write, 9);
    assert_eq!(rig.core.used_bytes(), held - size(0..10));
    // What exceeds the rest is cut off.
    let left = held - size(0..10);
    let fitting = fitting(10, left);
    rig.read_done(id, Ok(open(10..10 + fitting + 50)));
    let handed_out: usize = rig.appends().iter().map(|(_, seq_nos)| seq_nos.len()).sum();
    let kept = handed_out as u64 + rig.status().write_buffer_operation_count;
    assert_eq!(kept, fitting);
}

#[test]
fn a_poll_that_used_up_its_memory_asks_for_more_and_one_that_brought_nothing_for_less() {
    let (mut rig, mut id) = polling(reads(8, 1));
    let lowest = LOWEST_READ_SIZE.get();
    let mut next = 0;
    for expected in [2, 4, 8, 16, 16] {
        rig.read_done(id, Ok(open(next..next + 1)));
        rig.read_done(id, Ok(answer(next + 1..next + 2, next as i64 + 1)));
        next += 2;
        let (following, poll) = rig.next_read();
        assert_eq!(poll.max_response_size, ByteCount::new(expected * lowest));
        id = following;
        for (write, seq_nos) in rig.appends() {
            rig.write_done(write, *seq_nos.last().unwrap() as i64);
        }
    }
    for expected in [8, 4, 2, 1, 1] {
        rig.read_done(id, Ok(answer(next..next, next as i64 - 1)));
        let (following, poll) = rig.next_read();
        assert_eq!(poll.max_response_size, ByteCount::new(expected * lowest));
        id = following;
    }
}

/// How many operations from `from` on fit into `bytes`.
fn fitting(from: u64, bytes: u64) -> u64 {
    let mut left = bytes;
    let takes = |seq_no: &u64| {
        let rest = left.checked_sub(size(*seq_no..seq_no + 1));
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    (from..).take_while(takes).count() as u64
}

#[test]
fn a_poll_that_half_of_its_memory_went_into_at_once_asks_for_more_the_next_time() {
    let (mut rig, id) = polling(reads(1_000_000, 1));
    let lowest = LOWEST_READ_SIZE.get();
    let most = fitting(0, lowest);
    // The leader ends the read: as much again would not fit.
    rig.read_done(id, Ok(answer(0..most, most as i64 - 1)));
    let (_, poll) = rig.next_read();
    assert_eq!(poll.max_response_size, ByteCount::new(2 * lowest));
}
