//! A leader that answers what a test tells it to.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use es_exception::{Exception, ExceptionKind};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use oplog::{
    Digest, DocumentVersion, Frame, HistoryUuid, IndexUuid, LiveSnapshot, Operation, OperationKind,
    PrimaryTerm, RetentionLease, SeqNo, ShardId, ShardNumber, TermStart, UnixMillis,
};
use parking_lot::Mutex;
use transport::{
    CloseRecoverySessionRequest, ClusterMetadata, ClusterMetadataRequest, FileChunk, FileChunks, FilePieces,
    HandshakeRequest, HandshakeResponse, HeldOperationsRequest, HeldOperationsResponse, IndexMetadataRequest,
    IndexSummary, LeaderServices, LiveSetRequest, LiveSetResponse, OpenRecoverySessionRequest,
    ReadFileRequest, RecoveryFile, RecoverySession, RemoteIndexMetadata, RemoteNode, RemoteShard,
    RemoveRetentionLeaseRequest, RetentionLeaseRequest, ShardChangesRequest, ShardChangesResponse,
};

type Read =
    dyn Fn(ShardChangesRequest) -> BoxFuture<'static, Result<ShardChangesResponse, Exception>> + Send + Sync;

/// Answers with canned values, and keeps what it was asked.
pub(crate) struct Leader {
    pub(crate) cluster: String,
    pub(crate) node: String,
    pub(crate) nodes: Mutex<Vec<RemoteNode>>,
    pub(crate) asked: Mutex<Vec<String>>,
    pub(crate) fail_with: Mutex<Option<Exception>>,
    read: Box<Read>,
}

impl Leader {
    pub(crate) fn new(cluster: &str, node: &str) -> Arc<Self> {
        Self::reading(cluster, node, |_| Box::pin(async { Ok(answer(Vec::new())) }))
    }

    pub(crate) fn reading(
        cluster: &str,
        node: &str,
        read: impl Fn(ShardChangesRequest) -> BoxFuture<'static, Result<ShardChangesResponse, Exception>>
        + Send
        + Sync
        + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            cluster: cluster.to_owned(),
            node: node.to_owned(),
            nodes: Mutex::default(),
            asked: Mutex::default(),
            fail_with: Mutex::default(),
            read: Box::new(read),
        })
    }

    fn note(&self, request: impl std::fmt::Debug) -> Result<(), Exception> {
        self.asked.lock().push(format!("{request:?}"));
        self.fail_with.lock().clone().map_or(Ok(()), Err)
    }
}

pub(crate) fn shard() -> ShardId {
    ShardId::new(
        "leader_index_uuid".parse::<IndexUuid>().unwrap(),
        ShardNumber::new(3),
    )
}

pub(crate) fn history() -> HistoryUuid {
    "history_uuid".parse().unwrap()
}

pub(crate) fn frame(seq_no: u64, source: Vec<u8>) -> Frame {
    let operation = Operation {
        seq_no: SeqNo::new(seq_no),
        superseded: None,
        primary_term: PrimaryTerm::FIRST,
        version: DocumentVersion::new(1),
        timestamp: UnixMillis::new(1),
        kind: OperationKind::Index,
        id: seq_no.to_string(),
        routing: None,
        source: Bytes::from(source),
    };
    operation.to_frame().unwrap()
}

pub(crate) fn answer(frames: Vec<Frame>) -> ShardChangesResponse {
    let last = frames.last().map(Frame::seq_no);
    ShardChangesResponse {
        frames,
        next_operation_size: None,
        global_checkpoint: last,
        max_seq_no: last,
        max_seq_no_of_updates_or_deletes: Some(SeqNo::ZERO),
        mapping_version: 2,
        settings_version: 3,
        aliases_version: 4,
        took: Duration::from_millis(5),
        leader_now: UnixMillis::new(6),
        stays_open: false,
    }
}

pub(crate) fn held_operations() -> HeldOperationsResponse {
    HeldOperationsResponse {
        frames: vec![
            frame(3, vec![1; 10]),
            frame(7, vec![2; 3 << 20]),
            frame(8, Vec::new()),
        ],
        next: SeqNo::new(10),
        next_operation_size: None,
        global_checkpoint: Some(SeqNo::new(11)),
        mapping_version: 2,
        settings_version: 3,
        aliases_version: 4,
        leader_now: UnixMillis::new(6),
    }
}

/// Large enough for several pieces.
pub(crate) fn live_set() -> LiveSetResponse {
    let max_seq_no = 5 << 20;
    LiveSetResponse {
        snapshot: LiveSnapshot {
            max_seq_no: SeqNo::new(max_seq_no),
            live: (0..max_seq_no).step_by(2).map(SeqNo::new).collect(),
            digest: Digest::new(u128::MAX - 5),
            terms: vec![TermStart {
                term: PrimaryTerm::FIRST,
                first_seq_no: SeqNo::ZERO,
            }],
            max_seq_no_of_updates_or_deletes: Some(SeqNo::new(9)),
        },
        mapping_version: 2,
        settings_version: 3,
        aliases_version: 4,
        leader_now: UnixMillis::new(6),
    }
}

pub(crate) fn lease(request: RetentionLeaseRequest) -> RetentionLease {
    RetentionLease {
        id: request.id,
        retaining_seq_no: request.retaining.unwrap_or(SeqNo::new(17)),
        timestamp: UnixMillis::new(18),
        source: request.source,
    }
}

pub(crate) fn session(session_id: String) -> RecoverySession {
    RecoverySession {
        session_id,
        checkpoint: Some(SeqNo::new(8)),
        max_seq_no: Some(SeqNo::new(9)),
        mapping_version: 10,
        history_uuid: history(),
        files: vec![RecoveryFile {
            name: "oplog/0.log".to_owned(),
            length: FILE_BYTES,
            content_id: Some(7),
            pieces: Some(FilePieces {
                length: 1 << 20,
                checksums: vec![8, 9, 10],
            }),
        }],
    }
}

pub(crate) const FILE_BYTES: u64 = (3 << 20) + 5;

pub(crate) fn file() -> Bytes {
    (0..FILE_BYTES).map(|offset| (offset % 251) as u8).collect()
}

pub(crate) fn cluster_metadata() -> ClusterMetadata {
    let index = IndexSummary {
        name: "orders".to_owned(),
        uuid: shard().index,
        open: true,
        all_primaries_active: true,
        hidden: false,
        system: true,
        data_stream: Some("stream".to_owned()),
        leader_index_uuid: Some(shard().index),
    };
    ClusterMetadata {
        metadata_version: 11,
        indices: vec![index],
    }
}

pub(crate) fn index_metadata(name: String) -> RemoteIndexMetadata {
    let shard = RemoteShard {
        shard: ShardNumber::new(0),
        history_uuid: Some(history()),
        primary_active: true,
        global_checkpoint: Some(SeqNo::ZERO),
        max_seq_no: None,
        store_bytes: 12,
    };
    RemoteIndexMetadata {
        name,
        uuid: self::shard().index,
        open: true,
        data_stream: None,
        number_of_shards: 1,
        number_of_routing_shards: 1024,
        settings: "{}".to_owned(),
        // Longer than the default limit of a message.
        mapping: format!("{{\"_meta\":\"{}\"}}", "x".repeat(5 << 20)),
        aliases: "{}".to_owned(),
        mapping_version: 13,
        settings_version: 14,
        aliases_version: 15,
        metadata_version: 16,
        shards: vec![shard],
    }
}

#[async_trait]
impl LeaderServices for Leader {
    async fn handshake(&self, request: HandshakeRequest) -> Result<HandshakeResponse, Exception> {
        self.asked.lock().push(format!("{request:?}"));
        Ok(HandshakeResponse {
            cluster_name: self.cluster.clone(),
            cluster_uuid: format!("uuid of {}", self.cluster),
            node_id: format!("id of {}", self.node),
            node_name: self.node.clone(),
            version: "0.1.0".to_owned(),
            protocol_version: 0,
            nodes: self.nodes.lock().clone(),
        })
    }

    async fn read_changes(&self, request: ShardChangesRequest) -> Result<ShardChangesResponse, Exception> {
        self.note(&request)?;
        (self.read)(request).await
    }

    async fn read_held_operations(
        &self,
        request: HeldOperationsRequest,
    ) -> Result<HeldOperationsResponse, Exception> {
        self.note(&request)?;
        Ok(held_operations())
    }

    async fn read_live_set(&self, request: LiveSetRequest) -> Result<LiveSetResponse, Exception> {
        self.note(&request)?;
        Ok(live_set())
    }

    async fn add_retention_lease(&self, request: RetentionLeaseRequest) -> Result<RetentionLease, Exception> {
        self.note(&request)?;
        Ok(lease(request))
    }

    async fn renew_retention_lease(
        &self,
        request: RetentionLeaseRequest,
    ) -> Result<RetentionLease, Exception> {
        self.note(("renew", &request))?;
        Ok(lease(request))
    }

    async fn remove_retention_lease(&self, request: RemoveRetentionLeaseRequest) -> Result<(), Exception> {
        self.note(&request)
    }

    async fn open_recovery_session(
        &self,
        request: OpenRecoverySessionRequest,
    ) -> Result<RecoverySession, Exception> {
        self.note(&request)?;
        Ok(session(request.session_id))
    }

    async fn read_file(&self, request: ReadFileRequest) -> Result<FileChunks, Exception> {
        self.note(&request)?;
        let damaged = Exception::new(ExceptionKind::Engine, "the disk is gone");
        let (fails, stalls) = (request.file == "fails", request.file == "stalls");
        let range = request.offset as usize..(request.offset + request.length) as usize;
        let chunk = FileChunk::new(request.offset, file().slice(range));
        let chunks = if fails {
            vec![Ok(chunk), Err(damaged)]
        } else {
            vec![Ok(chunk)]
        };
        let chunks = futures::stream::iter(chunks);
        Ok(if stalls {
            chunks.chain(futures::stream::pending()).boxed()
        } else {
            chunks.boxed()
        })
    }

    async fn close_recovery_session(&self, request: CloseRecoverySessionRequest) -> Result<(), Exception> {
        self.note(&request)
    }

    async fn cluster_metadata(&self, request: ClusterMetadataRequest) -> Result<ClusterMetadata, Exception> {
        self.note(&request)?;
        Ok(cluster_metadata())
    }

    async fn index_metadata(&self, request: IndexMetadataRequest) -> Result<RemoteIndexMetadata, Exception> {
        self.note(&request)?;
        Ok(index_metadata(request.index))
    }
}
