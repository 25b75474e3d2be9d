//! Mapping, settings and aliases of a follower keep up with its leader, whatever happens meanwhile.

use std::sync::Arc;

use cluster::change::AliasChange;
use es_exception::ExceptionKind;
use follow_task::MetadataKind;
use index_meta::AliasMetadata;
use indices::Origin;
use serde_json::json;

use crate::faults::StoppingStore;
use crate::support::{Disk, FOLLOWER_CLUSTER, Node, Pair, caught_up, until};

const ANALYZER: &str = "index.analysis.analyzer.plain.type";
const LIMIT: &str = "index.mapping.total_fields.limit";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_on_an_idle_leader_arrive_although_the_poll_would_wait_for_an_hour() {
    let pair = Pair::start(1).await;
    let (leader, follower) = (&pair.leader, &pair.follower);
    follower.follow_without_poll_timeout("orders", "copy").await;
    pair.caught_up().await;
    for round in 1..4 {
        leader
            .change_settings("orders", json!({LIMIT: 2000 + round}), false)
            .await;
        until("the setting arrives", || {
            follower.setting("copy", LIMIT) == Some((2000 + round).to_string())
        })
        .await;
        let field = format!("field-{round}");
        let mapping = json!({"properties": {&field: {"type": "keyword"}}});
        leader
            .indices
            .put_mapping("orders", mapping, Origin::User)
            .await
            .unwrap();
        until("the field arrives", || {
            let state = follower.cluster.state();
            state
                .require_index("copy")
                .unwrap()
                .mapping
                .field(&field)
                .is_some()
        })
        .await;
        let alias = AliasChange::Add {
            index: "orders".to_owned(),
            alias: format!("alias-{round}"),
            metadata: AliasMetadata::default(),
        };
        let change = leader.indices.update_aliases(vec![alias], Origin::User);
        change.await.unwrap();
        until("the alias arrives", || {
            let state = follower.cluster.state();
            state.require_index("copy").unwrap().aliases.len() == round
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shards_of_an_index_fetch_its_metadata_once() {
    const SHARDS: usize = 4;
    let pair = Pair::following(4).await;
    let (leader, follower) = (&pair.leader, &pair.follower);
    follower.ccr.pause_follow("copy").await.unwrap();
    let before = leader.tap.metadata_calls();
    follower.resume("copy").await;
    until("the tasks run", || follower.following("copy") == SHARDS).await;
    // Nothing is read before metadata is in step, so what arrives tells that each shard is.
    leader.write("orders", 100..140).await;
    pair.caught_up().await;
    // One to check the leader, and one for each of mapping, settings and aliases, unless the former tasks are just ending and theirs will do.
    let calls = leader.tap.metadata_calls() - before;
    assert!((1..=4).contains(&calls), "{calls} calls for {SHARDS} shards");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_setting_that_the_leader_removes_goes_from_the_follower_too() {
    let pair = Pair::following(1).await;
    let (leader, follower) = (&pair.leader, &pair.follower);
    let own = json!({"index.priority": 7});
    follower.change_settings("copy", own, false).await;
    for (set, gone) in [
        (json!({LIMIT: 2000}), json!({LIMIT: null})),
        (json!({ANALYZER: "standard"}), json!({ANALYZER: null})),
    ] {
        let key = set
            .as_object()
            .and_then(|set| set.keys().next().cloned())
            .unwrap();
        let is_static = key == ANALYZER;
        leader.change_settings("orders", set, is_static).await;
        until("the setting arrives", || follower.setting("copy", &key).is_some()).await;
        leader.change_settings("orders", gone, is_static).await;
        until("the setting is gone", || follower.setting("copy", &key).is_none()).await;
    }
    leader.write("orders", 100..120).await;
    pair.caught_up().await;
    assert_eq!(follower.setting("copy", "index.priority").as_deref(), Some("7"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_a_user_put_on_the_follower_does_not_hold_settings_up() {
    let pair = Pair::following(1).await;
    let (leader, follower) = (&pair.leader, &pair.follower);
    for block in ["index.blocks.metadata", "index.blocks.read_only"] {
        follower
            .change_settings("copy", json!({block: true}), false)
            .await;
    }
    leader
        .change_settings("orders", json!({ANALYZER: "standard"}), true)
        .await;
    until("the analyzer arrives", || {
        follower.setting("copy", ANALYZER).is_some()
    })
    .await;
    leader.write("orders", 100..120).await;
    pair.caught_up().await;
}

/// IM-1: whichever commit of the cycle fails, the follower is open in the end and has the settings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_fails_amid_a_change_of_settings_is_tried_again_and_shown() {
    for taken in 0..2 {
        let (leader_disk, disk) = (Disk::new(), Disk::new());
        let store = StoppingStore::over(Arc::clone(&disk.store));
        let leader = Node::start("lisbon-cluster", &leader_disk).await;
        let follower = Node::start_on(FOLLOWER_CLUSTER, &disk, store.clone()).await;
        leader.create_index("orders", 1).await;
        leader.write("orders", 0..10).await;
        follower.connect(&leader).await;
        follower.follow("orders", "copy").await;
        caught_up(&leader, &follower, "orders", "copy").await;

        store.stop_after(taken);
        leader
            .change_settings("orders", json!({ANALYZER: "standard"}), true)
            .await;
        until("the retry is shown", || {
            let failing = follower
                .tasks("copy")
                .into_iter()
                .find_map(|task| task.metadata_exception);
            failing.is_some_and(|failing| {
                (failing.kind, failing.exception.kind())
                    == (MetadataKind::Settings, ExceptionKind::FailedToCommitClusterState)
            })
        })
        .await;
        assert!(store.refused() > 0);
        assert_eq!(follower.setting("copy", ANALYZER), None);
        store.go_on();
        until("the analyzer arrives", || {
            follower.setting("copy", ANALYZER).is_some()
        })
        .await;
        leader.write("orders", 100..120).await;
        caught_up(&leader, &follower, "orders", "copy").await;
        let state = follower.cluster.state();
        let copy = state.require_index("copy").unwrap();
        assert!(copy.is_open() && !copy.custom.contains_key("ccr_settings_change"));
        assert_eq!(follower.setting("copy", "index.verified_before_close"), None);
        follower.shutdown().await;
        leader.shutdown().await;
    }
}

/// IM-1 the other way round: what a user closes while the settings are changed stays closed, whichever of the two comes first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_a_user_closes_amid_a_change_of_settings_stays_closed() {
    let (leader_disk, disk) = (Disk::new(), Disk::new());
    let store = StoppingStore::over(Arc::clone(&disk.store));
    let leader = Node::start("lisbon-cluster", &leader_disk).await;
    let follower = Node::start_on(FOLLOWER_CLUSTER, &disk, store.clone()).await;
    leader.create_index("orders", 1).await;
    leader.write("orders", 0..10).await;
    follower.connect(&leader).await;
    follower.follow("orders", "copy").await;
    caught_up(&leader, &follower, "orders", "copy").await;

    // The follower is closed and marked, and cannot be opened.
    store.stop_after(1);
    leader
        .change_settings("orders", json!({ANALYZER: "standard"}), true)
        .await;
    let copy = || Arc::clone(follower.cluster.state().require_index("copy").unwrap());
    until("the cycle is in its middle", || copy().is_changing_settings()).await;
    store.go_on();
    follower.indices.close_index("copy").await.unwrap();
    assert!(!copy().is_open() && !copy().is_changing_settings());
    until("the analyzer arrives", || {
        follower.setting("copy", ANALYZER).is_some()
    })
    .await;
    leader
        .change_settings("orders", json!({ANALYZER: "simple"}), true)
        .await;
    until("the next analyzer arrives", || {
        follower.setting("copy", ANALYZER).as_deref() == Some("simple")
    })
    .await;
    assert!(!copy().is_open() && !copy().is_changing_settings());

    assert!(follower.indices.open_index("copy").await.unwrap());
    leader.write("orders", 100..120).await;
    caught_up(&leader, &follower, "orders", "copy").await;
    follower.shutdown().await;
    leader.shutdown().await;
}

/// A user's `_close` and `_open` amid many changes of settings: whatever comes first, what the user asked for last holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_user_asks_for_last_holds_amid_changes_of_settings() {
    let pair = Pair::following(2).await;
    let (leader, follower) = (&pair.leader, &pair.follower);
    let copy = || Arc::clone(follower.cluster.state().require_index("copy").unwrap());
    for (round, analyzer) in ["standard", "simple", "whitespace", "keyword"]
        .into_iter()
        .enumerate()
    {
        let change = leader.change_settings("orders", json!({ANALYZER: analyzer}), true);
        let close = follower.indices.close_index("copy");
        let ((), closed) = tokio::join!(change, close);
        closed.unwrap();
        until("the analyzer arrives", || {
            follower.setting("copy", ANALYZER).as_deref() == Some(analyzer)
        })
        .await;
        assert!(!copy().is_open(), "round {round}");
        follower.indices.open_index("copy").await.unwrap();
        assert!(copy().is_open(), "round {round}");
    }
    leader.write("orders", 100..120).await;
    pair.caught_up().await;
    assert!(copy().is_open() && !copy().is_changing_settings());
}
