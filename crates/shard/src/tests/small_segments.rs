//! A copy whose log has several segments without being large, and damage to its files.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};

use oplog::{ByteCount, Durability, Log, LogOptions, NewLog};
use serde_json::json;

use super::follower::frames;
use super::*;

/// Documents, updates and deletes of some of them, all of it searchable. So few are dead that the view's segments stay as they are.
pub(super) fn updates_and_deletes() -> Fixture {
    let fixture = Fixture::primary();
    let document =
        |number: u64| json!({"n": number, "tag": "t", "title": format!("the {number} of many words")});
    let sources: Vec<_> = (0..100).map(document).collect();
    load(&fixture.shard, &sources);
    let updates = (0..10).map(|number| index(&(number * 3).to_string(), &document(number)));
    write(&fixture.shard, updates.collect());
    let deletes = (0..10).map(|number| delete(&(number * 5 + 1).to_string()));
    write(&fixture.shard, deletes.collect());
    fixture.shard.flush().unwrap();
    fixture
}

/// Writes the log anew in segments of about 2 KiB, and opens the copy with it.
pub(super) fn small_segments(fixture: &mut Fixture) {
    let operations = frames(&fixture.shard, 0);
    let log = fixture.shard.log();
    let new = NewLog {
        history_uuid: log.history_uuid(),
        primary_term: log.primary_term(),
    };
    fixture.shard.close().unwrap();
    let dir = fixture.dir.path().join("oplog");
    std::fs::remove_dir_all(&dir).unwrap();
    let options = LogOptions {
        segment_bytes: ByteCount::from_kib(2),
        ..LogOptions::default()
    };
    let services = &fixture.services;
    let log = Log::create(
        Arc::clone(&services.storage),
        dir,
        new,
        options,
        Arc::clone(&services.committer),
        Arc::clone(&services.clock),
    )
    .unwrap();
    log.append(operations, Durability::Request)
        .unwrap()
        .wait()
        .unwrap();
    log.flush().unwrap();
    log.close().unwrap();
    fixture.open();
}

/// The segments, oldest first.
pub(super) fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("oplog")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    segments.sort();
    assert!(segments.len() > 4, "{segments:?}");
    segments
}

/// Flips the bits of one byte in place.
pub(super) fn flip(path: &Path, offset: u64) {
    let mut file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(&[!byte[0]]).unwrap();
}
