//! Keeps a follow task running for every persistent follow task of the cluster state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cluster::change::{NewPersistentTask, finish_follower_recovery, put_persistent_task};
use cluster::{ClusterService, ClusterState, PersistentTask};
use es_exception::Exception;
use follow_task::{
    FollowParameters, FollowTask, FollowTaskConfig, FollowTaskDriver, FollowTaskHandle, FollowTaskIdentity,
    FollowTaskPorts, InflightBudget, RawFollowParameters, ShardFollowTaskStatus,
};
use indices::IndicesService;
use oplog::{Clock, IndexUuid};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transport::{ClusterAlias, RemoteClusters};

use super::leader_link::RemoteLeaderShard;
use super::local_shard::LocalFollowerShard;
use super::metadata_sync::{IndexMetadataSync, SharedMetadataSync};
use super::origin::{FollowerName, FollowerOrigin, stored_parameters};
use super::tail_rate::TailRate;
use super::task_params::{SHARD_FOLLOW_TASK_NAME, ShardFollowTaskParams};
use crate::RetentionLeaseName;
use crate::settings::CcrSettings;
use crate::settings_watch::SettingsWatch;

/// The ids of an index's follow tasks, in shard order.
pub(crate) fn follow_task_ids(state: &ClusterState, index: &IndexUuid) -> BTreeSet<String> {
    let prefix = format!("{index}-");
    let tasks = state.persistent_tasks.values();
    tasks
        .filter(|task| task.task_name == SHARD_FOLLOW_TASK_NAME && task.id.starts_with(&prefix))
        .map(|task| task.id.clone())
        .collect()
}

/// The state with the follow tasks of all shards of a follower.
///
/// # Errors
/// Resource already exists if there is one already.
pub(crate) fn with_follow_tasks(
    state: ClusterState,
    origin: &FollowerOrigin,
    follower: &FollowerName,
    parameters: &RawFollowParameters,
) -> Result<ClusterState, Exception> {
    ShardFollowTaskParams::of_index(origin, follower, parameters)
        .into_iter()
        .try_fold(state, |state, params| {
            let task_name = SHARD_FOLLOW_TASK_NAME.to_owned();
            put_persistent_task(
                &state,
                NewPersistentTask {
                    id: params.task_id(),
                    task_name,
                    params: params.to_json(),
                },
            )
        })
}

/// Ends the recovery of a follower and puts its follow tasks, in one commit.
///
/// # Errors
/// Index not found if the follower is gone; illegal argument if it is no follower any more.
pub(crate) async fn start_following(
    cluster: &ClusterService,
    origin: &FollowerOrigin,
    follower: &FollowerName,
) -> Result<(), Exception> {
    cluster
        .update("start following", |state| {
            let index = state.index_by_uuid(&follower.uuid);
            let index = index.ok_or_else(|| Exception::index_not_found(&follower.name))?;
            FollowerOrigin::require(index)?;
            let parameters = stored_parameters(index);
            let next = finish_follower_recovery(state, &index.name)?;
            if !follow_task_ids(state, &follower.uuid).is_empty() {
                return Ok((next, ()));
            }
            Ok((with_follow_tasks(next, origin, follower, &parameters)?, ()))
        })
        .await
}

/// What follow tasks work with.
#[derive(Debug, Clone)]
pub(crate) struct FollowTaskDeps {
    pub(crate) cluster: Arc<ClusterService>,
    pub(crate) indices: Arc<IndicesService>,
    pub(crate) remotes: Arc<RemoteClusters>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) budget: Arc<InflightBudget>,
    pub(crate) settings: SettingsWatch,
    pub(crate) tracker: TaskTracker,
    pub(crate) shutdown: CancellationToken,
    pub(crate) retention_lease_renew_interval: Duration,
}

/// The follow tasks of this node.
#[derive(Debug)]
pub(crate) struct FollowTasks {
    deps: FollowTaskDeps,
    rate: Arc<TailRate>,
    running: Mutex<BTreeMap<String, Running>>,
    /// Tasks that are gone from the cluster state and have not ended yet.
    stopping: Mutex<Vec<(String, Running)>>,
    /// Version of the newest cluster state that [`reconcile`](Self::reconcile) has seen.
    reconciled: watch::Sender<u64>,
    /// Shared by the tasks of an index; gone with the last of them.
    metadata: Mutex<BTreeMap<IndexUuid, Weak<IndexMetadataSync>>>,
}

#[derive(Debug, Clone)]
struct Running {
    allocation_id: u64,
    handle: FollowTaskHandle,
}

impl FollowTasks {
    pub(crate) fn new(deps: FollowTaskDeps) -> Self {
        Self {
            rate: Arc::new(TailRate::new(Arc::clone(&deps.clock))),
            deps,
            running: Mutex::new(BTreeMap::new()),
            stopping: Mutex::default(),
            reconciled: watch::Sender::new(0),
            metadata: Mutex::new(BTreeMap::new()),
        }
    }

    /// Starts the tasks that `state` has and this node does not run, and stops those that are gone or were put anew.
    pub(crate) fn reconcile(&self, state: &ClusterState) {
        let auto_heal = CcrSettings::of(state).auto_heal;
        let mut running = self.running.lock();
        for task in running.values() {
            task.handle.set_auto_heal(auto_heal);
        }
        let wanted = |id: &String, task: &Running| {
            state
                .persistent_tasks
                .get(id)
                .is_some_and(|wanted| wanted.allocation_id == task.allocation_id)
        };
        let gone: Vec<String> = running
            .iter()
            .filter(|(id, task)| !wanted(id, task))
            .map(|(id, _)| id.clone())
            .collect();
        let mut stopping = self.stopping.lock();
        stopping.retain(|(_, task)| !task.handle.is_ended());
        for id in gone {
            if let Some(task) = running.remove(&id) {
                tracing::debug!(task = %id, "shard follow task stops");
                task.handle.cancel();
                stopping.push((id, task));
            }
        }
        drop(stopping);
        for task in state
            .persistent_tasks
            .values()
            .filter(|task| task.task_name == SHARD_FOLLOW_TASK_NAME)
        {
            if running.contains_key(&task.id) {
                continue;
            }
            match self.start(state, task) {
                Ok(handle) => {
                    running.insert(
                        task.id.clone(),
                        Running {
                            allocation_id: task.allocation_id,
                            handle,
                        },
                    );
                }
                Err(error) => tracing::error!(task = %task.id, %error, "shard follow task cannot start"),
            }
        }
        self.reconciled.send_replace(state.version);
    }

    /// Waits until this node has started and told to stop what the cluster state of now asks for: who is told that an index is followed finds its tasks.
    pub(crate) async fn wait_reconciled(&self) {
        let version = self.deps.cluster.state().version;
        let mut reconciled = self.reconciled.subscribe();
        let seen = reconciled.wait_for(|seen| *seen >= version);
        self.deps.shutdown.run_until_cancelled(seen).await;
    }

    /// Waits until these tasks, given by id and allocation and gone from the cluster state, have stopped and are not shown any more. A task of the
    /// same id that was put anew is not touched.
    pub(crate) async fn wait_stopped(&self, tasks: &BTreeMap<String, u64>) {
        // Until the change is seen here, an older state may still start one of them.
        self.wait_reconciled().await;
        let meant = |id: &str, task: &Running| tasks.get(id) == Some(&task.allocation_id);
        let handles: Vec<FollowTaskHandle> = {
            let running = self.running.lock();
            let stopping = self.stopping.lock();
            let all = running.iter().map(|(id, task)| (id.as_str(), task));
            let all = all.chain(stopping.iter().map(|(id, task)| (id.as_str(), task)));
            all.filter(|(id, task)| meant(id, task))
                .map(|(_, task)| task.handle.clone())
                .collect()
        };
        for handle in handles {
            handle.cancel();
            handle.wait().await;
        }
    }

    /// Total time for which reads were held back to keep the rate.
    pub(crate) fn throttle_time(&self) -> Duration {
        self.rate.throttled()
    }

    /// The state of every task, ordered by task id.
    pub(crate) fn status(&self) -> Vec<ShardFollowTaskStatus> {
        self.running
            .lock()
            .values()
            .map(|task| task.handle.status())
            .collect()
    }

    /// The lease period of the leader that a follower follows; `None` if it has no task or is not known yet.
    pub(crate) fn lease_period(&self, follower: &IndexUuid) -> Option<Duration> {
        let syncs = self.metadata.lock();
        syncs.get(follower).and_then(Weak::upgrade)?.lease_period()
    }

    fn start(&self, state: &ClusterState, task: &PersistentTask) -> Result<FollowTaskHandle, Exception> {
        let params = ShardFollowTaskParams::from_json(&task.params)?;
        let alias: ClusterAlias = params.remote_cluster.parse().map_err(|error| {
            Exception::illegal_argument(format!("remote cluster [{}]: {error}", params.remote_cluster))
        })?;
        let parameters = FollowParameters::try_from(params.parameters.clone())
            .map_err(|problems| Exception::illegal_argument(problems.join("; ")))?;
        let lease = RetentionLeaseName {
            follower_cluster: &state.cluster_name,
            follower_index: &params.follower_index,
            follower_index_uuid: params.follower_index_uuid.as_str(),
            remote_cluster: &params.remote_cluster,
            leader_index: &params.leader_index,
            leader_index_uuid: params.leader_index_uuid.as_str(),
        }
        .lease_id()?;
        let identity = FollowTaskIdentity {
            remote_cluster: params.remote_cluster.clone(),
            leader_index: params.leader_index.clone(),
            follower_index: params.follower_index.clone(),
            shard_id: params.shard,
        };
        let deps = &self.deps;
        let leader = RemoteLeaderShard {
            remotes: Arc::clone(&deps.remotes),
            alias: alias.clone(),
            shard: params.leader_shard(),
            history_uuid: params.leader_history_uuid.clone(),
            lease,
            rate: Arc::clone(&self.rate),
            settings: deps.settings.clone(),
        };
        let follower =
            LocalFollowerShard::new(Arc::clone(&deps.indices), params.follower_shard(), &deps.tracker);
        let ports = FollowTaskPorts {
            leader: Arc::new(leader),
            follower: Arc::new(follower),
            metadata: Arc::new(SharedMetadataSync(self.metadata_sync(&params, alias))),
            clock: Arc::clone(&deps.clock),
            budget: Arc::clone(&deps.budget),
        };
        // The seed only spreads the retries of many tasks over time.
        let core = FollowTask::new(FollowTaskConfig {
            identity,
            parameters,
            seed: task.allocation_id,
            retention_lease_renew_interval: deps.retention_lease_renew_interval,
            auto_heal: CcrSettings::of(state).auto_heal,
        });
        Ok(FollowTaskDriver::spawn(
            &deps.tracker,
            core,
            ports,
            deps.shutdown.child_token(),
        ))
    }

    fn metadata_sync(&self, params: &ShardFollowTaskParams, alias: ClusterAlias) -> Arc<IndexMetadataSync> {
        let mut syncs = self.metadata.lock();
        syncs.retain(|_, sync| sync.strong_count() > 0);
        // Versions of another leader, which the index followed until a moment ago, say nothing.
        let of_same_leader = |sync: &Arc<IndexMetadataSync>| {
            sync.leader_index_uuid == params.leader_index_uuid && sync.alias == alias
        };
        let present = syncs.get(&params.follower_index_uuid).and_then(Weak::upgrade);
        if let Some(sync) = present.filter(of_same_leader) {
            return sync;
        }
        let sync = Arc::new(IndexMetadataSync {
            remotes: Arc::clone(&self.deps.remotes),
            cluster: Arc::clone(&self.deps.cluster),
            indices: Arc::clone(&self.deps.indices),
            settings: self.deps.settings.clone(),
            alias,
            leader_index: params.leader_index.clone(),
            leader_index_uuid: params.leader_index_uuid.clone(),
            follower_index_uuid: params.follower_index_uuid.clone(),
            applied: tokio::sync::Mutex::default(),
            lease_period: parking_lot::Mutex::default(),
        });
        syncs.insert(params.follower_index_uuid.clone(), Arc::downgrade(&sync));
        sync
    }
}
