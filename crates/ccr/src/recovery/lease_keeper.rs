//! Holds a retention lease while files are copied, whatever the copy takes.

use std::sync::Arc;
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use oplog::{LeaseId, ShardId};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use transport::{ClusterAlias, RemoteClusters, RetentionLeaseRequest};

use crate::follower::leader_link::LEASE_SOURCE;

/// What is needed to add and renew one lease.
#[derive(Debug, Clone)]
pub(crate) struct RecoveryLease {
    pub(crate) remotes: Arc<RemoteClusters>,
    pub(crate) alias: ClusterAlias,
    pub(crate) shard: ShardId,
    pub(crate) id: LeaseId,
    /// How long one call may take.
    pub(crate) call_timeout: Duration,
    /// Pause between two renewals.
    pub(crate) renew_interval: Duration,
}

impl RecoveryLease {
    /// Takes the lease on everything that the leader still has, and renews it until the guard is dropped. The lease itself stays
    /// on the leader then, for the follow task to take over.
    ///
    /// # Errors
    /// Those of the leader. A lease that exists already is renewed in place of being added.
    pub(crate) async fn hold(&self, tasks: &TaskTracker) -> Result<DropGuard, Exception> {
        self.acquire().await?;
        let stop = CancellationToken::new();
        let (lease, stopped) = (self.clone(), stop.clone());
        tasks.spawn(async move {
            while stopped.run_until_cancelled(tokio::time::sleep(lease.renew_interval)).await.is_some() {
                if let Err(error) = lease.renew().await {
                    tracing::warn!(shard = %lease.shard, %error, "retention lease of a running recovery was not renewed");
                }
            }
        });
        Ok(stop.drop_guard())
    }

    /// Source: add; if it exists, renew; if that is gone meanwhile, add once more.
    async fn acquire(&self) -> Result<(), Exception> {
        match self.add().await {
            Err(error) if error.kind() == ExceptionKind::RetentionLeaseAlreadyExists => {
                match self.renew().await {
                    Err(error) if error.kind() == ExceptionKind::RetentionLeaseNotFound => self.add().await,
                    renewed => renewed,
                }
            }
            added => added,
        }
    }

    async fn add(&self) -> Result<(), Exception> {
        let remote = self.remotes.get(&self.alias)?;
        self.bounded(async { remote.add_retention_lease(self.retain_all()).await.map(|_| ()) })
            .await
    }

    async fn renew(&self) -> Result<(), Exception> {
        let remote = self.remotes.get(&self.alias)?;
        self.bounded(async { remote.renew_retention_lease(self.retain_all()).await.map(|_| ()) })
            .await
    }

    fn retain_all(&self) -> RetentionLeaseRequest {
        RetentionLeaseRequest {
            shard: self.shard.clone(),
            id: self.id.clone(),
            retaining: None,
            source: LEASE_SOURCE.to_owned(),
        }
    }

    async fn bounded<T>(&self, call: impl Future<Output = Result<T, Exception>>) -> Result<T, Exception> {
        bounded(self.call_timeout, "a retention lease", call).await
    }
}

/// Bounds one call of a recovery in time.
pub(crate) async fn bounded<T>(
    timeout: Duration,
    what: &str,
    call: impl Future<Output = Result<T, Exception>>,
) -> Result<T, Exception> {
    tokio::time::timeout(timeout, call).await.unwrap_or_else(|_| {
        Err(Exception::new(
            ExceptionKind::ReceiveTimeoutTransport,
            format!(
                "the leader did not answer a call for {what} within {} ms",
                timeout.as_millis()
            ),
        ))
    })
}
