//! `GET /_cat/shards`.

use es_exception::Exception;
use indices::ResolveOptions;

use super::table::{Cell, Column, answer};
use crate::call::Call;
use crate::handlers::ccr::seq_no;
use crate::handlers::shard_table::{ShardState, shard_table};
use crate::handlers::targets;
use crate::reply::Reply;

const COLUMNS: &[Column] = &[
    Column::text("index", &["i", "idx"], "index name"),
    Column::text("shard", &["s", "sh"], "shard name"),
    Column::text("prirep", &["p", "pr", "primaryOrReplica"], "primary or replica"),
    Column::text("state", &["st"], "shard state"),
    Column::number("docs", &["d", "dc"], "number of docs in shard"),
    Column::number("store", &["sto"], "store size of shard"),
    Column::number("dataset", &["dataset.size"], "total size of dataset"),
    Column::text("ip", &[], "ip of node where it lives"),
    Column::text("id", &[], "unique id of node where it lives").hidden(),
    Column::text("node", &["n"], "name of node where it lives"),
    Column::text("unassigned.reason", &["ur"], "reason shard became unassigned").hidden(),
    Column::text("unassigned.details", &["ud"], "why the shard could not be opened").hidden(),
    Column::text("recoverysource.type", &["rs"], "recovery source type").hidden(),
    Column::number("seq_no.max", &["sqm", "maxSeqNo"], "max sequence number").hidden(),
    Column::number(
        "seq_no.local_checkpoint",
        &["sql", "localCheckpoint"],
        "local checkpoint",
    )
    .hidden(),
    Column::number(
        "seq_no.global_checkpoint",
        &["sqg", "globalCheckpoint"],
        "global checkpoint",
    )
    .hidden(),
];

/// One row per primary, and one per replica that has no node to be on.
pub(crate) async fn shards(call: Call) -> Result<Reply, Exception> {
    let options = targets::options(&call, ResolveOptions::METADATA)?;
    let stats = call.state.indices().stats(call.index(), &options).await?;
    let node = call.state.cluster().local_node();
    let ip = node
        .transport_address
        .as_deref()
        .and_then(|address| address.rsplit_once(':'))
        .map(|(host, _)| host.to_owned());
    answer(&call, COLUMNS, || {
        let mut rows = Vec::new();
        for index in &stats {
            let table = shard_table(&call.state, &index.index);
            for (shard, state) in index.shards.iter().zip(&table.shards) {
                let details = match &shard.state {
                    indices::ShardState::Failed { reason } => Cell::from(reason.as_str()),
                    _ => Cell::Empty,
                };
                let (reason, source) = match state {
                    ShardState::Restoring => (Cell::from("NEW_INDEX_RESTORED"), Cell::from("SNAPSHOT")),
                    ShardState::Unassigned => (Cell::from("ALLOCATION_FAILED"), Cell::from("EXISTING_STORE")),
                    ShardState::Initializing => (Cell::Empty, Cell::from("EXISTING_STORE")),
                    ShardState::Started => (Cell::Empty, Cell::Empty),
                };
                let numbers = shard.stats.as_ref();
                let sequence = |number: Option<oplog::SeqNo>| match numbers {
                    Some(_) => Cell::Number(seq_no(number).into()),
                    None => Cell::Empty,
                };
                let size = || numbers.map_or(Cell::Empty, |stats| Cell::Bytes(stats.store_bytes));
                rows.push(vec![
                    index.index.name.as_str().into(),
                    shard.shard_id.shard.to_string().into(),
                    "p".into(),
                    state.name().into(),
                    numbers.map_or(Cell::Empty, |stats| stats.docs.into()),
                    size(),
                    size(),
                    ip.as_deref().map_or(Cell::Empty, Cell::from),
                    node.id.to_string().into(),
                    node.name.as_str().into(),
                    reason,
                    details,
                    source,
                    sequence(numbers.and_then(|stats| stats.max_seq_no)),
                    sequence(numbers.and_then(|stats| stats.local_checkpoint)),
                    sequence(numbers.and_then(|stats| stats.global_checkpoint)),
                ]);
                for _ in 0..table.replicas {
                    rows.push(unassigned_replica(
                        &index.index.name,
                        &shard.shard_id.shard.to_string(),
                    ));
                }
            }
        }
        Ok(rows)
    })
}

fn unassigned_replica(index: &str, shard: &str) -> Vec<Cell> {
    let mut row = vec![Cell::Empty; COLUMNS.len()];
    let known = [
        (0, index),
        (1, shard),
        (2, "r"),
        (3, "UNASSIGNED"),
        (10, "INDEX_CREATED"),
        (12, "PEER"),
    ];
    for (at, text) in known {
        row[at] = text.into();
    }
    row
}
