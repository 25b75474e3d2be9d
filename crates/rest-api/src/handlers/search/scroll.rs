//! `_search/scroll`: all hits of a search, some at a time.

use es_exception::{Exception, ExceptionKind};
use http::StatusCode;
use indices::ContinuedSearch;
use serde_json::json;

use super::answer::{SearchAnswer, Shown};
use super::{keep_alive, parse_keep_alive};
use crate::call::Call;
use crate::json_body::{refuse_rest, take_string, take_strings};
use crate::params::split_list;
use crate::reply::Reply;

/// `GET|POST /_search/scroll` and `/_search/scroll/{scroll_id}`: the next hits.
pub(crate) async fn scroll(call: Call) -> Result<Reply, Exception> {
    let mut body = call.object()?.unwrap_or_default();
    let in_body = take_string(&mut body, "scroll_id")?;
    let time = match take_string(&mut body, "scroll")? {
        Some(text) => Some(parse_keep_alive("scroll", &text)?),
        None => keep_alive(&call.params, "scroll")?,
    };
    refuse_rest(&body, "scroll")?;
    let id = in_body
        .as_deref()
        .or(call.segment("scroll_id"))
        .or(call.params.text("scroll_id"));
    let Some(id) = id.filter(|id| !id.is_empty()) else {
        return Err(Exception::new(
            ExceptionKind::ActionRequestValidation,
            "Validation Failed: 1: scrollId is missing;",
        ));
    };
    let as_int = call.params.flag("rest_total_hits_as_int", false)?;
    let next = call.state.indices().scroll(id, time).await?;
    reply(&next, Shown::of_scroll(&next, as_int))
}

/// The hits of a scroll.
pub(super) fn reply(search: &ContinuedSearch, shows: Shown) -> Result<Reply, Exception> {
    Reply::ok(&SearchAnswer {
        response: &search.response,
        shows,
        continued: Some(("_scroll_id", &search.id)),
        status: None,
    })
}

/// `DELETE /_search/scroll` and `/_search/scroll/{scroll_id}`: closes scrolls, or all of them (`_all`).
pub(crate) async fn clear_scroll(call: Call) -> Result<Reply, Exception> {
    let mut body = call.object()?.unwrap_or_default();
    let mut ids = take_strings(&mut body, "scroll_id")?.unwrap_or_default();
    refuse_rest(&body, "clear_scroll")?;
    let in_path = call.segment("scroll_id").map(split_list).unwrap_or_default();
    ids.extend(in_path.into_iter().map(str::to_owned));
    if ids.is_empty() {
        return Err(Exception::new(
            ExceptionKind::ActionRequestValidation,
            "Validation Failed: 1: no scroll ids specified;",
        ));
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let all = ids == ["_all"];
    let freed = call.state.indices().close_scrolls((!all).then_some(&ids[..]));
    // Source: none of them is a failure, but when all were meant.
    let status = if freed == 0 && !all {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::OK
    };
    Reply::json(status, &json!({"succeeded": true, "num_freed": freed}))
}
