//! From nothing, or from a closed follower, to a follower that follows.

use std::sync::Arc;

use crate::faults::StoppingStore;
use crate::support::{Disk, FIRST_DOCS, FOLLOWER_CLUSTER, Node, Pair, caught_up, until};

/// More commits than a bootstrap makes.
const MANY_COMMITS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_after_any_commit_of_a_bootstrap_follows_when_it_is_back() {
    let leader_disk = Disk::new();
    let leader = Node::start("lisbon-cluster", &leader_disk).await;
    leader.create_index("orders", 2).await;
    leader.write("orders", FIRST_DOCS).await;
    for commits in 0..MANY_COMMITS {
        let disk = Disk::new();
        let store = StoppingStore::over(Arc::clone(&disk.store));
        let follower = Node::start_on(FOLLOWER_CLUSTER, &disk, Arc::<StoppingStore>::clone(&store)).await;
        follower.connect(&leader).await;
        store.stop_after(commits);
        let created = follower.begin_follow("orders", "copy").await.is_ok();
        assert_eq!(created, commits > 0, "the first commit creates the index");
        until("the bootstrap ends or runs into the stop", || {
            store.refused() > 0 || follower.tasks("copy").len() == 2
        })
        .await;
        follower.shutdown().await;
        let stopped = store.refused() > 0;

        // A recovery that begins anew must not be over before it is looked at.
        leader.tap.second_shard_copies.close();
        let follower = Node::start(FOLLOWER_CLUSTER, &disk).await;
        let state = follower.cluster.state();
        leader.tap.second_shard_copies.open();
        if created {
            let copy = state.require_index("copy").unwrap();
            assert_eq!(
                (copy.recovering, state.persistent_tasks.len()),
                if stopped { (true, 0) } else { (false, 2) },
                "after {commits} commits: either the recovery begins anew, or the follower follows"
            );
            leader.write("orders", FIRST_DOCS).await;
            caught_up(&leader, &follower, "orders", "copy").await;
            // A copy has everything before the tasks that follow are there.
            until(&format!("both tasks after {commits} commits"), || {
                follower.tasks("copy").len() == 2
            })
            .await;
        }
        follower.shutdown().await;
        if !stopped {
            return;
        }
    }
    panic!("the bootstrap never came to its end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_follower_is_followed_into_again() {
    let pair = Pair::following(2).await;
    let uuid = pair.follower.uuid("copy");
    for round in 1..4 {
        pair.follower.pause_and_close("copy").await;
        let next = FIRST_DOCS.end * round;
        pair.leader.write("orders", next..next + 10).await;
        pair.follower.follow("orders", "copy").await;
        pair.caught_up().await;
        assert_eq!(pair.follower.uuid("copy"), uuid);
    }
}
