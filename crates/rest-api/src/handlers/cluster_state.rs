//! `GET /_cluster/state`: version, nodes, blocks, metadata and where the copies of shards are.

use std::sync::Arc;

use cluster::{ClusterState, IndexMetadata, IndexState, blocks_of};
use es_exception::Exception;
use serde_json::{Map, Value, json};

use super::index_metadata::all_settings;
use super::{routing, targets};
use crate::call::Call;
use crate::params::split_list;
use crate::reply::Reply;

/// The parts of the state that a request may name.
const METRICS: [&str; 8] = [
    "_all",
    "version",
    "master_node",
    "nodes",
    "metadata",
    "routing_table",
    "routing_nodes",
    "blocks",
];

/// The whole state, or the parts named, for all indices or those named.
pub(crate) async fn state(call: Call) -> Result<Reply, Exception> {
    let metrics = split_list(call.segment("metrics").unwrap_or("_all"));
    if let Some(unknown) = metrics.iter().find(|metric| !METRICS.contains(metric)) {
        return Err(Exception::illegal_argument(format!(
            "[{unknown}] is no part of the cluster state: use {METRICS:?}"
        )));
    }
    let wants = |metric: &str| {
        metrics
            .iter()
            .any(|wanted| *wanted == "_all" || *wanted == metric)
    };
    let flat = call.params.flag("flat_settings", false)?;
    let mut answer = Map::new();
    if let Some(version) = call.params.number("wait_for_metadata_version")? {
        let timeout = call.params.timeout("wait_for_timeout")?.duration();
        let cluster = call.state.cluster();
        let reached = cluster.wait_until(|state| state.metadata_version >= version);
        let timed_out = tokio::time::timeout(timeout, reached).await.is_err();
        answer.insert("wait_for_timed_out".to_owned(), timed_out.into());
        if timed_out {
            // Source: only the name tells what did not get so far.
            let name = cluster.state().cluster_name.clone();
            answer.insert("cluster_name".to_owned(), name.into());
            return Reply::ok(&answer);
        }
    }
    let indices = targets::any_state(&call)?;
    let state = call.state.cluster().state();
    answer.insert("cluster_name".to_owned(), state.cluster_name.clone().into());
    answer.insert("cluster_uuid".to_owned(), state.cluster_uuid.clone().into());
    if wants("version") {
        answer.insert("version".to_owned(), state.version.into());
        answer.insert(
            "state_uuid".to_owned(),
            format!("{}-{}", state.cluster_uuid, state.version).into(),
        );
    }
    if wants("master_node") {
        answer.insert(
            "master_node".to_owned(),
            json!(state.master_node_id.as_ref().map(ToString::to_string)),
        );
    }
    if wants("blocks") {
        answer.insert("blocks".to_owned(), blocks(&indices));
    }
    if wants("nodes") {
        answer.insert("nodes".to_owned(), nodes(&state));
    }
    if wants("metadata") {
        let printed: Map<String, Value> = indices
            .iter()
            .map(|index| (index.name.clone(), metadata(index, flat)))
            .collect();
        answer.insert(
            "metadata".to_owned(),
            json!({
                "cluster_uuid": state.cluster_uuid,
                "cluster_uuid_committed": true,
                "version": state.metadata_version,
                "templates": templates(&state),
                "indices": printed,
                "data_stream": {"data_stream": data_streams(&state), "data_stream_aliases": {}},
                "index-graveyard": {"tombstones": []},
            }),
        );
    }
    if wants("routing_table") || wants("routing_nodes") {
        let node = call.state.cluster().local_node();
        let copies: Vec<_> = indices
            .iter()
            .map(|index| (index.name.clone(), routing::copies(&call, index, &node)))
            .collect();
        if wants("routing_table") {
            answer.insert("routing_table".to_owned(), routing::table(&copies));
        }
        if wants("routing_nodes") {
            answer.insert("routing_nodes".to_owned(), routing::by_node(&copies, &node));
        }
    }
    Reply::ok(&answer)
}

/// Source: a cluster without blocks shows an empty object.
fn blocks(indices: &[Arc<IndexMetadata>]) -> Value {
    let mut blocked = Map::new();
    for index in indices {
        let blocks: Map<String, Value> = blocks_of(index)
            .map(|block| {
                let levels: Vec<&str> = block.levels.iter().map(|level| level.name()).collect();
                let printed = json!({"description": block.description, "retryable": false, "levels": levels});
                (block.id.to_string(), printed)
            })
            .collect();
        if !blocks.is_empty() {
            blocked.insert(index.name.clone(), blocks.into());
        }
    }
    if blocked.is_empty() {
        return json!({});
    }
    json!({ "indices": blocked })
}

fn nodes(state: &ClusterState) -> Value {
    let one = |node: &cluster::NodeMetadata| {
        json!({
            "name": node.name,
            "ephemeral_id": node.id.to_string(),
            "transport_address": node.transport_address,
            "attributes": {},
            "roles": ["data", "ingest", "master", "remote_cluster_client"],
        })
    };
    Value::Object(
        state
            .nodes
            .iter()
            .map(|(id, node)| (id.to_string(), one(node)))
            .collect(),
    )
}

/// Those of the old kind, as Elasticsearch shows them here.
fn templates(state: &ClusterState) -> Value {
    let templates = state.templates.legacy_templates().iter();
    Value::Object(
        templates
            .map(|(name, template)| (name.clone(), template.to_json()))
            .collect(),
    )
}

fn data_streams(state: &ClusterState) -> Value {
    let one = |(name, stream): (&String, &std::sync::Arc<index_meta::DataStream>)| {
        let indices = stream.indices().filter_map(|index| state.index(index));
        let indices: Vec<Value> = indices
            .map(|index| json!({"index_name": index.name, "index_uuid": index.uuid.to_string()}))
            .collect();
        let printed = json!({
            "name": name, "timestamp_field": {"name": index_meta::TIMESTAMP_FIELD}, "indices": indices, "generation": stream.generation,
            "hidden": stream.hidden, "replicated": stream.replicated, "system": false, "allow_custom_routing": stream.allow_custom_routing,
        });
        (name.clone(), printed)
    };
    Value::Object(state.data_streams.iter().map(one).collect())
}

fn metadata(index: &IndexMetadata, flat: bool) -> Value {
    let settings = all_settings(index);
    let terms = index.primary_terms.iter().enumerate();
    let mut object = json!({
        "version": index.version,
        "mapping_version": index.mapping_version,
        "settings_version": index.settings_version,
        "aliases_version": index.aliases_version,
        "routing_num_shards": index.number_of_routing_shards,
        "state": if index.state == IndexState::Open { "open" } else { "close" },
        "settings": if flat { settings.to_flat_json() } else { settings.to_nested_json() },
        "mappings": {"_doc": index.mapping.to_json()},
        "aliases": index.aliases.keys().collect::<Vec<_>>(),
        "primary_terms": Value::Object(terms.map(|(shard, term)| (shard.to_string(), term.get().into())).collect()),
        "in_sync_allocations": {},
        "system": false,
    });
    for (component, custom) in &index.custom {
        object[component] = json!(custom);
    }
    object
}
