//! What a leader offers.

use async_trait::async_trait;
use es_exception::Exception;
use futures::stream::BoxStream;
use oplog::RetentionLease;

use crate::{
    CloseRecoverySessionRequest, ClusterMetadata, ClusterMetadataRequest, FileChunk, HandshakeRequest,
    HandshakeResponse, HeldOperationsRequest, HeldOperationsResponse, IndexMetadataRequest, LiveSetRequest,
    LiveSetResponse, OpenRecoverySessionRequest, ReadFileRequest, RecoverySession, RemoteIndexMetadata,
    RemoveRetentionLeaseRequest, RetentionLeaseRequest, ShardChangesRequest, ShardChangesResponse,
};

/// The pieces of a file, in order.
pub type FileChunks = BoxStream<'static, Result<FileChunk, Exception>>;

/// What other clusters may ask of this one.
///
/// Every method may be cancelled at any await: the caller went away, its deadline passed, or the server stops.
/// A panic in a method fails that call alone.
#[async_trait]
pub trait LeaderServices: Send + Sync + 'static {
    /// Says who this node is and which nodes of its cluster take connections. The `protocol_version` of the answer is ignored:
    /// the server negotiates it.
    async fn handshake(&self, request: HandshakeRequest) -> Result<HandshakeResponse, Exception>;

    /// Reads operations, waiting up to the poll timeout when there is none yet; a timeout is a success without operations.
    async fn read_changes(&self, request: ShardChangesRequest) -> Result<ShardChangesResponse, Exception>;

    /// Reads the operations that a shard still holds, up to its global checkpoint, without waiting for one.
    async fn read_held_operations(
        &self,
        request: HeldOperationsRequest,
    ) -> Result<HeldOperationsResponse, Exception>;

    /// Reads which operations of a shard are live, as of one that the global checkpoint has reached.
    async fn read_live_set(&self, request: LiveSetRequest) -> Result<LiveSetResponse, Exception>;

    /// Adds a retention lease.
    async fn add_retention_lease(&self, request: RetentionLeaseRequest) -> Result<RetentionLease, Exception>;

    /// Renews a retention lease.
    async fn renew_retention_lease(
        &self,
        request: RetentionLeaseRequest,
    ) -> Result<RetentionLease, Exception>;

    /// Removes a retention lease.
    async fn remove_retention_lease(&self, request: RemoveRetentionLeaseRequest) -> Result<(), Exception>;

    /// Pins a snapshot of a shard for copying. The same session id again answers the same session.
    async fn open_recovery_session(
        &self,
        request: OpenRecoverySessionRequest,
    ) -> Result<RecoverySession, Exception>;

    /// Reads a range of a file of a session, in chunks of any size.
    async fn read_file(&self, request: ReadFileRequest) -> Result<FileChunks, Exception>;

    /// Ends a session.
    async fn close_recovery_session(&self, request: CloseRecoverySessionRequest) -> Result<(), Exception>;

    /// Describes every index, waiting up to the timeout for a metadata version.
    async fn cluster_metadata(&self, request: ClusterMetadataRequest) -> Result<ClusterMetadata, Exception>;

    /// Describes one index, waiting up to the timeout for its versions.
    async fn index_metadata(&self, request: IndexMetadataRequest) -> Result<RemoteIndexMetadata, Exception>;
}
