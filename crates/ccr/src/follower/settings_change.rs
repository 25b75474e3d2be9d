//! The mark on a follower that is closed for a moment, to take over settings that need that.
//!
//! It is stored before the index is closed and goes with the commit that opens it. So whoever finds it knows that nobody meant the index to stay closed,
//! also after the process ended in between (IM-1).

use std::collections::BTreeMap;

use cluster::{ClusterService, ClusterState, IndexMetadata, change};
use es_exception::Exception;

/// Key of the custom metadata that is the mark (our addition).
pub(crate) const SETTINGS_CHANGE_CUSTOM: &str = "ccr_settings_change";

/// Whether the follower is to be open again.
pub(crate) fn is_under_way(index: &IndexMetadata) -> bool {
    index.custom.contains_key(SETTINGS_CHANGE_CUSTOM)
}

/// Marks the follower `name`.
pub(crate) async fn begin(cluster: &ClusterService, name: &str) -> Result<(), Exception> {
    let mark = |state: &ClusterState| {
        let next = state.modify_index(name, |index| {
            let reopen = BTreeMap::from([("reopen".to_owned(), "true".to_owned())]);
            index.custom.insert(SETTINGS_CHANGE_CUSTOM.to_owned(), reopen);
            Ok(())
        })?;
        Ok((next, ()))
    };
    cluster.update("begin-settings-change", mark).await
}

/// Opens the followers that have the mark, and takes it from them. Their shards start after that.
pub(crate) async fn end(cluster: &ClusterService, names: &[String]) -> Result<(), Exception> {
    let reopen = |state: &ClusterState| {
        // One that was deleted meanwhile, or unfollowed, has no mark.
        let has_mark = |name: &&String| state.index(name).is_some_and(|index| is_under_way(index));
        let marked: Vec<_> = names.iter().filter(has_mark).cloned().collect();
        let mut next = change::open_indices(state, &marked)?;
        for name in &marked {
            next = next.modify_index(name, |index| {
                index.custom.remove(SETTINGS_CHANGE_CUSTOM);
                Ok(())
            })?;
        }
        Ok((next, ()))
    };
    cluster.update("end-settings-change", reopen).await
}

/// Opens every follower that a former process left closed. To be called before any follow task runs.
pub(crate) async fn end_former(cluster: &ClusterService) {
    let state = cluster.state();
    let left = state.indices.values().filter(|index| is_under_way(index));
    let names: Vec<_> = left.map(|index| index.name.clone()).collect();
    if names.is_empty() {
        return;
    }
    tracing::info!(followers = ?names, "the node ended while these followers were closed to change their settings: they are opened");
    if let Err(error) = end(cluster, &names).await {
        tracing::error!(followers = ?names, %error, "followers stay closed: open them");
    }
}
