//! What is known about the connections to a remote cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use es_exception::Exception;
use oplog::UnixMillis;

use super::ClusterAlias;

/// The state of the connections to a remote cluster. Source: `GET /_remote/info`, and our last errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteClusterInfo {
    /// The remote cluster.
    pub alias: ClusterAlias,
    /// Whether there is an open connection. Nothing is connected because this is asked.
    pub connected: bool,
    /// What depends on the mode.
    pub connection: RemoteConnectionInfo,
    /// How long a caller waits for the connections to come up.
    pub initial_connect_timeout: Duration,
    /// As set.
    pub skip_unavailable: bool,
    /// Name of the remote cluster, once it has told.
    pub cluster_name: Option<String>,
    /// UUID of the remote cluster, once it has told.
    pub cluster_uuid: Option<String>,
    /// Why the last attempt to connect failed or the last connection was lost; `None` after a fully successful one.
    pub last_error: Option<Exception>,
    /// Since when `connected` is what it is.
    pub since: UnixMillis,
    /// The last failure by address, for addresses that fail.
    pub address_errors: BTreeMap<String, String>,
}

/// The part of the state that depends on the mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteConnectionInfo {
    /// Mode sniff.
    Sniff {
        /// As set.
        seeds: Vec<String>,
        /// Open connections, one per node.
        num_nodes_connected: usize,
        /// As set by `node_connections`.
        max_connections_per_cluster: u32,
    },
    /// Mode proxy.
    Proxy {
        /// As set.
        proxy_address: String,
        /// As set.
        server_name: Option<String>,
        /// Open connections.
        num_proxy_sockets_connected: usize,
        /// As set by `proxy_socket_connections`.
        max_proxy_socket_connections: u32,
    },
}
