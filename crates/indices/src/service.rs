//! The service itself: start, shutdown, and which shards there are.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cluster::{ClusterService, ClusterState, IndexMetadata, Patience};
use es_exception::{Exception, ExceptionKind};
use oplog::{Clock, IndexUuid, ShardId, ShardNumber};
use parking_lot::Mutex;
use shard::{Shard, ShardFailure, ShardFailureKind, ShardServices};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auto_id::AutoIds;
use crate::background::{Rounds, Signal, Upkeep};
use crate::bulk::WritesUnderWay;
use crate::config::IndicesConfig;
use crate::disk_monitor::DiskMonitor;
use crate::local::{LocalShards, Reconciler, RetrySchedule};
use crate::medium::{FullShards, WatchedStorage, no_room};
use crate::pressure::{BlockingWork, IndexingPressure};
use crate::reader_context::ReaderContexts;
use crate::request::{ResolveOptions, ShardState};
use crate::resolve;
use crate::settings::IndicesSettings;

/// Why the indices of a node cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory of the indices cannot be created.
    #[error("directory [{path}] cannot be created")]
    DataDirectory {
        /// The directory.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
    /// A background thread cannot be started.
    #[error("a background thread cannot be started")]
    Thread(#[source] std::io::Error),
}

/// The indices of this node: their life cycle, documents, searches.
///
/// Every method may be called at any time and concurrently.
#[derive(Debug)]
pub struct IndicesService {
    pub(crate) config: IndicesConfig,
    pub(crate) cluster: Arc<ClusterService>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) local: Reconciler,
    pub(crate) pressure: IndexingPressure,
    pub(crate) writes_under_way: WritesUnderWay,
    pub(crate) blocking: BlockingWork,
    pub(crate) auto_ids: AutoIds,
    pub(crate) contexts: Arc<ReaderContexts>,
    pub(crate) disk: Arc<DiskMonitor>,
    pub(crate) full: Arc<FullShards>,
    /// Upkeep of the shards.
    upkeep: Arc<Rounds>,
    /// Looks at the disk. Apart from the upkeep, whose rounds may take long.
    disk_checks: Arc<Rounds>,
    stop: CancellationToken,
    reconciling: Mutex<Option<JoinHandle<()>>>,
    applied: watch::Receiver<u64>,
}

impl IndicesService {
    /// Starts serving the indices of the cluster state. Existing shards are opened in the background: see [`shard_state`](Self::shard_state).
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the data directory cannot be created, or a thread cannot be started.
    pub fn start(
        config: IndicesConfig,
        cluster: Arc<ClusterService>,
        mut services: ShardServices,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, StartError> {
        let indices_dir = config.data_dir.join("indices");
        create_durably(&indices_dir, &config.data_dir).map_err(|source| StartError::DataDirectory {
            path: indices_dir.clone(),
            source,
        })?;
        let kick = Arc::new(Notify::new());
        let upkeep_signal = Arc::new(Signal::default());
        let full = FullShards::new(
            Arc::clone(&services.storage),
            indices_dir.clone(),
            Arc::clone(&clock),
            Arc::clone(&kick),
        );
        services.storage = Arc::new(WatchedStorage::new(Arc::clone(&full)));
        let applied = watch::Sender::new(0);
        let applied_receiver = applied.subscribe();
        let retries = RetrySchedule::new(
            Arc::clone(&clock),
            config.shard_retry_first_pause,
            config.shard_retry_longest_pause,
        );
        let local = Reconciler {
            cluster: Arc::clone(&cluster),
            services,
            indices_dir,
            shards: LocalShards::new(retries, Arc::clone(&kick)),
            open_permits: Arc::new(Semaphore::new(config.concurrent_shard_opens)),
            applied: Arc::new(applied),
            kick,
        };
        let disk = Arc::new(DiskMonitor::new(
            Arc::clone(&cluster),
            config.settings,
            Arc::clone(&config.disk_space),
            config.data_dir.clone(),
        ));
        let mut upkeep = Upkeep::new(
            Arc::clone(&cluster),
            Arc::clone(&local.shards),
            Arc::clone(&full),
            config.settings,
            Arc::clone(&upkeep_signal),
            Arc::clone(&clock),
        );
        let contexts = Arc::new(ReaderContexts::default());
        let (expiring, time) = (Arc::clone(&contexts), Arc::clone(&clock));
        let upkeep = Rounds::start(
            "indices-upkeep",
            config.maintenance_interval,
            upkeep_signal,
            move || {
                upkeep.round();
            },
        )
        .map_err(StartError::Thread)?;
        let watched = Arc::clone(&disk);
        let disk_checks = Rounds::start(
            "disk-monitor",
            config.disk_check_interval,
            Arc::default(),
            move || {
                watched.look();
                // Here, since a round of the upkeep may take long.
                expiring.expire(time.monotonic());
            },
        )
        .map_err(StartError::Thread)?;
        let stop = CancellationToken::new();
        let reconciling = TaskTracker::new().spawn(local.clone().run(stop.clone()));
        let operations = config.concurrent_shard_operations;
        Ok(Arc::new(Self {
            pressure: IndexingPressure::new(config.indexing_pressure_bytes),
            writes_under_way: WritesUnderWay::new(),
            blocking: BlockingWork::new(operations, operations),
            auto_ids: AutoIds::new(),
            contexts,
            disk,
            full,
            upkeep: Arc::new(upkeep),
            disk_checks: Arc::new(disk_checks),
            stop,
            reconciling: Mutex::new(Some(reconciling)),
            applied: applied_receiver,
            config,
            cluster,
            clock,
            local,
        }))
    }

    /// Closes every shard, which makes all that was written durable. Calls that come later fail. Calling it again does nothing.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.blocking.close();
        let threads = [Arc::clone(&self.upkeep), Arc::clone(&self.disk_checks)];
        if let Err(error) =
            tokio::task::spawn_blocking(move || threads.iter().for_each(|thread| thread.stop())).await
        {
            tracing::error!(%error, "stopping the background threads broke off");
        }
        let reconciling = self.reconciling.lock().take();
        if let Some(reconciling) = reconciling
            && let Err(error) = reconciling.await
        {
            tracing::error!(%error, "closing the shards broke off");
        }
    }

    /// The indices that `expression` names, in order of names.
    ///
    /// # Errors
    /// `index_not_found_exception`, `index_closed_exception` or `illegal_argument_exception`, as `options` say.
    pub fn resolve(
        &self,
        expression: &str,
        options: &ResolveOptions,
    ) -> Result<Vec<Arc<IndexMetadata>>, Exception> {
        resolve::resolve(&self.state(), expression, *options)
    }

    /// A shard that serves on this node.
    ///
    /// # Errors
    /// Retryable ones: `shard_not_found_exception`, `index_shard_not_started_exception`, `no_shard_available_action_exception`;
    /// `index_closed_exception` if its index is closed, `index_not_found_exception` if it is gone.
    pub fn shard(&self, id: &ShardId) -> Result<Arc<Shard>, Exception> {
        self.local.shards.get(id).map_err(|missing| {
            // Why is only asked for when there is no shard: this is on the path of every read of a follower.
            let state = self.state();
            match state.index_by_uuid(&id.index) {
                None => Exception::new(
                    ExceptionKind::IndexNotFound,
                    format!("no such index [{}]", id.index),
                ),
                Some(index) => match index.require_open() {
                    Err(closed) => closed,
                    Ok(())
                        if missing.kind() == ExceptionKind::ShardNotFound
                            && id.shard.get() < index.number_of_shards =>
                    {
                        Exception::new(
                            ExceptionKind::IndexShardNotStarted,
                            format!("shard {id} is not started"),
                        )
                        .with_index(&index.name)
                    }
                    Ok(()) => missing.with_index(&index.name),
                },
            }
        })
    }

    /// The shards of `index` in order, each if it serves.
    #[must_use]
    pub fn shards_of(&self, index: &IndexMetadata) -> Vec<Result<Arc<Shard>, Exception>> {
        index.shard_ids().map(|id| self.shard(&id)).collect()
    }

    /// The shards of the index that serve, in order.
    #[must_use]
    pub fn started_shards(&self, index: &IndexUuid) -> Vec<Arc<Shard>> {
        let state = self.state();
        let Some(index) = state.index_by_uuid(index) else {
            return Vec::new();
        };
        index
            .shard_ids()
            .filter(|id| !index.is_restoring(id.shard.get()))
            .filter_map(|id| self.local.shards.get(&id).ok())
            .collect()
    }

    /// Whether every shard of the index serves.
    #[must_use]
    pub fn shards_active(&self, index: &IndexUuid) -> bool {
        let state = self.state();
        state
            .index_by_uuid(index)
            .is_some_and(|index| all_started(&self.local.shards, index))
    }

    /// Whether a shard of `index` serves.
    #[must_use]
    pub fn shard_state(&self, index: &IndexMetadata, id: &ShardId) -> ShardState {
        if !index.is_open() {
            return ShardState::Closed;
        }
        match self.local.shards.state(id) {
            ShardState::Started if index.is_restoring(id.shard.get()) => ShardState::Initializing,
            state => state,
        }
    }

    /// The shards of an open index whose operations are damaged or gone, and why. They are closed, and only another copy can restore them.
    #[must_use]
    pub fn lost_shards(&self, index: &IndexMetadata) -> Vec<(ShardNumber, String)> {
        if !index.is_open() {
            return Vec::new();
        }
        index
            .shard_ids()
            .filter_map(|id| Some((id.shard, self.local.shards.lost(&id)?)))
            .collect()
    }

    /// Changes whenever a shard of this node starts, fails or is closed.
    #[must_use]
    pub fn watch_shards(&self) -> watch::Receiver<u64> {
        self.local.shards.watch()
    }

    /// Waits until every shard of the index serves; false if it does not within `timeout`, or the index is closed or gone.
    pub async fn wait_shards_active(&self, index: &IndexUuid, timeout: Duration) -> bool {
        let mut changes = self.watch_shards();
        let active = async {
            loop {
                if self.shards_active(index) {
                    return true;
                }
                if !self.is_open(index) || changes.changed().await.is_err() {
                    return false;
                }
            }
        };
        tokio::time::timeout(timeout, active).await.unwrap_or(false)
    }

    /// How long changes wait for the shards of this node to follow: as the request that runs says, or as the node is configured.
    #[must_use]
    pub fn ack_timeout(&self) -> Duration {
        Patience::ack_timeout().unwrap_or(self.config.ack_timeout)
    }

    /// As [`wait_applied`](Self::wait_applied), for as long as the request that runs says. One that does not want to wait is not acknowledged.
    pub(crate) async fn acknowledge_change(&self, version: u64) {
        let timeout = self.ack_timeout();
        if timeout.is_zero() || !self.wait_applied_for(version, timeout).await {
            Patience::set_late();
        }
    }

    fn is_open(&self, index: &IndexUuid) -> bool {
        self.state()
            .index_by_uuid(index)
            .is_some_and(|index| index.is_open())
    }

    /// The directory of a shard on this node, whether or not it exists.
    #[must_use]
    pub fn shard_dir(&self, id: &ShardId) -> PathBuf {
        self.local.shard_dir(id)
    }

    pub(crate) fn state(&self) -> Arc<ClusterState> {
        self.cluster.state()
    }

    /// Waits until this node's shards work by the cluster state of `version` or a newer one. False if that takes longer than the timeout.
    pub(crate) async fn wait_applied(&self, version: u64) -> bool {
        self.wait_applied_for(version, self.config.ack_timeout).await
    }

    async fn wait_applied_for(&self, version: u64, timeout: Duration) -> bool {
        let mut applied = self.applied.clone();
        let reached = applied.wait_for(|applied| *applied >= version);
        let in_time = tokio::time::timeout(timeout, reached)
            .await
            .is_ok_and(|reached| reached.is_ok());
        if !in_time {
            tracing::warn!(version, "cluster state has not been applied in time");
        }
        in_time
    }

    /// As [`wait_closed`](Self::wait_closed), for as long as the request that runs says.
    pub(crate) async fn acknowledge_closed(&self, index: &IndexUuid) {
        if !self.wait_closed_for(index, self.ack_timeout()).await {
            Patience::set_late();
        }
    }

    /// Waits until this node has nothing of the index open, or somebody opened it again. False if that takes longer than the timeout.
    pub async fn wait_closed(&self, index: &IndexUuid) -> bool {
        self.wait_closed_for(index, self.config.ack_timeout).await
    }

    async fn wait_closed_for(&self, index: &IndexUuid, timeout: Duration) -> bool {
        let mut changes = self.watch_shards();
        let closed = async {
            while !self.local.shards.has_none_of(index) && !self.is_open(index) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(timeout, closed).await.is_ok()
    }

    /// Refuses operations for a shard of `index` that could not be kept: the disk is too full, or takes no writes.
    ///
    /// # Errors
    /// `cluster_block_exception`, 429, which a follow task tries again.
    pub fn check_room(&self, id: &ShardId, index: &str) -> Result<(), Exception> {
        self.disk.check(index)?;
        match self.full.reason(id) {
            None => Ok(()),
            Some(reason) => Err(no_room(index, reason)),
        }
    }

    /// Has the background work on shards done now, instead of when its time comes.
    pub fn request_maintenance(&self) {
        self.upkeep.signal().request();
    }

    /// The dynamic settings whose defaults are those of this node, by key.
    #[must_use]
    pub fn setting_defaults(&self) -> Vec<(&'static str, String)> {
        IndicesSettings::defaults_of(&self.config.settings).into()
    }

    /// Whether the node stops, for work that takes long.
    pub(crate) fn upkeep_signal(&self) -> &Arc<Signal> {
        self.upkeep.signal()
    }

    /// Has a shard whose storage failed closed, and opened again after a pause. For failures that only its caller can know of, such as
    /// writes that did not become durable; what it meets itself a shard tells.
    pub fn report_broken(&self, id: &ShardId, reason: &str) {
        self.local
            .shards
            .mark_broken(id, &ShardFailure::new(ShardFailureKind::Storage, reason));
    }
}

/// Creates `dir`, which lies in `parent`, so that a crash does not take it away together with the shards in it.
fn create_durably(dir: &Path, parent: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    std::fs::File::open(parent)?.sync_all()
}

fn all_started(shards: &LocalShards, index: &IndexMetadata) -> bool {
    index.is_open()
        && !index.recovering
        && index
            .shard_ids()
            .all(|id| shards.state(&id) == ShardState::Started)
}
