//! Which reads are sent, and what their answers lead to.

use std::time::Duration;

use follow_task::{Action, Event, FollowTaskPhase, LOWEST_READ_SIZE, MetadataKind};
use oplog::ByteCount;

use crate::harness::{Rig, answer, frame, opt, reads, retryable, seq, shape, size};

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
fn empty_answers_do_not_spin() {
    let mut rig = Rig::started(reads(64, 1), -1);
    let id = rig.one_read(0, 64);
    let mut actions = Vec::new();
    let result = Ok(answer(0..0, -1));
    rig.core
        .step(rig.now, Event::ReadAnswered { id, result }, &mut actions);
    let bytes = LOWEST_READ_SIZE;
    assert_eq!(actions, [Action::ReleaseBudget { bytes }]);
    assert!(rig.core.next_wake().is_some_and(|wake| wake > rig.now));
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
fn ranges_reach_the_leaders_checkpoint_and_only_a_lone_read_asks_for_more() {
    // (operations per read, reads at once, follower, leader's checkpoint, reads, last requested)
    type Case<'a> = (i64, i64, i64, i64, &'a [(u64, u32)], i64);
    let cases: [Case<'_>; 8] = [
        (8, 5, -1, -1, &[(0, 8)], -1),
        (8, 5, 9, 9, &[(10, 8)], 9),
        (8, 5, -1, 2, &[(0, 8)], 2),
        (8, 5, -1, 7, &[(0, 8)], 7),
        (8, 5, -1, 8, &[(0, 8), (8, 1)], 8),
        (8, 5, 9, 30, &[(10, 8), (18, 8), (26, 5)], 30),
        (8, 3, -1, 63, &[(0, 8), (8, 8), (16, 8)], 23),
        (1, 3, 4, 63, &[(5, 1), (6, 1), (7, 1)], 7),
    ];
    for (count, outstanding, follower, checkpoint, expected, last_requested) in cases {
        let mut rig = Rig::started(reads(count, outstanding), follower);
        let (poll, request) = rig.next_read();
        let first = request.from.get();
        assert_eq!(
            rig.status().last_requested_seq_no,
            opt(follower),
            "a poll is no range"
        );
        rig.read_done(poll, Ok(answer(first..first, checkpoint)));
        assert_eq!(shape(&rig.reads()), expected, "checkpoint {checkpoint}");
        let status = rig.status();
        assert_eq!(status.last_requested_seq_no, opt(last_requested));
        assert_eq!(status.outstanding_read_requests as usize, expected.len());
    }
}

#[test]
fn a_lone_read_that_brings_more_than_was_known_moves_the_next_range() {
    let mut rig = Rig::started(reads(8, 5), -1);
    let id = rig.one_read(0, 8);
    rig.read_done(id, Ok(answer(0..0, 2)));
    let id = rig.one_read(0, 8);
    rig.read_done(id, Ok(answer(0..8, 20)));
    assert_eq!(shape(&rig.reads()), [(8, 8), (16, 5)]);
    assert_eq!(rig.status().last_requested_seq_no, opt(20));
}

#[test]
fn the_leaders_checkpoint_and_max_seq_no_never_go_back() {
    // (reported checkpoint and max_seq_no, shown ones)
    let cases = [
        ((-1, -1), (5, 5)),
        ((10, 12), (10, 12)),
        ((8, 14), (10, 14)),
        ((11, 9), (11, 14)),
    ];
    let mut rig = Rig::started(reads(8, 1), 5);
    for ((checkpoint, max), (shown_checkpoint, shown_max)) in cases {
        let (id, request) = rig.next_read();
        let from = request.from.get();
        let mut lagging = answer(from..from, checkpoint);
        lagging.max_seq_no = opt(max);
        rig.read_done(id, Ok(lagging));
        let status = rig.status();
        let shown = (status.leader_global_checkpoint, status.leader_max_seq_no);
        assert_eq!(shown, (opt(shown_checkpoint), opt(shown_max)));
    }
}

#[test]
fn a_short_answer_of_many_is_continued_before_new_ranges() {
    let mut rig = Rig::started(reads(10, 2), -1);
    let id = rig.one_read(0, 10);
    rig.read_done(id, Ok(answer(0..0, 99)));
    let two = rig.reads();
    assert_eq!(shape(&two), [(0, 10), (10, 10)]);
    // (answer, the read that follows it)
    let mut id = two[1].0;
    for (answered, next) in [
        (10..13, (13, 7)),
        (13..13, (13, 7)),
        (13..19, (19, 1)),
        (19..20, (20, 10)),
    ] {
        rig.read_done(id, Ok(answer(answered, 99)));
        let reads = rig.reads();
        assert_eq!(shape(&reads), [next]);
        id = reads[0].0;
    }
}

#[test]
fn answers_that_overtake_each_other_are_written_in_order() {
    let mut rig = Rig::started(reads(10, 3), -1);
    let id = rig.one_read(0, 10);
    rig.read_done(id, Ok(answer(0..0, 29)));
    let three = rig.reads();
    rig.read_done(three[2].0, Ok(answer(20..30, 29)));
    rig.read_done(three[1].0, Ok(answer(10..20, 29)));
    assert_eq!(rig.appends(), []);
    assert_eq!(rig.status().write_buffer_operation_count, 20);
    rig.read_done(three[0].0, Ok(answer(0..10, 29)));
    assert_eq!(rig.appends()[0].1, (0..30).collect::<Vec<_>>());
}

#[test]
fn a_read_keeps_its_slot_while_it_pauses_and_while_its_metadata_is_synced() {
    let mut rig = Rig::started(reads(8, 1), -1);
    let id = rig.one_read(0, 8);
    rig.read_done(id, Err(retryable()));
    assert_eq!(rig.status().outstanding_read_requests, 1);
    let (id, _) = rig.next_read();
    let mut newer = answer(0..8, 63);
    newer.mapping_version = 2;
    rig.read_done(id, Ok(newer));
    let status = rig.status();
    assert_eq!((rig.reads().len(), status.outstanding_read_requests), (0, 1));
    assert_eq!(
        (
            status.leader_global_checkpoint,
            status.write_buffer_operation_count
        ),
        (None, 0),
        "an answer counts once its metadata is there"
    );
    assert_eq!(rig.sync(Ok(2)), MetadataKind::Mapping);
    rig.one_read(8, 8);
    assert_eq!(rig.status().leader_global_checkpoint, opt(63));
}

#[test]
fn a_read_carries_the_poll_timeout_and_one_that_failed_at_the_end_a_short_one() {
    let mut raw = reads(8, 1);
    raw.read_poll_timeout = Some("7s".into());
    let mut rig = Rig::started(raw, -1);
    let (id, poll) = rig.next_read();
    assert_eq!(poll.poll_timeout, Duration::from_secs(7));
    rig.read_done(id, Err(retryable()));
    // Elasticsearch repeats the identical request; here a poll that failed is to tell soon whether the leader is back.
    let (id, again) = rig.next_read();
    assert_eq!((again.from, again.max_operation_count), (seq(0), 8));
    assert_eq!(again.poll_timeout, Duration::from_secs(1));
    rig.read_done(id, Ok(answer(0..0, 63)));
    let (id, range) = rig.next_read();
    assert_eq!(range.poll_timeout, Duration::from_secs(7));
    rig.read_done(id, Err(retryable()));
    assert_eq!(rig.next_read().1, range, "a range is repeated as it was");
}

#[test]
fn a_read_sets_aside_twice_what_its_operations_are_expected_to_take() {
    let mib = 1 << 20;
    // (max_read_request_size, size of the operations seen, set aside for the poll, for the first range, for the next read, of 7)
    let cases = [
        (32 * mib, 10, mib, 32 * mib, mib),
        (32 * mib, mib, mib, 32 * mib, 14 * mib),
        (8 * mib, mib, mib, 8 * mib, 8 * mib),
        (1000, 10, mib, mib, mib),
    ];
    for (most, operation, poll_size, first_size, next_size) in cases {
        let mut raw = reads(8, 1);
        raw.max_read_request_size = Some(format!("{most}b"));
        let mut rig = Rig::started(raw, -1);
        let (id, poll) = rig.next_read();
        assert_eq!(poll.max_response_size, ByteCount::new(poll_size));
        rig.read_done(id, Ok(answer(0..0, 63)));
        let (id, first) = rig.next_read();
        assert_eq!(first.max_response_size, ByteCount::new(first_size));
        let overhead = size(0..1);
        let mut one = answer(0..0, 63);
        one.frames = vec![frame(
            0,
            &vec![b'x'; (operation - overhead.min(operation)) as usize],
        )];
        rig.read_done(id, Ok(one));
        let (_, next) = rig.next_read();
        assert_eq!((next.from, next.max_operation_count), (seq(1), 7));
        assert_eq!(next.max_response_size, ByteCount::new(next_size));
        assert_eq!(next.max_batch_size, ByteCount::new(most));
    }
}
