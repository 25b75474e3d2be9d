//! Taking over frames, snapshots and promotion.

use oplog::{Frame, ReadLimits};
use serde_json::json;

use super::*;
use crate::{ShardError, ShardSnapshot};

pub(super) fn frames(shard: &Shard, from: u64) -> Vec<Frame> {
    let last = shard.log().max_seq_no().unwrap();
    shard
        .read_changes(SeqNo::new(from), last, ReadLimits::NONE)
        .unwrap()
}

pub(super) fn same(left: &Shard, right: &Shard) {
    let (left, right) = (left.stats(), right.stats());
    assert_eq!(
        (left.max_seq_no, left.live_count, left.digest),
        (right.max_seq_no, right.live_count, right.digest)
    );
}

#[test]
fn a_follower_takes_frames_over_once_in_order_and_accepts_no_writes() {
    let (leader, follower) = (Fixture::primary(), Fixture::new(ShardRole::Follower));
    write(
        &leader.shard,
        vec![
            index("a", &json!({"n": 1})),
            index("b", &json!({"n": 2})),
            index("a", &json!({"n": 3})),
            delete("b"),
        ],
    );
    let all = frames(&leader.shard, 0);
    let gap = follower.shard.append_frames(all[1..].to_vec()).unwrap_err();
    assert!(matches!(gap, ShardError::Gap { .. }) && gap.is_retryable());
    follower
        .shard
        .append_frames(all[..2].to_vec())
        .unwrap()
        .unwrap()
        .wait()
        .unwrap();
    follower
        .shard
        .append_frames(all[1..].to_vec())
        .unwrap()
        .unwrap()
        .wait()
        .unwrap();
    assert!(follower.shard.append_frames(all.clone()).unwrap().is_none());
    assert!(matches!(
        leader.shard.append_frames(all),
        Err(ShardError::NotAFollower)
    ));
    same(&leader.shard, &follower.shard);
    assert_eq!(follower.shard.get("a").unwrap(), leader.shard.get("a").unwrap());
    assert_eq!(follower.shard.get("b").unwrap(), None);
    follower.shard.refresh().wait().unwrap();
    assert_eq!(ids(&follower.shard, &json!({"query": {"term": {"n": 3}}})), ["a"]);
    assert_eq!(search(&follower.shard, &json!({})).total, Some(1));

    let refused = write(&follower.shard, vec![index("a", &json!({}))])
        .items
        .remove(0)
        .unwrap_err()
        .to_exception();
    assert_eq!(
        (refused.status(), refused.kind().type_name()),
        (403, "status_exception")
    );
    follower.shard.set_role(ShardRole::Primary);
    let promoted = write_one(&follower.shard, index("a", &json!({})));
    assert_eq!((promoted.seq_no.get(), promoted.version.get()), (4, 3));
}

/// Copies a snapshot's files below `dir` in small pieces.
pub(super) fn copy(snapshot: &ShardSnapshot, dir: &Path) {
    for file in snapshot.files() {
        let path = dir.join(&file.name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut content = Vec::new();
        while (content.len() as u64) < file.length {
            let piece = snapshot.read_at(&file.name, content.len() as u64, 1000).unwrap();
            assert!(!piece.is_empty(), "{}", file.name);
            content.extend_from_slice(&piece);
        }
        std::fs::write(path, content).unwrap();
    }
}

#[test]
fn a_snapshot_stays_readable_and_installs_as_a_follower() {
    let leader = Fixture::primary();
    for round in 0..3 {
        let writes = (0..50)
            .map(|number| index(&format!("{}", number % 30), &json!({"n": round * 100 + number})))
            .collect();
        write(&leader.shard, writes);
        leader.shard.refresh().wait().unwrap();
    }
    let snapshot = leader.shard.pin_snapshot().unwrap();
    assert_eq!(snapshot.checkpoint(), Some(SeqNo::new(149)));
    assert!(snapshot.read_at("oplog/../secret", 0, 1).is_err());
    // Later work must not disturb what is pinned: more commits, and merges that remove segments.
    for _ in 0..12 {
        write(
            &leader.shard,
            (0..30).map(|number| delete(&number.to_string())).collect(),
        );
        leader.shard.refresh().wait().unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    copy(&snapshot, dir.path());
    let history = HistoryUuid::generate();
    let config = config(dir.path(), ShardRole::Follower);
    let follower = Shard::install(
        config,
        history.clone(),
        snapshot.checkpoint(),
        leader.services.clone(),
    )
    .unwrap();
    assert_eq!(follower.log().history_uuid(), history);
    assert_eq!(
        (follower.log().max_seq_no(), follower.refreshed_seq_no()),
        (snapshot.checkpoint(), snapshot.checkpoint())
    );
    assert_eq!(search(&follower, &json!({})).total, Some(30));
    follower
        .append_frames(frames(&leader.shard, 150))
        .unwrap()
        .unwrap()
        .wait()
        .unwrap();
    same(&leader.shard, &follower);
    follower.refresh().wait().unwrap();
    assert_eq!(search(&follower, &json!({})).total, Some(0));
}
