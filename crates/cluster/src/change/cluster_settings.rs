//! Changes cluster settings.

use es_exception::{Exception, ExceptionKind};
use index_meta::Settings;

use crate::change::update_settings::is_reset;
use crate::state::ClusterState;

/// Lays `persistent` and `transient` over the cluster's settings; a null removes a setting (its key may end in `*`).
///
/// Which settings exist and what they may be is checked by who understands them, before this.
///
/// # Errors
/// `action_request_validation_exception` if both are empty; `settings_exception` for an index setting.
pub fn update_cluster_settings(
    state: &ClusterState,
    persistent: &Settings,
    transient: &Settings,
) -> Result<ClusterState, Exception> {
    if persistent.is_empty() && transient.is_empty() {
        return Err(Exception::new(
            ExceptionKind::ActionRequestValidation,
            "Validation Failed: 1: no settings to update;",
        ));
    }
    let foreign =
        |(key, value): &(&str, &index_meta::SettingValue)| key.starts_with("index.") && !is_reset(value);
    if let Some((key, _)) = persistent.iter().chain(transient.iter()).find(foreign) {
        return Err(Exception::illegal_argument(format!(
            "persistent setting [{key}], not recognized: it is a setting of an index"
        )));
    }
    let mut next = state.clone();
    next.persistent_settings = state.persistent_settings.apply(persistent);
    next.transient_settings = state.transient_settings.apply(transient);
    Ok(next)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn transient_settings_win_and_null_removes() {
        let settings = |json| Settings::from_json(&json).unwrap();
        let state = ClusterState::new("c", "u");
        let persistent = settings(json!({"cluster.remote.x": {"seeds": ["h:1"], "mode": "sniff"}, "a.b": 1}));
        let set = update_cluster_settings(&state, &persistent, &settings(json!({"a.b": 2}))).unwrap();
        assert_eq!(set.setting("a.b"), Some("2"));
        let reset = settings(json!({"a.b": null}));
        let set =
            update_cluster_settings(&set, &settings(json!({"cluster.remote.x.*": null})), &reset).unwrap();
        assert_eq!(
            (set.setting("a.b"), set.persistent_settings.len()),
            (Some("1"), 1)
        );
        assert!(update_cluster_settings(&set, &Settings::default(), &Settings::default()).is_err());
    }
}
