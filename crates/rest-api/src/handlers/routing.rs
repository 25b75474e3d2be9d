//! The copies of shards as cluster state shows them.

use cluster::{IndexMetadata, NodeMetadata};
use serde_json::{Map, Value, json};

use super::shard_table::{ShardState, shard_table};
use crate::call::Call;
use crate::units::iso_millis;

/// The copies of each shard of an index: the primary, then the replicas, which have no node to be on.
///
/// Source: how Elasticsearch prints a `ShardRouting`.
pub(crate) fn copies(call: &Call, index: &IndexMetadata, node: &NodeMetadata) -> Vec<Vec<Value>> {
    let table = shard_table(&call.state, index);
    let of_shard = |(shard, state): (usize, &ShardState)| {
        let replicas = (0..table.replicas).map(|_| replica(index, shard));
        std::iter::once(primary(index, shard, *state, node))
            .chain(replicas)
            .collect()
    };
    table.shards.iter().enumerate().map(of_shard).collect()
}

fn primary(index: &IndexMetadata, shard: usize, state: ShardState, node: &NodeMetadata) -> Value {
    let assigned = state != ShardState::Unassigned;
    let mut copy = json!({
        "state": state.name(),
        "primary": true,
        "node": assigned.then(|| node.id.to_string()),
        "relocating_node": Value::Null,
        "shard": shard,
        "index": index.name,
    });
    match state {
        ShardState::Started => {}
        ShardState::Initializing => copy["recovery_source"] = json!({"type": "EXISTING_STORE"}),
        ShardState::Restoring => copy["recovery_source"] = json!({"type": "SNAPSHOT"}),
        ShardState::Unassigned => {
            copy["recovery_source"] = json!({"type": "EXISTING_STORE"});
            copy["unassigned_info"] =
                json!({"reason": "ALLOCATION_FAILED", "delayed": false, "allocation_status": "no"});
        }
    }
    if assigned {
        copy["allocation_id"] = allocation_id(index, shard);
    }
    copy
}

/// One copy of a shard is never replaced by another here, so the shard says which it is.
pub(crate) fn allocation_id(index: &IndexMetadata, shard: usize) -> Value {
    json!({"id": format!("{}-{shard}", index.uuid)})
}

fn replica(index: &IndexMetadata, shard: usize) -> Value {
    json!({
        "state": "UNASSIGNED",
        "primary": false,
        "node": Value::Null,
        "relocating_node": Value::Null,
        "shard": shard,
        "index": index.name,
        "recovery_source": {"type": "PEER"},
        "unassigned_info": never_assigned(index),
    })
}

/// Why a replica is on no node, and since when: since there is its index.
pub(crate) fn never_assigned(index: &IndexMetadata) -> Value {
    json!({
        "reason": "INDEX_CREATED",
        "at": iso_millis(index.creation_date),
        "delayed": false,
        "allocation_status": "no_attempt",
    })
}

/// The copies by index and shard: `routing_table`.
pub(crate) fn table(indices: &[(String, Vec<Vec<Value>>)]) -> Value {
    let of_index = |(name, shards): &(String, Vec<Vec<Value>>)| {
        let numbered = shards.iter().enumerate();
        let shards: Map<String, Value> = numbered
            .map(|(shard, copies)| (shard.to_string(), json!(copies)))
            .collect();
        (name.clone(), json!({"shards": shards}))
    };
    json!({"indices": indices.iter().map(of_index).collect::<Map<_, _>>()})
}

/// The copies by node: `routing_nodes`.
pub(crate) fn by_node(indices: &[(String, Vec<Vec<Value>>)], node: &NodeMetadata) -> Value {
    let copies = indices.iter().flat_map(|(_, shards)| shards).flatten();
    let (here, nowhere): (Vec<&Value>, Vec<&Value>) = copies.partition(|copy| !copy["node"].is_null());
    json!({"unassigned": nowhere, "nodes": {node.id.to_string(): here}})
}
