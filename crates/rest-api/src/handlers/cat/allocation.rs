//! `GET /_cat/allocation`: shards and disk space by node.

use es_exception::Exception;
use indices::ResolveOptions;

use super::table::{Cell, Column, answer};
use crate::call::Call;
use crate::handlers::cluster_health::counts;
use crate::handlers::node_filter::selected;
use crate::handlers::recovery::host;
use crate::handlers::shard_table::shard_table;
use crate::params::split_list;
use crate::reply::Reply;

const COLUMNS: &[Column] = &[
    Column::number("shards", &["s"], "number of shards on node"),
    Column::number("disk.indices", &["di", "diskIndices"], "disk used by indices"),
    Column::number(
        "disk.used",
        &["du", "diskUsed"],
        "disk that cannot be written to any more",
    ),
    Column::number("disk.avail", &["da", "diskAvail"], "disk available"),
    Column::number("disk.total", &["dt", "diskTotal"], "total capacity of the disk"),
    Column::number("disk.percent", &["dp", "diskPercent"], "percent disk used"),
    Column::text("host", &["h"], "host of node"),
    Column::text("ip", &[], "ip of node"),
    Column::text("node", &["n"], "name of node"),
    Column::text("node.role", &["r", "role", "nodeRole"], "node roles"),
];

/// One row per node, and one for the copies that are on none.
pub(crate) async fn allocation(call: Call) -> Result<Reply, Exception> {
    let options = ResolveOptions {
        expand_hidden: true,
        ..ResolveOptions::METADATA
    };
    let stats = call.state.indices().stats("_all", &options).await?;
    let (_, disk) = call.state.indices().disk_usage().await?;
    let state = call.state.cluster().state();
    let local = call.state.cluster().local_node();
    let wanted = call.segment("nodes").map(split_list).unwrap_or_default();
    answer(&call, COLUMNS, || {
        let mut rows = Vec::new();
        let tables = stats
            .iter()
            .map(|index| counts(&shard_table(&call.state, &index.index)));
        let (mut here, mut nowhere) = (0, 0);
        for counts in tables {
            here += counts.active + counts.initializing;
            nowhere += counts.unassigned;
        }
        let shards = stats.iter().flat_map(|index| &index.shards);
        let bytes = shards
            .filter_map(|shard| shard.stats.as_ref())
            .map(|stats| stats.store_bytes);
        let bytes: u64 = bytes.sum();
        for node in selected(&state, &local, &wanted) {
            let mut row = vec![Cell::Empty; COLUMNS.len()];
            if node.id == local.id {
                let (total, available) = (disk.total.get(), disk.available.get());
                let used = total.saturating_sub(available);
                let percent = (u128::from(used) * 100).checked_div(total.into());
                row[0] = here.into();
                row[1] = Cell::Bytes(bytes);
                row[2] = Cell::Bytes(used);
                row[3] = Cell::Bytes(available);
                row[4] = Cell::Bytes(total);
                row[5] = percent.map_or(Cell::Empty, |percent| Cell::Number(percent as i128));
            }
            row[6] = host(node).map_or(Cell::Empty, Cell::from);
            row[7] = row[6].clone();
            row[8] = node.name.as_str().into();
            row[9] = super::nodes::ROLES.into();
            rows.push(row);
        }
        if nowhere > 0 && wanted.is_empty() {
            let mut row = vec![Cell::Empty; COLUMNS.len()];
            row[0] = nowhere.into();
            row[8] = "UNASSIGNED".into();
            rows.push(row);
        }
        Ok(rows)
    })
}
