//! The leader dies under load, more than once, and comes back on its folder: it has everything it acknowledged, the follower
//! never holds what the leader lost, and follows on without being told.

use crate::checker::{check_equal, fail_on};
use crate::clock::wait_until;
use crate::context::Context;
use crate::load::{Load, LoadConfig};
use crate::pair::{Connection, Pair};
use anyhow::Result;
use std::time::Duration;

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let mut pair = context.following_orders(Connection::Direct).await?;
    let config = LoadConfig {
        seed: context.seed,
        writers: 4,
        documents: 1_500,
        batch: 25,
        pause: Duration::from_millis(2),
    };
    let load = Load::start(pair.leader.rest(), "orders", &config);
    for round in 1..=3 {
        await_progress(&pair, round * 3_000).await?;
        pair.leader.kill_9()?;
        pair.leader.start_again().await?;
    }
    await_progress(&pair, 12_000).await?;
    let history = load.finish().await?;
    let contents = check_equal(&pair, "orders", "orders-copy", Duration::from_secs(90)).await?;
    fail_on(&history.violations(&contents)?)?;
    pair.check_logs()
}

/// Waits until the leader has seen that many operations in all its life.
async fn await_progress(pair: &Pair, operations: i64) -> Result<()> {
    wait_until(
        &format!("{operations} operations on the leader"),
        Duration::from_secs(60),
        || async {
            let stats = pair.leader.rest().get("/orders/_stats?level=shards").await?;
            let shards = stats["indices"]["orders"]["shards"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            let seen: i64 = shards
                .values()
                .filter_map(|copies| copies[0]["seq_no"]["max_seq_no"].as_i64())
                .map(|last| last + 1)
                .sum();
            Ok(if seen >= operations {
                Ok(())
            } else {
                Err(format!("{seen} operations"))
            })
        },
    )
    .await
}
