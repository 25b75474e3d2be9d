//! `GET /_cat/master`, `/_cat/nodeattrs`, `/_cat/plugins` and `/_cat/pending_tasks`.

use es_exception::Exception;

use super::table::{Cell, Column, answer};
use crate::call::Call;
use crate::handlers::pending_tasks::PRIORITY;
use crate::handlers::recovery::{host, millis};
use crate::reply::Reply;

const MASTER: &[Column] = &[
    Column::text("id", &[], "node id"),
    Column::text("host", &["h"], "host name"),
    Column::text("ip", &[], "ip address"),
    Column::text("node", &["n"], "node name"),
];

/// The node that coordinates changes.
pub(crate) async fn master(call: Call) -> Result<Reply, Exception> {
    let state = call.state.cluster().state();
    answer(&call, MASTER, || {
        let master = state.master_node_id.as_ref().and_then(|id| state.nodes.get(id));
        let rows = master.iter().map(|node| {
            let address = || host(node).map_or(Cell::Empty, Cell::from);
            vec![
                node.id.as_str().into(),
                address(),
                address(),
                node.name.as_str().into(),
            ]
        });
        Ok(rows.collect())
    })
}

const ATTRIBUTES: &[Column] = &[
    Column::text("node", &[], "node name"),
    Column::text("id", &["nodeId"], "unique node id").hidden(),
    Column::text("pid", &["p"], "process id").hidden(),
    Column::text("host", &["h"], "host name"),
    Column::text("ip", &["i"], "ip address"),
    Column::text("port", &["po"], "bound transport port").hidden(),
    Column::text("attr", &[], "attribute description"),
    Column::text("value", &[], "attribute value"),
];

/// Nodes have no attributes here.
pub(crate) async fn node_attributes(call: Call) -> Result<Reply, Exception> {
    answer(&call, ATTRIBUTES, || Ok(Vec::new()))
}

const PLUGINS: &[Column] = &[
    Column::text("id", &[], "unique node id").hidden(),
    Column::text("name", &["n"], "node name"),
    Column::text("component", &["c"], "component"),
    Column::text("version", &["v"], "component version"),
    Column::text("description", &["d"], "plugin details").hidden(),
];

/// There are no plugins.
pub(crate) async fn plugins(call: Call) -> Result<Reply, Exception> {
    answer(&call, PLUGINS, || Ok(Vec::new()))
}

const PENDING: &[Column] = &[
    Column::number("insertOrder", &["o"], "task insertion order"),
    Column::number("timeInQueue", &["t"], "how long task has been in queue"),
    Column::text("priority", &["p"], "task priority"),
    Column::text("source", &["s"], "task source"),
];

/// One row per change of cluster state that is not committed yet.
pub(crate) async fn pending_tasks(call: Call) -> Result<Reply, Exception> {
    let tasks = call.state.cluster().pending_tasks();
    answer(&call, PENDING, || {
        let rows = tasks.iter().map(|task| {
            vec![
                task.insert_order.into(),
                Cell::Time(millis(task.time_in_queue)),
                PRIORITY.into(),
                task.source.as_str().into(),
            ]
        });
        Ok(rows.collect())
    })
}
