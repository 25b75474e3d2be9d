//! How every call is made: on which connection, until when, and what its failure is called.

use std::sync::Arc;
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Response, Status};

use super::connection::{Call, no_answer};
use super::pool::Pool;
use super::{RemoteCompression, RemoteCompressionScheme};
use crate::proto::delta_heal_client::DeltaHealClient;
use crate::proto::recovery_client::RecoveryClient;
use crate::proto::remote_cluster_client::RemoteClusterClient;
use crate::proto::retention_leases_client::RetentionLeasesClient;
use crate::proto::shard_changes_client::ShardChangesClient;
use crate::wire::MAX_PIECE_MESSAGE_BYTES;

/// A connection that carried fewer bytes while a call waited had nothing that the answer could have been behind: probes and the like are smaller. It is the size of a frame
/// of HTTP/2.
const BYTES_OF_A_BUSY_LINE: u64 = 16 << 10;

/// Sets limits, and compression of both requests and answers if asked for.
macro_rules! client {
    ($client:ty, $channel:expr, $max_message:expr, $encoding:expr) => {{
        let client = <$client>::new($channel).max_decoding_message_size($max_message);
        match $encoding {
            Some(encoding) => client.send_compressed(encoding).accept_compressed(encoding),
            None => client,
        }
    }};
}

/// A call on a connection of a pool.
#[derive(Debug)]
pub(super) struct OpenCall {
    pub(super) pool: Arc<Pool>,
    /// For messages: remote cluster, address, method.
    pub(super) context: String,
    call: Call,
}

impl OpenCall {
    /// Chooses a connection, making one if need be.
    pub(super) async fn begin(pool: Arc<Pool>, method: &'static str) -> Result<Self, Exception> {
        let call = tokio::select! {
            () = pool.end.cancelled() => return Err(ended(&pool)),
            call = pool.call() => call?,
        };
        let context = format!("[{}][{}][{method}]", pool.alias, call.connection().address);
        Ok(Self { pool, context, call })
    }

    /// Waits for `answer` up to `timeout`, longer while the connection carries other answers, and no longer than the pool lives.
    pub(super) async fn until<T>(
        &self,
        timeout: Duration,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Exception> {
        tokio::select! {
            biased;
            () = self.pool.end.cancelled() => Err(ended(&self.pool)),
            answer = self.patiently(timeout, answer) => answer,
        }
    }

    /// An answer shares the line with all others of its connection, and is behind those that were sent before it. So silence is that of the whole connection; that of
    /// one call alone counts only after `longest_call_margin`, when the peer must have forgotten it.
    async fn patiently<T>(
        &self,
        timeout: Duration,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Exception> {
        let connection = self.call.connection();
        let mut answer = std::pin::pin!(answer);
        let mut extra = self
            .pool
            .context
            .config
            .longest_call_margin
            .saturating_sub(self.margin());
        let (mut waited, mut step) = (Duration::ZERO, timeout);
        loop {
            let before = connection.received();
            if let Ok(answer) = tokio::time::timeout(step, &mut answer).await {
                return answer.map_err(|status| crate::wire::status_to_exception(&status, &self.context));
            }
            waited += step;
            step = self.margin().min(extra);
            extra -= step;
            if step.is_zero() || connection.received() - before < BYTES_OF_A_BUSY_LINE {
                return Err(no_answer(&self.context, waited));
            }
        }
    }

    /// As [`until`](Self::until), for calls of one answer.
    pub(super) async fn unary<T>(
        &self,
        timeout: Duration,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Exception> {
        self.until(timeout, answer).await.map(Response::into_inner)
    }

    /// What the peer is given on top of the time it may use: the way there and back.
    pub(super) fn margin(&self) -> Duration {
        self.pool.context.config.call_margin
    }

    /// A refusal of what the peer sent.
    pub(super) fn invalid(&self, error: impl std::fmt::Display) -> Exception {
        Exception::new(ExceptionKind::IllegalState, format!("{} {error}", self.context))
    }

    pub(super) fn shard_changes(&self) -> ShardChangesClient<Channel> {
        client!(
            ShardChangesClient<Channel>,
            self.channel(),
            MAX_PIECE_MESSAGE_BYTES,
            self.data_encoding()
        )
    }

    pub(super) fn delta_heal(&self) -> DeltaHealClient<Channel> {
        client!(
            DeltaHealClient<Channel>,
            self.channel(),
            MAX_PIECE_MESSAGE_BYTES,
            self.data_encoding()
        )
    }

    pub(super) fn recovery(&self) -> RecoveryClient<Channel> {
        let max_message = MAX_PIECE_MESSAGE_BYTES.max(self.pool.context.config.max_metadata_message_size);
        client!(
            RecoveryClient<Channel>,
            self.channel(),
            max_message,
            self.data_encoding()
        )
    }

    pub(super) fn retention_leases(&self) -> RetentionLeasesClient<Channel> {
        client!(
            RetentionLeasesClient<Channel>,
            self.channel(),
            MAX_PIECE_MESSAGE_BYTES,
            self.other_encoding()
        )
    }

    pub(super) fn remote_cluster(&self) -> RemoteClusterClient<Channel> {
        let max_message = self.pool.context.config.max_metadata_message_size;
        client!(
            RemoteClusterClient<Channel>,
            self.channel(),
            max_message,
            self.other_encoding()
        )
    }

    fn channel(&self) -> Channel {
        self.call.connection().channel.clone()
    }

    /// How operations and files are compressed, if they are.
    fn data_encoding(&self) -> Option<CompressionEncoding> {
        (self.pool.settings.compress != RemoteCompression::Off).then_some(self.encoding())
    }

    /// How everything else is compressed, if it is.
    fn other_encoding(&self) -> Option<CompressionEncoding> {
        (self.pool.settings.compress == RemoteCompression::All).then_some(self.encoding())
    }

    fn encoding(&self) -> CompressionEncoding {
        match self.pool.settings.compression_scheme {
            RemoteCompressionScheme::Lz4 | RemoteCompressionScheme::Zstd => CompressionEncoding::Zstd,
            RemoteCompressionScheme::Deflate => CompressionEncoding::Deflate,
        }
    }
}

/// The connection went away on purpose: with other settings, or since the node stops.
fn ended(pool: &Pool) -> Exception {
    let reason = format!(
        "[{}] the connections to the remote cluster were closed here",
        pool.alias
    );
    Exception::new(ExceptionKind::ConnectTransport, reason)
}
