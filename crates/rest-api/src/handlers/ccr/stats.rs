//! `GET /{index}/_ccr/stats` and `GET /_ccr/stats`: how every follow task is doing.

use ccr::IndexFollowStats;
use es_exception::Exception;
use serde_json::{Value, json};

use super::shard_stats::{checkpoint_lag, shard_stats};
use crate::call::Call;
use crate::reply::Reply;

/// The follow tasks of the indices named.
pub(crate) async fn follow_stats(call: Call) -> Result<Reply, Exception> {
    call.params.timeout("timeout")?;
    let human = call.human()?;
    let indices = call.state.ccr().follow_stats(call.index())?;
    Reply::ok(&json!({"indices": printed(&indices, human)}))
}

/// All follow tasks, and auto-follow, of which there is nothing to tell as long as no pattern exists.
pub(crate) async fn stats(call: Call) -> Result<Reply, Exception> {
    call.params.timeout("timeout")?;
    call.params.timeout("master_timeout")?;
    let human = call.human()?;
    let indices = call.state.ccr().follow_stats("_all")?;
    Reply::ok(&json!({
        "auto_follow_stats": {
            "number_of_failed_follow_indices": 0,
            "number_of_failed_remote_cluster_state_requests": 0,
            "number_of_successful_follow_indices": 0,
            "recent_auto_follow_errors": [],
            "auto_followed_clusters": [],
        },
        "follow_stats": {"indices": printed(&indices, human)},
    }))
}

fn printed(indices: &[IndexFollowStats], human: bool) -> Value {
    let one = |index: &IndexFollowStats| {
        let lag: i64 = index.shards.iter().map(checkpoint_lag).sum();
        let shards: Value = index
            .shards
            .iter()
            .map(|status| shard_stats(status, human))
            .collect();
        json!({"index": index.index, "total_global_checkpoint_lag": lag, "shards": shards})
    };
    indices.iter().map(one).collect()
}
