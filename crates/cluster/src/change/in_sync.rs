//! Records which shards have been started once.

use es_exception::Exception;
use oplog::IndexUuid;

use crate::state::ClusterState;

/// Records that `shards` of the index exist on disk from now on. Nothing happens if the index is gone or was created anew.
///
/// # Errors
/// None in itself; the type fits the other changes.
pub fn mark_shards_in_sync(
    state: &ClusterState,
    index: &IndexUuid,
    shards: &[u32],
) -> Result<ClusterState, Exception> {
    let Some(metadata) = state.index_by_uuid(index) else {
        return Ok(state.clone());
    };
    state.modify_index(&metadata.name, |index| {
        index.in_sync_shards.extend(shards);
        Ok(())
    })
}
