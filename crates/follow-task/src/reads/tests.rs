//! Pauses, leftovers and exceptions of reads.

use super::*;

fn sent(actions: &mut Vec<Action>) -> ReadId {
    match actions.pop() {
        Some(Action::Read { id, .. }) => id,
        other => panic!("no read: {other:?}"),
    }
}

#[test]
fn the_pauses_of_one_read_grow_over_all_its_attempts_and_those_of_the_next_begin_anew() {
    let (mut reads, mut ids, mut actions) = (Reads::new(), IdSource::default(), Vec::new());
    let now = Timestamp::default();
    for _ in 0..2 {
        let plan = reads.plan(now, SeqNo::ZERO, SeqNo::ZERO, 8).unwrap();
        let parameters = FollowParameters::default();
        let sending = Sending {
            reserved: 1,
            known_metadata: MetadataVersions::default(),
        };
        reads.send(now, plan, sending, &parameters, &mut ids, &mut actions);
        let mut id = sent(&mut actions);
        for expected in 1..=5 {
            let pause = |failures| {
                assert_eq!(failures, expected);
                Duration::ZERO
            };
            reads.failed(now, id, Exception::illegal_argument("made up"), 1, pause);
            assert_eq!(reads.bytes(), 0, "nothing is set aside during a pause");
            assert_eq!(reads.due(now), Some((id, plan)));
            reads.send_again(now, id, sending, &mut ids, &mut actions);
            id = sent(&mut actions);
        }
        reads.drop_answer(id);
    }
}

#[test]
fn ranges_left_over_that_touch_or_overlap_become_one() {
    type Ranges<'a> = &'a [(u64, u64)];
    // (ranges left over in this order, what is left)
    let cases: [(Ranges<'_>, Ranges<'_>); 9] = [
        (&[(5, 5)], &[]),
        (&[(5, 7), (9, 12)], &[(5, 7), (9, 12)]),
        (&[(5, 7), (7, 9)], &[(5, 9)]),
        (&[(7, 9), (5, 7)], &[(5, 9)]),
        (&[(5, 7), (9, 12), (7, 9)], &[(5, 12)]),
        (&[(5, 20), (8, 12)], &[(5, 20)]),
        (&[(8, 12), (5, 20)], &[(5, 20)]),
        (&[(5, 9), (12, 15), (7, 13)], &[(5, 15)]),
        (&[(2, 4), (6, 8), (10, 12), (5, 9)], &[(2, 4), (5, 9), (10, 12)]),
    ];
    for (left_over, expected) in cases {
        let mut reads = Reads::new();
        reads.raise_requested(SeqNo::new(20));
        for (next, end) in left_over {
            reads.leave_over(SeqNo::new(*next), SeqNo::new(*end));
            reads.check_invariants(1);
        }
        let shown: Vec<_> = reads
            .leftovers
            .iter()
            .map(|(next, end)| (next.get(), end.get()))
            .collect();
        assert_eq!(shown, expected, "{left_over:?}");
    }
}

#[test]
fn the_oldest_read_exception_makes_room() {
    let mut reads = Reads::new();
    for from in 0..4 {
        reads.record(
            SeqNo::new(from),
            1,
            Exception::illegal_argument(from.to_string()),
            3,
        );
    }
    reads.record(SeqNo::new(2), 2, Exception::illegal_argument("again"), 3);
    let shown: Vec<_> = reads
        .exceptions()
        .iter()
        .map(|entry| (entry.from_seq_no.get(), entry.retries))
        .collect();
    assert_eq!(shown, [(1, 1), (2, 2), (3, 1)]);
}
