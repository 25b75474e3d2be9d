//! The primary terms of a copy that followed and then writes by itself (CL-1).

use serde_json::json;

use super::follower::copy;
use super::*;

fn term(term: u64) -> PrimaryTerm {
    PrimaryTerm::new(term).unwrap()
}

/// A leader that wrote in term 1 and then in term 7.
fn leader_of_two_terms() -> Fixture {
    let leader = Fixture::primary();
    write(&leader.shard, vec![index("a", &json!({"n": 1}))]);
    leader.shard.log().set_primary_term(term(7)).unwrap();
    write(&leader.shard, vec![index("b", &json!({"n": 2}))]);
    leader
}

fn open(dir: &Path, role: ShardRole, own: u64, services: &ShardServices) -> Arc<Shard> {
    let config = ShardConfig {
        primary_term: term(own),
        ..config(dir, role)
    };
    Shard::open(config, services.clone()).unwrap()
}

/// Promotes what lies in `dir` as unfollow does: the index's own term goes from 1 to 2.
fn check_promoted(dir: &Path, services: &ShardServices) {
    let promoted = open(dir, ShardRole::Primary, 2, services);
    assert_eq!(promoted.primary_term().get(), 8, "above all that it copied");
    let written = write_one(&promoted, index("c", &json!({"n": 3})));
    assert_eq!(written.primary_term.get(), 8);
    promoted.close().unwrap();
    let again = open(dir, ShardRole::Primary, 2, services);
    assert_eq!(again.primary_term().get(), 8, "a term never goes back");
}

#[test]
fn a_promoted_copy_of_files_writes_above_all_terms_of_its_leader() {
    let leader = leader_of_two_terms();
    let snapshot = leader.shard.pin_snapshot().unwrap();
    let dir = tempfile::tempdir().unwrap();
    copy(&snapshot, dir.path());
    let follower = Shard::install(
        config(dir.path(), ShardRole::Follower),
        HistoryUuid::generate(),
        snapshot.checkpoint(),
        leader.services.clone(),
    )
    .unwrap();
    assert_eq!(
        follower.primary_term(),
        PrimaryTerm::FIRST,
        "the term of its own index, not its leader's"
    );
    follower.close().unwrap();
    check_promoted(dir.path(), &leader.services);
}

#[test]
fn a_promoted_copy_of_operations_writes_above_all_terms_of_its_leader() {
    let (leader, follower) = (leader_of_two_terms(), Fixture::new(ShardRole::Follower));
    let frames = super::follower::frames(&leader.shard, 0);
    let ticket = follower.shard.append_frames(frames).unwrap().unwrap();
    ticket.wait().unwrap();
    follower.shard.close().unwrap();
    check_promoted(follower.dir.path(), &follower.services);
}
