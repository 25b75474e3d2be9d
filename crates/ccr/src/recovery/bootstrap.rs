//! Brings a new follower index from nothing to following: all shards are copied, then the follow tasks begin.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cluster::{ClusterService, IndexMetadata};
use es_exception::{Exception, ExceptionKind};
use futures::future::join_all;
use indices::IndicesService;
use oplog::{Clock, IndexUuid, ShardNumber};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transport::RemoteClusters;

use super::lease_keeper::RecoveryLease;
use super::progress::{Progress, RecoveryStage, ShardRecoveryStatus};
use super::shard_recovery::ShardRecovery;
use crate::follower::origin::{FollowerName, FollowerOrigin};
use crate::follower::tasks::start_following;
use crate::rate_limiter::RateLimiter;
use crate::settings_watch::SettingsWatch;

/// Shards that a node copies at a time.
const CONCURRENT_SHARDS: usize = 4;
/// After this many failed attempts whoever waits is told; trying goes on. Source: Elasticsearch tries an allocation 5 times.
const ATTEMPTS_TO_REPORT: u32 = 5;
/// Pause after the first failed attempt; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How a bootstrap came out, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BootstrapOutcome {
    /// It is still going on.
    Running,
    /// All shards serve and the follow tasks are there.
    Following,
    /// It failed. A failure that may pass is still being retried.
    Failed(Exception),
}

/// The bootstraps of this node, running and past.
#[derive(Debug)]
pub(crate) struct Bootstraps {
    deps: BootstrapDeps,
    limiter: Arc<RateLimiter>,
    slots: Arc<Semaphore>,
    entries: Mutex<BTreeMap<IndexUuid, Entry>>,
}

/// What bootstraps work with.
#[derive(Debug, Clone)]
pub(crate) struct BootstrapDeps {
    pub(crate) cluster: Arc<ClusterService>,
    pub(crate) indices: Arc<IndicesService>,
    pub(crate) remotes: Arc<RemoteClusters>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: SettingsWatch,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
    pub(crate) retention_lease_renew_interval: Duration,
}

#[derive(Debug)]
struct Entry {
    outcome: watch::Receiver<BootstrapOutcome>,
    progress: Vec<Arc<Progress>>,
    cancel: CancellationToken,
}

impl Bootstraps {
    pub(crate) fn new(deps: BootstrapDeps) -> Self {
        let limiter = Arc::new(RateLimiter::new(
            deps.settings.current().recovery_max_bytes_per_sec,
        ));
        let slots = Arc::new(Semaphore::new(CONCURRENT_SHARDS));
        Self {
            deps,
            limiter,
            slots,
            entries: Mutex::new(BTreeMap::new()),
        }
    }

    /// Starts the bootstrap of `index` unless one is known, and answers how to wait for its outcome.
    ///
    /// # Errors
    /// When the index's metadata does not say whom it follows.
    pub(crate) fn ensure(
        &self,
        index: &IndexMetadata,
    ) -> Result<watch::Receiver<BootstrapOutcome>, Exception> {
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.get(&index.uuid) {
            return Ok(entry.outcome.clone());
        }
        let origin = FollowerOrigin::require(index)?;
        let cancel = self.deps.shutdown.child_token();
        let (report, outcome) = watch::channel(BootstrapOutcome::Running);
        let bootstrap = self.plan(index, origin, report)?;
        let progress = bootstrap
            .shards
            .iter()
            .map(|shard| Arc::clone(&shard.progress))
            .collect();
        let stop = cancel.clone();
        self.deps.tasks.spawn(async move {
            let _ = stop.run_until_cancelled(bootstrap.run()).await;
        });
        entries.insert(
            index.uuid.clone(),
            Entry {
                outcome: outcome.clone(),
                progress,
                cancel,
            },
        );
        Ok(outcome)
    }

    /// Forgets what is known of an index, and stops its bootstrap: the index is gone, or begins anew.
    pub(crate) fn forget(&self, index: &IndexUuid) {
        if let Some(entry) = self.entries.lock().remove(index) {
            entry.cancel.cancel();
        }
    }

    /// Forgets the indices that `keep` does not want.
    pub(crate) fn retain(&self, keep: impl Fn(&IndexUuid) -> bool) {
        self.entries.lock().retain(|uuid, entry| {
            let kept = keep(uuid);
            if !kept {
                entry.cancel.cancel();
            }
            kept
        });
    }

    /// The recoveries of an index's shards, in shard order; empty if this node has recovered none since it started.
    pub(crate) fn status(&self, index: &IndexUuid) -> Vec<ShardRecoveryStatus> {
        let entries = self.entries.lock();
        entries.get(index).map_or_else(Vec::new, |entry| {
            entry.progress.iter().map(|shard| shard.status()).collect()
        })
    }

    fn plan(
        &self,
        index: &IndexMetadata,
        origin: FollowerOrigin,
        report: watch::Sender<BootstrapOutcome>,
    ) -> Result<Bootstrap, Exception> {
        let follower = FollowerName::of(index);
        let cluster_name = self.deps.cluster.state().cluster_name.clone();
        let lease = origin.lease_name(&cluster_name, &follower).lease_id()?;
        let settings = self.deps.settings.current();
        // Of a follower that lost some of its shards, the others stay as they are.
        let missing = index
            .shard_ids()
            .filter(|shard| index.is_restoring(shard.shard.get()));
        let shards = missing.map(|follower_shard| {
            let number = follower_shard.shard;
            Ok(ShardRecovery {
                remotes: Arc::clone(&self.deps.remotes),
                indices: Arc::clone(&self.deps.indices),
                clock: Arc::clone(&self.deps.clock),
                limiter: Arc::clone(&self.limiter),
                tasks: self.deps.tasks.clone(),
                settings: settings.clone(),
                alias: origin.remote_cluster.clone(),
                leader_index: origin.leader_index.clone(),
                leader_shard: origin.leader_shard(number),
                leader_history: origin.leader_history(number)?,
                follower_index: follower.name.clone(),
                follower_shard,
                lease: RecoveryLease {
                    remotes: Arc::clone(&self.deps.remotes),
                    alias: origin.remote_cluster.clone(),
                    shard: origin.leader_shard(number),
                    id: lease.clone(),
                    call_timeout: settings.recovery_internal_action_timeout,
                    renew_interval: self.deps.retention_lease_renew_interval,
                },
                progress: Arc::new(Progress::new(self.initial_status(&follower, &origin, number))),
            })
        });
        Ok(Bootstrap {
            shards: shards.collect::<Result<_, Exception>>()?,
            follower,
            origin,
            deps: self.deps.clone(),
            slots: Arc::clone(&self.slots),
            report,
        })
    }

    fn initial_status(
        &self,
        follower: &FollowerName,
        origin: &FollowerOrigin,
        shard: ShardNumber,
    ) -> ShardRecoveryStatus {
        ShardRecoveryStatus {
            index: follower.name.clone(),
            shard,
            remote_cluster: origin.remote_cluster.to_string(),
            leader_index: origin.leader_index.clone(),
            stage: RecoveryStage::Init,
            started: self.deps.clock.now(),
            stopped: None,
            attempts: 0,
            files_total: 0,
            files_recovered: 0,
            bytes_total: 0,
            files_reused: 0,
            bytes_recovered: 0,
            bytes_reused: 0,
            copying_since: None,
            target_throttle_time: Duration::ZERO,
            failure: None,
        }
    }
}

/// The bootstrap of one index.
#[derive(Debug)]
struct Bootstrap {
    follower: FollowerName,
    origin: FollowerOrigin,
    shards: Vec<ShardRecovery>,
    deps: BootstrapDeps,
    slots: Arc<Semaphore>,
    report: watch::Sender<BootstrapOutcome>,
}

impl Bootstrap {
    async fn run(self) {
        let recovered: Result<Vec<()>, Exception> =
            join_all(self.shards.iter().map(|shard| self.recover(shard)))
                .await
                .into_iter()
                .collect();
        let outcome = match recovered {
            Ok(_) => self.begin_following().await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => {
                tracing::info!(index = %self.follower.name, leader = %self.origin.leader_index, "follower index was bootstrapped");
                self.report.send_replace(BootstrapOutcome::Following);
            }
            Err(error) => {
                tracing::error!(index = %self.follower.name, leader = %self.origin.leader_index, %error,
                    "follower index cannot be bootstrapped; remove the cause, then delete or close it and follow again");
                self.report.send_replace(BootstrapOutcome::Failed(error));
            }
        }
    }

    /// Tries one shard until it serves, or until a failure comes that no retry can mend.
    async fn recover(&self, shard: &ShardRecovery) -> Result<(), Exception> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1_u32.. {
            let Ok(slot) = self.slots.acquire().await else {
                break;
            };
            let result = shard.run().await;
            drop(slot);
            let Err(error) = result else { return Ok(()) };
            shard.progress.failed(&error);
            if !is_worth_retrying(&error) {
                return Err(error);
            }
            tracing::warn!(index = %self.follower.name, shard = %shard.follower_shard.shard, attempt, %error,
                "copying a shard from its leader failed; trying again");
            if attempt >= ATTEMPTS_TO_REPORT {
                self.report.send_replace(BootstrapOutcome::Failed(error));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(Exception::new(
            ExceptionKind::NodeClosed,
            "the node is shutting down",
        ))
    }

    /// The end of the recovery and the begin of following are one commit: a crash leaves either a recovery that begins anew, or a follower that
    /// follows. Tried again until it is made, or the index is gone.
    async fn begin_following(&self) -> Result<(), Exception> {
        let mut pause = FIRST_PAUSE;
        loop {
            let committed = start_following(&self.deps.cluster, &self.origin, &self.follower).await;
            match committed {
                Err(error) if is_worth_retrying(&error) => {
                    tracing::warn!(index = %self.follower.name, %error, "following could not begin; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                committed => return committed,
            }
        }
    }
}

/// A broken copy, a lost session, a lease that came and went and a lost connection may all be different the next time.
fn is_worth_retrying(error: &Exception) -> bool {
    error.is_retryable()
        || matches!(
            error.kind(),
            ExceptionKind::IndexShardRestoreFailed
                | ExceptionKind::IllegalArgument
                | ExceptionKind::CorruptIndex
                | ExceptionKind::Exception
                | ExceptionKind::Engine
                | ExceptionKind::RetentionLeaseAlreadyExists
        )
}
