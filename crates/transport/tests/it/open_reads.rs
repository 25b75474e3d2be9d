//! Reads that stay open: several answers to one question.

use std::sync::Arc;
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use futures::StreamExt as _;
use oplog::{ByteCount, Frame};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use transport::{KnownMetadataVersions, ShardChangesRequest, ShardChangesResponse};

use crate::leader::{Leader, answer, frame};
use crate::setup::{DEADLINE, Running, follower, read_from, sniff};

fn open_read() -> ShardChangesRequest {
    ShardChangesRequest {
        may_stay_open: true,
        ..read_from(0)
    }
}

fn seq_nos(answer: &ShardChangesResponse) -> Vec<u64> {
    answer.frames.iter().map(|frame| frame.seq_no().get()).collect()
}

type Feed = mpsc::UnboundedSender<Result<Vec<Frame>, Exception>>;

/// A leader that answers what is sent to it, in turn, and waits when there is nothing; and what it was asked.
fn fed() -> (Arc<Leader>, Feed, Arc<Mutex<Vec<ShardChangesRequest>>>) {
    let (feed, answers) = mpsc::unbounded_channel();
    let answers = Arc::new(tokio::sync::Mutex::new(answers));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let leader = Leader::reading("leader", "n0", move |request| {
        noted.lock().push(request);
        let answers = Arc::clone(&answers);
        Box::pin(async move {
            let next: Option<Result<_, _>> = answers.lock().await.recv().await;
            next.expect("the test feeds to the end").map(answer)
        })
    });
    (leader, feed, asked)
}

#[tokio::test]
async fn what_is_written_comes_without_another_question() {
    let (leader, feed, asked) = fed();
    let server = Running::start(leader).await;
    let (_clusters, remote) = follower(sniff(&[server.address]));
    feed.send(Ok(vec![frame(0, b"{}".to_vec())])).unwrap();
    let mut answers = remote.read_changes_continuously(open_read());
    let mut next = async || tokio::time::timeout(DEADLINE, answers.next()).await.unwrap();

    let first = next().await.unwrap().unwrap();
    assert_eq!((seq_nos(&first), first.stays_open), (vec![0], true));
    // Larger than a piece, and several of them.
    let large = vec![frame(1, vec![b'x'; 700 << 10]), frame(2, vec![b'y'; 10])];
    feed.send(Ok(large.clone())).unwrap();
    let second = next().await.unwrap().unwrap();
    assert_eq!(
        second.frames.iter().map(Frame::bytes).collect::<Vec<_>>(),
        large.iter().map(Frame::bytes).collect::<Vec<_>>()
    );
    assert!(second.stays_open);
    feed.send(Ok(Vec::new())).unwrap();
    let last = next().await.unwrap().unwrap();
    assert!(last.frames.is_empty() && !last.stays_open);
    assert!(next().await.is_none());

    let asked = asked.lock();
    let from: Vec<u64> = asked.iter().map(|request| request.from.get()).collect();
    assert_eq!(from, [0, 1, 3]);
    assert!(asked[2].max_response_size < asked[1].max_response_size);
    assert!(
        asked[2].poll_timeout < asked[0].poll_timeout,
        "the answers took time"
    );
}

#[tokio::test]
async fn a_failure_between_answers_arrives_as_it_is() {
    let (leader, feed, _) = fed();
    let server = Running::start(leader).await;
    let (_clusters, remote) = follower(sniff(&[server.address]));
    feed.send(Ok(vec![frame(0, Vec::new())])).unwrap();
    let mut answers = remote.read_changes_continuously(open_read());
    answers.next().await.unwrap().unwrap();
    feed.send(Err(Exception::new(ExceptionKind::IndexClosed, "closed")))
        .unwrap();
    let failed = answers.next().await.unwrap().unwrap_err();
    assert_eq!(failed.kind(), ExceptionKind::IndexClosed);
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_read_at_the_leader() {
    let (leader, feed, asked) = fed();
    let server = Running::start(leader).await;
    let (_clusters, remote) = follower(sniff(&[server.address]));
    feed.send(Ok(vec![frame(0, Vec::new())])).unwrap();
    let mut answers = Arc::clone(&remote).read_changes_continuously(open_read());
    answers.next().await.unwrap().unwrap();
    drop(answers);
    // The leader's next answer goes to the next question: nobody else waits for it any more.
    let second = remote.read_changes(read_from(1));
    let fed = async {
        while asked.lock().iter().all(|request| request.may_stay_open) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        feed.send(Ok(vec![frame(1, Vec::new())])).unwrap();
    };
    let (second, ()) = tokio::join!(tokio::time::timeout(DEADLINE, second), fed);
    assert_eq!(seq_nos(&second.unwrap().unwrap()), [1]);
}

#[tokio::test]
async fn a_stopping_server_ends_open_reads() {
    let (leader, feed, _) = fed();
    let server = Running::start(leader).await;
    let (_clusters, remote) = follower(sniff(&[server.address]));
    feed.send(Ok(vec![frame(0, Vec::new())])).unwrap();
    let mut answers = remote.read_changes_continuously(open_read());
    answers.next().await.unwrap().unwrap();
    let (failed, ()) = tokio::join!(answers.next(), server.stop());
    assert!(failed.unwrap().unwrap_err().is_retryable());
}

#[test]
fn a_read_stays_open_at_the_leaders_end_while_there_is_time_and_room() {
    let known = |mapping, settings, aliases| {
        Some(KnownMetadataVersions {
            mapping,
            settings,
            aliases,
        })
    };
    let request = ShardChangesRequest {
        known_metadata: known(1, 9, 1),
        ..open_read()
    };
    let two = || answer(vec![frame(0, Vec::new()), frame(1, vec![b'x'; 40])]);
    let size: u64 = two().frames.iter().map(Frame::estimated_size).sum();

    let next = request.continued(&two()).unwrap();
    let expected = ShardChangesRequest {
        from: oplog::SeqNo::new(2),
        max_response_size: ByteCount::new(request.max_response_size.get() - size),
        poll_timeout: request.poll_timeout - Duration::from_millis(5),
        known_metadata: known(2, 9, 4),
        ..request.clone()
    };
    assert_eq!(next, expected);

    let of_size = |bytes| ShardChangesRequest {
        max_response_size: ByteCount::new(bytes),
        ..request.clone()
    };
    assert!(of_size(2 * size).continued(&two()).is_some());
    let mut more = two();
    more.global_checkpoint = Some(oplog::SeqNo::new(2));
    let mut late = two();
    late.took = request.poll_timeout;
    for (name, request, answer) in [
        ("not asked for", read_from(0), two()),
        ("no room for as much again", of_size(2 * size - 1), two()),
        ("there is more", request.clone(), more),
        ("nothing came", request.clone(), answer(Vec::new())),
        ("the time is over", request.clone(), late),
    ] {
        assert_eq!(request.continued(&answer), None, "{name}");
    }
}
