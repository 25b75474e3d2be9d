//! Deletes indices.

use es_exception::Exception;
use oplog::UnixMillis;

use crate::block::check_delete_block;
use crate::state::{ClusterState, IndexTombstone};

/// Removes the indices `names`, and remembers that they were deleted.
///
/// # Errors
/// `index_not_found_exception`; `cluster_block_exception` for a block on metadata; `illegal_argument_exception` for an index that takes the writes of a
/// data stream.
pub fn delete_indices(
    state: &ClusterState,
    names: &[String],
    now: UnixMillis,
) -> Result<ClusterState, Exception> {
    let mut next = state.clone();
    for name in names {
        check_deletable(state, name)?;
        remove_index(&mut next, name, now);
    }
    Ok(next)
}

/// Fails if the index `name` may not be deleted by itself.
pub(super) fn check_deletable(state: &ClusterState, name: &str) -> Result<(), Exception> {
    check_delete_block(state.require_index(name)?)?;
    match state.data_stream_of(name) {
        Some((stream, held)) if held.write_index == name => Err(Exception::illegal_argument(format!(
            "index [{name}] is the write index for data stream [{stream}] and cannot be deleted"
        ))),
        _ => Ok(()),
    }
}

/// Takes an index out of the state and of the data stream that it backs, if it is there.
pub(super) fn remove_index(next: &mut ClusterState, name: &str, now: UnixMillis) {
    let Some(index) = next.indices.remove(name) else {
        return;
    };
    let left = next
        .data_stream_of(name)
        .map(|(stream, held)| (stream.to_owned(), held.without(name)));
    if let Some((stream, left)) = left {
        *next = next.with_data_stream(&stream, left);
    }
    next.bury(IndexTombstone {
        name: name.to_owned(),
        uuid: index.uuid.clone(),
        deleted_at: now,
    });
}

#[cfg(test)]
mod tests {
    use es_exception::ExceptionKind;

    use super::*;
    use crate::change::testing::state_with;

    #[test]
    fn a_deleted_index_leaves_a_tombstone() {
        let state = state_with(&["a", "b"]);
        let uuid = state.index("a").unwrap().uuid.clone();
        let next = delete_indices(&state, &["a".into()], UnixMillis::new(7)).unwrap();
        assert!(next.index("a").is_none() && next.index("b").is_some());
        assert_eq!(
            (&next.index_graveyard[0].uuid, next.index_graveyard.len()),
            (&uuid, 1)
        );
        let missing = delete_indices(&next, &["a".into()], UnixMillis::new(7)).unwrap_err();
        assert_eq!(missing.kind(), ExceptionKind::IndexNotFound);
    }

    #[test]
    fn a_full_disk_does_not_forbid_deletion_but_read_only_does() {
        let block = |setting: &'static str| {
            state_with(&["a"])
                .modify_index("a", |index| {
                    index.settings.insert(setting, "true");
                    Ok(())
                })
                .unwrap()
        };
        let delete = |state: &ClusterState| delete_indices(state, &["a".into()], UnixMillis::new(7));
        assert!(delete(&block("index.blocks.read_only_allow_delete")).is_ok());
        assert_eq!(
            delete(&block("index.blocks.read_only")).unwrap_err().kind(),
            ExceptionKind::ClusterBlock
        );
    }
}
