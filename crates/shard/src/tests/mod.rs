//! Tests of the whole shard copy, and what they share.

mod analysis;
mod blocks;
mod check;
mod damage;
mod errors;
mod failure;
mod follower;
mod forced_merge;
mod heal;
mod idle;
mod limit;
mod maintenance;
mod model;
mod query;
mod relevance;
mod scrub;
mod small_segments;
mod snapshot;
mod sort;
mod terms;
mod view;
mod writes;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use index_meta::{IndexSettings, Mapping, Settings};
use oplog::{
    DocumentVersion, FsStorage, GroupCommitter, HistoryUuid, IndexUuid, LogOptions, PrimaryTerm, SeqNo,
    ShardId, ShardNumber, SystemClock,
};
use serde_json::{Value, json};

use crate::{
    DocumentWrite, SearchRequest, Shard, ShardConfig, ShardHits, ShardRole, ShardServices, ViewPool,
    ViewPoolConfig, WriteBatch, WriteOperation, WriteOutcome, WritePrecondition,
};

/// The mapping that most tests use.
pub(super) fn mapping() -> Arc<Mapping> {
    let mapping = json!({"properties": {
        "title": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
        "tag": {"type": "keyword"},
        "n": {"type": "long"},
        "price": {"type": "double"},
        "on": {"type": "boolean"},
        "at": {"type": "date"},
        "ip": {"type": "ip"},
        "user": {"properties": {"name": {"type": "keyword"}}}
    }});
    Arc::new(Mapping::from_json(&mapping).unwrap())
}

pub(super) fn settings(settings: &Value) -> Arc<IndexSettings> {
    Arc::new(IndexSettings::from_settings(&Settings::from_json(settings).unwrap()).unwrap())
}

pub(super) fn small_pool() -> ViewPoolConfig {
    ViewPoolConfig {
        threads: 2,
        ..ViewPoolConfig::default()
    }
}

pub(super) fn services(pool: ViewPoolConfig) -> ShardServices {
    ShardServices {
        storage: Arc::new(FsStorage),
        committer: GroupCommitter::start(1),
        view_pool: ViewPool::start(pool),
        clock: Arc::new(SystemClock),
        // Small enough that a few documents fill one: most of a log should be in sealed segments, as on a real node.
        log: LogOptions {
            segment_bytes: oplog::ByteCount::new(8 << 10),
            ..LogOptions::default()
        },
    }
}

pub(super) fn config(dir: &Path, role: ShardRole) -> ShardConfig {
    ShardConfig {
        shard_id: ShardId::new(IndexUuid::generate(), ShardNumber::new(0)),
        index_name: "orders".into(),
        dir: PathBuf::from(dir),
        role,
        primary_term: PrimaryTerm::FIRST,
        settings: settings(&json!({})),
        mapping: mapping(),
        mapping_version: 1,
    }
}

/// A shard in a directory of its own.
pub(super) struct Fixture {
    pub(super) dir: tempfile::TempDir,
    pub(super) services: ShardServices,
    pub(super) shard: Arc<Shard>,
}

impl Fixture {
    pub(super) fn new(role: ShardRole) -> Self {
        Self::with(role, small_pool())
    }

    pub(super) fn with(role: ShardRole, pool: ViewPoolConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let services = services(pool);
        let shard = Shard::create(
            config(dir.path(), role),
            HistoryUuid::generate(),
            services.clone(),
        )
        .unwrap();
        Self { dir, services, shard }
    }

    pub(super) fn primary() -> Self {
        Self::new(ShardRole::Primary)
    }

    /// Opens the copy again after a clean close.
    pub(super) fn reopen(&mut self) {
        self.shard.close().unwrap();
        self.open();
    }

    /// Opens the copy again after everything that was not flushed is forgotten.
    pub(super) fn crash(&mut self) {
        self.shard.crash();
        self.open();
    }

    pub(super) fn open(&mut self) {
        let role = self.shard.role();
        self.shard = Shard::open(config(self.dir.path(), role), self.services.clone()).unwrap();
    }
}

pub(super) fn index(id: &str, source: &Value) -> DocumentWrite {
    DocumentWrite {
        id: id.into(),
        auto_id: false,
        routing: None,
        operation: WriteOperation::Index {
            source: Bytes::from(source.to_string()),
            create_only: false,
        },
        precondition: WritePrecondition::None,
    }
}

pub(super) fn create(id: &str, source: &Value) -> DocumentWrite {
    let operation = WriteOperation::Index {
        source: Bytes::from(source.to_string()),
        create_only: true,
    };
    DocumentWrite {
        operation,
        ..index(id, source)
    }
}

pub(super) fn delete(id: &str) -> DocumentWrite {
    DocumentWrite {
        operation: WriteOperation::Delete,
        ..index(id, &json!({}))
    }
}

pub(super) fn when(write: DocumentWrite, precondition: WritePrecondition) -> DocumentWrite {
    DocumentWrite {
        precondition,
        ..write
    }
}

pub(super) fn seq_no(seq_no: u64) -> WritePrecondition {
    WritePrecondition::SeqNo {
        seq_no: SeqNo::new(seq_no),
        primary_term: PrimaryTerm::FIRST,
    }
}

pub(super) fn external(version: u64) -> WritePrecondition {
    WritePrecondition::External {
        version: DocumentVersion::new(version),
    }
}

/// Writes, and waits until the batch is durable.
pub(super) fn write(shard: &Shard, writes: Vec<DocumentWrite>) -> WriteBatch {
    let mut batch = shard.write(writes).unwrap();
    if let Some(ticket) = batch.ticket.take() {
        ticket.wait().unwrap();
    }
    batch
}

/// Writes one document that must be accepted.
pub(super) fn write_one(shard: &Shard, one: DocumentWrite) -> WriteOutcome {
    write(shard, vec![one]).items.remove(0).unwrap()
}

/// Writes documents with ids 0, 1, ... that must be accepted, and refreshes.
pub(super) fn load(shard: &Shard, sources: &[Value]) {
    let writes = sources
        .iter()
        .enumerate()
        .map(|(number, source)| index(&number.to_string(), source))
        .collect();
    for item in write(shard, writes).items {
        item.unwrap();
    }
    shard.refresh().wait().unwrap();
}

pub(super) fn search(shard: &Shard, body: &Value) -> ShardHits {
    shard.search(&SearchRequest::from_json(body).unwrap()).unwrap()
}

/// Ids of the hits, in order.
pub(super) fn ids(shard: &Shard, body: &Value) -> Vec<String> {
    let request = SearchRequest::from_json(body).unwrap();
    let hits = shard.search(&request).unwrap().hits;
    shard
        .fetch(&hits, &request)
        .unwrap()
        .into_iter()
        .map(|hit| hit.id)
        .collect()
}
