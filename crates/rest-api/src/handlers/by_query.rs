//! `_delete_by_query`, `_update_by_query` and `_reindex`.

use std::sync::Arc;
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use http::StatusCode;
use indices::{ByQueryAction, ByQueryRequest, ByQueryResponse, ByQueryStatus, ResolveOptions, SearchOptions};
use serde_json::{Map, Value, json};
use shard::SearchRequest;

use super::document::check_active_shards;
use super::recovery::millis;
use super::targets;
use super::tasks::{in_background, requests_per_second, until_stopped};
use crate::call::Call;
use crate::date_math_names::resolve_names;
use crate::error_body::error_object;
use crate::handlers::search::{look_up_terms, query_parameter};
use crate::json_body::{refuse_rest, take_object, take_string, take_strings};
use crate::params::Params;
use crate::reply::Reply;
use crate::tasks::Task;

/// Parameters of all three.
pub(crate) const BY_QUERY: &[&str] = &[
    "refresh",
    "wait_for_completion",
    "wait_for_active_shards",
    "requests_per_second",
    "slices",
    "scroll",
    "timeout",
    "max_docs",
];
/// Parameters of those that change the documents that they find.
pub(crate) const FOUND: &[&str] = &[
    "conflicts",
    "scroll_size",
    "routing",
    "preference",
    "request_cache",
    "search_timeout",
    "search_type",
    "stats",
    "terminate_after",
    "version",
    "sort",
];

/// Documents of a batch. Source: Elasticsearch's default.
const BATCH_SIZE: usize = 1000;

/// `POST /{index}/_delete_by_query`.
pub(crate) async fn delete_by_query(call: Call) -> Result<Reply, Exception> {
    let mut body = call.object()?.unwrap_or_default();
    if !body.contains_key("query") && call.params.text("q").is_none() {
        return Err(Exception::new(
            ExceptionKind::ActionRequestValidation,
            "Validation Failed: 1: query is missing;",
        ));
    }
    look_up_terms(call.state.indices(), &mut body).await?;
    let request = found(&call, &mut body, ByQueryAction::Delete)?;
    refuse_rest(&body, "delete_by_query")?;
    let description = format!("delete-by-query [{}]", call.index());
    run(&call, call.index(), request, description).await
}

/// `POST /{index}/_update_by_query`: writes documents again as they are, so that a changed mapping takes effect.
pub(crate) async fn update_by_query(call: Call) -> Result<Reply, Exception> {
    let mut body = call.object()?.unwrap_or_default();
    refuse_script(&body)?;
    look_up_terms(call.state.indices(), &mut body).await?;
    let request = found(&call, &mut body, ByQueryAction::Update)?;
    refuse_rest(&body, "update_by_query")?;
    let description = format!("update-by-query [{}]", call.index());
    run(&call, call.index(), request, description).await
}

/// `POST /_reindex`: copies documents of this cluster to another index.
pub(crate) async fn reindex(call: Call) -> Result<Reply, Exception> {
    let mut body = call.required_object()?;
    refuse_script(&body)?;
    let mut source = take_object(&mut body, "source")?.unwrap_or_default();
    let mut dest = take_object(&mut body, "dest")?.unwrap_or_default();
    if source.contains_key("remote") {
        return Err(unsupported(
            "[source.remote] is not supported here: follow the index, or copy it with a client",
        ));
    }
    let expression = take_strings(&mut source, "index")?.unwrap_or_default().join(",");
    let expression = resolve_names(&call.state, expression)?;
    let index = resolve_names(&call.state, take_string(&mut dest, "index")?.unwrap_or_default())?;
    let mut problems = Vec::new();
    for (name, value) in [("source", &expression), ("dest", &index)] {
        if value.is_empty() {
            problems.push(format!("[{name}.index] is missing"));
        }
    }
    if !problems.is_empty() {
        let numbered = problems.iter().zip(1..);
        let numbered: String = numbered
            .map(|(problem, number)| format!("{number}: {problem};"))
            .collect();
        let reason = format!("Validation Failed: {numbered}");
        return Err(Exception::new(ExceptionKind::ActionRequestValidation, reason));
    }
    if expression.split(',').any(|name| name == index) {
        let reason =
            format!("Validation Failed: 1: reindex cannot write into an index its reading from [{index}];");
        return Err(Exception::new(ExceptionKind::ActionRequestValidation, reason));
    }
    let create = match take_string(&mut dest, "op_type")?.as_deref() {
        None | Some("index") => false,
        Some("create") => true,
        Some(other) => {
            let reason = format!("opType must be 'create' or 'index', found: [{other}]");
            return Err(Exception::illegal_argument(reason));
        }
    };
    if take_string(&mut dest, "version_type")?.is_some_and(|kind| kind != "internal") {
        return Err(unsupported(
            "[dest.version_type] other than [internal] is not supported here",
        ));
    }
    refuse_rest(&dest, "dest")?;
    let batch_size = take_count(&mut source, "size")?;
    let max_docs = take_count(&mut body, "max_docs")?.or(take_count(&mut body, "size")?);
    let proceed = conflicts(take_string(&mut body, "conflicts")?.as_deref())?;
    refuse_rest(&body, "reindex")?;
    look_up_terms(call.state.indices(), &mut source).await?;
    let mut search = Map::new();
    for key in ["query", "_source"] {
        if let Some(value) = source.remove(key) {
            search.insert(key.to_owned(), value);
        }
    }
    refuse_rest(&source, "source")?;
    let description = format!("reindex from [{expression}] to [{index}]");
    let request = ByQueryRequest {
        action: ByQueryAction::Copy {
            index,
            create,
            require_alias: call.params.flag("require_alias", false)?,
        },
        search: SearchRequest::from_json(&Value::Object(search))?,
        options: SearchOptions::default(),
        max_docs: max_docs_of(&call)?.or(max_docs),
        batch_size: batch_size.map_or(BATCH_SIZE, |size| usize::try_from(size).unwrap_or(usize::MAX)),
        proceed_on_conflicts: proceed,
        refresh: call.params.flag("refresh", false)?,
    };
    run(&call, &expression, request, description).await
}

/// The request of one that changes the documents that it finds.
fn found(
    call: &Call,
    body: &mut Map<String, Value>,
    action: ByQueryAction,
) -> Result<ByQueryRequest, Exception> {
    let params = &call.params;
    for refused in ["sort", "terminate_after"] {
        if params.text(refused).is_some() {
            return Err(unsupported(&format!(
                "the parameter [{refused}] is not supported here"
            )));
        }
    }
    let query = query_parameter(params)?.or(body.remove("query"));
    let mut search = match query {
        Some(query) => SearchRequest::from_json(&json!({ "query": query }))?,
        None => SearchRequest::default(),
    };
    search.timeout = params.time_limit("search_timeout")?;
    let max_docs = take_count(body, "max_docs")?;
    let in_body = take_string(body, "conflicts")?;
    Ok(ByQueryRequest {
        action,
        search,
        options: SearchOptions {
            resolve: targets::options(call, ResolveOptions::OPEN)?,
            routing: params.text("routing").map(str::to_owned),
            allow_partial_search_results: false,
        },
        max_docs: max_docs_of(call)?.or(max_docs),
        batch_size: params.number("scroll_size")?.unwrap_or(BATCH_SIZE),
        proceed_on_conflicts: conflicts(params.text("conflicts").or(in_body.as_deref()))?,
        refresh: params.flag("refresh", false)?,
    })
}

/// Runs the request, or has it run and answers the id of its task.
async fn run(
    call: &Call,
    expression: &str,
    request: ByQueryRequest,
    description: String,
) -> Result<Reply, Exception> {
    let waits = call.params.flag("wait_for_completion", true)?;
    check_slices(&call.params)?;
    check_active_shards(&call.params)?;
    let rate = requests_per_second(&call.params)?.unwrap_or(f32::INFINITY);
    let Some(handle) = call.task.clone() else {
        return Err(Exception::new(
            ExceptionKind::IllegalState,
            "a by-query request runs without a task",
        ));
    };
    handle.task.describe(|| description);
    let control = handle.task.control(rate);
    let (state, expression) = (call.state.clone(), expression.to_owned());
    let work = async move {
        let response = state.indices().by_query(&expression, request, &control).await?;
        Ok::<_, Exception>((response, control.requests_per_second()))
    };
    if waits {
        let (response, rate) = until_stopped(&call.state, &handle.task, work).await?;
        let status = response
            .failures
            .iter()
            .filter_map(|failed| failed.result.as_ref().err());
        let status = status.map(Exception::status).max().unwrap_or(200);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return Reply::json(status, &printed(&response, rate, &handle.task));
    }
    let shown = Arc::clone(&handle.task);
    in_background(call, async move {
        let (response, rate) = work.await?;
        Ok(printed(&response, rate, &shown))
    })
}

/// A request is one piece of work here: splitting it would change its speed alone, so any number will do.
fn check_slices(params: &Params) -> Result<(), Exception> {
    match params.text("slices") {
        None | Some("auto") => Ok(()),
        Some(text) => match text.parse::<u32>() {
            Ok(slices) if slices > 0 => Ok(()),
            _ => Err(Exception::illegal_argument(format!(
                "[slices] must be a positive integer or the string \"auto\", but was [{text}]"
            ))),
        },
    }
}

/// How far a request is. `now` is the node's monotonic time.
///
/// Source: elasticsearch-specification, `_global/reindex_rethrottle/types.ts` (`ReindexStatus`).
pub(crate) fn printed_status(status: &ByQueryStatus, rate: f32, now: Duration) -> Map<String, Value> {
    let until = status
        .throttled_until
        .map_or(Duration::ZERO, |until| until.saturating_sub(now));
    let object = json!({
        "total": status.total,
        "updated": status.updated,
        "created": status.created,
        "deleted": status.deleted,
        "batches": status.batches,
        "version_conflicts": status.version_conflicts,
        "noops": status.noops,
        "retries": {"bulk": status.bulk_retries, "search": 0},
        "throttled_millis": millis(status.throttled),
        // Elasticsearch prints no limit as -1.
        "requests_per_second": if rate.is_infinite() { -1.0 } else { rate },
        "throttled_until_millis": millis(until),
    });
    match object {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// Source: elasticsearch-specification, `_global/reindex/ReindexResponse.ts` and its siblings.
fn printed(response: &ByQueryResponse, rate: f32, task: &Task) -> Value {
    let failures = response.failures.iter().filter_map(|failed| {
        let cause = failed.result.as_ref().err()?;
        Some(json!({"index": failed.index, "id": failed.id, "cause": error_object(cause), "status": cause.status()}))
    });
    let mut object = Map::new();
    object.insert("took".to_owned(), millis(response.took).into());
    object.insert("timed_out".to_owned(), false.into());
    // It has ended, so that nothing is waited for any more.
    object.extend(printed_status(&response.status, rate, Duration::MAX));
    if response.canceled {
        let reason = task.cancel_reason().unwrap_or_default();
        object.insert("canceled".to_owned(), reason.into());
    }
    object.insert("failures".to_owned(), failures.collect());
    Value::Object(object)
}

fn conflicts(text: Option<&str>) -> Result<bool, Exception> {
    match text {
        None | Some("abort") => Ok(false),
        Some("proceed") => Ok(true),
        Some(other) => Err(Exception::illegal_argument(format!(
            "conflicts may only be \"proceed\" or \"abort\" but was [{other}]"
        ))),
    }
}

fn refuse_script(body: &Map<String, Value>) -> Result<(), Exception> {
    match body.contains_key("script") {
        true => Err(unsupported(
            "[script] is not supported here: change the documents in the client, and write them with [_bulk]",
        )),
        false => Ok(()),
    }
}

fn unsupported(reason: &str) -> Exception {
    Exception::new(ExceptionKind::Unsupported, reason)
}

fn max_docs_of(call: &Call) -> Result<Option<u64>, Exception> {
    match call.params.number("max_docs")? {
        Some(0) => Err(Exception::illegal_argument(
            "[max_docs] parameter cannot be negative or 0, found [0]",
        )),
        most => Ok(most),
    }
}

/// Takes a number of documents. Source: it must be larger than 0.
fn take_count(body: &mut Map<String, Value>, field: &str) -> Result<Option<u64>, Exception> {
    match body.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().filter(|count| *count > 0) {
            Some(count) => Ok(Some(count)),
            None => Err(Exception::illegal_argument(format!(
                "[{field}] parameter cannot be negative or 0, found [{value}]"
            ))),
        },
    }
}
