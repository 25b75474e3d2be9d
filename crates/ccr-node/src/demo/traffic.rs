//! Live traffic on the leader, and a line a second that says how the follower keeps up.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use indices::{BulkAction, BulkItem, IndicesService, RefreshPolicy};
use shard::WritePrecondition;

use super::orders::Orders;
use super::{FOLLOWER_INDEX, LEADER_INDEX, screen};
use crate::node::Node;

/// Orders in one bulk request of the initial load.
pub(super) const BATCH: u64 = 2_000;
/// Pause between two bulk requests of live traffic.
const LIVE_INTERVAL: Duration = Duration::from_millis(20);
/// Operations in one bulk request of live traffic.
const LIVE_BATCH: u64 = 20;
/// Bulk requests between two status lines.
const REQUESTS_PER_LINE: u64 = 50;

/// Writes orders to the leader index.
#[derive(Debug)]
pub(super) struct Traffic {
    leader: Arc<IndicesService>,
}

impl Traffic {
    pub(super) fn new(leader: Arc<IndicesService>) -> Self {
        Self { leader }
    }

    /// Places `count` new orders.
    pub(super) async fn place(&self, orders: &mut Orders, count: u64) -> anyhow::Result<()> {
        let items = (0..count).map(|_| index(orders.place())).collect();
        self.write(items).await
    }

    /// Places, advances and cancels orders until the future is dropped.
    pub(super) async fn run(&self, mut orders: Orders, leader: &Node, follower: &Node) -> anyhow::Result<()> {
        loop {
            for _ in 0..REQUESTS_PER_LINE {
                let items = (0..LIVE_BATCH)
                    .map(|number| live_item(&mut orders, number))
                    .collect();
                self.write(items).await?;
                tokio::time::sleep(LIVE_INTERVAL).await;
            }
            screen::status_line(
                documents(leader, LEADER_INDEX),
                documents(follower, FOLLOWER_INDEX),
                follower,
            );
        }
    }

    async fn write(&self, items: Vec<BulkItem>) -> anyhow::Result<()> {
        let response = self.leader.bulk(items, RefreshPolicy::None).await;
        let response = response.map_err(|error| anyhow!("orders cannot be written: {error}"))?;
        // Cancelling an order twice is a delete that finds nothing, which is no failure.
        let failure = response.items.into_iter().find_map(|item| item.result.err());
        failure.map_or(Ok(()), |error| {
            Err(anyhow!("an order cannot be written: {error}"))
        })
    }
}

/// Mostly new orders, some changes, few cancellations.
fn live_item(orders: &mut Orders, number: u64) -> BulkItem {
    match number % 10 {
        0..=5 => index(orders.place()),
        6..=8 => index(orders.advance()),
        _ => item(
            orders.cancel(),
            BulkAction::Delete {
                precondition: WritePrecondition::None,
            },
        ),
    }
}

fn index((id, order): (String, serde_json::Value)) -> BulkItem {
    let source = Bytes::from(order.to_string());
    item(
        id,
        BulkAction::Index {
            source,
            precondition: WritePrecondition::None,
        },
    )
}

fn item(id: String, action: BulkAction) -> BulkItem {
    BulkItem {
        index: LEADER_INDEX.to_owned(),
        id: Some(id),
        routing: None,
        require_alias: false,
        require_data_stream: false,
        action,
    }
}

/// Live documents of an index, without waiting for a refresh.
fn documents(node: &Node, index: &str) -> u64 {
    let state = node.cluster.state();
    let Some(index) = state.index(index) else { return 0 };
    node.indices
        .started_shards(&index.uuid)
        .iter()
        .map(|shard| shard.log().live_summary().live_count)
        .sum()
}
