//! Making one connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::wire::{GuardedIo, MAX_HEADER_LIST_BYTES};
use crate::{Connector, TransportConfig};

/// How to make a connection, and what ends with it.
pub(super) struct Dial<'a> {
    pub(super) config: &'a TransportConfig,
    pub(super) connector: &'a dyn Connector,
    pub(super) keepalive_interval: Duration,
    /// Ends the connection when cancelled.
    pub(super) kill: CancellationToken,
    /// Cancelled when the connection is gone.
    pub(super) closed: CancellationToken,
    /// Lives as long as the connection.
    pub(super) tracked: TaskTrackerToken,
    /// Counts the bytes that arrive.
    pub(super) received: Arc<AtomicU64>,
}

impl Dial<'_> {
    /// Connects to `address`. Nobody has answered yet: only a call shows who is there.
    ///
    /// The channel uses this one connection and makes no other: when and where to reconnect is decided by the pool.
    pub(super) async fn channel(self, address: &str) -> Result<Channel, Exception> {
        let failed = |problem: &dyn std::fmt::Display| {
            Exception::new(
                ExceptionKind::ConnectTransport,
                format!("[{address}] connect failed: {problem}"),
            )
        };
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| failed(&error))?;
        let io = self.connector.connect(address).await;
        let io = io.map_err(|error| failed(&error))?;
        let io = GuardedIo::new(io, self.kill, self.closed, self.tracked).counting(self.received);
        let io = Mutex::new(Some(io));
        let connector = tower::service_fn(move |_: Uri| {
            let io = io.lock().take().map(TokioIo::new);
            std::future::ready(
                io.ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "the connection was lost")),
            )
        });
        let endpoint = endpoint
            .initial_stream_window_size(self.config.stream_window)
            .initial_connection_window_size(self.config.connection_window)
            .http2_keep_alive_interval(self.keepalive_interval)
            .keep_alive_timeout(self.config.keepalive_timeout)
            .keep_alive_while_idle(true)
            .http2_max_header_list_size(MAX_HEADER_LIST_BYTES);
        endpoint
            .connect_with_connector(connector)
            .await
            .map_err(|error| failed(&error))
    }
}
