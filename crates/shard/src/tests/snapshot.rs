//! What a snapshot says of its files.

use oplog::{ByteCount, LogOptions};
use serde_json::json;

use super::*;
use crate::{SNAPSHOT_PIECE_BYTES, SnapshotFile, Unthrottled};

const FIRST_SEGMENT: &str = "oplog/00000000000000000000.log";

fn file(shard: &Shard, name: &str) -> SnapshotFile {
    let snapshot = shard.pin_snapshot().unwrap();
    snapshot
        .files()
        .iter()
        .find(|file| file.name == name)
        .unwrap()
        .clone()
}

/// About so many KiB, of which little is left compressed.
fn write_kib(shard: &Shard, from: u64, kib: u64) {
    let text = "some words ".repeat(90);
    let writes = (from..from + kib).map(|id| index(&id.to_string(), &json!({"title": text})));
    write(shard, writes.collect());
}

#[test]
fn a_segment_that_grows_and_is_sealed_keeps_the_checksums_of_its_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let services = ShardServices {
        log: LogOptions {
            segment_bytes: ByteCount::from_mib(1),
            ..LogOptions::default()
        },
        ..services(small_pool())
    };
    let shard = Shard::create(
        config(dir.path(), ShardRole::Primary),
        HistoryUuid::generate(),
        services,
    )
    .unwrap();
    write_kib(&shard, 0, 100);
    let small = file(&shard, FIRST_SEGMENT);
    assert_eq!(
        (small.content_id, small.pieces),
        (None, Some(Vec::new())),
        "less than a piece"
    );

    write_kib(&shard, 100, 500);
    let open = file(&shard, FIRST_SEGMENT);
    let pieces = open.pieces.unwrap();
    assert_eq!(pieces.len() as u64, open.length / SNAPSHOT_PIECE_BYTES as u64);
    assert!(
        open.content_id.is_none() && pieces.len() >= 2,
        "{} bytes",
        open.length
    );

    write_kib(&shard, 600, 600);
    let sealed = file(&shard, FIRST_SEGMENT);
    assert!(sealed.content_id.is_some(), "it does not change any more");
    let sealed_pieces = sealed.pieces.unwrap();
    assert!(sealed_pieces.len() > pieces.len() && sealed_pieces.starts_with(&pieces));
    assert!(pieces[0] != pieces[1]);

    shard.maintain(&Unthrottled).unwrap();
    let rewritten = file(&shard, FIRST_SEGMENT);
    assert_eq!(rewritten.pieces, None);
    assert!(rewritten.content_id.is_some() && rewritten.content_id != sealed.content_id);
}
