//! What a person can do about a problem.

use oplog::Problem;

/// Name of the file of retention leases in a log's directory.
const LEASES_FILE: &str = "leases";

pub(super) const NOTHING_TO_DO: &str = "nothing to do: the node mends it when it starts";
/// About a search view.
pub(super) const VIEW_IS_REBUILT: &str =
    "nothing is lost: the search view is built again from the log when the node starts";
const RESTORE_COPY: &str =
    "restore the shard's directory from a copy; clusters that follow the index hold its operations too";
const RESTORE_FOLLOWER: &str = "a follower copies the shard from its leader again by itself while it follows; else restore the shard's directory from a copy";
const READABLE_AGAIN: &str = "everything can be read now, so it was the medium and may be again: copy the data directory to a good one, then remove this \
     file, and the node opens the shard";
const RESTORE_LEASES: &str = "restore the file from a copy, or remove it: the log then retains for nobody in particular, and a follower that is \
     far behind has to be copied again";

/// About the operations of a shard.
pub(super) fn for_lost_operations(is_follower: bool) -> &'static str {
    if is_follower {
        RESTORE_FOLLOWER
    } else {
        RESTORE_COPY
    }
}

/// About the marker that a node left.
pub(super) fn for_marker(is_damaged_now: bool, is_follower: bool) -> &'static str {
    if is_damaged_now {
        for_lost_operations(is_follower)
    } else {
        READABLE_AGAIN
    }
}

/// About a file of the log.
pub(super) fn for_log(file: &str, problem: &Problem, is_follower: bool) -> &'static str {
    match problem {
        Problem::Damaged { .. } if file == LEASES_FILE => RESTORE_LEASES,
        Problem::Damaged { .. } => for_lost_operations(is_follower),
        Problem::Rebuilt { .. } | Problem::TornTail { .. } | Problem::Leftover | Problem::UnfinishedHeal => {
            NOTHING_TO_DO
        }
    }
}
