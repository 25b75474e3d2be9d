//! `GET /_cluster/allocation/explain`: why a shard is where it is, or nowhere.

use std::sync::Arc;

use cluster::{IndexMetadata, NodeMetadata};
use es_exception::Exception;
use indices::ResolveOptions;
use serde_json::{Value, json};

use super::shard_table::{ShardState, shard_table};
use crate::call::Call;
use crate::json_body::{refuse_rest, take_string, wrong};
use crate::reply::Reply;
use crate::units::iso_millis;

/// One copy of a shard.
struct Copy {
    index: Arc<IndexMetadata>,
    shard: usize,
    primary: bool,
    /// The primary's state.
    state: ShardState,
    /// Why the primary could not be opened.
    failure: Option<String>,
}

/// Explains the copy that the body names, or the first one that is on no node.
///
/// Source: elasticsearch-specification, `cluster/allocation_explain`.
pub(crate) async fn explain(call: Call) -> Result<Reply, Exception> {
    call.params.flag("include_yes_decisions", false)?;
    let with_disk = call.params.flag("include_disk_info", false)?;
    let copy = match call.object()?.filter(|body| !body.is_empty()) {
        None => unassigned(&call)?.ok_or_else(|| {
            Exception::illegal_argument(
                "No shard was specified in the request which means the response should explain a randomly-chosen unassigned shard, \
                 but there are no unassigned shards in this cluster. To explain the allocation of an assigned shard you must specify the \
                 target shard in the request.",
            )
        })?,
        Some(mut body) => {
            let index = take_string(&mut body, "index")?;
            let shard = body.remove("shard").and_then(|shard| shard.as_u64());
            let primary = body.remove("primary").and_then(|primary| primary.as_bool());
            take_string(&mut body, "current_node")?;
            refuse_rest(&body, "cluster_allocation_explain")?;
            let (Some(index), Some(shard), Some(primary)) = (index, shard, primary) else {
                return Err(wrong(
                    "[index] (a name), [shard] (a number) and [primary] (true or false) must be given together".to_owned(),
                ));
            };
            named(&call, &index, shard, primary)?
        }
    };
    let node = call.state.cluster().local_node();
    let mut object = explained(&copy, &node);
    if with_disk {
        object["cluster_info"] = disk_info(&call, &node).await?;
    }
    Reply::ok(&object)
}

/// How full the disk of the node is. There is one directory for all shards, so that the most and the least free ones are the same.
async fn disk_info(call: &Call, node: &NodeMetadata) -> Result<Value, Exception> {
    let (path, usage) = call.state.indices().disk_usage().await?;
    let (total, free) = (usage.total.get(), usage.available.get());
    let used = total.saturating_sub(free);
    let percent = |part: u64| match total {
        0 => 0.0,
        total => (1000.0 * part as f64 / total as f64).round() / 10.0,
    };
    let disk = json!({
        "path": path.display().to_string(),
        "total_bytes": total,
        "used_bytes": used,
        "free_bytes": free,
        "free_disk_percent": percent(free),
        "used_disk_percent": percent(used),
    });
    let of_node = json!({"node_name": node.name, "least_available": disk, "most_available": disk});
    Ok(json!({
        "nodes": {node.id.to_string(): of_node},
        "shard_sizes": {},
        "shard_data_set_sizes": {},
        "shard_paths": {},
        "reserved_sizes": [],
    }))
}

fn copy_of(call: &Call, index: &Arc<IndexMetadata>, shard: usize, primary: bool, state: ShardState) -> Copy {
    let failure =
        index
            .shard_ids()
            .nth(shard)
            .and_then(|id| match call.state.indices().shard_state(index, &id) {
                indices::ShardState::Failed { reason } => Some(reason),
                _ => None,
            });
    Copy {
        index: Arc::clone(index),
        shard,
        primary,
        state,
        failure,
    }
}

fn unassigned(call: &Call) -> Result<Option<Copy>, Exception> {
    let options = ResolveOptions {
        expand_hidden: true,
        ..ResolveOptions::METADATA
    };
    let indices = call.state.indices().resolve("_all", &options)?;
    let copies = |primary: bool| {
        indices.iter().find_map(|index| {
            let table = shard_table(&call.state, index);
            let mut shards = table.shards.iter().enumerate();
            let (shard, state) = shards.find(|(_, state)| match primary {
                true => **state == ShardState::Unassigned,
                false => table.replicas > 0,
            })?;
            Some(copy_of(call, index, shard, primary, *state))
        })
    };
    // A primary matters more.
    Ok(copies(true).or_else(|| copies(false)))
}

fn named(call: &Call, index: &str, shard: u64, primary: bool) -> Result<Copy, Exception> {
    let state = call.state.cluster().state();
    let index = state.require_index(index)?;
    let table = shard_table(&call.state, index);
    let shard = usize::try_from(shard).unwrap_or(usize::MAX);
    let found = table.shards.get(shard).filter(|_| primary || table.replicas > 0);
    match found {
        Some(found) => Ok(copy_of(call, index, shard, primary, *found)),
        None => Err(Exception::illegal_argument(format!(
            "No shard was found: index [{}] has [{}] shards with [{}] replicas each, and [shard: {shard}, primary: {primary}] was asked for",
            index.name,
            table.shards.len(),
            table.replicas
        ))),
    }
}

fn explained(copy: &Copy, node: &NodeMetadata) -> Value {
    let mut object = json!({
        "index": copy.index.name,
        "shard": copy.shard,
        "primary": copy.primary,
    });
    let decision = |decider: &str, explanation: String| {
        json!([{
            "node_id": node.id,
            "node_name": node.name,
            "transport_address": node.transport_address,
            "node_decision": "no",
            "deciders": [{"decider": decider, "decision": "NO", "explanation": explanation}],
        }])
    };
    if !copy.primary {
        object["current_state"] = "unassigned".into();
        object["unassigned_info"] = json!({
            "reason": "INDEX_CREATED",
            "at": iso_millis(copy.index.creation_date),
            "last_allocation_status": "no_attempt",
        });
        object["can_allocate"] = "no".into();
        object["allocate_explanation"] =
            "a cluster is one node here, which holds the primary: set [index.number_of_replicas] to 0".into();
        let explanation = format!(
            "a copy of this shard is already allocated to this node [{}[{}], node[{}], [P]]",
            copy.index.name, copy.shard, node.id
        );
        object["node_allocation_decisions"] = decision("same_shard", explanation);
        return object;
    }
    if copy.state == ShardState::Unassigned {
        let reason = copy.failure.as_deref().unwrap_or("the shard could not be opened");
        object["current_state"] = "unassigned".into();
        object["unassigned_info"] = json!({
            "reason": "ALLOCATION_FAILED",
            "details": reason,
            "last_allocation_status": "no",
        });
        object["can_allocate"] = "no".into();
        object["allocate_explanation"] =
            "the shard could not be opened on its only node; [_cat/shards?h=index,shard,unassigned.details] shows all such shards".into();
        object["node_allocation_decisions"] = decision("max_retry", reason.to_owned());
        return object;
    }
    object["current_state"] = copy.state.name().to_ascii_lowercase().into();
    object["current_node"] = json!({
        "id": node.id,
        "name": node.name,
        "transport_address": node.transport_address,
    });
    object["can_remain_on_current_node"] = "yes".into();
    object["can_rebalance_cluster"] = "no".into();
    object["can_rebalance_to_other_node"] = "no".into();
    object["rebalance_explanation"] = "a cluster is one node here".into();
    object
}
