//! `GET /_cat/indices`.

use es_exception::Exception;
use indices::{IndexStats, ResolveOptions};
use shard::ShardStats;

use super::table::{Cell, Column, answer};
use crate::call::Call;
use crate::handlers::cluster_health::status;
use crate::handlers::shard_table::shard_table;
use crate::handlers::targets;
use crate::reply::Reply;

const COLUMNS: &[Column] = &[
    Column::text("health", &["h"], "current health status"),
    Column::text("status", &["s"], "open/close status"),
    Column::text("index", &["i", "idx"], "index name"),
    Column::text("uuid", &["id", "uuid"], "index uuid"),
    Column::number(
        "pri",
        &["p", "shards.primary", "shardsPrimary"],
        "number of primary shards",
    ),
    Column::number(
        "rep",
        &["r", "shards.replica", "shardsReplica"],
        "number of replica shards",
    ),
    Column::number("docs.count", &["dc", "docsCount"], "available docs"),
    Column::number("docs.deleted", &["dd", "docsDeleted"], "deleted docs"),
    Column::number(
        "creation.date",
        &["cd"],
        "index creation date (millisecond value)",
    )
    .hidden(),
    Column::number(
        "store.size",
        &["ss", "storeSize"],
        "store size of primaries and replicas",
    ),
    Column::number("pri.store.size", &[], "store size of primaries"),
    Column::number("dataset.size", &["dataset"], "total size of dataset"),
];

/// One row per index.
pub(crate) async fn indices(call: Call) -> Result<Reply, Exception> {
    let options = targets::options(&call, ResolveOptions::METADATA)?;
    let stats = call.state.indices().stats(call.index(), &options).await?;
    let wanted_health = call.params.text("health").map(str::to_ascii_lowercase);
    if let Some(health) = wanted_health
        .as_deref()
        .filter(|health| !["green", "yellow", "red"].contains(health))
    {
        return Err(Exception::illegal_argument(format!(
            "unknown health status [{health}]: use green, yellow or red"
        )));
    }
    answer(&call, COLUMNS, || {
        let rows = stats.iter().map(|index| {
            let health = status(&shard_table(&call.state, &index.index)).name();
            (health, row(health, index))
        });
        Ok(rows
            .filter(|(health, _)| wanted_health.as_deref().is_none_or(|wanted| wanted == *health))
            .map(|(_, row)| row)
            .collect())
    })
}

fn row(health: &str, stats: &IndexStats) -> Vec<Cell> {
    let index = &stats.index;
    let served: Vec<&ShardStats> = stats
        .shards
        .iter()
        .filter_map(|shard| shard.stats.as_ref())
        .collect();
    let sum = |number: fn(&ShardStats) -> u64| served.iter().map(|stats| number(stats)).sum::<u64>();
    let known = !served.is_empty();
    let number = |value: u64| if known { Cell::from(value) } else { Cell::Empty };
    let bytes = || {
        if known {
            Cell::Bytes(sum(|stats| stats.store_bytes))
        } else {
            Cell::Empty
        }
    };
    vec![
        health.into(),
        if index.is_open() { "open" } else { "close" }.into(),
        index.name.as_str().into(),
        index.uuid.to_string().into(),
        u64::from(index.number_of_shards).into(),
        index
            .settings
            .get_str("index.number_of_replicas")
            .unwrap_or("1")
            .parse::<u64>()
            .unwrap_or(1)
            .into(),
        number(sum(|stats| stats.docs)),
        number(sum(|stats| stats.deleted_docs)),
        index.creation_date.get().into(),
        bytes(),
        bytes(),
        bytes(),
    ]
}
