//! `GET /_nodes`: what the nodes of the cluster are. `GET /_nodes/stats`: how they are.

mod stats;

use cluster::{ClusterState, NodeMetadata};
use es_exception::Exception;
use serde_json::{Map, Value, json};

pub(crate) use stats::stats;

use super::node_filter::{ROLES, selected};
use super::recovery::host;
use crate::call::Call;
use crate::params::split_list;
use crate::reply::Reply;
use crate::system;

/// What clients that ask for it read as the kind of distribution.
pub(crate) const BUILD_FLAVOR: &str = "default";
/// And as the package that it was installed from.
pub(crate) const BUILD_TYPE: &str = "tar";

/// The sections of a node that a request may name. Some are always empty here, or are not there: there is no Java virtual machine.
const METRICS: [&str; 14] = [
    "_all",
    "_none",
    "settings",
    "os",
    "process",
    "jvm",
    "thread_pool",
    "transport",
    "http",
    "remote_cluster_server",
    "plugins",
    "ingest",
    "aggregations",
    "indices",
];

/// `GET /_nodes`, `/_nodes/{nodes or metrics}` and `/_nodes/{nodes}/{metrics}`.
pub(crate) async fn nodes(call: Call) -> Result<Reply, Exception> {
    let first = call.segment("nodes").map(split_list).unwrap_or_default();
    let second = call.segment("metrics").map(split_list);
    // Source: one list names metrics if all of it does, and nodes otherwise.
    let (wanted, metrics) = match second {
        Some(metrics) => (first, metrics),
        None if first.iter().all(|part| METRICS.contains(part)) => (Vec::new(), first),
        None => (first, Vec::new()),
    };
    if let Some(unknown) = metrics.iter().find(|metric| !METRICS.contains(metric)) {
        return Err(Exception::illegal_argument(format!(
            "request [/_nodes] contains unrecognized metric: [{unknown}]; use {METRICS:?}"
        )));
    }
    let wants =
        |metric: &str| metrics.is_empty() || metrics.iter().any(|other| [metric, "_all"].contains(other));
    let state = call.state.cluster().state();
    let local = call.state.cluster().local_node();
    let chosen = selected(&state, &local, &wanted);
    let nodes = chosen
        .iter()
        .map(|node| (node.id.to_string(), info(&call, &state, node, wants)));
    let nodes: Map<String, Value> = nodes.collect();
    Reply::ok(&answer(&state, nodes))
}

/// The answer of an API that asks every node.
fn answer(state: &ClusterState, nodes: Map<String, Value>) -> Value {
    json!({
        "_nodes": {"total": nodes.len(), "successful": nodes.len(), "failed": 0},
        "cluster_name": state.cluster_name,
        "nodes": nodes,
    })
}

/// Name, addresses and roles.
fn identity(node: &NodeMetadata) -> Value {
    let mut object = json!({"name": node.name, "roles": ROLES, "attributes": {}});
    if let (Some(address), Some(host)) = (&node.transport_address, host(node)) {
        object["transport_address"] = address.as_str().into();
        object["host"] = host.into();
        object["ip"] = host.into();
    }
    object
}

/// Source: elasticsearch-specification, `nodes/info/types.ts` (`NodeInfo`).
fn info(call: &Call, state: &ClusterState, node: &NodeMetadata, wants: impl Fn(&str) -> bool) -> Value {
    let config = call.state.config();
    let mut object = identity(node);
    object["version"] = config.version_number.as_str().into();
    object["build_flavor"] = BUILD_FLAVOR.into();
    object["build_type"] = BUILD_TYPE.into();
    object["build_hash"] = config.build_hash.as_str().into();
    if wants("settings") {
        let settings = json!({"cluster.name": state.cluster_name, "node.name": node.name});
        let flat = call.params.flag("flat_settings", false).unwrap_or(false);
        object["settings"] = match index_meta::Settings::from_json(&settings) {
            Ok(nested) if !flat => nested.to_nested_json(),
            _ => settings,
        };
    }
    if wants("os") {
        let mut os = json!({"name": std::env::consts::OS, "arch": std::env::consts::ARCH});
        if let Some(processors) = system::processors() {
            os["available_processors"] = processors.into();
            os["allocated_processors"] = processors.into();
        }
        if let Some(version) = system::os_version() {
            os["version"] = version.into();
        }
        object["os"] = os;
    }
    if wants("process") {
        object["process"] = json!({"id": std::process::id(), "mlockall": false});
    }
    if wants("thread_pool") {
        let pools = call.state.indices().work_pools();
        let pools = pools.map(|pool| (pool.name.to_owned(), json!({"type": "fixed", "size": pool.size})));
        object["thread_pool"] = Value::Object(pools.into_iter().collect());
    }
    if wants("transport")
        && let Some(address) = &node.transport_address
    {
        object["transport"] = json!({"bound_address": [address], "publish_address": address, "profiles": {}});
    }
    if wants("http")
        && let Some(address) = &node.http_address
    {
        object["http"] = json!({
            "bound_address": [address],
            "publish_address": address,
            "max_content_length_in_bytes": config.max_content_length.get(),
        });
    }
    if wants("plugins") {
        object["plugins"] = json!([]);
        object["modules"] = json!([]);
    }
    if wants("ingest") {
        object["ingest"] = json!({"processors": []});
    }
    object
}
