//! The life of a follower index in metadata: restored, restored anew, turned into a normal index.

use std::collections::{BTreeMap, BTreeSet};

use es_exception::{Exception, ExceptionKind};
use index_meta::Settings;

use crate::change::CreateIndexChange;
use crate::index_metadata::{FOLLOWING_INDEX_SETTING, IndexState, SETTINGS_CHANGE_CUSTOM};
use crate::state::ClusterState;

/// Where metadata of cross-cluster replication is kept in [`custom`](crate::IndexMetadata::custom).
const CCR_CUSTOM: &str = "ccr";

/// Ends the restore of a follower: all of its shards exist from now on.
///
/// # Errors
/// `index_not_found_exception`.
pub fn finish_follower_recovery(state: &ClusterState, name: &str) -> Result<ClusterState, Exception> {
    state.modify_index(name, |index| {
        index.recovering = false;
        index.in_sync_shards = (0..index.number_of_shards).collect();
        Ok(())
    })
}

/// Starts the restore of a closed index anew: its data is to be thrown away, its uuid stays, it becomes open. Settings, mapping and custom metadata
/// are those of `change`; its name must be that of the index.
///
/// # Errors
/// `index_not_found_exception`; `snapshot_restore_exception` if the index is open or has another number of shards.
///
/// Source: Elasticsearch's `RestoreService`, which restores into a closed index and keeps its uuid.
pub fn reset_follower_for_recovery(
    state: &ClusterState,
    change: &CreateIndexChange,
) -> Result<ClusterState, Exception> {
    let name = &change.name;
    let existing = state.require_index(name)?;
    let refuse = |why: String| Exception::new(ExceptionKind::SnapshotRestore, why).with_index(name);
    if existing.is_open() {
        return Err(refuse(format!(
            "cannot restore index [{name}] because an open index with same name already exists in the cluster. \
             Either close or delete the existing index or restore the index under a different name"
        )));
    }
    // A scratch state checks and builds the new metadata as for a new index.
    let scratch = ClusterState::new(&state.cluster_name, &state.cluster_uuid);
    let built = super::create_index(
        &scratch,
        &CreateIndexChange {
            uuid: existing.uuid.clone(),
            ..change.clone()
        },
    )?;
    let built = built.require_index(name)?;
    if built.number_of_shards != existing.number_of_shards {
        return Err(refuse(format!(
            "cannot restore index [{name}] with [{}] shards from a source with [{}] shards",
            existing.number_of_shards, built.number_of_shards
        )));
    }
    state.modify_index(name, |index| {
        index.state = IndexState::Open;
        index.settings = built.settings.clone();
        index
            .settings
            .insert("index.creation_date", index.creation_date.to_string());
        index.mapping = built.mapping.clone();
        index.aliases = BTreeMap::new();
        index.custom = built.custom.clone();
        index.number_of_routing_shards = built.number_of_routing_shards;
        index.in_sync_shards = BTreeSet::new();
        index.recovering = true;
        Ok(())
    })
}

/// Has `shards` of the open follower `name` restored from its leader: their data is to be thrown away. The other shards keep theirs and serve.
///
/// # Errors
/// `index_not_found_exception`; `illegal_argument_exception` if the index is no follower, is closed, or is being restored already.
pub fn restore_follower_shards(
    state: &ClusterState,
    name: &str,
    shards: &[u32],
) -> Result<ClusterState, Exception> {
    let index = state.require_index(name)?;
    if !index.is_follower() || !index.is_open() || index.recovering {
        return Err(Exception::illegal_argument(format!(
            "shards of [{name}] cannot be restored from a leader: it is no open follower, or is being restored already"
        )));
    }
    state.modify_index(name, |index| {
        index.in_sync_shards.retain(|shard| !shards.contains(shard));
        index.recovering = true;
        Ok(())
    })
}

/// Turns the closed follower `name` into a normal index, which stays closed.
///
/// # Errors
/// `index_not_found_exception`; `illegal_argument_exception` if the index is no follower or is open. Source: ccr `unfollow`.
pub fn convert_follower(state: &ClusterState, name: &str) -> Result<ClusterState, Exception> {
    let index = state.require_index(name)?;
    if !index.is_follower() {
        return Err(Exception::illegal_argument(format!(
            "index [{name}] is not a follower index"
        )));
    }
    if index.is_open() {
        return Err(Exception::illegal_argument(format!(
            "cannot convert the follower index [{name}] to a non-follower, because it has not been closed"
        )));
    }
    state.modify_index(name, |index| {
        index.settings = without(&index.settings, FOLLOWING_INDEX_SETTING);
        index.custom.remove(CCR_CUSTOM);
        index.custom.remove(SETTINGS_CHANGE_CUSTOM);
        // The new owner of the history starts a term of its own, so that what it writes is told apart from what its leader wrote.
        for term in &mut index.primary_terms {
            *term = term.checked_next().ok_or_else(|| {
                Exception::new(
                    ExceptionKind::IllegalState,
                    format!("primary terms of [{name}] are used up"),
                )
            })?;
        }
        Ok(())
    })
}

fn without(settings: &Settings, key: &str) -> Settings {
    let mut settings = settings.clone();
    settings.remove(key);
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::close_indices;
    use crate::change::testing::{change, state_with_follower};

    #[test]
    fn a_follower_is_converted_when_closed_and_only_once() {
        let state = state_with_follower("f");
        assert!(state.index("f").unwrap().is_follower());
        assert_eq!(
            convert_follower(&state, "f").unwrap_err().kind(),
            ExceptionKind::IllegalArgument
        );
        let closed = close_indices(&state, &["f".into()]).unwrap();
        let normal = convert_follower(&closed, "f").unwrap();
        let index = normal.index("f").unwrap();
        assert!(!index.is_follower() && !index.is_open() && index.custom.is_empty());
        let before = closed.index("f").unwrap().settings_version;
        assert_eq!(
            (index.settings_version, index.primary_term(0).get()),
            (before + 1, 2)
        );
        assert_eq!(
            convert_follower(&normal, "f").unwrap_err().kind(),
            ExceptionKind::IllegalArgument
        );
    }

    #[test]
    fn some_shards_of_an_open_follower_are_restored_and_the_others_stay() {
        let mut request = change("f");
        request.settings.insert(FOLLOWING_INDEX_SETTING, "true");
        request.settings.insert("index.number_of_shards", "3");
        request.recovering = true;
        let state = ClusterState::new("c", "u");
        let new = crate::change::create_index(&state, &request).unwrap();
        assert!(
            restore_follower_shards(&new, "f", &[1]).is_err(),
            "it is being restored"
        );
        let whole = finish_follower_recovery(&new, "f").unwrap();
        let broken = restore_follower_shards(&whole, "f", &[1]).unwrap();
        let index = broken.index("f").unwrap();
        let restoring: Vec<bool> = (0..3).map(|shard| index.is_restoring(shard)).collect();
        assert_eq!((restoring, index.recovering), (vec![false, true, false], true));
        let closed = close_indices(&whole, &["f".into()]).unwrap();
        assert!(restore_follower_shards(&closed, "f", &[1]).is_err());
        let done = finish_follower_recovery(&broken, "f").unwrap();
        assert!(!done.index("f").unwrap().is_restoring(1));
    }

    #[test]
    fn a_closed_follower_is_restored_anew_under_its_uuid() {
        let state = finish_follower_recovery(&state_with_follower("f"), "f").unwrap();
        let mut request = change("f");
        request.settings.insert(FOLLOWING_INDEX_SETTING, "true");
        let refused = reset_follower_for_recovery(&state, &request).unwrap_err();
        assert_eq!(
            (refused.kind(), refused.status()),
            (ExceptionKind::SnapshotRestore, 500)
        );
        let closed = close_indices(&state, &["f".into()]).unwrap();
        let reset = reset_follower_for_recovery(&closed, &request).unwrap();
        let (before, after) = (state.index("f").unwrap(), reset.index("f").unwrap());
        assert_eq!(before.uuid, after.uuid);
        assert_eq!(after.settings.get_str("index.uuid"), Some(before.uuid.as_str()));
        assert!(after.recovering && after.is_open() && after.in_sync_shards.is_empty());
        assert!(close_indices(&reset, &["f".into()]).is_err());
        let done = finish_follower_recovery(&reset, "f").unwrap();
        assert!(done.index("f").unwrap().in_sync_shards.contains(&0));
        request.settings.insert("index.number_of_shards", "2");
        assert!(reset_follower_for_recovery(&closed, &request).is_err());
    }
}
