//! Forced merges while the view merges by itself.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::*;
use crate::{ForceMergeRequest, Unthrottled};

/// Enough for several forced merges to meet a merge of the view, or a segment that dies.
const ROUNDS: u64 = 60;

fn one_segment() -> ForceMergeRequest {
    ForceMergeRequest {
        max_num_segments: Some(1),
        ..ForceMergeRequest::default()
    }
}

/// Each refresh makes a segment, and the view merges every eight of them by itself.
fn write_rounds(shard: &Shard, id: impl Fn(u64) -> u64) {
    for round in 0..ROUNDS {
        let ids = (round * 20..(round + 1) * 20).map(|number| id(number).to_string());
        write(shard, ids.map(|id| index(&id, &json!({"n": round}))).collect());
        shard.refresh().wait().unwrap();
    }
}

fn merges_amid_writes(id: impl Fn(u64) -> u64 + Send) {
    let fixture = Fixture::primary();
    let shard = &fixture.shard;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            write_rounds(shard, id);
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            shard.force_merge(one_segment(), &Unthrottled).unwrap();
        }
    });
    shard.force_merge(one_segment(), &Unthrottled).unwrap();
    assert_eq!(shard.stats().segments, 1);
}

#[test]
fn a_forced_merge_is_not_lost_to_the_merges_of_the_view() {
    merges_amid_writes(|number| number);
}

#[test]
fn a_forced_merge_is_not_lost_to_segments_that_die() {
    // The documents of a segment are dead three segments later.
    merges_amid_writes(|number| number % 60);
}
