//! `GET` and `PUT /_cluster/settings`.

use cluster::ClusterState;
use cluster::change::update_cluster_settings;
use es_exception::Exception;
use index_meta::{ClusterSettingUpdate, SettingValue, Settings, cluster_setting_definitions};
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::json_body::{refuse_rest, take_object};
use crate::reply::Reply;

/// Both scopes as they are.
pub(crate) async fn get(call: Call) -> Result<Reply, Exception> {
    let flat = call.params.flag("flat_settings", false)?;
    let state = call.state.cluster().state();
    let mut answer = Map::new();
    answer.insert("persistent".to_owned(), printed(&state.persistent_settings, flat));
    answer.insert("transient".to_owned(), printed(&state.transient_settings, flat));
    if call.params.flag("include_defaults", false)? {
        let mut of_node = call.state.indices().setting_defaults();
        of_node.push(("cluster.name", state.cluster_name.clone()));
        of_node.push(("node.name", call.state.cluster().local_node().name.clone()));
        answer.insert("defaults".to_owned(), printed(&defaults(&state, of_node), flat));
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
    call.state.ccr().wait_until_applied().await;
    let kept = |settings: &Settings| {
        let mut kept = Settings::new();
        for (key, value) in settings.iter().filter(|(_, value)| **value != SettingValue::Null) {
            kept.insert_value(key, value.clone());
        }
        printed(&kept, flat)
    };
    Reply::ok(
        &json!({"acknowledged": call.is_acknowledged(), "persistent": kept(&persistent), "transient": kept(&transient)}),
    )
}

fn changes(scope: Option<Map<String, Value>>) -> Result<Settings, Exception> {
    scope.map_or_else(
        || Ok(Settings::new()),
        |scope| Settings::from_json(&Value::Object(scope)).map_err(|error| error.to_exception()),
    )
}

fn printed(settings: &Settings, flat: bool) -> Value {
    if flat {
        settings.to_flat_json()
    } else {
        settings.to_nested_json()
    }
}

/// What holds for the settings that neither scope sets: `of_node` comes from the configuration of this node, the rest is the same everywhere.
fn defaults(state: &ClusterState, of_node: Vec<(&'static str, String)>) -> Settings {
    let mut defaults = Settings::new();
    // What a node was really started with is not known here for most of what is static.
    for definition in cluster_setting_definitions()
        .iter()
        .filter(|definition| definition.update == ClusterSettingUpdate::Dynamic && !definition.is_group())
    {
        if let Some(default) = definition.kind.default_value(definition.default) {
            defaults.insert_value(definition.key, default);
        }
    }
    for (key, value) in of_node {
        defaults.insert(key, value);
    }
    for (key, _) in state
        .persistent_settings
        .iter()
        .chain(state.transient_settings.iter())
    {
        defaults.remove(key);
    }
    defaults
}
