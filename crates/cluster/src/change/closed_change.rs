//! Changes settings that need a closed index: it is closed, changed, and opened again.
//!
//! The commit that closes the index puts a mark on it, and the commit that opens it takes the mark away. So whoever finds the mark knows that nobody meant
//! the index to stay closed, also after the process ended in between (IM-1). A user who closes or opens the index meanwhile takes the mark away too: what
//! was asked for last holds. Blocks that users put on the index do not hold the opening up.

use std::collections::BTreeMap;

use es_exception::{Exception, ExceptionKind};

use super::update_settings::{SettingsChange, update_index_settings};
use crate::index_metadata::{IndexMetadata, IndexState, SETTINGS_CHANGE_CUSTOM};
use crate::origin::Origin;
use crate::state::ClusterState;

/// Closes and marks the index `name`. False: a user has closed it, and it stays closed.
///
/// # Errors
/// `index_not_found_exception`; retryable for an index that is still being restored.
pub fn close_to_change_settings(state: &ClusterState, name: &str) -> Result<(ClusterState, bool), Exception> {
    let index = state.require_index(name)?;
    if !index.is_open() {
        return Ok((state.clone(), index.is_changing_settings()));
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
}

/// Changes the settings of an index that was closed for that, opens it and takes the mark from it. One that a user has closed meanwhile stays closed.
///
/// # Errors
/// Retryable if somebody opened the index meanwhile; what is wrong with the settings.
pub fn reopen_with_settings(
    state: &ClusterState,
    name: &str,
    change: &SettingsChange,
) -> Result<ClusterState, Exception> {
    let index = state.require_index(name)?;
    if index.is_open() {
        return Err(interrupted(name, "somebody opened the index meanwhile"));
    }
    // It was unfollowed meanwhile: what its former leader has is its own business no more.
    if change.origin == Origin::Ccr && !index.is_follower() {
        return Ok(state.clone());
    }
    let changed = change_closed_settings(state, name, change)?;
    if index.is_changing_settings() {
        open(&changed, name)
    } else {
        Ok(changed)
    }
}

/// Changes the settings of a closed index, which stays as it is otherwise.
///
/// # Errors
/// What is wrong with the settings.
pub fn change_closed_settings(
    state: &ClusterState,
    name: &str,
    change: &SettingsChange,
) -> Result<ClusterState, Exception> {
    if change.settings.is_empty() {
        return Ok(state.clone());
    }
    update_index_settings(state, &[name.to_owned()], change)
}

/// Opens every index that was closed to change its settings, for whoever did that is gone.
///
/// # Errors
/// None that a state brings about by itself.
pub fn reopen_all_changing_settings(state: &ClusterState) -> Result<ClusterState, Exception> {
    let left = state
        .indices
        .values()
        .filter(|index| index.is_changing_settings());
    let names: Vec<_> = left.map(|index| index.name.clone()).collect();
    names
        .iter()
        .try_fold(state.clone(), |next, name| open(&next, name))
}

fn open(state: &ClusterState, name: &str) -> Result<ClusterState, Exception> {
    state.modify_index(name, |index| {
        index.custom.remove(SETTINGS_CHANGE_CUSTOM);
        index.set_state(IndexState::Open);
        Ok(())
    })
}

fn interrupted(name: &str, why: &str) -> Exception {
    Exception::new(
        ExceptionKind::UnavailableShards,
        format!("the settings of the index [{name}] could not be changed: {why}"),
    )
}

impl IndexMetadata {
    /// Whether the index is closed only for as long as its settings are changed.
    #[must_use]
    pub fn is_changing_settings(&self) -> bool {
        self.custom.contains_key(SETTINGS_CHANGE_CUSTOM)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::change::testing::{state_with, state_with_follower};
    use crate::change::{
        close_indices, convert_follower, finish_follower_recovery, open_indices, parse_index_settings,
    };

    fn change(origin: Origin) -> SettingsChange {
        SettingsChange {
            settings: parse_index_settings(&json!({"codec": "best_compression"})).unwrap(),
            preserve_existing: false,
            origin,
        }
    }

    fn shown(state: &ClusterState) -> (bool, bool, bool) {
        let index = state.index("a").unwrap();
        (
            index.is_open(),
            index.is_changing_settings(),
            index.settings.get("index.codec").is_some(),
        )
    }

    fn names() -> [String; 1] {
        ["a".to_owned()]
    }

    #[test]
    fn an_index_is_closed_changed_and_opened() {
        let (closed, is_to_reopen) = close_to_change_settings(&state_with(&["a"]), "a").unwrap();
        assert_eq!((shown(&closed), is_to_reopen), ((false, true, false), true));
        // A second try goes on where the first one ended.
        assert!(close_to_change_settings(&closed, "a").unwrap().1);
        let reopened = reopen_with_settings(&closed, "a", &change(Origin::User)).unwrap();
        assert_eq!(shown(&reopened), (true, false, true));
        assert_eq!(
            shown(&reopen_all_changing_settings(&closed).unwrap()),
            (true, false, false)
        );
    }

    #[test]
    fn an_index_that_a_user_closes_meanwhile_stays_closed() {
        let follower = finish_follower_recovery(&state_with_follower("a"), "a").unwrap();
        for (state, origin) in [(state_with(&["a"]), Origin::User), (follower, Origin::Ccr)] {
            let (closed, _) = close_to_change_settings(&state, "a").unwrap();
            let by_user = close_indices(&closed, &names()).unwrap();
            assert_eq!(shown(&by_user), (false, false, false));
            let changed = reopen_with_settings(&by_user, "a", &change(origin)).unwrap();
            assert_eq!(shown(&changed), (false, false, true));
            assert_eq!(
                shown(&reopen_all_changing_settings(&by_user).unwrap()),
                (false, false, false)
            );
            // And one that was closed before is not touched.
            let before = close_indices(&state, &names()).unwrap();
            assert!(!close_to_change_settings(&before, "a").unwrap().1);
        }
    }

    #[test]
    fn an_index_that_a_user_opens_meanwhile_is_tried_again() {
        let (closed, _) = close_to_change_settings(&state_with(&["a"]), "a").unwrap();
        let by_user = open_indices(&closed, &names()).unwrap();
        assert_eq!(shown(&by_user), (true, false, false));
        let refused = reopen_with_settings(&by_user, "a", &change(Origin::User)).unwrap_err();
        assert!(refused.is_retryable(), "{refused}");
        let closed = close_indices(&by_user, &names()).unwrap();
        assert_eq!(shown(&closed), (false, false, false));
    }

    #[test]
    fn an_index_that_was_unfollowed_meanwhile_is_left_alone() {
        let state = finish_follower_recovery(&state_with_follower("a"), "a").unwrap();
        let (closed, _) = close_to_change_settings(&state, "a").unwrap();
        let normal = convert_follower(&closed, "a").unwrap();
        assert_eq!(shown(&normal), (false, false, false));
        let left = reopen_with_settings(&normal, "a", &change(Origin::Ccr)).unwrap();
        assert_eq!(shown(&left), (false, false, false));
    }
}
