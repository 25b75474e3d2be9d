//! The retention lease.

use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use follow_task::{Action, Event, FollowerState};

use crate::harness::{Rig, history, opt, reads, retryable, seq};

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
