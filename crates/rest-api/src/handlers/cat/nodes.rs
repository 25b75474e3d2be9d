//! `GET /_cat/nodes`.

use es_exception::Exception;

use super::table::{Cell, Column, answer};
use crate::call::Call;
use crate::reply::Reply;

const COLUMNS: &[Column] = &[
    Column::text("id", &["nodeId"], "unique node id").hidden(),
    Column::text("ip", &["i"], "ip address"),
    Column::text("http_address", &["http"], "bound http address").hidden(),
    Column::text("version", &["v"], "version").hidden(),
    Column::text("node.role", &["r", "role", "nodeRole"], "roles"),
    Column::text("master", &["m"], "*:current master"),
    Column::text("name", &["n"], "node name"),
];

/// The roles of every node, by their first letters.
pub(super) const ROLES: &str = "dimr";

/// One row per node.
pub(crate) async fn nodes(call: Call) -> Result<Reply, Exception> {
    let state = call.state.cluster().state();
    answer(&call, COLUMNS, || {
        let rows = state.nodes.values().map(|node| {
            let ip = node
                .transport_address
                .as_deref()
                .and_then(|address| address.rsplit_once(':'))
                .map(|(host, _)| host);
            vec![
                node.id.to_string().into(),
                ip.map_or(Cell::Empty, Cell::from),
                node.http_address.as_deref().map_or(Cell::Empty, Cell::from),
                call.state.config().version_number.as_str().into(),
                ROLES.into(),
                if state.master_node_id.as_ref() == Some(&node.id) {
                    "*"
                } else {
                    "-"
                }
                .into(),
                node.name.as_str().into(),
            ]
        });
        Ok(rows.collect())
    })
}
