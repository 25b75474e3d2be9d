//! Copies one shard of a leader and opens it as a follower shard.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use futures::stream::{self, TryStreamExt};
use indices::{IndicesService, Origin};
use oplog::{Clock, HistoryUuid, ShardId};
use tokio_util::task::TaskTracker;
use transport::{
    CloseRecoverySessionRequest, ClusterAlias, IndexMetadataRequest, OpenRecoverySessionRequest,
    ReadFileRequest, RecoveryFile, RecoverySession, RemoteCluster, RemoteClusters,
};

use super::files::{StagedFile, StagingDir};
use super::lease_keeper::{RecoveryLease, bounded};
use super::progress::Progress;
use crate::blocking::blocking;
use crate::rate_limiter::RateLimiter;
use crate::settings::CcrSettings;

/// After so many bytes of a file what was copied is made durable, so that another attempt need not copy it again.
const BYTES_BETWEEN_SAVES: u64 = 64 << 20;

/// What the recovery of one shard works with.
#[derive(Debug, Clone)]
pub(crate) struct ShardRecovery {
    pub(crate) remotes: Arc<RemoteClusters>,
    pub(crate) indices: Arc<IndicesService>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limiter: Arc<RateLimiter>,
    pub(crate) tasks: TaskTracker,
    pub(crate) settings: CcrSettings,
    pub(crate) alias: ClusterAlias,
    pub(crate) leader_index: String,
    pub(crate) leader_shard: ShardId,
    /// The history that the follower recorded: another one means another index.
    pub(crate) leader_history: HistoryUuid,
    pub(crate) follower_index: String,
    pub(crate) follower_shard: ShardId,
    pub(crate) lease: RecoveryLease,
    pub(crate) progress: Arc<Progress>,
}

impl ShardRecovery {
    /// One attempt, from whatever earlier ones copied to a shard that serves.
    ///
    /// The retention lease is taken before the session, so that every operation after the copied ones is still there when
    /// following begins. Not cancel safe in one point: dropped in the middle, the session on the leader ends by its idle timeout.
    ///
    /// # Errors
    /// Those of the leader and of the local file system. Nothing serves what was copied until all of it was.
    pub(crate) async fn run(&self) -> Result<(), Exception> {
        self.progress.begin_attempt();
        let _lease = self.lease.hold(&self.tasks).await?;
        let remote = self.remotes.get(&self.alias)?;
        let session_id = HistoryUuid::generate().to_string();
        let session = self
            .call("a recovery session", {
                remote.open_recovery_session(OpenRecoverySessionRequest {
                    shard: self.leader_shard.clone(),
                    session_id: session_id.clone(),
                })
            })
            .await?;
        let copied = self.copy(&remote, &session).await;
        // The session would end by itself; closing it frees the leader's disk at once. What failed before matters more.
        let closed = self
            .call(
                "the end of a recovery session",
                remote.close_recovery_session(CloseRecoverySessionRequest {
                    session_id,
                    shard: self.leader_shard.clone(),
                }),
            )
            .await;
        copied?;
        if let Err(error) = closed {
            tracing::debug!(shard = %self.leader_shard, %error, "recovery session was not closed");
        }
        self.install(&session).await
    }

    async fn copy(&self, remote: &RemoteCluster, session: &RecoverySession) -> Result<(), Exception> {
        if session.history_uuid != self.leader_history {
            return Err(Exception::new(
                ExceptionKind::IllegalState,
                format!(
                    "leader shard {} has history uuid [{}], but [{}] was recorded when the follower was created",
                    self.leader_shard, session.history_uuid, self.leader_history
                ),
            ));
        }
        let dir: PathBuf = self.indices.shard_dir(&self.follower_shard);
        let files = session.files.clone();
        let staging = blocking(move || StagingDir::prepare(&dir, &files)).await?;
        let bytes = session.files.iter().map(|file| file.length).sum();
        self.progress
            .begin_copy(session.files.len(), bytes, self.clock.now());
        for file in &session.files {
            self.copy_file(remote, session, file, &staging).await?;
        }
        blocking(move || staging.finish()).await?;
        self.sync_mapping(remote, session.mapping_version).await
    }

    async fn copy_file(
        &self,
        remote: &RemoteCluster,
        session: &RecoverySession,
        file: &RecoveryFile,
        staging: &StagingDir,
    ) -> Result<(), Exception> {
        let (staged, there) = {
            let (staging, file) = (staging.clone(), file.clone());
            blocking(move || staging.open_file(&file)).await?
        };
        self.progress.reused_bytes(there, file.length);
        let mut next = there;
        while next < file.length {
            let end = file.length.min(next + BYTES_BETWEEN_SAVES);
            self.copy_range(remote, session, file, next..end, &staged).await?;
            let (staging, file, staged) = (staging.clone(), file.clone(), staged.clone());
            blocking(move || staging.save(&file, &staged, end)).await?;
            next = end;
        }
        if there < file.length {
            self.progress.copied_file();
        }
        Ok(())
    }

    async fn copy_range(
        &self,
        remote: &RemoteCluster,
        session: &RecoverySession,
        file: &RecoveryFile,
        range: Range<u64>,
        staged: &StagedFile,
    ) -> Result<(), Exception> {
        let chunk = self.settings.recovery_chunk_size.get();
        let count = (range.end - range.start).div_ceil(chunk);
        let offsets = (0..count).map(|number| range.start + number * chunk);
        stream::iter(offsets.map(Ok))
            .try_for_each_concurrent(self.settings.recovery_max_concurrent_file_chunks, |offset| {
                let length = chunk.min(range.end - offset);
                self.copy_chunk(remote, session, file, offset, length, staged.clone())
            })
            .await
    }

    async fn copy_chunk(
        &self,
        remote: &RemoteCluster,
        session: &RecoverySession,
        file: &RecoveryFile,
        offset: u64,
        length: u64,
        staged: StagedFile,
    ) -> Result<(), Exception> {
        let request = ReadFileRequest {
            session_id: session.session_id.clone(),
            shard: self.leader_shard.clone(),
            file: file.name.clone(),
            offset,
            length,
        };
        let written = self.write_chunk(remote, request, &staged).await?;
        if written != length {
            return Err(Exception::new(
                ExceptionKind::IndexShardRestoreFailed,
                format!(
                    "the leader sent {written} bytes of [{}] at offset {offset} where {length} were asked for",
                    file.name
                ),
            ));
        }
        self.limiter
            .set_bytes_per_sec(self.settings.recovery_max_bytes_per_sec);
        let pause = self.limiter.book(length, self.clock.monotonic());
        self.progress.copied_bytes(length, pause);
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Writes the pieces of one range, whose checksums were verified on arrival, and answers how many bytes came. Each piece has its own
    /// time, since the leader holds pieces back to keep its rate.
    async fn write_chunk(
        &self,
        remote: &RemoteCluster,
        request: ReadFileRequest,
        staged: &StagedFile,
    ) -> Result<u64, Exception> {
        let mut pieces = self.call("a chunk of a file", remote.read_file(request)).await?;
        let mut written = 0;
        while let Some(piece) = self.call("a piece of a file", pieces.try_next()).await? {
            written += piece.bytes.len() as u64;
            let staged = staged.clone();
            blocking(move || staged.write_at(piece.offset, &piece.bytes)).await?;
        }
        Ok(written)
    }

    /// The copied operations need at least the mapping that the leader had when its files were pinned.
    async fn sync_mapping(&self, remote: &RemoteCluster, required: u64) -> Result<(), Exception> {
        let timeout = self.settings.recovery_internal_action_timeout;
        let request = IndexMetadataRequest {
            index: self.leader_index.clone(),
            min_mapping_version: Some(required),
            min_settings_version: None,
            min_aliases_version: None,
            timeout,
        };
        let leader = self.call("the mapping", remote.index_metadata(request)).await?;
        if leader.mapping_version < required {
            return Err(Exception::new(
                ExceptionKind::ReceiveTimeoutTransport,
                format!(
                    "the leader's mapping did not reach version {required} within {} ms; it is at {}",
                    timeout.as_millis(),
                    leader.mapping_version
                ),
            ));
        }
        let mapping = serde_json::from_str(&leader.mapping).map_err(|error| {
            Exception::new(
                ExceptionKind::IllegalState,
                format!("mapping of [{}] cannot be read: {error}", leader.name),
            )
        })?;
        self.indices
            .put_mapping(&self.follower_index, mapping, Origin::Ccr)
            .await
            .map(|_| ())
    }

    async fn install(&self, session: &RecoverySession) -> Result<(), Exception> {
        self.progress.finalizing();
        // A follower has a history of its own: it starts with the leader's operations, and may end otherwise.
        self.indices
            .install_shard(&self.follower_shard, HistoryUuid::generate(), session.checkpoint)
            .await?;
        self.progress.done(self.clock.now());
        Ok(())
    }

    /// Bounds one call to the leader in time.
    async fn call<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, Exception>>,
    ) -> Result<T, Exception> {
        bounded(self.settings.recovery_internal_action_timeout, what, call).await
    }
}
