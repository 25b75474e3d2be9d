//! How a leader keeps the rate of file copies.

use std::time::Duration;

use futures::TryStreamExt;
use index_meta::SettingValue;
use serde_json::json;
use transport::{LeaderServices, OpenRecoverySessionRequest, ReadFileRequest};

use crate::support::{Disk, Node, document};

const MEBIBYTE: u64 = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_range_is_booked_piece_by_piece() {
    let disk = Disk::new();
    let node = Node::start("lisbon-cluster", &disk).await;
    node.create_index("orders", 1).await;
    let source = json!({"text": "x".repeat(512 * 1024)});
    node.write_all((0..10).map(|id| document("orders", id, &source)).collect())
        .await;
    let rate = SettingValue::String("10mb".to_owned());
    node.set("ccr.indices.recovery.max_bytes_per_sec", rate).await;

    let (leader, shard) = (
        node.ccr.leader_side(),
        node.shards("orders")[0].shard_id().clone(),
    );
    let session = leader
        .open_recovery_session(OpenRecoverySessionRequest {
            shard: shard.clone(),
            session_id: "session".to_owned(),
        })
        .await
        .unwrap();
    let file = session.files.iter().max_by_key(|file| file.length).unwrap();
    assert!(file.length > 4 * MEBIBYTE, "{file:?}");
    let mut pieces = leader
        .read_file(ReadFileRequest {
            session_id: "session".to_owned(),
            shard,
            file: file.name.clone(),
            offset: 0,
            length: file.length,
        })
        .await
        .unwrap();
    let throttled = || leader.sessions().throttle_time();
    assert_eq!(throttled(), Duration::ZERO, "the answer itself costs nothing");
    let piece = pieces.try_next().await.unwrap().unwrap();
    assert_eq!(piece.bytes.len() as u64, MEBIBYTE);
    assert!(
        throttled() <= Duration::from_millis(100),
        "one piece is booked: {:?}",
        throttled()
    );
    let before_the_rest = throttled();
    drop(pieces);
    assert_eq!(
        throttled(),
        before_the_rest,
        "a reader that leaves books nothing more"
    );
}
