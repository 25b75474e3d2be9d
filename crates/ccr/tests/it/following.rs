//! Follow tasks that are paused and resumed, wait for metadata, and meet failures on both sides.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use follow_task::FollowTaskPhase;
use futures::poll;
use oplog::ByteCount;
use serde_json::json;

use crate::support::{Disk, FIRST_DOCS, Pair, document, in_time, until};

/// Brings the follow task of `copy` to a wait for metadata that only an open gate ends.
async fn hold_a_metadata_wait(pair: &Pair) {
    pair.leader.tap.metadata_waits.close();
    let with_new_field = document("orders", 100, &json!({"m": "a new field"}));
    pair.leader.write_all(vec![with_new_field]).await;
    until("a wait for the new mapping", || {
        pair.leader.tap.metadata_waits.waiting() > 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_waits_for_its_own_tasks_and_leaves_those_of_a_resume_alone() {
    let pair = Pair::following(1).await;
    let ccr = &pair.follower.ccr;
    hold_a_metadata_wait(&pair).await;

    let mut first_pause = pin!(ccr.pause_follow("copy"));
    assert!(poll!(&mut first_pause).is_pending());
    until("the task is stopped", || pair.follower.tasks("copy").is_empty()).await;
    // The commit of this resume comes after that of the pause, which therefore has all it waits for but its task.
    pair.follower.resume("copy").await;
    until("the resumed task runs", || pair.follower.following("copy") == 1).await;
    for _ in 0..10 {
        assert!(
            poll!(&mut first_pause).is_pending(),
            "a pause must not end before what its task has begun"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    pair.leader.tap.metadata_waits.open();
    in_time("the first pause", first_pause).await.unwrap();
    pair.leader.write("orders", 200..210).await;
    pair.caught_up().await;
    assert_eq!(pair.follower.following("copy"), 1);

    in_time("the second pause", ccr.pause_follow("copy"))
        .await
        .unwrap();
    assert!(pair.follower.tasks("copy").is_empty());
    assert!(
        ccr.pause_follow("copy").await.is_err(),
        "it is paused, and once only"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_for_metadata_that_never_comes_is_tried_again_and_ends_with_a_pause() {
    let pair = Pair::following(1).await;
    let tap = &pair.leader.tap;
    tap.hides_newer_mapping.store(true, Ordering::SeqCst);
    let asked = tap.metadata_calls();
    pair.leader.write("orders", 100..110).await;
    until("the leader is asked again and again", || {
        tap.metadata_calls() >= asked + 3
    })
    .await;
    let tasks = pair.follower.tasks("copy");
    assert_eq!(
        (tasks[0].phase, &tasks[0].fatal_exception),
        (FollowTaskPhase::Following, &None)
    );
    in_time("a pause", pair.follower.ccr.pause_follow("copy"))
        .await
        .unwrap();

    tap.hides_newer_mapping.store(false, Ordering::SeqCst);
    pair.follower.resume("copy").await;
    pair.caught_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_whose_log_failed_is_opened_again_and_following_goes_on() {
    let pair = Pair::following(1).await;
    let storage = &pair.follower_disk.storage;
    for round in 1..4 {
        let dir = pair.follower.shards("copy")[0].dir().to_owned();
        storage.fail_next_write_below(dir);
        let next = 100 * round as u64;
        pair.leader.write("orders", next..next + 10).await;
        until("a write fails", || storage.failed() == round).await;
        pair.caught_up().await;
    }
    let tasks = pair.follower.tasks("copy");
    assert_eq!(
        (tasks[0].phase, &tasks[0].fatal_exception),
        (FollowTaskPhase::Following, &None)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_closed_and_opened_again_is_followed_on() {
    let pair = Pair::following(1).await;
    for round in 1..4 {
        let failed = pair.follower.tasks("copy")[0].failed_read_requests;
        pair.leader.indices.close_index("orders").await.unwrap();
        until("a read fails", || {
            pair.follower.tasks("copy")[0].failed_read_requests > failed
        })
        .await;
        assert_eq!(pair.follower.tasks("copy")[0].fatal_exception, None);
        assert!(pair.leader.indices.open_index("orders").await.unwrap());
        let next = FIRST_DOCS.end * round;
        pair.leader.write("orders", next..next + 5).await;
        pair.caught_up().await;
    }
}

/// Source: the follower may be closed while it is written to; its task stays and goes on when it is opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_is_closed_under_full_load_follows_on_when_it_is_opened() {
    let pair = Pair::following(2).await;
    let (leader, follower) = (&pair.leader, &pair.follower);
    let failed = || {
        let tasks = follower.tasks("copy");
        assert!(
            tasks.iter().all(|task| task.fatal_exception.is_none()),
            "{tasks:?}"
        );
        tasks.iter().map(|task| task.failed_write_requests).sum::<u64>()
    };
    let written = || {
        let tasks = follower.tasks("copy");
        tasks.iter().map(|task| task.operations_written).sum::<u64>()
    };
    let stop = std::sync::atomic::AtomicBool::new(false);
    let writers = async {
        let mut next = 1_000;
        while !stop.load(std::sync::atomic::Ordering::SeqCst) {
            leader.write("orders", next..next + 200).await;
            next += 200;
        }
    };
    let closing = async {
        for _ in 0..3 {
            let before = failed();
            follower.indices.close_index("copy").await.unwrap();
            until("a write fails", || failed() > before).await;
            assert!(follower.indices.open_index("copy").await.unwrap());
            let before = written();
            until("the tasks go on", || written() > before).await;
        }
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
    };
    tokio::join!(writers, closing);
    pair.caught_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_larger_than_the_whole_budget_come_through() {
    let disk = Disk {
        max_inflight_bytes: ByteCount::from_kib(100),
        ..Disk::new()
    };
    let pair = Pair::following_on(2, disk).await;
    // Both come after a poll, and after operations that let expect small ones.
    let text = "x".repeat(300_000);
    let large = |id| document("orders", id, &json!({ "text": text }));
    pair.leader.write_all((200..204).map(large).collect()).await;
    pair.leader.write("orders", 300..400).await;
    pair.leader.write_all((204..210).map(large).collect()).await;
    pair.caught_up().await;
    for task in pair.follower.tasks("copy") {
        assert_eq!((task.failed_read_requests, &task.fatal_exception), (0, &None));
    }
}
