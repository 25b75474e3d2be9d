//! `_msearch`: several searches in one request.

use bytes::Bytes;
use es_exception::{Exception, ExceptionKind};
use futures::stream::{self, StreamExt as _};
use indices::{ResolveOptions, SearchOptions};
use serde_json::{Map, Value, json};
use shard::SearchRequest;

use super::answer::{SearchAnswer, Shown};
use super::point_in_time::{check_alone, take_point_in_time};
use super::{check_hints, count_all, look_up_terms};
use crate::call::Call;
use crate::date_math_names::resolve_names;
use crate::error_body::error_body;
use crate::handlers::targets;
use crate::json_body::{parse_object, wrong};
use crate::reply::Reply;

/// Searches of one request that run at the same time. Source: `max_concurrent_searches`, whose default depends on the node; this is its least.
const CONCURRENT_SEARCHES: usize = 10;
/// Keys of a header that only say how to run a search, which has no meaning here.
const HINTS: [&str; 5] = [
    "preference",
    "search_type",
    "request_cache",
    "ccs_minimize_roundtrips",
    "ignore_throttled",
];

/// `GET|POST /_msearch` and `/{index}/_msearch`: lines of headers and bodies in turn. A search that fails does so alone.
pub(crate) async fn multi_search(call: Call) -> Result<Reply, Exception> {
    let as_int = call.params.flag("rest_total_hits_as_int", false)?;
    check_hints(&call.params)?;
    let lines = lines(&call.body)?;
    if as_int {
        // Source: this fails the whole request. A body that cannot be read fails alone.
        for (_, body) in &lines {
            parse_object(body).map_or(Ok(()), |mut body| count_all(&mut body))?;
        }
    }
    let at_once = call.params.number::<usize>("max_concurrent_searches")?;
    let at_once = at_once
        .unwrap_or(CONCURRENT_SEARCHES)
        .clamp(1, CONCURRENT_SEARCHES);
    let started = call.state.clock().monotonic();
    let searches = lines
        .into_iter()
        .map(|(header, body)| one(&call, header, body, as_int));
    let responses: Vec<Value> = stream::iter(searches.collect::<Vec<_>>())
        .buffered(at_once)
        .collect()
        .await;
    let took = call.state.clock().monotonic().saturating_sub(started).as_millis();
    Reply::ok(&json!({"took": u64::try_from(took).unwrap_or(u64::MAX), "responses": responses}))
}

/// Headers and bodies.
///
/// # Errors
/// `illegal_argument_exception` for a header without a body, or a last line that does not end.
fn lines(body: &Bytes) -> Result<Vec<(Bytes, Bytes)>, Exception> {
    if !body.ends_with(b"\n") {
        return Err(Exception::illegal_argument(
            "The msearch request must be terminated by a newline [\\n]",
        ));
    }
    let mut lines = body[..body.len() - 1].split(|byte| *byte == b'\n');
    let mut searches = Vec::new();
    while let Some(header) = lines.next() {
        let Some(search) = lines.next() else {
            // An empty line at the end is nothing; it is a header without a body otherwise.
            if header.iter().all(u8::is_ascii_whitespace) {
                break;
            }
            return Err(Exception::illegal_argument(
                "the last header of the msearch request has no body",
            ));
        };
        searches.push((body.slice_ref(header), body.slice_ref(search)));
    }
    match searches.is_empty() {
        true => Err(Exception::new(
            ExceptionKind::ActionRequestValidation,
            "Validation Failed: 1: no requests added;",
        )),
        false => Ok(searches),
    }
}

async fn one(call: &Call, header: Bytes, body: Bytes, as_int: bool) -> Value {
    match run(call, &header, &body, as_int).await {
        Ok(answer) => answer,
        Err(exception) => error_body(&exception, false),
    }
}

async fn run(call: &Call, header: &Bytes, body: &Bytes, as_int: bool) -> Result<Value, Exception> {
    let object = |bytes: &Bytes| match bytes.iter().all(u8::is_ascii_whitespace) {
        true => Ok(Map::new()),
        false => parse_object(bytes),
    };
    let (expression, options) = options(call, object(header)?)?;
    let mut body = object(body)?;
    if as_int {
        count_all(&mut body)?;
    }
    look_up_terms(call.state.indices(), &mut body).await?;
    let at = take_point_in_time(&mut body)?;
    let body = Value::Object(body);
    let mut request = match at {
        Some(_) => SearchRequest::from_json_at_point_in_time(&body)?,
        None => SearchRequest::from_json(&body)?,
    };
    request.typed_keys = call.params.flag("typed_keys", false)?;
    let shows = Shown::by(&request, as_int);
    let indices = call.state.indices();
    let (response, pit) = match at {
        None => (indices.search(&expression, request, &options).await?, None),
        Some(at) => {
            check_alone(&[
                (!expression.is_empty(), "[indices]"),
                (options.routing.is_some(), "[routing]"),
            ])?;
            let partial = options.allow_partial_search_results;
            let found = indices
                .search_point_in_time(&at.id, at.keep_alive, request, partial)
                .await?;
            (found.response, Some(found.id))
        }
    };
    let answer = SearchAnswer {
        response: &response,
        shows,
        continued: pit.as_deref().map(|id| ("pit_id", id)),
        status: Some(200),
    };
    serde_json::to_value(answer).map_err(|error| {
        Exception::new(
            ExceptionKind::Exception,
            format!("an answer cannot be printed: {error}"),
        )
    })
}

/// Which indices a search is for, and how: what its header says, else what the request says.
fn options(call: &Call, header: Map<String, Value>) -> Result<(String, SearchOptions), Exception> {
    let mut options = SearchOptions {
        resolve: targets::options(call, ResolveOptions::OPEN)?,
        routing: call.params.text("routing").map(str::to_owned),
        ..SearchOptions::default()
    };
    let mut expression = call.index().to_owned();
    for (key, value) in header {
        match key.as_str() {
            "index" | "indices" => expression = list(&key, &value)?.join(","),
            "routing" => options.routing = Some(list(&key, &value)?.join(",")),
            "ignore_unavailable" => options.resolve.ignore_unavailable = flag(&key, &value)?,
            "allow_no_indices" => options.resolve.allow_no_indices = flag(&key, &value)?,
            "allow_partial_search_results" => options.allow_partial_search_results = flag(&key, &value)?,
            "expand_wildcards" => {
                let states = list(&key, &value)?;
                targets::expand(&mut options.resolve, states.iter().map(String::as_str))?;
            }
            hint if HINTS.contains(&hint) => {}
            _ => {
                let reason = format!("key [{key}] is not supported in the metadata section");
                return Err(Exception::illegal_argument(reason));
            }
        }
    }
    Ok((resolve_names(&call.state, expression)?, options))
}

fn list(key: &str, value: &Value) -> Result<Vec<String>, Exception> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let items = match value {
        Value::Array(items) => items.iter().map(text).collect(),
        other => text(other).map(|text| vec![text]),
    };
    items.ok_or_else(|| wrong(format!("[{key}] must be a string or a list of strings")))
}

fn flag(key: &str, value: &Value) -> Result<bool, Exception> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) if text == "true" || text == "false" => Ok(text == "true"),
        _ => Err(wrong(format!("[{key}] must be true or false"))),
    }
}
