//! Reading the log of an open copy again.

use std::sync::atomic::{AtomicBool, Ordering};

use oplog::ByteCount;
use serde_json::json;

use super::small_segments::{flip, segments, small_segments, updates_and_deletes};
use super::*;
use crate::{ForceMergeRequest, ShardError, ShardFailureKind, Unthrottled};

const STEP: ByteCount = ByteCount::from_kib(4);

/// Steps to the end of the pass, and answers how many bytes it read.
fn pass(shard: &Shard) -> Result<u64, ShardError> {
    let mut bytes = 0;
    loop {
        let step = shard.scrub_step(STEP)?;
        bytes += step.bytes.get();
        if step.done {
            return Ok(bytes);
        }
    }
}

#[test]
fn a_pass_reads_everything_while_writes_and_compactions_go_on() {
    let mut fixture = updates_and_deletes();
    small_segments(&mut fixture);
    let shard = &fixture.shard;
    shard.update_settings(settings(&json!({"index.soft_deletes.retention.operations": 0})));
    let first = shard.scrub_step(STEP).unwrap();
    assert!(
        !first.done && (STEP.get()..3 * STEP.get()).contains(&first.bytes.get()),
        "as much as asked for: {first:?}"
    );
    let written = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..100 {
                let id = |number: u64| (number % 40).to_string();
                let updates = (0..10).map(|number| index(&id(round * 7 + number), &json!({"n": round})));
                write(shard, updates.collect());
                if round % 25 == 0 {
                    let merged = shard
                        .force_merge(ForceMergeRequest::default(), &Unthrottled)
                        .unwrap();
                    assert!(round > 0 || merged.removed_operations > 0, "{merged:?}");
                }
            }
            written.store(true, Ordering::Release);
        });
        while !written.load(Ordering::Acquire) {
            pass(shard).unwrap();
        }
    });
    shard.refresh().wait().unwrap();
    let whole = pass(shard).unwrap();
    let stats = shard.stats();
    // Of the view all but the lists of files and the end of each file.
    let view = stats.store_bytes - stats.log_bytes;
    assert!(
        whole > view * 9 / 10 + stats.live_count * 62,
        "{whole} of {stats:?}"
    );
    assert!(shard.scrub.lock().is_none(), "nothing is held between passes");
}

#[test]
fn a_flipped_byte_in_a_cold_segment_is_found_and_named() {
    let mut fixture = updates_and_deletes();
    small_segments(&mut fixture);
    pass(&fixture.shard).unwrap();
    let segments = segments(fixture.dir.path());
    let cold = &segments[segments.len() / 2];
    let middle = std::fs::metadata(cold).unwrap().len() / 2;
    flip(cold, middle);
    let error = pass(&fixture.shard).unwrap_err();
    let ShardError::Failed(failure) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(failure.kind, ShardFailureKind::Corruption);
    assert!(failure.reason.contains(cold.to_str().unwrap()), "{failure:?}");
    assert!(
        fixture.shard.get("1").is_err(),
        "a damaged copy serves nothing more"
    );
}

#[test]
fn damaged_small_files_are_written_anew_at_the_end_of_a_pass() {
    let fixture = updates_and_deletes();
    let shard = &fixture.shard;
    shard
        .log()
        .add_retention_lease("copy".parse().unwrap(), None, "ccr")
        .unwrap();
    shard.flush().unwrap();
    for name in ["live", "leases", "checkpoint"] {
        let path = fixture.dir.path().join("oplog").join(name);
        flip(&path, std::fs::metadata(&path).unwrap().len() / 2);
    }
    pass(shard).unwrap();
    assert_eq!(shard.log().verify_small_files().unwrap(), Vec::<PathBuf>::new());
    shard.close().unwrap();
    let found = crate::check_dir(fixture.dir.path()).unwrap();
    assert!(!found.is_damaged(), "{found:?}");
    let leases = found.log.retention_leases.unwrap().leases;
    assert_eq!(leases.len(), 1, "kept: {leases:?}");
}

#[test]
fn a_damaged_file_of_the_view_is_found_and_the_view_built_anew() {
    let mut fixture = updates_and_deletes();
    fixture.shard.refresh().wait().unwrap();
    pass(&fixture.shard).unwrap();
    let view = fixture.dir.path().join("index");
    let entries = std::fs::read_dir(&view)
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let fast_fields = entries
        .into_iter()
        .find(|path| path.extension().is_some_and(|kind| kind == "fast"))
        .unwrap();
    flip(&fast_fields, std::fs::metadata(&fast_fields).unwrap().len() / 2);
    let error = pass(&fixture.shard).unwrap_err();
    let ShardError::Failed(failure) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(failure.kind, ShardFailureKind::View);
    let name = fast_fields.file_name().unwrap().to_str().unwrap();
    assert!(failure.reason.contains(name), "{failure:?}");
    fixture.reopen();
    pass(&fixture.shard).unwrap();
}

#[test]
fn a_closed_shard_is_not_scrubbed() {
    let fixture = updates_and_deletes();
    fixture.shard.scrub_step(ByteCount::new(1)).unwrap();
    fixture.shard.close().unwrap();
    assert!(matches!(fixture.shard.scrub_step(STEP), Err(ShardError::Closed)));
}
