//! A disk that is too full, seen by clients and by followers.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indices::{DiskSpace, DiskUsage};
use oplog::ByteCount;
use rest_api::RestConfig;
use serde_json::json;

use crate::node::Node;

/// A disk of 100 MiB.
#[derive(Debug)]
struct Disk(AtomicU64);

impl DiskSpace for Disk {
    fn usage(&self, _path: &Path) -> io::Result<DiskUsage> {
        Ok(DiskUsage {
            total: ByteCount::from_mib(100),
            available: ByteCount::from_mib(self.0.load(Ordering::Acquire)),
        })
    }
}

async fn start(cluster: &str) -> (Node, Arc<Disk>) {
    let disk = Arc::new(Disk(AtomicU64::new(50)));
    let space = Arc::clone(&disk) as Arc<dyn DiskSpace>;
    let node = Node::start_tuned(cluster, RestConfig::default(), |_, indices| {
        indices.disk_space = space;
        indices.disk_check_interval = Duration::from_millis(5);
    })
    .await;
    (node, disk)
}

/// Writes until the answer has this status.
async fn write_until(node: &Node, status: u16) {
    let attempts = async {
        while node.put("/orders/_doc/again", "{}").await.status.as_u16() != status {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), attempts)
        .await
        .unwrap_or_else(|_| panic!("never answered {status}"));
}

#[tokio::test]
async fn clients_are_told_to_wait_and_may_switch_the_check_off() {
    let (node, disk) = start("leader").await;
    node.put("/orders/_doc/1", "{}").await.expect(201);
    disk.0.store(1, Ordering::Release);
    write_until(&node, 429).await;
    let reason = node
        .put("/orders/_doc/2", "{}")
        .await
        .refused(429, "cluster_block_exception");
    assert!(reason.contains("TOO_MANY_REQUESTS/12/"), "{reason}");
    let bulk = node
        .post("/orders/_bulk", "{\"index\":{\"_id\":\"2\"}}\n{}\n")
        .await
        .expect(200);
    assert_eq!(
        (
            &bulk["items"][0]["index"]["status"],
            &bulk["items"][0]["index"]["error"]["type"]
        ),
        (&json!(429), &json!("cluster_block_exception"))
    );
    node.get("/orders/_doc/1").await.expect(200);

    let off = json!({"transient": {"cluster.routing.allocation.disk.threshold_enabled": false}});
    node.put("/_cluster/settings", &off.to_string()).await.expect(200);
    write_until(&node, 200).await;
    let on = json!({"transient": {"cluster.routing.allocation.disk.*": null}});
    node.put("/_cluster/settings", &on.to_string()).await.expect(200);
    write_until(&node, 429).await;
    let lower = json!({"persistent": {
        "cluster.routing.allocation.disk.watermark.low": "3mb", "cluster.routing.allocation.disk.watermark.high": "2mb",
        "cluster.routing.allocation.disk.watermark.flood_stage": "1mb"}});
    disk.0.store(2, Ordering::Release);
    node.put("/_cluster/settings", &lower.to_string())
        .await
        .expect(200);
    write_until(&node, 200).await;
}

#[tokio::test]
async fn a_follower_on_a_full_disk_waits_and_goes_on_by_itself() {
    let (leader, leader_disk) = start("leader").await;
    let (follower, disk) = start("follower").await;
    let remote =
        json!({"persistent": {"cluster.remote.lisbon.seeds": [leader.transport_address.to_string()]}});
    follower
        .put("/_cluster/settings", &remote.to_string())
        .await
        .expect(200);
    leader
        .put(
            "/orders",
            r#"{"settings": {"number_of_shards": 1, "number_of_replicas": 0}}"#,
        )
        .await
        .expect(200);
    leader.put("/orders/_doc/1", "{}").await.expect(201);
    let body = r#"{"remote_cluster": "lisbon", "leader_index": "orders", "read_poll_timeout": "100ms"}"#;
    follower
        .put("/copy/_ccr/follow?wait_for_active_shards=1", body)
        .await
        .expect(200);
    let shard = |stats: &serde_json::Value| stats["indices"][0]["shards"][0].clone();
    follower
        .until("/copy/_ccr/stats", |stats| {
            shard(stats)["follower_global_checkpoint"] == 0
        })
        .await;

    disk.0.store(1, Ordering::Release);
    let refused = async {
        // The block shows in what is refused to users, too.
        while follower.put("/other", "").await.status.as_u16() != 429 {
            follower.delete("/other").await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), refused)
        .await
        .unwrap();
    follower
        .put("/copy2/_ccr/follow", body)
        .await
        .refused(429, "cluster_block_exception");
    leader.put("/orders/_doc/2", "{}").await.expect(201);
    let stalled = follower
        .until("/copy/_ccr/stats", |stats| {
            shard(stats)["failed_write_requests"].as_u64() > Some(1)
        })
        .await;
    assert_eq!(shard(&stalled).get("fatal_exception"), None);
    assert_eq!(shard(&stalled)["follower_global_checkpoint"], 0);

    // A leader that is full itself goes on being read.
    leader_disk.0.store(1, Ordering::Release);
    write_until(&leader, 429).await;
    disk.0.store(50, Ordering::Release);
    let expected = leader.shard("orders").log().max_seq_no().unwrap().get();
    follower
        .until("/copy/_ccr/stats", |stats| {
            shard(stats)["follower_global_checkpoint"] == expected
        })
        .await;
    follower.get("/copy/_doc/2").await.expect(200);
}
