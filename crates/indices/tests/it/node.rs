//! A node without network: what the tests work with.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cluster::{ClusterService, LocalNode, RedbStore};
use indices::{
    BulkAction, BulkItem, CreateIndex, GetOptions, IndicesConfig, IndicesService, ResolveOptions,
    SearchOptions, UnlimitedDiskSpace, UpdateRequest,
};
use oplog::{Clock, FsStorage, GroupCommitter, LogOptions, Storage, SystemClock};
use serde_json::{Value, json};
use shard::{SearchRequest, ShardServices, ViewPool, ViewPoolConfig, WritePrecondition};

/// The defaults, whatever the machine's own disk is like.
pub(crate) fn on_unlimited_disk(directory: &Path) -> IndicesConfig {
    IndicesConfig::new(directory).with_disk_space(Arc::new(UnlimitedDiskSpace))
}

pub(crate) struct Node {
    pub(crate) cluster: Arc<ClusterService>,
    pub(crate) indices: Arc<IndicesService>,
}

impl Node {
    pub(crate) async fn start(directory: &Path) -> Self {
        Self::start_with(directory, on_unlimited_disk(directory)).await
    }

    pub(crate) async fn start_with(directory: &Path, config: IndicesConfig) -> Self {
        Self::start_on(Arc::new(FsStorage), LogOptions::default(), directory, config).await
    }

    pub(crate) async fn start_on(
        storage: Arc<dyn Storage>,
        log: LogOptions,
        directory: &Path,
        config: IndicesConfig,
    ) -> Self {
        Self::start_at(Arc::new(SystemClock), storage, log, directory, config).await
    }

    /// A node whose own clock, which is not that of its shards, is `clock`.
    pub(crate) async fn start_at(
        clock: Arc<dyn Clock>,
        storage: Arc<dyn Storage>,
        log: LogOptions,
        directory: &Path,
        config: IndicesConfig,
    ) -> Self {
        let store = RedbStore::open(directory.join("state.redb")).unwrap();
        let local_node = LocalNode {
            id: None,
            name: "node-1".into(),
            cluster_name: "test".into(),
        };
        let cluster = ClusterService::open(Arc::new(store), local_node).await.unwrap();
        let services = ShardServices {
            storage,
            committer: GroupCommitter::start(1),
            view_pool: ViewPool::start(ViewPoolConfig {
                threads: 1,
                ..ViewPoolConfig::default()
            }),
            clock: Arc::new(SystemClock),
            log,
        };
        let indices = IndicesService::start(config, Arc::clone(&cluster), services, clock).unwrap();
        Self { cluster, indices }
    }

    pub(crate) async fn stop(self) {
        self.indices.shutdown().await;
        self.cluster.shutdown().await;
    }

    pub(crate) async fn create(&self, name: &str, settings: Value, mappings: Value) {
        let request = CreateIndex {
            name: name.into(),
            settings,
            mappings: Some(mappings),
            ..CreateIndex::default()
        };
        assert!(
            self.indices
                .create_index(request)
                .await
                .unwrap()
                .shards_acknowledged
        );
    }

    pub(crate) async fn source(&self, index: &str, id: &str) -> Option<Value> {
        let found = self.indices.get(index, id, GetOptions::default()).await.unwrap();
        found
            .document
            .map(|document| serde_json::from_slice(&document.source).unwrap())
    }

    /// Searches after a refresh; answers the total and the sources of the page.
    pub(crate) async fn search(&self, expression: &str, body: Value) -> (u64, Vec<Value>) {
        self.indices
            .refresh(expression, &ResolveOptions::OPEN)
            .await
            .unwrap();
        let request = SearchRequest::from_json(&body).unwrap();
        let answer = self
            .indices
            .search(expression, request, &SearchOptions::default())
            .await
            .unwrap();
        assert_eq!(answer.shards.failures, []);
        let sources = answer.hits.iter().map(|hit| {
            hit.document
                .source
                .as_ref()
                .map_or(Value::Null, |source| serde_json::from_slice(source).unwrap())
        });
        (answer.total.unwrap(), sources.collect())
    }
}

pub(crate) fn item(index: &str, id: Option<&str>, action: BulkAction) -> BulkItem {
    BulkItem {
        index: index.into(),
        id: id.map(str::to_owned),
        routing: None,
        require_alias: false,
        require_data_stream: false,
        action,
    }
}

pub(crate) fn index(index: &str, id: &str, source: &Value) -> BulkItem {
    let source = Bytes::from(source.to_string());
    item(
        index,
        Some(id),
        BulkAction::Index {
            source,
            precondition: WritePrecondition::None,
        },
    )
}

pub(crate) fn create(index: &str, id: Option<&str>, source: &Value) -> BulkItem {
    item(
        index,
        id,
        BulkAction::Create {
            source: Bytes::from(source.to_string()),
        },
    )
}

pub(crate) fn delete(index: &str, id: &str) -> BulkItem {
    item(
        index,
        Some(id),
        BulkAction::Delete {
            precondition: WritePrecondition::None,
        },
    )
}

pub(crate) fn update(index: &str, id: &str, doc: &Value) -> BulkItem {
    let doc = Some(Bytes::from(doc.to_string()));
    item(
        index,
        Some(id),
        BulkAction::Update(UpdateRequest {
            doc,
            ..UpdateRequest::default()
        }),
    )
}

pub(crate) fn three_shards() -> Value {
    json!({"number_of_shards": 3, "number_of_replicas": 0})
}
