//! What is asked arrives, and what is answered comes back.

use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use futures::TryStreamExt as _;
use oplog::{ByteCount, Frame, SeqNo};
use transport::{
    CloseRecoverySessionRequest, ClusterMetadataRequest, FileChunk, HeldOperationsRequest,
    IndexMetadataRequest, LiveSetRequest, OpenRecoverySessionRequest, ReadFileRequest, RemoteCompression,
    RemoveRetentionLeaseRequest, RetentionLeaseRequest,
};

use crate::leader::{self, FILE_BYTES, Leader, answer, frame, shard};
use crate::setup::{Running, follower, read_from, sniff};

#[tokio::test]
async fn every_method_crosses() {
    let leader = Leader::reading("leader", "n0", |request| {
        Box::pin(async move { Ok(answer(vec![frame(request.from.get(), b"{}".to_vec())])) })
    });
    let server = Running::start(leader.clone()).await;
    let (clusters, remote) = follower(sniff(&[server.address]));
    let last_asked = || leader.asked.lock().last().cloned().unwrap();

    let request = read_from(7);
    let got = remote.read_changes(request.clone()).await.unwrap();
    assert_eq!(last_asked(), format!("{request:?}"));
    let expected = answer(vec![frame(7, b"{}".to_vec())]);
    assert_eq!(got.frames[0].bytes(), expected.frames[0].bytes());
    let without_frames = |answer| {
        format!(
            "{:?}",
            transport::ShardChangesResponse {
                frames: Vec::new(),
                ..answer
            }
        )
    };
    assert_eq!(without_frames(got), without_frames(expected));

    let request = HeldOperationsRequest {
        shard: shard(),
        expected_history_uuid: leader::history(),
        from: SeqNo::new(3),
        to: Some(SeqNo::new(9)),
        max_operation_count: 8,
        max_batch_size: ByteCount::from_mib(1),
        max_response_size: ByteCount::from_mib(2),
    };
    let got = remote.read_held_operations(request.clone()).await.unwrap();
    assert_eq!(last_asked(), format!("{request:?}"));
    assert_eq!(format!("{got:?}"), format!("{:?}", leader::held_operations()));
    let request = LiveSetRequest {
        shard: shard(),
        expected_history_uuid: leader::history(),
    };
    assert_eq!(
        remote.read_live_set(request.clone()).await.unwrap(),
        leader::live_set()
    );
    assert_eq!(last_asked(), format!("{request:?}"));

    let id = || "f/i/u-following-lisbon/l/v".parse().unwrap();
    for retaining in [None, Some(SeqNo::new(5))] {
        let request = RetentionLeaseRequest {
            shard: shard(),
            id: id(),
            retaining,
            source: "ccr".to_owned(),
        };
        assert_eq!(
            remote.add_retention_lease(request.clone()).await.unwrap(),
            leader::lease(request.clone())
        );
        assert_eq!(last_asked(), format!("{request:?}"));
        assert_eq!(
            remote.renew_retention_lease(request.clone()).await.unwrap(),
            leader::lease(request.clone())
        );
        assert_eq!(last_asked(), format!("{:?}", ("renew", request)));
    }
    let request = RemoveRetentionLeaseRequest {
        shard: shard(),
        id: id(),
    };
    remote.remove_retention_lease(request.clone()).await.unwrap();
    assert_eq!(last_asked(), format!("{request:?}"));

    let session_id = "session".to_owned();
    let request = OpenRecoverySessionRequest {
        shard: shard(),
        session_id: session_id.clone(),
    };
    assert_eq!(
        remote.open_recovery_session(request.clone()).await.unwrap(),
        leader::session(session_id.clone())
    );
    assert_eq!(last_asked(), format!("{request:?}"));
    let request = ReadFileRequest {
        session_id: session_id.clone(),
        shard: shard(),
        file: "oplog/0.log".to_owned(),
        offset: 3,
        length: FILE_BYTES - 3,
    };
    let chunks: Vec<FileChunk> = remote
        .read_file(request.clone())
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(last_asked(), format!("{request:?}"));
    assert!(chunks.iter().all(|chunk| chunk.bytes.len() <= 1 << 20));
    let bytes: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.bytes.to_vec()).collect();
    assert_eq!(bytes, leader::file()[3..]);
    let request = CloseRecoverySessionRequest {
        session_id,
        shard: shard(),
    };
    remote.close_recovery_session(request.clone()).await.unwrap();
    assert_eq!(last_asked(), format!("{request:?}"));

    let request = ClusterMetadataRequest {
        wait_for_version: Some(3),
        timeout: Duration::from_millis(4),
    };
    assert_eq!(
        remote.cluster_metadata(request.clone()).await.unwrap(),
        leader::cluster_metadata()
    );
    assert_eq!(last_asked(), format!("{request:?}"));
    let request = IndexMetadataRequest {
        index: "orders".to_owned(),
        min_mapping_version: Some(1),
        min_settings_version: None,
        min_aliases_version: Some(2),
        timeout: Duration::from_millis(3),
    };
    assert_eq!(
        remote.index_metadata(request.clone()).await.unwrap(),
        leader::index_metadata("orders".to_owned())
    );
    assert_eq!(last_asked(), format!("{request:?}"));
    assert!(
        leader.asked.lock()[0].contains("follower-uuid"),
        "the first call is the handshake"
    );
    clusters.shutdown().await;
    server.stop().await;
}

#[tokio::test]
async fn exceptions_cross_whole() {
    let leader = Leader::new("leader", "n0");
    let server = Running::start(leader.clone()).await;
    let (_clusters, remote) = follower(sniff(&[server.address]));
    let cause = Exception::new(ExceptionKind::Engine, "weird: \u{1F4A5}\n\"%\"").with_status(507);
    let exception = Exception::new(ExceptionKind::ResourceNotFound, "x".repeat(40_000))
        .with_index("orders")
        .with_metadata(
            "es.requested_operations_missing",
            vec!["3".to_owned(), "9".to_owned()],
        )
        .with_cause(cause);
    *leader.fail_with.lock() = Some(exception.clone());
    assert_eq!(remote.read_changes(read_from(0)).await.unwrap_err(), exception);
    let request = RemoveRetentionLeaseRequest {
        shard: shard(),
        id: "id".parse().unwrap(),
    };
    assert_eq!(
        remote.remove_retention_lease(request).await.unwrap_err(),
        exception
    );
    *leader.fail_with.lock() = None;
    let read = ReadFileRequest {
        session_id: "s".to_owned(),
        shard: shard(),
        file: "fails".to_owned(),
        offset: 0,
        length: 10,
    };
    let failed = remote
        .read_file(read)
        .await
        .unwrap()
        .try_collect::<Vec<_>>()
        .await
        .unwrap_err();
    assert_eq!(failed, Exception::new(ExceptionKind::Engine, "the disk is gone"));
    // Refused before it reaches the leader's services.
    let empty = IndexMetadataRequest {
        index: String::new(),
        min_mapping_version: None,
        min_settings_version: None,
        min_aliases_version: None,
        timeout: Duration::ZERO,
    };
    let refused = remote.index_metadata(empty).await.unwrap_err();
    assert_eq!(refused.kind(), ExceptionKind::IllegalArgument);
    assert!(
        refused
            .reason()
            .contains("[IndexMetadataRequest] has an invalid [index]"),
        "{refused}"
    );
}

#[tokio::test]
async fn large_reads_cross_plain_and_compressed() {
    // Many small operations, and one that spans pieces.
    let source = |seq_no: u64| match seq_no {
        1234 => (0..5_u32 << 20)
            .map(|byte| (byte.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect(),
        seq_no => vec![b'a' + (seq_no % 26) as u8; 3000],
    };
    let frames: Vec<Frame> = (0..3000).map(|seq_no| frame(seq_no, source(seq_no))).collect();
    let stored = frames.clone();
    let leader = Leader::reading("leader", "n0", move |_| {
        let answer = answer(frames.clone());
        Box::pin(async { Ok(answer) })
    });
    let server = Running::start(leader).await;
    for compress in [
        RemoteCompression::Off,
        RemoteCompression::IndexingData,
        RemoteCompression::All,
    ] {
        let settings = transport::RemoteClusterSettings {
            compress,
            ..sniff(&[server.address])
        };
        let (clusters, remote) = follower(settings);
        let got = remote.read_changes(read_from(0)).await.unwrap().frames;
        assert!(got.iter().map(Frame::len).sum::<usize>() > 13 << 20);
        assert!(
            got.iter().map(Frame::bytes).eq(stored.iter().map(Frame::bytes)),
            "with {compress:?}"
        );
        clusters.shutdown().await;
    }
}

#[tokio::test]
async fn a_panic_fails_one_call() {
    let leader = Leader::reading("leader", "n0", |request| {
        Box::pin(async move {
            assert!(request.from != SeqNo::new(13), "unlucky");
            Ok(answer(Vec::new()))
        })
    });
    let server = Running::start(leader).await;
    let (_clusters, remote) = follower(sniff(&[server.address]));
    let failed = remote.read_changes(read_from(13)).await.unwrap_err();
    assert!(
        failed.reason().contains("panicked") && failed.reason().contains("unlucky"),
        "{failed}"
    );
    remote.read_changes(read_from(14)).await.unwrap();
}
