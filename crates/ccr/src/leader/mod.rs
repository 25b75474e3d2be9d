//! What this cluster does for the clusters that follow its indices.

mod changes;
mod heal;
mod leases;
mod metadata;
mod sessions;

use std::sync::Arc;

use async_trait::async_trait;
use cluster::ClusterService;
use es_exception::Exception;
use indices::IndicesService;
use oplog::{Clock, RetentionLease, ShardId};
use shard::Shard;
use transport::{
    CloseRecoverySessionRequest, ClusterMetadata, ClusterMetadataRequest, FileChunks, HandshakeRequest,
    HandshakeResponse, HeldOperationsRequest, HeldOperationsResponse, IndexMetadataRequest, LeaderServices,
    LiveSetRequest, LiveSetResponse, OpenRecoverySessionRequest, ReadFileRequest, RecoverySession,
    RemoteIndexMetadata, RemoveRetentionLeaseRequest, RetentionLeaseRequest, ShardChangesRequest,
    ShardChangesResponse,
};

use crate::settings_watch::SettingsWatch;

pub(crate) use leases::lease_exception;
pub use sessions::RecoverySessions;

/// Serves changes, retention leases, recovery sessions and metadata to other clusters.
///
/// Holds no state of its own but the recovery sessions: whatever it answers comes from the shards and the cluster state.
#[derive(Debug)]
pub struct LeaderSide {
    cluster: Arc<ClusterService>,
    indices: Arc<IndicesService>,
    sessions: RecoverySessions,
    clock: Arc<dyn Clock>,
    settings: SettingsWatch,
}

impl LeaderSide {
    /// A leader side over this node's indices.
    pub fn new(cluster: Arc<ClusterService>, indices: Arc<IndicesService>, clock: Arc<dyn Clock>) -> Self {
        let settings = SettingsWatch::new(Arc::clone(&cluster));
        Self {
            cluster,
            indices,
            sessions: RecoverySessions::new(Arc::clone(&clock)),
            clock,
            settings,
        }
    }

    /// The recovery sessions that other clusters have open here.
    pub fn sessions(&self) -> &RecoverySessions {
        &self.sessions
    }

    /// Work that is due from time to time: closes sessions that nobody reads any more and expires retention leases.
    ///
    /// Blocks on files; meant to be called every few seconds.
    pub fn maintain(&self) {
        self.sessions
            .close_idle(self.settings.current().recovery_activity_timeout);
        leases::expire(&self.cluster.state(), &self.indices, self.clock.now());
    }

    fn shard(&self, id: &ShardId) -> Result<Arc<Shard>, Exception> {
        self.indices.shard(id)
    }
}

#[async_trait]
impl LeaderServices for LeaderSide {
    async fn handshake(&self, _request: HandshakeRequest) -> Result<HandshakeResponse, Exception> {
        Ok(metadata::handshake(
            &self.cluster.state(),
            &self.cluster.local_node(),
        ))
    }

    async fn read_changes(&self, request: ShardChangesRequest) -> Result<ShardChangesResponse, Exception> {
        changes::read(self, request).await
    }

    async fn read_held_operations(
        &self,
        request: HeldOperationsRequest,
    ) -> Result<HeldOperationsResponse, Exception> {
        heal::read_held(self, request).await
    }

    async fn read_live_set(&self, request: LiveSetRequest) -> Result<LiveSetResponse, Exception> {
        heal::read_live_set(self, request).await
    }

    async fn add_retention_lease(&self, request: RetentionLeaseRequest) -> Result<RetentionLease, Exception> {
        leases::add(self.shard(&request.shard)?, request).await
    }

    async fn renew_retention_lease(
        &self,
        request: RetentionLeaseRequest,
    ) -> Result<RetentionLease, Exception> {
        leases::renew(self.shard(&request.shard)?, request).await
    }

    async fn remove_retention_lease(&self, request: RemoveRetentionLeaseRequest) -> Result<(), Exception> {
        leases::remove(self.shard(&request.shard)?, request.id).await
    }

    async fn open_recovery_session(
        &self,
        request: OpenRecoverySessionRequest,
    ) -> Result<RecoverySession, Exception> {
        let shard = self.shard(&request.shard)?;
        self.sessions.open(request, shard).await
    }

    async fn read_file(&self, request: ReadFileRequest) -> Result<FileChunks, Exception> {
        self.sessions
            .read(request, self.settings.current().recovery_max_bytes_per_sec)
            .await
    }

    async fn close_recovery_session(&self, request: CloseRecoverySessionRequest) -> Result<(), Exception> {
        self.sessions.close(&request.session_id, &request.shard)
    }

    async fn index_metadata(&self, request: IndexMetadataRequest) -> Result<RemoteIndexMetadata, Exception> {
        metadata::index_metadata(self, request).await
    }

    async fn cluster_metadata(&self, request: ClusterMetadataRequest) -> Result<ClusterMetadata, Exception> {
        metadata::cluster_metadata(self, request).await
    }
}
