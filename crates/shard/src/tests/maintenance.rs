//! Compaction under a shard's readers, and what it leaves.

use serde_json::json;

use super::*;
use crate::{ForceMergeRequest, SearchRequest, Unthrottled};

/// Fifty of them fill more than one segment.
fn source(round: usize) -> Value {
    json!({"n": round, "tag": "x".repeat(200)})
}

/// Writes every one of a few documents so often that several segments are sealed.
fn churn(shard: &Shard, rounds: usize) {
    for round in 0..rounds {
        let writes = (0..50)
            .map(|id| index(&format!("d{id}"), &source(round)))
            .collect();
        for item in write(shard, writes).items {
            item.unwrap();
        }
    }
}

fn all() -> SearchRequest {
    SearchRequest::from_json(&json!({"size": 100})).unwrap()
}

#[test]
fn what_a_search_found_stays_in_the_log_until_it_is_fetched() {
    let fixture = Fixture::primary();
    let shard = &fixture.shard;
    churn(shard, 4);
    shard.refresh().wait().unwrap();
    let found = shard.search(&all()).unwrap();
    let of_round = |round: usize| {
        let fetched = shard.fetch(&found.hits, &all());
        fetched.map(|hits| {
            let expected = source(round).to_string();
            assert!(
                hits.iter()
                    .all(|hit| hit.source.as_deref() == Some(expected.as_bytes()))
            );
            hits.len()
        })
    };
    churn(shard, 4);
    let report = shard
        .force_merge(ForceMergeRequest::default(), &Unthrottled)
        .unwrap();
    assert!(report.postponed, "the hits are not fetched yet: {report:?}");
    assert_eq!(of_round(3).unwrap(), 50);

    drop(found.snapshot.clone());
    let hits = found.hits.clone();
    drop(found);
    let report = shard
        .force_merge(ForceMergeRequest::default(), &Unthrottled)
        .unwrap();
    assert!(
        !report.postponed && report.removed_operations >= 200,
        "{report:?}"
    );
    let late = shard.fetch(&hits, &all()).unwrap_err();
    assert!(late.to_string().contains("not in the log any more"), "{late}");
}

#[test]
fn history_is_kept_exactly_from_the_lease_on() {
    let fixture = Fixture::primary();
    let shard = &fixture.shard;
    churn(shard, 3);
    let lease: oplog::LeaseId = "follower".parse().unwrap();
    shard
        .log()
        .add_retention_lease(lease.clone(), Some(SeqNo::new(120)), "ccr")
        .unwrap();
    churn(shard, 6);
    let report = shard
        .force_merge(ForceMergeRequest::default(), &Unthrottled)
        .unwrap();
    assert!(report.removed_operations > 0);
    assert_eq!(shard.log().min_retained_seq_no(), SeqNo::new(120));
    let last = shard.log().max_seq_no().unwrap();
    let kept = shard
        .read_changes(SeqNo::new(120), last, oplog::ReadLimits::NONE)
        .unwrap();
    assert_eq!(kept.len() as u64, last.get() - 119);
    let lost = shard
        .read_changes(SeqNo::new(0), last, oplog::ReadLimits::NONE)
        .unwrap_err();
    assert!(lost.to_string().contains("read"), "{lost}");
    let oplog::ReadError::Missing { range, .. } = shard
        .log()
        .read(SeqNo::new(0), last, oplog::ReadLimits::NONE)
        .unwrap_err()
    else {
        panic!("the history before the lease is gone")
    };
    assert_eq!((range.first(), range.last()), (SeqNo::new(0), SeqNo::new(119)));

    shard.log().remove_retention_lease(&lease).unwrap();
    let report = shard
        .force_merge(ForceMergeRequest::default(), &Unthrottled)
        .unwrap();
    assert!(report.removed_operations > 0, "nobody needs it any more");
}

#[test]
fn an_append_only_shard_keeps_its_whole_history_and_is_compressed_once() {
    let fixture = Fixture::primary();
    let shard = &fixture.shard;
    let mut written = 0;
    for batch in 0..10 {
        let writes: Vec<_> = (0..50)
            .map(|id| index(&format!("d{batch}-{id}"), &source(id)))
            .collect();
        written += write(shard, writes).items.into_iter().map(Result::unwrap).count();
    }
    shard.refresh().wait().unwrap();
    let before = shard.stats().log_bytes;
    let first = shard.maintain(&Unthrottled).unwrap();
    assert!(
        first.segments_before > 3 && first.removed_operations == 0,
        "{first:?}"
    );
    let after = shard.stats().log_bytes;
    assert!(3 * after < 2 * before, "{after} of {before} bytes: {first:?}");
    assert_eq!(
        shard.maintain(&Unthrottled).unwrap(),
        oplog::CompactionReport::default()
    );
    shard
        .force_merge(ForceMergeRequest::default(), &Unthrottled)
        .unwrap();
    let last = shard.log().max_seq_no().unwrap();
    let all = shard
        .read_changes(SeqNo::ZERO, last, oplog::ReadLimits::NONE)
        .unwrap();
    assert_eq!(all.len(), written);
}
