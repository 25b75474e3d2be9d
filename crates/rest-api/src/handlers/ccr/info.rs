//! `GET /{index}/_ccr/info`: which indices follow whom, and how.

use es_exception::Exception;
use serde_json::{Value, json};

use crate::call::Call;
use crate::reply::Reply;

/// Followers that are paused have no parameters.
pub(crate) async fn info(call: Call) -> Result<Reply, Exception> {
    call.params.timeout("master_timeout")?;
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
            object["parameters"] = json!(parameters);
        }
        object
    });
    Reply::ok(&json!({"follower_indices": printed.collect::<Value>()}))
}
