//! Backing indices of data streams: followed by name and by patterns, and the replicated streams that come of it.

use std::ops::Range;

use bytes::Bytes;
use ccr::{PutAutoFollowPatternRequest, WaitForActiveShards};
use cluster::change;
use es_exception::Exception;
use index_meta::{DataStream, IndexTemplate};
use indices::{BulkAction, BulkItem, RefreshPolicy, ResolveOptions, RolloverRequest};
use serde_json::json;

use crate::support::{ALIAS, Disk, Node, caught_up, document, in_time, request, until};

async fn put_template(node: &Node) {
    let json = json!({
        "index_patterns": ["logs*"], "data_stream": {"hidden": true}, "_meta": {"by": "leader"},
        "template": {"settings": {"number_of_replicas": 0}}
    });
    let template = IndexTemplate::from_json(&json).unwrap();
    node.cluster
        .update("put template", |state| {
            Ok((change::put_index_template(state, "logs", &template, false)?, ()))
        })
        .await
        .unwrap();
}

/// A leader with a template of data streams, and a connected follower without one.
struct Clusters {
    leader: Node,
    follower: Node,
    _disks: (Disk, Disk),
}

impl Clusters {
    async fn start() -> Self {
        let disks = (Disk::new(), Disk::new());
        let leader = Node::start("lisbon-cluster", &disks.0).await;
        let follower = Node::start("paris", &disks.1).await;
        put_template(&leader).await;
        follower.connect(&leader).await;
        Self {
            leader,
            follower,
            _disks: disks,
        }
    }
}

fn create(stream: &str, id: u64) -> BulkItem {
    let source = json!({"@timestamp": id, "n": id}).to_string();
    BulkItem {
        action: BulkAction::Create {
            source: Bytes::from(source),
        },
        ..document(stream, id, &json!({}))
    }
}

async fn write(node: &Node, stream: &str, ids: Range<u64>) {
    node.write_all(ids.map(|id| create(stream, id)).collect()).await;
}

async fn roll(node: &Node, stream: &str) -> Result<String, Exception> {
    let request = RolloverRequest {
        alias: stream.to_owned(),
        ..RolloverRequest::default()
    };
    node.indices.rollover(request).await.map(|done| done.new_index)
}

fn stream(node: &Node, name: &str) -> Option<DataStream> {
    let state = node.cluster.state();
    state
        .data_streams
        .get(name)
        .map(|stream| DataStream::clone(stream))
}

fn indices(node: &Node, name: &str) -> Vec<String> {
    stream(node, name)
        .map(|stream| stream.indices().cloned().collect())
        .unwrap_or_default()
}

async fn follow_into(node: &Node, leader: &str, index: &str, stream: Option<&str>) -> Result<(), Exception> {
    let mut request = request(leader, index, WaitForActiveShards::Count(1));
    request.data_stream_name = stream.map(str::to_owned);
    in_time("a follow", node.ccr.follow(request)).await.map(drop)
}

fn exists(node: &Node, index: &str) -> bool {
    node.cluster.state().index(index).is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backing_index_that_is_followed_begins_or_extends_a_replicated_stream() {
    let clusters = Clusters::start().await;
    let (leader, follower) = (&clusters.leader, &clusters.follower);
    write(leader, "logs", 0..10).await;
    for ids in [10..20, 20..30] {
        roll(leader, "logs").await.unwrap();
        write(leader, "logs", ids).await;
    }
    let of_leader = indices(leader, "logs");
    assert_eq!(of_leader.len(), 3);

    let refused = follow_into(follower, "logs", "logs", None).await.unwrap_err();
    assert_eq!(refused.status(), 400);
    assert!(
        refused.reason().contains("because it is a DATA_STREAM"),
        "{refused}"
    );

    // The index and its stream come in one change: no state has one without the other.
    let mut watched = follower.cluster.watch();
    let first = async {
        let state = watched
            .wait_for(|state| state.index(&of_leader[1]).is_some())
            .await;
        state.unwrap().data_streams.contains_key("logs")
    };
    let followed = follow_into(follower, &of_leader[1], &of_leader[1], None);
    let (has_stream, followed) = tokio::join!(first, followed);
    followed.unwrap();
    assert!(has_stream);
    let begun = stream(follower, "logs").unwrap();
    assert!(begun.replicated && begun.hidden);
    assert_eq!(
        (begun.generation, begun.metadata.clone()),
        (3, Some(json!({"by": "leader"})))
    );
    for index in [&of_leader[2], &of_leader[0]] {
        follow_into(follower, index, index, None).await.unwrap();
    }
    assert_eq!(indices(follower, "logs"), of_leader);
    for index in &of_leader {
        caught_up(leader, follower, index, index).await;
    }

    // Nobody else writes to it.
    let refused = follower
        .indices
        .write(create("logs", 99), RefreshPolicy::None)
        .await
        .unwrap_err();
    assert_eq!(refused.status(), 403, "{refused}");
    put_template(follower).await;
    let refused = roll(follower, "logs").await.unwrap_err();
    assert_eq!(refused.status(), 400);
    assert!(refused.reason().contains("replicated data stream"), "{refused}");
    let mapping = json!({"properties": {"more": {"type": "keyword"}}});
    let refused = follower
        .indices
        .put_mapping("logs", mapping, indices::Origin::User)
        .await
        .unwrap_err();
    assert_eq!(refused.status(), 403);

    // An older one is unfollowed, and the stream is a replicated one still.
    follower.pause_and_close(&of_leader[0]).await;
    follower.ccr.unfollow(&of_leader[0]).await.unwrap();
    leader.create_index("plain", 1).await;
    let refused = follow_into(follower, "plain", &of_leader[0], None)
        .await
        .unwrap_err();
    assert!(
        refused.reason().contains("backs the data stream [logs]"),
        "{refused}"
    );
    assert!(roll(follower, "logs").await.is_err());
    assert_eq!(indices(follower, "logs"), of_leader);

    // Its newest one is closed and followed anew, and stays where it is.
    follower.pause_and_close(&of_leader[2]).await;
    follow_into(follower, &of_leader[2], &of_leader[2], None)
        .await
        .unwrap();
    assert_eq!(indices(follower, "logs"), of_leader);
    caught_up(leader, follower, &of_leader[2], &of_leader[2]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_may_have_another_name_here_and_must_not_be_another_one() {
    let clusters = Clusters::start().await;
    let (leader, follower) = (&clusters.leader, &clusters.follower);
    write(leader, "logs", 0..3).await;
    leader.create_index("plain", 1).await;
    let backing = indices(leader, "logs").remove(0);
    let renamed = backing.replace(".ds-logs-", ".ds-copy-");

    for (leader_index, index, stream, expected) in [
        (
            backing.as_str(),
            renamed.as_str(),
            None,
            "does not fit the data stream [logs]",
        ),
        (
            backing.as_str(),
            backing.as_str(),
            Some("copy"),
            "does not fit the data stream [copy]",
        ),
        (
            "plain",
            "plain",
            Some("copy"),
            "no backing index of a data stream",
        ),
        (
            backing.as_str(),
            renamed.as_str(),
            Some(" "),
            "data_stream_name must contain text",
        ),
    ] {
        let refused = follow_into(follower, leader_index, index, stream)
            .await
            .unwrap_err();
        assert_eq!(refused.status(), 400, "{refused}");
        assert!(refused.reason().contains(expected), "{refused}");
        assert!(!exists(follower, index) && stream_count(follower) == 0);
    }
    follow_into(follower, &backing, &renamed, Some("copy"))
        .await
        .unwrap();
    assert_eq!(indices(follower, "copy"), std::slice::from_ref(&renamed));
    caught_up(leader, follower, &backing, &renamed).await;

    // A stream of this cluster's own is not touched, and no index is left behind.
    put_template(follower).await;
    write(follower, "logs", 0..1).await;
    let own = indices(follower, "logs");
    roll(leader, "logs").await.unwrap();
    let newest = indices(leader, "logs").remove(1);
    let refused = follow_into(follower, &newest, &newest, None).await.unwrap_err();
    assert_eq!(refused.status(), 400);
    assert!(
        refused.reason().contains("is not a replicated data stream"),
        "{refused}"
    );
    assert!(!exists(follower, &newest));
    assert_eq!(indices(follower, "logs"), own);
}

fn stream_count(node: &Node) -> usize {
    node.cluster.state().data_streams.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_stream_is_rolled_over_and_its_old_write_index_unfollowed() {
    let clusters = Clusters::start().await;
    let (leader, follower) = (&clusters.leader, &clusters.follower);
    write(leader, "logs", 0..10).await;
    let old = indices(leader, "logs").remove(0);
    follow_into(follower, &old, &old, None).await.unwrap();
    caught_up(leader, follower, &old, &old).await;

    let promote = async || follower.indices.promote_data_stream("logs").await;
    assert!(!promote().await.unwrap(), "there is no template here");
    assert!(!stream(follower, "logs").unwrap().replicated);
    let refused = roll(follower, "logs").await.unwrap_err();
    assert!(
        refused.reason().contains("no matching index template"),
        "{refused}"
    );
    put_template(follower).await;
    assert!(promote().await.unwrap(), "promoting twice does no harm");

    // Until it is rolled over its write index is a follower, which takes no writes and cannot be closed.
    let refused = follower
        .indices
        .write(create("logs", 99), RefreshPolicy::None)
        .await
        .unwrap_err();
    assert_eq!(refused.status(), 403, "{refused}");
    in_time("a pause", follower.ccr.pause_follow(&old)).await.unwrap();
    let refused = follower.indices.close_index(&old).await.unwrap_err();
    assert!(
        refused.reason().contains("data stream write indices"),
        "{refused}"
    );
    let new = roll(follower, "logs").await.unwrap();
    assert!(new.ends_with("-000002"), "{new}");
    write(follower, "logs", 10..15).await;
    follower.indices.close_index(&old).await.unwrap();
    follower.ccr.unfollow(&old).await.unwrap();
    assert!(follower.indices.open_index(&old).await.unwrap());
    assert_eq!(indices(follower, "logs"), [old.clone(), new]);
    assert!(
        !follower
            .cluster
            .state()
            .require_index(&old)
            .unwrap()
            .is_follower()
    );
}

async fn put_pattern(node: &Node, template: Option<&str>) {
    let request = PutAutoFollowPatternRequest {
        remote_cluster: Some(ALIAS.to_owned()),
        leader_index_patterns: Some(vec!["logs*".to_owned()]),
        follow_index_pattern: template.map(str::to_owned),
        ..PutAutoFollowPatternRequest::default()
    };
    in_time("a pattern", node.ccr.put_auto_follow_pattern("p", request))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_followed_by_their_name_and_named_by_the_template() {
    let clusters = Clusters::start().await;
    let (leader, follower) = (&clusters.leader, &clusters.follower);
    // This one is older than the pattern: it is followed from its next backing index on.
    write(leader, "logs-before", 0..5).await;
    put_pattern(follower, Some("{{leader_index}}_eu")).await;
    write(leader, "logs-after", 0..5).await;
    for stream in ["logs-after", "logs-before", "logs-after"] {
        roll(leader, stream).await.unwrap();
        write(leader, stream, 5..10).await;
    }
    let copy_of = |index: &String| {
        index
            .replace("-after-", "-after_eu-")
            .replace("-before-", "-before_eu-")
    };
    let expected: Vec<String> = indices(leader, "logs-after").iter().map(copy_of).collect();
    until("the stream to be followed", || {
        indices(follower, "logs-after_eu") == expected
    })
    .await;
    let before = indices(leader, "logs-before");
    until("the other one to be followed", || {
        indices(follower, "logs-before_eu") == [copy_of(&before[1])]
    })
    .await;
    for index in indices(leader, "logs-after").iter().chain(&before[1..]) {
        caught_up(leader, follower, index, &copy_of(index)).await;
    }
    until("all to be counted", || {
        follower.ccr.auto_follow_stats().successful_follow_indices == 4
    })
    .await;
    assert_eq!(stream(follower, "logs-after_eu").unwrap().generation, 3);
    assert!(!exists(follower, &copy_of(&before[0])));

    // By hand the older one takes its place in front.
    follow_into(follower, &before[0], &copy_of(&before[0]), Some("logs-before_eu"))
        .await
        .unwrap();
    let expected: Vec<String> = before.iter().map(copy_of).collect();
    assert_eq!(indices(follower, "logs-before_eu"), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backing_index_that_its_leader_created_anew_is_followed_over_the_closed_one() {
    let clusters = Clusters::start().await;
    let (leader, follower) = (&clusters.leader, &clusters.follower);
    put_pattern(follower, None).await;
    write(leader, "logs-1", 0..5).await;
    let index = indices(leader, "logs-1").remove(0);
    until("it to be followed", || {
        exists(follower, &index) && follower.following(&index) == 1
    })
    .await;
    caught_up(leader, follower, &index, &index).await;
    let uuid = follower.uuid(&index);
    follower.pause_and_close(&index).await;
    leader
        .indices
        .delete_data_streams(&["logs-1"], &ResolveOptions::METADATA)
        .await
        .unwrap();
    write(leader, "logs-1", 0..7).await;
    if indices(leader, "logs-1") != [index.clone()] {
        // A day went by meanwhile: the new one has another name.
        return;
    }
    until("it to be followed again", || follower.following(&index) == 1).await;
    caught_up(leader, follower, &index, &index).await;
    assert_eq!(follower.uuid(&index), uuid);
    assert_eq!(indices(follower, "logs-1"), [index]);
}
