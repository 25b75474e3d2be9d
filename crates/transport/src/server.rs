//! The answering side.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{LeaderServices, TransportConfig, TransportError};

/// Skeleton.
#[derive(Debug)]
pub struct TransportServer {
    address: SocketAddr,
}

impl TransportServer {
    /// Listens.
    pub async fn bind(
        address: SocketAddr,
        services: Arc<dyn LeaderServices>,
        config: TransportConfig,
    ) -> Result<Self, TransportError> {
        let _ = (services, config);
        Ok(Self { address })
    }

    /// Address.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves.
    pub async fn serve(self, stop: CancellationToken) -> Result<(), TransportError> {
        stop.cancelled().await;
        Ok(())
    }
}
