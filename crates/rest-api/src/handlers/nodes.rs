//! `GET /_nodes`: the nodes of the cluster.

use es_exception::Exception;
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::reply::Reply;

/// Name, addresses and roles of every node.
pub(crate) async fn nodes(call: Call) -> Result<Reply, Exception> {
    let state = call.state.cluster().state();
    let mut nodes = Map::new();
    for node in state.nodes.values() {
        let mut object = json!({
            "name": node.name,
            "version": call.state.config().version_number,
            "build_hash": call.state.config().build_hash,
            "roles": ["data", "ingest", "master", "remote_cluster_client"],
            "attributes": {},
        });
        let host = |address: &str| {
            address
                .rsplit_once(':')
                .map_or(address, |(host, _)| host)
                .to_owned()
        };
        if let Some(address) = &node.transport_address {
            object["transport_address"] = address.clone().into();
            object["host"] = host(address).into();
            object["ip"] = host(address).into();
        }
        if let Some(address) = &node.http_address {
            object["http"] = json!({
                "bound_address": [address],
                "publish_address": address,
                "max_content_length_in_bytes": call.state.config().max_content_length.get(),
            });
        }
        nodes.insert(node.id.to_string(), object);
    }
    let total = nodes.len();
    Reply::ok(&json!({
        "_nodes": {"total": total, "successful": total, "failed": 0},
        "cluster_name": state.cluster_name,
        "nodes": Value::Object(nodes),
    }))
}
