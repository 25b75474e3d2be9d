//! Following begins while writers insert, update and delete, and goes on until they stop.

use crate::checker::{check_equal, fail_on};
use crate::clock::wait_until;
use crate::context::Context;
use crate::load::{Load, LoadConfig};
use crate::pair::Connection;
use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Duration;

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let pair = context.pair(Connection::Direct).await?;
    let leader = pair.leader.rest();
    leader
        .put(
            "/orders",
            &json!({ "settings": { "number_of_shards": 2, "number_of_replicas": 0 } }),
        )
        .await?;
    let config = LoadConfig {
        seed: context.seed,
        writers: 4,
        documents: 400,
        batch: 50,
        pause: Duration::from_millis(5),
    };
    let load = Load::start(leader, "orders", &config);
    // Small limits make many reads and writes of what would otherwise be few.
    let limits = json!({
        "max_read_request_operation_count": 100, "max_outstanding_read_requests": 4,
        "max_write_request_operation_count": 70, "max_outstanding_write_requests": 3, "read_poll_timeout": "2s",
    });
    pair.follow("orders", "orders-copy", limits).await?;
    wait_until(
        "5,000 operations to be followed under load",
        Duration::from_secs(60),
        || async {
            let stats = pair.follower.rest().get("/orders-copy/_ccr/stats").await?;
            let shards = stats["indices"][0]["shards"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let reached: i64 = shards
                .iter()
                .filter_map(|shard| shard["follower_global_checkpoint"].as_i64())
                .sum();
            Ok(if reached >= 5_000 {
                Ok(())
            } else {
                Err(format!("{reached} operations"))
            })
        },
    )
    .await?;
    let history = load.finish().await?;
    ensure!(
        history.unknown == 0,
        "{} operations got no answer though nothing failed",
        history.unknown
    );
    let contents = check_equal(&pair, "orders", "orders-copy", Duration::from_secs(60)).await?;
    fail_on(&history.violations(&contents)?)?;
    pair.check_logs()
}
