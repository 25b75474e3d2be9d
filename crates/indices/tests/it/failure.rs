//! Shards that fail: what is told, what goes on, what comes back by itself and what does not.

use std::path::Path;
use std::time::Duration;

use es_exception::ExceptionKind;
use indices::{GetOptions, IndicesConfig, Origin, RefreshPolicy, SearchOptions, ShardState};
use oplog::{ShardId, ShardNumber};
use serde_json::json;
use shard::SearchRequest;

use crate::node::{Node, index, on_unlimited_disk, three_shards};

const DEADLINE: Duration = Duration::from_secs(20);

fn impatient(directory: &Path) -> IndicesConfig {
    IndicesConfig {
        shard_retry_first_pause: Duration::from_millis(20),
        shard_retry_longest_pause: Duration::from_millis(100),
        ack_timeout: Duration::from_secs(5),
        ..on_unlimited_disk(directory)
    }
}

/// Writes documents 0 to 19, each naming itself in its source.
async fn fill(node: &Node, name: &str) {
    let items = (0..20)
        .map(|number| {
            index(
                name,
                &number.to_string(),
                &json!({"text": format!("needle-{number}-")}),
            )
        })
        .collect();
    let written = node.indices.bulk(items, RefreshPolicy::Immediate).await.unwrap();
    assert!(!written.errors());
}

/// Flips a byte of the document in whichever shard holds it, in place; answers the shard.
fn damage(node: &Node, name: &str, document: u64) -> ShardId {
    use std::os::unix::fs::FileExt;
    let needle = format!("needle-{document}-");
    let state = node.cluster.state();
    for id in state.index(name).unwrap().shard_ids() {
        for entry in std::fs::read_dir(node.indices.shard_dir(&id).join("oplog"))
            .unwrap()
            .flatten()
        {
            let bytes = std::fs::read(entry.path()).unwrap();
            let found = bytes
                .windows(needle.len())
                .position(|window| window == needle.as_bytes());
            if let Some(place) = found {
                let file = std::fs::OpenOptions::new()
                    .write(true)
                    .open(entry.path())
                    .unwrap();
                file.write_all_at(b"N", place as u64).unwrap();
                return id;
            }
        }
    }
    panic!("{needle} is in no log");
}

async fn until(node: &Node, done: impl Fn() -> bool) {
    let reached = async {
        let mut changes = node.indices.watch_shards();
        while !done() {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, reached).await.expect("in time");
}

fn state_of(node: &Node, id: &ShardId) -> ShardState {
    let state = node.cluster.state();
    node.indices
        .shard_state(state.index_by_uuid(&id.index).unwrap(), id)
}

fn reason_of(node: &Node, id: &ShardId) -> Option<String> {
    match state_of(node, id) {
        ShardState::Failed { reason } => Some(reason),
        _ => None,
    }
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupt_shard_refuses_until_its_data_is_replaced_and_disturbs_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start_with(directory.path(), impatient(directory.path())).await;
    node.create("orders", three_shards(), json!({})).await;
    node.create("other", json!({}), json!({})).await;
    fill(&node, "orders").await;
    fill(&node, "other").await;
    let backup = tempfile::tempdir().unwrap();
    let lost = {
        let state = node.cluster.state();
        let uuid = &state.index("orders").unwrap().uuid;
        copy_dir(
            &directory.path().join("indices").join(uuid.as_str()),
            backup.path(),
        );
        damage(&node, "orders", 7)
    };

    let refused = node
        .indices
        .get("orders", "7", GetOptions::default())
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ExceptionKind::NoShardAvailable);
    assert_eq!(refused.caused_by().unwrap().kind(), ExceptionKind::CorruptIndex);
    let told = |reason: &str| {
        ["oplog/00000000000000000000.log", "offset", "seq_no"]
            .iter()
            .all(|part| reason.contains(part))
            && [
                "pause_follow",
                "_close",
                "unfollow",
                "_open",
                "_ccr/follow",
                "backup",
            ]
            .iter()
            .all(|part| reason.contains(part))
    };
    until(&node, || {
        node.indices
            .lost_shards(node.cluster.state().index("orders").unwrap())
            .len()
            == 1
    })
    .await;
    let reason = reason_of(&node, &lost).unwrap();
    assert!(told(&reason), "{reason}");
    // Writes are refused with the same reason; the other shards of the index, and the other index, serve.
    let write = node
        .indices
        .write(index("orders", "7", &json!({})), RefreshPolicy::None)
        .await
        .unwrap_err();
    assert!(told(write.reason()), "{write}");
    let options = SearchOptions {
        allow_partial_search_results: true,
        ..SearchOptions::default()
    };
    let found = node
        .indices
        .search("orders", SearchRequest::default(), &options)
        .await
        .unwrap();
    assert_eq!((found.shards.successful, found.shards.failures.len()), (2, 1));
    assert!(found.total.unwrap() < 20 && told(found.shards.failures[0].reason.reason()));
    assert_eq!(node.search("other", json!({"size": 0})).await.0, 20);

    // It would open: nothing of what usually opens a shard again does.
    let mapping = json!({"properties": {"more": {"type": "long"}}});
    node.indices
        .put_mapping("orders", mapping, Origin::User)
        .await
        .unwrap();
    node.indices.report_broken(&lost, "anything");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(reason_of(&node, &lost).as_ref(), Some(&reason));
    node.indices.close_index("orders").await.unwrap();
    assert!(!node.indices.open_index("orders").await.unwrap());
    until(&node, || reason_of(&node, &lost).is_some()).await;
    assert!(told(&reason_of(&node, &lost).unwrap()));
    node.stop().await;
    let node = Node::start_with(directory.path(), impatient(directory.path())).await;
    until(&node, || reason_of(&node, &lost).is_some()).await;
    assert!(told(&reason_of(&node, &lost).unwrap()), "after a restart too");

    // As the reason says.
    node.indices.close_index("orders").await.unwrap();
    let dir = node.indices.shard_dir(&lost);
    std::fs::remove_dir_all(&dir).unwrap();
    copy_dir(&backup.path().join(lost.shard.to_string()), &dir);
    assert!(node.indices.open_index("orders").await.unwrap());
    assert_eq!(
        node.source("orders", "7").await,
        Some(json!({"text": "needle-7-"}))
    );
    assert_eq!(node.search("orders", json!({"size": 0})).await.0, 20);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_failed_otherwise_is_opened_again_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    // Long enough to be seen, however late this thread has its turn.
    let config = IndicesConfig {
        shard_retry_first_pause: Duration::from_secs(1),
        shard_retry_longest_pause: Duration::from_secs(1),
        ..impatient(directory.path())
    };
    let node = Node::start_with(directory.path(), config).await;
    node.create("orders", json!({}), json!({})).await;
    fill(&node, "orders").await;
    let metadata = node.cluster.state().index("orders").unwrap().clone();
    let id = ShardId::new(metadata.uuid.clone(), ShardNumber::new(0));
    for round in 0..3 {
        let before = node.indices.shard(&id).unwrap();
        node.indices.report_broken(&id, "input/output error");
        let told = node.indices.shard(&id).unwrap_err();
        assert!(
            told.reason().contains("input/output error") && told.is_retryable(),
            "{told}"
        );
        assert!(
            node.indices.wait_shards_active(&id.index, DEADLINE).await,
            "round {round}"
        );
        let after = node.indices.shard(&id).unwrap();
        assert!(!std::sync::Arc::ptr_eq(&before, &after), "it is another one");
    }
    // A damaged view needs no more than that.
    node.indices.shard(&id).unwrap().rebuild_view("a file is damaged");
    assert!(
        node.indices
            .shard(&id)
            .unwrap_err()
            .reason()
            .contains("a file is damaged")
    );
    assert!(node.indices.wait_shards_active(&id.index, DEADLINE).await);
    assert_eq!(node.search("orders", json!({"size": 0})).await.0, 20);
    let version = node.cluster.state().index("orders").unwrap().version;
    assert_eq!(version, metadata.version, "no change of metadata helped");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_whose_data_comes_back_is_opened_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start_with(directory.path(), impatient(directory.path())).await;
    node.create("orders", json!({}), json!({})).await;
    fill(&node, "orders").await;
    let id = node
        .cluster
        .state()
        .index("orders")
        .unwrap()
        .shard_ids()
        .next()
        .unwrap();
    let dir = node.indices.shard_dir(&id);
    node.stop().await;
    let aside = directory.path().join("not-mounted");
    std::fs::rename(&dir, &aside).unwrap();
    let node = Node::start_with(directory.path(), impatient(directory.path())).await;
    until(&node, || {
        reason_of(&node, &id).is_some_and(|reason| reason.contains("data is missing"))
    })
    .await;
    std::fs::rename(&aside, &dir).unwrap();
    assert!(node.indices.wait_shards_active(&id.index, DEADLINE).await);
    assert_eq!(node.search("orders", json!({"size": 0})).await.0, 20);
    node.stop().await;
}
