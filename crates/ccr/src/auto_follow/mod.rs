//! Auto-follow: indices of remote clusters that match patterns are followed by themselves.
//!
//! ```text
//! pattern, verdict, retries, stats: pure      metadata: patterns in the cluster state
//! worker: one for each remote cluster with active patterns; asks for its metadata by long poll, judges, follows, notes
//! supervisor: keeps the workers that the patterns call for
//! ```
//!
//! Source: Elasticsearch's auto-follow coordinator. Beyond it: existing indices on demand, retries on a timer, and a preview.

pub(crate) mod metadata;
pub(crate) mod pattern;
mod retries;
pub(crate) mod stats;
pub(crate) mod verdict;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use oplog::Clock;
use tokio_util::sync::{CancellationToken, DropGuard};
use transport::ClusterAlias;

use crate::service::CcrService;
use stats::AutoFollowRecorder;
use worker::Worker;

/// Keeps a worker running for each remote cluster that has an active pattern, until the node stops.
pub(crate) async fn supervise(
    service: Arc<CcrService>,
    clock: Arc<dyn Clock>,
    recorder: Arc<AutoFollowRecorder>,
    shutdown: CancellationToken,
) {
    let mut states = service.cluster.watch();
    // Dropping a guard ends the worker.
    let mut workers: BTreeMap<ClusterAlias, DropGuard> = BTreeMap::new();
    loop {
        let state = Arc::clone(&states.borrow_and_update());
        let patterns = metadata::patterns(&state);
        recorder.retain(|name| patterns.contains_key(name));
        let active = patterns.values().filter(|stored| stored.pattern.active);
        let wanted: BTreeSet<&ClusterAlias> = active.map(|stored| &stored.pattern.remote_cluster).collect();
        recorder.watches(wanted.iter().map(ToString::to_string));
        workers.retain(|alias, _| wanted.contains(alias));
        for alias in wanted {
            workers.entry(alias.clone()).or_insert_with(|| {
                let worker = Worker::new(
                    Arc::clone(&service),
                    Arc::clone(&clock),
                    Arc::clone(&recorder),
                    alias.clone(),
                );
                let stop = shutdown.child_token();
                let guard = stop.clone().drop_guard();
                service
                    .tracker
                    .spawn(async move { stop.run_until_cancelled_owned(worker.run()).await });
                guard
            });
        }
        let changed = async {
            let is_changed = |new: &Arc<cluster::ClusterState>| !Arc::ptr_eq(&new.customs, &state.customs);
            states.wait_for(is_changed).await.is_ok()
        };
        if shutdown.run_until_cancelled(changed).await != Some(true) {
            return;
        }
    }
}
