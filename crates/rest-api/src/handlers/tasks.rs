//! `GET /_tasks`: the shard follow tasks that run here.

use es_exception::Exception;
use serde_json::{Map, Value, json};

use super::ccr::shard_stats;
use crate::call::Call;
use crate::params::split_list;
use crate::reply::Reply;
use crate::wildcard::matches;

/// Elasticsearch's name of a shard follow task, with the suffix of persistent ones.
const ACTION: &str = "xpack/ccr/shard_follow_task[c]";

/// Tasks of other kinds do not run long enough to be listed.
pub(crate) async fn tasks(call: Call) -> Result<Reply, Exception> {
    let detailed = call.params.flag("detailed", false)?;
    let actions = call.params.text("actions").map(split_list).unwrap_or_default();
    let wanted = actions.is_empty() || actions.iter().any(|pattern| matches(pattern, ACTION));
    let node = call.state.cluster().local_node();
    let state = call.state.cluster().state();
    let mut listed = Map::new();
    let follow_stats = if wanted {
        call.state.ccr().follow_stats("_all")?
    } else {
        Vec::new()
    };
    let mut number = 0_u64;
    let shards = follow_stats
        .iter()
        .flat_map(|index| index.shards.iter().map(move |shard| (index, shard)));
    for (index, status) in shards {
        number += 1;
        let uuid = state
            .index(&status.identity.follower_index)
            .map(|index| index.uuid.to_string())
            .unwrap_or_default();
        let mut task = json!({
            "node": node.id.as_str(),
            "id": number,
            "type": "persistent",
            "action": ACTION,
            "cancellable": true,
            "cancelled": false,
            "headers": {},
        });
        if detailed {
            task["description"] = format!("id={uuid}-{}", status.identity.shard_id).into();
        }
        task["status"] = shard_stats(status, index.leader_retention_lease_period, call.human()?);
        listed.insert(format!("{}:{number}", node.id), task);
    }
    let mut nodes = Map::new();
    if !listed.is_empty() {
        nodes.insert(
            node.id.to_string(),
            json!({"name": node.name, "tasks": Value::Object(listed)}),
        );
    }
    Reply::ok(&json!({"nodes": nodes}))
}
