//! What follow stats tell beyond Elasticsearch's: how far behind, until when, and how long the leader still keeps what is missing.

use serde_json::{Value, json};

use crate::node::Node;
use crate::replication::{FOLLOW, caught_up, connected};

const HOUR: i64 = 3_600_000;

fn index(stats: &Value) -> &Value {
    &stats["indices"][0]
}

/// The number of this name of every shard.
fn of_shards(stats: &Value, name: &str) -> Vec<i64> {
    let shards = index(stats)["shards"].as_array().cloned().unwrap_or_default();
    shards.iter().filter_map(|shard| shard[name].as_i64()).collect()
}

async fn set_remote(follower: &Node, seeds: &Value) {
    let settings = json!({"persistent": {"cluster.remote.lisbon.seeds": seeds}});
    follower
        .put("/_cluster/settings", &settings.to_string())
        .await
        .expect(200);
}

#[tokio::test]
async fn follow_stats_tell_when_a_follower_has_caught_up_and_until_when_it_must() {
    let (leader, follower) = connected().await;
    follower
        .put("/copy/_ccr/follow?wait_for_active_shards=1", FOLLOW)
        .await
        .expect(200);
    const LEASE: &str = "time_until_retention_lease_expiry_millis";
    let lease_within = |stats: &Value, most: i64| {
        let left = of_shards(stats, LEASE);
        left.len() == 2 && left.iter().all(|left| *left > most - HOUR / 4 && *left <= most)
    };
    let in_sync = |stats: &Value| {
        let zeros = [0, 0];
        caught_up(stats)
            && of_shards(stats, "follower_to_leader_lagging_ops_count") == zeros
            && of_shards(stats, "follower_to_leader_lag_millis") == zeros
            && of_shards(stats, "estimated_catch_up_millis") == zeros
    };
    let stats = follower
        .until("/copy/_ccr/stats?human", |stats| {
            in_sync(stats) && lease_within(stats, 12 * HOUR)
        })
        .await;
    let all = index(&stats);
    for (name, expected) in [
        ("total_follower_to_leader_lagging_ops_count", json!(0)),
        ("max_follower_to_leader_lag_millis", json!(0)),
        ("max_follower_to_leader_lag", json!("0s")),
        ("max_estimated_catch_up_millis", json!(0)),
        ("max_estimated_catch_up", json!("0s")),
    ] {
        assert_eq!(all[name], expected, "{name}: {all}");
    }
    assert_eq!(
        all["min_time_until_retention_lease_expiry_millis"].as_i64(),
        of_shards(&stats, LEASE).into_iter().min()
    );
    let shard = &all["shards"][0];
    assert_eq!(shard["estimated_catch_up"], "0s");
    assert!(shard["time_until_retention_lease_expiry"].is_string(), "{shard}");

    // The period is the leader's own setting, which is not replicated and counts all the same.
    let period = json!({"index.soft_deletes.retention_lease.period": "1h"});
    leader
        .put("/orders/_settings", &period.to_string())
        .await
        .expect(200);
    follower
        .until("/copy/_ccr/stats", |stats| lease_within(stats, HOUR))
        .await;

    // Out of contact nobody knows how far behind the follower is.
    set_remote(&follower, &Value::Null).await;
    let stats = follower
        .until("/copy/_ccr/stats", |stats| {
            of_shards(stats, "estimated_catch_up_millis") == [-1, -1]
        })
        .await;
    let all = index(&stats);
    assert_eq!(all["max_estimated_catch_up_millis"], -1);
    assert!(lease_within(&stats, HOUR), "{stats}");
    set_remote(&follower, &json!([leader.transport_address.to_string()])).await;
    follower.until("/copy/_ccr/stats", in_sync).await;
    let tasks = follower.get("/_tasks?detailed&actions=*ccr*").await.text();
    assert!(tasks.contains(LEASE), "{tasks}");
}
