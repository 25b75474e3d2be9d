//! Delta heals: a follower whose leader has removed what it lacks becomes equal to it, through crashes and compactions on both sides
//! (OL-1, OL-3 to OL-6).

mod pair;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{Fixture, dir, small_segments};
use crate::{
    Durability, Fault, HealError, LiveSnapshot, Log, LogError, ReadLimits, SeqNo, Storage as _, check,
};
use pair::{Meanwhile, Pair, compact};

#[derive(Debug, Clone)]
enum Step {
    Leader(Meanwhile),
    Follow(usize),
    /// So many operations at once; it may be cut off by whatever fault waits.
    Heal(usize, Vec<Meanwhile>),
    /// Begins a heal and leaves it.
    HalfHeal(usize),
    CompactFollower,
    Flush,
    Crash,
    Inject(u64, Fault),
}

fn operations() -> impl Strategy<Value = Vec<(u8, bool)>> {
    prop::collection::vec(
        (
            prop_oneof![3 => 0..4_u8, 1 => 4..40_u8],
            prop::bool::weighted(0.25),
        ),
        1..8,
    )
}

fn meanwhile() -> impl Strategy<Value = Meanwhile> {
    prop_oneof![2 => operations().prop_map(Meanwhile::Write), 1 => Just(Meanwhile::Compact)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => meanwhile().prop_map(Step::Leader),
        2 => (1..20_usize).prop_map(Step::Follow),
        4 => (1..9_usize, prop::collection::vec(meanwhile(), 0..4)).prop_map(|(most, meanwhile)| Step::Heal(most, meanwhile)),
        1 => (1..9_usize).prop_map(Step::HalfHeal),
        1 => Just(Step::CompactFollower),
        1 => Just(Step::Flush),
        1 => Just(Step::Crash),
        2 => (0..30_u64, prop_oneof![Just(Fault::Fail), Just(Fault::Tear), Just(Fault::LoseSync), Just(Fault::PowerCut)])
            .prop_map(|(after, fault)| Step::Inject(after, fault)),
    ]
}

/// Does a step; a follower that failed is opened again.
fn apply(pair: &mut Pair, step: &Step) -> Result<(), TestCaseError> {
    let failed = match step {
        Step::Leader(meanwhile) => {
            pair.happen(Some(meanwhile));
            false
        }
        Step::Follow(most) => pair.follow(*most).is_err(),
        Step::Heal(most, meanwhile) => match pair.heal(*most, meanwhile) {
            Ok(()) => false,
            Err(HealError::Log(_) | HealError::StageDamaged(_)) => true,
            Err(error) => panic!("{error}"),
        },
        Step::HalfHeal(most) => {
            let begun = pair
                .follower
                .stage_heal()
                .and_then(|mut stage| match pair.leader.max_seq_no() {
                    Some(end) => pair.fetch(&mut stage, end, *most).and_then(|_| stage.flush()),
                    None => Ok(()),
                });
            begun.is_err()
        }
        Step::CompactFollower => compact(&pair.follower).is_err(),
        Step::Flush => pair.follower.flush().is_err(),
        Step::Crash => true,
        Step::Inject(after, fault) => {
            let at = pair.follower_side.storage.changes() + after;
            pair.follower_side.storage.inject(at, *fault);
            false
        }
    };
    if failed {
        pair.crash();
    }
    pair.compare()
}

fn converge(pair: &mut Pair) -> Result<(), TestCaseError> {
    for _ in 0..1000 {
        if pair.leader.max_seq_no() == pair.follower.max_seq_no() {
            prop_assert_eq!(pair.follower.live_summary(), pair.leader.live_summary());
            pair.verify();
            pair.crash();
            prop_assert_eq!(pair.follower.live_summary(), pair.leader.live_summary());
            return pair.compare();
        }
        apply(pair, &Step::Heal(5, Vec::new()))?;
    }
    panic!("it does not converge");
}

#[test]
fn a_healed_follower_equals_its_leader_whatever_happens() {
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 1500,
        source_file: Some(file!()),
        test_name: Some(concat!(
            module_path!(),
            "::a_healed_follower_equals_its_leader_whatever_happens"
        )),
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&prop::collection::vec(step(), 1..30), |steps| {
        let mut pair = Pair::new();
        for step in &steps {
            apply(&mut pair, step)?;
        }
        converge(&mut pair)
    });
    if let Err(failure) = outcome {
        panic!("{failure}\n{runner}");
    }
}

/// A leader that has removed much, and a follower that is far behind.
fn behind() -> Pair {
    let mut pair = Pair::new();
    let documents = |from: u8, to: u8| (from..to).map(|document| (document, false)).collect::<Vec<_>>();
    pair.write(&documents(0, 30));
    pair.follow(usize::MAX).unwrap();
    pair.write(&documents(5, 15));
    pair.write(&[(0, true), (1, true), (2, false), (2, true), (30, false)]);
    pair.write(&documents(5, 10));
    pair.write(&documents(40, 45));
    compact(&pair.leader).unwrap();
    assert!(!pair.follow(usize::MAX).unwrap(), "the next operation is gone");
    pair
}

#[test]
fn a_crash_at_any_point_of_a_heal_leaves_the_state_before_or_after() {
    for fault in [Fault::Fail, Fault::Tear, Fault::LoseSync, Fault::PowerCut] {
        for after in 0..200 {
            let mut pair = behind();
            let before = pair.follower.live_summary();
            pair.crashes = after;
            let at = pair.follower_side.storage.changes() + after;
            pair.follower_side.storage.inject(at, fault);
            let healed = pair.heal(7, &[]);
            if healed.is_err() {
                let files = check(&pair.follower_side.storage.fork(), &dir()).unwrap();
                assert!(!files.is_damaged(), "{fault:?} at {after}: {files:?}");
                pair.crash();
            }
            let now = pair.follower.live_summary();
            assert!(
                now == before || now == pair.leader.live_summary(),
                "{fault:?} at {after}"
            );
            pair.compare().unwrap();
            converge(&mut pair).unwrap();
            if pair.follower_side.storage.changes() < at {
                assert!(after > 10, "faults were reached");
                break;
            }
        }
    }
}

#[test]
fn a_heal_that_was_cut_off_goes_on_behind_what_it_has_sealed() {
    let mut pair = behind();
    let mut stage = pair.follower.stage_heal().unwrap();
    let begin = stage.next();
    let end = pair.leader.max_seq_no().unwrap();
    assert!(!pair.fetch(&mut stage, end, 6).unwrap());
    stage.flush().unwrap();
    let sealed = stage.next();
    assert!(!pair.fetch(&mut stage, end, 2).unwrap());
    drop(stage);
    pair.follower_side.storage.crash(1);
    pair.follower = pair.follower_side.open().unwrap();
    let stage = pair.follower.stage_heal().unwrap();
    assert!(sealed > begin);
    assert_eq!(stage.next(), sealed, "only what was not sealed is fetched again");
    drop(stage);
    converge(&mut pair).unwrap();
    let names = pair.follower_side.storage.list(&dir()).unwrap();
    assert!(
        !names.iter().any(|name| name.contains("staged") || name == "heal"),
        "{names:?}"
    );
}

#[test]
fn what_was_live_and_is_gone_before_it_was_fetched_needs_a_newer_snapshot() {
    let mut pair = behind();
    let snapshot = pair.leader.live_snapshot().unwrap();
    // Live as of the snapshot, replaced and removed before the follower asks for it.
    pair.write(&[(40, false), (41, true)]);
    compact(&pair.leader).unwrap();
    let mut stage = pair.follower.stage_heal().unwrap();
    while !pair.fetch(&mut stage, snapshot.max_seq_no, 5).unwrap() {}
    let refused = pair.follower.install_heal(&mut stage, &snapshot);
    assert!(
        matches!(refused, Err(HealError::Incomplete { count: 2, .. })),
        "{refused:?}"
    );
    assert!(refused.unwrap_err().is_retryable());
    let newer = pair.leader.live_snapshot().unwrap();
    let refused = pair.follower.install_heal(&mut stage, &newer);
    assert!(matches!(refused, Err(HealError::NotStaged { .. })), "{refused:?}");
    while !pair.fetch(&mut stage, newer.max_seq_no, 5).unwrap() {}
    pair.follower.install_heal(&mut stage, &newer).unwrap();
    converge(&mut pair).unwrap();
}

/// A snapshot of a leader that is another one than it was; what the follower holds does not fit.
fn refuses(change: impl FnOnce(&mut LiveSnapshot), expected: &str) {
    let pair = behind();
    let mut snapshot = pair.leader.live_snapshot().unwrap();
    change(&mut snapshot);
    let mut stage = pair.follower.stage_heal().unwrap();
    while !pair.fetch(&mut stage, snapshot.max_seq_no, 5).unwrap() {}
    let before = pair.follower.live_summary();
    let refused = pair.follower.install_heal(&mut stage, &snapshot).unwrap_err();
    assert!(
        matches!(&refused, HealError::Diverged { reason } if reason.contains(expected)),
        "{refused}"
    );
    assert!(!refused.is_retryable());
    assert_eq!(pair.follower.live_summary(), before);
    pair.compare().unwrap();
}

#[test]
fn a_log_with_another_history_is_not_healed() {
    refuses(
        |snapshot| snapshot.digest = snapshot.digest.with(SeqNo::ZERO, 1),
        "digest",
    );
    refuses(
        |snapshot| snapshot.terms[1].first_seq_no = SeqNo::new(14),
        "primary terms",
    );
    refuses(|snapshot| assert!(snapshot.live.remove(SeqNo::new(20))), "digest");
}

#[test]
fn a_log_that_moved_is_not_healed_with_what_was_staged_before() {
    let mut pair = Pair::new();
    pair.write(&[(1, false), (2, false), (3, false)]);
    pair.follow(1).unwrap();
    let mut stage = pair.follower.stage_heal().unwrap();
    let snapshot = pair.leader.live_snapshot().unwrap();
    while !pair.fetch(&mut stage, snapshot.max_seq_no, 5).unwrap() {}
    pair.follow(1).unwrap();
    let refused = pair.follower.install_heal(&mut stage, &snapshot);
    assert!(matches!(refused, Err(HealError::Moved { .. })), "{refused:?}");
    drop(stage);
    let stage = pair.follower.stage_heal().unwrap();
    assert_eq!(
        stage.next(),
        SeqNo::new(2),
        "what was staged for another end is gone"
    );
}

#[test]
fn operations_that_do_not_come_next_are_not_staged() {
    let pair = behind();
    let mut stage = pair.follower.stage_heal().unwrap();
    let end = pair.leader.max_seq_no().unwrap();
    assert!(!pair.fetch(&mut stage, end, 6).unwrap());
    // What was not sealed is dropped by a failure; going on behind it would pass for a hole.
    let from = stage.next();
    let (frames, next) = pair.leader.read_held(from, end, ReadLimits::NONE).unwrap();
    let at = pair.follower_side.storage.changes();
    pair.follower_side.storage.inject(at, Fault::Fail);
    assert!(matches!(stage.flush(), Err(HealError::Log(LogError::Io { .. }))));
    let refused = stage.push(from, &frames, next);
    assert!(matches!(refused, Err(HealError::NotNext { .. })), "{refused:?}");
    assert!(refused.unwrap_err().is_retryable());
    while !pair.fetch(&mut stage, end, 5).unwrap() {}
    let snapshot = pair.leader.live_snapshot().unwrap();
    pair.follower.install_heal(&mut stage, &snapshot).unwrap();
    pair.compare().unwrap();
}

#[test]
fn a_damaged_staged_segment_is_fetched_again() {
    let mut pair = behind();
    let mut stage = pair.follower.stage_heal().unwrap();
    let snapshot = pair.leader.live_snapshot().unwrap();
    while !pair.fetch(&mut stage, snapshot.max_seq_no, 5).unwrap() {}
    stage.flush().unwrap();
    let names = pair.follower_side.storage.list(&dir()).unwrap();
    let name = names.iter().find(|name| name.ends_with(".staged")).unwrap();
    let file = pair.follower_side.storage.open(&dir().join(name)).unwrap();
    file.write_at(60, b"damage").unwrap();
    let refused = pair.follower.install_heal(&mut stage, &snapshot);
    assert!(matches!(refused, Err(HealError::StageDamaged(_))), "{refused:?}");
    drop(stage);
    assert!(pair.follower.stage_heal().unwrap().next() < pair.leader.max_seq_no().unwrap());
    converge(&mut pair).unwrap();
}

#[test]
fn a_lost_healed_file_is_corruption() {
    let mut pair = behind();
    pair.heal(10, &[]).unwrap();
    assert!(pair.follower.healed().unwrap().dead_count() > 0);
    pair.follower.close().unwrap();
    pair.follower_side.storage.remove(&dir().join("healed")).unwrap();
    let opened = pair.follower_side.open();
    assert!(
        matches!(&opened, Err(LogError::Corrupt { file, .. }) if file.ends_with("healed")),
        "{opened:?}"
    );
    let report = check(&pair.follower_side.storage, &dir()).unwrap();
    assert!(report.is_damaged(), "{report:?}");
}

#[test]
fn the_live_set_of_a_healed_log_is_told_without_its_file() {
    let mut pair = behind();
    pair.heal(10, &[]).unwrap();
    pair.write(&[(7, false), (8, true)]);
    pair.follow(usize::MAX).unwrap();
    let summary = pair.follower.live_summary();
    pair.follower.close().unwrap();
    pair.follower_side.storage.remove(&dir().join("live")).unwrap();
    pair.follower = pair.follower_side.open().unwrap();
    assert_eq!(pair.follower.live_summary(), summary);
    converge(&mut pair).unwrap();
}

#[test]
fn a_copy_of_a_healed_log_is_healed_too() {
    let mut pair = behind();
    pair.heal(10, &[]).unwrap();
    let pinned = pair.follower.pin_files().unwrap();
    let other = Fixture::new(small_segments());
    let copy_files = || {
        other.storage.create_dir_all(&dir()).unwrap();
        for file in pinned.files() {
            let bytes = pinned.read_at(&file.name, 0, file.length as usize).unwrap();
            let copied = other.storage.create(&dir().join(&file.name)).unwrap();
            copied.write_at(0, &bytes).unwrap();
        }
    };
    let adopt = |up_to| {
        let history = crate::HistoryUuid::generate();
        Log::adopt(&other.storage, &dir(), history, crate::PrimaryTerm::FIRST, up_to)
    };
    let names_healed =
        |error: &LogError| matches!(error, LogError::Corrupt { file, .. } if file.ends_with("healed"));
    copy_files();
    let before = pinned.checkpoint().unwrap().checked_prev();
    assert!(
        names_healed(&adopt(before).unwrap_err()),
        "it ends within the heal"
    );
    other.storage.remove(&dir().join("healed")).unwrap();
    assert!(
        names_healed(&adopt(pinned.checkpoint()).unwrap_err()),
        "it is missing"
    );
    copy_files();
    adopt(pinned.checkpoint()).unwrap();
    other.storage.remove(&dir().join("live")).unwrap();
    let copy = other.open().unwrap();
    assert_eq!(copy.live_summary(), pair.leader.live_summary());
    assert_eq!(copy.healed().as_deref(), pair.follower.healed().as_deref());
    copy.close().unwrap();
    other.storage.remove(&dir().join("healed")).unwrap();
    assert!(names_healed(&other.open().unwrap_err()), "it stays a healed log");
}

#[test]
fn a_healed_file_that_is_damaged_on_disk_is_written_anew_from_memory() {
    let mut pair = behind();
    pair.heal(10, &[]).unwrap();
    let path = dir().join("healed");
    let right = pair.follower_side.storage.content(&path).unwrap();
    let mut wrong = right.clone();
    wrong[20] ^= 1;
    pair.follower_side.storage.damage(&path, wrong);
    let found = pair.follower.verify_small_files().unwrap();
    assert_eq!(found, std::slice::from_ref(&path));
    assert_eq!(pair.follower_side.storage.content(&path).unwrap(), right);
}

#[test]
fn what_was_not_durable_is_before_anything_is_staged_behind_it() {
    let mut pair = Pair::new();
    pair.write(&[(1, false), (2, false), (3, false), (4, false), (5, false)]);
    let frames = pair.history[..3].to_vec();
    pair.follower
        .append(frames, Durability::Async)
        .unwrap()
        .wait()
        .unwrap();
    let mut stage = pair.follower.stage_heal().unwrap();
    let end = pair.leader.max_seq_no().unwrap();
    assert!(pair.fetch(&mut stage, end, 5).unwrap());
    stage.flush().unwrap();
    drop(stage);
    pair.follower_side.storage.crash(0);
    pair.follower = pair.follower_side.open().unwrap();
    assert_eq!(pair.follower.max_seq_no(), Some(SeqNo::new(2)));
    assert_eq!(
        pair.follower.stage_heal().unwrap().next(),
        end.checked_next().unwrap()
    );
}
