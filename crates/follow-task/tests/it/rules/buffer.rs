//! What the limits of the buffer and of the node-wide budget let through.

use follow_task::{LOWEST_READ_SIZE, RawFollowParameters};

use crate::harness::{Rig, answer, frame, reads, shape, size, writes};

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
fn an_oversized_answer_is_cut_to_what_was_asked_for() {
    let mut rig = Rig::started(reads(4, 1), -1);
    let id = rig.one_read(0, 4);
    rig.read_done(id, Ok(answer(0..9, 63)));
    assert_eq!(rig.appends()[0].1, [0, 1, 2, 3]);
    rig.one_read(4, 4);
    let mut rig = Rig::started(reads(1000, 1), -1);
    let (id, poll) = rig.next_read();
    assert_eq!(poll.max_response_size, LOWEST_READ_SIZE);
    let mut big = answer(0..0, 63);
    let third = vec![b'x'; LOWEST_READ_SIZE.get() as usize / 3];
    big.frames = (0..5).map(|seq_no| frame(seq_no, &third)).collect();
    rig.read_done(id, Ok(big));
    assert_eq!(
        rig.status().operations_read,
        2,
        "the third one is more than there is memory for"
    );
}

#[test]
fn the_buffer_is_full_from_its_limit_on_and_not_before() {
    // One operation is being written, 31 are buffered.
    let count: fn(&mut RawFollowParameters, u64) =
        |raw, limit| raw.max_write_buffer_count = Some(limit as i64);
    let bytes: fn(&mut RawFollowParameters, u64) =
        |raw, limit| raw.max_write_buffer_size = Some(format!("{limit}b"));
    let cases = [
        (count, 31, true),
        (count, 32, false),
        (bytes, size(1..32), true),
        (bytes, size(1..32) + 1, false),
    ];
    for (set, limit, is_full) in cases {
        let mut raw = writes(1, 1);
        raw.max_outstanding_read_requests = Some(5);
        set(&mut raw, limit);
        let mut rig = Rig::started(raw, -1);
        let id = rig.one_read(0, 1000);
        rig.read_done(id, Ok(answer(0..32, 128)));
        assert_eq!(rig.reads().is_empty(), is_full, "limit {limit}");
        let status = rig.status();
        assert_eq!(
            (
                status.write_buffer_operation_count,
                status.write_buffer_size_in_bytes
            ),
            (31, size(1..32))
        );
    }
}

#[test]
fn a_written_batch_makes_room_for_the_next_read() {
    let mut raw = writes(16, 1);
    raw.max_write_buffer_count = Some(16);
    let mut rig = Rig::started(raw, -1);
    let id = rig.one_read(0, 1000);
    rig.read_done(id, Ok(answer(0..32, 99)));
    assert_eq!(shape(&rig.reads()), [], "16 are written, 16 are buffered");
    let append = rig.appends()[0].0;
    rig.write_done(append, 15);
    rig.one_read(32, 1000);
}

#[test]
fn a_full_buffer_stops_the_poll_at_the_end_too() {
    let mut raw = writes(1, 1);
    raw.max_write_buffer_count = Some(3);
    let mut rig = Rig::started(raw, -1);
    let id = rig.one_read(0, 1000);
    rig.read_done(id, Ok(answer(0..4, 3)));
    assert_eq!(shape(&rig.reads()), []);
    let append = rig.appends()[0].0;
    rig.write_done(append, 0);
    rig.one_read(4, 1000);
}

#[test]
fn the_rest_of_short_answers_waits_for_room_and_the_lowest_goes_first() {
    let raw = RawFollowParameters {
        max_read_request_operation_count: Some(10),
        max_outstanding_read_requests: Some(3),
        max_outstanding_write_requests: Some(1),
        max_write_buffer_count: Some(3),
        ..Default::default()
    };
    let mut rig = Rig::started(raw, -1);
    let id = rig.one_read(0, 10);
    rig.read_done(id, Ok(answer(0..0, 99)));
    let three = rig.reads();
    assert_eq!(shape(&three), [(0, 10), (10, 10), (20, 10)]);
    rig.read_done(three[2].0, Ok(answer(20..25, 99)));
    rig.read_done(three[1].0, Ok(answer(10..15, 99)));
    assert_eq!(
        shape(&rig.reads()),
        [],
        "rests of 25 and 15 wait: the buffer is full"
    );
    assert_eq!(
        rig.status().outstanding_read_requests,
        1,
        "short answers free their slots"
    );
    rig.read_done(three[0].0, Ok(answer(0..10, 99)));
    let append = rig.appends();
    assert_eq!(append[0].1, (0..15).collect::<Vec<_>>());
    // Only the lowest gap: 20..24 still fill the buffer.
    let id = rig.one_read(15, 5);
    rig.read_done(id, Ok(answer(15..20, 99)));
    assert_eq!(shape(&rig.reads()), []);
    rig.write_done(append[0].0, 14);
    assert_eq!(shape(&rig.reads()), [(25, 5), (30, 10), (40, 10)]);
}
