//! Delta heal of a copy: what searches, gets and restarts see before, meanwhile and afterwards.

use oplog::{LiveSnapshot, ReadLimits};
use serde_json::json;

use super::*;
use crate::{ForceMergeRequest, ShardError, Unthrottled};

/// A leader that has removed much of its history, and a follower that ends before that.
struct Pair {
    leader: Fixture,
    follower: Fixture,
}

impl Pair {
    fn behind() -> Self {
        let leader = Fixture::primary();
        let follower = Fixture::new(ShardRole::Follower);
        let round = |round: u64, ids: std::ops::Range<u64>| {
            let writes = ids
                .map(|id| index(&format!("d{id}"), &json!({"n": round})))
                .collect();
            write(&leader.shard, writes);
        };
        round(0, 0..200);
        let frames = super::follower::frames(&leader.shard, 0);
        follower
            .shard
            .append_frames(frames)
            .unwrap()
            .unwrap()
            .wait()
            .unwrap();
        follower.shard.refresh().wait().unwrap();
        for again in 1..6 {
            round(again, 50..150);
        }
        write(
            &leader.shard,
            (0..20).map(|id| delete(&format!("d{id}"))).collect(),
        );
        round(6, 10..15);
        round(7, 300..310);
        leader
            .shard
            .force_merge(ForceMergeRequest::default(), &Unthrottled)
            .unwrap();
        let last = leader.shard.log().max_seq_no().unwrap();
        let lost = leader.shard.read_changes(SeqNo::new(200), last, ReadLimits::NONE);
        assert!(matches!(
            lost,
            Err(ShardError::Read(oplog::ReadError::Missing { .. }))
        ));
        Self { leader, follower }
    }

    /// Stages everything up to the leader's end.
    fn stage(&self) -> LiveSnapshot {
        let snapshot = self.leader.shard.live_snapshot().unwrap().unwrap();
        let mut next = self.follower.shard.begin_heal().unwrap();
        while next <= snapshot.max_seq_no {
            let limits = ReadLimits {
                operations: 30,
                ..ReadLimits::NONE
            };
            let (frames, after) = self
                .leader
                .shard
                .read_held(next, snapshot.max_seq_no, limits)
                .unwrap();
            next = self.follower.shard.stage_heal(next, &frames, after).unwrap();
            assert_eq!(next, after);
        }
        snapshot
    }

    /// The heal as far as it concerns the log.
    fn install_in_log(&self, snapshot: &LiveSnapshot) {
        let shard = &self.follower.shard;
        let mut heal = shard.heal.lock();
        shard
            .log()
            .install_heal(heal.as_mut().unwrap(), snapshot)
            .unwrap();
    }

    fn assert_before(&self) {
        let shard = &self.follower.shard;
        assert_eq!(
            search(shard, &json!({"query": {"term": {"n": 0}}})).total,
            Some(200)
        );
        assert_eq!(search(shard, &json!({})).total, Some(200));
        assert!(shard.get("d0").unwrap().is_some());
    }

    fn assert_equal(&self) {
        let (leader, follower) = (&self.leader.shard, &self.follower.shard);
        super::follower::same(leader, follower);
        leader.refresh().wait().unwrap();
        for body in [
            json!({"size": 1000, "sort": ["_seq_no"]}),
            json!({"size": 1000, "sort": ["_seq_no"], "query": {"term": {"n": 0}}}),
            json!({"size": 1000, "sort": ["_seq_no"], "query": {"range": {"n": {"gte": 5}}}}),
        ] {
            assert_eq!(ids(follower, &body), ids(leader, &body), "{body}");
        }
        for id in ["d0", "d12", "d60", "d160", "d305"] {
            assert_eq!(follower.get(id).unwrap(), leader.get(id).unwrap(), "{id}");
        }
        assert_eq!(
            search(follower, &json!({})).total,
            Some(follower.stats().live_count)
        );
        follower.verify_log().unwrap();
        follower.verify_view().unwrap();
    }
}

#[test]
fn searches_see_the_copy_as_it_was_and_then_at_once_as_its_leader() {
    let pair = Pair::behind();
    let snapshot = pair.stage();
    pair.assert_before();
    pair.follower.shard.install_heal(&snapshot).unwrap();
    pair.assert_equal();
    // And it follows on from there.
    write_one(&pair.leader.shard, index("d60", &json!({"n": 9})));
    let frames = super::follower::frames(&pair.leader.shard, snapshot.max_seq_no.get() + 1);
    pair.follower
        .shard
        .append_frames(frames)
        .unwrap()
        .unwrap()
        .wait()
        .unwrap();
    pair.follower.shard.refresh().wait().unwrap();
    pair.assert_equal();
}

#[test]
fn a_crash_between_log_and_view_shows_nothing_in_between() {
    let mut pair = Pair::behind();
    let snapshot = pair.stage();
    pair.install_in_log(&snapshot);
    pair.follower.crash();
    // Before any search makes the view catch up.
    assert_eq!(pair.follower.shard.get("d0").unwrap(), None, "its delete is gone");
    pair.assert_equal();
}

#[test]
fn a_refresh_up_to_the_middle_of_a_heal_goes_to_its_end() {
    let pair = Pair::behind();
    let snapshot = pair.stage();
    pair.install_in_log(&snapshot);
    let view = &pair.follower.shard.view;
    view.refresh_to(snapshot.max_seq_no.get() - 3).wait().unwrap();
    assert_eq!(view.published().next, snapshot.max_seq_no.get() + 1);
    pair.assert_equal();
}

#[test]
fn a_promoted_copy_keeps_nothing_that_was_staged() {
    let mut pair = Pair::behind();
    let staged = |pair: &Pair| {
        let files = std::fs::read_dir(pair.follower.dir.path().join("oplog")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains("staged")).count()
    };
    pair.stage();
    assert!(staged(&pair) > 0);
    pair.follower.shard.set_role(ShardRole::Primary);
    assert_eq!(staged(&pair), 0);
    pair.follower.shard.set_role(ShardRole::Follower);
    pair.stage();
    pair.follower.shard.close().unwrap();
    let config = config(pair.follower.dir.path(), ShardRole::Primary);
    pair.follower.shard = Shard::open(config, pair.follower.services.clone()).unwrap();
    assert_eq!(staged(&pair), 0);
    pair.assert_before();
}

#[test]
fn a_view_that_must_give_up_its_writer_commits_nothing_of_half_a_heal() {
    let pair = Pair::behind();
    let snapshot = pair.stage();
    pair.install_in_log(&snapshot);
    let view = &pair.follower.shard.view;
    let before = view.published().next;
    view.index_up_to(snapshot.max_seq_no.get() - 3).unwrap();
    // As the pool asks for another shard's sake.
    assert_eq!(view.try_release_writer(), None);
    assert_eq!(view.published().next, before);
    assert_eq!(view.summary().docs, 200);
    view.refresh_to(before + 1).wait().unwrap();
    pair.assert_equal();
    // Outside of a heal it gives the writer up, with what it has.
    write_one(&pair.leader.shard, index("d60", &json!({"n": 9})));
    let frames = super::follower::frames(&pair.leader.shard, snapshot.max_seq_no.get() + 1);
    let appended = pair.follower.shard.append_frames(frames).unwrap();
    appended.unwrap().wait().unwrap();
    view.index_up_to(snapshot.max_seq_no.get() + 2).unwrap();
    assert_eq!(view.try_release_writer(), Some(true));
    pair.assert_equal();
}

#[test]
fn a_view_that_is_indexed_anew_has_nothing_that_a_heal_removed() {
    let mut pair = Pair::behind();
    let snapshot = pair.stage();
    pair.follower.shard.install_heal(&snapshot).unwrap();
    pair.follower.shard.rebuild_view("a test");
    pair.follower.reopen();
    pair.assert_equal();
    pair.follower
        .shard
        .force_merge(ForceMergeRequest::default(), &Unthrottled)
        .unwrap();
    pair.follower.reopen();
    pair.assert_equal();
}

#[test]
fn a_restart_goes_on_with_what_was_staged_and_a_primary_is_never_healed() {
    let mut pair = Pair::behind();
    let begin = pair.follower.shard.begin_heal().unwrap();
    pair.stage();
    pair.follower.reopen();
    pair.assert_before();
    let refused = pair.follower.shard.stage_heal(begin, &[], begin).unwrap_err();
    assert!(refused.is_retryable(), "a heal is begun first: {refused}");
    assert!(pair.follower.shard.begin_heal().unwrap() > begin);
    let snapshot = pair.stage();
    pair.follower.shard.install_heal(&snapshot).unwrap();
    pair.assert_equal();
    assert!(matches!(
        pair.leader.shard.begin_heal(),
        Err(ShardError::NotAFollower)
    ));
}

#[test]
fn a_copy_that_diverged_refuses_for_good() {
    let pair = Pair::behind();
    let mut snapshot = pair.stage();
    snapshot.digest = snapshot.digest.with(SeqNo::ZERO, 7);
    let refused = pair.follower.shard.install_heal(&snapshot).unwrap_err();
    assert!(!refused.is_retryable(), "{refused}");
    pair.assert_before();
}
