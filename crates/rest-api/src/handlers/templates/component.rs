//! `_component_template`.

use cluster::change;
use es_exception::Exception;
use index_meta::ComponentTemplate;
use serde_json::Value;

use super::{listed, name, named, names};
use crate::call::Call;
use crate::reply::Reply;

/// `PUT|POST /_component_template/{name}`.
pub(crate) async fn put_component_template(call: Call) -> Result<Reply, Exception> {
    let create = call.params.flag("create", false)?;
    let body = Value::Object(call.required_object()?);
    let template = ComponentTemplate::from_json(&body).map_err(|error| error.to_exception())?;
    let name = name(&call);
    call.state
        .cluster()
        .update(&format!("create-component-template [{name}]"), |state| {
            Ok((
                change::put_component_template(state, name, &template, create)?,
                (),
            ))
        })
        .await?;
    call.acknowledged()
}

/// `GET /_component_template` and `/_component_template/{name}`.
pub(crate) async fn get_component_template(call: Call) -> Result<Reply, Exception> {
    let state = call.state.cluster().state();
    let found = named(&call, "component template", state.templates.component_templates())?;
    let found = found
        .into_iter()
        .map(|(name, template)| (name, template.to_json()));
    Reply::ok(&listed(&call, "component_template", found)?)
}

/// `HEAD /_component_template/{name}`.
pub(crate) async fn component_template_exists(call: Call) -> Result<Reply, Exception> {
    let state = call.state.cluster().state();
    let all = state.templates.component_templates();
    Ok(Reply::exists(
        named(&call, "component template", all).is_ok_and(|found| !found.is_empty()),
    ))
}

/// `DELETE /_component_template/{name}`: one name or pattern, or several names.
pub(crate) async fn delete_component_template(call: Call) -> Result<Reply, Exception> {
    let names = names(&call)?;
    call.state
        .cluster()
        .update(
            &format!("remove-component-template [{}]", names.join(",")),
            |state| Ok((change::remove_component_templates(state, &names)?, ())),
        )
        .await?;
    call.acknowledged()
}
