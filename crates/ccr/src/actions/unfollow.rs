//! `POST /{index}/_ccr/unfollow`: turns a paused, closed follower into an ordinary index, for good.

use cluster::{ClusterState, IndexMetadata, IndexState, change};
use es_exception::{Exception, ExceptionKind};
use futures::future::join_all;
use oplog::{LeaseId, ShardNumber};
use transport::RemoveRetentionLeaseRequest;

use super::validation::concrete_index;
use crate::follower::origin::{FollowerName, FollowerOrigin, PARAMETERS_CUSTOM};
use crate::follower::tasks::follow_task_ids;
use crate::service::CcrService;

/// First the index becomes an ordinary one, then its leases are removed from the leader. Source: the second may fail without
/// undoing the first; the error then names the lease for `forget_follower`.
pub(crate) async fn unfollow(service: &CcrService, name: &str) -> Result<(), Exception> {
    let (origin, follower, cluster_name) = service
        .cluster
        .update("unfollow", |state| {
            let index = concrete_index(state, name)?;
            let origin = FollowerOrigin::require(&index)?;
            check_stopped(state, &index)?;
            let next = change::convert_follower(state, name)?.modify_index(name, |index| {
                index.custom.remove(PARAMETERS_CUSTOM);
                index.recovering = false;
                Ok(())
            })?;
            Ok((
                next,
                (origin, FollowerName::of(&index), state.cluster_name.clone()),
            ))
        })
        .await?;
    service.bootstraps.forget(&follower.uuid);
    let lease = origin.lease_name(&cluster_name, &follower).lease_id()?;
    remove_leases(service, &origin, &lease).await.map_err(|cause| {
        Exception::new(
            ExceptionKind::Exception,
            format!(
                "[{name}] is no longer a follower, but its retention lease [{lease}] could not be removed from the leader; \
                 call forget_follower on the leader index [{}]",
                origin.leader_index
            ),
        )
        .with_metadata("es.failed_to_remove_retention_leases", vec![lease.to_string()])
        .with_cause(cause)
    })
}

/// Source: closed is checked before paused.
fn check_stopped(state: &ClusterState, index: &IndexMetadata) -> Result<(), Exception> {
    let name = &index.name;
    if index.state == IndexState::Open {
        return Err(Exception::illegal_argument(format!(
            "cannot convert the follower index [{name}] to a regular index, because it is not closed"
        )));
    }
    if !follow_task_ids(state, &index.uuid).is_empty() {
        return Err(Exception::illegal_argument(format!(
            "cannot convert the follower index [{name}] to a regular index, because it is not paused"
        )));
    }
    Ok(())
}

async fn remove_leases(
    service: &CcrService,
    origin: &FollowerOrigin,
    lease: &LeaseId,
) -> Result<(), Exception> {
    let remote = service.remotes.get(&origin.remote_cluster)?;
    let numbers = (0..)
        .map(ShardNumber::new)
        .take(origin.leader_history_uuids.len());
    let removals = numbers.map(|number| {
        remote.remove_retention_lease(RemoveRetentionLeaseRequest {
            shard: origin.leader_shard(number),
            id: lease.clone(),
        })
    });
    for removed in join_all(removals).await {
        match removed {
            // Gone already is what was wanted.
            Err(error) if error.kind() != ExceptionKind::RetentionLeaseNotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
