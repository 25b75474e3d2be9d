//! The changes of cluster state: pure functions from a state to its successor, one file each.
//!
//! They check what must hold, leave versions to [`ClusterState::with_index`](crate::ClusterState::with_index) and the commit, and answer an equal state
//! when there is nothing to do.

mod aliases;
mod closed_change;
mod cluster_settings;
mod create_index;
mod data_streams;
mod delete_index;
mod follower;
mod in_sync;
mod new_index;
mod open_close;
mod persistent_task;
mod put_mapping;
mod rollover;
mod templates;
mod update_settings;

pub use aliases::{AliasChange, update_aliases};
pub use closed_change::{
    change_closed_settings, close_to_change_settings, reopen_all_changing_settings, reopen_with_settings,
};
pub use cluster_settings::update_cluster_settings;
pub use create_index::{CreateIndexChange, create_index};
pub use data_streams::{
    NewBackingIndex, ReplicatedStream, create_data_stream, delete_data_streams, join_replicated_stream,
    promote_data_stream,
};
pub use delete_index::delete_indices;
pub use follower::{
    convert_follower, finish_follower_recovery, reset_follower_for_recovery, restore_follower_shards,
};
pub use in_sync::mark_shards_in_sync;
pub use new_index::{NewIndexChange, create_index_by_templates};
pub use open_close::{close_indices, open_indices};
pub use persistent_task::{
    NewPersistentTask, put_persistent_task, remove_persistent_task, update_persistent_task_params,
};
pub use put_mapping::put_mapping;
pub use rollover::{RolloverNames, rollover};
pub use templates::{
    put_component_template, put_index_template, put_legacy_template, remove_component_templates,
    remove_index_templates, remove_legacy_templates,
};
pub use update_settings::{SettingsChange, parse_index_settings, update_index_settings};

#[cfg(test)]
pub(crate) mod testing;
