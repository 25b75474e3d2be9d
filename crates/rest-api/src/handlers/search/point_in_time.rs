//! `_pit`: searches that see one state of their indices.

use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use http::StatusCode;
use serde_json::{Map, Value, json};
use shard::SearchRequest;

use super::answer::{SearchAnswer, Shown, shards};
use super::{keep_alive, parse_keep_alive, search_options};
use crate::call::Call;
use crate::json_body::{refuse_rest, take_object, take_string, wrong};
use crate::reply::Reply;

/// `POST /{index}/_pit?keep_alive=1m`.
pub(crate) async fn open_point_in_time(call: Call) -> Result<Reply, Exception> {
    let body = call.object()?.unwrap_or_default();
    refuse_rest(&body, "open_point_in_time")?;
    let Some(time) = keep_alive(&call.params, "keep_alive")? else {
        return Err(Exception::new(
            ExceptionKind::ActionRequestValidation,
            "Validation Failed: 1: [keep_alive] is not specified;",
        ));
    };
    let mut options = search_options(&call)?;
    options.allow_partial_search_results = call.params.flag("allow_partial_search_results", false)?;
    let indices = call.state.indices();
    let (id, summary) = indices.open_point_in_time(call.index(), time, &options).await?;
    Reply::ok(&json!({"id": id, "_shards": shards(&summary, true)}))
}

/// `DELETE /_pit`.
pub(crate) async fn close_point_in_time(call: Call) -> Result<Reply, Exception> {
    let mut body = call.required_object()?;
    let id = take_string(&mut body, "id")?;
    refuse_rest(&body, "close_point_in_time")?;
    let id = id.ok_or_else(|| wrong("[id] is missing".to_owned()))?;
    let freed = call.state.indices().close_point_in_time(&id);
    let status = if freed {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    Reply::json(status, &json!({"succeeded": freed, "num_freed": u8::from(freed)}))
}

/// The point in time that a search names.
pub(super) struct PointInTime {
    pub(super) id: String,
    pub(super) keep_alive: Option<Duration>,
}

/// Refuses what a point in time says itself.
pub(super) fn check_alone(given: &[(bool, &str)]) -> Result<(), Exception> {
    match given.iter().find(|(is_there, _)| *is_there) {
        Some((_, what)) => Err(Exception::new(
            ExceptionKind::ActionRequestValidation,
            format!("Validation Failed: 1: {what} cannot be used with point in time;"),
        )),
        None => Ok(()),
    }
}

/// Takes `pit` out of the body of a search.
pub(super) fn take_point_in_time(body: &mut Map<String, Value>) -> Result<Option<PointInTime>, Exception> {
    let Some(mut pit) = take_object(body, "pit")? else {
        return Ok(None);
    };
    let id = take_string(&mut pit, "id")?.ok_or_else(|| wrong("[pit] must have an [id]".to_owned()))?;
    let keep_alive = take_string(&mut pit, "keep_alive")?;
    refuse_rest(&pit, "pit")?;
    let keep_alive = keep_alive
        .map(|text| parse_keep_alive("keep_alive", &text))
        .transpose()?;
    Ok(Some(PointInTime { id, keep_alive }))
}

/// Searches the point in time. Source: it says which indices and shards, so the request must not.
pub(super) async fn search(
    call: &Call,
    at: PointInTime,
    request: SearchRequest,
    shows: Shown,
    has_scroll: bool,
) -> Result<Reply, Exception> {
    check_alone(&[
        (!call.index().is_empty(), "[indices]"),
        (call.params.text("routing").is_some(), "[routing]"),
        (call.params.text("preference").is_some(), "[preference]"),
        (has_scroll, "[scroll]"),
    ])?;
    let partial = call.params.flag("allow_partial_search_results", true)?;
    let indices = call.state.indices();
    let search = indices
        .search_point_in_time(&at.id, at.keep_alive, request, partial)
        .await?;
    Reply::ok(&SearchAnswer {
        response: &search.response,
        shows,
        continued: Some(("pit_id", &search.id)),
        status: None,
    })
}
