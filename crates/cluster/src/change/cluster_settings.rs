//! Changes cluster settings.

use es_exception::{Exception, ExceptionKind};
use index_meta::{Settings, validate_cluster_update};

use crate::state::ClusterState;

/// Lays `persistent` and `transient` over the cluster's settings; a null removes a setting (its key may end in `*`).
///
/// Whether settings fit each other is checked by who understands them, after this.
///
/// # Errors
/// `action_request_validation_exception` if both are empty; `illegal_argument_exception` for a setting that is not known, belongs to the configuration of
/// a node, or cannot have its value.
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
    for (scope, changes, current) in [
        ("persistent", persistent, &state.persistent_settings),
        ("transient", transient, &state.transient_settings),
    ] {
        validate_cluster_update(scope, changes, current).map_err(|error| error.to_exception())?;
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
        let persistent =
            settings(json!({"cluster.remote.x": {"seeds": ["h:1"], "mode": "sniff"}, "ccr.auto_heal": true}));
        let set =
            update_cluster_settings(&state, &persistent, &settings(json!({"ccr.auto_heal": false}))).unwrap();
        assert_eq!(set.setting("ccr.auto_heal"), Some("false"));
        let reset = settings(json!({"ccr.auto_heal": null}));
        let set =
            update_cluster_settings(&set, &settings(json!({"cluster.remote.x.*": null})), &reset).unwrap();
        assert_eq!(
            (set.setting("ccr.auto_heal"), set.persistent_settings.len()),
            (Some("true"), 1)
        );
        assert!(update_cluster_settings(&set, &Settings::default(), &Settings::default()).is_err());
        for refused in [
            json!({"a.b": 1}),
            json!({"cluster.name": "x"}),
            json!({"ccr.auto_heal": "maybe"}),
        ] {
            let refusal =
                update_cluster_settings(&set, &Settings::default(), &settings(refused)).unwrap_err();
            assert_eq!(refusal.status(), 400, "{refusal}");
        }
    }
}
