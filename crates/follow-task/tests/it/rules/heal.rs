//! Operations that the leader has removed are got over by a delta heal.

use es_exception::{Exception, ExceptionKind};
use follow_task::{Event, FollowTaskPhase, HealOutcome, HealStage, HealWork, LiveSetResponse};

use super::heal_rig::{ALL, At, at, healing, held, kind, live_set, snapshot, versions};
use crate::harness::{
    Rig, answer, appended, config, fatal, missing, opt, reads, retryable, seq, state, writes,
};

#[test]
fn a_heal_stages_what_the_leader_holds_while_more_comes_then_installs_and_follows_on() {
    let mut rig = healing();
    assert_eq!(rig.status().phase, FollowTaskPhase::Healing);
    let read = rig.begun(10);
    rig.healed(read, HealOutcome::Held(held(&[12, 20], 21, 40)));
    // The next read is under way while this answer is staged.
    let [
        (stage, HealWork::Stage { from, frames, next }),
        (read, HealWork::ReadHeld(request)),
    ] = &rig.heals()[..]
    else {
        panic!("not both")
    };
    assert_eq!((from.get(), frames.len(), next.get()), (10, 2, 21));
    assert_eq!((request.from, request.to), (seq(21), None));
    let (stage, read) = (*stage, *read);
    rig.healed(read, HealOutcome::Held(held(&[40], 41, 41)));
    assert_eq!(rig.heals(), [], "one answer waits, nothing more is asked for");
    let heal = rig.status().heal.unwrap();
    assert_eq!(
        (
            heal.stage,
            heal.from_seq_no,
            heal.next_seq_no,
            heal.to_seq_no,
            heal.operations
        ),
        (HealStage::ReadingOperations, seq(10), seq(10), opt(41), 3)
    );
    rig.healed(stage, HealOutcome::Staged(seq(21)));
    let (stage, work) = rig.next_heal();
    assert!(
        matches!(work, HealWork::Stage { from, .. } if from == seq(21)),
        "{work:?}"
    );
    rig.healed(stage, HealOutcome::Staged(seq(41)));
    // Where the leader ended at first: what came since is not chased.
    let (id, work) = rig.next_heal();
    assert_eq!(
        (work, rig.status().heal.unwrap().stage),
        (HealWork::ReadLiveSet, HealStage::ReadingLiveSet)
    );
    // Meanwhile the leader has gone on: the rest, and no more than that, is fetched.
    rig.healed(id, HealOutcome::LiveSet(Box::new(live_set(44))));
    let (read, from, to) = rig.held_read();
    assert_eq!((from, to), (41, Some(44)));
    rig.healed(read, HealOutcome::Held(held(&[43, 44], 45, 60)));
    let (stage, _) = rig.next_heal();
    rig.healed(stage, HealOutcome::Staged(seq(45)));
    let (id, work) = rig.next_heal();
    assert_eq!(work, HealWork::Install(Box::new(snapshot(44))));
    assert_eq!(rig.status().heal.unwrap().stage, HealStage::Installing);
    rig.healed(id, HealOutcome::Installed(state(44)));
    let status = rig.status();
    assert_eq!(
        (
            status.phase,
            status.heal,
            status.successful_heals,
            status.follower_global_checkpoint
        ),
        (FollowTaskPhase::Following, None, 1, opt(44))
    );
    assert_eq!(status.fatal_exception, None);
    rig.one_read(45, 64);
}

#[test]
fn the_lease_is_renewed_at_once() {
    let mut rig = Rig::started(reads(64, 2), 9);
    let id = rig.one_read(10, 64);
    let (renewal, _) = rig.renewal().unwrap();
    rig.lease_done(renewal, Ok(()));
    rig.read_done(id, Err(missing(10, 73)));
    assert_eq!(rig.renewal().map(|(_, retaining)| retaining), Some(seq(10)));
}

#[test]
fn without_auto_heal_missing_operations_end_the_task_with_the_documented_exception() {
    let mut rig = Rig::started(reads(64, 2), 9);
    let id = rig.one_read(10, 64);
    rig.take();
    let mut off = config(reads(64, 2));
    off.auto_heal = false;
    let mut other = Rig::started_with(off, 9);
    let other_id = other.one_read(10, 64);
    other.take();
    other.read_done(other_id, Err(missing(10, 73)));
    let status = other.status();
    assert_eq!(
        (status.phase, status.fatal_exception, status.heal),
        (FollowTaskPhase::Failed, Some(missing(10, 73)), None)
    );
    assert_eq!(other.heals(), []);
    // Nothing else of this kind is healed: the index may be gone.
    let gone = Exception::new(ExceptionKind::ResourceNotFound, "no such shard");
    rig.read_done(id, Err(gone.clone()));
    assert_eq!(rig.status().fatal_exception, Some(gone));
}

#[test]
fn batches_under_way_end_first_even_if_they_fail() {
    let mut rig = Rig::started(writes(8, 9), -1);
    let id = rig.one_read(0, 1000);
    rig.read_done(id, Ok(answer(0..8, 40)));
    let append = rig.appends()[0].0;
    let id = rig.one_read(8, 1000);
    rig.read_done(id, Err(missing(8, 40)));
    assert_eq!(rig.status().heal.unwrap().stage, HealStage::WaitingForWrites);
    rig.write_failed(append, retryable());
    let question = rig.question();
    assert_eq!(rig.heals(), []);
    rig.state_known(question, Ok(state(3)));
    let append = rig.appends()[0].0;
    assert_eq!(rig.heals(), []);
    rig.write_done(append, 7);
    rig.begun(8);
}

#[test]
fn what_was_read_and_not_handed_out_is_dropped_and_got_again() {
    let mut rig = Rig::started(reads(8, 3), 9);
    let id = rig.one_read(10, 8);
    rig.read_done(id, Ok(answer(10..10, 63)));
    let three = rig.reads();
    rig.read_done(three[1].0, Ok(answer(18..26, 63)));
    let fourth = rig.one_read(34, 8);
    rig.take();
    assert_eq!(rig.status().write_buffer_operation_count, 8);
    rig.read_done(three[0].0, Err(missing(10, 17)));
    let status = rig.status();
    assert_eq!(
        (status.write_buffer_operation_count, status.read_exceptions.len()),
        (0, 0)
    );
    // Answers and failures that come later bring nothing and harm nothing.
    rig.read_done(fourth, Ok(answer(34..42, 63)));
    rig.read_done(three[2].0, Err(missing(26, 33)));
    let (id, work) = rig.next_heal();
    assert_eq!((work, rig.core.used_bytes()), (HealWork::Begin, 0));
    rig.healed(id, HealOutcome::Begun(seq(10)));
    let (id, _, _) = rig.held_read();
    // Another copy tells less than was known before.
    rig.healed(id, HealOutcome::Held(held(&[20], 21, 20)));
    let (id, _) = rig.next_heal();
    rig.healed(id, HealOutcome::Staged(seq(21)));
    let (id, _) = rig.next_heal();
    rig.healed(id, HealOutcome::LiveSet(Box::new(live_set(20))));
    let (id, _) = rig.next_heal();
    rig.healed(id, HealOutcome::Installed(state(20)));
    let mut read: Vec<u64> = Vec::new();
    for _ in 0..9 {
        for (id, request) in rig.reads() {
            let end = (request.from.get() + u64::from(request.max_operation_count)).min(64);
            read.extend(request.from.get()..end);
            rig.read_done(id, Ok(answer(request.from.get()..end, 63)));
        }
    }
    read.sort_unstable();
    read.dedup();
    assert_eq!(read, (21..64).collect::<Vec<_>>());
}

#[test]
fn a_read_from_before_a_heal_that_fails_after_it_begins_no_other() {
    let mut rig = Rig::started(reads(8, 3), 9);
    let id = rig.one_read(10, 8);
    rig.read_done(id, Ok(answer(10..10, 63)));
    let three = rig.reads();
    rig.take();
    rig.read_done(three[0].0, Err(missing(10, 17)));
    let id = rig.installing(63);
    rig.healed(id, HealOutcome::Installed(state(63)));
    rig.read_done(three[1].0, Err(missing(18, 25)));
    let status = rig.status();
    assert_eq!(
        (status.phase, status.successful_heals, status.fatal_exception),
        (FollowTaskPhase::Following, 1, None)
    );
}

#[test]
fn reads_that_pause_after_a_failure_give_way_to_a_heal() {
    let mut rig = Rig::started(reads(8, 3), 9);
    let id = rig.one_read(10, 8);
    rig.read_done(id, Ok(answer(10..10, 63)));
    let three = rig.reads();
    rig.read_done(three[1].0, Err(retryable()));
    rig.read_done(three[0].0, Err(missing(10, 17)));
    assert_eq!(rig.status().read_exceptions, []);
    let id = rig.installing(63);
    assert_eq!(rig.reads(), [], "the heal gets it all");
    rig.healed(id, HealOutcome::Installed(state(63)));
    assert_eq!(rig.status().outstanding_read_requests, 1, "the third from before");
}

#[test]
fn an_idle_follower_is_asked_for_its_checkpoint_during_a_heal_too() {
    // Found by simulation: the question was due and never asked, and the task was woken for it over and over.
    let mut rig = Rig::started(writes(8, 9), -1);
    let id = rig.one_read(0, 1000);
    rig.read_done(id, Ok(answer(0..8, 40)));
    let append = rig.appends()[0].0;
    let id = rig.one_read(8, 1000);
    rig.step(Event::AppendFinished {
        id: append,
        result: appended(3, 7),
    });
    rig.read_done(id, Err(missing(8, 40)));
    let id = rig.begun(8);
    let question = rig.question();
    rig.state_known(question, Ok(state(7)));
    assert_eq!(rig.status().follower_global_checkpoint, opt(7));
    rig.healed(id, HealOutcome::Held(held(&[40], 41, 40)));
    assert_eq!(kind(&rig.next_heal().1), At::Stage);
}

#[test]
fn nothing_is_installed_before_the_metadata_that_it_needs() {
    let mut rig = healing();
    let id = rig.received(40);
    let response = LiveSetResponse {
        versions: versions(3),
        ..live_set(40)
    };
    rig.healed(id, HealOutcome::LiveSet(Box::new(response)));
    for _ in 0..3 {
        assert_eq!(rig.heals(), []);
        rig.sync(Ok(3));
    }
    let (_, work) = rig.next_heal();
    assert_eq!(kind(&work), At::Install);
}

#[test]
fn what_a_heal_holds_is_counted_and_given_back() {
    let (mut rig, id) = at(At::Read);
    let reserved = rig.core.used_bytes();
    assert!(reserved > 0, "set aside for the answer");
    let response = held(&[12, 20], 21, 20);
    let bytes: u64 = response.frames.iter().map(oplog::Frame::estimated_size).sum();
    rig.healed(id, HealOutcome::Held(response));
    assert_eq!(rig.core.used_bytes(), bytes);
    let (id, _) = rig.next_heal();
    rig.healed(id, HealOutcome::Staged(seq(21)));
    assert_eq!(rig.core.used_bytes(), 0);
}

#[test]
fn a_cancelled_heal_holds_nothing_and_asks_for_nothing() {
    for place in ALL {
        let (mut rig, id) = at(place);
        rig.step(Event::Cancel);
        rig.take();
        assert_eq!(
            (rig.core.used_bytes(), rig.core.next_wake()),
            (0, None),
            "{place:?}"
        );
        rig.heal_failed(id, fatal());
        assert_eq!(rig.take(), []);
        assert_eq!(rig.status().phase, FollowTaskPhase::Cancelled);
    }
}
