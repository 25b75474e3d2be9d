//! The follower dies while it catches up under load and comes back on its folder: it asks for what it lost, applies nothing
//! twice, and catches up without being told.

use crate::checker::{check_equal, fail_on};
use crate::clock::wait_until;
use crate::context::Context;
use crate::load::{Load, LoadConfig};
use crate::pair::Connection;
use anyhow::Result;
use std::time::Duration;

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let mut pair = context.following_orders(Connection::Direct).await?;
    let config = LoadConfig {
        seed: context.seed,
        writers: 3,
        documents: 800,
        batch: 40,
        pause: Duration::from_millis(4),
    };
    let load = Load::start(pair.leader.rest(), "orders", &config);
    for _ in 0..3 {
        // Each life of the follower writes some operations of its own before it ends: its counters begin at nothing.
        wait_until(
            "the follower to write 1,500 operations",
            Duration::from_secs(60),
            || async {
                let answer = pair.follower.rest().get("/_ccr/stats").await?;
                let shards = answer["follow_stats"]["indices"][0]["shards"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
                let written: u64 = shards
                    .iter()
                    .filter_map(|shard| shard["operations_written"].as_u64())
                    .sum();
                Ok(if written >= 1_500 {
                    Ok(())
                } else {
                    Err(format!("{written} operations"))
                })
            },
        )
        .await?;
        pair.follower.kill_9()?;
        pair.follower.start_again().await?;
    }
    let history = load.finish().await?;
    let contents = check_equal(&pair, "orders", "orders-copy", Duration::from_secs(90)).await?;
    fail_on(&history.violations(&contents)?)?;
    pair.check_logs()
}
