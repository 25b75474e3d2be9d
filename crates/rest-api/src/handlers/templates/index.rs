//! `_index_template`.

use cluster::change;
use es_exception::Exception;
use index_meta::IndexTemplate;
use serde_json::Value;

use super::{listed, name, named, names};
use crate::call::Call;
use crate::reply::Reply;

/// `PUT|POST /_index_template/{name}`.
pub(crate) async fn put_index_template(call: Call) -> Result<Reply, Exception> {
    let create = call.params.flag("create", false)?;
    let body = Value::Object(call.required_object()?);
    let template = IndexTemplate::from_json(&body).map_err(|error| error.to_exception())?;
    let name = name(&call);
    call.state
        .cluster()
        .update(&format!("create-index-template-v2 [{name}]"), |state| {
            Ok((change::put_index_template(state, name, &template, create)?, ()))
        })
        .await?;
    call.acknowledged()
}

/// `GET /_index_template` and `/_index_template/{name}`.
pub(crate) async fn get_index_template(call: Call) -> Result<Reply, Exception> {
    let state = call.state.cluster().state();
    let found = named(&call, "index template", state.templates.index_templates())?;
    let found = found
        .into_iter()
        .map(|(name, template)| (name, template.to_json()));
    Reply::ok(&listed(&call, "index_template", found)?)
}

/// `HEAD /_index_template/{name}`.
pub(crate) async fn index_template_exists(call: Call) -> Result<Reply, Exception> {
    let state = call.state.cluster().state();
    let all = state.templates.index_templates();
    Ok(Reply::exists(
        named(&call, "index template", all).is_ok_and(|found| !found.is_empty()),
    ))
}

/// `DELETE /_index_template/{name}`: one name or pattern, or several names.
pub(crate) async fn delete_index_template(call: Call) -> Result<Reply, Exception> {
    let names = names(&call)?;
    call.state
        .cluster()
        .update(
            &format!("remove-index-template-v2 [{}]", names.join(",")),
            |state| Ok((change::remove_index_templates(state, &names)?, ())),
        )
        .await?;
    call.acknowledged()
}
