//! `GET /_cat/nodes`.

use es_exception::Exception;
use serde_json::Value;

use super::table::{Cell, Column, answer};
use crate::call::Call;
use crate::handlers::recovery::host;
use crate::reply::Reply;
use crate::system;

const COLUMNS: &[Column] = &[
    Column::text("id", &["nodeId"], "unique node id").hidden(),
    Column::number("pid", &["p"], "process id").hidden(),
    Column::text("ip", &["i"], "ip address"),
    Column::text("port", &["po"], "bound transport port").hidden(),
    Column::text("http_address", &["http"], "bound http address").hidden(),
    Column::text("version", &["v"], "version").hidden(),
    Column::number(
        "disk.total",
        &["dt", "diskTotal"],
        "total capacity of the disk of the data",
    )
    .hidden(),
    Column::number(
        "disk.used",
        &["du", "diskUsed"],
        "disk that cannot be written to any more",
    )
    .hidden(),
    Column::number("disk.avail", &["d", "da", "disk", "diskAvail"], "disk available").hidden(),
    Column::number(
        "disk.used_percent",
        &["dup", "diskUsedPercent"],
        "percent disk used",
    )
    .hidden(),
    Column::number("ram.current", &["rc", "ramCurrent"], "used memory of the machine").hidden(),
    Column::number(
        "ram.percent",
        &["rp", "ramPercent"],
        "percent of the machine's memory used",
    ),
    Column::number("ram.max", &["rm", "ramMax"], "memory of the machine").hidden(),
    Column::number(
        "file_desc.current",
        &["fdc", "fileDescriptorCurrent"],
        "used file descriptors",
    )
    .hidden(),
    Column::number(
        "file_desc.percent",
        &["fdp", "fileDescriptorPercent"],
        "percent of file descriptors used",
    )
    .hidden(),
    Column::number(
        "file_desc.max",
        &["fdm", "fileDescriptorMax"],
        "most file descriptors",
    )
    .hidden(),
    Column::number("load_1m", &["l"], "load average of a minute"),
    Column::number("load_5m", &["l"], "load average of five minutes"),
    Column::number("load_15m", &["l"], "load average of fifteen minutes"),
    Column::text("node.role", &["r", "role", "nodeRole"], "roles"),
    Column::text("master", &["m"], "*:current master"),
    Column::text("name", &["n"], "node name"),
];

/// The roles of every node, by their first letters.
pub(super) const ROLES: &str = "dimr";

/// Characters of an id that are shown unless the whole is asked for. Source: Elasticsearch's `full_id`.
const SHORT_ID: usize = 4;

/// One row per node. What this one measures is told of itself alone; there is no heap.
pub(crate) async fn nodes(call: Call) -> Result<Reply, Exception> {
    let state = call.state.cluster().state();
    let local = call.state.cluster().local_node();
    let full_id = call.params.flag("full_id", false)?;
    let own = own(&call).await?;
    answer(&call, COLUMNS, || {
        let rows = state.nodes.values().map(|node| {
            let is_local = node.id == local.id;
            let measured = |at: usize| match is_local {
                true => own.get(at).cloned().unwrap_or(Cell::Empty),
                false => Cell::Empty,
            };
            let id = node.id.to_string();
            let shown = match full_id {
                true => id,
                false => id.chars().take(SHORT_ID).collect(),
            };
            let port = node
                .transport_address
                .as_deref()
                .and_then(|address| address.rsplit_once(':'));
            let is_master = state.master_node_id.as_ref() == Some(&node.id);
            let mut row = vec![
                shown.into(),
                measured(0),
                host(node).map_or(Cell::Empty, Cell::from),
                port.map_or(Cell::Empty, |(_, port)| port.into()),
                node.http_address.as_deref().map_or(Cell::Empty, Cell::from),
                call.state.config().version_number.as_str().into(),
            ];
            row.extend((1..MEASURED).map(measured));
            row.extend([
                ROLES.into(),
                if is_master { "*" } else { "-" }.into(),
                node.name.as_str().into(),
            ]);
            row
        });
        Ok(rows.collect())
    })
}

/// How many cells [`own`] has.
const MEASURED: usize = 14;

/// What is measured, in the order of the columns.
async fn own(call: &Call) -> Result<[Cell; MEASURED], Exception> {
    let (_, disk) = call.state.indices().disk_usage().await?;
    let (total, available) = (disk.total.get(), disk.available.get());
    let used = total.saturating_sub(available);
    let os = Value::Object(system::os());
    let process = Value::Object(system::process());
    let bytes = |value: &Value| value.as_u64().map_or(Cell::Empty, Cell::Bytes);
    let number = |value: &Value| value.as_u64().map_or(Cell::Empty, Cell::from);
    let decimal = |value: &Value| value.as_f64().map_or(Cell::Empty, Cell::Decimal);
    let (memory, load) = (&os["mem"], &os["cpu"]["load_average"]);
    let (files, most_files) = (
        &process["open_file_descriptors"],
        &process["max_file_descriptors"],
    );
    let files_percent = match (files.as_u64(), most_files.as_u64()) {
        (Some(files), Some(most)) if most > 0 => (files.saturating_mul(100) / most).into(),
        _ => Cell::Empty,
    };
    Ok([
        u64::from(std::process::id()).into(),
        Cell::Bytes(total),
        Cell::Bytes(used),
        Cell::Bytes(available),
        match total {
            0 => Cell::Empty,
            total => Cell::Decimal(100.0 * used as f64 / total as f64),
        },
        bytes(&memory["used_in_bytes"]),
        number(&memory["used_percent"]),
        bytes(&memory["total_in_bytes"]),
        number(files),
        files_percent,
        number(most_files),
        decimal(&load["1m"]),
        decimal(&load["5m"]),
        decimal(&load["15m"]),
    ])
}
