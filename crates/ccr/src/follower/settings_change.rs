//! Ends what a former process began: followers that it closed to change their settings are opened.

use cluster::change::reopen_all_changing_settings;
use cluster::{ClusterService, ClusterState};

/// Opens every index that a former process left closed. To be called before any follow task runs.
pub(crate) async fn end_former(cluster: &ClusterService) {
    let state = cluster.state();
    let left = state
        .indices
        .values()
        .filter(|index| index.is_changing_settings());
    let names: Vec<_> = left.map(|index| index.name.clone()).collect();
    if names.is_empty() {
        return;
    }
    tracing::info!(indices = ?names, "the node ended while these indices were closed to change their settings: they are opened");
    let reopen = |state: &ClusterState| Ok((reopen_all_changing_settings(state)?, ()));
    if let Err(error) = cluster.update("reopen-indices", reopen).await {
        tracing::error!(indices = ?names, %error, "indices stay closed: open them");
    }
}
