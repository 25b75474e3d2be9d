//! The other side stops, dies or is something else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use es_exception::ExceptionKind;
use futures::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use transport::{
    FileChunks, ReadFileRequest, RemoteCluster, RemoteClusters, ShardChangesRequest, TransportConfig,
};

use crate::leader::{Leader, answer, frame, shard};
use crate::setup::{
    DEADLINE, Forwarder, Running, config, follower, follower_with, read_from, sniff, until_info,
};

fn waiting_leader() -> Arc<Leader> {
    Leader::reading("leader", "n0", |_| Box::pin(std::future::pending()))
}

async fn until_asked(leader: &Leader, times: usize) {
    let asked = async {
        while leader.asked.lock().len() < times {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, asked)
        .await
        .expect("the leader is asked");
}

#[tokio::test]
async fn a_stopping_server_ends_waiting_reads() {
    let leader = waiting_leader();
    let server = Running::start(leader.clone()).await;
    let (_clusters, remote) = follower(sniff(&[server.address]));
    let mut reads = JoinSet::new();
    for _ in 0..3 {
        let remote = Arc::clone(&remote);
        reads.spawn(async move { remote.read_changes(read_from(0)).await });
    }
    until_asked(&leader, 4).await;
    server.begin_stop();
    while let Some(read) = reads.join_next().await {
        assert_eq!(read.unwrap().unwrap_err().kind(), ExceptionKind::NodeClosed);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_stopping_server_waits_for_an_answer_under_way_only_so_long() {
    let server = Running::start(Leader::new("leader", "n0")).await;
    let (_clusters, remote) = follower(sniff(&[server.address]));
    let read = transport::ReadFileRequest {
        session_id: "s".to_owned(),
        shard: shard(),
        file: "stalls".to_owned(),
        offset: 0,
        length: 10,
    };
    let mut chunks = remote.read_file(read).await.unwrap();
    assert_eq!(chunks.next().await.unwrap().unwrap().bytes.len(), 10);
    server.stop().await;
    let failed = chunks.next().await.unwrap().unwrap_err();
    assert_eq!(failed.kind(), ExceptionKind::ConnectTransport, "{failed}");
}

#[tokio::test]
async fn a_cut_cable_is_noticed() {
    let leader = waiting_leader();
    let server = Running::start(leader.clone()).await;
    let forwarder = Forwarder::start(server.address).await;
    let (_clusters, remote) = follower(sniff(&[forwarder.address]));
    let mut reads = JoinSet::new();
    let reader = Arc::clone(&remote);
    reads.spawn(async move { reader.read_changes(read_from(0)).await });
    until_asked(&leader, 2).await;
    forwarder.vanish();
    let read = tokio::time::timeout(DEADLINE, reads.join_next())
        .await
        .expect("the dead peer is noticed");
    let failed = read.unwrap().unwrap().unwrap_err();
    assert_eq!(failed.kind(), ExceptionKind::ConnectTransport, "{failed}");
    assert!(failed.reason().contains("[lisbon]"), "{failed}");
    until_info(&remote, |info| !info.connected).await;
}

#[tokio::test]
async fn a_line_that_is_slow_with_a_large_answer_is_not_taken_for_dead() {
    // A probe of the leader's waits behind all of it.
    let leader = Leader::reading("leader", "n0", |_| {
        let frames = (0..12).map(|seq_no| frame(seq_no, vec![b'x'; 1 << 20])).collect();
        Box::pin(async { Ok(answer(frames)) })
    });
    let server = Running::start(leader).await;
    let forwarder = Forwarder::start_slow(server.address, Duration::from_millis(15)).await;
    // The answer to the follower's own probe waits behind what the line holds, too.
    let patient = TransportConfig {
        keepalive_timeout: 6 * DEADLINE,
        ..config()
    };
    let (_clusters, remote) = follower_with(sniff(&[forwarder.address]), patient);
    let read = tokio::time::timeout(6 * DEADLINE, remote.read_changes(read_from(0))).await;
    assert_eq!(read.expect("it is not as slow as that").unwrap().frames.len(), 12);
}

/// A follower that soon finds a line silent.
fn impatient(address: SocketAddr, longest: Duration) -> (RemoteClusters, Arc<RemoteCluster>) {
    let config = TransportConfig {
        call_margin: Duration::from_secs(1),
        longest_call_margin: longest,
        // The answer to a probe waits behind what the line holds.
        keepalive_timeout: 6 * DEADLINE,
        ..config()
    };
    follower_with(sniff(&[address]), config)
}

#[tokio::test]
async fn many_reads_over_one_slow_line_do_not_time_out() {
    const READS: usize = 20;
    let leader = Leader::reading("leader", "n0", |_| {
        Box::pin(async { Ok(answer(vec![frame(0, vec![b'x'; 256 << 10])])) })
    });
    let server = Running::start(leader).await;
    // 1.6 MB/s for 5 MiB that come side by side: each call sees its first whole piece when most of it has been carried.
    let forwarder = Forwarder::start_slow(server.address, Duration::from_millis(40)).await;
    let (_clusters, remote) = impatient(forwarder.address, 6 * DEADLINE);
    let mut reads = JoinSet::new();
    for _ in 0..READS {
        let remote = Arc::clone(&remote);
        reads.spawn(async move {
            let request = ShardChangesRequest {
                poll_timeout: Duration::ZERO,
                ..read_from(0)
            };
            remote.read_changes(request).await
        });
    }
    let mut failed = Vec::new();
    while let Some(read) = reads.join_next().await {
        failed.extend(read.unwrap().err());
    }
    assert!(failed.is_empty(), "{} of {READS}: {}", failed.len(), failed[0]);
}

/// The second chunk of this file never comes.
async fn begin_stalling(remote: &RemoteCluster) -> FileChunks {
    let read = ReadFileRequest {
        session_id: "s".to_owned(),
        shard: shard(),
        file: "stalls".to_owned(),
        offset: 0,
        length: 10,
    };
    let mut chunks = remote.read_file(read).await.unwrap();
    assert_eq!(chunks.next().await.unwrap().unwrap().bytes.len(), 10);
    chunks
}

#[tokio::test]
async fn an_answer_that_nothing_is_before_is_missed_soon() {
    let server = Running::start(Leader::new("leader", "n0")).await;
    let (_clusters, remote) = impatient(server.address, 6 * DEADLINE);
    let mut chunks = begin_stalling(&remote).await;
    // Probes cross all the while.
    let missed = tokio::time::timeout(DEADLINE, chunks.next()).await;
    let missed = missed
        .expect("long before the longest margin")
        .unwrap()
        .unwrap_err();
    assert_eq!(missed.kind(), ExceptionKind::ReceiveTimeoutTransport, "{missed}");
}

#[tokio::test]
async fn an_answer_that_is_owed_on_a_busy_line_is_missed_in_the_end() {
    let leader = Leader::reading("leader", "n0", |_| {
        Box::pin(async { Ok(answer(vec![frame(0, vec![b'x'; 64 << 10])])) })
    });
    let server = Running::start(leader).await;
    let (_clusters, remote) = impatient(server.address, Duration::from_secs(4));
    let mut chunks = begin_stalling(&remote).await;
    let mut others = JoinSet::new();
    others.spawn(async move {
        loop {
            remote.read_changes(read_from(0)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let missed = tokio::time::timeout(DEADLINE, chunks.next()).await;
    let missed = missed.expect("after the longest margin").unwrap().unwrap_err();
    assert_eq!(missed.kind(), ExceptionKind::ReceiveTimeoutTransport, "{missed}");
    assert!(missed.reason().contains("no answer within 4s"), "{missed}");
}

#[tokio::test]
async fn something_that_is_no_node_is_an_error_that_says_where() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut garbage = JoinSet::new();
    garbage.spawn(async move {
        while let Ok((mut io, _)) = listener.accept().await {
            let _ = io
                .write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
                .await;
        }
    });
    let (_clusters, remote) = follower(sniff(&[address]));
    let failed = remote.read_changes(read_from(0)).await.unwrap_err();
    assert_eq!(failed.kind(), ExceptionKind::NoSeedNodeLeft);
    assert!(failed.reason().contains(&address.to_string()), "{failed}");
    assert!(remote.info().address_errors.contains_key(&address.to_string()));
}

#[tokio::test]
async fn operations_above_the_global_checkpoint_do_not_leave_a_leader() {
    let leader = Leader::reading("leader", "n0", |_| {
        let mut answer = answer(vec![frame(0, Vec::new()), frame(1, Vec::new())]);
        answer.global_checkpoint = answer.frames.first().map(oplog::Frame::seq_no);
        Box::pin(async { Ok(answer) })
    });
    let server = Running::start(leader).await;
    let (_clusters, remote) = follower(sniff(&[server.address]));
    let failed = remote.read_changes(read_from(0)).await.unwrap_err();
    assert_eq!(failed.kind(), ExceptionKind::IllegalState);
    assert!(
        failed
            .reason()
            .contains("operation 1 lies above the global checkpoint (0)"),
        "{failed}"
    );
    assert!(
        !failed.reason().contains("[lisbon]"),
        "refused by the leader itself: {failed}"
    );
}
