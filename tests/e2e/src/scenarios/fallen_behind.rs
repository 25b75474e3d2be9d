//! A follower was paused until its lease had expired and the leader had removed operations that it lacks. It heals by delta over a slow line,
//! serves what it had meanwhile, is killed in the middle, and ends equal to its leader. With `ccr.auto_heal: false` its task fails as
//! documented instead, and the documented remedy works: pause, close, follow again.

use crate::checker::{check_equal, shard_states};
use crate::cities::bulk_all;
use crate::clock::wait_until;
use crate::context::Context;
use crate::load::{Load, LoadConfig};
use crate::pair::{Connection, Pair, REMOTE};
use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Documents of the index, each of about 1 KB.
const DOCUMENTS: u64 = 4_000;
const WITHIN: Duration = Duration::from_secs(90);

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let mut pair = context.following_orders(Connection::ThroughLink).await?;
    write(&pair, 0, |_| true).await?;
    check_equal(&pair, "orders", "orders-copy", WITHIN).await?;
    let before = shard_states(pair.follower.rest(), "orders-copy").await?;

    pause(&pair).await?;
    fall_behind(&pair, 1).await?;
    // Slow enough to be looked at, and to be killed in the middle.
    pair.link()?.set_rate(Some(200 << 10));
    resume(&pair).await?;
    until_some_shard(&pair, "a heal to have read operations", |shard| {
        shard["heal"]["operations_read"].as_u64() > Some(0)
    })
    .await?;
    ensure!(
        shard_states(pair.follower.rest(), "orders-copy").await? == before,
        "a follower that heals must serve what it had"
    );
    let count = pair.follower.rest().get("/orders-copy/_count").await?;
    ensure!(count["count"] == DOCUMENTS, "while it heals: {count}");
    pair.follower.kill_9()?;
    pair.follower.start_again().await?;
    until_some_shard(&pair, "the heal to go on", |shard| shard["heal"].is_object()).await?;
    // The leader is written to meanwhile.
    let config = LoadConfig {
        seed: context.seed,
        writers: 2,
        documents: 200,
        batch: 20,
        pause: Duration::from_millis(5),
    };
    let load = Load::start(pair.leader.rest(), "orders", &config);
    until_all_shards(&pair, "both shards to be healed", |shard| {
        shard["successful_heals"] == 1
    })
    .await?;
    load.finish().await?;
    pair.link()?.set_rate(None);
    check_equal(&pair, "orders", "orders-copy", WITHIN).await?;

    set(&pair.follower, json!({ "ccr.auto_heal": false })).await?;
    pause(&pair).await?;
    fall_behind(&pair, 2).await?;
    resume(&pair).await?;
    until_all_shards(&pair, "the documented failure", |shard| {
        let fatal = &shard["fatal_exception"];
        fatal["type"] == "resource_not_found_exception" && fatal["requested_operations_missing"].is_array()
    })
    .await?;
    pause(&pair).await?;
    let follower = pair.follower.rest();
    follower.post_empty("/orders-copy/_close").await?;
    let body = json!({ "remote_cluster": REMOTE, "leader_index": "orders" });
    follower
        .put("/orders-copy/_ccr/follow?wait_for_active_shards=1", &body)
        .await?;
    check_equal(&pair, "orders", "orders-copy", WITHIN).await?;
    pair.check_logs()
}

async fn pause(pair: &Pair) -> Result<()> {
    pair.follower
        .rest()
        .post_empty("/orders-copy/_ccr/pause_follow")
        .await?;
    Ok(())
}

async fn resume(pair: &Pair) -> Result<()> {
    pair.follower
        .rest()
        .post_empty("/orders-copy/_ccr/resume_follow")
        .await?;
    Ok(())
}

async fn set(node: &crate::node::Node, settings: Value) -> Result<()> {
    let body = json!({ "persistent": settings });
    node.rest().put("/_cluster/settings", &body).await?;
    Ok(())
}

/// Lets the lease of the paused follower expire, changes a quarter of the documents twice, deletes some, and has the leader remove what nobody
/// needs.
async fn fall_behind(pair: &Pair, round: u64) -> Result<()> {
    let leader = pair.leader.rest();
    let period = |text: &str| json!({ "index.soft_deletes.retention_lease.period": text });
    leader.put("/orders/_settings", &period("1ms")).await?;
    wait_until("the lease to expire", WITHIN, || async {
        let stats = leader.get("/orders/_stats?level=shards").await?;
        let shards = stats["indices"]["orders"]["shards"].as_object();
        let leases = |copies: &Value| copies[0]["retention_leases"]["leases"].as_array().cloned();
        let of_followers = shards
            .into_iter()
            .flat_map(|shards| shards.values())
            .filter_map(leases)
            .flatten()
            .filter(|lease| lease["source"] == "ccr")
            .count();
        Ok(match of_followers {
            0 => Ok(()),
            count => Err(format!("{count} leases")),
        })
    })
    .await?;
    leader.put("/orders/_settings", &period("12h")).await?;
    write(pair, 10 * round, |number| number % 4 == 0).await?;
    write(pair, 10 * round + 1, |number| number % 4 == 0).await?;
    let deleted = (0..DOCUMENTS).filter(|number| number % 10 == round);
    let lines: String = deleted
        .map(|number| format!("{{\"delete\":{{\"_id\":\"{number}\"}}}}\n"))
        .collect();
    bulk_all(leader, "orders", lines).await?;
    let merged = leader
        .post_empty("/orders/_forcemerge?max_num_segments=1")
        .await?;
    ensure!(merged["_shards"]["failed"] == 0, "{merged}");
    Ok(())
}

/// Writes those of the documents that are wanted, with a source that no compression makes much smaller.
async fn write(pair: &Pair, round: u64, wanted: impl Fn(u64) -> bool) -> Result<()> {
    let numbers: Vec<u64> = (0..DOCUMENTS).filter(|number| wanted(*number)).collect();
    for batch in numbers.chunks(500) {
        let mut lines = String::new();
        for number in batch {
            let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(round);
            let noise: String = (0..64)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    format!("{state:016x}")
                })
                .collect();
            let source = json!({ "number": number, "round": round, "noise": noise });
            lines.push_str(&format!("{{\"index\":{{\"_id\":\"{number}\"}}}}\n{source}\n"));
        }
        bulk_all(pair.leader.rest(), "orders", lines).await?;
    }
    Ok(())
}

async fn until_some_shard(pair: &Pair, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<()> {
    until_shards(pair, what, |shards| shards.iter().any(&is_so)).await
}

async fn until_all_shards(pair: &Pair, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<()> {
    until_shards(pair, what, |shards| {
        shards.len() == 2 && shards.iter().all(&is_so)
    })
    .await
}

async fn until_shards(pair: &Pair, what: &str, is_so: impl Fn(&[Value]) -> bool) -> Result<()> {
    wait_until(what, WITHIN, || async {
        let path = "/orders-copy/_ccr/stats";
        // A node that was started again answers before its tasks run.
        let stats = pair.follower.rest().send(Method::GET, path, None).await?;
        let shards = stats.body["indices"][0]["shards"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        Ok(if is_so(&shards) {
            Ok(())
        } else {
            Err(Value::from(shards).to_string())
        })
    })
    .await
}
