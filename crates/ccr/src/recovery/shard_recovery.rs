//! Copies one shard of a leader and opens it as a follower shard.

use std::ops::Range;
use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use futures::future::join_all;
use futures::stream::{self, StreamExt, TryStreamExt};
use indices::{IndicesService, Origin};
use oplog::{Clock, HistoryUuid, ShardId};
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;
use transport::{
    CloseRecoverySessionRequest, ClusterAlias, IndexMetadataRequest, OpenRecoverySessionRequest,
    ReadFileRequest, RecoveryFile, RecoverySession, RemoteCluster, RemoteClusters,
};

use super::file_copy::{Chunk, FileCopy, batches, break_off};
use super::files::StagingDir;
use super::lease_keeper::{RecoveryLease, bounded};
use super::progress::Progress;
use crate::blocking::blocking;
use crate::rate_limiter::RateLimiter;
use crate::settings::CcrSettings;

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
        let dir = self.indices.shard_dir(&self.follower_shard);
        let files = session.files.clone();
        let staging = blocking(move || StagingDir::prepare(&dir, &files)).await?;
        let bytes = session.files.iter().map(|file| file.length).sum();
        self.progress
            .begin_copy(session.files.len(), bytes, self.clock.now());
        let now = self.clock.monotonic();
        let copy = |file: &RecoveryFile| Arc::new(FileCopy::new(file.clone(), &staging, now));
        let files: Vec<Arc<FileCopy>> = session.files.iter().map(copy).collect();
        for file in &files {
            self.progress.reused_bytes(file.reused, file.wanted.length);
        }
        if let Err(error) = self.copy_files(remote, session, &files).await {
            break_off(&files).await;
            return Err(error);
        }
        blocking(move || staging.finish()).await?;
        self.sync_mapping(remote, session.mapping_version).await
    }

    /// Copies what is missing, with no pause between one file and the next: only so is a long line used fully.
    ///
    /// After a failure nothing more is asked for. What was asked for may still come, and need not be copied again then.
    async fn copy_files(
        &self,
        remote: &RemoteCluster,
        session: &RecoverySession,
        files: &[Arc<FileCopy>],
    ) -> Result<(), Exception> {
        let failure = Mutex::new(None);
        let batches = batches(files, self.settings.recovery_chunk_size.get());
        stream::iter(batches)
            .take_while(|_| std::future::ready(failure.lock().is_none()))
            .for_each_concurrent(self.settings.recovery_max_concurrent_file_chunks, |batch| {
                let chunks = batch
                    .into_iter()
                    .map(|chunk| self.copy_chunk(remote, session, chunk));
                let (copied, failure) = (join_all(chunks), &failure);
                async move {
                    if let Some(error) = copied.await.into_iter().find_map(Result::err) {
                        failure.lock().get_or_insert(error);
                    }
                }
            })
            .await;
        failure.into_inner().map_or(Ok(()), Err)
    }

    async fn copy_chunk(
        &self,
        remote: &RemoteCluster,
        session: &RecoverySession,
        chunk: Chunk,
    ) -> Result<(), Exception> {
        let Chunk { file, range } = chunk;
        let length = range.end - range.start;
        if length == 0 {
            return self.landed(&file, range).await;
        }
        let request = ReadFileRequest {
            session_id: session.session_id.clone(),
            shard: self.leader_shard.clone(),
            file: file.wanted.name.clone(),
            offset: range.start,
            length,
        };
        let written = self.write_chunk(remote, request, &file).await?;
        if written != length {
            return Err(Exception::new(
                ExceptionKind::IndexShardRestoreFailed,
                format!(
                    "the leader sent {written} bytes of [{}] at offset {} where {length} were asked for",
                    file.wanted.name, range.start
                ),
            ));
        }
        Ok(())
    }

    /// Writes the pieces of one range, whose places and checksums were verified on arrival, and answers how many bytes came. Each piece counts at once: over a slow
    /// line that breaks often, whole chunks would hardly ever be there. How long the line may be silent is the transport's to
    /// say: a piece may be behind those of many other files.
    async fn write_chunk(
        &self,
        remote: &RemoteCluster,
        request: ReadFileRequest,
        file: &FileCopy,
    ) -> Result<u64, Exception> {
        let staged = file.staged().await?;
        let mut pieces = self.call("a chunk of a file", remote.read_file(request)).await?;
        let mut written = 0;
        while let Some(piece) = pieces.try_next().await? {
            let range = piece.offset..piece.offset + piece.bytes.len() as u64;
            written += range.end - range.start;
            let staged = staged.clone();
            blocking(move || staged.write_at(piece.offset, &piece.bytes)).await?;
            self.landed(file, range).await?;
        }
        Ok(written)
    }

    /// Notes a part of a file that was written, and waits as the rate demands.
    async fn landed(&self, file: &FileCopy, range: Range<u64>) -> Result<(), Exception> {
        let length = range.end - range.start;
        if file.landed(range, self.clock.monotonic()).await? {
            self.progress.copied_file();
        }
        self.limiter
            .set_bytes_per_sec(self.settings.recovery_max_bytes_per_sec);
        let pause = self.limiter.book(length, self.clock.monotonic());
        self.progress.copied_bytes(length, pause);
        tokio::time::sleep(pause).await;
        Ok(())
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
