//! Connections come, go, and follow the settings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use es_exception::ExceptionKind;
use futures::future::join_all;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use transport::{RemoteClusterSettings, RemoteConnectionInfo, RemoteConnectionMode, RemoteNode};

use crate::leader::{Leader, answer};
use crate::setup::{DEADLINE, Forwarder, Running, alias, follower, read_from, sniff, until_info};

fn connected_to(info: &transport::RemoteClusterInfo) -> usize {
    match info.connection {
        RemoteConnectionInfo::Sniff {
            num_nodes_connected, ..
        } => num_nodes_connected,
        RemoteConnectionInfo::Proxy {
            num_proxy_sockets_connected,
            ..
        } => num_proxy_sockets_connected,
    }
}

#[tokio::test]
async fn a_restarted_leader_is_found_again_on_its_port() {
    let server = Running::start(Leader::new("leader", "n0")).await;
    let address = server.address;
    let (_clusters, remote) = follower(sniff(&[address]));
    remote.read_changes(read_from(0)).await.unwrap();
    let before = until_info(&remote, |info| info.connected && info.last_error.is_none()).await;
    assert_eq!(before.cluster_name.as_deref(), Some("leader"));
    server.stop().await;
    let down = until_info(&remote, |info| !info.connected && info.address_errors.len() == 1).await;
    assert!(down.last_error.is_some() && down.since >= before.since);
    let failed = remote.read_changes(read_from(0)).await.unwrap_err();
    assert_eq!(failed.kind(), ExceptionKind::NoSeedNodeLeft);
    assert!(failed.is_retryable());
    assert!(
        failed
            .reason()
            .contains("no seed node left for cluster: [lisbon]"),
        "{failed}"
    );
    assert!(failed.reason().contains(&address.to_string()), "{failed}");
    assert!(failed.caused_by().is_some());

    let server = Running::start_on(address, Leader::new("leader", "n0")).await;
    let back = async { while remote.read_changes(read_from(0)).await.is_err() {} };
    tokio::time::timeout(DEADLINE, back)
        .await
        .expect("the leader is back");
    until_info(&remote, |info| {
        info.connected && info.last_error.is_none() && info.address_errors.is_empty()
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn calls_between_attempts_fail_at_once_and_attempts_are_few() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    let mut slamming = JoinSet::new();
    slamming.spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let (_clusters, remote) = follower(sniff(&[address]));
    let calls = join_all((0..500).map(|_| remote.read_changes(read_from(0)))).await;
    assert!(
        calls
            .iter()
            .all(|call| call.as_ref().unwrap_err().kind() == ExceptionKind::NoSeedNodeLeft)
    );
    let attempts = accepted.load(Ordering::SeqCst);
    assert!((1..20).contains(&attempts), "{attempts} attempts for 500 calls");
}

#[tokio::test]
async fn sniffing_connects_to_the_nodes_that_a_seed_names() {
    let (first, second) = (Leader::new("leader", "n0"), Leader::new("leader", "n1"));
    let (server, other) = (
        Running::start(first.clone()).await,
        Running::start(second.clone()).await,
    );
    let node = |name: &str, running: &Running| RemoteNode {
        node_id: format!("id of {name}"),
        node_name: name.to_owned(),
        transport_address: running.address.to_string(),
    };
    let nodes = vec![node("n0", &server), node("n1", &other)];
    *first.nodes.lock() = nodes.clone();
    *second.nodes.lock() = nodes;
    let (_clusters, remote) = follower(sniff(&[server.address]));
    until_info(&remote, |info| connected_to(info) == 2).await;
    // Calls at the same time spread over the connections.
    let calls = join_all((0..20).map(|_| remote.read_changes(read_from(0)))).await;
    assert!(calls.iter().all(Result::is_ok));
    let reads = |leader: &Leader| {
        leader
            .asked
            .lock()
            .iter()
            .filter(|asked| asked.contains("ShardChanges"))
            .count()
    };
    assert!(
        reads(&first) > 0 && reads(&second) > 0,
        "{} and {}",
        reads(&first),
        reads(&second)
    );
    // The seed goes; the other node serves on.
    server.stop().await;
    until_info(&remote, |info| connected_to(info) == 1).await;
    remote.read_changes(read_from(0)).await.unwrap();
}

#[tokio::test]
async fn a_seed_of_another_cluster_is_refused_and_shown() {
    let server = Running::start(Leader::new("leader", "n0")).await;
    let address = server.address;
    let (_clusters, remote) = follower(sniff(&[address]));
    remote.read_changes(read_from(0)).await.unwrap();
    server.stop().await;
    let _other = Running::start_on(address, Leader::new("stranger", "n0")).await;
    let is_refused = |info: &transport::RemoteClusterInfo| {
        info.last_error
            .as_ref()
            .is_some_and(|error| error.reason().contains("does not match expected"))
    };
    let asking = async {
        while !is_refused(&remote.info()) {
            assert!(
                remote.read_changes(read_from(0)).await.is_err(),
                "a stranger must not be read"
            );
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, asking)
        .await
        .expect("the stranger is met");
    let info = remote.info();
    assert!(!info.connected);
    assert_eq!(info.cluster_name.as_deref(), Some("leader"));
    let failed = remote.read_changes(read_from(0)).await.unwrap_err();
    assert!(failed.reason().contains("stranger"), "{failed}");
}

#[tokio::test]
async fn a_proxy_gets_more_connections_as_calls_demand_up_to_the_limit() {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&gate);
    let leader = Leader::reading("leader", "n0", move |_| {
        let waiting = Arc::clone(&waiting);
        Box::pin(async move {
            waiting.acquire().await.unwrap().forget();
            Ok(answer(Vec::new()))
        })
    });
    let server = Running::start(leader).await;
    let forwarder = Forwarder::start(server.address).await;
    let mut settings = RemoteClusterSettings::proxy(forwarder.address.to_string());
    if let RemoteConnectionMode::Proxy {
        proxy_socket_connections,
        ..
    } = &mut settings.mode
    {
        *proxy_socket_connections = 3;
    }
    let (clusters, remote) = follower(settings);
    until_info(&remote, |info| connected_to(info) == 1).await;
    let mut calls = JoinSet::new();
    let filling = async {
        while connected_to(&remote.info()) < 3 {
            let remote = Arc::clone(&remote);
            calls.spawn(async move { remote.read_changes(read_from(0)).await.map(|_| ()) });
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, filling)
        .await
        .expect("three connections");
    gate.add_permits(Semaphore::MAX_PERMITS / 2);
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
    }
    assert_eq!((connected_to(&remote.info()), forwarder.accepted()), (3, 3));
    clusters.shutdown().await;
    server.stop().await;
}

#[tokio::test]
async fn settings_change_while_a_call_waits() {
    let never = Leader::reading("first", "n0", |_| Box::pin(std::future::pending()));
    let (first, second) = (
        Running::start(never.clone()).await,
        Running::start(Leader::new("second", "n0")).await,
    );
    let (clusters, remote) = follower(sniff(&[first.address]));
    let waiting = JoinSet::from_iter([{
        let remote = Arc::clone(&remote);
        async move { remote.read_changes(read_from(0)).await }
    }]);
    let asked = async {
        while never.asked.lock().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, asked).await.unwrap();
    // The same settings again disturb nobody.
    clusters.apply(BTreeMap::from([(alias(), sniff(&[first.address]))]));
    let request = transport::ClusterMetadataRequest {
        wait_for_version: None,
        timeout: DEADLINE,
    };
    remote.cluster_metadata(request).await.unwrap();
    assert_eq!(
        never
            .asked
            .lock()
            .iter()
            .filter(|asked| asked.starts_with("HandshakeRequest"))
            .count(),
        1
    );
    clusters.apply(BTreeMap::from([(alias(), sniff(&[second.address]))]));
    let failed = waiting.join_all().await.remove(0).unwrap_err();
    assert_eq!(failed.kind(), ExceptionKind::ConnectTransport);
    assert_eq!(never.asked.lock().len(), 3);
    // The handle that was there before follows the alias.
    remote.read_changes(read_from(0)).await.unwrap();
    assert_eq!(remote.info().cluster_name.as_deref(), Some("second"));

    clusters.apply(BTreeMap::new());
    assert_eq!(
        clusters.get(&alias()).unwrap_err().kind(),
        ExceptionKind::NoSuchRemoteCluster
    );
    assert_eq!(
        remote.read_changes(read_from(0)).await.unwrap_err().kind(),
        ExceptionKind::NoSuchRemoteCluster
    );
    assert!(clusters.info().is_empty());
    clusters.apply(BTreeMap::from([(alias(), sniff(&[second.address]))]));
    clusters
        .get(&alias())
        .unwrap()
        .read_changes(read_from(0))
        .await
        .unwrap();
    tokio::time::timeout(DEADLINE, clusters.shutdown())
        .await
        .expect("everything ends");
}

#[tokio::test]
async fn settings_that_come_while_everything_ends_begin_nothing() {
    let server = Running::start(Leader::new("leader", "n0")).await;
    let (clusters, remote) = follower(sniff(&[server.address]));
    remote.read_changes(read_from(0)).await.unwrap();
    let mut ending = std::pin::pin!(clusters.shutdown());
    // Under way, and waiting for the connection to end.
    let first_poll = futures::poll!(&mut ending);
    clusters.apply(BTreeMap::from([(alias(), sniff(&[server.address]))]));
    assert!(clusters.get(&alias()).is_err());
    if first_poll.is_pending() {
        tokio::time::timeout(DEADLINE, ending).await.unwrap();
    }
    server.stop().await;
}
