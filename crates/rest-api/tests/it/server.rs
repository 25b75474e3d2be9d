//! Connections: kept alive, and ended in order.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::node::Node;

#[tokio::test]
async fn one_connection_serves_many_requests_and_ends_when_the_server_stops() {
    let node = Node::start().await;
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let mut answer = vec![0_u8; 4096];
    for _ in 0..3 {
        stream
            .write_all(b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let read = stream.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200 OK"));
    }
    node.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut answer))
        .await
        .unwrap();
    assert_eq!(ended.unwrap(), 0, "an idle connection is closed");
    tokio::time::timeout(Duration::from_secs(5), node.server)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(
        TcpStream::connect(node.address).await.is_err(),
        "nothing listens any more"
    );
}

#[tokio::test]
async fn a_request_under_way_is_finished_when_the_server_stops() {
    let node = Node::start().await;
    node.put("/i", r#"{"settings": {"number_of_replicas": 1}}"#)
        .await
        .expect(200);
    let waiting = node.get("/_cluster/health/i?wait_for_status=green&timeout=3s");
    let stopping = async {
        // Nothing tells that a health request has been taken; it waits for three times as long.
        tokio::time::sleep(Duration::from_secs(1)).await;
        node.stop.cancel();
    };
    let (answer, ()) = tokio::join!(waiting, stopping);
    assert_eq!(answer.expect(408)["timed_out"], true);
}
