//! The answering side.

mod delta_heal;
mod edge;
mod file_chunks;
mod incoming;
mod pieces;
mod recovery;
mod remote_cluster;
mod retention_leases;
mod shard_changes;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;

use crate::proto::delta_heal_server::DeltaHealServer;
use crate::proto::recovery_server::RecoveryServer;
use crate::proto::remote_cluster_server::RemoteClusterServer;
use crate::proto::retention_leases_server::RetentionLeasesServer;
use crate::proto::shard_changes_server::ShardChangesServer;
use crate::wire::{MAX_HEADER_LIST_BYTES, MAX_REQUEST_BYTES};
use crate::{LeaderServices, Listener, TransportConfig, TransportError};
use edge::Edge;

/// A server that listens for other clusters.
#[derive(Debug)]
pub struct TransportServer<L = TcpListener> {
    address: SocketAddr,
    listener: L,
    edge: Edge,
    config: TransportConfig,
}

/// Lets a service take and give compressed messages. An answer is compressed only for a caller that asks for it, and as it asks.
macro_rules! compressing {
    ($server:expr) => {
        $server
            .max_decoding_message_size(MAX_REQUEST_BYTES)
            .max_encoding_message_size(usize::MAX)
            .accept_compressed(CompressionEncoding::Zstd)
            .accept_compressed(CompressionEncoding::Deflate)
            .send_compressed(CompressionEncoding::Zstd)
            .send_compressed(CompressionEncoding::Deflate)
    };
}

impl TransportServer {
    /// Listens on `address`; port 0 takes a free one. Connections wait until [`serve`](Self::serve) runs.
    ///
    /// # Errors
    ///
    /// [`TransportError::Bind`] when the address is taken or not of this machine.
    pub async fn bind(
        address: SocketAddr,
        services: Arc<dyn LeaderServices>,
        config: TransportConfig,
    ) -> Result<Self, TransportError> {
        let failed = |source| TransportError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self::with_listener(address, listener, services, config))
    }
}

impl<L: Listener> TransportServer<L> {
    /// Takes its connections from `listener`, which others reach at `address`.
    #[must_use]
    pub fn with_listener(
        address: SocketAddr,
        listener: L,
        services: Arc<dyn LeaderServices>,
        config: TransportConfig,
    ) -> Self {
        Self {
            address,
            listener,
            edge: Edge::new(services),
            config,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is cancelled. Then it takes no new connection, ends waiting calls with `node_closed_exception`, lets
    /// answers that have begun go on for `shutdown_grace`, and returns when all connections are closed.
    ///
    /// Not cancel safe: dropping the future closes connections without grace.
    ///
    /// # Errors
    ///
    /// [`TransportError::Serve`] when the server stops by itself.
    pub async fn serve(self, stop: CancellationToken) -> Result<(), TransportError> {
        let Self {
            address,
            listener,
            edge,
            config,
        } = self;
        let edge = Arc::new(edge.stopping_with(stop.clone()));
        let kill = CancellationToken::new();
        let _killed_at_the_latest_when_dropped = kill.clone().drop_guard();
        let router = Server::builder()
            .initial_stream_window_size(config.stream_window)
            .initial_connection_window_size(config.connection_window)
            .max_concurrent_streams(config.max_concurrent_streams)
            .http2_keepalive_interval(Some(config.keepalive_interval))
            .http2_keepalive_timeout(Some(config.serving_keepalive_timeout))
            .http2_max_header_list_size(MAX_HEADER_LIST_BYTES)
            .add_service(compressing!(ShardChangesServer::from_arc(Arc::clone(&edge))))
            .add_service(compressing!(DeltaHealServer::from_arc(Arc::clone(&edge))))
            .add_service(compressing!(RetentionLeasesServer::from_arc(Arc::clone(&edge))))
            .add_service(compressing!(RecoveryServer::from_arc(Arc::clone(&edge))))
            .add_service(compressing!(RemoteClusterServer::from_arc(edge)));
        let incoming = incoming::incoming(listener, kill.clone());
        let serving = router.serve_with_incoming_shutdown(incoming, stop.cancelled());
        let grace_is_over = async {
            stop.cancelled().await;
            tokio::time::sleep(config.shutdown_grace).await;
            kill.cancel();
            std::future::pending().await
        };
        tokio::select! {
            served = serving => served.map_err(|source| TransportError::Serve { address, source }),
            () = grace_is_over => Ok(()),
        }
    }
}
