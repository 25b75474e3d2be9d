//! Every index setting that is known.
//!
//! Source: Elasticsearch's index settings; which of them a follower has as its own, and which are never compared, is the split that
//! cross-cluster replication makes.

use super::units;

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SettingKind {
    /// A whole number between both, inclusive.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A number not below `min`.
    Float {
        /// Smallest.
        min: f64,
    },
    /// `true` or `false`.
    Boolean,
    /// A time such as `30s`, or `-1`, not below `min_millis`.
    Time {
        /// Smallest, in milliseconds; -1 allows `-1`.
        min_millis: i64,
    },
    /// A size such as `512mb`, or `-1`, not below `min`.
    Bytes {
        /// Smallest; -1 allows `-1`.
        min: i64,
    },
    /// One of these words.
    Enum(&'static [&'static str]),
    /// `false`, or a range of replicas such as `0-1` or `0-all`.
    ReplicaRange,
    /// Any text.
    Text,
    /// Any list of texts, also comma-separated.
    List,
}

impl SettingKind {
    /// What is wrong with `text` as a value.
    ///
    /// # Errors
    /// A sentence for people.
    pub(crate) fn check(self, text: &str) -> Result<(), String> {
        let at_least = |number: Option<i64>, min: i64, what: &str| match number {
            Some(number) if number >= min => Ok(()),
            Some(_) => Err(format!(
                "it must not be below [{min}{}]",
                if what == "time" { "ms" } else { "" }
            )),
            None if what == "time" => Err("a time needs a unit, such as [30s]".to_owned()),
            None => Err(format!("it is not a {what}")),
        };
        match self {
            Self::Integer { min, max } => match text.trim().parse::<i64>() {
                Ok(number) if number < min => Err(format!("it must be >= {min}")),
                Ok(number) if number > max => Err(format!("it must be <= {max}")),
                Ok(_) => Ok(()),
                Err(_) => Err("it is not a whole number".to_owned()),
            },
            Self::Float { min } => match text.trim().trim_end_matches('%').parse::<f64>() {
                Ok(number) if number >= min => Ok(()),
                _ => Err(format!("it is not a number >= {min}")),
            },
            Self::Boolean if matches!(text, "true" | "false") => Ok(()),
            Self::Boolean => Err("only [true] or [false] are allowed".to_owned()),
            Self::Time { min_millis } => at_least(units::parse_time_millis(text), min_millis, "time"),
            Self::Bytes { min } => at_least(units::parse_bytes(text), min, "size"),
            Self::Enum(words) if words.iter().any(|word| word.eq_ignore_ascii_case(text)) => Ok(()),
            Self::Enum(words) => Err(format!("it must be one of [{}]", words.join(", "))),
            Self::ReplicaRange => {
                let is_range = text.split_once('-').is_some_and(|(low, high)| {
                    let low: Option<u32> = low.parse().ok();
                    low.is_some_and(|low| high == "all" || high.parse::<u32>().is_ok_and(|high| low <= high))
                });
                if is_range || text == "false" {
                    Ok(())
                } else {
                    Err("it is not a range such as [0-1]".to_owned())
                }
            }
            Self::Text | Self::List => Ok(()),
        }
    }
}

/// When a setting may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingUpdate {
    /// At any time.
    Dynamic,
    /// While the index is closed.
    Static,
    /// Never after creation.
    Final,
}

/// Who a setting belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingScope {
    /// Must be the same on leader and follower, and is copied.
    Replicated,
    /// A follower has its own.
    FollowerOwn,
    /// Identifies the index: never compared and never copied.
    Identity,
}

/// One known setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SettingDefinition {
    /// Full key; ends in `.*` if it stands for every key with this prefix.
    pub key: &'static str,
    /// Value if not set, empty if there is none.
    pub default: &'static str,
    /// What values it takes.
    pub kind: SettingKind,
    /// When it may change.
    pub update: SettingUpdate,
    /// Who it belongs to.
    pub scope: SettingScope,
    /// Set by the system alone and never copied.
    pub private: bool,
}

impl SettingDefinition {
    /// Whether it may change on an open index.
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        self.update == SettingUpdate::Dynamic
    }

    /// Whether a follower must have its leader's value.
    #[must_use]
    pub fn is_replicated(&self) -> bool {
        self.scope == SettingScope::Replicated
    }

    /// Whether `key` is this setting's, or belongs to this group.
    #[must_use]
    pub fn matches(&self, key: &str) -> bool {
        match self.key.strip_suffix('*') {
            Some(prefix) => key.len() > prefix.len() && key.starts_with(prefix),
            None => self.key == key,
        }
    }
}

/// Every known setting.
#[must_use]
pub fn setting_definitions() -> &'static [SettingDefinition] {
    DEFINITIONS
}

/// The definition of `key`, or of the group that it belongs to.
#[must_use]
pub fn setting_definition(key: &str) -> Option<&'static SettingDefinition> {
    DEFINITIONS.iter().find(|definition| definition.matches(key))
}

const fn define(
    key: &'static str,
    default: &'static str,
    kind: SettingKind,
    update: SettingUpdate,
    scope: SettingScope,
) -> SettingDefinition {
    let private = matches!(scope, SettingScope::Identity);
    SettingDefinition {
        key,
        default,
        kind,
        update,
        scope,
        private,
    }
}

/// A follower's own and dynamic, as almost all of those are.
const fn own(key: &'static str, default: &'static str, kind: SettingKind) -> SettingDefinition {
    define(
        key,
        default,
        kind,
        SettingUpdate::Dynamic,
        SettingScope::FollowerOwn,
    )
}

const fn replicated(
    key: &'static str,
    default: &'static str,
    kind: SettingKind,
    update: SettingUpdate,
) -> SettingDefinition {
    define(key, default, kind, update, SettingScope::Replicated)
}

const fn identity(key: &'static str) -> SettingDefinition {
    define(
        key,
        "",
        SettingKind::Text,
        SettingUpdate::Final,
        SettingScope::Identity,
    )
}

const fn at_least(min: i64) -> SettingKind {
    SettingKind::Integer {
        min,
        max: i32::MAX as i64,
    }
}

use SettingKind::{Boolean, Bytes, Enum, Float, Integer, List, ReplicaRange, Text, Time};
use SettingUpdate::{Dynamic, Final, Static};

const DEFINITIONS: &[SettingDefinition] = &[
    // Identity. The following-index flag and soft deletes are checked apart from all others.
    SettingDefinition {
        kind: Boolean,
        default: "false",
        ..identity("index.xpack.ccr.following_index")
    },
    SettingDefinition {
        kind: Boolean,
        default: "true",
        private: false,
        ..identity("index.soft_deletes.enabled")
    },
    identity("index.version.created"),
    identity("index.version.upgraded"),
    identity("index.version.upgraded_string"),
    identity("index.uuid"),
    identity("index.history.uuid"),
    identity("index.provided_name"),
    identity("index.creation_date"),
    identity("index.verified_before_close"),
    // Shape of the index.
    replicated(
        "index.number_of_shards",
        "1",
        Integer { min: 1, max: 1024 },
        Final,
    ),
    replicated(
        "index.number_of_routing_shards",
        "",
        Integer {
            min: 1,
            max: 1_073_741_824,
        },
        Final,
    ),
    replicated(
        "index.routing_partition_size",
        "1",
        Integer { min: 1, max: 1 },
        Final,
    ),
    replicated("index.mode", "standard", Enum(&["standard"]), Final),
    replicated("index.analysis.*", "", Text, Static),
    replicated("index.similarity.default.type", "BM25", Enum(&["BM25"]), Static),
    // Mapping limits.
    replicated("index.mapping.total_fields.limit", "1000", at_least(0), Dynamic),
    replicated("index.mapping.depth.limit", "20", at_least(1), Dynamic),
    replicated(
        "index.mapping.field_name_length.limit",
        "9223372036854775807",
        Integer {
            min: 1,
            max: i64::MAX,
        },
        Dynamic,
    ),
    replicated("index.mapping.nested_fields.limit", "50", at_least(0), Dynamic),
    replicated(
        "index.mapping.nested_objects.limit",
        "10000",
        at_least(0),
        Dynamic,
    ),
    replicated("index.mapping.dimension_fields.limit", "21", at_least(0), Dynamic),
    replicated("index.max_ngram_diff", "1", at_least(0), Dynamic),
    replicated("index.max_shingle_diff", "3", at_least(0), Dynamic),
    // Replicas and placement.
    own("index.number_of_replicas", "1", at_least(0)),
    own("index.auto_expand_replicas", "false", ReplicaRange),
    own("index.routing.allocation.include.*", "", Text),
    own("index.routing.allocation.exclude.*", "", Text),
    own("index.routing.allocation.require.*", "", Text),
    own(
        "index.routing.allocation.enable",
        "all",
        Enum(&["all", "primaries", "new_primaries", "none"]),
    ),
    own(
        "index.routing.allocation.total_shards_per_node",
        "-1",
        at_least(-1),
    ),
    own(
        "index.routing.rebalance.enable",
        "all",
        Enum(&["all", "primaries", "replicas", "none"]),
    ),
    own("index.allocation.max_retries", "5", at_least(0)),
    own(
        "index.unassigned.node_left.delayed_timeout",
        "60s",
        Time { min_millis: 0 },
    ),
    own("index.priority", "1", at_least(0)),
    own("index.hidden", "false", Boolean),
    own("index.write.wait_for_active_shards", "1", Text),
    // Blocks.
    own("index.blocks.read_only", "false", Boolean),
    own("index.blocks.read", "false", Boolean),
    own("index.blocks.write", "false", Boolean),
    own("index.blocks.metadata", "false", Boolean),
    own("index.blocks.read_only_allow_delete", "false", Boolean),
    define(
        "index.verified_read_only",
        "false",
        Boolean,
        Static,
        SettingScope::FollowerOwn,
    ),
    // Search.
    own("index.max_result_window", "10000", at_least(1)),
    own("index.max_rescore_window", "10000", at_least(1)),
    own("index.max_inner_result_window", "100", at_least(1)),
    own("index.max_script_fields", "32", at_least(0)),
    own("index.max_regex_length", "1000", at_least(1)),
    own("index.max_terms_count", "65536", at_least(1)),
    own("index.highlight.max_analyzed_offset", "1000000", at_least(-1)),
    own("index.highlight.weight_matches_mode.enabled", "true", Boolean),
    own("index.max_docvalue_fields_search", "100", at_least(0)),
    own("index.analyze.max_token_count", "10000", at_least(1)),
    own("index.max_slices_per_scroll", "1024", at_least(1)),
    own("index.query.default_field", "*", List),
    own("index.query.parse.allow_unmapped_fields", "true", Boolean),
    own("index.query_string.lenient", "false", Boolean),
    own("index.query.query_string.analyze_wildcard", "false", Boolean),
    own("index.query.query_string.allowLeadingWildcard", "true", Boolean),
    own("index.search.idle.after", "30s", Time { min_millis: 0 }),
    own("index.search.throttled", "false", Boolean),
    own("index.warmer.enabled", "true", Boolean),
    own("index.refresh_interval", "1s", Time { min_millis: -1 }),
    own("index.max_refresh_listeners", "1000", at_least(0)),
    own("index.requests.cache.enable", "true", Boolean),
    define(
        "index.load_fixed_bitset_filters_eagerly",
        "true",
        Boolean,
        Static,
        SettingScope::FollowerOwn,
    ),
    // Pipelines: there are none here, and only their absence is accepted.
    own("index.default_pipeline", "_none", Enum(&["_none"])),
    own("index.final_pipeline", "_none", Enum(&["_none"])),
    // History.
    own(
        "index.soft_deletes.retention.operations",
        "0",
        Integer {
            min: 0,
            max: i64::MAX,
        },
    ),
    own(
        "index.soft_deletes.retention_lease.period",
        "12h",
        Time { min_millis: 0 },
    ),
    // Translog and engine.
    own("index.translog.retention.age", "-1", Time { min_millis: -1 }),
    own("index.translog.retention.size", "-1", Bytes { min: -1 }),
    own(
        "index.translog.generation_threshold_size",
        "64mb",
        Bytes { min: 64 },
    ),
    own("index.translog.flush_threshold_size", "10gb", Bytes { min: 64 }),
    own("index.translog.flush_threshold_age", "1m", Time { min_millis: 0 }),
    own(
        "index.translog.durability",
        "request",
        Enum(&["request", "async"]),
    ),
    own("index.translog.sync_interval", "5s", Time { min_millis: 100 }),
    own("index.flush_after_merge", "512mb", Bytes { min: 0 }),
    own("index.gc_deletes", "60s", Time { min_millis: -1 }),
    define(
        "index.codec",
        "default",
        Enum(&[
            "default",
            "best_compression",
            "legacy_default",
            "legacy_best_compression",
            "lucene_default",
        ]),
        Static,
        SettingScope::FollowerOwn,
    ),
    own("index.bloom_filter_for_id_field.enabled", "true", Boolean),
    // Merging.
    own("index.compound_format", "1gb", Text),
    own(
        "index.merge.policy.type",
        "UNSET",
        Enum(&["UNSET", "tiered", "time_based"]),
    ),
    own("index.merge.policy.max_merge_at_once", "10", at_least(2)),
    own("index.merge.policy.max_merge_at_once_explicit", "30", at_least(2)),
    own("index.merge.policy.segments_per_tier", "10.0", Float { min: 2.0 }),
    own("index.merge.policy.merge_factor", "32", at_least(2)),
    own(
        "index.merge.policy.deletes_pct_allowed",
        "20.0",
        Float { min: 5.0 },
    ),
    own(
        "index.merge.policy.expunge_deletes_allowed",
        "10.0",
        Float { min: 0.0 },
    ),
    own("index.merge.policy.floor_segment", "2mb", Bytes { min: 1 }),
    own("index.merge.policy.max_merged_segment", "5gb", Bytes { min: 1 }),
    own(
        "index.merge.policy.reclaim_deletes_weight",
        "2.0",
        Float { min: 0.0 },
    ),
    own("index.merge.scheduler.auto_throttle", "true", Boolean),
    own("index.merge.scheduler.max_merge_count", "6", at_least(1)),
    own("index.merge.scheduler.max_thread_count", "1", at_least(1)),
    // Slow logs.
    own(
        "index.search.slowlog.threshold.query.warn",
        "-1",
        Time { min_millis: -1 },
    ),
    own(
        "index.search.slowlog.threshold.query.info",
        "-1",
        Time { min_millis: -1 },
    ),
    own(
        "index.search.slowlog.threshold.query.debug",
        "-1",
        Time { min_millis: -1 },
    ),
    own(
        "index.search.slowlog.threshold.query.trace",
        "-1",
        Time { min_millis: -1 },
    ),
    own(
        "index.search.slowlog.threshold.fetch.warn",
        "-1",
        Time { min_millis: -1 },
    ),
    own(
        "index.search.slowlog.threshold.fetch.info",
        "-1",
        Time { min_millis: -1 },
    ),
    own(
        "index.search.slowlog.threshold.fetch.debug",
        "-1",
        Time { min_millis: -1 },
    ),
    own(
        "index.search.slowlog.threshold.fetch.trace",
        "-1",
        Time { min_millis: -1 },
    ),
    own("index.search.slowlog.include.user", "false", Boolean),
    own(
        "index.indexing.slowlog.threshold.index.warn",
        "-1",
        Time { min_millis: -1 },
    ),
    own(
        "index.indexing.slowlog.threshold.index.info",
        "-1",
        Time { min_millis: -1 },
    ),
    own(
        "index.indexing.slowlog.threshold.index.debug",
        "-1",
        Time { min_millis: -1 },
    ),
    own(
        "index.indexing.slowlog.threshold.index.trace",
        "-1",
        Time { min_millis: -1 },
    ),
    own("index.indexing.slowlog.reformat", "true", Boolean),
    own("index.indexing.slowlog.source", "1000", Text),
    own("index.indexing.slowlog.include.user", "false", Boolean),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_are_unique_and_defaults_are_valid() {
        let keys: BTreeSet<_> = DEFINITIONS.iter().map(|definition| definition.key).collect();
        assert_eq!(keys.len(), DEFINITIONS.len());
        for definition in DEFINITIONS
            .iter()
            .filter(|definition| !definition.default.is_empty())
        {
            assert_eq!(
                definition.kind.check(definition.default),
                Ok(()),
                "{}",
                definition.key
            );
        }
    }

    #[test]
    fn every_dynamic_setting_that_a_follower_copies_is_a_limit() {
        let copied: Vec<_> = DEFINITIONS
            .iter()
            .filter(|definition| definition.is_dynamic() && definition.is_replicated())
            .collect();
        assert!(
            copied
                .iter()
                .all(|definition| definition.key.contains("limit") || definition.key.contains("_diff"))
        );
        assert_eq!(copied.len(), 8);
    }

    #[test]
    fn groups_match_by_prefix() {
        let found = |key| setting_definition(key).map(|definition| definition.key);
        assert_eq!(
            found("index.analysis.analyzer.mine.type"),
            Some("index.analysis.*")
        );
        assert_eq!(
            found("index.routing.allocation.include._tier_preference"),
            Some("index.routing.allocation.include.*")
        );
        assert_eq!(found("index.analysis."), None);
        assert_eq!(found("index.nonsense"), None);
    }
}
