//! `GET /_xpack/usage`: how much replication is used.

use es_exception::Exception;
use serde_json::json;

use crate::call::Call;
use crate::reply::Reply;

/// The block of replication alone: this server has none of the other features that the API tells of.
pub(crate) async fn usage(call: Call) -> Result<Reply, Exception> {
    let ccr = call.state.ccr();
    let followers = ccr.follow_info("_all")?;
    let state = call.state.cluster().state();
    let created = followers
        .iter()
        .filter_map(|follower| state.index(&follower.follower_index));
    let newest = created.map(|index| index.creation_date.get()).max();
    let mut block = json!({
        "available": true,
        "enabled": true,
        "follower_indices_count": followers.len(),
        "auto_follow_patterns_count": ccr.auto_follow_patterns(None)?.len(),
    });
    // Source: absent without a follower.
    if let Some(newest) = newest {
        block["last_follow_time_in_millis"] = call.state.clock().now().get().saturating_sub(newest).into();
    }
    Reply::ok(&json!({ "ccr": block }))
}
