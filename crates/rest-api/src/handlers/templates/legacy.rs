//! `_template`: templates of the old kind, which apply where no index template does.

use cluster::change;
use es_exception::{Exception, ExceptionKind};
use http::StatusCode;
use index_meta::{LegacyTemplate, matches_wildcard};
use serde_json::{Map, Value};

use super::{flat, name};
use crate::call::Call;
use crate::handlers::index_admin::refuse_typed;
use crate::params::split_list;
use crate::reply::Reply;

/// `PUT|POST /_template/{name}`.
pub(crate) async fn put_template(call: Call) -> Result<Reply, Exception> {
    let create = call.params.flag("create", false)?;
    let mut body = call.required_object()?;
    if let Some(order) = call.params.number::<i32>("order")? {
        body.entry("order").or_insert_with(|| order.into());
    }
    if body.get("index_patterns").is_none_or(Value::is_null) {
        let reason = "Validation Failed: 1: index patterns are missing;";
        return Err(Exception::new(ExceptionKind::ActionRequestValidation, reason));
    }
    if let Some(Value::Object(mappings)) = body.get("mappings") {
        refuse_typed(mappings)?;
    }
    let template = LegacyTemplate::from_json(&Value::Object(body)).map_err(|error| error.to_exception())?;
    let name = name(&call);
    call.state
        .cluster()
        .update(&format!("create-index-template [{name}]"), |state| {
            Ok((change::put_legacy_template(state, name, &template, create)?, ()))
        })
        .await?;
    call.acknowledged()
}

/// `GET /_template` and `/_template/{name}`: names and patterns. Source: when none is there, the answer is 404 with an empty object.
pub(crate) async fn get_template(call: Call) -> Result<Reply, Exception> {
    let mut answer = Map::new();
    for (name, template) in found(&call) {
        let mut printed = template.to_json();
        if let Some(settings) = printed.get_mut("settings") {
            flat(&call, settings)?;
        }
        answer.insert(name, printed);
    }
    let status = match answer.is_empty() && call.segment("name").is_some() {
        true => StatusCode::NOT_FOUND,
        false => StatusCode::OK,
    };
    Reply::json(status, &answer)
}

/// `HEAD /_template/{name}`.
pub(crate) async fn template_exists(call: Call) -> Result<Reply, Exception> {
    Ok(Reply::exists(!found(&call).is_empty()))
}

/// The templates that the path names; all of them if it names none.
fn found(call: &Call) -> Vec<(String, LegacyTemplate)> {
    let state = call.state.cluster().state();
    let names = split_list(call.segment("name").unwrap_or("*"));
    let all = state.templates.legacy_templates().iter();
    all.filter(|(name, _)| names.iter().any(|wanted| matches_wildcard(wanted, name)))
        .map(|(name, template)| (name.clone(), template.as_ref().clone()))
        .collect()
}

/// `DELETE /_template/{name}`: a name or a pattern.
pub(crate) async fn delete_template(call: Call) -> Result<Reply, Exception> {
    let name = name(&call);
    call.state
        .cluster()
        .update(&format!("remove-index-template [{name}]"), |state| {
            Ok((change::remove_legacy_templates(state, name)?, ()))
        })
        .await?;
    call.acknowledged()
}
