//! `GET` and `PUT /_cluster/settings`.

use ccr::check_cluster_settings;
use cluster::change::update_cluster_settings;
use es_exception::Exception;
use index_meta::{SettingValue, Settings};
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::json_body::{refuse_rest, take_object};
use crate::reply::Reply;
use crate::wildcard::matches;

/// Keys that the cluster settings API takes besides `cluster.remote.*`; a star stands for any run of characters.
const KNOWN: &[&str] = &[
    "action.auto_create_index",
    "action.destructive_requires_name",
    "ccr.*",
    "cluster.indices.*",
    "cluster.max_shards_per_node",
    "cluster.metadata.*",
    "cluster.persistent_tasks.*",
    "cluster.routing.*",
    "http.tracer.*",
    "indices.*",
    "logger.*",
    "search.*",
    "transport.tracer.*",
    "xpack.*",
];

/// Both scopes as they are.
pub(crate) async fn get(call: Call) -> Result<Reply, Exception> {
    let flat = call.params.flag("flat_settings", false)?;
    let state = call.state.cluster().state();
    let mut answer = Map::new();
    answer.insert("persistent".to_owned(), printed(&state.persistent_settings, flat));
    answer.insert("transient".to_owned(), printed(&state.transient_settings, flat));
    if call.params.flag("include_defaults", false)? {
        answer.insert("defaults".to_owned(), json!({}));
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
            check_cluster_settings(&next)?;
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

fn changes(scope: Option<Map<String, Value>>) -> Result<Settings, Exception> {
    let Some(scope) = scope else {
        return Ok(Settings::new());
    };
    let settings = Settings::from_json(&Value::Object(scope)).map_err(|error| error.to_exception())?;
    let unknown = settings.iter().map(|(key, _)| key).find(|key| {
        !key.starts_with("cluster.remote.") && KNOWN.iter().all(|known| !matches(known, key)) && *key != "*"
    });
    match unknown {
        None => Ok(settings),
        Some(key) => Err(Exception::illegal_argument(format!(
            "setting [{key}] is not known or cannot be changed while running"
        ))),
    }
}
