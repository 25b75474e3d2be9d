//! `_search_shards`: the shards that a search would ask.

use cluster::NodeMetadata;
use es_exception::Exception;
use indices::{ResolveOptions, SearchOptions, SearchedShard};
use serde_json::{Map, Value, json};

use super::routing::allocation_id;
use super::shard_table::shard_table;
use super::targets;
use crate::call::Call;
use crate::reply::Reply;

/// `GET|POST /_search_shards` and `/{index}/_search_shards`.
pub(crate) async fn search_shards(call: Call) -> Result<Reply, Exception> {
    let options = SearchOptions {
        resolve: targets::options(&call, ResolveOptions::OPEN)?,
        routing: call.params.text("routing").map(str::to_owned),
        ..SearchOptions::default()
    };
    let searched = call.state.indices().searched_shards(call.index(), &options)?;
    let node = call.state.cluster().local_node();
    let mut indices = Map::new();
    for shard in &searched {
        indices.entry(shard.index.name.clone()).or_insert_with(|| {
            let mut object = json!({});
            if !shard.aliases.is_empty() {
                object["aliases"] = json!(shard.aliases);
            }
            if let Some(filter) = &shard.filter {
                object["filter"] = filter.clone();
            }
            object
        });
    }
    let groups: Vec<Value> = searched.iter().map(|shard| group(&call, shard, &node)).collect();
    Reply::ok(&json!({
        "nodes": {node.id.to_string(): {
            "name": node.name,
            "ephemeral_id": node.id.to_string(),
            "transport_address": node.transport_address,
            "attributes": {},
            "roles": ["data", "ingest", "master", "remote_cluster_client"],
        }},
        "indices": indices,
        "shards": groups,
    }))
}

/// The copies of a shard: there is one.
fn group(call: &Call, shard: &SearchedShard, node: &NodeMetadata) -> Value {
    let table = shard_table(&call.state, &shard.index);
    let place = usize::try_from(shard.shard).unwrap_or(usize::MAX);
    let state = table.shards.get(place).map_or("UNASSIGNED", |state| state.name());
    json!([{
        "state": state,
        "primary": true,
        "node": node.id.to_string(),
        "relocating_node": Value::Null,
        "shard": shard.shard,
        "index": shard.index.name,
        "allocation_id": allocation_id(&shard.index, place),
    }])
}
