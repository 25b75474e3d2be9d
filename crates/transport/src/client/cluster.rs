//! One remote cluster and the calls to it.

use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use oplog::{Clock, RetentionLease};

use super::{ClusterAlias, LocalIdentity, RemoteClusterInfo, RemoteClusterSettings};
use crate::{
    CloseRecoverySessionRequest, ClusterMetadata, ClusterMetadataRequest, FileChunks, IndexMetadataRequest,
    OpenRecoverySessionRequest, ReadFileRequest, RecoverySession, RemoteIndexMetadata,
    RemoveRetentionLeaseRequest, RetentionLeaseRequest, ShardChangesRequest, ShardChangesResponse,
    TransportConfig,
};

/// SKELETON
#[derive(Debug)]
pub struct RemoteCluster {
    alias: ClusterAlias,
}

#[allow(clippy::unused_async, missing_docs, unused_variables, dead_code)]
impl RemoteCluster {
    pub(super) fn connect(
        alias: ClusterAlias,
        settings: RemoteClusterSettings,
        local: Arc<LocalIdentity>,
        config: Arc<TransportConfig>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { alias }
    }
    pub(super) fn close(&self) {}
    pub(super) async fn closed(&self) {}
    pub(super) fn apply(&self, settings: RemoteClusterSettings) {}
    pub fn alias(&self) -> &ClusterAlias {
        &self.alias
    }
    pub fn info(&self) -> RemoteClusterInfo {
        unreachable!()
    }
    fn not_yet<T>(&self) -> Result<T, Exception> {
        Err(Exception::new(ExceptionKind::Unsupported, "not yet"))
    }
    pub async fn read_changes(
        &self,
        request: ShardChangesRequest,
    ) -> Result<ShardChangesResponse, Exception> {
        self.not_yet()
    }
    pub async fn add_retention_lease(
        &self,
        request: RetentionLeaseRequest,
    ) -> Result<RetentionLease, Exception> {
        self.not_yet()
    }
    pub async fn renew_retention_lease(
        &self,
        request: RetentionLeaseRequest,
    ) -> Result<RetentionLease, Exception> {
        self.not_yet()
    }
    pub async fn remove_retention_lease(
        &self,
        request: RemoveRetentionLeaseRequest,
    ) -> Result<(), Exception> {
        self.not_yet()
    }
    pub async fn open_recovery_session(
        &self,
        request: OpenRecoverySessionRequest,
    ) -> Result<RecoverySession, Exception> {
        self.not_yet()
    }
    pub async fn read_file(&self, request: ReadFileRequest) -> Result<FileChunks, Exception> {
        self.not_yet()
    }
    pub async fn close_recovery_session(
        &self,
        request: CloseRecoverySessionRequest,
    ) -> Result<(), Exception> {
        self.not_yet()
    }
    pub async fn cluster_metadata(
        &self,
        request: ClusterMetadataRequest,
    ) -> Result<ClusterMetadata, Exception> {
        self.not_yet()
    }
    pub async fn index_metadata(
        &self,
        request: IndexMetadataRequest,
    ) -> Result<RemoteIndexMetadata, Exception> {
        self.not_yet()
    }
}
