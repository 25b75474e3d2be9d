//! Operations that the leader has removed are got over by a delta heal.

use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use follow_task::{
    Action, Event, FollowTaskPhase, FollowerState, HealId, HealOutcome, HealStage, HealWork, HeldReadRequest,
    HeldReadResponse, LiveSetResponse, MetadataVersions,
};
use oplog::{Digest, LiveSet, LiveSnapshot, UnixMillis};

use crate::harness::{
    Rig, answer, appended, config, fatal, frame, history, missing, opt, reads, retryable, seq, size, state,
    writes,
};

fn versions(version: u64) -> MetadataVersions {
    MetadataVersions {
        mapping: version,
        settings: version,
        aliases: version,
    }
}

fn held(seq_nos: &[u64], next: u64, checkpoint: i64) -> HeldReadResponse {
    HeldReadResponse {
        frames: seq_nos.iter().map(|seq_no| frame(*seq_no, b"{}")).collect(),
        next: seq(next),
        global_checkpoint: opt(checkpoint),
        versions: versions(1),
        leader_now: UnixMillis::new(2_000_000),
    }
}

fn snapshot(max_seq_no: u64) -> LiveSnapshot {
    LiveSnapshot {
        max_seq_no: seq(max_seq_no),
        live: LiveSet::new(),
        digest: Digest::default(),
        terms: Vec::new(),
        max_seq_no_of_updates_or_deletes: None,
    }
}

fn live_set(max_seq_no: u64) -> LiveSetResponse {
    LiveSetResponse {
        snapshot: snapshot(max_seq_no),
        versions: versions(1),
        leader_now: UnixMillis::new(2_000_000),
    }
}

/// A follower that ends with operation 9, and whose read found that operations are gone.
fn healing() -> Rig {
    let mut rig = Rig::started(reads(64, 2), 9);
    let id = rig.one_read(10, 64);
    rig.take();
    rig.read_done(id, Err(missing(10, 73)));
    rig
}

impl Rig {
    /// Takes out the pieces of work of a heal.
    fn heals(&mut self) -> Vec<(HealId, HealWork)> {
        let (heals, rest) = self
            .take()
            .into_iter()
            .partition(|action| matches!(action, Action::Heal { .. }));
        self.actions = rest;
        let heal = |action| match action {
            Action::Heal { id, work } => (id, work),
            _ => unreachable!(),
        };
        Vec::into_iter(heals).map(heal).collect()
    }

    /// Lets time pass until the heal wants one piece of work, and takes it out.
    fn next_heal(&mut self) -> (HealId, HealWork) {
        self.until(|action| matches!(action, Action::Heal { .. }));
        let mut heals = self.heals();
        assert_eq!(heals.len(), 1, "{heals:?}");
        heals.remove(0)
    }

    fn healed(&mut self, id: HealId, outcome: HealOutcome) {
        self.step(Event::HealFinished {
            id,
            result: Ok(outcome),
        });
    }

    fn heal_failed(&mut self, id: HealId, exception: Exception) {
        let result = Err(exception);
        self.step(Event::HealFinished { id, result });
    }

    /// Answers the beginning, and takes out the first read.
    fn begun(&mut self, next: u64) -> HealId {
        let (id, work) = self.next_heal();
        assert_eq!(work, HealWork::Begin);
        self.healed(id, HealOutcome::Begun(seq(next)));
        let (id, from, _) = self.held_read();
        assert_eq!(from, next);
        id
    }

    /// Takes out the only piece of work, a read: its id, first and last operation.
    fn held_read(&mut self) -> (HealId, u64, Option<u64>) {
        match self.next_heal() {
            (id, HealWork::ReadHeld(HeldReadRequest { from, to, .. })) => {
                (id, from.get(), to.map(|to| to.get()))
            }
            (_, work) => panic!("no read: {work:?}"),
        }
    }

    /// Goes through a heal whose leader ends with operation `last` and holds it, up to the question for what is live.
    fn received(&mut self, last: u64) -> HealId {
        let id = self.begun(10);
        self.healed(id, HealOutcome::Held(held(&[last], last + 1, last as i64)));
        let (id, work) = self.next_heal();
        assert!(matches!(work, HealWork::Stage { .. }), "{work:?}");
        self.healed(id, HealOutcome::Staged(seq(last + 1)));
        let (id, work) = self.next_heal();
        assert_eq!(work, HealWork::ReadLiveSet);
        id
    }

    /// The same up to the installation.
    fn installing(&mut self, last: u64) -> HealId {
        let id = self.received(last);
        self.healed(id, HealOutcome::LiveSet(Box::new(live_set(last))));
        let (id, work) = self.next_heal();
        assert_eq!(work, HealWork::Install(Box::new(snapshot(last))));
        id
    }
}

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

/// A piece of work of a heal, by its place in the order.
#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    Begin,
    Read,
    Stage,
    LiveSet,
    Install,
}

const ALL: [At; 5] = [At::Begin, At::Read, At::Stage, At::LiveSet, At::Install];

fn kind(work: &HealWork) -> At {
    match work {
        HealWork::Begin => At::Begin,
        HealWork::ReadHeld(_) => At::Read,
        HealWork::Stage { .. } => At::Stage,
        HealWork::ReadLiveSet => At::LiveSet,
        HealWork::Install(_) => At::Install,
    }
}

/// A heal whose next piece of work is this one.
fn at(place: At) -> (Rig, HealId) {
    let mut rig = healing();
    let id = match place {
        At::Begin => rig.next_heal().0,
        At::Read => rig.begun(10),
        At::Stage => {
            let id = rig.begun(10);
            rig.healed(id, HealOutcome::Held(held(&[40], 41, 40)));
            rig.next_heal().0
        }
        At::LiveSet => rig.received(40),
        At::Install => rig.installing(40),
    };
    (rig, id)
}

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
    assert!(size(0..1) > 0);
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
