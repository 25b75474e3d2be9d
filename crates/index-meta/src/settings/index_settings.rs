//! The typed view of an index's settings.

use std::time::Duration;

use crate::error::SettingsError;
use crate::mapping::MappingLimits;
use crate::settings::Settings;

/// When a write is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TranslogDurability {
    /// Before it is acknowledged.
    Request,
    /// Within `sync_interval`.
    Async,
}

/// What users have forbidden on an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IndexBlocks {
    /// Writes and metadata changes.
    pub read_only: bool,
    /// Reads.
    pub read: bool,
    /// Writes.
    pub write: bool,
    /// Reading and changing metadata.
    pub metadata: bool,
    /// Writes and metadata changes, but not deleting the index.
    pub read_only_allow_delete: bool,
}

/// The settings of an index that the product acts on, validated and with defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexSettings {
    pub(crate) number_of_shards: u32,
    pub(crate) number_of_replicas: u32,
    pub(crate) number_of_routing_shards: u32,
    pub(crate) refresh_interval: Option<Duration>,
    pub(crate) refresh_interval_is_explicit: bool,
    pub(crate) search_idle_after: Duration,
    pub(crate) translog_durability: TranslogDurability,
    pub(crate) translog_sync_interval: Duration,
    pub(crate) soft_deletes_retention_operations: u64,
    pub(crate) soft_deletes_retention_lease_period: Duration,
    pub(crate) mapping_limits: MappingLimits,
    pub(crate) max_result_window: u64,
    pub(crate) max_refresh_listeners: u64,
    pub(crate) max_terms_count: u64,
    pub(crate) max_regex_length: u64,
    pub(crate) blocks: IndexBlocks,
    pub(crate) hidden: bool,
    pub(crate) following_index: bool,
}

impl IndexSettings {
    /// Reads the settings of an index; unknown keys are left alone.
    ///
    /// # Errors
    /// [`SettingsError::Value`].
    pub fn from_settings(_settings: &Settings) -> Result<Self, SettingsError> {
        unimplemented!()
    }

    /// `index.number_of_shards`
    #[must_use]
    pub fn number_of_shards(&self) -> u32 {
        self.number_of_shards
    }

    /// `index.number_of_replicas`
    #[must_use]
    pub fn number_of_replicas(&self) -> u32 {
        self.number_of_replicas
    }

    /// `index.number_of_routing_shards`, by default as Elasticsearch computes it.
    #[must_use]
    pub fn number_of_routing_shards(&self) -> u32 {
        self.number_of_routing_shards
    }

    /// `index.refresh_interval`; `None` if refreshing is switched off (`-1`).
    #[must_use]
    pub fn refresh_interval(&self) -> Option<Duration> {
        self.refresh_interval
    }

    /// Whether `index.refresh_interval` was set: search idle does not apply then.
    #[must_use]
    pub fn refresh_interval_is_explicit(&self) -> bool {
        self.refresh_interval_is_explicit
    }

    /// `index.search.idle.after`
    #[must_use]
    pub fn search_idle_after(&self) -> Duration {
        self.search_idle_after
    }

    /// `index.translog.durability`
    #[must_use]
    pub fn translog_durability(&self) -> TranslogDurability {
        self.translog_durability
    }

    /// `index.translog.sync_interval`
    #[must_use]
    pub fn translog_sync_interval(&self) -> Duration {
        self.translog_sync_interval
    }

    /// `index.soft_deletes.retention.operations`
    #[must_use]
    pub fn soft_deletes_retention_operations(&self) -> u64 {
        self.soft_deletes_retention_operations
    }

    /// `index.soft_deletes.retention_lease.period`
    #[must_use]
    pub fn soft_deletes_retention_lease_period(&self) -> Duration {
        self.soft_deletes_retention_lease_period
    }

    /// `index.mapping.*.limit`
    #[must_use]
    pub fn mapping_limits(&self) -> &MappingLimits {
        &self.mapping_limits
    }

    /// `index.max_result_window`
    #[must_use]
    pub fn max_result_window(&self) -> u64 {
        self.max_result_window
    }

    /// `index.max_refresh_listeners`
    #[must_use]
    pub fn max_refresh_listeners(&self) -> u64 {
        self.max_refresh_listeners
    }

    /// `index.max_terms_count`
    #[must_use]
    pub fn max_terms_count(&self) -> u64 {
        self.max_terms_count
    }

    /// `index.max_regex_length`
    #[must_use]
    pub fn max_regex_length(&self) -> u64 {
        self.max_regex_length
    }

    /// `index.blocks.*`
    #[must_use]
    pub fn blocks(&self) -> IndexBlocks {
        self.blocks
    }

    /// `index.hidden`
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.hidden
    }

    /// `index.xpack.ccr.following_index`
    #[must_use]
    pub fn is_following(&self) -> bool {
        self.following_index
    }
}
