//! Peers that send what a server of ours never would.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use es_exception::{Exception, ExceptionKind};
use futures::stream::{self, BoxStream, StreamExt as _};
use oplog::{ByteCount, HistoryUuid, IndexUuid, SeqNo, ShardId, ShardNumber, SystemClock};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::{LocalIdentity, RemoteClusterSettings, RemoteClusters};
use crate::proto::read_shard_changes_part::Part;
use crate::proto::remote_cluster_server::{RemoteCluster, RemoteClusterServer};
use crate::proto::shard_changes_server::{ShardChanges, ShardChangesServer};
use crate::testing::frame;
use crate::{ShardChangesRequest, proto};

/// Sends these parts, the last one again and again if told to.
#[derive(Clone)]
struct Hostile {
    parts: Vec<Part>,
    is_endless: bool,
    protocol_version: u32,
}

#[tonic::async_trait]
impl ShardChanges for Hostile {
    type ReadStream = BoxStream<'static, Result<proto::ReadShardChangesPart, Status>>;

    async fn read(
        &self,
        _: Request<proto::ReadShardChangesRequest>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let parts = stream::iter(self.parts.clone());
        let last = self.parts.last().cloned();
        let rest = stream::iter(
            last.into_iter()
                .cycle()
                .take(if self.is_endless { usize::MAX } else { 0 }),
        );
        let parts = parts
            .chain(rest)
            .map(|part| Ok(proto::ReadShardChangesPart { part: Some(part) }));
        Ok(Response::new(parts.boxed()))
    }
}

#[tonic::async_trait]
impl RemoteCluster for Hostile {
    async fn handshake(
        &self,
        _: Request<proto::HandshakeRequest>,
    ) -> Result<Response<proto::HandshakeResponse>, Status> {
        Ok(Response::new(proto::HandshakeResponse {
            cluster_name: "hostile".into(),
            cluster_uuid: "uuid".into(),
            node_id: "id".into(),
            protocol_version: self.protocol_version,
            ..Default::default()
        }))
    }

    async fn cluster_metadata(
        &self,
        _: Request<proto::ClusterMetadataRequest>,
    ) -> Result<Response<proto::ClusterMetadataResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn index_metadata(
        &self,
        _: Request<proto::IndexMetadataRequest>,
    ) -> Result<Response<proto::IndexMetadataResponse>, Status> {
        Err(Status::resource_exhausted("busy"))
    }
}

async fn read_from(hostile: Hostile) -> Exception {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = tonic::transport::Server::builder()
        .add_service(ShardChangesServer::new(hostile.clone()))
        .add_service(RemoteClusterServer::new(hostile));
    let mut serving = JoinSet::new();
    serving.spawn(router.serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true))));
    let local = LocalIdentity {
        cluster_name: "f".into(),
        cluster_uuid: "f".into(),
        node_id: "f".into(),
        node_name: "f".into(),
        version: "f".into(),
    };
    let clusters = RemoteClusters::new(local, Arc::new(SystemClock));
    let alias: super::ClusterAlias = "lisbon".parse().unwrap();
    clusters.apply(BTreeMap::from([(
        alias.clone(),
        RemoteClusterSettings::sniff(vec![address.to_string()]),
    )]));
    let request = ShardChangesRequest {
        shard: ShardId::new(IndexUuid::generate(), ShardNumber::new(0)),
        expected_history_uuid: HistoryUuid::generate(),
        from: SeqNo::ZERO,
        max_operation_count: 1,
        max_batch_size: ByteCount::new(1),
        max_response_size: ByteCount::from_mib(1),
        poll_timeout: Duration::ZERO,
        known_metadata: None,
        may_stay_open: false,
    };
    clusters
        .get(&alias)
        .unwrap()
        .read_changes(request)
        .await
        .unwrap_err()
}

fn header() -> Part {
    Part::Header(proto::ShardChangesHeader {
        global_checkpoint: Some(9),
        ..Default::default()
    })
}

fn piece(frames: Bytes, continued: bool) -> Part {
    Part::Frames(proto::FramesPiece { frames, continued })
}

#[tokio::test]
async fn a_hostile_peer_is_an_error_with_its_place_and_takes_no_memory() {
    let mut damaged = frame(0, 100).bytes().to_vec();
    damaged[90] ^= 1;
    let two = [frame(0, 1), frame(1, 1)]
        .iter()
        .flat_map(|frame| frame.bytes().to_vec())
        .collect();
    let cases = [
        (
            vec![header(), piece(damaged.into(), false)],
            false,
            ExceptionKind::ConnectTransport,
            "a frame is damaged",
        ),
        (
            vec![header(), piece(vec![0; 1 << 20].into(), true)],
            true,
            ExceptionKind::IllegalState,
            "longer than",
        ),
        (
            vec![header(), piece(vec![0; 5 << 20].into(), false)],
            false,
            ExceptionKind::IllegalState,
            "too large",
        ),
        (
            vec![header(), piece(two, false)],
            false,
            ExceptionKind::IllegalState,
            "2 operations in place of at most 1",
        ),
        (vec![], false, ExceptionKind::ConnectTransport, "no header"),
    ];
    for (parts, is_endless, kind, text) in cases {
        let exception = read_from(Hostile {
            parts,
            is_endless,
            protocol_version: 1,
        })
        .await;
        assert_eq!(exception.kind(), kind, "{exception}");
        assert!(
            exception.reason().contains(text) && exception.reason().contains("[lisbon][127.0.0.1:"),
            "{exception}"
        );
    }
}

#[tokio::test]
async fn a_peer_that_chooses_another_protocol_is_refused() {
    let exception = read_from(Hostile {
        parts: vec![],
        is_endless: false,
        protocol_version: 2,
    })
    .await;
    assert_eq!(exception.kind(), ExceptionKind::NoSeedNodeLeft);
    assert!(
        exception.reason().contains("chose protocol version 2"),
        "{exception}"
    );
}
