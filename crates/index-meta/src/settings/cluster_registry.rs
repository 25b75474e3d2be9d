//! What is known of a setting of a cluster or a node, and whether it may be set through the cluster settings API.

use super::cluster_definitions::CLUSTER_DEFINITIONS;
use super::suggestions::suggestions;
use super::validation::check_kind;
use super::{SettingKind, SettingValue, Settings};
use crate::error::SettingsError;

/// When a setting of a cluster or a node may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterSettingUpdate {
    /// At any time, through the API.
    Dynamic,
    /// In the configuration of each node only, before it starts.
    Static,
}

/// One known setting of a cluster or a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusterSettingDefinition {
    /// Full key; a `*` stands for a name that users choose: an alias in the middle, anything at the end.
    pub key: &'static str,
    /// Value if not set, empty if there is none.
    pub default: &'static str,
    /// What values it takes.
    pub kind: SettingKind,
    /// When it may change.
    pub update: ClusterSettingUpdate,
    /// Whether this version acts on it. Others are checked, kept and shown all the same.
    pub honoured: bool,
}

impl ClusterSettingDefinition {
    /// Whether it stands for many keys.
    #[must_use]
    pub fn is_group(&self) -> bool {
        self.key.contains('*')
    }

    fn matches(&self, key: &str) -> bool {
        let Some((before, after)) = self.key.split_once('*') else {
            return self.key == key;
        };
        let name = key.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        name.is_some_and(|name| !name.is_empty() && (after.is_empty() || !name.contains('.')))
    }
}

/// Every known setting of clusters and nodes.
#[must_use]
pub fn cluster_setting_definitions() -> &'static [ClusterSettingDefinition] {
    CLUSTER_DEFINITIONS
}

/// The definition of `key`, or of the group that it belongs to.
#[must_use]
pub fn cluster_setting_definition(key: &str) -> Option<&'static ClusterSettingDefinition> {
    // One that is known by its own name does not belong to a group.
    let by_name = CLUSTER_DEFINITIONS
        .iter()
        .find(|definition| definition.key == key);
    by_name.or_else(|| {
        CLUSTER_DEFINITIONS
            .iter()
            .find(|definition| definition.matches(key))
    })
}

/// Checks changes of the `scope` (`persistent` or `transient`), of which `current` is set now. A null resets a setting, its key may end in `*`; what is
/// set can always be reset.
///
/// # Errors
/// [`SettingsError::NotRecognized`], [`SettingsError::NotUpdateable`], [`SettingsError::Value`].
pub fn validate_cluster_update(
    scope: &'static str,
    changes: &Settings,
    current: &Settings,
) -> Result<(), SettingsError> {
    for (key, value) in changes.iter() {
        let is_reset = *value == SettingValue::Null;
        if is_reset && (key.ends_with('*') || current.get(key).is_some()) {
            continue;
        }
        let Some(definition) = cluster_setting_definition(key) else {
            return Err(SettingsError::NotRecognized {
                scope,
                key: key.to_owned(),
                suggestions: suggestions(key, CLUSTER_DEFINITIONS.iter().map(|definition| definition.key)),
            });
        };
        if definition.update == ClusterSettingUpdate::Static {
            return Err(SettingsError::NotUpdateable {
                scope,
                key: key.to_owned(),
            });
        }
        check_kind(key, definition.kind, value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn keys_are_unique_and_defaults_are_valid() {
        let keys: BTreeSet<_> = CLUSTER_DEFINITIONS
            .iter()
            .map(|definition| definition.key)
            .collect();
        assert_eq!(keys.len(), CLUSTER_DEFINITIONS.len());
        for definition in CLUSTER_DEFINITIONS
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
    fn names_stand_where_the_star_is() {
        let found = |key| cluster_setting_definition(key).map(|definition| definition.key);
        for (key, expected) in [
            ("ccr.auto_heal", Some("ccr.auto_heal")),
            ("cluster.remote.lisbon.seeds", Some("cluster.remote.*.seeds")),
            (
                "cluster.remote.lisbon.transport.ping_schedule",
                Some("cluster.remote.*.transport.ping_schedule"),
            ),
            ("cluster.remote.node.attr", Some("cluster.remote.node.attr")),
            ("cluster.remote.a.b.seeds", None),
            ("cluster.remote..seeds", None),
            ("cluster.remote.seeds", None),
            (
                "cluster.routing.allocation.exclude._ip",
                Some("cluster.routing.allocation.exclude.*"),
            ),
            (
                "cluster.routing.allocation.awareness.force.zone.values",
                Some("cluster.routing.allocation.awareness.force.*"),
            ),
            ("cluster.routing.allocation.exclude.", None),
            ("search.max_buckets", None),
        ] {
            assert_eq!(found(key), expected, "{key}");
        }
    }

    #[test]
    fn what_is_unknown_static_or_wrong_is_refused() {
        let current = json!({"gone.in.this.version": 1});
        let check = |scope, changes: &Value| {
            let read = |json| Settings::from_json(json).expect("settings");
            validate_cluster_update(scope, &read(changes), &read(&current)).map_err(|error| error.to_string())
        };
        for (changes, expected) in [
            (json!({"action.auto_create_index": "+logs-*, -*"}), None),
            (json!({"ccr": {"indices.recovery": {"chunk_size": "2mb"}}}), None),
            (
                json!({"cluster.remote.a": {"seeds": ["h:1", "h:2"], "mode": "SNIFF"}}),
                None,
            ),
            (
                json!({"cluster.routing.allocation.disk.watermark": {"low": "0.9", "low.max_headroom": "-1", "high": "5gb"}}),
                None,
            ),
            (
                json!({"cluster.routing.allocation.enable": "none", "indices.scrub.max_bytes_per_sec": -1}),
                None,
            ),
            (
                json!({"ccr.*": null, "*": null, "ccr.auto_heal": null, "gone.in.this.version": null}),
                None,
            ),
            (
                json!({"action.auto_create_indx": true}),
                Some(
                    "persistent setting [action.auto_create_indx], not recognized, did you mean [action.auto_create_index]?",
                ),
            ),
            (
                json!({"never.known": null}),
                Some("persistent setting [never.known], not recognized"),
            ),
            (json!({"ccr.*": 1}), Some("not recognized")),
            (
                json!({"index.refresh_interval": "1s"}),
                Some("persistent setting [index.refresh_interval], not recognized"),
            ),
            (
                json!({"cluster.name": "x"}),
                Some("persistent setting [cluster.name], not dynamically updateable"),
            ),
            (json!({"path.data": null}), Some("not dynamically updateable")),
            (
                json!({"action.auto_create_index": ""}),
                Some("[true], [false] or a list of patterns"),
            ),
            (
                json!({"action.auto_create_index": "a,-"}),
                Some("an index name after [-]"),
            ),
            (json!({"action.auto_create_index": ["a"]}), Some("not a list")),
            (
                json!({"action.destructive_requires_name": "maybe"}),
                Some("only [true] or [false]"),
            ),
            (
                json!({"ccr.indices.recovery.chunk_size": "1b"}),
                Some("[1kb] to [1gb]"),
            ),
            (
                json!({"ccr.indices.recovery.max_concurrent_file_chunks": 11}),
                Some("<= 10"),
            ),
            (
                json!({"ccr.wait_for_metadata_timeout": "60"}),
                Some("needs a unit"),
            ),
            (
                json!({"ccr.wait_for_metadata_timeout": "0s"}),
                Some("below [1ms]"),
            ),
            (
                json!({"indices.compaction.max_bytes_per_sec": "fast"}),
                Some("not a size"),
            ),
            (
                json!({"cluster.routing.allocation.disk.watermark.low": "101%"}),
                Some("a percentage"),
            ),
            (
                json!({"cluster.routing.allocation.balance.shard": -1}),
                Some("not a number >= 0"),
            ),
            (json!({"cluster.remote.a.node_connections": 0}), Some(">= 1")),
        ] {
            let result = check("persistent", &changes);
            match (&result, expected) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) if error.contains(part) => {}
                _ => panic!("{changes}: {result:?}"),
            }
        }
        let transient = check("transient", &json!({"a": 1}));
        assert_eq!(transient, Err("transient setting [a], not recognized".to_owned()));
    }
}
