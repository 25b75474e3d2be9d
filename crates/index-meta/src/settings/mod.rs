//! Settings: the flat map, the registry of keys, the typed view, and what a follower replicates.

mod cluster_definitions;
mod cluster_registry;
mod definitions;
mod flat;
mod index_settings;
mod index_sort;
mod kind;
mod registry;
mod replication;
mod suggestions;
mod units;
mod validation;

pub use cluster_registry::{
    ClusterSettingDefinition, ClusterSettingUpdate, cluster_setting_definition, cluster_setting_definitions,
    validate_cluster_update,
};
pub use flat::{SettingValue, Settings, normalize_index_prefix};
pub use index_settings::{IndexBlocks, IndexSettings, TranslogDurability};
pub use index_sort::IndexSort;
pub use kind::SettingKind;
pub use registry::{SettingDefinition, SettingScope, SettingUpdate, setting_definition, setting_definitions};
pub use replication::{
    SettingsSync, check_follow_overrides, replicated_settings_equal, settings_to_replicate,
};
pub use units::parse_time_millis;
pub use validation::{expand_wildcard_resets, validate_for_create, validate_update};
