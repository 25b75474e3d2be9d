//! Retention leases of followers on this cluster's shards.

use std::sync::Arc;

use cluster::ClusterState;
use es_exception::{Exception, ExceptionKind};
use indices::IndicesService;
use oplog::{LeaseError, LeaseId, RetentionLease, UnixMillis};
use shard::Shard;
use transport::RetentionLeaseRequest;

use crate::blocking::blocking;

pub(super) async fn add(
    shard: Arc<Shard>,
    request: RetentionLeaseRequest,
) -> Result<RetentionLease, Exception> {
    blocking(move || {
        shard
            .log()
            .add_retention_lease(request.id.clone(), request.retaining, &request.source)
            .map_err(|error| failed(&shard, error, &request.id))
    })
    .await
}

pub(super) async fn renew(
    shard: Arc<Shard>,
    request: RetentionLeaseRequest,
) -> Result<RetentionLease, Exception> {
    blocking(move || {
        shard
            .log()
            .renew_retention_lease(request.id.clone(), request.retaining, &request.source)
            .map_err(|error| failed(&shard, error, &request.id))
    })
    .await
}

pub(super) async fn remove(shard: Arc<Shard>, id: LeaseId) -> Result<(), Exception> {
    blocking(move || {
        shard
            .log()
            .remove_retention_lease(&id)
            .map(|_| ())
            .map_err(|error| failed(&shard, error, &id))
    })
    .await
}

/// A log that could not make a lease durable takes no writes until it is opened again, and nobody else might notice.
fn failed(shard: &Shard, error: LeaseError, id: &LeaseId) -> Exception {
    let exception = lease_exception(&error, id);
    if let LeaseError::Storage(error) = error {
        shard.report(error);
    }
    exception
}

/// Names a lease error as Elasticsearch does.
pub(crate) fn lease_exception(error: &LeaseError, id: &LeaseId) -> Exception {
    let kind = match error {
        LeaseError::AlreadyExists { .. } => ExceptionKind::RetentionLeaseAlreadyExists,
        LeaseError::NotFound { .. } => ExceptionKind::RetentionLeaseNotFound,
        LeaseError::InvalidRetainingSeqNo { .. } => ExceptionKind::RetentionLeaseInvalidRetainingSeqNo,
        _ => ExceptionKind::Engine,
    };
    Exception::new(kind, format!("retention lease [{id}]: {error}"))
}

/// Drops the leases that were not renewed within their index's `index.soft_deletes.retention_lease.period`.
pub(super) fn expire(state: &ClusterState, indices: &IndicesService, now: UnixMillis) {
    for index in state.indices.values() {
        for shard in indices.started_shards(&index.uuid) {
            let period = shard.settings().soft_deletes_retention_lease_period();
            if let Err(error) = shard.log().expire_retention_leases(now, period) {
                tracing::warn!(index = %index.name, %error, "retention leases could not be expired; trying again later");
            }
        }
    }
}
