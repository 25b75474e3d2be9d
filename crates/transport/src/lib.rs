//! gRPC between clusters: shard changes, delta heal, retention leases, remote recovery, remote cluster metadata.
//!
//! This crate knows how a request travels, and nothing of what it means: it deliberately has no search, no HTTP API, no cluster
//! state, and takes no decision about following. A leader implements [`LeaderServices`] and a follower calls the same
//! methods on a [`RemoteCluster`]; between them lie the services of `proto/ccr/v1/`, whose generated types stay private here.
//!
//! Reading order: the messages ([`ShardChangesRequest`], [`ShardChangesResponse`], [`RecoverySession`], [`RemoteIndexMetadata`], ...),
//! [`LeaderServices`], [`TransportServer`], [`RemoteClusterSettings`], [`RemoteClusters`], [`RemoteCluster`].
//!
//! What always holds here:
//! - Everything from the wire is validated, and a refusal names the field. Unknown fields and unknown parts of a stream are ignored.
//! - Memory is bounded whatever a peer sends (FT-2): messages, streams and compressed data end at the limit that the request set.
//! - No operation above the global checkpoint of its answer leaves a leader or is accepted by a follower (TR-1).
//! - Frames are the stored bytes, verified by their checksums on arrival, never decoded and encoded on the way.
//! - A failure keeps its kind, reason, metadata and causes across the wire. A failure to reach the other side is retryable.
//!
//! ```
//! use std::collections::BTreeMap;
//! use transport::{RemoteClusterSettings, SettingInput};
//!
//! let settings = BTreeMap::from([(
//!     "cluster.remote.lisbon.seeds".to_owned(),
//!     SettingInput::List(vec!["10.1.0.4:9300".to_owned()]),
//! )]);
//! let remotes = RemoteClusterSettings::parse_all(&settings)?;
//! assert_eq!(remotes.len(), 1);
//! # Ok::<(), transport::RemoteSettingsError>(())
//! ```
#![forbid(unsafe_code)]

mod client;
mod config;
mod error;
mod message;
mod network;
mod proto;
mod server;
mod services;
#[cfg(test)]
mod testing;
mod wire;

pub use client::{
    ClusterAlias, LocalIdentity, RemoteCluster, RemoteClusterInfo, RemoteClusterSettings, RemoteClusters,
    RemoteCompression, RemoteCompressionScheme, RemoteConnectionInfo, RemoteConnectionMode,
    RemoteSettingsError, SettingInput,
};
pub use config::TransportConfig;
pub use error::{InvalidMessage, TransportError};
pub use message::{
    CloseRecoverySessionRequest, ClusterMetadata, ClusterMetadataRequest, FileChunk, FilePieces,
    HandshakeRequest, HandshakeResponse, HeldOperationsRequest, HeldOperationsResponse, IndexMetadataRequest,
    IndexSummary, KnownMetadataVersions, LiveSetRequest, LiveSetResponse, OpenRecoverySessionRequest,
    ReadFileRequest, RecoveryFile, RecoverySession, RemoteDataStream, RemoteIndexMetadata, RemoteNode,
    RemoteShard, RemoveRetentionLeaseRequest, RetentionLeaseRequest, ShardChangesRequest,
    ShardChangesResponse,
};
pub use network::{ByteStream, Connector, Listener};
pub use server::TransportServer;
pub use services::{FileChunks, LeaderServices};
