//! `POST /{leader}/_ccr/forget_follower`: removes a follower's retention leases, for when the follower cannot.

use es_exception::{Exception, ExceptionKind};
use oplog::ShardNumber;

use super::validation::{concrete_index, validation_failed};
use crate::RetentionLeaseName;
use crate::leader::lease_exception;
use crate::service::CcrService;

/// Which follower to forget. All four are required.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForgetFollowerRequest {
    /// Name of the follower's cluster.
    pub follower_cluster: Option<String>,
    /// Name of the follower index.
    pub follower_index: Option<String>,
    /// UUID of the follower index.
    pub follower_index_uuid: Option<String>,
    /// Alias of this cluster in the follower's cluster.
    pub leader_remote_cluster: Option<String>,
}

/// How many primaries forgot the follower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetFollowerResponse {
    /// Name of the leader index.
    pub leader_index: String,
    /// Primaries asked.
    pub total: u32,
    /// Primaries that had the lease and removed it.
    pub successful: u32,
    /// Primaries that did not, and why.
    pub failures: Vec<(ShardNumber, Exception)>,
}

pub(crate) async fn forget_follower(
    service: &CcrService,
    leader_index: &str,
    request: ForgetFollowerRequest,
) -> Result<ForgetFollowerResponse, Exception> {
    validate(&request)?;
    let index = concrete_index(&service.cluster.state(), leader_index)?;
    let lease = RetentionLeaseName {
        follower_cluster: request.follower_cluster.as_deref().unwrap_or_default(),
        follower_index: request.follower_index.as_deref().unwrap_or_default(),
        follower_index_uuid: request.follower_index_uuid.as_deref().unwrap_or_default(),
        remote_cluster: request.leader_remote_cluster.as_deref().unwrap_or_default(),
        leader_index,
        leader_index_uuid: index.uuid.as_str(),
    }
    .lease_id()?;
    let mut failures = Vec::new();
    for id in index.shard_ids() {
        let number = id.shard;
        let (shard, lease) = (service.indices.shard(&id), lease.clone());
        let removed = tokio::task::spawn_blocking(move || {
            shard?
                .log()
                .remove_retention_lease(&lease)
                .map(|_| ())
                .map_err(|error| lease_exception(&error, &lease))
        })
        .await;
        let removed = removed.unwrap_or_else(|failure| {
            Err(Exception::new(
                ExceptionKind::IllegalState,
                format!("the shard did not answer: {failure}"),
            ))
        });
        if let Err(error) = removed {
            failures.push((number, error));
        }
    }
    let total = index.number_of_shards;
    let successful = total.saturating_sub(u32::try_from(failures.len()).unwrap_or(u32::MAX));
    Ok(ForgetFollowerResponse {
        leader_index: leader_index.to_owned(),
        total,
        successful,
        failures,
    })
}

fn validate(request: &ForgetFollowerRequest) -> Result<(), Exception> {
    let fields = [
        ("follower_cluster", &request.follower_cluster),
        ("follower_index", &request.follower_index),
        ("follower_index_uuid", &request.follower_index_uuid),
        ("leader_remote_cluster", &request.leader_remote_cluster),
    ];
    let missing = fields
        .iter()
        .filter(|(_, value)| value.as_deref().is_none_or(str::is_empty));
    let problems: Vec<String> = missing.map(|(name, _)| format!("{name} is missing")).collect();
    validation_failed(&problems)
}
