//! What an index knows about its documents: mappings, settings and aliases, and what of them a follower replicates.
//!
//! A [`Mapping`] says of every field how its values are read; [`Mapping::check_document`] decides on the leader's primary whether a
//! document fits it or needs new fields (dynamic mapping), and [`Mapping::visit_document`] hands typed values to the search view of
//! every copy. [`Settings`] is the flat map that users see, the registry ([`setting_definition`]) knows each key, and
//! [`IndexSettings`] is the validated, typed view. The sync functions ([`settings_to_replicate`], [`alias_sync_actions`]) compute
//! what a follower must change to equal its leader.
//!
//! This crate deliberately does no IO: it does not store cluster state, does not know who calls it, and does not index anything.
//! It never reads a clock either: date math takes the time as an argument.
//!
//! Reading order: [`Mapping`], [`FieldMapping`], [`FieldSink`], [`Settings`], [`IndexSettings`], [`AnalysisDefinitions`], [`AliasMetadata`],
//! [`Templates`], [`DataStream`].
//!
//! Invariants:
//! - Merging is idempotent, and never removes a field or changes its type.
//! - A document accepted under a mapping merged with its own [`MappingUpdate`] fits.
//! - `Mapping::from_json(mapping.to_json())` equals `mapping`.
//! - Visiting a document never fails on a value: what was accepted once stays searchable whatever later mappings say (part of IM-1).
//!
//! ```
//! use index_meta::{DocumentCheck, Mapping};
//! let mapping = Mapping::from_json(&serde_json::json!({"properties": {"age": {"type": "integer"}}}))?;
//! assert!(matches!(mapping.check_document(br#"{"age": "42"}"#)?, DocumentCheck::Fits));
//! let DocumentCheck::NeedsMapping(update) = mapping.check_document(br#"{"name": "Ada"}"#)? else { panic!("a new field") };
//! let mapping = mapping.merge(update.as_json())?;
//! assert!(mapping.field("name.keyword").is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod alias;
mod analysis;
mod data_stream;
mod date;
mod document;
mod error;
mod mapping;
mod query;
mod settings;
mod template;

pub use alias::{AliasAction, AliasMetadata, alias_sync_actions};
pub use analysis::{
    AnalysisDefinitions, AnalysisLanguage, AnalyzerChain, CharFilterDefinition, GramFilter, GramTokenizer,
    NormalizerChain, PatternFlags, ShingleFilter, StopWords, SynonymRule, Synonyms, TokenChars,
    TokenFilterDefinition, TokenizerDefinition,
};
pub use data_stream::{
    BACKING_INDEX_PREFIX, BackingIndexName, DataStream, TIMESTAMP_FIELD, backing_index_name,
};
pub use date::{CalendarUnit, DateFormat, DateInterval, DateRounding, DateZone, resolve_date_math_name};
pub use document::{DocumentCheck, DocumentRules, FieldSink, FieldValue, MappingUpdate};
pub use error::{DocumentError, MappingError, QueryValueError, SettingsError, ValueError};
pub use mapping::{Dynamic, FieldMapping, FieldType, Mapping, MappingLimits};
pub use query::{QueryContext, QueryValue, RangeBound, RangeEdge, parse_query_value, parse_range_bound};
pub use settings::{
    ClusterSettingDefinition, ClusterSettingUpdate, IndexBlocks, IndexSettings, IndexSort, SettingDefinition,
    SettingKind, SettingScope, SettingUpdate, SettingValue, Settings, SettingsSync, TranslogDurability,
    check_follow_overrides, cluster_setting_definition, cluster_setting_definitions, expand_wildcard_resets,
    normalize_index_prefix, parse_time_millis, replicated_settings_equal, setting_definition,
    setting_definitions, settings_to_replicate, validate_cluster_update, validate_for_create,
    validate_update,
};
pub use template::{
    BackingIndexTemplate, ComponentTemplate, Composition, DataStreamTemplate, IndexTemplate, LegacyTemplate,
    NewIndex, TemplateContent, TemplateError, TemplateKind, Templates, matches_wildcard,
};
