//! The state of an index's shards, as health and the cat APIs count them.

use cluster::IndexMetadata;

use crate::state::RestState;

/// The state of a primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShardState {
    /// It serves, or its index is closed.
    Started,
    /// It is being opened.
    Initializing,
    /// A follower's shard whose files are on their way from the leader.
    Restoring,
    /// It could not be opened.
    Unassigned,
}

impl ShardState {
    /// The name that the cat APIs show.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Initializing | Self::Restoring => "INITIALIZING",
            Self::Unassigned => "UNASSIGNED",
        }
    }
}

/// The primaries of one index in order, and how many replicas each should have.
#[derive(Debug, Clone)]
pub(crate) struct IndexShards {
    pub(crate) shards: Vec<ShardState>,
    pub(crate) replicas: usize,
}

/// Replicas that are told of, each of which takes memory in answers: more may be configured, and none has a node to be on.
const MOST_REPLICAS: usize = 1_000;

/// Looks at the shards of `index` on this node.
pub(crate) fn shard_table(state: &RestState, index: &IndexMetadata) -> IndexShards {
    let replicas = index
        .settings
        .get_str("index.number_of_replicas")
        .and_then(|text| text.parse().ok())
        .unwrap_or(1)
        .min(MOST_REPLICAS);
    let one = |restoring: bool, status: indices::ShardState| match status {
        _ if restoring => ShardState::Restoring,
        indices::ShardState::Started | indices::ShardState::Closed => ShardState::Started,
        indices::ShardState::Initializing => ShardState::Initializing,
        indices::ShardState::Failed { .. } => ShardState::Unassigned,
    };
    let shards = index
        .shard_ids()
        .map(|id| {
            one(
                index.is_restoring(id.shard.get()),
                state.indices().shard_state(index, &id),
            )
        })
        .collect();
    IndexShards { shards, replicas }
}
