//! One remote cluster and the calls to it.

use std::sync::Arc;

use es_exception::Exception;
use futures::FutureExt as _;
use futures::stream::{self, BoxStream, StreamExt as _};
use oplog::{Clock, RetentionLease};
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

use super::calls::OpenCall;
use super::clusters::no_such_remote_cluster;
use super::incoming_file::incoming_file;
use super::open_read::{OpenRead, Reading};
use super::pool::{Pool, PoolContext};
use super::{ClusterAlias, LocalIdentity, RemoteClusterInfo, RemoteClusterSettings};
use crate::{
    CloseRecoverySessionRequest, ClusterMetadata, ClusterMetadataRequest, Connector, FileChunks,
    IndexMetadataRequest, OpenRecoverySessionRequest, ReadFileRequest, RecoverySession, RemoteIndexMetadata,
    RemoveRetentionLeaseRequest, RetentionLeaseRequest, ShardChangesRequest, ShardChangesResponse,
    TransportConfig,
};

/// A remote cluster: the methods of [`LeaderServices`](crate::LeaderServices), each on a connection that is made on demand and
/// shared by all shards.
///
/// All methods are cancel safe: a dropped call is cancelled at the leader too. Their errors are the leader's own exceptions, and
///
/// - `no_such_remote_cluster_exception`: the alias is no longer configured;
/// - `no_seed_node_left_exception`: there is no connection, and none could be made;
/// - `connect_transport_exception`: the connection was lost, or what arrived was damaged;
/// - `receive_timeout_transport_exception`: no answer in time;
/// - `illegal_state_exception`: the leader answered what was not asked for.
#[derive(Debug)]
pub struct RemoteCluster {
    alias: ClusterAlias,
    common: Common,
    pool: Mutex<Arc<Pool>>,
}

/// What all remote clusters of a node have in common.
#[derive(Debug, Clone)]
pub(super) struct Common {
    pub(super) local: Arc<LocalIdentity>,
    pub(super) config: Arc<TransportConfig>,
    pub(super) connector: Arc<dyn Connector>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tracker: TaskTracker,
}

impl RemoteCluster {
    pub(super) fn start(alias: ClusterAlias, settings: RemoteClusterSettings, common: Common) -> Self {
        let context = context(&settings, &common);
        let pool = Mutex::new(Pool::start(alias.clone(), settings, context));
        Self { alias, common, pool }
    }

    /// Rebuilds the connections if the settings differ.
    pub(super) fn apply(&self, settings: RemoteClusterSettings) {
        let pool = &mut *self.pool.lock();
        if pool.settings == settings && !pool.end.is_cancelled() {
            return;
        }
        tracing::info!(remote_cluster = %self.alias, "settings changed, connecting anew");
        let context = context(&settings, &self.common);
        let old = std::mem::replace(pool, Pool::start(self.alias.clone(), settings, context));
        old.end.cancel();
    }

    /// Ends all connections; calls fail from now on.
    pub(super) fn close(&self) {
        self.pool.lock().end.cancel();
    }

    /// The name of this remote cluster.
    #[must_use]
    pub fn alias(&self) -> &ClusterAlias {
        &self.alias
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> RemoteClusterSettings {
        self.pool.lock().settings.clone()
    }

    /// The state of the connections. Connects nothing.
    #[must_use]
    pub fn info(&self) -> RemoteClusterInfo {
        self.pool.lock().info()
    }

    pub(super) async fn begin(&self, method: &'static str) -> Result<OpenCall, Exception> {
        let pool = Arc::clone(&self.pool.lock());
        if pool.end.is_cancelled() {
            return Err(no_such_remote_cluster(&self.alias));
        }
        OpenCall::begin(pool, method).await
    }

    /// Reads operations of a leader shard; waits for the first up to the poll timeout. Gives the first answer; a read that would stay open ends there.
    ///
    /// # Errors
    ///
    /// See [`RemoteCluster`].
    pub async fn read_changes(
        &self,
        request: ShardChangesRequest,
    ) -> Result<ShardChangesResponse, Exception> {
        let request = ShardChangesRequest {
            may_stay_open: false,
            ..request
        };
        let (answer, _) = self.open_read(request).await?.next().await?;
        Ok(answer)
    }

    /// Reads operations of a leader shard, and goes on with what follows as long as the leader keeps the read open. There is at least one answer, each but
    /// the last has [`stays_open`](ShardChangesResponse::stays_open), and nothing follows an error.
    ///
    /// The frames are verified, ascend from the one asked for, and lie at or below the global checkpoint. They may be slices of larger buffers: whoever
    /// keeps few of many for long should copy them. The next answer is received when the stream is polled, but for what is on its way.
    ///
    /// # Errors
    ///
    /// See [`RemoteCluster`].
    pub fn read_changes_continuously(
        self: Arc<Self>,
        request: ShardChangesRequest,
    ) -> BoxStream<'static, Result<ShardChangesResponse, Exception>> {
        let first = async move { self.open_read(request).await?.next().await };
        stream::try_unfold(Reading::First(first.boxed()), Reading::next).boxed()
    }

    async fn open_read(&self, request: ShardChangesRequest) -> Result<OpenRead, Exception> {
        let call = self.begin("shard_changes").await?;
        let timeout = request.poll_timeout.saturating_add(call.margin());
        let mut client = call.shard_changes();
        let parts = call
            .unary(timeout, client.read(tonic::Request::new(request.clone().into())))
            .await?;
        Ok(OpenRead::new(call, request, parts))
    }

    /// Adds a retention lease on a leader shard.
    ///
    /// # Errors
    ///
    /// See [`RemoteCluster`].
    pub async fn add_retention_lease(
        &self,
        request: RetentionLeaseRequest,
    ) -> Result<RetentionLease, Exception> {
        let call = self.begin("add_retention_lease").await?;
        let mut client = call.retention_leases();
        let lease = call
            .unary(call.margin(), client.add(tonic::Request::new(request.into())))
            .await?;
        RetentionLease::try_from(lease).map_err(|error| call.invalid(error))
    }

    /// Renews a retention lease on a leader shard.
    ///
    /// # Errors
    ///
    /// See [`RemoteCluster`].
    pub async fn renew_retention_lease(
        &self,
        request: RetentionLeaseRequest,
    ) -> Result<RetentionLease, Exception> {
        let call = self.begin("renew_retention_lease").await?;
        let mut client = call.retention_leases();
        let lease = call
            .unary(call.margin(), client.renew(tonic::Request::new(request.into())))
            .await?;
        RetentionLease::try_from(lease).map_err(|error| call.invalid(error))
    }

    /// Removes a retention lease from a leader shard.
    ///
    /// # Errors
    ///
    /// See [`RemoteCluster`].
    pub async fn remove_retention_lease(
        &self,
        request: RemoveRetentionLeaseRequest,
    ) -> Result<(), Exception> {
        let call = self.begin("remove_retention_lease").await?;
        let mut client = call.retention_leases();
        call.unary(call.margin(), client.remove(tonic::Request::new(request.into())))
            .await?;
        Ok(())
    }

    /// Pins a snapshot of a leader shard for copying.
    ///
    /// # Errors
    ///
    /// See [`RemoteCluster`].
    pub async fn open_recovery_session(
        &self,
        request: OpenRecoverySessionRequest,
    ) -> Result<RecoverySession, Exception> {
        let call = self.begin("open_recovery_session").await?;
        let mut client = call.recovery();
        let session = call
            .unary(
                call.margin(),
                client.open_session(tonic::Request::new(request.into())),
            )
            .await?;
        RecoverySession::try_from(session).map_err(|error| call.invalid(error))
    }

    /// Reads a range of a file of a session: chunks without gap from `offset` on, each checked against its checksum, `length` bytes in
    /// all. The stream ends after its first error.
    ///
    /// # Errors
    ///
    /// See [`RemoteCluster`]; so do the errors in the stream.
    pub async fn read_file(&self, request: ReadFileRequest) -> Result<FileChunks, Exception> {
        let call = self.begin("read_file").await?;
        let mut client = call.recovery();
        let (offset, end) = (request.offset, request.offset.saturating_add(request.length));
        let chunks = call
            .unary(
                call.margin(),
                client.read_file(tonic::Request::new(request.into())),
            )
            .await?;
        Ok(incoming_file(call, chunks, offset, end))
    }

    /// Ends a session.
    ///
    /// # Errors
    ///
    /// See [`RemoteCluster`].
    pub async fn close_recovery_session(
        &self,
        request: CloseRecoverySessionRequest,
    ) -> Result<(), Exception> {
        let call = self.begin("close_recovery_session").await?;
        let mut client = call.recovery();
        call.unary(
            call.margin(),
            client.close_session(tonic::Request::new(request.into())),
        )
        .await?;
        Ok(())
    }

    /// What every index of the remote cluster is.
    ///
    /// # Errors
    ///
    /// See [`RemoteCluster`].
    pub async fn cluster_metadata(
        &self,
        request: ClusterMetadataRequest,
    ) -> Result<ClusterMetadata, Exception> {
        let call = self.begin("cluster_metadata").await?;
        let mut client = call.remote_cluster();
        let timeout = request.timeout.saturating_add(call.margin());
        let metadata = call
            .unary(
                timeout,
                client.cluster_metadata(tonic::Request::new(request.into())),
            )
            .await?;
        ClusterMetadata::try_from(metadata).map_err(|error| call.invalid(error))
    }

    /// All about one index of the remote cluster.
    ///
    /// # Errors
    ///
    /// See [`RemoteCluster`].
    pub async fn index_metadata(
        &self,
        request: IndexMetadataRequest,
    ) -> Result<RemoteIndexMetadata, Exception> {
        let call = self.begin("index_metadata").await?;
        let mut client = call.remote_cluster();
        let timeout = request.timeout.saturating_add(call.margin());
        let metadata = call
            .unary(
                timeout,
                client.index_metadata(tonic::Request::new(request.into())),
            )
            .await?;
        RemoteIndexMetadata::try_from(metadata).map_err(|error| call.invalid(error))
    }
}

fn context(settings: &RemoteClusterSettings, common: &Common) -> PoolContext {
    let config = &common.config;
    PoolContext {
        local: Arc::clone(&common.local),
        config: Arc::clone(config),
        connector: Arc::clone(&common.connector),
        clock: Arc::clone(&common.clock),
        tracker: common.tracker.clone(),
        keepalive_interval: settings.ping_schedule.unwrap_or(config.keepalive_interval),
    }
}
