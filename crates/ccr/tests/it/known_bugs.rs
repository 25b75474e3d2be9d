//! What other systems got wrong between a follower and what is beside it. `cargo xtask mutants` builds each bug in, and these tests notice.

use std::collections::BTreeMap;

use cluster::change::AliasChange;
use index_meta::{AliasMetadata, SettingValue};
use indices::{Origin, ResolveOptions};
use serde_json::json;

use crate::support::{Node, Pair, document, until};

/// The allocation of each task in the cluster state: a task that was removed and put anew has another.
fn allocations(node: &Node) -> BTreeMap<String, u64> {
    let state = node.cluster.state();
    let tasks = state.persistent_tasks.values();
    tasks.map(|task| (task.id.clone(), task.allocation_id)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_tasks_of_deleted_indices_are_cleaned_away() {
    let pair = Pair::following(2).await;
    let follower = &pair.follower;
    let live = allocations(follower);
    assert_eq!(live.len(), 2);

    pair.start_witness().await;
    // A shard that does not answer is no reason to take its task away, neither now nor when the cleaner has something to do.
    follower.indices.close_index("copy").await.unwrap();
    assert!(follower.shards("copy").is_empty());
    let indices = &follower.indices;
    indices
        .delete_index("witness", &ResolveOptions::METADATA)
        .await
        .unwrap();
    until("the task of the deleted index is cleaned away", || {
        allocations(follower).len() <= live.len()
    })
    .await;
    assert_eq!(allocations(follower), live);

    assert!(indices.open_index("copy").await.unwrap());
    pair.leader.write("orders", 100..110).await;
    pair.caught_up().await;
    assert_eq!(allocations(follower), live);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_that_both_clusters_write_through_keeps_its_write_index_on_each() {
    let writes_to = |index: &str| AliasChange::Add {
        index: index.to_owned(),
        alias: "sales".to_owned(),
        metadata: AliasMetadata {
            is_write_index: Some(true),
            ..AliasMetadata::default()
        },
    };
    let pair = Pair::following(1).await;
    let (leader, follower) = (&pair.leader, &pair.follower);
    follower.create_index("own", 1).await;
    for (node, index) in [(follower, "own"), (leader, "orders")] {
        let change = vec![writes_to(index)];
        node.indices.update_aliases(change, Origin::User).await.unwrap();
    }
    let copied = || {
        let state = follower.cluster.state();
        let copy = state.require_index("copy").unwrap();
        copy.aliases.get("sales").map(|alias| alias.is_write_index)
    };
    until("the alias is on the follower", || copied().is_some()).await;
    assert_eq!(copied(), Some(Some(false)));

    let paris = document("sales", 1000, &json!({"from": "paris"}));
    follower.write_all(vec![paris]).await;
    let written = |index: &str| follower.shards(index)[0].stats().live_count;
    assert_eq!(written("own"), 1);
    let lisbon = document("sales", 1000, &json!({"from": "lisbon"}));
    leader.write_all(vec![lisbon]).await;
    pair.caught_up().await;
    assert_eq!(written("own"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leader_and_follower_each_have_their_own_number_of_replicas() {
    const REPLICAS: &str = "index.number_of_replicas";
    const LIMIT: &str = "index.mapping.total_fields.limit";
    let pair = Pair::following(1).await;
    let setting = |index: &str, node: &Node, key: &str| {
        let state = node.cluster.state();
        state.require_index(index).unwrap().settings.get(key).cloned()
    };
    let is = |value: u32| Some(SettingValue::String(value.to_string()));
    for round in 1..4 {
        // Each side decides for itself, and a setting that is replicated tells when the follower has looked at the leader's.
        let own = json!({REPLICAS: 0});
        let indices = &pair.follower.indices;
        indices
            .update_settings("copy", own, false, Origin::User)
            .await
            .unwrap();
        let changed = json!({REPLICAS: round, LIMIT: 2000 + round});
        let indices = &pair.leader.indices;
        indices
            .update_settings("orders", changed, false, Origin::User)
            .await
            .unwrap();
        until("the settings are replicated", || {
            setting("copy", &pair.follower, LIMIT) == is(2000 + round)
        })
        .await;
        assert_eq!(setting("copy", &pair.follower, REPLICAS), is(0));
        assert_eq!(setting("orders", &pair.leader, REPLICAS), is(round));
    }
}
