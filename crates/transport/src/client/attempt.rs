//! One attempt to have the connections that a pool should have.

use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use rand::seq::SliceRandom as _;

use super::RemoteConnectionMode;
use super::pool::Pool;
use crate::RemoteNode;

/// Connects as the mode says.
///
/// # Errors
///
/// The last failure, even when other addresses could be reached: a seed that leads to another cluster must be seen.
pub(super) async fn run(pool: &Arc<Pool>) -> Result<(), Exception> {
    match &pool.settings.mode {
        RemoteConnectionMode::Proxy { proxy_address, .. } => pool.connect(proxy_address).await.map(|_| ()),
        RemoteConnectionMode::Sniff {
            seeds,
            node_connections,
        } => {
            let (nodes, sniffed) = sniff(pool, seeds).await?;
            pool.set_nodes(nodes.clone());
            let connected = connect_nodes(pool, nodes, *node_connections).await;
            sniffed.and(connected)
        }
    }
}

/// The nodes of the remote cluster, from an open connection, else from the first seed or known node that answers; and the
/// failures on the way there.
async fn sniff(
    pool: &Arc<Pool>,
    seeds: &[String],
) -> Result<(Vec<RemoteNode>, Result<(), Exception>), Exception> {
    let mut outcome = Ok(());
    for connection in pool.open_connections() {
        match connection.handshake(&pool.context).await {
            Ok(answer) => {
                pool.check_cluster(&connection.address, &answer)?;
                return Ok((answer.nodes, outcome));
            }
            Err(exception) => outcome = Err(exception),
        }
    }
    let mut addresses = seeds.to_vec();
    // Seeds may be gone for good while other nodes live on.
    for node in pool.nodes() {
        if !addresses.contains(&node.transport_address) {
            addresses.push(node.transport_address);
        }
    }
    for address in &addresses {
        match pool.connect(address).await {
            Ok(answer) => return Ok((answer.nodes, outcome)),
            Err(exception) => outcome = Err(exception),
        }
    }
    outcome.and_then(|()| {
        Err(Exception::new(
            ExceptionKind::NoSeedNodeLeft,
            "no seeds are configured",
        ))
    })
}

/// Connects to nodes in random order, so that the followers of a cluster spread over it, up to the number wanted.
async fn connect_nodes(pool: &Arc<Pool>, mut nodes: Vec<RemoteNode>, wanted: u32) -> Result<(), Exception> {
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    nodes.shuffle(&mut rand::rng());
    let mut outcome = Ok(());
    for node in nodes {
        let open = pool.open_connections();
        if open.len() >= wanted {
            break;
        }
        if open.iter().any(|connection| connection.node_id == node.node_id) {
            continue;
        }
        if let Err(exception) = pool.connect(&node.transport_address).await {
            outcome = Err(exception);
        }
    }
    outcome
}
