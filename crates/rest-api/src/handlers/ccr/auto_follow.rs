//! The auto-follow pattern APIs.

use ccr::{AutoFollowPattern, PreviewedIndex, PutAutoFollowPatternRequest};
use es_exception::Exception;
use index_meta::Settings;
use serde_json::{Map, Value, json};

use super::parameters::take_parameters;
use crate::call::Call;
use crate::json_body::{refuse_rest, take_bool, take_object, take_string, take_strings};
use crate::reply::Reply;

/// `PUT /_ccr/auto_follow/{name}`: puts a pattern, or replaces it.
pub(crate) async fn put_auto_follow_pattern(call: Call) -> Result<Reply, Exception> {
    let request = definition(call.required_object()?)?;
    let name = call.segment("name").unwrap_or_default();
    call.state.ccr().put_auto_follow_pattern(name, request).await?;
    call.acknowledged()
}

/// `GET /_ccr/auto_follow` and `GET /_ccr/auto_follow/{name}`.
pub(crate) async fn get_auto_follow_pattern(call: Call) -> Result<Reply, Exception> {
    let flat = call.params.flag("flat_settings", false)?;
    let name = call.segment("name");
    let patterns = call.state.ccr().auto_follow_patterns(name)?;
    let patterns: Vec<Value> = patterns
        .iter()
        .map(|(name, pattern)| json!({"name": name, "pattern": printed(pattern, flat)}))
        .collect();
    Reply::ok(&json!({ "patterns": patterns }))
}

/// `DELETE /_ccr/auto_follow/{name}`: the followers stay.
pub(crate) async fn delete_auto_follow_pattern(call: Call) -> Result<Reply, Exception> {
    let name = call.segment("name").unwrap_or_default();
    call.state.ccr().delete_auto_follow_pattern(name).await?;
    call.acknowledged()
}

/// `POST /_ccr/auto_follow/{name}/pause`.
pub(crate) async fn pause_auto_follow_pattern(call: Call) -> Result<Reply, Exception> {
    set_active(call, false).await
}

/// `POST /_ccr/auto_follow/{name}/resume`.
pub(crate) async fn resume_auto_follow_pattern(call: Call) -> Result<Reply, Exception> {
    set_active(call, true).await
}

async fn set_active(call: Call, active: bool) -> Result<Reply, Exception> {
    let name = call.segment("name").unwrap_or_default();
    call.state
        .ccr()
        .set_auto_follow_pattern_active(name, active)
        .await?;
    call.acknowledged()
}

/// `POST /_ccr/auto_follow/_preview` with a definition, and `GET /_ccr/auto_follow/{name}/_preview`: which indices of the remote cluster would be followed
/// as what, and why others that match would not be. Elasticsearch has no such API.
pub(crate) async fn preview_auto_follow(call: Call) -> Result<Reply, Exception> {
    let ccr = call.state.ccr();
    let indices = match call.segment("name") {
        Some(name) => ccr.preview_auto_follow_pattern(name).await?,
        None => {
            let request = definition(call.required_object()?)?;
            ccr.preview_auto_follow(request).await?
        }
    };
    let indices: Vec<Value> = indices.iter().map(previewed).collect();
    Reply::ok(&json!({ "indices": indices }))
}

fn previewed(index: &PreviewedIndex) -> Value {
    let mut object = json!({
        "leader_index": index.leader_index,
        "would_follow": index.follower_index.is_some(),
    });
    if let Some(follower) = &index.follower_index {
        object["follower_index"] = follower.as_str().into();
    }
    if let Some(reason) = &index.reason {
        object["reason"] = reason.as_str().into();
    }
    object
}

fn definition(mut body: Map<String, Value>) -> Result<PutAutoFollowPatternRequest, Exception> {
    let parameters = take_parameters(&mut body)?;
    let settings = match take_object(&mut body, "settings")? {
        Some(settings) => {
            Settings::from_json(&Value::Object(settings)).map_err(|error| error.to_exception())?
        }
        None => Settings::new(),
    };
    let request = PutAutoFollowPatternRequest {
        remote_cluster: take_string(&mut body, "remote_cluster")?,
        leader_index_patterns: take_strings(&mut body, "leader_index_patterns")?,
        leader_index_exclusion_patterns: take_strings(&mut body, "leader_index_exclusion_patterns")?
            .unwrap_or_default(),
        follow_index_pattern: take_string(&mut body, "follow_index_pattern")?,
        settings,
        parameters,
        follow_existing_indices: take_bool(&mut body, "follow_existing_indices")?.unwrap_or(false),
    };
    refuse_rest(&body, "put_auto_follow_pattern")?;
    Ok(request)
}

/// Source: what is not set is not printed, but for the lists.
fn printed(pattern: &AutoFollowPattern, flat: bool) -> Value {
    let mut object = json!({
        "active": pattern.active,
        "remote_cluster": pattern.remote_cluster.to_string(),
        "leader_index_patterns": pattern.leader_index_patterns,
        "leader_index_exclusion_patterns": pattern.leader_index_exclusion_patterns,
    });
    if let Some(template) = &pattern.follow_index_pattern {
        object["follow_index_pattern"] = template.as_str().into();
    }
    if pattern.follow_existing_indices {
        object["follow_existing_indices"] = true.into();
    }
    if !pattern.settings.is_empty() {
        object["settings"] = match flat {
            true => pattern.settings.to_flat_json(),
            false => pattern.settings.to_nested_json(),
        };
    }
    if let (Value::Object(object), Ok(Value::Object(parameters))) =
        (&mut object, serde_json::to_value(&pattern.parameters))
    {
        object.extend(parameters);
    }
    object
}
