//! What was acknowledged is there: a client that goes on at once need not wait for it.

use ccr::WaitForActiveShards;
use follow_task::RawFollowParameters;

use crate::support::{Disk, FIRST_DOCS, FOLLOWER_CLUSTER, Node, request};

/// Many rounds on two threads: that the node does its part a little later shows in some of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn remote_clusters_and_follow_tasks_are_there_when_they_were_asked_for() {
    let (leader_disk, disk) = (Disk::new(), Disk::new());
    let leader = Node::start("lisbon-cluster", &leader_disk).await;
    leader.create_index("orders", 3).await;
    leader.write("orders", FIRST_DOCS).await;
    let follower = Node::start(FOLLOWER_CLUSTER, &disk).await;
    follower.connect(&leader).await;
    let remotes = follower.ccr.remote_info();
    assert_eq!(remotes.len(), 1, "{remotes:?}");

    let followed = follower
        .ccr
        .follow(request("orders", "copy", WaitForActiveShards::Count(1)))
        .await;
    assert!(followed.unwrap().index_following_started);
    assert_eq!(follower.tasks("copy").len(), 3);
    for _ in 0..50 {
        follower.ccr.pause_follow("copy").await.unwrap();
        assert_eq!(follower.tasks("copy").len(), 0);
        let parameters = RawFollowParameters::default();
        follower.ccr.resume_follow("copy", parameters).await.unwrap();
        assert_eq!(follower.tasks("copy").len(), 3);
    }
}
