//! The entry: owns everything that replication runs on this node.

use std::sync::Arc;
use std::time::Duration;

use cluster::{ClusterService, ClusterState, Patience};
use es_exception::Exception;
use follow_task::{InflightBudget, RawFollowParameters};
use indices::{IndicesService, ResolveOptions};
use oplog::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transport::{ClusterAlias, ClusterMetadataRequest, IndexSummary, RemoteClusterInfo, RemoteClusters};

use crate::actions::auto_follow::{PreviewedIndex, PutAutoFollowPatternRequest};
use crate::actions::follow::{self, FollowRequest, FollowResponse};
use crate::actions::forget::{self, ForgetFollowerRequest, ForgetFollowerResponse};
use crate::actions::info::{self, FollowerInfo};
use crate::actions::stats::{self, IndexFollowStats};
use crate::actions::{self, pause, resume, unfollow};
use crate::auto_follow;
use crate::auto_follow::pattern::AutoFollowPattern;
use crate::auto_follow::stats::{AutoFollowRecorder, AutoFollowStats};
use crate::follower::settings_change;
use crate::follower::task_params::{SHARD_FOLLOW_TASK_NAME, ShardFollowTaskParams};
use crate::follower::tasks::{FollowTaskDeps, FollowTasks};
use crate::leader::LeaderSide;
use crate::mutant::Mutant;
use crate::recovery::{BootstrapDeps, Bootstraps, Rebuilds, ShardRecoveryStatus};
use crate::settings_watch::{SettingsWatch, remote_clusters};

/// How often the leader side looks after its sessions and leases.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(5);

/// What replication is built on.
#[derive(Debug, Clone)]
pub struct CcrDependencies {
    /// Cluster state.
    pub cluster: Arc<ClusterService>,
    /// Indices of this node.
    pub indices: Arc<IndicesService>,
    /// Connections to other clusters.
    pub remotes: Arc<RemoteClusters>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Bytes that all follow tasks may hold together.
    pub inflight_budget: Arc<InflightBudget>,
    /// How often retention leases are renewed: [`follow_task::DEFAULT_RETENTION_LEASE_RENEW_INTERVAL`] unless a test wants another.
    pub retention_lease_renew_interval: Duration,
}

/// Cross-cluster replication on this node.
///
/// All calls answer with [`Exception`]s as Elasticsearch's API names them. Dropping the future of a call does not undo what was
/// committed; a follow goes on in the background.
#[derive(Debug)]
pub struct CcrService {
    pub(crate) cluster: Arc<ClusterService>,
    pub(crate) indices: Arc<IndicesService>,
    pub(crate) remotes: Arc<RemoteClusters>,
    pub(crate) settings: SettingsWatch,
    pub(crate) bootstraps: Bootstraps,
    pub(crate) tasks: FollowTasks,
    pub(crate) tracker: TaskTracker,
    auto_follow: Arc<AutoFollowRecorder>,
    clock: Arc<dyn Clock>,
    leader: Arc<LeaderSide>,
    shutdown: CancellationToken,
}

impl CcrService {
    /// Starts replication: connects to the configured remote clusters, brings back the follow tasks and unfinished bootstraps that the
    /// cluster state has.
    pub fn start(deps: CcrDependencies) -> Arc<Self> {
        let CcrDependencies {
            cluster,
            indices,
            remotes,
            clock,
            inflight_budget,
            retention_lease_renew_interval,
        } = deps;
        let tracker = TaskTracker::new();
        let shutdown = CancellationToken::new();
        let settings = SettingsWatch::new(Arc::clone(&cluster));
        let bootstraps = Bootstraps::new(BootstrapDeps {
            cluster: Arc::clone(&cluster),
            indices: Arc::clone(&indices),
            remotes: Arc::clone(&remotes),
            clock: Arc::clone(&clock),
            settings: settings.clone(),
            tasks: tracker.clone(),
            shutdown: shutdown.clone(),
            retention_lease_renew_interval,
        });
        let tasks = FollowTasks::new(FollowTaskDeps {
            cluster: Arc::clone(&cluster),
            indices: Arc::clone(&indices),
            remotes: Arc::clone(&remotes),
            clock: Arc::clone(&clock),
            budget: inflight_budget,
            settings: settings.clone(),
            tracker: tracker.clone(),
            shutdown: shutdown.clone(),
            retention_lease_renew_interval,
        });
        let leader = Arc::new(LeaderSide::new(
            Arc::clone(&cluster),
            Arc::clone(&indices),
            Arc::clone(&clock),
        ));
        let service = Arc::new(Self {
            cluster,
            indices,
            remotes,
            settings,
            bootstraps,
            tasks,
            tracker,
            auto_follow: Arc::default(),
            clock: Arc::clone(&clock),
            leader,
            shutdown,
        });
        let states = service.cluster.watch();
        service
            .tracker
            .spawn(Arc::clone(&service).follow_cluster_state(states));
        service.tracker.spawn(Arc::clone(&service).maintain());
        service
            .tracker
            .spawn(Arc::clone(&service).rebuild_lost_shards(Arc::clone(&clock)));
        service.tracker.spawn(auto_follow::supervise(
            Arc::clone(&service),
            clock,
            Arc::clone(&service.auto_follow),
            service.shutdown.clone(),
        ));
        service
    }

    /// What this node offers to other clusters, for the transport server.
    pub fn leader_side(&self) -> Arc<LeaderSide> {
        Arc::clone(&self.leader)
    }

    /// Stops all follow tasks and bootstraps of this node, which leave their traces in the cluster state and come back with the next
    /// start, and waits for them.
    pub async fn shutdown(&self) {
        self.shutdown.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Creates a follower index. See [`FollowRequest`].
    ///
    /// The bootstrap goes on when this future is dropped.
    ///
    /// # Errors
    /// In this order, each leaving nothing behind: the request's own validation (400), unknown remote (404), remote that does not answer
    /// (400), missing or closed leader, settings that may not be overridden (400), name held by an open index (500).
    pub async fn follow(&self, request: FollowRequest) -> Result<FollowResponse, Exception> {
        follow::follow(self, request).await
    }

    /// Ends following for now; the data stays searchable and read-only.
    ///
    /// # Errors
    /// Index not found; illegal argument for an index that is no follower or is paused already.
    pub async fn pause_follow(&self, index: &str) -> Result<(), Exception> {
        pause::pause_follow(self, index).await
    }

    /// Follows again from where the follower stands. Parameters left out keep their values from before the pause.
    ///
    /// # Errors
    /// Index not found; illegal argument naming what differs between follower and leader; resource already exists.
    pub async fn resume_follow(&self, index: &str, parameters: RawFollowParameters) -> Result<(), Exception> {
        resume::resume_follow(self, index, parameters).await
    }

    /// Turns a paused, closed follower into an ordinary index and removes its leases from the leader.
    ///
    /// # Errors
    /// Index not found; illegal argument if it is open, followed or no follower; `exception` with
    /// `es.failed_to_remove_retention_leases` if the leader could not be reached, when the index is an ordinary one all the same.
    pub async fn unfollow(&self, index: &str) -> Result<(), Exception> {
        unfollow::unfollow(self, index).await
    }

    /// Removes a follower's leases from this leader index.
    ///
    /// # Errors
    /// Validation of the request; index not found. A shard without the lease is a failure within the response.
    pub async fn forget_follower(
        &self,
        leader_index: &str,
        request: ForgetFollowerRequest,
    ) -> Result<ForgetFollowerResponse, Exception> {
        forget::forget_follower(self, leader_index, request).await
    }

    /// Puts the auto-follow pattern `name`, or replaces it; it is active then. Indices that exist are never followed by it, unless the request says so.
    ///
    /// # Errors
    /// In this order: validation of name and request (400), settings that may not be overridden (400), unknown remote (404), remote that does not answer
    /// (400).
    pub async fn put_auto_follow_pattern(
        &self,
        name: &str,
        request: PutAutoFollowPatternRequest,
    ) -> Result<(), Exception> {
        actions::auto_follow::put(self, name, request).await
    }

    /// The auto-follow pattern `name`, or all of them, by name.
    ///
    /// # Errors
    /// Resource not found.
    pub fn auto_follow_patterns(
        &self,
        name: Option<&str>,
    ) -> Result<Vec<(String, AutoFollowPattern)>, Exception> {
        actions::auto_follow::get(self, name)
    }

    /// Removes an auto-follow pattern. Its followers go on following.
    ///
    /// # Errors
    /// Resource not found.
    pub async fn delete_auto_follow_pattern(&self, name: &str) -> Result<(), Exception> {
        actions::auto_follow::delete(self, name).await
    }

    /// Pauses an auto-follow pattern or takes it up again, which then follows what was created meanwhile.
    ///
    /// # Errors
    /// Resource not found. A pattern that is so already is no failure.
    pub async fn set_auto_follow_pattern_active(&self, name: &str, active: bool) -> Result<(), Exception> {
        actions::auto_follow::set_active(self, name, active).await
    }

    /// What a pattern would do if it were put now.
    ///
    /// # Errors
    /// As [`put_auto_follow_pattern`](Self::put_auto_follow_pattern).
    pub async fn preview_auto_follow(
        &self,
        request: PutAutoFollowPatternRequest,
    ) -> Result<Vec<PreviewedIndex>, Exception> {
        actions::auto_follow::preview(self, request).await
    }

    /// What the pattern `name` does with the indices that are there now.
    ///
    /// # Errors
    /// Resource not found; unknown remote (404), remote that does not answer (400).
    pub async fn preview_auto_follow_pattern(&self, name: &str) -> Result<Vec<PreviewedIndex>, Exception> {
        actions::auto_follow::preview_stored(self, name).await
    }

    /// What auto-following has done on this node since it started.
    pub fn auto_follow_stats(&self) -> AutoFollowStats {
        self.auto_follow.stats(self.clock.monotonic())
    }

    /// The followers among the indices that `expression` names.
    ///
    /// # Errors
    /// Index not found for a name without wildcard that does not exist.
    pub fn follow_info(&self, expression: &str) -> Result<Vec<FollowerInfo>, Exception> {
        info::follow_info(self, expression)
    }

    /// The follow tasks of the indices that `expression` names.
    ///
    /// # Errors
    /// Resource not found if names were given and no task matches.
    pub fn follow_stats(&self, expression: &str) -> Result<Vec<IndexFollowStats>, Exception> {
        stats::follow_stats(self, expression)
    }

    /// The recoveries of the shards of the indices that `expression` names, as far as this node ran them since it started.
    ///
    /// # Errors
    /// Index not found for a name that does not exist, as `options` say.
    pub fn recoveries(
        &self,
        expression: &str,
        options: &ResolveOptions,
    ) -> Result<Vec<ShardRecoveryStatus>, Exception> {
        let indices = self.indices.resolve(expression, options)?;
        Ok(indices
            .iter()
            .flat_map(|index| self.bootstraps.status(&index.uuid))
            .collect())
    }

    /// Total time for which reads of this node's follow tasks were held back to keep `ccr.tail.max_bytes_per_sec`.
    pub fn tail_throttle_time(&self) -> Duration {
        self.tasks.throttle_time()
    }

    /// The indices of a remote cluster, as it tells of them now.
    ///
    /// # Errors
    /// No such remote cluster; whatever keeps it from answering.
    pub async fn remote_indices(&self, alias: &ClusterAlias) -> Result<Vec<IndexSummary>, Exception> {
        let request = ClusterMetadataRequest {
            wait_for_version: None,
            timeout: Duration::ZERO,
        };
        let metadata = self.remotes.get(alias)?.cluster_metadata(request).await?;
        Ok(metadata.indices)
    }

    /// Waits until this node has done what the cluster state of now asks of replication: remote clusters are configured, follow tasks started and told to
    /// stop. What a change of settings configures here is there once it is acknowledged. Waits as long as the request that runs says, which is not
    /// acknowledged after that; not at all when the service stops.
    ///
    /// Cancel safe.
    pub async fn wait_until_applied(&self) {
        let within = self.indices.ack_timeout();
        let applied = self.tasks.wait_reconciled();
        if within.is_zero() || tokio::time::timeout(within, applied).await.is_err() {
            Patience::set_late();
        }
    }

    /// The remote clusters and how they are connected.
    pub fn remote_info(&self) -> Vec<RemoteClusterInfo> {
        self.remotes.info()
    }

    /// Looks after follower shards that are damaged or gone, whenever a shard or the cluster state changes and when a retry is due.
    async fn rebuild_lost_shards(self: Arc<Self>, clock: Arc<dyn Clock>) {
        let (mut shards, mut states) = (self.indices.watch_shards(), self.cluster.watch());
        let mut rebuilds = Rebuilds::default();
        loop {
            shards.mark_unchanged();
            states.mark_unchanged();
            let look = rebuilds.look(&self, clock.as_ref());
            let Some(again) = self.shutdown.run_until_cancelled(look).await else {
                return;
            };
            tokio::select! {
                changed = shards.changed() => if changed.is_err() { return },
                changed = states.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(again.unwrap_or_default()), if again.is_some() => {}
                () = self.shutdown.cancelled() => return,
            }
        }
    }

    /// Applies every cluster state: remote clusters, bootstraps, follow tasks.
    async fn follow_cluster_state(self: Arc<Self>, mut states: watch::Receiver<Arc<ClusterState>>) {
        settings_change::end_former(&self.cluster).await;
        loop {
            let state = Arc::clone(&states.borrow_and_update());
            self.apply(&state).await;
            match self.shutdown.run_until_cancelled(states.changed()).await {
                Some(Ok(())) => {}
                _ => return,
            }
        }
    }

    async fn apply(&self, state: &ClusterState) {
        match remote_clusters(state) {
            Ok(wanted) => self.remotes.apply(wanted),
            Err(error) => tracing::error!(%error, "remote clusters keep their former settings"),
        }
        self.tasks.reconcile(state);
        self.bootstraps.retain(|uuid| state.index_by_uuid(uuid).is_some());
        for index in state.indices.values().filter(|index| index.recovering) {
            if let Err(error) = self.bootstraps.ensure(index) {
                tracing::error!(index = %index.name, %error, "follower index cannot be bootstrapped");
            }
        }
        self.remove_orphaned_tasks(state).await;
    }

    /// A follower that was deleted leaves its tasks behind.
    async fn remove_orphaned_tasks(&self, state: &ClusterState) {
        let gone = |state: &ClusterState, params: &ShardFollowTaskParams| {
            state.index_by_uuid(&params.follower_index_uuid).is_none()
                || (Mutant::CleansLiveTasks.is_on() && self.indices.shard(&params.follower_shard()).is_err())
        };
        let orphaned = |state: &ClusterState, task: &cluster::PersistentTask| {
            task.task_name == SHARD_FOLLOW_TASK_NAME
                && ShardFollowTaskParams::from_json(&task.params).is_ok_and(|params| gone(state, &params))
        };
        if !state.persistent_tasks.values().any(|task| orphaned(state, task)) {
            return;
        }
        let removed = self
            .cluster
            .update("remove orphaned follow tasks", |state| {
                let mut next = state.clone();
                next.persistent_tasks.retain(|_, task| !orphaned(state, task));
                Ok((next, ()))
            })
            .await;
        if let Err(error) = removed {
            tracing::warn!(%error, "follow tasks of deleted indices could not be removed; trying again with the next change");
        }
    }

    async fn maintain(self: Arc<Self>) {
        while self
            .shutdown
            .run_until_cancelled(tokio::time::sleep(MAINTENANCE_INTERVAL))
            .await
            .is_some()
        {
            let leader = Arc::clone(&self.leader);
            if let Err(failure) = tokio::task::spawn_blocking(move || leader.maintain()).await {
                tracing::error!(%failure, "upkeep of sessions and leases failed");
            }
        }
    }
}
