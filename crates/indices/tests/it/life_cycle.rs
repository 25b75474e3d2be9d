//! Creating, closing, opening and deleting indices; restarts.

use std::time::Duration;

use es_exception::ExceptionKind;
use indices::{CreateIndex, GetOptions, Origin, RefreshPolicy, ResolveOptions, ShardState};
use serde_json::{Value, json};

use crate::node::{Node, delete, index, three_shards};

fn documents(count: usize) -> Vec<indices::BulkItem> {
    (0..count)
        .map(|number| index("orders", &number.to_string(), &json!({"n": number})))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_reads_back_everything() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path()).await;
    node.create("orders", three_shards(), json!({})).await;
    assert!(
        !node
            .indices
            .bulk(documents(60), RefreshPolicy::None)
            .await
            .unwrap()
            .errors()
    );
    node.indices
        .write(delete("orders", "7"), RefreshPolicy::None)
        .await
        .unwrap();
    let before = node.cluster.state();
    node.stop().await;

    let node = Node::start(directory.path()).await;
    let state = node.cluster.state();
    let metadata = state.index("orders").unwrap();
    assert_eq!(
        metadata.mapping_version,
        before.index("orders").unwrap().mapping_version
    );
    assert!(
        node.indices
            .wait_shards_active(&metadata.uuid, Duration::from_secs(20))
            .await
    );
    assert_eq!(node.source("orders", "8").await, Some(json!({"n": 8})));
    assert_eq!(node.source("orders", "7").await, None);
    assert_eq!(node.search("orders", json!({"size": 0})).await.0, 59);
    let stats = node.indices.stats("orders", &ResolveOptions::OPEN).await.unwrap();
    let live: u64 = stats[0]
        .shards
        .iter()
        .map(|shard| shard.stats.as_ref().unwrap().live_count)
        .sum();
    assert_eq!((live, stats[0].shards.len()), (59, 3));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_index_keeps_its_documents() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path()).await;
    assert!(
        !node
            .indices
            .bulk(documents(5), RefreshPolicy::None)
            .await
            .unwrap()
            .errors()
    );
    node.indices.close_index("orders").await.unwrap();
    let closed = node
        .indices
        .get("orders", "1", GetOptions::default())
        .await
        .unwrap_err();
    assert_eq!(closed.kind(), ExceptionKind::IndexClosed);
    node.indices
        .update_settings(
            "orders",
            json!({"codec": "best_compression"}),
            false,
            Origin::User,
        )
        .await
        .unwrap();
    assert!(node.indices.open_index("orders").await.unwrap());
    assert_eq!(node.source("orders", "1").await, Some(json!({"n": 1})));
    // Closing and opening quickly, without waiting in between, ends in what was asked for last.
    for _ in 0..3 {
        let (closed, opened) = tokio::join!(
            node.indices.close_index("orders"),
            node.indices.open_index("orders")
        );
        closed.unwrap();
        opened.unwrap();
        assert!(node.indices.open_index("orders").await.unwrap());
    }
    assert_eq!(node.source("orders", "4").await, Some(json!({"n": 4})));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_index_stays_closed_over_restarts_and_has_everything_when_it_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path()).await;
    let written = node.indices.bulk(documents(5), RefreshPolicy::None).await;
    assert!(!written.unwrap().errors());
    node.indices.close_index("orders").await.unwrap();
    node.stop().await;
    for _ in 0..2 {
        let node = Node::start(directory.path()).await;
        let read = node.indices.get("orders", "1", GetOptions::default()).await;
        assert_eq!(read.unwrap_err().kind(), ExceptionKind::IndexClosed);
        node.stop().await;
    }
    let node = Node::start(directory.path()).await;
    assert!(node.indices.open_index("orders").await.unwrap());
    assert_eq!(node.source("orders", "4").await, Some(json!({"n": 4})));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_index_leaves_nothing_and_its_name_is_free() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path()).await;
    node.create("orders", three_shards(), json!({})).await;
    let uuid = node.cluster.state().index("orders").unwrap().uuid.clone();
    let path = directory.path().join("indices").join(uuid.as_str());
    assert!(path.is_dir());
    let again = CreateIndex {
        name: "orders".into(),
        ..CreateIndex::default()
    };
    let taken = node.indices.create_index(again.clone()).await.unwrap_err();
    assert_eq!(
        (taken.kind(), taken.status()),
        (ExceptionKind::ResourceAlreadyExists, 400)
    );
    node.indices
        .delete_index("ord*", &ResolveOptions::DELETE)
        .await
        .unwrap();
    let missing = node
        .indices
        .delete_index("orders", &ResolveOptions::DELETE)
        .await
        .unwrap_err();
    assert_eq!(missing.status(), 404);
    node.indices.create_index(again).await.unwrap();
    assert_eq!(node.source("orders", "1").await, None);
    let gone = async {
        while path.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_whose_data_vanished_fails_and_is_not_created_anew() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path()).await;
    node.create("orders", three_shards(), json!({})).await;
    node.create("other", json!({}), json!({})).await;
    let state = node.cluster.state();
    let metadata = state.index("orders").unwrap().clone();
    let lost = metadata.shard_ids().nth(1).unwrap();
    let path = node.indices.shard_dir(&lost);
    node.stop().await;
    std::fs::remove_dir_all(&path).unwrap();

    let node = Node::start(directory.path()).await;
    // The shards of an index are looked at one after the other: wait until none of them is under way any more.
    let is_settled = || {
        metadata
            .shard_ids()
            .all(|id| node.indices.shard_state(&metadata, &id) != ShardState::Initializing)
    };
    let failed = async {
        let mut changes = node.indices.watch_shards();
        while !is_settled() {
            changes.changed().await.unwrap();
        }
        node.indices.shard_state(&metadata, &lost)
    };
    let failed = tokio::time::timeout(Duration::from_secs(20), failed)
        .await
        .unwrap();
    assert!(
        matches!(&failed, ShardState::Failed { reason } if reason.contains("data is missing")),
        "{failed:?}"
    );
    assert!(!path.exists());
    let other = node.cluster.state().index("other").unwrap().uuid.clone();
    assert!(
        node.indices
            .wait_shards_active(&other, Duration::from_secs(20))
            .await
    );
    assert_eq!(
        node.indices.shard(&lost).unwrap_err().kind(),
        ExceptionKind::NoShardAvailable
    );
    // The other shards serve: a search says what is missing.
    let answer = node
        .indices
        .search(
            "orders",
            shard::SearchRequest::default(),
            &indices::SearchOptions::default(),
        )
        .await;
    let shards = answer.unwrap().shards;
    assert_eq!(
        (shards.total, shards.successful, shards.failures.len()),
        (3, 2, 1)
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_and_mappings_of_a_new_index_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path()).await;
    let create = |settings: Value, mappings: Value| {
        let request = CreateIndex {
            name: "orders".into(),
            settings,
            mappings: Some(mappings),
            ..CreateIndex::default()
        };
        node.indices.create_index(request)
    };
    for (settings, mappings) in [
        (json!({"number_of_shards": 0}), json!({})),
        (json!({"no_such_setting": 1}), json!({})),
        (json!({"index.uuid": "x"}), json!({})),
        (json!({"index.xpack.ccr.following_index": true}), json!({})),
        (json!({}), json!({"properties": {"a": {"type": "no_such_type"}}})),
    ] {
        let refused = create(settings.clone(), mappings).await.unwrap_err();
        assert_eq!(refused.status(), 400, "{settings}");
    }
    let good = create(
        json!({"index": {"number_of_shards": "2"}}),
        json!({"properties": {"a": {"type": "keyword"}}}),
    )
    .await;
    assert_eq!(good.unwrap().index.number_of_shards, 2);
    node.stop().await;
}
