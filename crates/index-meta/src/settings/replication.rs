//! Which settings a follower must have in common with its leader.

use crate::error::SettingsError;
use crate::settings::validation::{check_not_managed, check_value};
use crate::settings::{
    SettingScope, SettingUpdate, SettingValue, Settings, normalize_index_prefix, setting_definition,
};

/// What a follower must change to have its leader's replicated settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsSync {
    /// Can be changed while the index is open.
    pub dynamic: Settings,
    /// Need the close, apply, reopen cycle.
    pub non_dynamic: Settings,
}

impl SettingsSync {
    /// Whether nothing needs to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dynamic.is_empty() && self.non_dynamic.is_empty()
    }
}

/// What both must have in common: everything but a follower's own settings and the identity of the index. Unknown keys stay in, so that
/// two versions that know different settings do not pass for equal.
fn replicated(settings: &Settings) -> impl Iterator<Item = (&str, &SettingValue)> {
    settings
        .iter()
        .filter(|(key, _)| setting_definition(key).is_none_or(|definition| definition.is_replicated()))
}

/// What `follower` must change. A setting that the leader does not have, or has no more, goes back to its default (Elasticsearch leaves it
/// behind, and refuses to resume then). Settings that this version does not know are left alone.
#[must_use]
pub fn settings_to_replicate(leader: &Settings, follower: &Settings) -> SettingsSync {
    let mut sync = SettingsSync::default();
    let removed = replicated(follower)
        .filter(|(key, _)| leader.get(key).is_none())
        .map(|(key, _)| (key, &SettingValue::Null));
    let changed = replicated(leader).filter(|(key, value)| follower.get(key) != Some(*value));
    for (key, value) in changed.chain(removed) {
        match setting_definition(key).map(|definition| definition.update) {
            Some(SettingUpdate::Dynamic) => sync.dynamic.insert_value(key, value.clone()),
            Some(SettingUpdate::Static) => sync.non_dynamic.insert_value(key, value.clone()),
            // Set when an index is created, the same on both.
            Some(SettingUpdate::Final) | None => {}
        }
    }
    sync
}

/// Whether both have the same replicated settings, as resuming demands.
#[must_use]
pub fn replicated_settings_equal(leader: &Settings, follower: &Settings) -> bool {
    replicated(leader).eq(replicated(follower))
}

/// Checks the `settings` of a follow request, with or without their `index.` prefix: only those that a follower has as its own, with
/// values that fit.
///
/// # Errors
/// [`SettingsError::UnknownOverrides`], [`SettingsError::ReplicatedOverrides`], [`SettingsError::Managed`], [`SettingsError::Value`].
pub fn check_follow_overrides(settings: &Settings) -> Result<(), SettingsError> {
    let settings = normalize_index_prefix(settings);
    let left: Vec<_> = replicated(&settings).collect();
    let unknown: Vec<String> = left
        .iter()
        .filter(|(key, _)| setting_definition(key).is_none())
        .map(|(key, _)| (*key).to_owned())
        .collect();
    if !unknown.is_empty() {
        return Err(SettingsError::UnknownOverrides { keys: unknown });
    }
    if left.is_empty() {
        return check_own(&settings);
    }
    let shown = left
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_json()))
        .collect();
    Err(SettingsError::ReplicatedOverrides {
        settings: serde_json::Value::Object(shown).to_string(),
    })
}

/// Refuses what identifies the index, and values that do not fit.
fn check_own(settings: &Settings) -> Result<(), SettingsError> {
    for (key, value) in settings.iter() {
        let Some(definition) = setting_definition(key) else {
            continue;
        };
        check_not_managed(key, definition)?;
        if definition.scope == SettingScope::Identity {
            return Err(SettingsError::Managed {
                key: key.to_owned(),
                visibility: "private",
            });
        }
        check_value(key, definition, value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn settings(json: &Value) -> Settings {
        Settings::from_json(json).expect("settings")
    }

    #[test]
    fn only_replicated_settings_are_copied() {
        let leader = settings(&json!({"index": {
            "uuid": "a", "number_of_replicas": 2, "refresh_interval": "5s",
            "mapping.total_fields.limit": 2000, "analysis.analyzer.a.type": "standard", "number_of_shards": 1
        }}));
        let follower = settings(&json!({"index": {
            "uuid": "b", "number_of_shards": 1, "mapping.depth.limit": 7, "analysis.analyzer.b.type": "standard", "priority": 3
        }}));
        let sync = settings_to_replicate(&leader, &follower);
        assert_eq!(
            sync.dynamic,
            settings(&json!({"index.mapping.total_fields.limit": 2000, "index.mapping.depth.limit": null}))
        );
        assert_eq!(
            sync.non_dynamic,
            settings(
                &json!({"index.analysis.analyzer.a.type": "standard", "index.analysis.analyzer.b.type": null})
            )
        );

        let synced = follower.apply(&sync.dynamic).apply(&sync.non_dynamic);
        assert!(settings_to_replicate(&leader, &synced).is_empty());
        assert!(replicated_settings_equal(&leader, &synced));
        assert_eq!(synced.get_str("index.priority"), Some("3"), "its own");
    }

    #[test]
    fn a_follow_request_can_set_only_what_is_the_followers_own() {
        let check = |json: Value| check_follow_overrides(&settings(&json)).map_err(|error| error.to_string());
        assert_eq!(
            check(json!({"index.number_of_replicas": 0, "refresh_interval": "1s"})),
            Ok(())
        );
        let replicated = check(json!({"index.number_of_shards": 5, "index.number_of_replicas": 0}));
        assert!(replicated.is_err_and(|error| error.contains(r#"{"index.number_of_shards":"5"}"#)));
        for (json, part) in [
            (json!({"uuid": "x"}), "private setting [index.uuid]"),
            (json!({"index.soft_deletes.enabled": true}), "private setting"),
            (
                json!({"index.xpack.ccr.following_index": true}),
                "internal setting",
            ),
            (json!({"number_of_replicas": "many"}), "not a whole number"),
        ] {
            let refused = check(json.clone());
            assert!(
                refused.as_ref().is_err_and(|error| error.contains(part)),
                "{json}: {refused:?}"
            );
        }
        assert_eq!(check(json!({"number_of_replicas": null})), Ok(()));
        assert_eq!(
            check(json!({"a": 1})),
            Err("unknown setting [index.a]".to_owned())
        );
        assert_eq!(
            check(json!({"a": 1, "b": 1})),
            Err("unknown settings [index.a, index.b]".to_owned())
        );
    }
}
