//! Retention leases through the life of a follower: bootstrap, following, pause, failure, unfollow, forget.

use ccr::{ForgetFollowerRequest, RecoveryStage};
use cluster::IndexState;
use es_exception::{Exception, ExceptionKind};
use indices::ResolveOptions;
use oplog::{SeqNo, UnixMillis};

use crate::leader_tap::{LeaseAction, LeaseCall};
use crate::support::{ALIAS, FOLLOWER_CLUSTER, Pair, checkpoints, in_time, until};

/// When the lease of `copy` was renewed last, on every shard of the leader.
fn timestamps(pair: &Pair) -> Vec<UnixMillis> {
    let id = pair.lease_id();
    let leases = pair.leader.leases("orders");
    let held = leases.iter().flatten().filter(|lease| lease.id == id);
    held.map(|lease| lease.timestamp).collect()
}

/// Waits until the lease was renewed on every shard.
async fn timestamps_rise(pair: &Pair) {
    let before = timestamps(pair);
    assert!(!before.is_empty());
    until("the timestamps rise", || {
        let now = timestamps(pair);
        now.len() == before.len() && now.iter().zip(&before).all(|(now, before)| now > before)
    })
    .await;
}

/// Checks that nothing is renewed while the witness is, several times.
async fn timestamps_stand_still(pair: &Pair) {
    // What was on its way to the leader may still arrive.
    pair.several_renewals().await;
    let before = timestamps(pair);
    pair.several_renewals().await;
    assert_eq!(timestamps(pair), before);
}

/// What was asked of the leader: which action, for everything or not, and the answer.
fn asked(calls: &[LeaseCall]) -> Vec<(LeaseAction, bool, Result<(), ExceptionKind>)> {
    calls
        .iter()
        .map(|call| (call.action, call.retaining.is_none(), call.answer))
        .collect()
}

fn has_no_leases(pair: &Pair) -> bool {
    pair.leader.leases("orders").iter().all(Vec::is_empty)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bootstrap_leaves_one_lease_on_every_leader_shard() {
    let pair = Pair::following(3).await;
    let leases = pair.leader.leases("orders");
    assert_eq!(leases.len(), 3);
    for leases in leases {
        let ids: Vec<_> = leases.iter().map(|lease| &lease.id).collect();
        assert_eq!(ids, [&pair.lease_id()]);
        assert_eq!(leases[0].source, "ccr");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_renewed_while_its_shard_is_copied_and_then_when_it_is_followed() {
    let pair = Pair::start(2).await;
    pair.leader.tap.second_shard_copies.close();
    pair.follower.begin_follow("orders", "copy").await.unwrap();
    until("the first shard is copied, the second is not", || {
        let stages: Vec<_> = pair
            .follower
            .ccr
            .recoveries("copy", &ResolveOptions::METADATA)
            .unwrap();
        let stages: Vec<_> = stages.iter().map(|status| status.stage).collect();
        stages == [RecoveryStage::Done, RecoveryStage::Init] && timestamps(&pair).len() == 2
    })
    .await;
    // What was on its way to the leader when the copy ended may still arrive.
    pair.renewals_of("copy", 5).await;
    let before = timestamps(&pair);
    pair.renewals_of("copy", 5).await;
    let now = timestamps(&pair);
    assert_eq!(
        now[0], before[0],
        "a shard that waits for following is not renewed"
    );
    assert!(now[1] > before[1], "a shard that is being copied is");
    let everything = pair.leader.tap.lease_calls("copy");
    assert!(
        everything.iter().all(|call| call.retaining.is_none()),
        "a copy needs all that the leader has"
    );

    pair.leader.tap.second_shard_copies.open();
    pair.caught_up().await;
    timestamps_rise(&pair).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_follow_the_checkpoint() {
    let pair = Pair::following(2).await;
    for round in 1..3 {
        timestamps_rise(&pair).await;
        pair.leader.write("orders", 100 * round..100 * round + 20).await;
        pair.caught_up().await;
        let next = |checkpoint: &Option<SeqNo>| checkpoint.map(|checkpoint| checkpoint.get() + 1);
        let wanted: Vec<_> = checkpoints(&pair.leader.shards("orders"))
            .iter()
            .map(next)
            .collect();
        until("leases retain what comes next", || {
            let leases = pair.leader.leases("orders");
            let retaining = leases
                .iter()
                .flatten()
                .map(|lease| Some(lease.retaining_seq_no.get()));
            retaining.eq(wanted.iter().copied())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_freezes_leases_and_a_resume_renews_them() {
    let pair = Pair::following(2).await;
    pair.start_witness().await;
    timestamps_rise(&pair).await;
    pair.follower.ccr.pause_follow("copy").await.unwrap();
    timestamps_stand_still(&pair).await;
    assert_eq!(timestamps(&pair).len(), 2, "a pause keeps the leases");
    pair.follower.resume("copy").await;
    timestamps_rise(&pair).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fatal_failure_ends_renewals() {
    let pair = Pair::following(1).await;
    pair.start_witness().await;
    let fatal = Exception::new(ExceptionKind::IllegalState, "unexpected history uuid");
    pair.leader.tap.fail_reads(pair.leader.uuid("orders"), fatal);
    until("the task fails", || {
        pair.follower.tasks("copy")[0].fatal_exception.is_some()
    })
    .await;
    timestamps_stand_still(&pair).await;
    assert_eq!(timestamps(&pair).len(), 1, "the lease stays until it expires");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_was_removed_under_a_follower_is_added_again_and_renewed() {
    let pair = Pair::following(2).await;
    for shard in pair.leader.shards("orders") {
        shard.log().remove_retention_lease(&pair.lease_id()).unwrap();
    }
    until("the leases are there again", || timestamps(&pair).len() == 2).await;
    timestamps_rise(&pair).await;
    let calls = pair.leader.tap.lease_calls("copy");
    let missed = |call: &LeaseCall| call.answer == Err(ExceptionKind::RetentionLeaseNotFound);
    for shard in 0..2 {
        // Without a renewal that the copy left on its way.
        let of_shard: Vec<_> = calls
            .iter()
            .filter(|call| call.shard.shard.get() == shard && call.retaining.is_some())
            .collect();
        let at = of_shard.iter().position(|call| missed(call)).unwrap();
        let (renewal, addition) = (of_shard[at], of_shard[at + 1]);
        assert_eq!(
            (addition.action, addition.retaining, addition.answer),
            (LeaseAction::Add, renewal.retaining, Ok(())),
            "added at once, with what the renewal asked for"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfollow_removes_leases_even_if_some_are_missing() {
    let pair = Pair::following(3).await;
    pair.follower.pause_and_close("copy").await;
    pair.leader.shards("orders")[1]
        .log()
        .remove_retention_lease(&pair.lease_id())
        .unwrap();
    pair.follower.ccr.unfollow("copy").await.unwrap();
    assert!(has_no_leases(&pair));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfollow_that_cannot_remove_leases_says_so_and_is_done_all_the_same() {
    for leader_is_gone in [false, true] {
        let mut pair = Pair::following(2).await;
        pair.follower.pause_and_close("copy").await;
        let lease = pair.lease_id().to_string();
        if leader_is_gone {
            pair.leader.stop_serving().await;
        } else {
            pair.leader.indices.close_index("orders").await.unwrap();
        }
        let unfollow = pair.follower.ccr.unfollow("copy");
        let failure = in_time("unfollow", unfollow).await.unwrap_err();
        assert_eq!(
            (failure.kind(), failure.status()),
            (ExceptionKind::Exception, 500),
            "{failure}"
        );
        assert_eq!(
            failure.metadata().get("es.failed_to_remove_retention_leases"),
            Some(&vec![lease]),
            "leader is gone: {leader_is_gone}"
        );
        assert!(failure.caused_by().is_some());

        let state = pair.follower.cluster.state();
        let copy = state.require_index("copy").unwrap();
        assert_eq!(
            (copy.is_follower(), copy.state, copy.custom.len()),
            (false, IndexState::Close, 0)
        );
        assert!(pair.follower.indices.open_index("copy").await.unwrap());
        pair.follower.write("copy", 0..30).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_comes_after_unfollow_does_not_bring_the_lease_back() {
    let pair = Pair::following(1).await;
    let tap = &pair.leader.tap;
    tap.renewals.close();
    until("a renewal is on its way", || tap.renewals.waiting() > 0).await;
    pair.follower.pause_and_close("copy").await;
    pair.follower.ccr.unfollow("copy").await.unwrap();
    assert!(has_no_leases(&pair));
    tap.forget_calls();
    tap.renewals.open();
    until("the renewal is over", || tap.renewals.waiting() == 0).await;
    pair.start_witness().await;
    pair.several_renewals().await;
    let calls = tap.lease_calls("copy");
    assert!(
        calls.iter().all(|call| call.action == LeaseAction::Renew),
        "{calls:?}"
    );
    assert!(has_no_leases(&pair));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_and_closed_follower_is_forgotten_once() {
    let pair = Pair::following(2).await;
    pair.follower.pause_and_close("copy").await;
    let request = ForgetFollowerRequest {
        follower_cluster: Some(FOLLOWER_CLUSTER.to_owned()),
        follower_index: Some("copy".to_owned()),
        follower_index_uuid: Some(pair.follower.uuid("copy").to_string()),
        leader_remote_cluster: Some(ALIAS.to_owned()),
    };
    let forget = || pair.leader.ccr.forget_follower("orders", request.clone());
    let forgotten = forget().await.unwrap();
    assert_eq!((forgotten.total, forgotten.successful), (2, 2), "{forgotten:?}");
    assert!(forgotten.failures.is_empty() && has_no_leases(&pair));

    let again = forget().await.unwrap();
    assert_eq!((again.total, again.successful), (2, 0));
    let failures: Vec<_> = again
        .failures
        .iter()
        .map(|(shard, error)| (shard.get(), error.kind()))
        .collect();
    let unknown = ExceptionKind::RetentionLeaseNotFound;
    assert_eq!(failures, [(0, unknown), (1, unknown)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_takes_over_the_lease_of_the_copy_before_it() {
    let pair = Pair::following(2).await;
    pair.follower.pause_and_close("copy").await;
    assert_eq!(timestamps(&pair).len(), 2, "the lease is kept");
    pair.leader.tap.forget_calls();
    pair.follower.follow("orders", "copy").await;
    pair.caught_up().await;
    let copies = pair.leader.tap.lease_calls_before_copies();
    assert_eq!(copies.len(), 2);
    let exists = Err(ExceptionKind::RetentionLeaseAlreadyExists);
    for calls in copies {
        // Behind these, a copy renews by its timer.
        assert_eq!(
            asked(&calls[..2]),
            [
                (LeaseAction::Add, true, exists),
                (LeaseAction::Renew, true, Ok(()))
            ]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_goes_while_a_copy_takes_it_over_is_added_once_more() {
    let pair = Pair::start(1).await;
    let exists = ExceptionKind::RetentionLeaseAlreadyExists;
    pair.leader.tap.answer_next(LeaseAction::Add, exists);
    pair.follower.follow("orders", "copy").await;
    let missing = ExceptionKind::RetentionLeaseNotFound;
    let copies = pair.leader.tap.lease_calls_before_copies();
    // Behind these, a copy renews by its timer.
    let asked: Vec<_> = copies.iter().map(|calls| asked(&calls[..3])).collect();
    assert_eq!(
        asked,
        [[
            (LeaseAction::Add, true, Err(exists)),
            (LeaseAction::Renew, true, Err(missing)),
            (LeaseAction::Add, true, Ok(())),
        ]]
    );
    assert_eq!(
        pair.follower
            .ccr
            .recoveries("copy", &ResolveOptions::METADATA)
            .unwrap()[0]
            .attempts,
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_comes_and_goes_fails_the_attempt_and_not_the_copy() {
    let pair = Pair::start(1).await;
    let exists = ExceptionKind::RetentionLeaseAlreadyExists;
    pair.leader.tap.answer_next(LeaseAction::Add, exists);
    pair.leader.tap.answer_next(LeaseAction::Add, exists);
    pair.follower.follow("orders", "copy").await;
    let copies = pair.leader.tap.lease_calls_before_copies();
    let adds = copies[0].iter().filter(|call| call.action == LeaseAction::Add);
    assert_eq!(
        adds.map(|call| call.answer).collect::<Vec<_>>(),
        [Err(exists), Err(exists), Ok(())]
    );
    assert_eq!(
        pair.follower
            .ccr
            .recoveries("copy", &ResolveOptions::METADATA)
            .unwrap()[0]
            .attempts,
        2
    );
}
