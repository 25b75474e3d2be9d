//! What `transport.compress` and `transport.compression_scheme` do to the bytes on the line.

use futures::TryStreamExt as _;
use oplog::{Frame, SeqNo};
use transport::{
    ReadFileRequest, RemoteClusterSettings, RemoteCompression, RemoteCompressionScheme, RetentionLeaseRequest,
};

use crate::leader::{Leader, answer, frame, shard};
use crate::setup::{Forwarder, Running, follower, read_from, until_info};

/// Bytes of the operations that are read, and about as many of the file.
const PAYLOAD: usize = 2 << 20;
/// Bytes of the lease request.
const SOURCE: usize = 20_000;

/// Bytes that a follower sent and received in the course of some calls.
#[derive(Debug)]
struct Carried {
    /// For a read of operations and of a file.
    data: (usize, usize),
    /// For a retention lease.
    other: (usize, usize),
}

async fn carried(compress: RemoteCompression, compression_scheme: RemoteCompressionScheme) -> Carried {
    let frames: Vec<Frame> = (0..512)
        .map(|seq_no| {
            frame(
                seq_no,
                format!("{seq_no} of a few words ")
                    .repeat(PAYLOAD / 512 / 20)
                    .into_bytes(),
            )
        })
        .collect();
    let expected = frames.clone();
    let leader = Leader::reading("leader", "n0", move |_| {
        let answer = answer(frames.clone());
        Box::pin(async { Ok(answer) })
    });
    let server = Running::start(leader).await;
    let line = Forwarder::start(server.address).await;
    let settings = RemoteClusterSettings {
        compress,
        compression_scheme,
        ..RemoteClusterSettings::proxy(line.address.to_string())
    };
    let (clusters, remote) = follower(settings);
    until_info(&remote, |info| info.connected).await;
    let start = line.carried();
    let got = remote.read_changes(read_from(0)).await.unwrap().frames;
    assert!(got.iter().map(Frame::bytes).eq(expected.iter().map(Frame::bytes)));
    let file = ReadFileRequest {
        session_id: "s".to_owned(),
        shard: shard(),
        file: "zeros".to_owned(),
        offset: 0,
        length: PAYLOAD as u64,
    };
    let chunks: Vec<_> = remote.read_file(file).await.unwrap().try_collect().await.unwrap();
    assert_eq!(
        chunks.iter().map(|chunk| chunk.bytes.len()).sum::<usize>(),
        PAYLOAD
    );
    let middle = line.carried();
    let request = RetentionLeaseRequest {
        shard: shard(),
        id: "lease".parse().unwrap(),
        retaining: Some(SeqNo::new(1)),
        source: "x".repeat(SOURCE),
    };
    let lease = remote.add_retention_lease(request.clone()).await.unwrap();
    assert_eq!(lease.source, request.source);
    let end = line.carried();
    clusters.shutdown().await;
    server.stop().await;
    Carried {
        data: (middle.0 - start.0, middle.1 - start.1),
        other: (end.0 - middle.0, end.1 - middle.1),
    }
}

#[tokio::test]
async fn what_is_to_be_compressed_is_compressed_both_ways_and_nothing_else() {
    use RemoteCompression::{All, IndexingData, Off};
    use RemoteCompressionScheme::{Deflate, Lz4, Zstd};
    for (compress, scheme) in [
        (Off, Lz4),
        (IndexingData, Lz4),
        (All, Lz4),
        (All, Zstd),
        (IndexingData, Deflate),
        (All, Deflate),
    ] {
        let Carried { data, other } = carried(compress, scheme).await;
        let is = format!("with {compress:?} and {scheme:?}: {data:?} {other:?}");
        match compress {
            Off => assert!(data.1 > 3 * PAYLOAD / 2, "{is}"),
            _ => assert!(data.1 < PAYLOAD / 5, "{is}"),
        }
        match compress {
            All => assert!(other.0 < SOURCE / 5 && other.1 < SOURCE / 5, "{is}"),
            _ => assert!(other.0 > SOURCE && other.1 > SOURCE, "{is}"),
        }
    }
}

#[tokio::test]
async fn the_schemes_differ_on_the_line() {
    let zstd = carried(RemoteCompression::All, RemoteCompressionScheme::Zstd).await;
    let deflate = carried(RemoteCompression::All, RemoteCompressionScheme::Deflate).await;
    // Both see the same bytes, of which zstd makes less.
    assert!(zstd.data.1 * 11 / 10 < deflate.data.1, "{zstd:?} {deflate:?}");
}
