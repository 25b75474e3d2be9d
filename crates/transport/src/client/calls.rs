//! How every call is made: on which connection, until when, and what its failure is called.

use std::sync::Arc;
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Response, Status};

use super::RemoteCompression;
use super::connection::{Call, no_answer};
use super::pool::Pool;
use crate::proto::delta_heal_client::DeltaHealClient;
use crate::proto::recovery_client::RecoveryClient;
use crate::proto::remote_cluster_client::RemoteClusterClient;
use crate::proto::retention_leases_client::RetentionLeasesClient;
use crate::proto::shard_changes_client::ShardChangesClient;
use crate::wire::MAX_PIECE_MESSAGE_BYTES;

/// Sets limits, and compression if asked for.
macro_rules! client {
    ($client:ty, $channel:expr, $max_message:expr, $is_compressed:expr) => {{
        let client = <$client>::new($channel).max_decoding_message_size($max_message);
        if $is_compressed {
            client
                .send_compressed(CompressionEncoding::Zstd)
                .accept_compressed(CompressionEncoding::Zstd)
        } else {
            client
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

    /// Waits for `answer` up to `timeout`, and no longer than the pool lives.
    pub(super) async fn until<T>(
        &self,
        timeout: Duration,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Exception> {
        tokio::select! {
            biased;
            () = self.pool.end.cancelled() => Err(ended(&self.pool)),
            answer = tokio::time::timeout(timeout, answer) => match answer {
                Ok(answer) => answer.map_err(|status| crate::wire::status_to_exception(&status, &self.context)),
                Err(_) => Err(no_answer(&self.context, timeout)),
            },
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
            self.compresses_data()
        )
    }

    pub(super) fn delta_heal(&self) -> DeltaHealClient<Channel> {
        client!(
            DeltaHealClient<Channel>,
            self.channel(),
            MAX_PIECE_MESSAGE_BYTES,
            self.compresses_data()
        )
    }

    pub(super) fn recovery(&self) -> RecoveryClient<Channel> {
        let max_message = MAX_PIECE_MESSAGE_BYTES.max(self.pool.context.config.max_metadata_message_size);
        client!(
            RecoveryClient<Channel>,
            self.channel(),
            max_message,
            self.compresses_data()
        )
    }

    pub(super) fn retention_leases(&self) -> RetentionLeasesClient<Channel> {
        client!(
            RetentionLeasesClient<Channel>,
            self.channel(),
            MAX_PIECE_MESSAGE_BYTES,
            self.compresses_all()
        )
    }

    pub(super) fn remote_cluster(&self) -> RemoteClusterClient<Channel> {
        let max_message = self.pool.context.config.max_metadata_message_size;
        client!(
            RemoteClusterClient<Channel>,
            self.channel(),
            max_message,
            self.compresses_all()
        )
    }

    fn channel(&self) -> Channel {
        self.call.connection().channel.clone()
    }

    fn compresses_data(&self) -> bool {
        self.pool.settings.compress != RemoteCompression::Off
    }

    fn compresses_all(&self) -> bool {
        self.pool.settings.compress == RemoteCompression::All
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
