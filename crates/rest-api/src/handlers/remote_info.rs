//! `GET /_remote/info`: the state of the connections to remote clusters.

use es_exception::Exception;
use serde_json::{Map, Value, json};
use transport::{RemoteClusterInfo, RemoteConnectionInfo};

use crate::call::Call;
use crate::error_body::error_object;
use crate::reply::Reply;
use crate::units::human_millis;

/// One object per alias.
pub(crate) async fn info(call: Call) -> Result<Reply, Exception> {
    let answer: Map<String, Value> = call
        .state
        .ccr()
        .remote_info()
        .iter()
        .map(|info| (info.alias.to_string(), printed(info)))
        .collect();
    Reply::ok(&answer)
}

/// Elasticsearch's fields in its order; `last_error`, `connected_since_millis` and the rest at the end are ours.
fn printed(info: &RemoteClusterInfo) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    put("connected", info.connected.into());
    match &info.connection {
        RemoteConnectionInfo::Sniff {
            seeds,
            num_nodes_connected,
            max_connections_per_cluster,
        } => {
            put("mode", "sniff".into());
            put("seeds", json!(seeds));
            put("num_nodes_connected", json!(num_nodes_connected));
            put("max_connections_per_cluster", json!(max_connections_per_cluster));
        }
        RemoteConnectionInfo::Proxy {
            proxy_address,
            server_name,
            num_proxy_sockets_connected,
            max_proxy_socket_connections,
        } => {
            put("mode", "proxy".into());
            put("proxy_address", json!(proxy_address));
            put("server_name", json!(server_name.as_deref().unwrap_or_default()));
            put("num_proxy_sockets_connected", json!(num_proxy_sockets_connected));
            put(
                "max_proxy_socket_connections",
                json!(max_proxy_socket_connections),
            );
        }
    }
    let timeout = i64::try_from(info.initial_connect_timeout.as_millis()).unwrap_or(i64::MAX);
    put("initial_connect_timeout", human_millis(timeout).into());
    put("skip_unavailable", info.skip_unavailable.into());
    if let Some(error) = &info.last_error {
        put("last_error", error_object(error));
    }
    if !info.address_errors.is_empty() {
        put("address_errors", json!(info.address_errors));
    }
    put("since_millis", json!(info.since.get()));
    Value::Object(object)
}
