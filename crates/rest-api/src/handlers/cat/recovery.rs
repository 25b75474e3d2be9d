//! `GET /_cat/recovery`.

use ccr::RecoveryStage;
use es_exception::Exception;
use indices::ResolveOptions;

use super::table::{Cell, Column, answer};
use crate::call::Call;
use crate::handlers::recovery::{SNAPSHOT, host, millis, repository};
use crate::handlers::targets;
use crate::reply::Reply;

const COLUMNS: &[Column] = &[
    Column::text("index", &["i", "idx"], "index name"),
    Column::text("shard", &["s", "sh"], "shard name"),
    Column::number(
        "start_time_millis",
        &["start_millis"],
        "recovery start time in epoch milliseconds",
    )
    .hidden(),
    Column::number(
        "stop_time_millis",
        &["stop_millis"],
        "recovery stop time in epoch milliseconds",
    )
    .hidden(),
    Column::text("time", &["t", "ti"], "recovery time"),
    Column::text("type", &["ty"], "recovery type"),
    Column::text("stage", &["st"], "recovery stage"),
    Column::text("source_host", &["shost"], "source host"),
    Column::text("source_node", &["snode"], "source node name"),
    Column::text("target_host", &["thost"], "target host"),
    Column::text("target_node", &["tnode"], "target node name"),
    Column::text("repository", &["rep"], "repository"),
    Column::text("snapshot", &["snap"], "snapshot"),
    Column::number("files", &["f"], "number of files to recover"),
    Column::number("files_recovered", &["fr"], "files recovered"),
    Column::text("files_percent", &["fp"], "percent of files recovered"),
    Column::number("files_total", &["tf"], "total number of files"),
    Column::number("bytes", &["b"], "number of bytes to recover"),
    Column::number("bytes_recovered", &["br"], "bytes recovered"),
    Column::text("bytes_percent", &["bp"], "percent of bytes recovered"),
    Column::number("bytes_total", &["tb"], "total number of bytes"),
    Column::number("bytes_per_sec", &["bps"], "bytes recovered in a second").hidden(),
    Column::text(
        "target_throttle_time",
        &["ttt"],
        "time held back to keep the rate",
    )
    .hidden(),
    Column::number("attempts", &["a"], "attempts so far").hidden(),
    Column::number("translog_ops", &["to"], "number of translog ops to recover"),
    Column::number("translog_ops_recovered", &["tor"], "translog ops recovered"),
    Column::text(
        "translog_ops_percent",
        &["top"],
        "percent of translog ops recovered",
    ),
];

/// One row per shard that was or is copied from a leader.
pub(crate) async fn recovery(call: Call) -> Result<Reply, Exception> {
    let options = targets::options(&call, ResolveOptions::METADATA)?;
    let active_only = call.params.flag("active_only", false)?;
    let mut statuses = call.state.ccr().recoveries(call.index(), &options)?;
    statuses.retain(|status| !active_only || status.stage != RecoveryStage::Done);
    let now = call.state.clock().now();
    let node = call.state.cluster().local_node();
    answer(&call, COLUMNS, || {
        let rows = statuses.iter().map(|status| {
            vec![
                status.index.as_str().into(),
                status.shard.to_string().into(),
                status.started.get().into(),
                status.stopped.map_or(Cell::Empty, |stopped| stopped.get().into()),
                Cell::Time(millis(status.total_time(now))),
                "snapshot".into(),
                status.stage.name().to_ascii_lowercase().into(),
                "n/a".into(),
                "n/a".into(),
                host(&node).map_or(Cell::Empty, Cell::from),
                node.name.as_str().into(),
                repository(status).into(),
                SNAPSHOT.into(),
                (status.files_total - status.files_reused).into(),
                status.files_recovered.into(),
                Cell::Percent(status.files_percent()),
                status.files_total.into(),
                Cell::Bytes(status.bytes_total - status.bytes_reused),
                Cell::Bytes(status.bytes_recovered),
                Cell::Percent(status.bytes_percent()),
                Cell::Bytes(status.bytes_total),
                Cell::Bytes(status.bytes_per_sec(now).unwrap_or(0)),
                Cell::Time(millis(status.target_throttle_time)),
                u64::from(status.attempts).into(),
                0_u64.into(),
                0_u64.into(),
                Cell::Percent(100.0),
            ]
        });
        Ok(rows.collect())
    })
}
