//! Forced merges: what they free, what they keep for followers, and what happens to a follower that they leave behind.

use std::time::Duration;

use oplog::{ByteCount, ReadLimits, SeqNo};
use rest_api::RestConfig;
use serde_json::{Value, json};

use crate::node::Node;

/// Small segments, so that few documents make several; no rounds of maintenance after the first.
async fn start(cluster: &str) -> Node {
    Node::start_tuned(cluster, RestConfig::default(), |services, indices| {
        services.log.segment_bytes = ByteCount::from_kib(64);
        indices.maintenance_interval = Duration::from_secs(3600);
    })
    .await
}

async fn create(node: &Node) {
    node.put(
        "/orders",
        r#"{"settings": {"number_of_shards": 1, "number_of_replicas": 0}}"#,
    )
    .await
    .expect(200);
}

/// Texts that do not compress away.
fn text(id: usize, version: usize) -> String {
    let mut state = (id * 1000 + version + 1) as u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..12).map(|_| format!("{:016x} ", next())).collect()
}

async fn write(node: &Node, ids: std::ops::Range<usize>, version: usize) {
    let lines: String = ids
        .map(|id| {
            let source = json!({"n": id, "version": version, "text": text(id, version)});
            format!("{{\"index\":{{\"_id\":\"{id}\"}}}}\n{source}\n")
        })
        .collect();
    let answer = node.post("/orders/_bulk?refresh=true", &lines).await.expect(200);
    assert_eq!(answer["errors"], false);
}

async fn merge(node: &Node, path: &str) -> Value {
    let answer = node.post(path, "").await.expect(200);
    assert_eq!(answer["_shards"]["failed"], 0, "{answer}");
    answer
}

async fn total(node: &Node, index: &str) -> Value {
    node.get(&format!("/{index}/_stats")).await.expect(200)["_all"]["total"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forced_merge_frees_what_nobody_needs_and_keeps_every_document() {
    let node = start("leader").await;
    create(&node).await;
    for version in 0..4 {
        write(&node, 0..1000, version).await;
    }
    for id in 0..100 {
        node.delete(&format!("/orders/_doc/{id}")).await.expect(200);
    }
    node.post("/orders/_refresh", "").await.expect(200);
    let before = total(&node, "orders").await;
    assert!(before["docs"]["deleted"].as_u64() > Some(0), "{before}");

    let answer = merge(&node, "/orders/_forcemerge?max_num_segments=1").await;
    assert_eq!(
        answer,
        json!({"_shards": {"total": 1, "successful": 1, "failed": 0}})
    );
    let after = total(&node, "orders").await;
    assert_eq!(
        (&after["docs"], &after["segments"]["count"]),
        (&json!({"count": 900, "deleted": 0}), &json!(1))
    );
    let size = |stats: &Value| stats["store"]["size_in_bytes"].as_u64().unwrap();
    assert!(
        2 * size(&after) < size(&before),
        "{} to {}",
        size(&before),
        size(&after)
    );
    for id in 0..1000 {
        let answer = node.get(&format!("/orders/_doc/{id}")).await;
        if id < 100 {
            answer.expect(404);
        } else {
            let found = answer.expect(200);
            assert_eq!(
                found["_source"],
                json!({"n": id, "version": 3, "text": text(id, 3)})
            );
        }
    }
    let search = json!({"size": 0, "track_total_hits": true, "query": {"term": {"version": 3}}});
    let found = node
        .post("/orders/_search", &search.to_string())
        .await
        .expect(200);
    assert_eq!(found["hits"]["total"]["value"], 900);

    // One segment that has dead documents is not merged enough.
    node.delete("/orders/_doc/500?refresh=true").await.expect(200);
    merge(&node, "/_forcemerge?max_num_segments=1&flush=false").await;
    assert_eq!(
        total(&node, "orders").await["docs"],
        json!({"count": 899, "deleted": 0})
    );
    node.delete("/orders/_doc/501?refresh=true").await.expect(200);
    merge(&node, "/ord*/_forcemerge?only_expunge_deletes").await;
    assert_eq!(
        total(&node, "orders").await["docs"],
        json!({"count": 898, "deleted": 0})
    );
}

#[tokio::test]
async fn requests_that_cannot_be_met_are_refused() {
    let node = start("leader").await;
    create(&node).await;
    let both = "/orders/_forcemerge?max_num_segments=1&only_expunge_deletes=true";
    let reason = node
        .post(both, "")
        .await
        .refused(400, "action_request_validation_exception");
    assert!(reason.contains("mutually exclusive"), "{reason}");
    let started = node
        .post("/orders/_forcemerge?wait_for_completion=false", "")
        .await
        .expect(200);
    let task = format!("/_tasks/{}", started["task"].as_str().unwrap());
    let ended = node.until(&task, |answer| answer["completed"] == true).await;
    assert_eq!(ended["response"]["_shards"]["failed"], 0);
    assert_eq!(ended["task"]["action"], "indices:admin/forcemerge");
    for query in ["max_num_segments=0", "max_num_segments=few", "segments=1"] {
        node.post(&format!("/orders/_forcemerge?{query}"), "")
            .await
            .refused(400, "illegal_argument_exception");
    }
    node.get("/orders/_forcemerge").await.expect(405);
    node.post("/none/_forcemerge", "")
        .await
        .refused(404, "index_not_found_exception");
    let nothing = json!({"_shards": {"total": 0, "successful": 0, "failed": 0}});
    assert_eq!(
        merge(&node, "/none/_forcemerge?ignore_unavailable").await,
        nothing
    );
    assert_eq!(
        merge(&node, "/orders/_forcemerge?max_num_segments=-1").await["_shards"]["successful"],
        1
    );
    node.put("/orders/_settings", r#"{"index.blocks.read_only": true}"#)
        .await
        .expect(200);
    node.post("/orders/_forcemerge", "")
        .await
        .refused(403, "cluster_block_exception");
}

const FOLLOW: &str =
    r#"{"remote_cluster": "lisbon", "leader_index": "orders", "read_poll_timeout": "100ms"}"#;

async fn followed() -> (Node, Node) {
    let (leader, follower) = (start("leader").await, start("follower").await);
    let remote =
        json!({"persistent": {"cluster.remote.lisbon.seeds": [leader.transport_address.to_string()]}});
    follower
        .put("/_cluster/settings", &remote.to_string())
        .await
        .expect(200);
    create(&leader).await;
    write(&leader, 0..300, 0).await;
    follow(&leader, &follower, "copy").await;
    (leader, follower)
}

async fn follow(leader: &Node, follower: &Node, copy: &str) {
    follower
        .put(&format!("/{copy}/_ccr/follow?wait_for_active_shards=1"), FOLLOW)
        .await
        .expect(200);
    caught_up(leader, follower, copy).await;
}

async fn caught_up(leader: &Node, follower: &Node, copy: &str) {
    let last = leader.shard("orders").log().max_seq_no().unwrap().get();
    follower
        .until(&format!("/{copy}/_ccr/stats"), |stats| {
            stats["indices"][0]["shards"][0]["follower_global_checkpoint"] == last
        })
        .await;
}

/// The history of a leader whose follower is away: updates, then a forced merge.
async fn update_and_merge(leader: &Node) {
    for version in 1..4 {
        write(leader, 0..300, version).await;
    }
    merge(leader, "/orders/_forcemerge?max_num_segments=1").await;
}

fn lease(leader: &Node) -> Option<SeqNo> {
    let leases = leader.shard("orders").log().retention_leases().leases;
    leases.iter().map(|lease| lease.retaining_seq_no).min()
}

async fn same_documents(leader: &Node, follower: &Node, copy: &str) {
    let (ours, theirs) = (leader.shard("orders"), follower.shard(copy));
    assert_eq!(ours.log().live_summary(), theirs.log().live_summary());
    for id in (0..300).step_by(7) {
        let path = |index: &str| format!("/{index}/_doc/{id}");
        let (ours, theirs) = (leader.get(&path("orders")).await, follower.get(&path(copy)).await);
        assert_eq!(ours.expect(200)["_source"], theirs.expect(200)["_source"], "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_is_kept_from_the_lease_of_a_paused_follower_on_and_no_longer() {
    let (leader, follower) = followed().await;
    // The first renewal by the task; until then the lease is that of the copy, which began with nothing.
    let renewed = async {
        while lease(&leader) <= Some(SeqNo::ZERO) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), renewed)
        .await
        .expect("the lease is never renewed");
    follower.post("/copy/_ccr/pause_follow", "").await.expect(200);
    let retained = lease(&leader).expect("the follower's lease");
    update_and_merge(&leader).await;

    let shard = leader.shard("orders");
    let log = shard.log();
    let last = log.max_seq_no().unwrap();
    assert_eq!(log.min_retained_seq_no(), retained);
    let kept = log.read(retained, last, ReadLimits::NONE).unwrap();
    assert_eq!(kept.len() as u64, last.get() - retained.get() + 1);
    assert!(
        retained > SeqNo::ZERO && log.get(SeqNo::ZERO).unwrap().is_none(),
        "{retained}"
    );
    assert_eq!(lease(&leader), Some(retained));

    follower.post("/copy/_ccr/resume_follow", "").await.expect(200);
    caught_up(&leader, &follower, "copy").await;
    same_documents(&leader, &follower, "copy").await;
    // The follower merges by itself; its history is nobody else's.
    merge(&follower, "/copy/_forcemerge?max_num_segments=1").await;
    assert_eq!(
        total(&follower, "copy").await["docs"],
        json!({"count": 300, "deleted": 0})
    );
    same_documents(&leader, &follower, "copy").await;

    // A task renews its lease as it begins.
    follower.post("/copy/_ccr/pause_follow", "").await.expect(200);
    follower.post("/copy/_ccr/resume_follow", "").await.expect(200);
    follower
        .until("/copy/_ccr/stats", |_| lease(&leader) == last.checked_next())
        .await;
    merge(&leader, "/orders/_forcemerge").await;
    assert!(log.get(retained).unwrap().is_none(), "nobody needs it any more");
    follow(&leader, &follower, "second").await;
    same_documents(&leader, &follower, "second").await;
    write(&leader, 0..300, 9).await;
    for copy in ["copy", "second"] {
        caught_up(&leader, &follower, copy).await;
        same_documents(&leader, &follower, copy).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_whose_lease_was_forgotten_is_told_which_operations_are_gone() {
    let (leader, follower) = followed().await;
    auto_heal(&follower, "false").await;
    fall_behind(&leader, &follower).await;
    let stats = follower
        .until("/copy/_ccr/stats", |stats| {
            stats["indices"][0]["shards"][0]["fatal_exception"].is_object()
        })
        .await;
    let shard = &stats["indices"][0]["shards"][0];
    let fatal = &shard["fatal_exception"];
    assert_eq!(fatal["type"], "resource_not_found_exception", "{fatal}");
    let missing = fatal["requested_operations_missing"].as_array().expect("a range");
    assert_eq!((&missing[0], missing.len()), (&json!("300"), 2), "{fatal}");
    let reason = fatal["reason"].as_str().unwrap();
    for part in [
        "[300]",
        "Retention leases:",
        "index.soft_deletes.retention_lease.period",
        "ccr.auto_heal",
        "[orders]",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    assert_eq!(shard["read_exceptions"][0]["from_seq_no"], 300, "{shard}");
    assert_eq!(shard["read_exceptions"][0]["exception"]["reason"], reason);

    follower.post("/copy/_ccr/pause_follow", "").await.expect(200);
    follower.post("/copy/_close", "").await.expect(200);
    follow(&leader, &follower, "copy").await;
    same_documents(&leader, &follower, "copy").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_whose_lease_was_forgotten_heals_by_itself() {
    let (leader, follower) = followed().await;
    let refused = follower
        .put(
            "/_cluster/settings",
            r#"{"persistent": {"ccr.auto_heal": "maybe"}}"#,
        )
        .await
        .expect(400);
    assert!(
        refused["error"]["reason"]
            .as_str()
            .unwrap()
            .contains("ccr.auto_heal"),
        "{refused}"
    );
    auto_heal(&follower, "true").await;
    fall_behind(&leader, &follower).await;
    let stats = follower
        .until("/copy/_ccr/stats", |stats| {
            stats["indices"][0]["shards"][0]["successful_heals"] == 1
        })
        .await;
    let shard = &stats["indices"][0]["shards"][0];
    assert!(
        shard["fatal_exception"].is_null() && shard["heal"].is_null(),
        "{shard}"
    );
    same_documents(&leader, &follower, "copy").await;
}

async fn auto_heal(node: &Node, value: &str) {
    let settings = json!({"persistent": {"ccr.auto_heal": value}});
    node.put("/_cluster/settings", &settings.to_string())
        .await
        .expect(200);
}

/// Pauses `copy`, forgets its lease, has the leader remove what nobody needs, and resumes.
async fn fall_behind(leader: &Node, follower: &Node) {
    follower.post("/copy/_ccr/pause_follow", "").await.expect(200);
    let settings = follower.get("/copy/_settings?flat_settings").await.expect(200);
    let forget = json!({
        "follower_cluster": "follower", "follower_index": "copy", "leader_remote_cluster": "lisbon",
        "follower_index_uuid": settings["copy"]["settings"]["index.uuid"],
    });
    let forgotten = leader
        .post("/orders/_ccr/forget_follower", &forget.to_string())
        .await
        .expect(200);
    assert_eq!(forgotten["_shards"]["successful"], 1, "{forgotten}");
    update_and_merge(leader).await;
    follower.post("/copy/_ccr/resume_follow", "").await.expect(200);
}
