//! What goes wrong in a delta heal: what is tried again, from where, and what ends the task.

use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use follow_task::{FollowTaskPhase, FollowerState, HealOutcome, HealWork};

use super::heal_rig::{ALL, At, at, healing, held, kind, live_set};
use crate::harness::{fatal, history, missing, retryable, seq, state};

#[test]
fn a_failure_that_may_pass_is_tried_again_and_one_of_the_follower_begins_anew() {
    for (place, again) in [
        (At::Begin, At::Begin),
        (At::Read, At::Read),
        (At::Stage, At::Begin),
        (At::LiveSet, At::LiveSet),
        (At::Install, At::Begin),
    ] {
        let (mut rig, id) = at(place);
        rig.heal_failed(id, retryable());
        let heal = rig.status().heal.unwrap();
        assert_eq!(
            (heal.failures, heal.exception),
            (1, Some(retryable())),
            "{place:?}"
        );
        let before = rig.now;
        let (id, work) = rig.next_heal();
        assert_eq!(kind(&work), again, "{place:?}");
        // An answer to something else is a failure too, not a step forward.
        rig.healed(id, HealOutcome::Installed(state(99)));
        let wrong = if again == At::Install { 0 } else { 2 };
        assert_eq!(
            rig.status().heal.map(|heal| heal.failures),
            Some(wrong),
            "{place:?}"
        );
        assert!(rig.now >= before);
        assert_eq!(rig.status().phase, FollowTaskPhase::Healing, "{place:?}");
    }
}

#[test]
fn a_success_ends_what_is_told_of_a_failure_but_not_its_count() {
    let (mut rig, id) = at(At::Read);
    rig.heal_failed(id, retryable());
    let (id, _) = rig.next_heal();
    rig.healed(id, HealOutcome::Held(held(&[40], 41, 40)));
    let heal = rig.status().heal.unwrap();
    assert_eq!((heal.failures, heal.exception), (1, None));
}

#[test]
fn a_follower_that_staged_something_else_is_asked_again_what_is_next() {
    let (mut rig, id) = at(At::Stage);
    rig.healed(id, HealOutcome::Staged(seq(39)));
    let (id, work) = rig.next_heal();
    assert_eq!(kind(&work), At::Begin);
    rig.healed(id, HealOutcome::Begun(seq(39)));
    assert_eq!(rig.held_read().1, 39);
}

#[test]
fn a_live_set_that_could_not_be_installed_is_not_tried_again_but_a_newer_one() {
    let (mut rig, id) = at(At::Install);
    rig.heal_failed(id, retryable());
    let (id, _) = rig.next_heal();
    rig.healed(id, HealOutcome::Begun(seq(41)));
    let (id, from, to) = rig.held_read();
    assert_eq!((from, to), (41, None));
    rig.healed(id, HealOutcome::Held(held(&[], 41, 40)));
    assert_eq!(kind(&rig.next_heal().1), At::LiveSet);
}

#[test]
fn pauses_grow_with_the_failures_in_a_row_and_the_lag_is_not_known_meanwhile() {
    let (mut rig, mut id) = at(At::Read);
    let begin = rig.now;
    for _ in 0..40 {
        rig.heal_failed(id, retryable());
        (id, _) = rig.next_heal();
    }
    let passed = rig.now.since(begin);
    assert!(
        passed > Duration::from_secs(5) && passed < Duration::from_secs(30),
        "{passed:?}"
    );
    rig.heal_failed(id, retryable());
    assert!(
        rig.status().follower_to_leader_lag_millis >= 5000,
        "{:?}",
        rig.status()
    );
    rig.healed(id, HealOutcome::Begun(seq(10)));
    assert_eq!(rig.core.ignored_events(), 1, "the attempt had ended");
}

#[test]
fn a_failure_that_cannot_pass_ends_the_task() {
    for place in ALL {
        let (mut rig, id) = at(place);
        rig.heal_failed(id, fatal());
        let status = rig.status();
        assert_eq!(
            (status.phase, status.fatal_exception, status.heal),
            (FollowTaskPhase::Failed, Some(fatal()), None),
            "{place:?}"
        );
        assert_eq!(rig.core.used_bytes(), 0);
    }
}

#[test]
fn a_leader_that_knows_no_heal_ends_the_task_as_if_there_were_none() {
    for place in [At::Read, At::LiveSet] {
        let (mut rig, id) = at(place);
        let unknown = Exception::new(ExceptionKind::Unsupported, "unknown method");
        rig.heal_failed(id, unknown.clone());
        assert_eq!(
            rig.status().fatal_exception,
            Some(missing(10, 73).with_cause(unknown))
        );
    }
}

#[test]
fn a_copy_of_the_leader_that_is_behind_is_asked_again() {
    // The one that tells what is live ends before what was received.
    let mut rig = healing();
    let id = rig.received(40);
    rig.healed(id, HealOutcome::LiveSet(Box::new(live_set(39))));
    let (id, work) = rig.next_heal();
    assert_eq!(
        (kind(&work), rig.status().heal.unwrap().failures),
        (At::LiveSet, 1)
    );
    // The one that is read from ends before what is live.
    rig.healed(id, HealOutcome::LiveSet(Box::new(live_set(42))));
    let (id, from, _) = rig.held_read();
    rig.healed(id, HealOutcome::Held(held(&[], from, 40)));
    assert_eq!(rig.status().heal.unwrap().failures, 2);
    let (id, from, to) = rig.held_read();
    assert_eq!((from, to), (41, Some(42)));
    rig.healed(id, HealOutcome::Held(held(&[42], 43, 42)));
    assert_eq!(kind(&rig.next_heal().1), At::Stage);
}

#[test]
fn a_copy_that_is_behind_what_another_told_is_not_asked_without_a_pause() {
    let (mut rig, id) = at(At::Read);
    rig.healed(id, HealOutcome::Held(held(&[12], 21, 40)));
    let works = rig.heals();
    let [(stage, HealWork::Stage { .. }), (read, HealWork::ReadHeld(_))] = &works[..] else {
        panic!("not both: {works:?}")
    };
    let (stage, read) = (*stage, *read);
    rig.healed(stage, HealOutcome::Staged(seq(21)));
    rig.healed(read, HealOutcome::Held(held(&[], 21, 20)));
    let heal = rig.status().heal.unwrap();
    assert_eq!((heal.failures, heal.exception.is_some()), (1, true));
    let (id, from, to) = rig.held_read();
    assert_eq!((from, to), (21, None));
    rig.healed(id, HealOutcome::Held(held(&[40], 41, 40)));
    assert_eq!(kind(&rig.next_heal().1), At::Stage);
}

#[test]
fn answers_that_cannot_be_right_are_failures_and_those_beyond_the_limits_are_cut() {
    let wrong = [
        ("before what was asked for", held(&[9], 20, 40)),
        ("twice the same", held(&[12, 12], 20, 40)),
        ("not in order", held(&[13, 12], 20, 40)),
        ("behind its own end", held(&[20], 20, 40)),
        ("an end before the beginning", held(&[], 9, 40)),
        ("an end above the checkpoint", held(&[12], 42, 40)),
        ("an end above no checkpoint", held(&[12], 13, -1)),
    ];
    for (what, response) in wrong {
        let (mut rig, id) = at(At::Read);
        rig.healed(id, HealOutcome::Held(response));
        let heal = rig.status().heal.unwrap();
        assert_eq!((heal.failures, heal.operations), (1, 0), "{what}");
    }
    // 64 operations were asked for.
    let (mut rig, id) = at(At::Read);
    let many: Vec<u64> = (10..100).collect();
    rig.healed(id, HealOutcome::Held(held(&many, 120, 200)));
    let works = rig.heals();
    let HealWork::Stage { frames, next, .. } = &works[0].1 else {
        panic!("{works:?}")
    };
    assert_eq!((frames.len(), next.get()), (64, 74));
}

#[test]
fn a_copy_of_another_history_is_not_taken_for_the_healed_one() {
    let (mut rig, id) = at(At::Install);
    let other = FollowerState {
        history_uuid: "other".parse().unwrap(),
        ..state(40)
    };
    rig.healed(id, HealOutcome::Installed(other));
    let exception = rig.status().fatal_exception.unwrap();
    assert_eq!(exception.kind(), ExceptionKind::IllegalState);
    assert!(exception.reason().contains(&history().to_string()), "{exception}");
}
