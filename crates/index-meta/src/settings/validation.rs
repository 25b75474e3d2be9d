//! Whether settings may be given at creation or changed later.

use super::registry::{
    SettingDefinition, SettingScope, SettingUpdate, setting_definition, setting_definitions,
};
use super::suggestions::suggestions;
use super::{SettingKind, SettingValue, Settings};
use crate::analysis::AnalysisDefinitions;
use crate::error::SettingsError;

/// Checks the settings that a user creates an index with, all with their `index.` prefix.
///
/// # Errors
/// [`SettingsError::Unknown`], [`SettingsError::Value`], [`SettingsError::Managed`], [`SettingsError::Analysis`].
pub fn validate_for_create(settings: &Settings) -> Result<(), SettingsError> {
    for (key, value) in settings.iter() {
        let definition = definition_of(key)?;
        check_not_managed(key, definition)?;
        check_value(key, definition, value)?;
    }
    AnalysisDefinitions::from_settings(settings).check()?;
    check_shards(settings)
}

/// `changes` with each reset of a wildcard replaced by the resets that it stands for: those of the settings in `current` that a user may change now. It
/// does not reach settings of the system, nor what an open index cannot change.
#[must_use]
pub fn expand_wildcard_resets(changes: &Settings, current: &Settings, index_open: bool) -> Settings {
    let may_change = |key: &str| {
        setting_definition(key).is_some_and(|definition| match definition.update {
            SettingUpdate::Dynamic => !definition.private,
            SettingUpdate::Static => !definition.private && !index_open,
            SettingUpdate::Final => false,
        })
    };
    let mut expanded = Settings::new();
    for (key, value) in changes.iter() {
        match key.strip_suffix('*').filter(|_| *value == SettingValue::Null) {
            None => expanded.insert_value(key, value.clone()),
            Some(prefix) => {
                let reset = current.iter().map(|(key, _)| key);
                for key in reset.filter(|key| key.starts_with(prefix) && may_change(key)) {
                    // A value that the same request sets stands.
                    if changes.get(key).is_none() {
                        expanded.insert_value(key, SettingValue::Null);
                    }
                }
            }
        }
    }
    expanded
}

/// Checks the changes that a user makes to the settings of an index, all with their `index.` prefix.
///
/// # Errors
/// As [`validate_for_create`], and [`SettingsError::Final`], [`SettingsError::NotDynamic`].
pub fn validate_update(changes: &Settings, index_open: bool) -> Result<(), SettingsError> {
    let (mut final_keys, mut static_keys) = (Vec::new(), Vec::new());
    for (key, value) in changes.iter() {
        let definition = definition_of(key)?;
        check_not_managed(key, definition)?;
        check_value(key, definition, value)?;
        match definition.update {
            SettingUpdate::Dynamic => {}
            SettingUpdate::Static if !index_open => {}
            SettingUpdate::Static => static_keys.push(key.to_owned()),
            SettingUpdate::Final => final_keys.push(key.to_owned()),
        }
    }
    if !final_keys.is_empty() {
        return Err(SettingsError::Final { keys: final_keys });
    }
    if !static_keys.is_empty() {
        return Err(SettingsError::NotDynamic { keys: static_keys });
    }
    Ok(())
}

fn definition_of(key: &str) -> Result<&'static SettingDefinition, SettingsError> {
    let candidates = setting_definitions()
        .iter()
        .filter(|definition| definition.scope != SettingScope::Identity);
    setting_definition(key).ok_or_else(|| SettingsError::Unknown {
        key: key.to_owned(),
        suggestions: suggestions(key, candidates.map(|definition| definition.key)),
    })
}

pub(super) fn check_not_managed(key: &str, definition: &SettingDefinition) -> Result<(), SettingsError> {
    if !definition.private {
        return Ok(());
    }
    let visibility = if definition.key == "index.xpack.ccr.following_index" {
        "internal"
    } else {
        "private"
    };
    Err(SettingsError::Managed {
        key: key.to_owned(),
        visibility,
    })
}

pub(super) fn check_value(
    key: &str,
    definition: &SettingDefinition,
    value: &SettingValue,
) -> Result<(), SettingsError> {
    if definition.key == "index.soft_deletes.enabled" && value.to_text() == "false" {
        return Err(SettingsError::Value {
            key: key.to_owned(),
            value: value.to_text(),
            problem: "indices without soft deletes are no longer supported".to_owned(),
        });
    }
    check_kind(key, definition.kind, value)
}

/// Whether a setting of this kind can have the value.
pub(super) fn check_kind(key: &str, kind: SettingKind, value: &SettingValue) -> Result<(), SettingsError> {
    let refused = |problem: String| SettingsError::Value {
        key: key.to_owned(),
        value: value.to_text(),
        problem,
    };
    match value {
        SettingValue::Null => Ok(()),
        SettingValue::String(text) => kind.check(text).map_err(refused),
        SettingValue::List(items) if kind.takes_lists() => items
            .iter()
            .try_for_each(|item| kind.check(item).map_err(refused)),
        SettingValue::List(_) => Err(refused("it takes one value, not a list".to_owned())),
    }
}

/// Source: the number of routing shards is a multiple of the number of shards.
fn check_shards(settings: &Settings) -> Result<(), SettingsError> {
    let number = |key: &str| {
        settings
            .get_str(key)
            .and_then(|text| text.trim().parse::<u32>().ok())
    };
    let shards = number("index.number_of_shards").unwrap_or(1);
    match number("index.number_of_routing_shards") {
        Some(routing_shards) if routing_shards < shards || routing_shards % shards != 0 => {
            Err(SettingsError::Value {
                key: "index.number_of_routing_shards".to_owned(),
                value: routing_shards.to_string(),
                problem: format!("it must be a multiple of the number of shards [{shards}]"),
            })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn settings(json: &Value) -> Settings {
        super::super::normalize_index_prefix(&Settings::from_json(json).expect("settings"))
    }

    #[test]
    fn creation_refuses_what_is_unknown_wrong_or_managed() {
        for (json, expected) in [
            (
                json!({"number_of_shards": 3, "index.refresh_interval": "-1", "analysis.analyzer.a.type": "standard"}),
                None,
            ),
            (
                json!({"analysis.analyzer.a.type": "custom"}),
                Some("analyzer [a] must be configured with a tokenizer"),
            ),
            (
                json!({"analysis.filter.f.type": "standard"}),
                Some("Unknown filter type [standard] for [f]"),
            ),
            (
                json!({"number_of_shard": 3}),
                Some("did you mean [index.number_of_shards]?"),
            ),
            (json!({"completely_different_thing": 3}), Some("unknown setting")),
            (json!({"number_of_shards": 0}), Some(">= 1")),
            (json!({"number_of_shards": 2000}), Some("<= 1024")),
            (json!({"number_of_replicas": "many"}), Some("not a whole number")),
            (json!({"refresh_interval": "5"}), Some("needs a unit")),
            (json!({"translog.sync_interval": "50ms"}), Some("below [100ms]")),
            (
                json!({"translog.durability": "never"}),
                Some("one of [request, async]"),
            ),
            (json!({"blocks.write": "yes"}), Some("only [true] or [false]")),
            (json!({"blocks.write": ["true"]}), Some("not a list")),
            (json!({"uuid": "x"}), Some("private setting [index.uuid]")),
            (json!({"soft_deletes.enabled": false}), Some("soft deletes")),
            (json!({"soft_deletes.enabled": true}), None),
            (json!({"auto_expand_replicas": "0-all"}), None),
            (json!({"auto_expand_replicas": "2-1"}), Some("range")),
            (
                json!({"number_of_shards": 3, "number_of_routing_shards": 4}),
                Some("multiple"),
            ),
        ] {
            let result = validate_for_create(&settings(&json)).map_err(|error| error.to_string());
            match (&result, expected) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) if error.contains(part) => {}
                _ => panic!("{json}: {result:?}"),
            }
        }
    }

    #[test]
    fn a_wildcard_resets_what_a_user_may_change_now() {
        let current = settings(&json!({
            "uuid": "a", "xpack.ccr.following_index": true, "number_of_shards": 1, "priority": 3,
            "codec": "best_compression", "routing.allocation.require.zone": "x", "routing.allocation.include.zone": "y"
        }));
        let expand = |changes: Value, is_open| {
            expand_wildcard_resets(&settings(&changes), &current, is_open).to_flat_json()
        };
        let all = json!({"*": null});
        let dynamic = json!({
            "index.priority": null, "index.routing.allocation.require.zone": null, "index.routing.allocation.include.zone": null
        });
        assert_eq!(expand(all.clone(), true), dynamic);
        let closed = expand(all, false);
        assert_eq!(closed["index.codec"], Value::Null);
        assert_eq!(closed.as_object().map(serde_json::Map::len), Some(4));
        assert_eq!(expand(json!({"xpack.*": null}), false), json!({}));
        assert_eq!(
            expand(
                json!({"routing.allocation.require.*": null, "routing.allocation.require.zone": "z"}),
                true
            ),
            json!({"index.routing.allocation.require.zone": "z"})
        );
        assert_eq!(
            expand(json!({"priority": null}), true),
            json!({"index.priority": null})
        );
    }

    #[test]
    fn updates_depend_on_whether_the_index_is_open() {
        for (json, is_open, expected) in [
            (
                json!({"number_of_replicas": 0, "refresh_interval": null}),
                true,
                None,
            ),
            (
                json!({"number_of_shards": 2}),
                false,
                Some("final setting(s) [index.number_of_shards]"),
            ),
            (
                json!({"codec": "best_compression"}),
                true,
                Some("non dynamic setting(s) [index.codec]"),
            ),
            (json!({"codec": "best_compression"}), false, None),
            (
                json!({"xpack.ccr.following_index": false}),
                false,
                Some("internal setting"),
            ),
            (
                json!({"nonsense": null}),
                true,
                Some("unknown setting [index.nonsense]"),
            ),
        ] {
            let result = validate_update(&settings(&json), is_open).map_err(|error| error.to_string());
            match (&result, expected) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) if error.contains(part) => {}
                _ => panic!("{json}: {result:?}"),
            }
        }
    }
}
