//! Opens and closes indices.

use es_exception::Exception;

use crate::block::{BlockLevel, check_block};
use crate::index_metadata::{IndexState, SETTINGS_CHANGE_CUSTOM};
use crate::state::ClusterState;

/// Opens `names`; those that are open stay so.
///
/// # Errors
/// `index_not_found_exception`, `cluster_block_exception`.
pub fn open_indices(state: &ClusterState, names: &[String]) -> Result<ClusterState, Exception> {
    set_state(state, names, IndexState::Open)
}

/// Closes `names`; those that are closed stay so.
///
/// # Errors
/// `index_not_found_exception`, `cluster_block_exception`; `illegal_argument_exception` for an index that is still being restored,
/// or that takes the writes of a data stream of this cluster's own.
pub fn close_indices(state: &ClusterState, names: &[String]) -> Result<ClusterState, Exception> {
    for name in names {
        // Source: Elasticsearch's RestoreService.restoringIndices guards close alike.
        if state.require_index(name)?.recovering {
            return Err(Exception::illegal_argument(format!(
                "Cannot close indices that are being restored: [{name}]"
            )));
        }
    }
    let takes_writes = |name: &&String| {
        // That of a replicated stream may be closed: it is the way to restore it from its leader anew.
        let stream = state.data_stream_of(name);
        stream.is_some_and(|(_, stream)| stream.write_index == **name && !stream.replicated)
    };
    let write_indices: Vec<&str> = names.iter().filter(takes_writes).map(String::as_str).collect();
    if !write_indices.is_empty() {
        return Err(Exception::illegal_argument(format!(
            "cannot close the following data stream write indices [{}]",
            write_indices.join(",")
        )));
    }
    set_state(state, names, IndexState::Close)
}

fn set_state(state: &ClusterState, names: &[String], wanted: IndexState) -> Result<ClusterState, Exception> {
    let mut next = state.clone();
    for name in names {
        check_block(state.require_index(name)?, BlockLevel::MetadataWrite)?;
        next = next.modify_index(name, |index| {
            index.set_state(wanted);
            // Whoever changes its settings just now does not undo what a user says.
            index.custom.remove(SETTINGS_CHANGE_CUSTOM);
            Ok(())
        })?;
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::change::testing::state_with;

    #[test]
    fn closing_twice_changes_once() {
        let state = state_with(&["a"]);
        let closed = close_indices(&state, &["a".into()]).unwrap();
        assert!(!closed.index("a").unwrap().is_open());
        assert!(closed.index("a").unwrap().require_open().is_err());
        let again = close_indices(&closed, &["a".into()]).unwrap();
        assert!(Arc::ptr_eq(again.index("a").unwrap(), closed.index("a").unwrap()));
        let open = open_indices(&again, &["a".into()]).unwrap();
        assert_eq!(
            (
                open.index("a").unwrap().version,
                open.index("a").unwrap().settings_version
            ),
            (3, 3)
        );
    }
}
