//! Brings the shards of this node in line with cluster state, again and again.
//!
//! Each round compares what cluster state wants with what the node has, starts jobs for the difference, and ends when a job does or the state changes.
//! A shard that a job works on is left alone until the job ends; then the next round looks at it. So every state change may come at any
//! time, and a round that is repeated does nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cluster::{ClusterService, ClusterState, IndexMetadata, change};
use index_meta::IndexSettings;
use oplog::{HistoryUuid, IndexUuid, ShardId, ShardNumber};
use shard::{Shard, ShardConfig, ShardError, ShardFailure, ShardFailureKind, ShardServices};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::registry::{LocalShards, Phase, role};

/// Shortest wait for a failed shard to be due.
const SHORTEST_SLEEP: Duration = Duration::from_millis(50);

/// What the reconciler and its jobs share.
#[derive(Debug, Clone)]
pub(crate) struct Reconciler {
    pub(crate) cluster: Arc<ClusterService>,
    pub(crate) services: ShardServices,
    pub(crate) indices_dir: PathBuf,
    pub(crate) shards: Arc<LocalShards>,
    /// Bounds how many shards are opened at once.
    pub(crate) open_permits: Arc<Semaphore>,
    /// The version of the cluster state that has been compared last; its jobs may still run.
    pub(crate) applied: Arc<watch::Sender<u64>>,
    /// Asks for another round.
    pub(crate) kick: Arc<Notify>,
}

enum JobEnd {
    Opened(Vec<(ShardId, Opened)>),
    Closed(ShardId),
    Deleted(IndexUuid, std::io::Result<()>),
}

type Opened = Result<Arc<Shard>, ShardFailure>;

#[derive(Default)]
struct Known {
    /// Indices of the last state, to see which are gone.
    indices: HashSet<IndexUuid>,
    /// Deleted indices whose directory is still to be removed.
    to_delete: HashSet<IndexUuid>,
    deleting: HashSet<IndexUuid>,
}

impl Reconciler {
    /// Runs until `stop`, then closes every shard.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut states = self.cluster.watch();
        let mut jobs = JoinSet::new();
        let mut known = Known::default();
        self.find_leftovers(&states.borrow(), &mut known);
        loop {
            let state = Arc::clone(&states.borrow_and_update());
            self.round(&state, &mut known, &mut jobs);
            self.applied.send_replace(state.version);
            // A shard that is due and is not opened all the same, since its index is being restored, must not keep this busy.
            let next_retry = self.shards.next_retry().map(|pause| pause.max(SHORTEST_SLEEP));
            tokio::select! {
                changed = states.changed() => {
                    if changed.is_err() {
                        break;
                    }
                }
                Some(ended) = jobs.join_next() => {
                    self.finish(ended, &mut known);
                    // A round looks at every shard, so one serves all jobs that ended meanwhile.
                    while let Some(ended) = jobs.try_join_next() {
                        self.finish(ended, &mut known);
                    }
                }
                () = self.kick.notified() => {}
                () = tokio::time::sleep(next_retry.unwrap_or_default()), if next_retry.is_some() => {}
                () = stop.cancelled() => break,
            }
        }
        self.close_all(jobs, known).await;
    }

    fn round(&self, state: &ClusterState, known: &mut Known, jobs: &mut JoinSet<JobEnd>) {
        let wanted: HashMap<&IndexUuid, &Arc<IndexMetadata>> =
            state.indices.values().map(|index| (&index.uuid, index)).collect();
        for id in self.shards.ids() {
            match wanted.get(&id.index) {
                Some(index) if index.is_open() => self.keep(&id, index, jobs),
                _ => self.close(&id, jobs),
            }
        }
        for index in state.indices.values().filter(|index| index.is_open()) {
            self.open_missing(index, jobs);
        }
        let gone = known
            .indices
            .iter()
            .filter(|uuid| !wanted.contains_key(uuid))
            .cloned();
        known.to_delete.extend(gone.collect::<Vec<_>>());
        known.indices = wanted.into_keys().cloned().collect();
        self.delete_directories(known, jobs);
    }

    fn keep(&self, id: &ShardId, index: &Arc<IndexMetadata>, jobs: &mut JoinSet<JobEnd>) {
        if let Some(Phase::Broken { failure }) = self.shards.phase(id) {
            tracing::error!(shard = %id, index = %index.name, reason = %failure, "shard failed and is closed");
            let shard = self.shards.begin_close_failed(id, failure);
            Self::close_in_job(id, shard, jobs);
            return;
        }
        if let Err(error) = self.shards.apply(id, index) {
            tracing::error!(shard = %id, index = %index.name, %error, "shard cannot take over new metadata");
        }
    }

    fn close(&self, id: &ShardId, jobs: &mut JoinSet<JobEnd>) {
        Self::close_in_job(id, self.shards.begin_close(id), jobs);
    }

    fn close_in_job(id: &ShardId, claimed: Option<Option<Arc<Shard>>>, jobs: &mut JoinSet<JobEnd>) {
        let Some(shard) = claimed else { return };
        let id = id.clone();
        jobs.spawn(async move {
            if let Some(shard) = shard {
                close_shard(&id, shard).await;
            }
            JobEnd::Closed(id)
        });
    }

    fn open_missing(&self, index: &Arc<IndexMetadata>, jobs: &mut JoinSet<JobEnd>) {
        let mut missing = Vec::new();
        for id in index.shard_ids() {
            if index.is_restoring(id.shard.get()) {
                continue;
            }
            if self.shards.wants_opening(&id, index.version) && self.shards.begin_open(&id, index) {
                missing.push(id);
            }
        }
        if !missing.is_empty() {
            let (this, index) = (self.clone(), Arc::clone(index));
            jobs.spawn(async move { JobEnd::Opened(this.open_shards(index, missing).await) });
        }
    }

    /// Opens or creates shards of one index. A created one serves only after cluster state says that it exists: from then on it is never created
    /// again, whatever happens to its directory.
    async fn open_shards(&self, index: Arc<IndexMetadata>, ids: Vec<ShardId>) -> Vec<(ShardId, Opened)> {
        let mut opening = JoinSet::new();
        for id in ids.iter().cloned() {
            let permits = Arc::clone(&self.open_permits);
            let (index, services, dir) = (Arc::clone(&index), self.services.clone(), self.shard_dir(&id));
            opening.spawn(async move {
                let permit = permits
                    .acquire_owned()
                    .await
                    .map_err(|_| other_failure("the node is shutting down"));
                let job_id = id.clone();
                let result = match permit {
                    Ok(permit) => tokio::task::spawn_blocking(move || {
                        let result = open_or_create(&index, &job_id, dir, services);
                        drop(permit);
                        result
                    })
                    .await
                    .unwrap_or_else(|error| Err(broke_off(&error))),
                    Err(failure) => Err(failure),
                };
                (id, result)
            });
        }
        let mut results = BTreeMap::new();
        while let Some(joined) = opening.join_next().await {
            if let Ok((id, result)) = joined {
                results.insert(id, result);
            }
        }
        self.mark_in_sync(&index, &mut results).await;
        let broke_off = || Err(other_failure("opening broke off"));
        ids.into_iter()
            .map(|id| {
                let result = results.remove(&id).unwrap_or_else(broke_off);
                (id, result)
            })
            .collect()
    }

    async fn mark_in_sync(&self, index: &IndexMetadata, results: &mut BTreeMap<ShardId, Opened>) {
        let is_new = |id: &ShardId| !index.in_sync_shards.contains(&id.shard.get());
        let created: Vec<_> = results
            .iter()
            .filter(|(id, result)| result.is_ok() && is_new(id))
            .map(|(id, _)| id.shard.get())
            .collect();
        if created.is_empty() {
            return;
        }
        let source = format!("shards started [{}]", index.name);
        let marked = self
            .cluster
            .update(&source, |state| {
                Ok((change::mark_shards_in_sync(state, &index.uuid, &created)?, ()))
            })
            .await;
        if let Err(error) = marked {
            for shard in created {
                let id = ShardId::new(index.uuid.clone(), ShardNumber::new(shard));
                if let Some(Ok(shard)) = results.insert(id.clone(), Err(other_failure(error.to_string()))) {
                    close_shard(&id, shard).await;
                }
            }
        }
    }

    fn finish(&self, ended: Result<JobEnd, tokio::task::JoinError>, known: &mut Known) {
        match ended {
            Ok(JobEnd::Opened(results)) => {
                for (id, result) in results {
                    if let Err(failure) = &result {
                        tracing::error!(shard = %id, kind = ?failure.kind, reason = %failure, "shard cannot be opened");
                    }
                    self.shards.finish_open(&id, result);
                }
            }
            Ok(JobEnd::Closed(id)) => self.shards.finish_close(&id),
            Ok(JobEnd::Deleted(index, result)) => {
                known.deleting.remove(&index);
                if let Err(error) = result {
                    // The tombstone in cluster state lets the next start of the node try again.
                    tracing::warn!(%index, %error, "directory of a deleted index cannot be removed");
                }
            }
            Err(error) => tracing::error!(%error, "a job on a shard broke off"),
        }
    }

    fn delete_directories(&self, known: &mut Known, jobs: &mut JoinSet<JobEnd>) {
        let ready: Vec<_> = known
            .to_delete
            .iter()
            .filter(|index| self.shards.has_none_of(index))
            .cloned()
            .collect();
        for index in ready {
            known.to_delete.remove(&index);
            if known.deleting.insert(index.clone()) {
                let dir = self.indices_dir.join(index.as_str());
                jobs.spawn(async move {
                    let removed = tokio::task::spawn_blocking(move || remove_dir(&dir)).await;
                    JobEnd::Deleted(
                        index,
                        removed.unwrap_or_else(|error| Err(std::io::Error::other(error))),
                    )
                });
            }
        }
    }

    /// Directories of indices that were deleted while this node was down. A directory that nobody deleted is kept: it may be the only copy of data
    /// whose cluster state was lost.
    fn find_leftovers(&self, state: &ClusterState, known: &mut Known) {
        let Ok(entries) = std::fs::read_dir(&self.indices_dir) else {
            return;
        };
        for name in entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
            let Ok(uuid) = name.parse::<IndexUuid>() else {
                continue;
            };
            if state.index_by_uuid(&uuid).is_some() {
                continue;
            }
            if state
                .index_graveyard
                .iter()
                .any(|tombstone| tombstone.uuid == uuid)
            {
                known.to_delete.insert(uuid);
            } else {
                tracing::warn!(index = %uuid, "directory of an unknown index is left alone");
            }
        }
    }

    async fn close_all(&self, mut jobs: JoinSet<JobEnd>, mut known: Known) {
        self.open_permits.close();
        while let Some(ended) = jobs.join_next().await {
            self.finish(ended, &mut known);
        }
        for id in self.shards.ids() {
            self.close(&id, &mut jobs);
        }
        while let Some(ended) = jobs.join_next().await {
            self.finish(ended, &mut known);
        }
    }

    pub(crate) fn shard_dir(&self, id: &ShardId) -> PathBuf {
        self.indices_dir
            .join(id.index.as_str())
            .join(id.shard.to_string())
    }
}

/// What a shard of `index` is opened with.
pub(crate) fn shard_config(
    index: &IndexMetadata,
    id: &ShardId,
    dir: PathBuf,
) -> Result<ShardConfig, ShardFailure> {
    let settings =
        IndexSettings::from_settings(&index.settings).map_err(|error| other_failure(error.to_string()))?;
    Ok(ShardConfig {
        shard_id: id.clone(),
        index_name: index.name.clone(),
        dir,
        role: role(index),
        primary_term: index.primary_term(id.shard.get()),
        settings: Arc::new(settings),
        mapping: Arc::clone(&index.mapping),
        mapping_version: index.mapping_version,
    })
}

/// Something that may be different the next time.
fn other_failure(reason: impl Into<String>) -> ShardFailure {
    ShardFailure::new(ShardFailureKind::Storage, reason)
}

/// A job on a shard that panicked or was given up.
pub(crate) fn broke_off(error: &tokio::task::JoinError) -> ShardFailure {
    other_failure(format!("opening broke off: {error}"))
}

/// Why a shard could not be opened.
pub(crate) fn open_failure(error: &ShardError) -> ShardFailure {
    error
        .failure()
        .unwrap_or_else(|| other_failure(es_exception::Exception::from(error).to_string()))
}

fn open_or_create(index: &IndexMetadata, id: &ShardId, dir: PathBuf, services: ShardServices) -> Opened {
    let config = shard_config(index, id, dir.clone())?;
    if index.in_sync_shards.contains(&id.shard.get()) {
        if !dir.is_dir() {
            let reason = format!("the shard's data is missing: [{}] does not exist", dir.display());
            return Err(ShardFailure::new(ShardFailureKind::Missing, reason));
        }
        return Shard::open(config, services).map_err(|error| open_failure(&error));
    }
    // Never started before: what lies here is the rest of a creation that broke off, and holds nothing that was acknowledged.
    prepare_empty_dir(&dir)
        .map_err(|error| other_failure(format!("[{}] cannot be prepared: {error}", dir.display())))?;
    Shard::create(config, HistoryUuid::generate(), services).map_err(|error| open_failure(&error))
}

/// Makes `dir` exist, empty and durably so.
pub(crate) fn prepare_empty_dir(dir: &Path) -> std::io::Result<()> {
    remove_dir(dir)?;
    std::fs::create_dir_all(dir)?;
    // Each entry lies in its parent: the shard's directory in that of its index, that one in the directory of all indices, which the start of the
    // node made durable.
    for parent in dir.ancestors().skip(1).take(2) {
        std::fs::File::open(parent)?.sync_all()?;
    }
    Ok(())
}

fn remove_dir(dir: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

async fn close_shard(id: &ShardId, shard: Arc<Shard>) {
    let closed = tokio::task::spawn_blocking(move || shard.close().map_err(|error| error.to_string())).await;
    match closed {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(shard = %id, error, "shard was not closed cleanly"),
        Err(error) => tracing::error!(shard = %id, %error, "closing a shard broke off"),
    }
}
