//! Followers that fell behind what their leader still has.

use std::sync::Arc;

use es_exception::ExceptionKind;
use follow_task::{FollowTaskPhase, HealStage};
use index_meta::SettingValue;
use indices::{BulkAction, BulkItem, ResolveOptions};
use oplog::{ByteCount, LogOptions};
use serde_json::json;
use shard::{ForceMergeRequest, WritePrecondition};

use crate::support::{Disk, FIRST_DOCS, Node, Pair, document, until};

/// Pauses `copy`, lets its lease go, changes and removes documents, and has the leader remove what nobody needs.
async fn fall_behind(pair: &Pair) {
    pair.follower.ccr.pause_follow("copy").await.unwrap();
    let Pair { leader, .. } = pair;
    for shard in leader.shards("orders") {
        shard.log().remove_retention_lease(&pair.lease_id()).unwrap();
    }
    for round in 0..3 {
        let changed = FIRST_DOCS.map(|id| document("orders", id, &json!({"n": id, "round": round})));
        leader.write_all(changed.collect()).await;
    }
    leader
        .write_all((0..5).map(|id| deletion("orders", id)).collect())
        .await;
    leader.write("orders", 100..110).await;
    compact(leader).await;
}

fn deletion(index: &str, id: u64) -> BulkItem {
    BulkItem {
        action: BulkAction::Delete {
            precondition: WritePrecondition::None,
        },
        ..document(index, id, &json!({}))
    }
}

async fn compact(leader: &Node) {
    let request = ForceMergeRequest {
        max_num_segments: Some(1),
        ..ForceMergeRequest::default()
    };
    let options = ResolveOptions::OPEN;
    let merged = leader.indices.force_merge("orders", &options, request, true);
    merged.await.unwrap();
}

/// Whether `copy` has a task, and that has failed.
fn has_failed(pair: &Pair) -> bool {
    let tasks = pair.follower.tasks("copy");
    tasks.iter().any(|task| task.phase == FollowTaskPhase::Failed)
}

async fn auto_heal(node: &Node, on: bool) {
    node.set("ccr.auto_heal", SettingValue::String(on.to_string()))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_fell_behind_heals_while_it_serves_and_follows_on() {
    let pair = Pair::following(2).await;
    fall_behind(&pair).await;
    let copy = pair.follower.shards("copy");
    let before: Vec<_> = copy.iter().map(|shard| shard.stats().digest).collect();
    pair.leader.tap.live_sets.close();
    pair.follower.resume("copy").await;
    until("both shards are nearly healed", || {
        pair.leader.tap.live_sets.waiting() == 2
    })
    .await;
    for task in pair.follower.tasks("copy") {
        let heal = task.heal.unwrap();
        assert_eq!(
            (task.phase, heal.stage),
            (FollowTaskPhase::Healing, HealStage::ReadingLiveSet)
        );
        assert!(
            heal.from_seq_no < heal.next_seq_no && heal.operations > 0,
            "{heal:?}"
        );
    }
    let meanwhile: Vec<_> = copy.iter().map(|shard| shard.stats().digest).collect();
    assert_eq!(meanwhile, before, "the copy serves what it had");
    // The leader goes on while the heal waits.
    pair.leader.write("orders", 200..210).await;
    pair.leader.tap.live_sets.open();
    pair.caught_up().await;
    until("both shards follow", || pair.follower.following("copy") == 2).await;
    for task in pair.follower.tasks("copy") {
        assert_eq!(
            (task.successful_heals, task.heal, task.fatal_exception),
            (1, None, None)
        );
    }
    for (mine, other) in pair.follower.shards("copy").iter().zip(&copy) {
        assert!(Arc::ptr_eq(mine, other), "nothing was copied anew");
        assert_eq!(
            mine.log().recompute_live_summary().unwrap(),
            mine.log().live_summary()
        );
    }
    pair.leader.write("orders", 300..310).await;
    pair.caught_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heal_that_was_cut_off_goes_on_with_what_it_had() {
    let small_segments = Disk {
        log: LogOptions {
            segment_bytes: ByteCount::new(500),
            ..LogOptions::default()
        },
        ..Disk::new()
    };
    let pair = Pair::following_on(1, small_segments).await;
    fall_behind(&pair).await;
    pair.leader.tap.live_sets.close();
    pair.follower.resume("copy").await;
    until("it is nearly healed", || pair.leader.tap.live_sets.waiting() == 1).await;
    let operations = || pair.follower.tasks("copy")[0].heal.clone().unwrap().operations;
    let all = operations();
    pair.follower.ccr.pause_follow("copy").await.unwrap();
    until("the leader knows", || pair.leader.tap.live_sets.waiting() == 0).await;
    // A shard that is opened again stands for a node that was started again.
    pair.follower.indices.close_index("copy").await.unwrap();
    assert!(pair.follower.indices.open_index("copy").await.unwrap());
    pair.follower.resume("copy").await;
    until("it is nearly healed again", || {
        pair.leader.tap.live_sets.waiting() == 1
    })
    .await;
    // What was not in a full segment yet is fetched again, the rest is not.
    let again = operations();
    assert!(
        0 < again && again < all,
        "{again} of {all} operations were fetched again"
    );
    pair.leader.tap.live_sets.open();
    pair.caught_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_auto_heal_the_task_fails_and_says_what_is_missing_until_someone_allows_it() {
    let pair = Pair::following(1).await;
    auto_heal(&pair.follower, false).await;
    fall_behind(&pair).await;
    let behind = pair.follower.shards("copy")[0].log().max_seq_no().unwrap();
    pair.follower.resume("copy").await;
    let failed = || has_failed(&pair);
    until("the task fails", failed).await;
    let fatal = pair.follower.tasks("copy")[0].fatal_exception.clone().unwrap();
    assert_eq!(fatal.kind(), ExceptionKind::ResourceNotFound);
    let missing = &fatal.metadata()["es.requested_operations_missing"];
    assert_eq!(missing[0], (behind.get() + 1).to_string());
    assert_eq!(pair.leader.tap.held_reads(), 0);

    // The setting counts from the next failure on, without a word to the task.
    pair.follower.ccr.pause_follow("copy").await.unwrap();
    pair.follower.resume("copy").await;
    until("the task fails again", failed).await;
    pair.follower.ccr.pause_follow("copy").await.unwrap();
    auto_heal(&pair.follower, true).await;
    pair.follower.resume("copy").await;
    pair.caught_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_setting_reaches_a_task_that_runs() {
    let pair = Pair::following(1).await;
    auto_heal(&pair.follower, false).await;
    // The task runs on, and cannot read while it falls behind.
    let closed = es_exception::Exception::new(ExceptionKind::ConnectTransport, "the line is cut");
    let failed = || pair.follower.tasks("copy")[0].failed_read_requests;
    let before = failed();
    pair.leader.tap.fail_reads(pair.leader.uuid("orders"), closed);
    // A poll that was let in before would still bring what is written.
    until("a read fails", || failed() > before).await;
    pair.leader.tap.renewals.close();
    until("the lease is not renewed any more", || {
        pair.leader.tap.renewals.waiting() > 0
    })
    .await;
    for shard in pair.leader.shards("orders") {
        shard.log().remove_retention_lease(&pair.lease_id()).unwrap();
    }
    for round in 0..3 {
        let changed = FIRST_DOCS.map(|id| document("orders", id, &json!({"n": id, "round": round})));
        pair.leader.write_all(changed.collect()).await;
    }
    compact(&pair.leader).await;
    pair.leader.tap.let_reads_pass();
    until("the task fails", || has_failed(&pair)).await;
    pair.leader.tap.renewals.open();
}
