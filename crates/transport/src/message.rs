//! What travels, as the rest of the workspace sees it, and its translation from and to the wire.

mod delta_heal;
mod field;
mod handshake;
mod metadata;
mod recovery;
mod retention_lease;
mod shard_changes;

pub use delta_heal::{HeldOperationsRequest, HeldOperationsResponse, LiveSetRequest, LiveSetResponse};
pub(crate) use field::Fields;
pub use handshake::{HandshakeRequest, HandshakeResponse, RemoteNode};
pub use metadata::{
    ClusterMetadata, ClusterMetadataRequest, IndexMetadataRequest, IndexSummary, RemoteDataStream,
    RemoteIndexMetadata, RemoteShard,
};
pub use recovery::{
    CloseRecoverySessionRequest, FileChunk, FilePieces, OpenRecoverySessionRequest, ReadFileRequest,
    RecoveryFile, RecoverySession,
};
pub use retention_lease::{RemoveRetentionLeaseRequest, RetentionLeaseRequest};
pub use shard_changes::{KnownMetadataVersions, ShardChangesRequest, ShardChangesResponse};

#[cfg(test)]
mod tests;
