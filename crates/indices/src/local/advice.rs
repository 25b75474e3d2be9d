//! What people can do about a shard whose data is damaged or gone. Told wherever the failure is.

use cluster::IndexMetadata;
use shard::ShardFailure;

/// For a shard of an ordinary index, which may be a leader.
const RESTORE_FROM_FOLLOWER_OR_BACKUP: &str = "the shard serves nothing until its data is replaced. From a follower of the index: on the follower's \
    cluster call POST /<follower>/_ccr/pause_follow, POST /<follower>/_close, POST /<follower>/_ccr/unfollow and POST /<follower>/_open; \
    then here PUT /<new index>/_ccr/follow with that index as leader_index. From a backup: close the index, put a copy of the whole shard \
    directory in place of the damaged one, open the index; its followers may hold operations that the copy lacks, so follow anew with them";

/// For a shard of a follower.
const COPIED_FROM_LEADER: &str = "the shard serves nothing until it is copied from its leader again, which begins by itself as long as the \
    index is followed; if following is paused, call POST /<index>/_ccr/resume_follow";

/// The failure, its reason followed by what to do about it.
pub(super) fn advised(failure: &ShardFailure, index: &IndexMetadata) -> ShardFailure {
    if !failure.needs_another_copy() {
        return failure.clone();
    }
    let advice = if index.is_follower() {
        COPIED_FROM_LEADER
    } else {
        RESTORE_FROM_FOLLOWER_OR_BACKUP
    };
    ShardFailure::new(failure.kind, format!("{}; {advice}", failure.reason))
}
