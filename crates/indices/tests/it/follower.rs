//! Bootstrapping a follower from a leader's files, and what a follower refuses.

use std::collections::BTreeMap;
use std::time::Duration;

use cluster::change;
use es_exception::ExceptionKind;
use index_meta::Settings;
use indices::{NewFollowerIndex, Origin, RefreshPolicy, ShardState};
use oplog::{HistoryUuid, ShardId};
use serde_json::{Value, json};

use crate::node::{Node, index};

fn follower(node: &Node) -> NewFollowerIndex {
    let state = node.cluster.state();
    let leader = state.index("leader").unwrap();
    let mut settings = Settings::default();
    settings.insert(cluster::FOLLOWING_INDEX_SETTING, "true");
    NewFollowerIndex {
        data_stream: None,
        name: "follower".into(),
        number_of_shards: leader.number_of_shards,
        number_of_routing_shards: leader.number_of_routing_shards,
        settings,
        mapping: leader.mapping.to_json(),
        custom: BTreeMap::from([(
            "ccr".into(),
            BTreeMap::from([("leader_index_name".into(), "leader".into())]),
        )]),
    }
}

/// Copies the files of the leader's shards to where the follower's are to be.
async fn copy_and_install(node: &Node) {
    let state = node.cluster.state();
    let (leader, follower) = (state.index("leader").unwrap(), state.index("follower").unwrap());
    for (from, to) in leader.shard_ids().zip(follower.shard_ids()) {
        let snapshot = node.indices.shard(&from).unwrap().pin_snapshot().unwrap();
        let dir = node.indices.shard_dir(&to);
        for file in snapshot.files() {
            let path = dir.join(&file.name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let length = usize::try_from(file.length).unwrap();
            std::fs::write(path, snapshot.read_at(&file.name, 0, length).unwrap()).unwrap();
        }
        node.indices
            .install_shard(&to, HistoryUuid::generate(), snapshot.checkpoint())
            .await
            .unwrap();
        assert_eq!(node.indices.shard_state(follower, &to), ShardState::Initializing);
    }
}

fn shard_ids(node: &Node, name: &str) -> Vec<ShardId> {
    node.cluster.state().index(name).unwrap().shard_ids().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_is_restored_refuses_writes_and_becomes_a_normal_index() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path()).await;
    node.create("leader", json!({"number_of_shards": 2}), json!({}))
        .await;
    let items = (0..20)
        .map(|number| index("leader", &number.to_string(), &json!({"n": number})))
        .collect();
    assert!(
        !node
            .indices
            .bulk(items, RefreshPolicy::None)
            .await
            .unwrap()
            .errors()
    );

    let created = node.indices.create_follower_index(follower(&node)).await.unwrap();
    assert!(created.recovering && created.is_follower());
    assert!(!node.indices.shards_active(&created.uuid));
    let early = node.indices.finish_recovery("follower").await.unwrap_err();
    assert_eq!(early.kind(), ExceptionKind::IllegalState);
    copy_and_install(&node).await;
    node.indices.finish_recovery("follower").await.unwrap();
    assert!(node.indices.shards_active(&created.uuid));
    assert_eq!(node.source("follower", "7").await, Some(json!({"n": 7})));
    assert_eq!(node.search("follower", json!({"size": 0})).await.0, 20);

    let write = || {
        node.indices
            .write(index("follower", "1", &json!({"n": 1})), RefreshPolicy::None)
    };
    let refused = write().await.unwrap_err();
    assert_eq!((refused.kind(), refused.status()), (ExceptionKind::Status, 403));
    let mapping = json!({"properties": {"m": {"type": "long"}}});
    let refused = node
        .indices
        .put_mapping("follower", mapping.clone(), Origin::User)
        .await
        .unwrap_err();
    assert_eq!(refused.status(), 403);
    node.indices
        .put_mapping("follower", mapping, Origin::Ccr)
        .await
        .unwrap();
    for shard in node.indices.started_shards(&created.uuid) {
        assert_eq!(shard.mapping_version(), 2);
    }

    // A restart opens what was installed.
    node.stop().await;
    let node = Node::start(directory.path()).await;
    assert!(
        node.indices
            .wait_shards_active(&created.uuid, Duration::from_secs(20))
            .await
    );
    assert_eq!(node.source("follower", "7").await, Some(json!({"n": 7})));

    node.indices.close_index("follower").await.unwrap();
    node.cluster
        .update("unfollow", |state| {
            Ok((change::convert_follower(state, "follower")?, ()))
        })
        .await
        .unwrap();
    assert!(node.indices.open_index("follower").await.unwrap());
    let written = node
        .indices
        .write(index("follower", "1", &json!({"n": 100})), RefreshPolicy::None)
        .await
        .unwrap();
    assert_eq!((written.version.get(), written.primary_term.get()), (2, 2));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_follower_is_restored_anew() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path()).await;
    node.create("leader", json!({}), json!({})).await;
    node.indices
        .write(index("leader", "1", &json!({"n": 1})), RefreshPolicy::None)
        .await
        .unwrap();
    let created = node.indices.create_follower_index(follower(&node)).await.unwrap();
    copy_and_install(&node).await;
    node.indices.finish_recovery("follower").await.unwrap();

    let refused = node
        .indices
        .reset_for_recovery(follower(&node))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.kind(), refused.status()),
        (ExceptionKind::SnapshotRestore, 500)
    );
    node.indices.close_index("follower").await.unwrap();
    node.indices
        .write(index("leader", "2", &json!({"n": 2})), RefreshPolicy::None)
        .await
        .unwrap();
    let reset = node.indices.reset_for_recovery(follower(&node)).await.unwrap();
    assert_eq!(
        (reset.uuid.clone(), reset.recovering),
        (created.uuid.clone(), true)
    );
    for id in shard_ids(&node, "follower") {
        let dir = node.indices.shard_dir(&id);
        assert!(
            dir.join("oplog").is_dir(),
            "the data stays until its shard's copy begins: to remove it after the reset would race with that copy"
        );
        // As the copy does.
        std::fs::remove_dir_all(dir).unwrap();
    }
    copy_and_install(&node).await;
    node.indices.finish_recovery("follower").await.unwrap();
    assert_eq!(node.source("follower", "2").await, Some(json!({"n": 2})));
    assert_eq!(node.source("follower", "3").await, None::<Value>);
    node.stop().await;
}
