//! One connection to one node, shared by all shards.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::dial::Dial;
use super::pool::PoolContext;
use crate::proto::remote_cluster_client::RemoteClusterClient;
use crate::wire::{PROTOCOL_VERSIONS, status_to_exception};
use crate::{HandshakeRequest, HandshakeResponse};

/// A connection whose other side has said who it is.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) address: String,
    pub(super) node_id: String,
    pub(super) channel: Channel,
    /// When it was made, on the monotonic clock.
    pub(super) opened: Duration,
    closed: CancellationToken,
    calls: AtomicUsize,
    received: Arc<AtomicU64>,
}

impl Connection {
    /// Connects and shakes hands within the connect timeout.
    pub(super) async fn open(
        address: &str,
        context: &PoolContext,
        kill: CancellationToken,
    ) -> Result<(Self, HandshakeResponse), Exception> {
        let timeout = context.config.connect_timeout;
        let opened = tokio::time::timeout(timeout, Self::open_untimed(address, context, kill)).await;
        opened.unwrap_or_else(|_| {
            let reason = format!("[{address}] connect failed: no answer within {timeout:?}");
            Err(Exception::new(ExceptionKind::ConnectTransport, reason))
        })
    }

    async fn open_untimed(
        address: &str,
        context: &PoolContext,
        kill: CancellationToken,
    ) -> Result<(Self, HandshakeResponse), Exception> {
        let (closed, received) = (CancellationToken::new(), Arc::<AtomicU64>::default());
        let dial = Dial {
            config: &context.config,
            connector: &*context.connector,
            keepalive_interval: context.keepalive_interval,
            kill,
            closed: closed.clone(),
            tracked: context.tracker.token(),
            received: Arc::clone(&received),
        };
        let channel = dial.channel(address).await?;
        let answer = handshake(channel.clone(), address, context).await?;
        let node_id = answer.node_id.clone();
        let opened = context.clock.monotonic();
        let connection = Self {
            address: address.to_owned(),
            node_id,
            channel,
            opened,
            closed,
            calls: AtomicUsize::new(0),
            received,
        };
        Ok((connection, answer))
    }

    /// Asks the other side again who it is and which nodes there are.
    pub(super) async fn handshake(&self, context: &PoolContext) -> Result<HandshakeResponse, Exception> {
        let timeout = context.config.connect_timeout;
        let answer =
            tokio::time::timeout(timeout, handshake(self.channel.clone(), &self.address, context)).await;
        answer.unwrap_or_else(|_| Err(no_answer(&format!("[{}][handshake]", self.address), timeout)))
    }

    pub(super) fn is_open(&self) -> bool {
        !self.closed.is_cancelled()
    }

    /// Waits until the connection is gone.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Bytes that have arrived, of all calls together.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Number of calls under way.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

async fn handshake(
    channel: Channel,
    address: &str,
    context: &PoolContext,
) -> Result<HandshakeResponse, Exception> {
    let versions: RangeInclusive<u32> = PROTOCOL_VERSIONS;
    let request = HandshakeRequest {
        cluster_name: context.local.cluster_name.clone(),
        cluster_uuid: context.local.cluster_uuid.clone(),
        node_id: context.local.node_id.clone(),
        node_name: context.local.node_name.clone(),
        version: context.local.version.clone(),
        min_protocol_version: *versions.start(),
        max_protocol_version: *versions.end(),
    };
    let mut client =
        RemoteClusterClient::new(channel).max_decoding_message_size(context.config.max_metadata_message_size);
    let answer = client.handshake(tonic::Request::new(request.into())).await;
    let answer = answer.map_err(|status| status_to_exception(&status, &format!("[{address}][handshake]")))?;
    let answer = HandshakeResponse::try_from(answer.into_inner()).map_err(|error| Exception::from(&error))?;
    if versions.contains(&answer.protocol_version) {
        Ok(answer)
    } else {
        let reason = format!(
            "[{address}] chose protocol version {}, which was not offered",
            answer.protocol_version
        );
        Err(Exception::new(ExceptionKind::Unsupported, reason))
    }
}

pub(super) fn no_answer(what: &str, timeout: Duration) -> Exception {
    Exception::new(
        ExceptionKind::ReceiveTimeoutTransport,
        format!("{what} no answer within {timeout:?}"),
    )
}

/// A call under way on a connection: counted, so that calls spread over the connections.
#[derive(Debug)]
pub(super) struct Call {
    connection: Arc<Connection>,
}

impl Call {
    pub(super) fn on(connection: Arc<Connection>) -> Self {
        connection.calls.fetch_add(1, Ordering::Relaxed);
        Self { connection }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.connection.calls.fetch_sub(1, Ordering::Relaxed);
    }
}
