//! `GET /_cat/health`.

use es_exception::Exception;

use super::table::{Cell, Column, answer};
use crate::call::Call;
use crate::handlers::cluster_health::look;
use crate::reply::Reply;

const COLUMNS: &[Column] = &[
    Column::text("epoch", &["t", "time"], "seconds since 1970-01-01 00:00:00"),
    Column::text("timestamp", &["ts", "hms", "hhmmss"], "time in HH:MM:SS"),
    Column::text("cluster", &["cl"], "cluster name"),
    Column::text("status", &["st"], "health status"),
    Column::number("node.total", &["nt", "nodeTotal"], "total number of nodes"),
    Column::number(
        "node.data",
        &["nd", "nodeData"],
        "number of nodes that can store data",
    ),
    Column::number(
        "shards",
        &["t", "sh", "shards.total", "shardsTotal"],
        "total number of shards",
    ),
    Column::number(
        "pri",
        &["p", "shards.primary", "shardsPrimary"],
        "number of primary shards",
    ),
    Column::number(
        "relo",
        &["r", "shards.relocating", "shardsRelocating"],
        "number of relocating shards",
    ),
    Column::number(
        "init",
        &["i", "shards.initializing", "shardsInitializing"],
        "number of initializing shards",
    ),
    Column::number(
        "unassign",
        &["u", "shards.unassigned", "shardsUnassigned"],
        "number of unassigned shards",
    ),
    Column::number(
        "unassign.pri",
        &["up", "shards.unassigned.primary"],
        "number of unassigned primary shards",
    ),
    Column::number(
        "pending_tasks",
        &["pt", "pendingTasks"],
        "number of pending tasks",
    ),
    Column::text(
        "max_task_wait_time",
        &["mtwt", "maxTaskWaitTime"],
        "wait time of longest task pending",
    ),
    Column::text(
        "active_shards_percent",
        &["asp", "activeShardsPercent"],
        "active number of shards in percent",
    ),
];

/// One row.
pub(crate) async fn health(call: Call) -> Result<Reply, Exception> {
    let health = look(&call)?;
    let totals = health.totals;
    let seconds = call.state.clock().now().get() / 1000;
    let cluster = call.state.cluster().state().cluster_name.clone();
    answer(&call, COLUMNS, || {
        Ok(vec![vec![
            seconds.into(),
            time_of_day(seconds).into(),
            cluster.into(),
            health.status.name().into(),
            health.nodes.into(),
            health.nodes.into(),
            totals.active.into(),
            totals.active_primaries.into(),
            Cell::from(0_u64),
            totals.initializing.into(),
            totals.unassigned.into(),
            totals.unassigned_primaries.into(),
            Cell::from(0_u64),
            "-".into(),
            Cell::Percent(totals.active_percent()),
        ]])
    })
}

/// `HH:MM:SS` in UTC.
pub(super) fn time_of_day(epoch_seconds: u64) -> String {
    let seconds = epoch_seconds % 86_400;
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_is_in_utc() {
        assert_eq!(time_of_day(86_400 * 3 + 3_661), "01:01:01");
    }
}
