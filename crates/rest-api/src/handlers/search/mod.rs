//! `_search` and `_count`, and searches that go on over several requests.

mod answer;
mod multi;
mod point_in_time;
mod query_parameter;
mod scroll;
mod terms_lookup;

pub(crate) use answer::shards;
pub(crate) use multi::multi_search;
pub(crate) use point_in_time::{close_point_in_time, open_point_in_time};
pub(crate) use query_parameter::{QUERY_PARAMETERS, query_parameter};
pub(crate) use scroll::{clear_scroll, scroll};
pub(crate) use terms_lookup::look_up_terms;

use std::num::NonZeroU64;
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use indices::{ResolveOptions, SearchOptions};
use serde_json::{Map, Value, json};
use shard::{Counting, Query, SearchRequest};

use crate::call::Call;
use crate::handlers::document::source_parameters;
use crate::handlers::targets;
use crate::params::Params;
use crate::reply::Reply;
use crate::units::{Timeout, parse_timeout};
use answer::{SearchAnswer, Shown};

/// Parameters of a search that change what is found or shown.
pub(crate) const SEARCH: &[&str] = &[
    "from",
    "size",
    "sort",
    "version",
    "seq_no_primary_term",
    "track_total_hits",
    "track_scores",
    "routing",
    "allow_partial_search_results",
    "rest_total_hits_as_int",
    "scroll",
    "terminate_after",
    "timeout",
    "explain",
    "min_score",
    "typed_keys",
    "docvalue_fields",
];

/// Parameters of a search that only say how to run it, which has no meaning here.
pub(crate) const SEARCH_HINTS: &[&str] = &[
    "search_type",
    "preference",
    "request_cache",
    "batched_reduce_size",
    "pre_filter_shard_size",
    "max_concurrent_shard_requests",
    "ccs_minimize_roundtrips",
    "ignore_throttled",
    "stats",
    "force_synthetic_source",
    "include_named_queries_score",
];

/// `GET|POST /_search` and `/{index}/_search`: a search by itself, the first hits of a scroll, or a search at a point in time.
pub(crate) async fn search(call: Call) -> Result<Reply, Exception> {
    refuse_unsupported(&call.params)?;
    check_hints(&call.params)?;
    let as_int = call.params.flag("rest_total_hits_as_int", false)?;
    let mut body = call.object()?.unwrap_or_default();
    overlay(&call.params, &mut body)?;
    if as_int {
        count_all(&mut body)?;
    }
    look_up_terms(call.state.indices(), &mut body).await?;
    let at = point_in_time::take_point_in_time(&mut body)?;
    let body = Value::Object(body);
    let mut request = match at {
        Some(_) => SearchRequest::from_json_at_point_in_time(&body)?,
        None => SearchRequest::from_json(&body)?,
    };
    if let Some(filter) = source_parameters(&call.params) {
        request.source = filter;
        request.check()?;
    }
    if call.params.text("timeout").is_some() {
        request.timeout = call.params.time_limit("timeout")?;
    }
    request.typed_keys = call.params.flag("typed_keys", false)?;
    let shows = Shown::by(&request, as_int);
    let scroll = keep_alive(&call.params, "scroll")?;
    // A scroll without hits is refused for that where it is opened.
    if scroll.is_some() && request.size > 0 && call.params.flag("request_cache", false)? {
        return Err(Exception::new(
            ExceptionKind::ActionRequestValidation,
            "Validation Failed: 1: [request_cache] cannot be used in a scroll context;",
        ));
    }
    if let Some(at) = at {
        return point_in_time::search(&call, at, request, shows, scroll.is_some()).await;
    }
    let options = search_options(&call)?;
    if let Some(keep_alive) = scroll {
        let indices = call.state.indices();
        let first = indices
            .open_scroll(call.index(), keep_alive, request, &options)
            .await?;
        return scroll::reply(&first, shows);
    }
    let response = call
        .state
        .indices()
        .search(call.index(), request, &options)
        .await?;
    Reply::ok(&SearchAnswer {
        response: &response,
        shows,
        continued: None,
        status: None,
    })
}

/// Has all hits counted, unless the body says otherwise: a number alone cannot say that there are more.
///
/// # Errors
/// `illegal_argument_exception` if the body has them counted up to a limit.
fn count_all(body: &mut Map<String, Value>) -> Result<(), Exception> {
    match body.get("track_total_hits").map(|limit| (limit, limit.as_i64())) {
        None => drop(body.insert("track_total_hits".to_owned(), true.into())),
        Some((limit, Some(0..))) => {
            return Err(Exception::illegal_argument(format!(
                "[rest_total_hits_as_int] cannot be used if the tracking of total hits is not accurate, got {limit}"
            )));
        }
        Some(_) => {}
    }
    Ok(())
}

/// Refuses what no search could be run by, although here it is run in one way only.
///
/// # Errors
/// `illegal_argument_exception`.
fn check_hints(params: &Params) -> Result<(), Exception> {
    for (name, shown, least) in [
        ("batched_reduce_size", "batchedReduceSize", 2),
        ("pre_filter_shard_size", "preFilterShardSize", 1),
        ("max_concurrent_shard_requests", "maxConcurrentShardRequests", 1),
    ] {
        if params.number::<i64>(name)?.is_some_and(|number| number < least) {
            return Err(Exception::illegal_argument(format!("{shown} must be >= {least}")));
        }
    }
    Ok(())
}

/// Which indices and shards are searched, and whether all must answer.
fn search_options(call: &Call) -> Result<SearchOptions, Exception> {
    Ok(SearchOptions {
        resolve: targets::options(call, ResolveOptions::OPEN)?,
        routing: call.params.text("routing").map(str::to_owned),
        allow_partial_search_results: call.params.flag("allow_partial_search_results", true)?,
    })
}

/// For how long something is to be kept open.
///
/// # Errors
/// `illegal_argument_exception` for what is no time, or is for ever.
fn keep_alive(params: &Params, name: &str) -> Result<Option<Duration>, Exception> {
    params
        .text(name)
        .map(|text| parse_keep_alive(name, text))
        .transpose()
}

fn parse_keep_alive(name: &str, text: &str) -> Result<Duration, Exception> {
    match parse_timeout(name, text)? {
        Timeout::After(time) if !time.is_zero() => Ok(time),
        _ => Err(Exception::illegal_argument(format!(
            "failed to parse [{name}] with value [{text}]: it must be a time larger than 0, for instance [1m]"
        ))),
    }
}

/// `GET|POST /_count` and `/{index}/_count`.
pub(crate) async fn count(call: Call) -> Result<Reply, Exception> {
    refuse_unsupported(&call.params)?;
    let wanted = counting(&call).await?;
    let options = SearchOptions {
        resolve: targets::options(&call, ResolveOptions::OPEN)?,
        routing: call.params.text("routing").map(str::to_owned),
        ..SearchOptions::default()
    };
    let indices = call.state.indices();
    let response = indices.count(call.index(), wanted, &options).await?;
    let mut answer = Map::new();
    answer.insert("count".to_owned(), response.count.into());
    if let Some(early) = response.terminated_early {
        answer.insert("terminated_early".to_owned(), early.into());
    }
    answer.insert("_shards".to_owned(), shards(&response.shards, true));
    Reply::ok(&answer)
}

/// Which documents are to be counted.
///
/// # Errors
/// What is wrong with the query and its parameters.
pub(crate) async fn counting(call: &Call) -> Result<Counting, Exception> {
    let mut body = call.object()?.unwrap_or_default();
    look_up_terms(call.state.indices(), &mut body).await?;
    let query = match query_parameter(&call.params)?.or(body.remove("query")) {
        None => Query::match_all(),
        Some(query) => Query::from_json(&query)?,
    };
    crate::json_body::refuse_rest(&body, "count")?;
    Ok(Counting {
        query,
        min_score: call.params.number("min_score")?,
        terminate_after: call.params.number("terminate_after")?.and_then(NonZeroU64::new),
    })
}

fn refuse_unsupported(params: &Params) -> Result<(), Exception> {
    let refused = |reason: &str| Err(Exception::new(ExceptionKind::Unsupported, reason));
    if params.flag("explain", false)? {
        return refused("[explain] is not supported here");
    }
    match params.text("search_type") {
        None | Some("query_then_fetch" | "dfs_query_then_fetch") => Ok(()),
        Some(other) => Err(Exception::illegal_argument(format!(
            "no search type for [{other}]"
        ))),
    }
}

/// Lays the parameters over the body. Source: a parameter wins over the same field of the body.
fn overlay(params: &Params, body: &mut Map<String, Value>) -> Result<(), Exception> {
    if let Some(query) = query_parameter(params)? {
        body.insert("query".to_owned(), query);
    }
    for name in ["from", "size"] {
        if let Some(text) = params.text(name) {
            let number: i64 = text.parse().map_err(|_| {
                Exception::illegal_argument(format!(
                    "failed to parse parameter [{name}] with value [{text}] as a number"
                ))
            })?;
            body.insert(name.to_owned(), number.into());
        }
    }
    for name in ["version", "seq_no_primary_term", "track_scores"] {
        if params.get(name).is_some() {
            body.insert(name.to_owned(), params.flag(name, false)?.into());
        }
    }
    for name in ["docvalue_fields", "stored_fields"] {
        if params.text(name).is_some() {
            body.insert(name.to_owned(), json!(params.list(name)));
        }
    }
    if let Some(limit) = params.number::<u64>("terminate_after")? {
        body.insert("terminate_after".to_owned(), limit.into());
    }
    if let Some(text) = params.text("min_score") {
        let score: f64 = text
            .parse()
            .map_err(|_| Exception::illegal_argument(format!("[min_score] is no number: [{text}]")))?;
        body.insert("min_score".to_owned(), json!(score));
    }
    match params.get("track_total_hits") {
        None => {}
        Some("" | "true") => drop(body.insert("track_total_hits".to_owned(), true.into())),
        Some("false") => drop(body.insert("track_total_hits".to_owned(), false.into())),
        Some(_) => {
            let limit: Option<i64> = params.number("track_total_hits")?;
            body.insert("track_total_hits".to_owned(), json!(limit));
        }
    }
    if params.text("sort").is_some() {
        let clauses = params
            .list("sort")
            .into_iter()
            .map(|clause| match clause.rsplit_once(':') {
                Some((field, order @ ("asc" | "desc"))) => json!({field: {"order": order}}),
                _ => json!(clause),
            });
        body.insert("sort".to_owned(), clauses.collect());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_win_over_the_body() {
        let params =
            Params::parse("size=3&from=1&sort=a:desc,b&track_total_hits=true&version").expect("valid");
        let Value::Object(mut body) = json!({"size": 10, "query": {"match_all": {}}}) else {
            panic!("an object")
        };
        overlay(&params, &mut body).expect("well-formed");
        let expected = json!({
            "size": 3, "query": {"match_all": {}}, "from": 1, "version": true, "track_total_hits": true,
            "sort": [{"a": {"order": "desc"}}, "b"],
        });
        assert_eq!(Value::Object(body), expected);
    }

    #[test]
    fn a_number_of_hits_is_the_whole_number() {
        for (body, expected) in [
            (json!({}), Some(json!(true))),
            (json!({"track_total_hits": false}), Some(json!(false))),
            (json!({"track_total_hits": true}), Some(json!(true))),
            (json!({"track_total_hits": -1}), Some(json!(-1))),
            (json!({"track_total_hits": 100}), None),
        ] {
            let mut counted = body.as_object().cloned().unwrap_or_default();
            let counts = count_all(&mut counted).map(|()| counted["track_total_hits"].clone());
            assert_eq!(counts.ok(), expected, "{body}");
        }
    }

    #[test]
    fn what_no_search_could_be_run_by_is_refused() {
        for (query, is_good) in [
            ("batched_reduce_size=2&pre_filter_shard_size=1", true),
            ("batched_reduce_size=1", false),
            ("pre_filter_shard_size=0", false),
            ("max_concurrent_shard_requests=0", false),
            ("max_concurrent_shard_requests=many", false),
        ] {
            let params = Params::parse(query).expect("valid");
            assert_eq!(check_hints(&params).is_ok(), is_good, "{query}");
        }
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        for query in ["explain=true", "search_type=scan"] {
            let params = Params::parse(query).expect("valid");
            assert_eq!(refuse_unsupported(&params).expect_err(query).status(), 400);
        }
    }
}
