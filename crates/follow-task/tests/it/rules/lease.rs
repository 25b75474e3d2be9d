//! The retention lease.

use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use follow_task::{Action, Event, FollowerState};

use crate::harness::{Rig, answer, appended, fatal, history, opt, reads, retryable, seq, state, writes};

/// After an unfollow the lease is gone for good reason: a renewal that was under way must not bring it back.
#[test]
fn a_lease_that_is_gone_is_not_added_once_the_task_is_cancelled() {
    let mut rig = Rig::new(reads(64, 1));
    rig.step(Event::Wake);
    let [Action::QueryFollowerState { id }] = rig.take()[..] else {
        panic!("no question")
    };
    let known = FollowerState {
        history_uuid: history(),
        global_checkpoint: opt(10),
        max_seq_no: opt(20),
    };
    rig.step(Event::FollowerState {
        id,
        result: Ok(known),
    });
    let Action::RenewRetentionLease { id, .. } = rig.actions.remove(0) else {
        panic!("no renewal first")
    };
    rig.step(Event::Cancel);
    rig.take();
    let gone = Exception::new(ExceptionKind::RetentionLeaseNotFound, "gone");
    rig.step(Event::LeaseFinished {
        id,
        result: Err(gone),
    });
    assert_eq!(rig.take(), []);
}

#[test]
fn the_lease_keeps_what_is_not_durable_and_is_added_when_gone() {
    let mut rig = Rig::new(reads(64, 1));
    rig.step(Event::Wake);
    let [Action::QueryFollowerState { id }] = rig.take()[..] else {
        panic!("no question")
    };
    let known = FollowerState {
        history_uuid: history(),
        global_checkpoint: opt(10),
        max_seq_no: opt(20),
    };
    rig.step(Event::FollowerState {
        id,
        result: Ok(known),
    });
    // Elasticsearch renews for the first time after 30 s; a lease may be nearly expired after a long pause.
    let Action::RenewRetentionLease { id, retaining } = rig.actions.remove(0) else {
        panic!("no renewal first")
    };
    assert_eq!(retaining, seq(11));
    let gone = Exception::new(ExceptionKind::RetentionLeaseNotFound, "gone");
    rig.step(Event::LeaseFinished {
        id,
        result: Err(gone),
    });
    let Some(Action::AddRetentionLease { id, retaining }) = rig.actions.pop() else {
        panic!("not added")
    };
    assert_eq!(retaining, seq(11));
    rig.step(Event::LeaseFinished {
        id,
        result: Err(retryable()),
    });
    assert!(rig.status().retention_lease_exception.is_some());
    rig.take();
    let before = rig.now;
    while !rig
        .actions
        .iter()
        .any(|action| matches!(action, Action::RenewRetentionLease { .. }))
    {
        rig.wake();
    }
    let pause = rig.now.since(before);
    assert!(
        pause >= Duration::from_secs(30) && pause < Duration::from_secs(31),
        "{pause:?}"
    );
}

const INTERVAL: Duration = Duration::from_secs(30);

fn of_kind(kind: ExceptionKind) -> Exception {
    Exception::new(kind, "the leader's answer")
}

/// A task that has asked for its first renewal, of a follower of which nothing is durable.
fn renewing() -> (Rig, follow_task::LeaseRequestId) {
    let mut rig = Rig::new(reads(64, 1));
    rig.step(Event::Wake);
    let id = rig.question();
    rig.state_known(
        id,
        Ok(FollowerState {
            global_checkpoint: None,
            ..state(5)
        }),
    );
    let (id, retaining) = rig.renewal().expect("no renewal");
    assert_eq!(retaining, seq(0), "all that is not durable is kept");
    rig.take();
    (rig, id)
}

#[test]
fn only_failures_that_leave_the_leader_without_a_good_lease_are_shown() {
    use ExceptionKind::{
        IndexNotFound, NoSuchRemoteCluster, RetentionLeaseAlreadyExists,
        RetentionLeaseInvalidRetainingSeqNo as Invalid, RetentionLeaseNotFound as NotFound,
    };
    // (answer to the renewal, answer to the addition if one follows, what is shown)
    type Failure = Option<ExceptionKind>;
    let cases: [(Failure, Option<Failure>, Failure); 9] = [
        (None, None, None),
        (Some(Invalid), None, None),
        (Some(NoSuchRemoteCluster), None, Some(NoSuchRemoteCluster)),
        (Some(IndexNotFound), None, Some(IndexNotFound)),
        (Some(NotFound), Some(None), None),
        (Some(NotFound), Some(Some(RetentionLeaseAlreadyExists)), None),
        (Some(NotFound), Some(Some(Invalid)), None),
        (Some(NotFound), Some(Some(NotFound)), Some(NotFound)),
        (Some(NotFound), Some(Some(IndexNotFound)), Some(IndexNotFound)),
    ];
    let result = |kind: Option<ExceptionKind>| kind.map_or(Ok(()), |kind| Err(of_kind(kind)));
    for (renewed, added, shown) in cases {
        let (mut rig, id) = renewing();
        rig.lease_done(id, result(renewed));
        let addition = rig.take().into_iter().find_map(|action| match action {
            Action::AddRetentionLease { id, retaining } => Some((id, retaining)),
            _ => None,
        });
        assert_eq!(addition.is_some(), added.is_some(), "{renewed:?}");
        if let (Some((id, retaining)), Some(added)) = (addition, added) {
            assert_eq!(retaining, seq(0), "the value that was to be renewed");
            rig.lease_done(id, result(added));
        }
        let status = rig.status();
        let exception = status.retention_lease_exception.map(|exception| exception.kind());
        assert_eq!(exception, shown, "{renewed:?}, then {added:?}");
        assert_eq!(status.fatal_exception, None, "a lease is never fatal");
        let ended = rig.now;
        rig.until(|action| matches!(action, Action::RenewRetentionLease { .. }));
        let pause = rig.now.since(ended);
        assert!(
            pause >= INTERVAL && pause <= INTERVAL + Duration::from_millis(20),
            "{pause:?}"
        );
        let (id, _) = rig.renewal().unwrap();
        rig.lease_done(id, Ok(()));
        assert_eq!(rig.status().retention_lease_exception, None);
    }
}

#[test]
fn the_lease_follows_what_is_durable_and_not_what_is_there() {
    let mut rig = Rig::started(writes(8, 9), -1);
    let (id, retaining) = rig.renewal().unwrap();
    assert_eq!(retaining, seq(0));
    rig.lease_done(id, Ok(()));
    let id = rig.one_read(0, 1000);
    rig.read_done(id, Ok(answer(0..8, 7)));
    let append = rig.appends()[0].0;
    rig.step(Event::AppendFinished {
        id: append,
        result: appended(4, 7),
    });
    rig.until(|action| matches!(action, Action::RenewRetentionLease { .. }));
    assert_eq!(rig.renewal().map(|(_, retaining)| retaining), Some(seq(5)));
}

#[test]
fn one_renewal_at_a_time() {
    let (mut rig, id) = renewing();
    rig.now = rig.now.after(10 * INTERVAL);
    rig.step(Event::Wake);
    assert_eq!(rig.renewal(), None, "the first is not answered");
    rig.lease_done(id, Ok(()));
    assert_eq!(rig.renewal(), None, "the pause counts from the answer");
    rig.now = rig.now.after(INTERVAL);
    rig.step(Event::Wake);
    assert!(rig.renewal().is_some());
}

#[test]
fn a_stopped_task_renews_no_more_and_adds_nothing() {
    let stops: [fn(&mut Rig); 2] = [
        |rig| rig.step(Event::Cancel),
        |rig| {
            rig.sync(Err(fatal()));
        },
    ];
    for stop in stops {
        for under_way in [true, false] {
            let mut rig = Rig::new(reads(64, 1));
            rig.step(Event::Wake);
            let id = rig.question();
            rig.state_known(id, Ok(state(5)));
            let (id, _) = rig.renewal().unwrap();
            if !under_way {
                rig.lease_done(id, Ok(()));
            }
            stop(&mut rig);
            rig.take();
            if under_way {
                rig.lease_done(id, Err(of_kind(ExceptionKind::RetentionLeaseNotFound)));
            }
            rig.now = rig.now.after(10 * INTERVAL);
            rig.step(Event::Wake);
            assert_eq!((rig.take(), rig.core.next_wake()), (vec![], None));
        }
    }
}

#[test]
fn a_failure_is_shown_until_the_leader_holds_a_good_lease() {
    let (mut rig, id) = renewing();
    rig.lease_done(id, Err(of_kind(ExceptionKind::NoSuchRemoteCluster)));
    rig.until(|action| matches!(action, Action::RenewRetentionLease { .. }));
    let (id, _) = rig.renewal().unwrap();
    rig.lease_done(id, Err(of_kind(ExceptionKind::RetentionLeaseNotFound)));
    let shown = |rig: &Rig| rig.status().retention_lease_exception.is_some();
    assert!(shown(&rig), "the lease is being added, and may not be");
    let Some(Action::AddRetentionLease { id, .. }) = rig.take().pop() else {
        panic!("not added")
    };
    rig.lease_done(id, Ok(()));
    assert!(!shown(&rig));
}

#[test]
fn what_is_left_of_a_lease_counts_from_when_its_last_renewal_was_sent() {
    const PERIOD: Duration = Duration::from_secs(3600);
    let left = |rig: &Rig| rig.status().retention_lease_left(PERIOD);
    let (mut rig, id) = renewing();
    assert_eq!(left(&rig), None, "no renewal has succeeded");
    let sent = rig.now;
    rig.now = rig.now.after(Duration::from_secs(2));
    rig.lease_done(id, Ok(()));
    let since = |rig: &Rig| Some(PERIOD.saturating_sub(rig.now.since(sent)));
    assert_eq!(left(&rig), since(&rig));

    // Neither a failure nor the answer that the leader's lease is another one makes the leader keep it longer.
    let other = [
        ExceptionKind::NoSuchRemoteCluster,
        ExceptionKind::RetentionLeaseInvalidRetainingSeqNo,
    ];
    for kind in other {
        rig.until(|action| matches!(action, Action::RenewRetentionLease { .. }));
        let (id, _) = rig.renewal().unwrap();
        rig.lease_done(id, Err(of_kind(kind)));
        assert_eq!(left(&rig), since(&rig), "{kind:?}");
    }
    rig.now = rig.now.after(2 * PERIOD);
    assert_eq!(left(&rig), Some(Duration::ZERO), "it may have expired");

    rig.until(|action| matches!(action, Action::RenewRetentionLease { .. }));
    let (id, _) = rig.renewal().unwrap();
    rig.now = rig.now.after(Duration::from_secs(5));
    rig.lease_done(id, Err(of_kind(ExceptionKind::RetentionLeaseNotFound)));
    let added = rig.now;
    let Some(Action::AddRetentionLease { id, .. }) = rig.take().pop() else {
        panic!("not added")
    };
    rig.lease_done(id, Ok(()));
    let since_added = PERIOD.saturating_sub(rig.now.since(added));
    assert_eq!(left(&rig), Some(since_added), "a new lease");
}
