//! Changes settings of a follower that need a closed index: it is closed, changed, and opened again.
//!
//! The commit that closes the index puts a mark on it, and the commit that opens it takes the mark away. So whoever finds the mark knows that nobody meant
//! the index to stay closed, also after the process ended in between (IM-1). Blocks that users put on the index do not hold replication up.

use std::collections::BTreeMap;

use cluster::change::{self, SettingsChange};
use cluster::{ClusterService, ClusterState, IndexMetadata, IndexState};
use es_exception::{Exception, ExceptionKind};
use index_meta::Settings;
use indices::{IndicesService, Origin};

/// Key of the custom metadata that is the mark (our addition).
pub(crate) const SETTINGS_CHANGE_CUSTOM: &str = "ccr_settings_change";

/// Whether the follower is to be open again.
pub(crate) fn is_under_way(index: &IndexMetadata) -> bool {
    index.custom.contains_key(SETTINGS_CHANGE_CUSTOM)
}

/// Applies `settings` to the follower, which is closed for that and opened again, unless a user has closed it. Ends as soon as the shards of an opened
/// index serve, or take long.
///
/// # Errors
/// Retryable, and to be repeated, when a commit fails or somebody opens the index meanwhile: until then the index may stay closed, but marked. What is
/// wrong with the settings; the index is open again then, with its former ones.
pub(crate) async fn close_apply_reopen(
    cluster: &ClusterService,
    indices: &IndicesService,
    follower: &IndexMetadata,
    settings: &Settings,
) -> Result<(), Exception> {
    let name = &follower.name;
    if !close(cluster, name).await? {
        return apply(cluster, name, settings).await;
    }
    if !indices.wait_closed(&follower.uuid).await {
        return Err(interrupted(name, "its shards are still being closed"));
    }
    match reopen(cluster, name, settings).await {
        Err(error) if !error.is_retryable() => {
            reopen(cluster, name, &Settings::new()).await?;
            Err(error)
        }
        reopened => {
            reopened?;
            indices
                .wait_shards_active(&follower.uuid, indices.ack_timeout())
                .await;
            Ok(())
        }
    }
}

fn interrupted(name: &str, why: &str) -> Exception {
    Exception::new(
        ExceptionKind::UnavailableShards,
        format!("the settings of the follower index [{name}] could not be changed: {why}"),
    )
}

/// Closes and marks the follower. `false`: a user has closed it, and it stays closed.
async fn close(cluster: &ClusterService, name: &str) -> Result<bool, Exception> {
    let close = |state: &ClusterState| {
        let index = state.require_index(name)?;
        if !index.is_open() {
            return Ok((state.clone(), is_under_way(index)));
        }
        if index.recovering {
            return Err(interrupted(name, "it is still being restored"));
        }
        let next = state.modify_index(name, |index| {
            let reopen = BTreeMap::from([("reopen".to_owned(), "true".to_owned())]);
            index.custom.insert(SETTINGS_CHANGE_CUSTOM.to_owned(), reopen);
            index.set_state(IndexState::Close);
            Ok(())
        })?;
        Ok((next, true))
    };
    cluster.update("close-follower-to-change-settings", close).await
}

async fn apply(cluster: &ClusterService, name: &str, settings: &Settings) -> Result<(), Exception> {
    let apply = |state: &ClusterState| Ok((with_settings(state, name, settings)?, ()));
    cluster.update("change-settings-of-follower", apply).await
}

/// Changes the settings, opens the index and takes the mark from it, in one commit.
async fn reopen(cluster: &ClusterService, name: &str, settings: &Settings) -> Result<(), Exception> {
    let reopen = |state: &ClusterState| {
        let index = state.require_index(name)?;
        if index.is_open() {
            return Err(interrupted(name, "somebody opened the index meanwhile"));
        }
        // An index that was unfollowed meanwhile has no mark, and stays as it is.
        if !is_under_way(index) {
            return Ok((state.clone(), ()));
        }
        Ok((open(&with_settings(state, name, settings)?, name)?, ()))
    };
    cluster.update("reopen-follower-with-settings", reopen).await
}

fn with_settings(state: &ClusterState, name: &str, settings: &Settings) -> Result<ClusterState, Exception> {
    if settings.is_empty() {
        return Ok(state.clone());
    }
    let change = SettingsChange {
        settings: settings.clone(),
        preserve_existing: false,
        origin: Origin::Ccr,
    };
    change::update_index_settings(state, &[name.to_owned()], &change)
}

fn open(state: &ClusterState, name: &str) -> Result<ClusterState, Exception> {
    state.modify_index(name, |index| {
        index.custom.remove(SETTINGS_CHANGE_CUSTOM);
        index.set_state(IndexState::Open);
        Ok(())
    })
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
    let reopen = |state: &ClusterState| {
        let left = state.indices.values().filter(|index| is_under_way(index));
        let names: Vec<_> = left.map(|index| index.name.clone()).collect();
        let next = names
            .iter()
            .try_fold(state.clone(), |next, name| open(&next, name))?;
        Ok((next, ()))
    };
    if let Err(error) = cluster.update("reopen-followers", reopen).await {
        tracing::error!(followers = ?names, %error, "followers stay closed: open them");
    }
}
