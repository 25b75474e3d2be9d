//! The line between the clusters is cut and restored, and becomes a black hole and heals, while the leader is written to. The
//! leader does not notice, and the follower catches up without being told.

use crate::checker::{ShardState, check_equal, fail_on, shard_states};
use crate::clock::wait_until;
use crate::context::Context;
use crate::link::Line;
use crate::load::{Load, LoadConfig};
use crate::pair::{Connection, Pair};
use anyhow::{Result, ensure};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let pair = context.pair(Connection::ThroughLink).await?;
    pair.leader
        .rest()
        .put(
            "/orders",
            &json!({ "settings": { "number_of_shards": 2, "number_of_replicas": 0 } }),
        )
        .await?;
    pair.follow(
        "orders",
        "orders-copy",
        json!({ "read_poll_timeout": "1s", "max_retry_delay": "200ms" }),
    )
    .await?;
    let config = LoadConfig {
        seed: context.seed,
        writers: 3,
        documents: 800,
        batch: 20,
        pause: Duration::from_millis(10),
    };
    let load = Load::start(pair.leader.rest(), "orders", &config);
    for fault in [Line::Cut, Line::BlackHole] {
        await_operations(&pair, "orders-copy", 500).await?;
        pair.link()?.set(fault);
        await_operations(&pair, "orders", 300).await?;
        // What was under way has arrived by now; from here on nothing may pass.
        let (carried, standing) = (
            pair.link()?.carried(),
            shard_states(pair.follower.rest(), "orders-copy").await?,
        );
        await_operations(&pair, "orders", 1_200).await?;
        if fault == Line::Cut {
            await_read_exception(&pair).await?;
        }
        ensure!(
            pair.link()?.carried() == carried,
            "the line carried bytes as {fault:?}"
        );
        let applied = shard_states(pair.follower.rest(), "orders-copy").await?;
        let newest = |states: &BTreeMap<u32, ShardState>| {
            states.values().map(|state| state.max_seq_no).collect::<Vec<_>>()
        };
        ensure!(
            newest(&applied) == newest(&standing),
            "the follower went on without a line: {standing:?} {applied:?}"
        );
        pair.link()?.set(Line::Open);
    }
    let history = load.finish().await?;
    ensure!(
        history.unknown == 0,
        "the leader suffered from the follower's line: {} operations got no answer",
        history.unknown
    );
    let contents = check_equal(&pair, "orders", "orders-copy", Duration::from_secs(90)).await?;
    fail_on(&history.violations(&contents)?)?;
    pair.check_logs()
}

/// Waits until an index, on the leader or on the follower, has that many operations more than now.
async fn await_operations(pair: &Pair, index: &str, more: i64) -> Result<()> {
    let rest = if index == "orders" {
        pair.leader.rest()
    } else {
        pair.follower.rest()
    };
    let start: i64 = shard_states(rest, index)
        .await?
        .values()
        .map(|state| state.max_seq_no)
        .sum();
    wait_until(
        &format!("{more} more operations in {index}"),
        Duration::from_secs(60),
        || async {
            let reached: i64 = shard_states(rest, index)
                .await?
                .values()
                .map(|state| state.max_seq_no)
                .sum();
            Ok(if reached >= start + more {
                Ok(())
            } else {
                Err(format!("{} more", reached - start))
            })
        },
    )
    .await
}

/// A follower without a line says so: a read that fails is named, with its retries and its cause.
async fn await_read_exception(pair: &Pair) -> Result<()> {
    wait_until(
        "a read exception in follow stats",
        Duration::from_secs(30),
        || async {
            let stats = pair.follower.rest().get("/orders-copy/_ccr/stats").await?;
            let shards = stats["indices"][0]["shards"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let named = shards.iter().any(|shard| {
                let exceptions = shard["read_exceptions"].as_array().cloned().unwrap_or_default();
                exceptions.iter().any(|entry| {
                    entry["retries"].as_u64() >= Some(1) && entry["exception"]["type"].is_string()
                })
            });
            Ok(if named { Ok(()) } else { Err(stats.to_string()) })
        },
    )
    .await
}
