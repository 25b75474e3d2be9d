//! `POST /{index}/_ccr/forget_follower`: removes a follower's retention leases from its leader.

use ccr::ForgetFollowerRequest;
use es_exception::Exception;
use serde_json::{Value, json};

use crate::call::Call;
use crate::error_body::error_object;
use crate::json_body::{refuse_rest, take_string};
use crate::reply::{Reply, status_of};

/// One operation per primary; what failed is listed.
pub(crate) async fn forget_follower(call: Call) -> Result<Reply, Exception> {
    let mut body = call.required_object()?;
    let request = ForgetFollowerRequest {
        follower_cluster: take_string(&mut body, "follower_cluster")?,
        follower_index: take_string(&mut body, "follower_index")?,
        follower_index_uuid: take_string(&mut body, "follower_index_uuid")?,
        leader_remote_cluster: take_string(&mut body, "leader_remote_cluster")?,
    };
    refuse_rest(&body, "forget_follower")?;
    let response = call.state.ccr().forget_follower(call.index(), request).await?;
    let mut shards = json!({"total": response.total, "successful": response.successful, "failed": response.failures.len()});
    if !response.failures.is_empty() {
        let failures = response.failures.iter().map(|(shard, failure)| {
            let status = status_of(failure)
                .canonical_reason()
                .unwrap_or("INTERNAL SERVER ERROR");
            json!({
                "shard": shard.get(),
                "index": response.leader_index,
                "status": status.to_ascii_uppercase().replace(' ', "_"),
                "reason": error_object(failure),
            })
        });
        shards["failures"] = failures.collect::<Value>();
    }
    Reply::ok(&json!({"_shards": shards}))
}
