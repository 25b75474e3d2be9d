//! What a leader answers to reads of its operations, and which of them a follower asks for.

use std::pin::pin;
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use indices::Origin;
use oplog::{ByteCount, Frame, IndexUuid, SeqNo, ShardId, ShardNumber};
use serde_json::json;
use transport::{
    HeldOperationsRequest, KnownMetadataVersions, LeaderServices, ShardChangesRequest, ShardChangesResponse,
};

use crate::support::{Disk, Node, Pair, document, in_time, until};

const OPERATIONS: u64 = 10;

fn shard_id(index: IndexUuid, number: u32) -> ShardId {
    ShardId::new(index, ShardNumber::new(number))
}

/// A node with ten operations in the one shard of `orders`.
async fn leader(disk: &Disk) -> Node {
    let node = Node::start("lisbon-cluster", disk).await;
    node.create_index("orders", 1).await;
    node.write("orders", 0..OPERATIONS).await;
    node
}

/// A read of `count` operations of `orders` from `from` on that has no other limit and does not wait.
fn request(node: &Node, from: u64, count: u32) -> ShardChangesRequest {
    ShardChangesRequest {
        shard: shard_id(node.uuid("orders"), 0),
        expected_history_uuid: node.shards("orders")[0].log().history_uuid(),
        from: SeqNo::new(from),
        max_operation_count: count,
        max_batch_size: ByteCount::new(u64::MAX),
        max_response_size: ByteCount::new(u64::MAX),
        poll_timeout: Duration::ZERO,
        known_metadata: None,
        may_stay_open: false,
    }
}

async fn read(node: &Node, request: ShardChangesRequest) -> Result<ShardChangesResponse, Exception> {
    node.ccr.leader_side().read_changes(request).await
}

/// The operations answered, which a node that has them does answer.
async fn operations(node: &Node, request: ShardChangesRequest) -> Vec<u64> {
    let answer = read(node, request).await.unwrap();
    let checkpoint = answer.global_checkpoint.map(SeqNo::get);
    assert_eq!(
        checkpoint,
        Some(OPERATIONS - 1),
        "every answer tells where the leader is"
    );
    answer.frames.iter().map(|frame| frame.seq_no().get()).collect()
}

#[tokio::test]
async fn any_range_is_answered_exactly_as_far_as_it_exists() {
    let disk = Disk::new();
    let node = leader(&disk).await;
    for from in 0..OPERATIONS + 3 {
        for count in 1..OPERATIONS + 3 {
            let expected: Vec<u64> = (from..from + count)
                .filter(|seq_no| *seq_no < OPERATIONS)
                .collect();
            let request = request(&node, from, count as u32);
            assert_eq!(
                operations(&node, request).await,
                expected,
                "{count} from {from} on"
            );
        }
    }
}

#[tokio::test]
async fn a_range_above_the_checkpoint_waits_for_its_first_operation() {
    let disk = Disk::new();
    let node = leader(&disk).await;
    let waiting = ShardChangesRequest {
        poll_timeout: Duration::from_secs(60),
        ..request(&node, OPERATIONS, 100)
    };
    let mut waiting = pin!(read(&node, waiting));
    let too_early = tokio::time::timeout(Duration::from_millis(50), &mut waiting).await;
    assert!(too_early.is_err(), "there is no operation to answer with");
    node.write("orders", 100..101).await;
    let answer = in_time("the answer", waiting).await.unwrap();
    let seq_nos: Vec<_> = answer.frames.iter().map(Frame::seq_no).collect();
    assert_eq!(seq_nos, [SeqNo::new(OPERATIONS)]);
}

#[tokio::test]
async fn a_change_of_metadata_ends_the_wait_of_those_who_do_not_know_it() {
    let disk = Disk::new();
    let node = leader(&disk).await;
    let now = read(&node, request(&node, OPERATIONS, 1)).await.unwrap();
    let known = KnownMetadataVersions {
        mapping: now.mapping_version,
        settings: now.settings_version,
        aliases: now.aliases_version,
    };
    let polling = |known| ShardChangesRequest {
        poll_timeout: Duration::from_secs(3600),
        known_metadata: Some(known),
        ..request(&node, OPERATIONS, 100)
    };
    let mut waiting = pin!(read(&node, polling(known)));
    let too_early = tokio::time::timeout(Duration::from_millis(50), &mut waiting).await;
    assert!(too_early.is_err(), "there is nothing new to tell");
    let changed = json!({"index.mapping.total_fields.limit": 2000});
    let indices = &node.indices;
    indices
        .update_settings("orders", changed, false, Origin::User)
        .await
        .unwrap();
    let answer = in_time("the answer", waiting).await.unwrap();
    assert_eq!(answer.frames.len(), 0);
    assert_eq!(answer.settings_version, known.settings + 1);
    // One who asks after the change is told at once.
    let late = in_time("the late answer", read(&node, polling(known)))
        .await
        .unwrap();
    assert_eq!(late.settings_version, known.settings + 1);
}

#[tokio::test]
async fn a_read_stops_after_the_operation_that_exceeds_its_size_and_brings_one_at_least() {
    let disk = Disk::new();
    let node = leader(&disk).await;
    let all = read(&node, request(&node, 0, 100)).await.unwrap().frames;
    let size = |count: usize| all[..count].iter().map(Frame::estimated_size).sum::<u64>();
    for (bytes, expected) in [(0, 1), (1, 1), (size(4) - 1, 4), (size(4), 5), (u64::MAX, 10)] {
        let limited = ShardChangesRequest {
            max_batch_size: ByteCount::new(bytes),
            ..request(&node, 0, 100)
        };
        let answered = operations(&node, limited).await;
        assert_eq!(answered, (0..expected).collect::<Vec<_>>(), "{bytes} bytes");
    }
}

#[tokio::test]
async fn an_answer_is_never_larger_than_it_may_be_and_tells_what_it_would_have_to_be() {
    let disk = Disk::new();
    let node = leader(&disk).await;
    let all = read(&node, request(&node, 0, 100)).await.unwrap().frames;
    let size = |count: usize| all[..count].iter().map(Frame::estimated_size).sum::<u64>();
    for (batch, most, expected) in [
        (u64::MAX, size(4), 4),
        (u64::MAX, size(5) - 1, 4),
        (1, size(1), 1),
        (size(1), size(2), 2),
        (u64::MAX, size(1) - 1, 0),
        (u64::MAX, 0, 0),
    ] {
        let (max_batch_size, max_response_size) = (ByteCount::new(batch), ByteCount::new(most));
        let limited = ShardChangesRequest {
            max_batch_size,
            max_response_size,
            ..request(&node, 0, 100)
        };
        let answer = read(&node, limited).await.unwrap();
        assert_eq!(answer.frames, all[..expected], "{batch} and {most} bytes");
        let next = (expected == 0).then_some(ByteCount::new(size(1)));
        assert_eq!(answer.next_operation_size, next, "{batch} and {most} bytes");

        let held = HeldOperationsRequest {
            shard: shard_id(node.uuid("orders"), 0),
            expected_history_uuid: node.shards("orders")[0].log().history_uuid(),
            from: SeqNo::ZERO,
            to: None,
            max_operation_count: 100,
            max_batch_size,
            max_response_size,
        };
        let held = node.ccr.leader_side().read_held_operations(held).await.unwrap();
        assert_eq!(held.frames, all[..expected], "{batch} and {most} bytes");
        assert_eq!(
            (held.next, held.next_operation_size),
            (SeqNo::new(expected as u64), next)
        );
    }
    let beyond = ShardChangesRequest {
        max_response_size: ByteCount::ZERO,
        ..request(&node, OPERATIONS, 1)
    };
    assert_eq!(read(&node, beyond).await.unwrap().next_operation_size, None);
}

#[tokio::test]
async fn a_read_of_another_history_is_refused_with_both() {
    let disk = Disk::new();
    let node = leader(&disk).await;
    let other = ShardChangesRequest {
        expected_history_uuid: "another".parse().unwrap(),
        ..request(&node, 0, 1)
    };
    let refused = read(&node, other).await.unwrap_err();
    assert_eq!(refused.kind(), ExceptionKind::IllegalState);
    let actual = request(&node, 0, 1).expected_history_uuid;
    let both = format!("expected [another], actual [{actual}]");
    assert!(refused.reason().contains(&both), "{refused}");
    assert!(!refused.is_retryable(), "another attempt finds the same history");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_of_a_shard_that_does_not_serve_says_why() {
    let pair = Pair::start(2).await;
    let of = |node: &Node, index: IndexUuid, number: u32| {
        let request = ShardChangesRequest {
            shard: shard_id(index, number),
            expected_history_uuid: "any".parse().unwrap(),
            from: SeqNo::ZERO,
            max_operation_count: 1,
            max_batch_size: ByteCount::new(u64::MAX),
            max_response_size: ByteCount::new(u64::MAX),
            poll_timeout: Duration::ZERO,
            known_metadata: None,
            may_stay_open: false,
        };
        let side = node.ccr.leader_side();
        async move { side.read_changes(request).await.unwrap_err() }
    };
    let orders = pair.leader.uuid("orders");
    let unknown_index = of(&pair.leader, "nothing".parse().unwrap(), 0).await;
    let unknown_shard = of(&pair.leader, orders.clone(), 2).await;

    pair.leader.tap.second_shard_copies.close();
    pair.follower.begin_follow("orders", "copy").await.unwrap();
    until("the second shard waits for its copy", || {
        pair.leader.tap.second_shard_copies.waiting() > 0
    })
    .await;
    let not_started = of(&pair.follower, pair.follower.uuid("copy"), 1).await;
    pair.leader.tap.second_shard_copies.open();

    pair.leader.indices.close_index("orders").await.unwrap();
    let closed = of(&pair.leader, orders, 0).await;
    for (refused, kind, again) in [
        (unknown_index, ExceptionKind::IndexNotFound, false),
        (unknown_shard, ExceptionKind::ShardNotFound, true),
        (not_started, ExceptionKind::IndexShardNotStarted, true),
        (closed, ExceptionKind::IndexClosed, true),
    ] {
        assert_eq!(
            (refused.kind(), refused.is_retryable()),
            (kind, again),
            "{refused}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_fetches_each_operation_after_its_copied_files_once() {
    let pair = Pair::start(2).await;
    let copied: Vec<_> = pair.leader.shards("orders");
    let copied: Vec<u64> = copied
        .iter()
        .map(|shard| shard.stats().max_seq_no.unwrap().get())
        .collect();
    pair.follower.follow("orders", "copy").await;
    // No new field: an answer that waits for a mapping ends an open poll, and what was on its way behind it is asked for again.
    for round in 1..20 {
        let items = (0..10).map(|id| document("orders", id, &json!({"n": round})));
        pair.leader.write_all(items.collect()).await;
    }
    pair.caught_up().await;
    for (number, (shard, copied)) in (0..).zip(pair.leader.shards("orders").iter().zip(copied)) {
        let mut fetched = pair
            .leader
            .tap
            .fetched(&shard_id(pair.leader.uuid("orders"), number));
        fetched.sort();
        let last = shard.stats().max_seq_no.unwrap().get();
        assert!(last > copied, "the test wrote to every shard");
        let expected: Vec<_> = (copied + 1..=last).map(SeqNo::new).collect();
        assert_eq!(fetched, expected, "shard {number}");
    }
}
