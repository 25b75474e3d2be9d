//! Every index setting that is known.
//!
//! Source: Elasticsearch's index settings; which of them a follower has as its own, and which are never compared, is the split that
//! cross-cluster replication makes.

use super::{SettingDefinition, SettingKind, SettingScope, SettingUpdate};

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
        honoured: true,
    }
}

/// Known, but nothing acts on it.
const fn inert(definition: SettingDefinition) -> SettingDefinition {
    SettingDefinition {
        honoured: false,
        ..definition
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

use SettingKind::{
    ActiveShardCount, Boolean, Bytes, Enum, EnumList, Float, Integer, List, ReplicaRange, Text, Time,
};
use SettingUpdate::{Dynamic, Final, Static};

pub(super) const DEFINITIONS: &[SettingDefinition] = &[
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
    inert(identity("index.version.upgraded")),
    inert(identity("index.version.upgraded_string")),
    identity("index.uuid"),
    inert(identity("index.history.uuid")),
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
    inert(replicated(
        "index.mapping.dimension_fields.limit",
        "21",
        at_least(0),
        Dynamic,
    )),
    replicated("index.mapping.coerce", "true", Boolean, Static),
    replicated("index.mapping.ignore_malformed", "false", Boolean, Static),
    // Sorting of segments: checked, and kept for those that sort.
    inert(replicated("index.sort.field", "", List, Final)),
    inert(replicated(
        "index.sort.order",
        "",
        EnumList(&["asc", "desc"]),
        Final,
    )),
    inert(replicated(
        "index.sort.mode",
        "",
        EnumList(&["min", "max"]),
        Final,
    )),
    inert(replicated(
        "index.sort.missing",
        "",
        EnumList(&["_last", "_first"]),
        Final,
    )),
    replicated("index.max_ngram_diff", "1", at_least(0), Dynamic),
    replicated("index.max_shingle_diff", "3", at_least(0), Dynamic),
    // Replicas and placement.
    own("index.number_of_replicas", "1", at_least(0)),
    inert(own("index.auto_expand_replicas", "false", ReplicaRange)),
    inert(own("index.routing.allocation.include.*", "", Text)),
    inert(own("index.routing.allocation.exclude.*", "", Text)),
    inert(own("index.routing.allocation.require.*", "", Text)),
    inert(own(
        "index.routing.allocation.enable",
        "all",
        Enum(&["all", "primaries", "new_primaries", "none"]),
    )),
    inert(own(
        "index.routing.allocation.total_shards_per_node",
        "-1",
        at_least(-1),
    )),
    inert(own(
        "index.routing.rebalance.enable",
        "all",
        Enum(&["all", "primaries", "replicas", "none"]),
    )),
    inert(own("index.allocation.max_retries", "5", at_least(0))),
    inert(own(
        "index.unassigned.node_left.delayed_timeout",
        "60s",
        Time { min_millis: 0 },
    )),
    inert(own("index.priority", "1", at_least(0))),
    own("index.hidden", "false", Boolean),
    own("index.write.wait_for_active_shards", "1", ActiveShardCount),
    // Blocks.
    own("index.blocks.read_only", "false", Boolean),
    own("index.blocks.read", "false", Boolean),
    own("index.blocks.write", "false", Boolean),
    own("index.blocks.metadata", "false", Boolean),
    own("index.blocks.read_only_allow_delete", "false", Boolean),
    inert(define(
        "index.verified_read_only",
        "false",
        Boolean,
        Static,
        SettingScope::FollowerOwn,
    )),
    // Search.
    own("index.max_result_window", "10000", at_least(1)),
    inert(own("index.max_rescore_window", "10000", at_least(1))),
    own("index.max_inner_result_window", "100", at_least(1)),
    inert(own("index.max_script_fields", "32", at_least(0))),
    own("index.max_regex_length", "1000", at_least(1)),
    own("index.max_terms_count", "65536", at_least(1)),
    own("index.highlight.max_analyzed_offset", "1000000", at_least(-1)),
    own("index.highlight.weight_matches_mode.enabled", "true", Boolean),
    own("index.max_docvalue_fields_search", "100", at_least(0)),
    own("index.analyze.max_token_count", "10000", at_least(1)),
    inert(own("index.max_slices_per_scroll", "1024", at_least(1))),
    own("index.query.default_field", "*", List),
    inert(own("index.query.parse.allow_unmapped_fields", "true", Boolean)),
    inert(own("index.query_string.lenient", "false", Boolean)),
    inert(own("index.query.query_string.analyze_wildcard", "false", Boolean)),
    inert(own(
        "index.query.query_string.allowLeadingWildcard",
        "true",
        Boolean,
    )),
    own("index.search.idle.after", "30s", Time { min_millis: 0 }),
    inert(own("index.search.throttled", "false", Boolean)),
    inert(own("index.warmer.enabled", "true", Boolean)),
    own("index.refresh_interval", "1s", Time { min_millis: -1 }),
    inert(own("index.max_refresh_listeners", "1000", at_least(0))),
    inert(own("index.requests.cache.enable", "true", Boolean)),
    inert(define(
        "index.load_fixed_bitset_filters_eagerly",
        "true",
        Boolean,
        Static,
        SettingScope::FollowerOwn,
    )),
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
    inert(own("index.translog.retention.age", "-1", Time { min_millis: -1 })),
    inert(own(
        "index.translog.retention.size",
        "-1",
        Bytes {
            min: -1,
            max: i64::MAX,
        },
    )),
    inert(own(
        "index.translog.generation_threshold_size",
        "64mb",
        Bytes {
            min: 64,
            max: i64::MAX,
        },
    )),
    inert(own(
        "index.translog.flush_threshold_size",
        "10gb",
        Bytes {
            min: 64,
            max: i64::MAX,
        },
    )),
    inert(own(
        "index.translog.flush_threshold_age",
        "1m",
        Time { min_millis: 0 },
    )),
    own(
        "index.translog.durability",
        "request",
        Enum(&["request", "async"]),
    ),
    own("index.translog.sync_interval", "5s", Time { min_millis: 100 }),
    inert(own(
        "index.flush_after_merge",
        "512mb",
        Bytes {
            min: 0,
            max: i64::MAX,
        },
    )),
    inert(own("index.gc_deletes", "60s", Time { min_millis: -1 })),
    inert(define(
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
    )),
    inert(own("index.bloom_filter_for_id_field.enabled", "true", Boolean)),
    // Merging.
    inert(own("index.compound_format", "1gb", Text)),
    inert(own(
        "index.merge.policy.type",
        "UNSET",
        Enum(&["UNSET", "tiered", "time_based"]),
    )),
    inert(own("index.merge.policy.max_merge_at_once", "10", at_least(2))),
    inert(own(
        "index.merge.policy.max_merge_at_once_explicit",
        "30",
        at_least(2),
    )),
    inert(own(
        "index.merge.policy.segments_per_tier",
        "10.0",
        Float { min: 2.0 },
    )),
    inert(own("index.merge.policy.merge_factor", "32", at_least(2))),
    inert(own(
        "index.merge.policy.deletes_pct_allowed",
        "20.0",
        Float { min: 5.0 },
    )),
    inert(own(
        "index.merge.policy.expunge_deletes_allowed",
        "10.0",
        Float { min: 0.0 },
    )),
    inert(own(
        "index.merge.policy.floor_segment",
        "2mb",
        Bytes {
            min: 1,
            max: i64::MAX,
        },
    )),
    inert(own(
        "index.merge.policy.max_merged_segment",
        "5gb",
        Bytes {
            min: 1,
            max: i64::MAX,
        },
    )),
    inert(own(
        "index.merge.policy.reclaim_deletes_weight",
        "2.0",
        Float { min: 0.0 },
    )),
    inert(own("index.merge.scheduler.auto_throttle", "true", Boolean)),
    inert(own("index.merge.scheduler.max_merge_count", "6", at_least(1))),
    inert(own("index.merge.scheduler.max_thread_count", "1", at_least(1))),
    // Slow logs.
    inert(own(
        "index.search.slowlog.threshold.query.warn",
        "-1",
        Time { min_millis: -1 },
    )),
    inert(own(
        "index.search.slowlog.threshold.query.info",
        "-1",
        Time { min_millis: -1 },
    )),
    inert(own(
        "index.search.slowlog.threshold.query.debug",
        "-1",
        Time { min_millis: -1 },
    )),
    inert(own(
        "index.search.slowlog.threshold.query.trace",
        "-1",
        Time { min_millis: -1 },
    )),
    inert(own(
        "index.search.slowlog.threshold.fetch.warn",
        "-1",
        Time { min_millis: -1 },
    )),
    inert(own(
        "index.search.slowlog.threshold.fetch.info",
        "-1",
        Time { min_millis: -1 },
    )),
    inert(own(
        "index.search.slowlog.threshold.fetch.debug",
        "-1",
        Time { min_millis: -1 },
    )),
    inert(own(
        "index.search.slowlog.threshold.fetch.trace",
        "-1",
        Time { min_millis: -1 },
    )),
    inert(own("index.search.slowlog.include.user", "false", Boolean)),
    inert(own(
        "index.indexing.slowlog.threshold.index.warn",
        "-1",
        Time { min_millis: -1 },
    )),
    inert(own(
        "index.indexing.slowlog.threshold.index.info",
        "-1",
        Time { min_millis: -1 },
    )),
    inert(own(
        "index.indexing.slowlog.threshold.index.debug",
        "-1",
        Time { min_millis: -1 },
    )),
    inert(own(
        "index.indexing.slowlog.threshold.index.trace",
        "-1",
        Time { min_millis: -1 },
    )),
    inert(own("index.indexing.slowlog.reformat", "true", Boolean)),
    inert(own("index.indexing.slowlog.source", "1000", Text)),
    inert(own("index.indexing.slowlog.include.user", "false", Boolean)),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::{IndexSettings, Settings, normalize_index_prefix, setting_definitions};
    use SettingKind::{AutoCreate, Headroom, Rate, Watermark};

    /// A value that is not the default, for kinds of which there always is one.
    fn another_value(definition: &SettingDefinition) -> Option<String> {
        Some(match definition.kind {
            Integer { min, .. } if definition.default == min.to_string() => (min + 1).to_string(),
            Integer { min, .. } => min.max(0).to_string(),
            Float { .. } => "77".to_owned(),
            Boolean => (definition.default == "false").to_string(),
            Time { .. } => "77s".to_owned(),
            Bytes { .. } => "77mb".to_owned(),
            Enum(words) => (*words.iter().find(|word| **word != definition.default)?).to_owned(),
            EnumList(words) => words[0].to_owned(),
            ReplicaRange => "0-1".to_owned(),
            ActiveShardCount => "2".to_owned(),
            Text | List | Rate | Watermark | Headroom | AutoCreate => "x".to_owned(),
        })
    }

    /// Honoured by those who read them from the flat settings, or by having one value only.
    const READ_ELSEWHERE: &[&str] = &[
        "index.routing_partition_size",
        "index.write.wait_for_active_shards",
        "index.max_ngram_diff",
        "index.max_shingle_diff",
        "index.max_inner_result_window",
        "index.analysis.*",
    ];

    #[test]
    fn what_is_honoured_is_read_and_nothing_else() {
        let default = IndexSettings::from_settings(&Settings::new()).expect("defaults");
        for definition in setting_definitions().iter().filter(|definition| {
            definition.scope != SettingScope::Identity && !READ_ELSEWHERE.contains(&definition.key)
        }) {
            let Some(value) = another_value(definition) else {
                continue;
            };
            let key = definition.key.replace('*', "zone");
            let settings = Settings::from_json(&json!({ key.as_str(): value })).expect("settings");
            match IndexSettings::from_settings(&settings) {
                Ok(typed) => assert_eq!(typed != default, definition.honoured, "{key}: {value}"),
                // The one value that may be.
                Err(error) => assert!(definition.honoured, "{error}"),
            }
        }
        let analysis = |json| {
            IndexSettings::from_settings(&normalize_index_prefix(
                &Settings::from_json(&json).expect("settings"),
            ))
        };
        let grams = json!({"analysis.analyzer.a.tokenizer": "t", "analysis.tokenizer.t": {"type": "ngram", "min_gram": 1, "max_gram": 3}});
        let mut wider = grams.clone();
        wider["max_ngram_diff"] = json!(2);
        assert_ne!(analysis(grams), analysis(wider));
    }
}
