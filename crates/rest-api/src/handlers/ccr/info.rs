//! `GET /{index}/_ccr/info`: which indices follow whom, and how.

use es_exception::Exception;
use follow_task::FollowParameters;
use serde_json::{Value, json};

use crate::call::Call;
use crate::reply::Reply;

/// Followers that are paused have no parameters.
pub(crate) async fn info(call: Call) -> Result<Reply, Exception> {
    let followers = call.state.ccr().follow_info(call.index())?;
    let printed = followers.iter().map(|follower| {
        let status = if follower.active_parameters.is_some() {
            "active"
        } else {
            "paused"
        };
        let mut object = json!({
            "follower_index": follower.follower_index,
            "remote_cluster": follower.remote_cluster,
            "leader_index": follower.leader_index,
            "status": status,
        });
        if let Some(parameters) = &follower.active_parameters {
            // What was stored was checked before; should it not pass any more, it is shown as it is.
            let complete = FollowParameters::try_from(parameters.clone()).map(|complete| complete.to_raw());
            object["parameters"] = json!(complete.unwrap_or_else(|_| parameters.clone()));
        }
        object
    });
    Reply::ok(&json!({"follower_indices": printed.collect::<Value>()}))
}
