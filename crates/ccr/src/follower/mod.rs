//! What this cluster does for its own follower indices.

pub(crate) mod leader_link;
pub(crate) mod local_shard;
pub(crate) mod metadata_sync;
pub(crate) mod origin;
pub(crate) mod settings_change;
pub(crate) mod tail_rate;
pub(crate) mod task_params;
pub(crate) mod tasks;
