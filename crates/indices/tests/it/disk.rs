//! A disk that is too full, or takes no writes: writes are refused, nothing acknowledged is lost, and it ends by itself.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use indices::{CreateIndex, DiskSpace, DiskUsage, IndicesConfig, Origin, RefreshPolicy, ResolveOptions};
use oplog::{ByteCount, LogOptions, MemStorage};
use serde_json::{Value, json};

use crate::node::{Node, delete, index, on_unlimited_disk};

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A disk of 100 MiB.
#[derive(Debug, Default)]
struct Disk {
    available_mib: AtomicU64,
    looks: AtomicU64,
}

impl DiskSpace for Disk {
    fn usage(&self, _path: &Path) -> io::Result<DiskUsage> {
        let available = self.available_mib.load(Ordering::Acquire);
        self.looks.fetch_add(1, Ordering::AcqRel);
        Ok(DiskUsage {
            total: ByteCount::from_mib(100),
            available: ByteCount::from_mib(available),
        })
    }
}

impl Disk {
    /// Changes the free space, and waits until the node has seen it.
    async fn set(&self, available_mib: u64) {
        self.available_mib.store(available_mib, Ordering::Release);
        // One may be under way with what was free before, and the next one's answer not noted yet.
        let seen = self.looks.load(Ordering::Acquire) + 3;
        let wait = async {
            while self.looks.load(Ordering::Acquire) < seen {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, wait)
            .await
            .expect("nobody looks at the disk");
    }
}

pub(crate) fn one_shard() -> Value {
    json!({"number_of_shards": 1, "number_of_replicas": 0})
}

pub(crate) async fn write(node: &Node, id: &str) -> Result<(), Exception> {
    let item = index("orders", id, &json!({"text": "x".repeat(2000)}));
    node.indices.write(item, RefreshPolicy::None).await.map(|_| ())
}

#[track_caller]
pub(crate) fn is_blocked<T>(result: Result<T, Exception>, name: &str) {
    let error = result.err().expect("refused");
    let reason = format!(
        "index [{name}] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];"
    );
    assert_eq!(
        (error.kind(), error.status(), error.reason()),
        (ExceptionKind::ClusterBlock, 429, reason.as_str())
    );
    assert!(error.is_retryable());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn above_the_flood_stage_an_index_can_be_read_and_deleted_only() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    disk.available_mib.store(50, Ordering::Release);
    let config = IndicesConfig {
        disk_space: Arc::clone(&disk) as Arc<dyn DiskSpace>,
        disk_check_interval: Duration::from_millis(5),
        ..IndicesConfig::new(directory.path())
    };
    let node = Node::start_with(directory.path(), config).await;
    node.create("orders", one_shard(), json!({})).await;
    node.create("old", one_shard(), json!({})).await;
    write(&node, "1").await.unwrap();

    disk.set(4).await;
    is_blocked(write(&node, "2").await, "orders");
    is_blocked(
        node.indices
            .write(delete("orders", "1"), RefreshPolicy::None)
            .await,
        "orders",
    );
    is_blocked(
        node.indices
            .write(index("new", "1", &json!({})), RefreshPolicy::None)
            .await,
        "new",
    );
    let new = CreateIndex {
        name: "new".into(),
        ..CreateIndex::default()
    };
    is_blocked(node.indices.create_index(new).await, "new");
    let mapping = json!({"properties": {"n": {"type": "long"}}});
    is_blocked(
        node.indices.put_mapping("orders", mapping, Origin::User).await,
        "orders",
    );
    let update = |settings| {
        node.indices
            .update_settings("orders", settings, false, Origin::User)
    };
    is_blocked(update(json!({"index.refresh_interval": "5s"})).await, "orders");
    is_blocked(node.indices.close_index("orders").await, "orders");
    let merge = node.indices.force_merge(
        "orders",
        &ResolveOptions::OPEN,
        shard::ForceMergeRequest::default(),
        true,
    );
    is_blocked(merge.await, "orders");

    update(json!({"index.blocks.read_only_allow_delete": null}))
        .await
        .unwrap();
    assert!(node.source("orders", "1").await.is_some());
    assert_eq!(node.search("orders", json!({"size": 0})).await.0, 1);
    node.indices
        .delete_index("old", &ResolveOptions::DELETE)
        .await
        .unwrap();

    disk.set(9).await;
    is_blocked(write(&node, "2").await, "orders");
    disk.set(10).await;
    write(&node, "2").await.unwrap();
    node.indices
        .delete_index("orders", &ResolveOptions::DELETE)
        .await
        .unwrap();
    node.stop().await;
}

/// Whatever was acknowledged can be read, once the shard serves again.
pub(crate) async fn all_are_there(node: &Node, acknowledged: &[String]) {
    let state = node.cluster.state();
    let uuid = state.index("orders").unwrap().uuid.clone();
    assert!(node.indices.wait_shards_active(&uuid, DEADLINE).await);
    for id in acknowledged {
        assert!(node.source("orders", id).await.is_some(), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_medium_refuses_writes_and_takes_them_again_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let storage = MemStorage::new();
    let config = IndicesConfig {
        maintenance_interval: Duration::from_millis(20),
        ..on_unlimited_disk(directory.path())
    };
    let node = Node::start_on(
        Arc::new(storage.clone()),
        LogOptions::default(),
        directory.path(),
        config,
    )
    .await;
    node.create(
        "orders",
        one_shard(),
        json!({"properties": {"text": {"type": "keyword"}}}),
    )
    .await;
    storage.set_capacity(Some(storage.used() + 100_000));
    let mut acknowledged = Vec::new();
    let refused = loop {
        let id = acknowledged.len().to_string();
        match write(&node, &id).await {
            Ok(()) => acknowledged.push(id),
            Err(error) => break error,
        }
    };
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    let cause = refused
        .caused_by()
        .expect("what the medium said")
        .reason()
        .to_owned();
    assert!(cause.contains(".log"), "{cause}");
    is_blocked(Err::<(), _>(refused), "orders");
    is_blocked(write(&node, "more").await, "orders");
    all_are_there(&node, &acknowledged).await;
    is_blocked(write(&node, "more").await, "orders");

    storage.set_capacity(None);
    let again = async {
        while let Err(error) = write(&node, "more").await {
            assert!(error.is_retryable(), "{error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, again)
        .await
        .expect("writes never work again");
    acknowledged.push("more".into());
    all_are_there(&node, &acknowledged).await;
    node.stop().await;
}
