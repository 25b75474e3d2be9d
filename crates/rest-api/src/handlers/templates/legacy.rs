//! `_template`, of which there are none: whoever asks is told so, whoever puts one is told what to use.

use es_exception::{Exception, ExceptionKind};
use http::StatusCode;
use serde_json::json;

use super::name;
use crate::call::Call;
use crate::reply::Reply;

/// `PUT|POST /_template/{name}`.
pub(crate) async fn put_template(_call: Call) -> Result<Reply, Exception> {
    Err(Exception::new(
        ExceptionKind::Unsupported,
        "legacy index templates [/_template] are not supported: use composable index templates [/_index_template]",
    ))
}

/// `GET /_template` and `/_template/{name}`. Source: a name that no template has is answered with 404 and an empty object.
pub(crate) async fn get_template(call: Call) -> Result<Reply, Exception> {
    let status = match call.segment("name") {
        Some(name) if !name.contains('*') => StatusCode::NOT_FOUND,
        _ => StatusCode::OK,
    };
    Reply::json(status, &json!({}))
}

/// `HEAD /_template/{name}`.
pub(crate) async fn template_exists(_call: Call) -> Result<Reply, Exception> {
    Ok(Reply::exists(false))
}

/// `DELETE /_template/{name}`.
pub(crate) async fn delete_template(call: Call) -> Result<Reply, Exception> {
    let name = name(&call);
    if name == "*" {
        return call.acknowledged();
    }
    let reason = format!("index_template [{name}] missing");
    Err(Exception::new(ExceptionKind::IndexTemplateMissing, reason))
}
