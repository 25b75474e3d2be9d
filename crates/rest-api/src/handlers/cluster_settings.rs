//! `GET` and `PUT /_cluster/settings`.

use std::time::Duration;

use ccr::CcrSettings;
use cluster::ClusterState;
use cluster::change::update_cluster_settings;
use es_exception::Exception;
use index_meta::{SettingValue, Settings};
use indices::IndicesSettings;
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::json_body::{refuse_rest, take_object};
use crate::params::describe;
use crate::reply::Reply;

/// Keys that the cluster settings API takes besides `cluster.remote.*` and those of [`IndicesSettings`].
const KNOWN: [&str; 10] = [
    AUTO_CREATE_INDEX,
    DESTRUCTIVE_REQUIRES_NAME,
    "ccr.auto_heal",
    "ccr.indices.recovery.chunk_size",
    "ccr.indices.recovery.internal_action_timeout",
    "ccr.indices.recovery.max_bytes_per_sec",
    "ccr.indices.recovery.max_concurrent_file_chunks",
    "ccr.indices.recovery.recovery_activity_timeout",
    "ccr.tail.max_bytes_per_sec",
    "ccr.wait_for_metadata_timeout",
];
const AUTO_CREATE_INDEX: &str = "action.auto_create_index";
const DESTRUCTIVE_REQUIRES_NAME: &str = "action.destructive_requires_name";

/// Both scopes as they are.
pub(crate) async fn get(call: Call) -> Result<Reply, Exception> {
    let flat = call.params.flag("flat_settings", false)?;
    let state = call.state.cluster().state();
    let mut answer = Map::new();
    answer.insert("persistent".to_owned(), printed(&state.persistent_settings, flat));
    answer.insert("transient".to_owned(), printed(&state.transient_settings, flat));
    if call.params.flag("include_defaults", false)? {
        answer.insert(
            "defaults".to_owned(),
            printed(&defaults(&state, call.state.indices().setting_defaults()), flat),
        );
    }
    Reply::ok(&answer)
}

/// Changes both scopes at once: values replace, nulls remove.
pub(crate) async fn put(call: Call) -> Result<Reply, Exception> {
    let flat = call.params.flag("flat_settings", false)?;
    let mut body = call.required_object()?;
    let persistent = changes(take_object(&mut body, "persistent")?)?;
    let transient = changes(take_object(&mut body, "transient")?)?;
    refuse_rest(&body, "cluster settings")?;
    call.state
        .cluster()
        .update("cluster-settings", |state| {
            let next = update_cluster_settings(state, &persistent, &transient)?;
            ccr::check_cluster_settings(&next)?;
            indices::check_cluster_settings(&next)?;
            Ok((next, ()))
        })
        .await?;
    let kept = |settings: &Settings| {
        let mut kept = Settings::new();
        for (key, value) in settings.iter().filter(|(_, value)| **value != SettingValue::Null) {
            kept.insert_value(key, value.clone());
        }
        printed(&kept, flat)
    };
    Reply::ok(&json!({"acknowledged": true, "persistent": kept(&persistent), "transient": kept(&transient)}))
}

fn printed(settings: &Settings, flat: bool) -> Value {
    if flat {
        settings.to_flat_json()
    } else {
        settings.to_nested_json()
    }
}

/// What holds for the known settings that neither scope sets; `of_indices` are those of [`IndicesSettings`].
fn defaults(state: &ClusterState, of_indices: Vec<(&'static str, String)>) -> Settings {
    let ccr = CcrSettings::DEFAULTS;
    let seconds = |time: Duration| format!("{}s", time.as_secs());
    let all = [
        (AUTO_CREATE_INDEX, "true".to_owned()),
        (DESTRUCTIVE_REQUIRES_NAME, "true".to_owned()),
        ("ccr.auto_heal", ccr.auto_heal.to_string()),
        (
            "ccr.indices.recovery.chunk_size",
            ccr.recovery_chunk_size.to_string(),
        ),
        (
            "ccr.indices.recovery.internal_action_timeout",
            seconds(ccr.recovery_internal_action_timeout),
        ),
        (
            "ccr.indices.recovery.max_bytes_per_sec",
            ccr.recovery_max_bytes_per_sec.to_string(),
        ),
        (
            "ccr.indices.recovery.max_concurrent_file_chunks",
            ccr.recovery_max_concurrent_file_chunks.to_string(),
        ),
        (
            "ccr.indices.recovery.recovery_activity_timeout",
            seconds(ccr.recovery_activity_timeout),
        ),
        (
            "ccr.tail.max_bytes_per_sec",
            ccr.tail_max_bytes_per_sec.to_string(),
        ),
        (
            "ccr.wait_for_metadata_timeout",
            seconds(ccr.wait_for_metadata_timeout),
        ),
    ];
    let mut defaults = Settings::new();
    for (key, value) in all.into_iter().chain(of_indices) {
        if state.persistent_settings.get(key).is_none() && state.transient_settings.get(key).is_none() {
            defaults.insert(key, value);
        }
    }
    defaults
}

fn changes(scope: Option<Map<String, Value>>) -> Result<Settings, Exception> {
    let Some(scope) = scope else {
        return Ok(Settings::new());
    };
    let settings = Settings::from_json(&Value::Object(scope)).map_err(|error| error.to_exception())?;
    for (key, value) in settings.iter() {
        check(key, value)?;
    }
    Ok(settings)
}

/// Refuses keys that nothing reads. What the values may be is mostly checked with the whole state.
fn check(key: &str, value: &SettingValue) -> Result<(), Exception> {
    let is_reset_of_many = *value == SettingValue::Null && key.ends_with('*');
    let of_indices = IndicesSettings::keys(&IndicesSettings::DEFAULTS);
    let known = || KNOWN.into_iter().chain(of_indices.iter().map(|(key, _)| *key));
    if !key.starts_with("cluster.remote.") && !is_reset_of_many && known().all(|known| known != key) {
        return Err(Exception::illegal_argument(format!(
            "unknown cluster setting {}",
            describe(key, known())
        )));
    }
    let text = value.to_text();
    if key == DESTRUCTIVE_REQUIRES_NAME
        && *value != SettingValue::Null
        && !matches!(text.as_str(), "true" | "false")
    {
        return Err(Exception::illegal_argument(format!(
            "failed to parse value [{text}] for setting [{key}]: only [true] or [false] are allowed"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_exactly_and_flags_are_checked() {
        for (scope, expected) in [
            (json!({"ccr.indices.recovery.chunk_size": "1mb"}), None),
            (json!({"cluster.remote.a.seeds": ["h:1"]}), None),
            (
                json!({"cluster.routing.allocation.disk.watermark.high": "1gb"}),
                None,
            ),
            (json!({"action.destructive_requires_name": false}), None),
            (json!({"ccr.*": null, "indices.recovery.*": null}), None),
            (
                json!({"action.destructive_requires_name": "maybe"}),
                Some("only [true] or [false]"),
            ),
            (json!({"action.auto_create_indx": true}), Some("did you mean")),
            (json!({"ccr.*": 1}), Some("unknown cluster setting")),
            (json!({"search.max_buckets": 1}), Some("unknown cluster setting")),
        ] {
            let result = changes(scope.as_object().cloned()).map_err(|error| error.to_string());
            match (&result, expected) {
                (Ok(_), None) => {}
                (Err(error), Some(part)) if error.contains(part) => {}
                _ => panic!("{scope}: {result:?}"),
            }
        }
    }
}
