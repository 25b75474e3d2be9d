//! Messages cross unchanged, and a bad field is named.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use oplog::{
    ByteCount, HistoryUuid, IndexUuid, LeaseId, RetentionLease, SeqNo, ShardId, ShardNumber, UnixMillis,
};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::{InvalidMessage, proto};

fn seq_nos() -> impl Strategy<Value = SeqNo> {
    (0..=SeqNo::MAX.get()).prop_map(SeqNo::new)
}

fn shards() -> impl Strategy<Value = ShardId> {
    ("[A-Za-z0-9_-]{1,64}", any::<u32>())
        .prop_map(|(index, shard)| ShardId::new(index.parse().unwrap(), ShardNumber::new(shard)))
}

fn histories() -> impl Strategy<Value = HistoryUuid> {
    "[A-Za-z0-9_-]{1,64}".prop_map(|uuid| uuid.parse().unwrap())
}

fn times() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_millis)
}

/// Through the bytes, with a field from the future at the end.
fn cross<D, W>(domain: D) -> Result<D, InvalidMessage>
where
    W: Message + Default + From<D>,
    D: TryFrom<W, Error = InvalidMessage>,
{
    let mut bytes = W::from(domain).encode_to_vec();
    // Field 1000, a varint.
    bytes.extend_from_slice(&[0xc0, 0x3e, 0x07]);
    D::try_from(W::decode(bytes.as_slice()).unwrap())
}

fn check<D, W>(domain: D) -> Result<(), TestCaseError>
where
    W: Message + Default + From<D>,
    D: TryFrom<W, Error = InvalidMessage> + Clone + PartialEq + Debug,
{
    prop_assert_eq!(cross::<D, W>(domain.clone()), Ok(domain));
    Ok(())
}

proptest! {
    #[test]
    fn held_operations_requests_cross(
        shard in shards(), expected_history_uuid in histories(), from in seq_nos(),
        to in prop::option::of(seq_nos()), max_operation_count: u32, size in 1_u64.., most: u64,
    ) {
        let (max_batch_size, max_response_size) = (ByteCount::new(size), ByteCount::new(most));
        check::<_, proto::ReadLiveSetRequest>(LiveSetRequest {
            shard: shard.clone(), expected_history_uuid: expected_history_uuid.clone(),
        })?;
        check::<_, proto::ReadHeldOperationsRequest>(HeldOperationsRequest {
            shard, expected_history_uuid, from, to, max_operation_count, max_batch_size, max_response_size,
        })?;
    }

    #[test]
    fn shard_changes_requests_cross(
        shard in shards(), expected_history_uuid in histories(), from in seq_nos(),
        max_operation_count: u32, size in 1_u64.., most: u64, poll_timeout in times(), may_stay_open: bool,
        known in prop::option::of((0_u64.., 0_u64.., 0_u64..)),
    ) {
        let (max_batch_size, max_response_size) = (ByteCount::new(size), ByteCount::new(most));
        let known_metadata =
            known.map(|(mapping, settings, aliases)| KnownMetadataVersions { mapping, settings, aliases });
        check::<_, proto::ReadShardChangesRequest>(ShardChangesRequest {
            shard, expected_history_uuid, from, max_operation_count, max_batch_size, max_response_size, poll_timeout, known_metadata,
            may_stay_open,
        })?;
    }

    #[test]
    fn shard_changes_headers_cross(
        global_checkpoint in prop::option::of(seq_nos()), max_seq_no in prop::option::of(seq_nos()),
        msu in prop::option::of(seq_nos()), versions: [u64; 3], took in times(), now: u64, next: Option<u64>, stays_open: bool,
    ) {
        let answer = ShardChangesResponse {
            frames: Vec::new(), next_operation_size: next.map(ByteCount::new), global_checkpoint, max_seq_no, max_seq_no_of_updates_or_deletes: msu,
            mapping_version: versions[0], settings_version: versions[1], aliases_version: versions[2],
            took, leader_now: UnixMillis::new(now), stays_open,
        };
        let got = ShardChangesResponse::from_header(&answer.header()).unwrap();
        prop_assert_eq!(format!("{got:?}"), format!("{answer:?}"));
    }

    #[test]
    fn retention_leases_cross(
        shard in shards(), id in ".{1,200}", retaining in prop::option::of(seq_nos()), source in ".{1,9}", now: u64,
    ) {
        let id: LeaseId = id.parse().unwrap();
        check::<_, proto::RemoveRetentionLeaseRequest>(
            RemoveRetentionLeaseRequest { shard: shard.clone(), id: id.clone() },
        )?;
        check::<_, proto::RetentionLease>(RetentionLease {
            id: id.clone(), retaining_seq_no: retaining.unwrap_or(SeqNo::ZERO),
            timestamp: UnixMillis::new(now), source: source.clone(),
        })?;
        check::<_, proto::RetentionLeaseRequest>(RetentionLeaseRequest { shard, id, retaining, source })?;
    }

    #[test]
    fn recovery_messages_cross(
        shard in shards(), session_id in ".{1,30}", checkpoint in prop::option::of(seq_nos()),
        max_seq_no in prop::option::of(seq_nos()), mapping_version: u64, history_uuid in histories(),
        names in prop::collection::btree_set("[a-z]{1,9}(/[a-z0-9_]{1,9}\\.[a-z]{1,3}){0,2}", 0..4),
        offset in 0..u64::MAX / 2, length in 0..u64::MAX / 2, content_id: Option<u64>,
        piece_length in 1..1_u64 << 22, checksums in prop::collection::vec(any::<u64>(), 0..9),
    ) {
        let pieces = Some(FilePieces { length: piece_length, checksums })
            .filter(|pieces| pieces.checksums.len() as u64 <= length / piece_length);
        let file = |name| RecoveryFile { name, length, content_id, pieces: pieces.clone() };
        let files = names.into_iter().map(file).collect();
        check::<_, proto::RecoverySession>(RecoverySession {
            session_id: session_id.clone(), checkpoint, max_seq_no, mapping_version, history_uuid, files,
        })?;
        check::<_, proto::OpenRecoverySessionRequest>(
            OpenRecoverySessionRequest { shard: shard.clone(), session_id: session_id.clone() },
        )?;
        check::<_, proto::CloseRecoverySessionRequest>(
            CloseRecoverySessionRequest { shard: shard.clone(), session_id: session_id.clone() },
        )?;
        let file = "oplog/00000000000000000000.log".to_owned();
        check::<_, proto::ReadFileRequest>(ReadFileRequest { session_id, shard, file, offset, length })?;
    }

    #[test]
    fn handshakes_cross(texts: [String; 4], id in ".{1,9}", version in 1_u32.., address in ".{1,20}") {
        let [name, uuid, node_name, release] = texts;
        check::<_, proto::HandshakeRequest>(HandshakeRequest {
            cluster_name: name.clone(), cluster_uuid: uuid.clone(), node_id: id.clone(), node_name: node_name.clone(),
            version: release.clone(), min_protocol_version: 1, max_protocol_version: version,
        })?;
        check::<_, proto::HandshakeResponse>(HandshakeResponse {
            cluster_name: format!("n{name}"), cluster_uuid: format!("u{uuid}"), node_id: id.clone(),
            node_name: node_name.clone(), version: release, protocol_version: version,
            nodes: vec![RemoteNode { node_id: id, node_name, transport_address: address }],
        })?;
    }

    #[test]
    fn metadata_crosses(
        index in shards(), name in ".{1,9}", data_stream in prop::option::of(".{1,9}"), flags: [bool; 4],
        versions: [u64; 4], history_uuid in prop::option::of(histories()), checkpoint in prop::option::of(seq_nos()),
        minimum in prop::option::of(any::<u64>()), timeout in times(), number_of_shards in 1_u32..9,
    ) {
        let uuid = index.index;
        check::<_, proto::ClusterMetadataResponse>(ClusterMetadata {
            metadata_version: versions[0],
            indices: vec![IndexSummary {
                name: name.clone(), uuid: uuid.clone(), open: flags[0], all_primaries_active: flags[1],
                hidden: flags[2], system: flags[3], data_stream: data_stream.clone(),
                leader_index_uuid: data_stream.as_ref().map(|_| uuid.clone()),
            }],
        })?;
        check::<_, proto::IndexMetadataRequest>(IndexMetadataRequest {
            index: name.clone(), min_mapping_version: minimum, min_settings_version: None,
            min_aliases_version: minimum, timeout,
        })?;
        let request = ClusterMetadataRequest { wait_for_version: minimum, timeout };
        let crossed = ClusterMetadataRequest::from(proto::ClusterMetadataRequest::from(request.clone()));
        prop_assert_eq!(crossed, request);
        let shard = |number| RemoteShard {
            shard: ShardNumber::new(number), history_uuid: history_uuid.clone(), primary_active: flags[0],
            global_checkpoint: checkpoint, max_seq_no: checkpoint, store_bytes: versions[3],
        };
        check::<_, proto::IndexMetadataResponse>(RemoteIndexMetadata {
            name, uuid, open: flags[1], number_of_shards,
            data_stream: data_stream.map(|name| RemoteDataStream {
                name, generation: versions[0], hidden: flags[2], allow_custom_routing: flags[3],
                metadata: flags[0].then(|| r#"{"a":1}"#.to_owned()),
            }),
            number_of_routing_shards: 1024,
            settings: r#"{"index.number_of_shards":"1"}"#.to_owned(), mapping: "{ }".to_owned(), aliases: "{}".to_owned(),
            mapping_version: versions[0], settings_version: versions[1], aliases_version: versions[2],
            metadata_version: versions[3], shards: (0..number_of_shards).map(shard).collect(),
        })?;
    }
}

fn refusal<D, W>(wire: W) -> String
where
    D: TryFrom<W, Error = InvalidMessage>,
{
    D::try_from(wire)
        .err()
        .expect("the message must be refused")
        .to_string()
}

#[test]
fn a_refusal_names_message_and_field() {
    let shard = || {
        Some(proto::ShardId {
            index_uuid: "u".into(),
            shard: 0,
        })
    };
    let changes = || proto::ReadShardChangesRequest {
        shard: shard(),
        expected_history_uuid: "h".into(),
        max_batch_size_in_bytes: 1,
        ..Default::default()
    };
    let refuse = refusal::<ShardChangesRequest, _>;
    assert_eq!(
        refuse(proto::ReadShardChangesRequest {
            shard: None,
            ..changes()
        }),
        "[ReadShardChangesRequest] has an invalid [shard]: is missing"
    );
    let refused = refuse(proto::ReadShardChangesRequest {
        expected_history_uuid: "a b".into(),
        ..changes()
    });
    assert!(
        refused.starts_with("[ReadShardChangesRequest] has an invalid [expected_history_uuid]"),
        "{refused}"
    );
    assert!(
        refuse(proto::ReadShardChangesRequest {
            from: u64::MAX,
            ..changes()
        })
        .contains("[from]")
    );
    let refused = refuse(proto::ReadShardChangesRequest {
        max_batch_size_in_bytes: 0,
        ..changes()
    });
    assert!(refused.contains("[max_batch_size_in_bytes]"), "{refused}");

    let lease = proto::RetentionLeaseRequest {
        shard: shard(),
        source: "ccr".into(),
        ..Default::default()
    };
    assert!(refusal::<RetentionLeaseRequest, _>(lease).contains("[id]"));

    for name in [
        "",
        "/etc/passwd",
        "a//b",
        "../a",
        "a/..",
        ".",
        "a\\b",
        "c:a",
        "a\0",
    ] {
        let file = proto::RecoveryFile {
            name: name.into(),
            length: 1,
            ..Default::default()
        };
        assert!(
            refusal::<RecoveryFile, _>(file).contains("[RecoveryFile] has an invalid [name]"),
            "{name:?}"
        );
    }
    let read = proto::ReadFileRequest {
        session_id: "s".into(),
        shard: shard(),
        file: "a".into(),
        offset: u64::MAX,
        length: 1,
    };
    assert!(refusal::<ReadFileRequest, _>(read).contains("[length]"));
    let file = || proto::RecoveryFile {
        name: "a".into(),
        length: 1,
        ..Default::default()
    };
    for (piece_length, count) in [(0, 1), (4, 3), (11, 1), (u64::MAX, 0), ((4 << 20) + 1, 0)] {
        let file = proto::RecoveryFile {
            length: 10,
            piece_length,
            piece_checksums: vec![1; count],
            ..file()
        };
        let refused = refusal::<RecoveryFile, _>(file);
        assert!(
            refused.contains("[piece_checksums]"),
            "{count} of {piece_length}: {refused}"
        );
    }
    let session = proto::RecoverySession {
        session_id: "s".into(),
        history_uuid: "h".into(),
        files: vec![file(), file()],
        ..Default::default()
    };
    assert!(refusal::<RecoverySession, _>(session).contains("[files]: [a] is named twice"));

    let metadata = |settings: &str, shards: u32| proto::IndexMetadataResponse {
        name: "n".into(),
        uuid: IndexUuid::generate().to_string(),
        number_of_shards: shards,
        number_of_routing_shards: 1,
        settings: settings.into(),
        mapping: "{}".into(),
        aliases: "{}".into(),
        shards: vec![proto::RemoteShard {
            shard: 0,
            ..Default::default()
        }],
        ..Default::default()
    };
    assert!(
        refusal::<RemoteIndexMetadata, _>(metadata("[]", 1)).contains("[settings]: is not a JSON object")
    );
    assert!(refusal::<RemoteIndexMetadata, _>(metadata("{", 1)).contains("[settings]"));
    assert!(refusal::<RemoteIndexMetadata, _>(metadata("{}", 0)).contains("[number_of_shards]"));
    assert!(refusal::<RemoteIndexMetadata, _>(metadata("{}", 2)).contains("[number_of_routing_shards]"));
    let handshake = proto::HandshakeRequest {
        min_protocol_version: 2,
        max_protocol_version: 1,
        ..Default::default()
    };
    assert!(refusal::<HandshakeRequest, _>(handshake).contains("[max_protocol_version]"));
}

#[test]
fn a_chunk_knows_damage() {
    let chunk = FileChunk::new(3, Bytes::from_static(b"abc"));
    assert!(chunk.is_intact());
    assert!(
        !FileChunk {
            bytes: Bytes::from_static(b"abd"),
            ..chunk
        }
        .is_intact()
    );
}
