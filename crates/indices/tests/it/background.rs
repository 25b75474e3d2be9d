//! What a node does by itself: compaction in the background, bounded in rate, ended with the node.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indices::{IndicesConfig, IndicesSettings, RefreshPolicy, ResolveOptions};
use oplog::{ByteCount, FsStorage, LogOptions, SeqNo};
use serde_json::json;
use shard::Shard;

use crate::node::{Node, index, on_unlimited_disk};

const DOCUMENTS: usize = 100;
const DEADLINE: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_secs(3600);

async fn start(directory: &Path, config: IndicesConfig) -> Node {
    let log = LogOptions {
        segment_bytes: ByteCount::from_kib(64),
        ..LogOptions::default()
    };
    Node::start_on(Arc::new(FsStorage), log, directory, config).await
}

fn with_interval(directory: &Path, maintenance_interval: Duration) -> IndicesConfig {
    IndicesConfig {
        maintenance_interval,
        ..on_unlimited_disk(directory)
    }
}

/// Writes every document four times, so that several segments of the log hold dead operations alone.
async fn write_and_update(node: &Node, name: &str) {
    node.create(
        name,
        json!({"number_of_shards": 1, "number_of_replicas": 0}),
        json!({}),
    )
    .await;
    for version in 0..4 {
        let text = format!("{version} ").repeat(500);
        let items = (0..DOCUMENTS).map(|id| index(name, &id.to_string(), &json!({"n": id, "text": text})));
        let answer = node
            .indices
            .bulk(items.collect(), RefreshPolicy::None)
            .await
            .unwrap();
        assert!(!answer.errors());
    }
    node.indices.refresh(name, &ResolveOptions::OPEN).await.unwrap();
}

fn shard(node: &Node, name: &str) -> Arc<Shard> {
    let found = node.indices.resolve(name, &ResolveOptions::OPEN).unwrap();
    node.indices.shards_of(&found[0]).swap_remove(0).unwrap()
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let reached = tokio::time::timeout(DEADLINE, wait).await;
    assert!(reached.is_ok(), "{what}");
}

fn first_operation_is_gone(shard: &Shard) -> bool {
    shard.log().get(SeqNo::ZERO).unwrap().is_none()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_history_is_given_up_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let node = start(
        directory.path(),
        with_interval(directory.path(), Duration::from_millis(50)),
    )
    .await;
    write_and_update(&node, "orders").await;
    let shard = shard(&node, "orders");
    until("the log was never compacted", || first_operation_is_gone(&shard)).await;
    for id in 0..DOCUMENTS {
        assert_eq!(node.source("orders", &id.to_string()).await.unwrap()["n"], id);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_shard_does_not_keep_the_others_from_being_compacted() {
    let directory = tempfile::tempdir().unwrap();
    let node = start(directory.path(), with_interval(directory.path(), NEVER)).await;
    for name in ["a", "b", "c", "d"] {
        write_and_update(&node, name).await;
    }
    for name in ["a", "b", "c", "d"] {
        let log = shard(&node, name).dir().join("oplog/00000000000000000000.log");
        let mut bytes = std::fs::read(&log).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        std::fs::write(&log, bytes).unwrap();
    }
    // After the damage, so that only a round that meets it can compact this one.
    write_and_update(&node, "whole").await;
    let whole = shard(&node, "whole");
    node.indices.request_maintenance();
    until("the whole shard was never compacted", || {
        first_operation_is_gone(&whole)
    })
    .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_a_slow_compaction() {
    let directory = tempfile::tempdir().unwrap();
    let slow = IndicesConfig {
        settings: IndicesSettings {
            compaction_max_bytes_per_sec: ByteCount::new(10),
            ..IndicesSettings::DEFAULTS
        },
        ..with_interval(directory.path(), Duration::from_millis(50))
    };
    let node = start(directory.path(), slow).await;
    write_and_update(&node, "orders").await;
    let log_dir: PathBuf = shard(&node, "orders").dir().join("oplog");
    until("no compaction began", || {
        let names = std::fs::read_dir(&log_dir)
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name());
        names
            .into_iter()
            .any(|name| name.to_string_lossy().ends_with(".log.tmp"))
    })
    .await;
    tokio::time::timeout(DEADLINE, node.stop())
        .await
        .expect("the compaction would take hours");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_that_no_request_meets_is_found_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = with_interval(directory.path(), Duration::from_millis(50));
    config.settings.scrub_max_bytes_per_sec = ByteCount::from_mib(1024);
    let node = start(directory.path(), config.clone()).await;
    write_and_update(&node, "orders").await;
    let log = shard(&node, "orders").dir().join("oplog");
    node.stop().await;

    let mut segments: Vec<_> = std::fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .collect();
    segments.sort();
    // Not the last one, which is read when the log is opened.
    let cold = &segments[segments.len() - 2];
    let mut content = std::fs::read(cold).unwrap();
    // In the operations, which begin after 32 bytes.
    content[100] ^= 1;
    std::fs::write(cold, content).unwrap();

    let node = start(directory.path(), config).await;
    let found = node.indices.resolve("orders", &ResolveOptions::OPEN).unwrap();
    let name = cold.file_name().unwrap().to_str().unwrap();
    until("the damage was never found", || {
        let shard = node.indices.shards_of(&found[0]).swap_remove(0);
        shard.is_err_and(|error| error.to_string().contains(name))
    })
    .await;
    node.stop().await;
}
