//! `GET /_cat/thread_pool`: the bounded kinds of work on shards.

use es_exception::Exception;

use super::table::{Cell, Column, answer};
use crate::call::Call;
use crate::handlers::recovery::host;
use crate::params::split_list;
use crate::reply::Reply;
use crate::wildcard::matches;

const COLUMNS: &[Column] = &[
    Column::text("node_name", &["nn"], "node name"),
    Column::text("node_id", &["id"], "persistent node id").hidden(),
    Column::number("pid", &["p"], "process id").hidden(),
    Column::text("host", &["h"], "host name").hidden(),
    Column::text("ip", &["i"], "ip address").hidden(),
    Column::text("port", &["po"], "bound transport port").hidden(),
    Column::text("name", &["n"], "thread pool name"),
    Column::text("type", &["t"], "thread pool type").hidden(),
    Column::number("active", &["a"], "pieces of work that run"),
    Column::number("queue", &["q"], "pieces of work that wait"),
    Column::number("rejected", &["r"], "pieces of work that were refused"),
    Column::number("size", &["sz"], "pieces of work that may run at once").hidden(),
    Column::number(
        "queue_size",
        &["qs"],
        "pieces of work that may wait: -1, no bound",
    )
    .hidden(),
    Column::number("completed", &["c"], "pieces of work that ended").hidden(),
];

/// One row per kind of work. What waits is not bounded, so that nothing is refused here: what makes the work is bounded.
pub(crate) async fn thread_pool(call: Call) -> Result<Reply, Exception> {
    let wanted = split_list(call.segment("pools").unwrap_or("*"));
    let node = call.state.cluster().local_node();
    answer(&call, COLUMNS, || {
        let pools = call.state.indices().work_pools().into_iter();
        let pools = pools.filter(|pool| wanted.iter().any(|pattern| matches(pattern, pool.name)));
        let port = node
            .transport_address
            .as_deref()
            .and_then(|address| address.rsplit_once(':'));
        let address = || host(&node).map_or(Cell::Empty, Cell::from);
        let rows = pools.map(|pool| {
            vec![
                node.name.as_str().into(),
                node.id.as_str().into(),
                u64::from(std::process::id()).into(),
                address(),
                address(),
                port.map_or(Cell::Empty, |(_, port)| port.into()),
                pool.name.into(),
                "fixed".into(),
                pool.active.into(),
                pool.waiting.into(),
                Cell::Number(0),
                pool.size.into(),
                Cell::Number(-1),
                pool.completed.into(),
            ]
        });
        Ok(rows.collect())
    })
}
