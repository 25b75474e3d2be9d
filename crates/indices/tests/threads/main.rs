//! What shards at rest cost a node: no thread and no index writer. In a program of its own, since threads are counted by process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster::{ClusterService, LocalNode, RedbStore};
use indices::{
    BulkAction, BulkItem, CreateIndex, IndicesConfig, IndicesService, RefreshPolicy, ResolveOptions,
    SearchOptions, UnlimitedDiskSpace,
};
use oplog::{FsStorage, GroupCommitter, SystemClock};
use serde_json::json;
use shard::{SearchRequest, ShardServices, ViewPool, ViewPoolConfig, WritePrecondition};
use tokio::runtime::{Builder, Runtime};

const SHARDS: u32 = 200;
const DOCUMENTS: u64 = 40;
const WITHIN: Duration = Duration::from_secs(60);

struct Node {
    cluster: Arc<ClusterService>,
    indices: Arc<IndicesService>,
    view_pool: Arc<ViewPool>,
}

impl Node {
    async fn start(directory: &Path) -> Self {
        let store = RedbStore::open(directory.join("state.redb")).unwrap();
        let local_node = LocalNode {
            id: None,
            name: "node-1".into(),
            cluster_name: "test".into(),
        };
        let cluster = ClusterService::open(Arc::new(store), local_node).await.unwrap();
        let clock = Arc::new(SystemClock);
        let view_pool = ViewPool::start(ViewPoolConfig {
            threads: 2,
            max_open_writers: 4,
            writer_idle_millis: 200,
            ..ViewPoolConfig::default()
        });
        let services = ShardServices {
            log: oplog::LogOptions::default(),
            storage: Arc::new(FsStorage),
            committer: GroupCommitter::start(2),
            view_pool: Arc::clone(&view_pool),
            clock: clock.clone(),
        };
        let config = IndicesConfig::new(directory).with_disk_space(Arc::new(UnlimitedDiskSpace));
        let indices = IndicesService::start(config, Arc::clone(&cluster), services, clock).unwrap();
        Self {
            cluster,
            indices,
            view_pool,
        }
    }

    /// Creates an index, and works on its shards: writes, refreshes, searches.
    async fn create_and_use(&self, name: &str, shards: u32) {
        let request = CreateIndex {
            name: name.into(),
            settings: json!({"number_of_shards": shards, "number_of_replicas": 0}),
            ..CreateIndex::default()
        };
        assert!(
            self.indices
                .create_index(request)
                .await
                .unwrap()
                .shards_acknowledged
        );
        let documents = (0..DOCUMENTS).map(|number| BulkItem {
            index: name.into(),
            id: Some(number.to_string()),
            routing: None,
            require_alias: false,
            require_data_stream: false,
            action: BulkAction::Index {
                source: Bytes::from(json!({"n": number}).to_string()),
                precondition: WritePrecondition::None,
            },
        });
        let written = self
            .indices
            .bulk(documents.collect(), RefreshPolicy::None)
            .await
            .unwrap();
        assert!(!written.errors());
        self.count_by_search(name).await;
    }

    async fn count_by_search(&self, name: &str) {
        self.indices.refresh(name, &ResolveOptions::OPEN).await.unwrap();
        let request = SearchRequest::from_json(&json!({"size": 0})).unwrap();
        let answer = self
            .indices
            .search(name, request, &SearchOptions::default())
            .await
            .unwrap();
        assert_eq!(answer.total, Some(DOCUMENTS));
    }

    /// Waits until no index writer is open and the process has at most so many threads.
    async fn rest(&self, most_threads: usize) {
        let rests = async {
            while self.view_pool.open_writers() > 0 || threads().len() > most_threads {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let rested = tokio::time::timeout(WITHIN, rests).await;
        let (writers, threads) = (self.view_pool.open_writers(), threads());
        assert!(
            rested.is_ok(),
            "{writers} writers are open, and there are {} threads instead of {most_threads}: {threads:?}",
            threads.len()
        );
    }

    async fn stop(self) {
        self.indices.shutdown().await;
        self.cluster.shutdown().await;
    }
}

/// The names of this process's threads.
fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    // A thread may end between the two looks.
    let mut names: Vec<_> = tasks
        .filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .map(|name| name.trim_end().to_owned())
        .collect();
    names.sort();
    names
}

/// Its threads for blocking work end soon after their work, as they do in a node after some seconds.
fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_keep_alive(Duration::from_millis(100))
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn two_hundred_shards_at_rest_have_no_thread_and_no_writer() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = runtime();
    runtime.block_on(async {
        let node = Node::start(directory.path()).await;
        // The harness, the runtime's workers, the committers and the view threads are all started.
        let before = threads().len();
        node.create_and_use("few", 1).await;
        node.rest(before).await;
        node.create_and_use("many", SHARDS).await;
        node.rest(before).await;
        node.stop().await;

        let node = Node::start(directory.path()).await;
        let many = node.cluster.state().index("many").unwrap().uuid.clone();
        assert!(node.indices.wait_shards_active(&many, WITHIN).await);
        assert_eq!(node.indices.started_shards(&many).len(), SHARDS as usize);
        node.rest(before).await;
        node.count_by_search("many").await;
        node.rest(before).await;
        node.stop().await;
    });
}
