//! Damaged shards of leaders and followers, over two nodes: nothing wrong is answered or replicated, and what can mend itself does.

use std::path::{Path, PathBuf};

use rest_api::RestConfig;
use serde_json::{Value, json};

use crate::node::Node;

const FOLLOW: &str = r#"{"remote_cluster": "lisbon", "leader_index": "orders", "read_poll_timeout": "100ms", "max_retry_delay": "100ms"}"#;
const DOCUMENTS: u64 = 10;

async fn seeds(follower: &Node, address: &str) {
    let settings = json!({"persistent": {"cluster.remote.lisbon.seeds": [address]}});
    follower
        .put("/_cluster/settings", &settings.to_string())
        .await
        .expect(200);
}

/// A leader and a follower of two shards with the same documents, each of which names itself.
async fn following() -> (Node, Node) {
    let leader = Node::start().await;
    let follower = Node::start_with("follower", RestConfig::default()).await;
    seeds(&follower, &leader.transport_address.to_string()).await;
    let settings = r#"{"settings": {"number_of_shards": 2, "number_of_replicas": 0}}"#;
    leader.put("/orders", settings).await.expect(200);
    for id in 0..DOCUMENTS {
        write(&leader, id).await;
    }
    follower
        .put("/copy/_ccr/follow?wait_for_active_shards=1", FOLLOW)
        .await
        .expect(200);
    until_copied(&follower, DOCUMENTS).await;
    (leader, follower)
}

async fn write(leader: &Node, id: u64) {
    let body = json!({"text": needle(id), "n": id}).to_string();
    leader.put(&format!("/orders/_doc/{id}"), &body).await.expect(201);
}

fn needle(id: u64) -> String {
    format!("needle-{id}-")
}

async fn until_copied(follower: &Node, documents: u64) {
    follower
        .until("/copy/_search?size=0", |found| {
            found["hits"]["total"]["value"] == documents
        })
        .await;
}

/// A file that a shard's directory has as long as nobody empties it.
const STRAY: &str = "stray";

fn shard_dirs(index: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(index).unwrap().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Flips a byte of the document's operation, in place, in whichever shard of the index holds it.
fn damage(index: &Path, id: u64) {
    use std::os::unix::fs::FileExt;
    let needle = needle(id);
    for shard in shard_dirs(index) {
        for entry in std::fs::read_dir(shard.join("oplog")).unwrap().flatten() {
            let bytes = std::fs::read(entry.path()).unwrap();
            let place = bytes
                .windows(needle.len())
                .position(|window| window == needle.as_bytes());
            if let Some(place) = place {
                let file = std::fs::OpenOptions::new()
                    .write(true)
                    .open(entry.path())
                    .unwrap();
                file.write_all_at(b"N", place as u64).unwrap();
                return;
            }
        }
    }
    panic!("{needle} is in no log");
}

/// Every document by its id, as it was written.
async fn check_documents(node: &Node, index: &str, documents: u64) {
    for id in 0..documents {
        let found = node.get(&format!("/{index}/_doc/{id}")).await.expect(200);
        assert_eq!(found["_source"], json!({"text": needle(id), "n": id}));
    }
}

/// The rows of `_cat/shards` that are not started.
async fn failed_shards(node: &Node, index: &str) -> Vec<Value> {
    let columns = "shard,state,unassigned.reason,unassigned.details";
    let rows = node
        .get(&format!("/_cat/shards/{index}?format=json&h={columns}"))
        .await
        .expect(200);
    let rows = rows.as_array().cloned().unwrap_or_default();
    rows.into_iter().filter(|row| row["state"] != "STARTED").collect()
}

fn no_fatal_exception(stats: &Value) -> bool {
    let shards = stats["indices"][0]["shards"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    shards.len() == 2 && shards.iter().all(|shard| shard.get("fatal_exception").is_none())
}

#[tokio::test]
async fn a_corrupt_follower_shard_is_copied_from_its_leader_again() {
    let (leader, follower) = following().await;
    let dir = follower.index_dir("copy").await;
    for shard in shard_dirs(&dir) {
        std::fs::write(shard.join(STRAY), b"").unwrap();
    }
    damage(&dir, 3);
    let refused = follower.get("/copy/_doc/3").await;
    let reason = refused.refused(503, "no_shard_available_action_exception");
    for part in [".log", "offset", "seq_no"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    // Nobody does anything; the leader goes on meanwhile.
    write(&leader, DOCUMENTS).await;
    follower
        .until("/copy/_doc/3", |found| found["found"] == true)
        .await;
    until_copied(&follower, DOCUMENTS + 1).await;
    check_documents(&follower, "copy", DOCUMENTS + 1).await;
    follower.until("/copy/_ccr/stats", no_fatal_exception).await;
    let kept = shard_dirs(&dir)
        .iter()
        .filter(|shard| shard.join(STRAY).exists())
        .count();
    assert_eq!(kept, 1, "only the corrupt shard was copied");
    // And once more: what is known of the first time must not stand in for the second.
    damage(&dir, 4);
    follower.get("/copy/_doc/4").await.expect(503);
    follower
        .until("/copy/_doc/4", |found| found["found"] == true)
        .await;
    check_documents(&follower, "copy", DOCUMENTS + 1).await;
}

#[tokio::test]
async fn a_corrupt_follower_waits_for_its_leader_and_serves_its_other_shard() {
    let (leader, follower) = following().await;
    seeds(&follower, "127.0.0.1:1").await;
    damage(&follower.index_dir("copy").await, 3);
    follower.get("/copy/_doc/3").await.expect(503);
    follower
        .until("/_cluster/health", |health| health["status"] == "red")
        .await;
    let failed = failed_shards(&follower, "copy").await;
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(
        failed[0]["unassigned.details"]
            .as_str()
            .unwrap()
            .contains("resume_follow"),
        "{failed:?}"
    );
    let partial = follower
        .get("/copy/_search?size=0&allow_partial_search_results=true")
        .await
        .expect(200);
    assert_eq!(
        (&partial["_shards"]["successful"], &partial["_shards"]["failed"]),
        (&json!(1), &json!(1))
    );
    let info = follower.get("/copy/_ccr/info").await.expect(200);
    assert_eq!(
        info["follower_indices"][0]["status"], "active",
        "it is still to be followed: {info}"
    );

    seeds(&follower, &leader.transport_address.to_string()).await;
    write(&leader, DOCUMENTS).await;
    until_copied(&follower, DOCUMENTS + 1).await;
    check_documents(&follower, "copy", DOCUMENTS + 1).await;
    follower.until("/copy/_ccr/stats", no_fatal_exception).await;
}

#[tokio::test]
async fn a_corrupt_paused_follower_is_copied_when_it_is_resumed() {
    let (leader, follower) = following().await;
    follower.post("/copy/_ccr/pause_follow", "").await.expect(200);
    damage(&follower.index_dir("copy").await, 3);
    follower.get("/copy/_doc/3").await.expect(503);
    write(&leader, DOCUMENTS).await;
    follower
        .until("/_cluster/health", |health| health["status"] == "red")
        .await;
    follower
        .post("/copy/_ccr/resume_follow", r#"{"max_retry_delay": "50ms"}"#)
        .await
        .expect(200);
    until_copied(&follower, DOCUMENTS + 1).await;
    check_documents(&follower, "copy", DOCUMENTS + 1).await;
    let info = follower.get("/copy/_ccr/info").await.expect(200);
    let parameters = &info["follower_indices"][0]["parameters"];
    assert_eq!(
        (&parameters["max_retry_delay"], &parameters["read_poll_timeout"]),
        (&json!("50ms"), &json!("100ms"))
    );
}

#[tokio::test]
async fn a_corrupt_leader_refuses_replicates_nothing_wrong_and_is_restored_as_it_says() {
    let (leader, follower) = following().await;
    leader
        .put("/other", r#"{"settings": {"number_of_replicas": 0}}"#)
        .await
        .expect(200);
    leader.put("/other/_doc/1", "{}").await.expect(201);
    damage(&leader.index_dir("orders").await, 3);
    // A second follower cannot copy it, which is what finds the damage.
    follower.put("/second/_ccr/follow", FOLLOW).await.expect(200);
    leader
        .until("/_cluster/health/orders", |health| health["status"] == "red")
        .await;
    let failed = failed_shards(&leader, "orders").await;
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["unassigned.reason"], "ALLOCATION_FAILED");
    let details = failed[0]["unassigned.details"].as_str().unwrap().to_owned();
    for part in [
        ".log",
        "offset",
        "seq_no",
        "pause_follow",
        "_close",
        "unfollow",
        "_open",
        "_ccr/follow",
    ] {
        assert!(details.contains(part), "{part}: {details}");
    }
    let reason = leader
        .get("/orders/_doc/3")
        .await
        .refused(503, "no_shard_available_action_exception");
    assert!(reason.contains(&details), "{reason}");
    leader.get("/other/_doc/1").await.expect(200);
    check_documents(&follower, "copy", DOCUMENTS).await;
    // The follower waits: its leader may come back.
    follower
        .until("/copy/_ccr/stats", |stats| {
            let shards = stats["indices"][0]["shards"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            shards.iter().any(|shard| {
                shard["read_exceptions"].to_string().contains("corrupt")
                    && shard.get("fatal_exception").is_none()
            })
        })
        .await;
    follower.delete("/second").await.expect(200);

    for call in ["pause_follow", "close", "unfollow", "open"] {
        let path = match call {
            "pause_follow" | "unfollow" => format!("/copy/_ccr/{call}"),
            _ => format!("/copy/_{call}"),
        };
        let done = follower.post(&path, "").await;
        // The leases of the corrupt shard cannot be removed; the index is an ordinary one all the same.
        assert!(
            done.status.is_success() || call == "unfollow",
            "{call}: {}",
            done.text()
        );
    }
    let settings =
        json!({"persistent": {"cluster.remote.paris.seeds": [follower.transport_address.to_string()]}});
    leader
        .put("/_cluster/settings", &settings.to_string())
        .await
        .expect(200);
    let back = FOLLOW.replace("lisbon", "paris").replace("orders", "copy");
    leader
        .put("/restored/_ccr/follow?wait_for_active_shards=1", &back)
        .await
        .expect(200);
    leader
        .until("/restored/_search?size=0", |found| {
            found["hits"]["total"]["value"] == DOCUMENTS
        })
        .await;
    check_documents(&leader, "restored", DOCUMENTS).await;
}
