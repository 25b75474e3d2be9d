//! Changes the settings of indices.

use es_exception::{Exception, ExceptionKind};
use index_meta::{
    IndexSettings, SettingValue, Settings, expand_wildcard_resets, setting_definition, settings_to_replicate,
    validate_update,
};

use crate::block::{BlockLevel, check_block};
use crate::origin::{Origin, check_not_replicated};
use crate::state::ClusterState;

/// A change of settings.
#[derive(Debug, Clone)]
pub struct SettingsChange {
    /// Full keys with `index.` prefix; a null takes the setting back to its default.
    pub settings: Settings,
    /// Keep what an index has set already.
    pub preserve_existing: bool,
    /// Who asks.
    pub origin: Origin,
}

/// Applies `change` to each of `names`.
///
/// # Errors
/// `index_not_found_exception`; `illegal_argument_exception` for a setting that is unknown, not valid, managed by the system, or static on an open
/// index; `cluster_block_exception` unless only blocks are changed; `status_exception` when a user changes on a follower what its tasks copy from the leader.
/// A follower that is paused may be changed, which makes it fit to be resumed when the leader was changed meanwhile.
pub fn update_index_settings(
    state: &ClusterState,
    names: &[String],
    change: &SettingsChange,
) -> Result<ClusterState, Exception> {
    let only_blocks = change
        .settings
        .iter()
        .all(|(key, _)| key.starts_with("index.blocks."));
    let mut next = state.clone();
    for name in names {
        let index = state.require_index(name)?;
        if !only_blocks && change.origin == Origin::User {
            check_block(index, BlockLevel::MetadataWrite)?;
        }
        let mut changes = Settings::default();
        for (key, value) in change.settings.iter() {
            // What exists stays, and there is nothing else that a wildcard could reset.
            let is_wildcard_reset = key.ends_with('*') && *value == SettingValue::Null;
            let is_preserved = is_wildcard_reset || index.settings.get(key).is_some();
            if !(change.preserve_existing && is_preserved) {
                changes.insert_value(key, value.clone());
            }
        }
        let mut changes = expand_wildcard_resets(&changes, &index.settings, index.is_open());
        if index.is_follower() && change.origin == Origin::User {
            keep_replicated(&mut changes, &change.settings);
        }
        validate_update(&changes, index.is_open()).map_err(|error| {
            // A private setting that replication would copy is a bug of the caller, and refused all the same.
            error.to_exception().with_index(name)
        })?;
        let mut settings = index.settings.apply(&changes);
        if settings.get("index.number_of_replicas").is_none() {
            // Elasticsearch always shows the number of replicas, also after a reset to the default.
            settings.insert("index.number_of_replicas", "1");
        }
        IndexSettings::from_settings(&settings).map_err(|error| error.to_exception().with_index(name))?;
        if state.has_tasks_of(&index.uuid)
            && let Some(key) = replicated_difference(&index.settings, &settings)
        {
            check_not_replicated(index, change.origin, &format!("change the setting [{key}]"))?;
        }
        next = next.modify_index(name, |index| {
            index.settings = settings;
            Ok(())
        })?;
    }
    Ok(next)
}

/// Takes out of `changes` the replicated settings that `asked` only means by a wildcard.
fn keep_replicated(changes: &mut Settings, asked: &Settings) {
    let is_replicated =
        |key: &str| setting_definition(key).is_none_or(|definition| definition.is_replicated());
    let meant_by_wildcard: Vec<String> = changes
        .iter()
        .map(|(key, _)| key)
        .filter(|key| asked.get(key).is_none() && is_replicated(key))
        .map(str::to_owned)
        .collect();
    for key in meant_by_wildcard {
        changes.remove(&key);
    }
}

/// The first setting that a follower has in common with its leader and that differs.
fn replicated_difference(before: &Settings, after: &Settings) -> Option<String> {
    let difference = settings_to_replicate(after, before);
    let mut changed = difference.dynamic.iter().chain(difference.non_dynamic.iter());
    changed.next().map(|(key, _)| key.to_owned())
}

/// Reads the body of an update of index settings: nested or dotted keys, with or without `index.` prefix, with or without an outer `settings`.
///
/// # Errors
/// `settings_exception` or `action_request_validation_exception`.
pub fn parse_index_settings(body: &serde_json::Value) -> Result<Settings, Exception> {
    let inner = match body.as_object() {
        Some(object) if object.len() == 1 => object
            .get("settings")
            .filter(|value| value.is_object())
            .unwrap_or(body),
        _ => body,
    };
    let settings = Settings::from_json(inner).map_err(|error| error.to_exception())?;
    if settings.is_empty() {
        return Err(Exception::new(
            ExceptionKind::ActionRequestValidation,
            "Validation Failed: 1: no settings to update;",
        ));
    }
    Ok(index_meta::normalize_index_prefix(&settings))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::change::testing::{state_with, state_with_follower};
    use crate::change::{NewPersistentTask, close_indices, open_indices, put_persistent_task};

    fn update(
        state: &ClusterState,
        body: &Value,
        preserve_existing: bool,
    ) -> Result<ClusterState, Exception> {
        let settings = parse_index_settings(body)?;
        let change = SettingsChange {
            settings,
            preserve_existing,
            origin: Origin::User,
        };
        update_index_settings(state, &["a".into()], &change)
    }

    #[test]
    fn null_resets_and_the_version_counts_real_changes_only() {
        let state = state_with(&["a"]);
        let set = update(&state, &json!({"index": {"max_result_window": 5}}), false).unwrap();
        let index = set.index("a").unwrap();
        assert_eq!((index.settings_version, index.mapping_version), (2, 1));
        let same = update(&set, &json!({"index.max_result_window": "5"}), false).unwrap();
        assert_eq!(same.index("a").unwrap().settings_version, 2);
        let reset = update(&set, &json!({"settings": {"max_result_window": null}}), false).unwrap();
        let index = reset.index("a").unwrap();
        assert_eq!(
            (
                index.settings_version,
                index.settings.get("index.max_result_window")
            ),
            (3, None)
        );
    }

    #[test]
    fn a_wildcard_leaves_the_settings_of_a_follower_and_of_the_system() {
        let state = update(&state_with_follower("a"), &json!({"priority": 5}), false).unwrap();
        let before = state.index("a").unwrap().settings.clone();
        for (wildcard, lost) in [("index.xpack.*", None), ("*", Some("index.priority"))] {
            let reset = update(&state, &json!({wildcard: null}), false).unwrap();
            let mut expected = before.clone();
            lost.map(|key| expected.remove(key));
            let settings = &reset.index("a").unwrap().settings;
            for (key, value) in expected
                .iter()
                .filter(|(key, _)| *key != "index.number_of_replicas")
            {
                assert_eq!(settings.get(key), Some(value), "{wildcard} {key}");
            }
            assert_eq!(settings.get("index.priority").is_none(), lost.is_some());
        }
    }

    #[test]
    fn what_a_follower_s_tasks_copy_is_changed_on_the_leader() {
        let paused = state_with_follower("a");
        let uuid = paused.index("a").unwrap().uuid.clone();
        let task = |id: String| NewPersistentTask {
            id,
            task_name: "follow".to_owned(),
            params: json!({}),
        };
        let of_another = put_persistent_task(&paused, task(format!("{uuid}x-0"))).unwrap();
        let replicated = json!({"mapping.total_fields.limit": 7});
        let set = update(&of_another, &replicated, false).unwrap();
        let followed = put_persistent_task(&set, task(format!("{uuid}-0"))).unwrap();
        assert!(followed.has_tasks_of(&uuid));
        for (change, refused) in [
            (json!({"mapping.total_fields.limit": 8}), true),
            (json!({"mapping.total_fields.limit": null}), true),
            (json!({"refresh_interval": "7s", "mapping.depth.limit": 3}), true),
            (json!({"mapping.total_fields.limit": "7"}), false),
            (json!({"refresh_interval": "7s"}), false),
            (json!({"blocks.write": true}), false),
            (json!({"*": null}), false),
            (json!({"mapping.*": null}), false),
        ] {
            match update(&followed, &change, false) {
                Ok(changed) => {
                    let settings = &changed.index("a").unwrap().settings;
                    let kept = settings.get_str("index.mapping.total_fields.limit");
                    assert_eq!((refused, kept), (false, Some("7")), "{change}");
                }
                Err(error) => {
                    assert!(refused && error.status() == 403, "{change}: {error}");
                    assert!(error.reason().contains("the setting [index.mapping."), "{error}");
                }
            }
        }
        let sync = SettingsChange {
            settings: parse_index_settings(&json!({"mapping.total_fields.limit": 9})).unwrap(),
            preserve_existing: false,
            origin: Origin::Ccr,
        };
        assert!(update_index_settings(&followed, &["a".into()], &sync).is_ok());
        // By name a paused follower may be changed, by a wildcard it stays what its leader made it.
        let kept = update(&set, &json!({"*": null}), false).unwrap();
        let settings = &kept.index("a").unwrap().settings;
        assert_eq!(settings.get_str("index.mapping.total_fields.limit"), Some("7"));
        assert!(update(&set, &json!({"mapping.total_fields.limit": null}), false).is_ok());
    }

    #[test]
    fn existing_settings_may_be_preserved() {
        let state = update(&state_with(&["a"]), &json!({"max_result_window": 5}), false).unwrap();
        let kept = update(&state, &json!({"max_result_window": 6, "priority": 9}), true).unwrap();
        let settings = &kept.index("a").unwrap().settings;
        assert_eq!(
            (
                settings.get_str("index.max_result_window"),
                settings.get_str("index.priority")
            ),
            (Some("5"), Some("9"))
        );
        let all = json!({"max_result_window": 7, "*": null});
        let kept = update(&state, &all, true).unwrap();
        let settings = &kept.index("a").unwrap().settings;
        assert_eq!(
            settings.get_str("index.max_result_window"),
            Some("5"),
            "by a wildcard neither"
        );
    }

    #[test]
    fn static_settings_need_a_closed_index() {
        let state = state_with(&["a"]);
        let body = json!({"index.codec": "best_compression"});
        assert_eq!(
            update(&state, &body, false).unwrap_err().kind(),
            ExceptionKind::IllegalArgument
        );
        let closed = close_indices(&state, &["a".into()]).unwrap();
        let set = update(&closed, &body, false).unwrap();
        let open = open_indices(&set, &["a".into()]).unwrap();
        assert_eq!(
            open.index("a").unwrap().settings.get_str("index.codec"),
            Some("best_compression")
        );
    }

    #[test]
    fn the_system_s_settings_are_refused() {
        for key in [
            "index.uuid",
            "index.xpack.ccr.following_index",
            "index.number_of_shards",
            "index.no_such_setting",
        ] {
            let refused = update(&state_with(&["a"]), &json!({key: "1"}), false).unwrap_err();
            assert_eq!(refused.status(), 400, "{key}");
        }
        assert_eq!(
            update(&state_with(&["a"]), &json!({}), false).unwrap_err().kind(),
            ExceptionKind::ActionRequestValidation
        );
    }

    #[test]
    fn a_read_only_index_can_be_made_writable_again_and_nothing_else() {
        let state = update(&state_with(&["a"]), &json!({"blocks.read_only": true}), false).unwrap();
        let refused = update(&state, &json!({"priority": 3}), false).unwrap_err();
        assert_eq!(
            (refused.kind(), refused.status()),
            (ExceptionKind::ClusterBlock, 403)
        );
        let freed = update(&state, &json!({"blocks.read_only": null}), false).unwrap();
        assert!(update(&freed, &json!({"priority": 3}), false).is_ok());
    }
}
