//! Which reads are sent, and what their answers lead to.

use std::time::Duration;

use follow_task::{Action, Event, FollowTaskPhase, LOWEST_READ_SIZE, RawFollowParameters};

use crate::harness::{Rig, answer, frame, opt, reads, shape, writes};

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
