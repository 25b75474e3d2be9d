//! What a follower and its leader must have in common before following goes on, each thing by itself.

use cluster::IndexMetadata;
use es_exception::{Exception, ExceptionKind};
use follow_task::RawFollowParameters;
use index_meta::Mapping;
use serde_json::json;

use crate::support::{Node, Pair};

async fn resume(node: &Node) -> Result<(), Exception> {
    node.ccr
        .resume_follow("copy", RawFollowParameters::default())
        .await
}

/// Changes the follower's metadata as no call would.
async fn tamper(node: &Node, change: impl Fn(&mut IndexMetadata) + Send + Sync) {
    let changed = node.cluster.update("tamper", |state| {
        let next = state.modify_index("copy", |index| {
            change(index);
            Ok(())
        })?;
        Ok((next, ()))
    });
    changed.await.unwrap();
}

fn put_custom(index: &mut IndexMetadata, key: &str, value: &str) {
    let origin = index.custom.get_mut("ccr").unwrap();
    assert!(origin.insert(key.to_owned(), value.to_owned()).is_some(), "{key}");
}

type Tampering = (&'static str, fn(&mut IndexMetadata), &'static str);

const REFUSED: [Tampering; 8] = [
    (
        "another leader",
        |index| put_custom(index, "leader_index_uuid", "another"),
        "should reference [another] as leader index uuid",
    ),
    (
        "another history",
        |index| put_custom(index, "leader_index_shard_history_uuids", "another"),
        "but follower index [copy] recorded [another]",
    ),
    (
        "no soft deletes",
        |index| index.settings.insert("index.soft_deletes.enabled", "false"),
        "follower index [copy] does not have soft deletes enabled",
    ),
    (
        "more shards",
        |index| index.number_of_shards = 2,
        "follower index [copy] has 2 shards and the leader index [orders] has 1",
    ),
    (
        "other routing shards",
        |index| index.number_of_routing_shards += 1,
        "routing shards and the leader index [orders] has",
    ),
    (
        "not a follower",
        |index| {
            index.settings.remove("index.xpack.ccr.following_index");
        },
        "[index.xpack.ccr.following_index] is not set",
    ),
    (
        "a setting of its own",
        |index| index.settings.insert("index.mapping.total_fields.limit", "7"),
        "differ in settings that must be identical",
    ),
    (
        "another type",
        |index| {
            let mapping = Mapping::from_json(&json!({"properties": {"n": {"type": "keyword"}}}));
            index.mapping = mapping.unwrap().into();
        },
        "cannot be changed from type [keyword] to [long]",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_difference_that_forbids_following_is_refused_and_named() {
    let pair = Pair::following(1).await;
    let follower = &pair.follower;
    follower.ccr.pause_follow("copy").await.unwrap();
    let before = follower.cluster.state().require_index("copy").unwrap().clone();
    for (what, change, expected) in REFUSED {
        tamper(follower, change).await;
        let refused = resume(follower).await.unwrap_err();
        assert_eq!(
            (refused.kind(), refused.status()),
            (ExceptionKind::IllegalArgument, 400),
            "{what}: {refused}"
        );
        assert!(refused.reason().contains(expected), "{what}: {refused}");
        let before = &*before;
        tamper(follower, move |index| {
            let version = index.version;
            *index = before.clone();
            index.version = version;
        })
        .await;
    }

    follower.indices.close_index("copy").await.unwrap();
    let refused = resume(follower).await.unwrap_err();
    assert!(
        refused.reason().contains("follower index [copy] is closed"),
        "{refused}"
    );
    assert!(follower.indices.open_index("copy").await.unwrap());

    pair.leader.indices.close_index("orders").await.unwrap();
    assert_eq!(
        resume(follower).await.unwrap_err().kind(),
        ExceptionKind::IndexClosed
    );
    assert!(pair.leader.indices.open_index("orders").await.unwrap());

    // What each side has for itself may differ.
    follower
        .change_settings("copy", json!({"index.refresh_interval": "7s"}), false)
        .await;
    resume(follower).await.unwrap();
    pair.leader.write("orders", 100..120).await;
    pair.caught_up().await;
}
