//! The typed view of an index's settings.

use std::sync::Arc;
use std::time::Duration;

use crate::analysis::AnalysisDefinitions;
use crate::document::DocumentRules;
use crate::error::SettingsError;
use crate::mapping::MappingLimits;
use crate::settings::registry::setting_definition;
use crate::settings::{Settings, units, validation};

const DEFAULT_MAX_HIGHLIGHTED_OFFSET: u64 = 1_000_000;

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
    pub(crate) document_rules: DocumentRules,
    pub(crate) max_result_window: u64,
    pub(crate) max_terms_count: u64,
    pub(crate) max_regex_length: u64,
    pub(crate) max_docvalue_fields: u64,
    pub(crate) max_highlighted_offset: u64,
    pub(crate) highlights_matches: bool,
    pub(crate) max_analyze_tokens: u64,
    pub(crate) default_fields: Vec<String>,
    pub(crate) analysis: Arc<AnalysisDefinitions>,
    pub(crate) blocks: IndexBlocks,
    pub(crate) hidden: bool,
    pub(crate) following_index: bool,
}

impl IndexSettings {
    /// Reads the settings of an index; unknown keys are left alone.
    ///
    /// # Errors
    /// [`SettingsError::Value`].
    pub fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let read = Reader { settings };
        let shards = read.count("index.number_of_shards")?;
        let refresh_interval = read.time_or_never("index.refresh_interval")?;
        Ok(Self {
            number_of_shards: shards,
            number_of_replicas: read.count("index.number_of_replicas")?,
            number_of_routing_shards: match settings.get("index.number_of_routing_shards") {
                Some(_) => read.count("index.number_of_routing_shards")?,
                None => default_routing_shards(shards),
            },
            refresh_interval,
            refresh_interval_is_explicit: settings.get("index.refresh_interval").is_some(),
            search_idle_after: read.time("index.search.idle.after")?,
            translog_durability: match read
                .text("index.translog.durability")?
                .to_ascii_lowercase()
                .as_str()
            {
                "async" => TranslogDurability::Async,
                _ => TranslogDurability::Request,
            },
            translog_sync_interval: read.time("index.translog.sync_interval")?,
            soft_deletes_retention_operations: read.number("index.soft_deletes.retention.operations")?,
            soft_deletes_retention_lease_period: read.time("index.soft_deletes.retention_lease.period")?,
            mapping_limits: MappingLimits {
                total_fields: read.number("index.mapping.total_fields.limit")?,
                depth: read.number("index.mapping.depth.limit")?,
                field_name_length: read.number("index.mapping.field_name_length.limit")?,
                nested_fields: read.number("index.mapping.nested_fields.limit")?,
            },
            document_rules: DocumentRules {
                coerce: read.flag("index.mapping.coerce")?,
                ignore_malformed: read.flag("index.mapping.ignore_malformed")?,
                nested_objects: read.number("index.mapping.nested_objects.limit")?,
            },
            max_result_window: read.number("index.max_result_window")?,
            max_terms_count: read.number("index.max_terms_count")?,
            max_regex_length: read.number("index.max_regex_length")?,
            max_docvalue_fields: read.number("index.max_docvalue_fields_search")?,
            // Source: -1 is the default's other name.
            max_highlighted_offset: read.read("index.highlight.max_analyzed_offset", |text| {
                let limit: i64 = text.parse().ok()?;
                Some(u64::try_from(limit).unwrap_or(DEFAULT_MAX_HIGHLIGHTED_OFFSET))
            })?,
            highlights_matches: read.flag("index.highlight.weight_matches_mode.enabled")?,
            max_analyze_tokens: read.number("index.analyze.max_token_count")?,
            default_fields: read.list("index.query.default_field")?,
            analysis: Arc::new(AnalysisDefinitions::from_settings(settings)),
            blocks: IndexBlocks {
                read_only: read.flag("index.blocks.read_only")?,
                read: read.flag("index.blocks.read")?,
                write: read.flag("index.blocks.write")?,
                metadata: read.flag("index.blocks.metadata")?,
                read_only_allow_delete: read.flag("index.blocks.read_only_allow_delete")?,
            },
            hidden: read.flag("index.hidden")?,
            following_index: read.flag("index.xpack.ccr.following_index")?,
        })
    }

    /// `index.mapping.coerce`, `index.mapping.ignore_malformed` and `index.mapping.nested_objects.limit`
    #[must_use]
    pub fn document_rules(&self) -> DocumentRules {
        self.document_rules
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

    /// `index.max_docvalue_fields_search`
    #[must_use]
    pub fn max_docvalue_fields(&self) -> u64 {
        self.max_docvalue_fields
    }

    /// `index.highlight.max_analyzed_offset`, in UTF-16 units.
    #[must_use]
    pub fn max_highlighted_offset(&self) -> u64 {
        self.max_highlighted_offset
    }

    /// `index.highlight.weight_matches_mode.enabled`: whether a phrase is highlighted as a whole.
    #[must_use]
    pub fn highlights_matches(&self) -> bool {
        self.highlights_matches
    }

    /// `index.analyze.max_token_count`
    #[must_use]
    pub fn max_analyze_tokens(&self) -> u64 {
        self.max_analyze_tokens
    }

    /// `index.query.default_field`: paths and patterns, each with a boost after a `^` or none.
    #[must_use]
    pub fn default_fields(&self) -> &[String] {
        &self.default_fields
    }

    /// `index.analysis.*`
    #[must_use]
    pub fn analysis(&self) -> &Arc<AnalysisDefinitions> {
        &self.analysis
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

/// Source: as many doublings as keep the number of routing shards at or below 1024, and at least one.
fn default_routing_shards(shards: u32) -> u32 {
    let log2_rounded_up = 32 - shards.saturating_sub(1).leading_zeros();
    shards.saturating_mul(1 << 10_u32.saturating_sub(log2_rounded_up).max(1))
}

/// Reads single settings by their definitions.
struct Reader<'a> {
    settings: &'a Settings,
}

impl Reader<'_> {
    /// The checked value, or the default.
    fn text(&self, key: &str) -> Result<String, SettingsError> {
        let definition = setting_definition(key).ok_or_else(|| SettingsError::Unknown {
            key: key.to_owned(),
            suggestions: Vec::new(),
        })?;
        match self.settings.get(key) {
            None => Ok(definition.default.to_owned()),
            Some(value) => {
                validation::check_value(key, definition, value)?;
                Ok(value.to_text())
            }
        }
    }

    fn read<T>(&self, key: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, SettingsError> {
        let text = self.text(key)?;
        parse(text.trim()).ok_or_else(|| SettingsError::Value {
            key: key.to_owned(),
            value: text.clone(),
            problem: "it cannot be read".to_owned(),
        })
    }

    fn count(&self, key: &str) -> Result<u32, SettingsError> {
        self.read(key, |text| text.parse().ok())
    }

    fn number(&self, key: &str) -> Result<u64, SettingsError> {
        self.read(key, |text| text.parse().ok())
    }

    fn flag(&self, key: &str) -> Result<bool, SettingsError> {
        self.read(key, |text| text.parse().ok())
    }

    fn list(&self, key: &str) -> Result<Vec<String>, SettingsError> {
        let text = self.text(key)?;
        Ok(text.split(',').map(|item| item.trim().to_owned()).collect())
    }

    fn time(&self, key: &str) -> Result<Duration, SettingsError> {
        self.read(key, |text| {
            units::parse_time_millis(text)?
                .try_into()
                .map(Duration::from_millis)
                .ok()
        })
    }

    /// `None` for `-1`.
    fn time_or_never(&self, key: &str) -> Result<Option<Duration>, SettingsError> {
        self.read(key, |text| {
            Some(
                units::parse_time_millis(text)?
                    .try_into()
                    .map(Duration::from_millis)
                    .ok(),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_are_those_of_elasticsearch() {
        let settings = IndexSettings::from_settings(&Settings::new()).expect("defaults");
        assert_eq!(
            (settings.number_of_shards(), settings.number_of_replicas()),
            (1, 1)
        );
        assert_eq!(settings.number_of_routing_shards(), 1024);
        assert_eq!(settings.refresh_interval(), Some(Duration::from_secs(1)));
        assert!(!settings.refresh_interval_is_explicit());
        assert_eq!(settings.search_idle_after(), Duration::from_secs(30));
        assert_eq!(settings.translog_durability(), TranslogDurability::Request);
        assert_eq!(
            settings.soft_deletes_retention_lease_period(),
            Duration::from_secs(12 * 3600)
        );
        assert_eq!(
            *settings.mapping_limits(),
            MappingLimits {
                field_name_length: i64::MAX as u64,
                ..MappingLimits::default()
            }
        );
        assert_eq!(settings.max_result_window(), 10_000);
        assert_eq!(settings.blocks(), IndexBlocks::default());
    }

    #[test]
    fn values_are_read_and_checked() {
        let read = |json| IndexSettings::from_settings(&Settings::from_json(&json).expect("settings"));
        let settings = read(json!({"index": {
            "number_of_shards": 5, "refresh_interval": "-1", "translog.durability": "ASYNC", "blocks.write": true
        }}))
        .expect("valid");
        assert_eq!(settings.number_of_routing_shards(), 640);
        assert_eq!(
            (
                settings.refresh_interval(),
                settings.refresh_interval_is_explicit()
            ),
            (None, true)
        );
        assert_eq!(settings.translog_durability(), TranslogDurability::Async);
        assert!(settings.blocks().write);
        assert!(read(json!({"index.number_of_shards": "x"})).is_err());
        assert_eq!([2, 3, 1024].map(default_routing_shards), [1024, 768, 2048]);
    }
}
