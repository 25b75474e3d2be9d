//! A data directory with indices in it, as a node leaves it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use cluster::{ClusterService, LocalNode, RedbStore};
use indices::{
    BulkAction, BulkItem, CreateIndex, IndicesConfig, IndicesService, RefreshPolicy, ResolveOptions,
    UnlimitedDiskSpace,
};
use oplog::{
    ByteCount, Clock, Durability, FsStorage, GroupCommitter, Log, LogOptions, NewLog, ReadLimits, SeqNo,
    SystemClock,
};
use serde_json::{Value, json};
use shard::{ShardServices, ViewPool, ViewPoolConfig, WritePrecondition};

/// `orders` has one shard whose log has several segments and a lease; `customers` has two shards.
pub(crate) struct Data {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) orders: PathBuf,
    /// Of the shard of `orders`.
    pub(crate) digest: String,
    pub(crate) live_count: u64,
    pub(crate) max_seq_no: u64,
}

impl Data {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let orders = runtime.block_on(write_indices(dir.path()));
        let log = small_segments(&orders.join("oplog"));
        let summary = log.live_summary();
        let data = Self {
            orders,
            digest: summary.digest.to_string(),
            live_count: summary.live_count,
            max_seq_no: log.max_seq_no().unwrap().get(),
            dir,
        };
        log.close().unwrap();
        data
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The segments of `orders`, oldest first.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let mut segments = self.orders_files("oplog", "log");
        segments.sort();
        assert!(segments.len() > 3, "{segments:?}");
        segments
    }

    /// Files of `orders` in one of its directories with this extension.
    pub(crate) fn orders_files(&self, dir: &str, extension: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.orders.join(dir)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension().is_some_and(|found| found == extension))
            .collect()
    }
}

/// Every file and directory below `dir`; of files the content.
pub(crate) fn contents(dir: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut contents(&path));
            found.insert(path, None);
        } else {
            let content = std::fs::read(&path).unwrap();
            found.insert(path, Some(content));
        }
    }
    found
}

/// Makes the indices; answers the directory of the shard of `orders`.
async fn write_indices(dir: &Path) -> PathBuf {
    let store = RedbStore::open(dir.join("cluster.redb")).unwrap();
    let local_node = LocalNode {
        id: None,
        name: "node-1".into(),
        cluster_name: "ccr".into(),
    };
    let cluster = ClusterService::open(Arc::new(store), local_node).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let services = ShardServices {
        log: oplog::LogOptions::default(),
        storage: Arc::new(FsStorage),
        committer: GroupCommitter::start(1),
        view_pool: ViewPool::start(ViewPoolConfig::default()),
        clock: Arc::clone(&clock),
    };
    let config = IndicesConfig::new(dir).with_disk_space(Arc::new(UnlimitedDiskSpace));
    let indices = IndicesService::start(config, Arc::clone(&cluster), services, clock).unwrap();
    for (name, shards) in [("orders", 1), ("customers", 2)] {
        let request = CreateIndex {
            name: name.into(),
            settings: json!({"number_of_shards": shards, "number_of_replicas": 0}),
            mappings: Some(json!({"properties": {"item": {"type": "text"}, "price": {"type": "long"}}})),
            ..CreateIndex::default()
        };
        assert!(indices.create_index(request).await.unwrap().shards_acknowledged);
        let document = |number: u64| json!({"item": format!("lamp of kind {number}"), "price": number});
        let new = (0..200).map(|number| put(name, number, &document(number)));
        let updates = (0..10).map(|number| put(name, number * 7, &document(1_000 + number)));
        let items = new.chain(updates).collect();
        let response = indices.bulk(items, RefreshPolicy::Immediate).await.unwrap();
        assert_eq!(response.items.len(), 210);
    }
    indices.flush("*", &ResolveOptions::OPEN).await.unwrap();
    let uuid = cluster.state().index("orders").unwrap().uuid.clone();
    indices.shutdown().await;
    cluster.shutdown().await;
    dir.join("indices").join(uuid.as_str()).join("0")
}

fn put(index: &str, id: u64, source: &Value) -> BulkItem {
    BulkItem {
        index: index.into(),
        id: Some(id.to_string()),
        routing: None,
        require_alias: false,
        require_data_stream: false,
        action: BulkAction::Index {
            source: Bytes::from(source.to_string()),
            precondition: WritePrecondition::None,
        },
    }
}

/// Writes the log anew in segments of about 4 KiB, with a lease.
fn small_segments(dir: &Path) -> Arc<Log> {
    let (storage, committer) = (Arc::new(FsStorage), GroupCommitter::start(1));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let log = Log::open(
        storage.clone(),
        dir.to_path_buf(),
        LogOptions::default(),
        Arc::clone(&committer),
        Arc::clone(&clock),
    )
    .unwrap();
    let operations = log
        .read(SeqNo::ZERO, log.max_seq_no().unwrap(), ReadLimits::NONE)
        .unwrap();
    let new = NewLog {
        history_uuid: log.history_uuid(),
        primary_term: log.primary_term(),
    };
    log.close().unwrap();
    std::fs::remove_dir_all(dir).unwrap();
    let options = LogOptions {
        segment_bytes: ByteCount::from_kib(4),
        ..LogOptions::default()
    };
    let log = Log::create(storage, dir.to_path_buf(), new, options, committer, clock).unwrap();
    log.append(operations, Durability::Request)
        .unwrap()
        .wait()
        .unwrap();
    log.add_retention_lease("orders-copy".parse().unwrap(), None, "ccr")
        .unwrap();
    log.flush().unwrap();
    log
}
