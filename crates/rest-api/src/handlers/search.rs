//! `_search` and `_count`.

use es_exception::{Exception, ExceptionKind};
use indices::{ResolveOptions, SearchHit, SearchOptions, SearchResponse, ShardSummary};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use shard::{Query, SearchRequest};

use super::document::{Raw, source_filter};
use super::targets;
use crate::call::Call;
use crate::error_body::error_object;
use crate::params::Params;
use crate::reply::Reply;

/// Parameters of a search that change what is found or shown.
pub(crate) const SEARCH: &[&str] = &[
    "from",
    "size",
    "sort",
    "q",
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
];

/// Parameters of a search that only say how to run it, which has no meaning here.
pub(crate) const SEARCH_HINTS: &[&str] = &[
    "search_type",
    "preference",
    "request_cache",
    "batched_reduce_size",
    "pre_filter_shard_size",
    "max_concurrent_shard_requests",
    "typed_keys",
    "ccs_minimize_roundtrips",
    "ignore_throttled",
    "stats",
    "force_synthetic_source",
    "include_named_queries_score",
];

/// `GET|POST /_search` and `/{index}/_search`.
pub(crate) async fn search(call: Call) -> Result<Reply, Exception> {
    refuse_unsupported(&call.params)?;
    let mut body = call.object()?.unwrap_or_default();
    overlay(&call.params, &mut body)?;
    let mut request = SearchRequest::from_json(&Value::Object(body))?;
    if let Some(filter) = source_filter(&call.params)? {
        request.source = filter;
    }
    let as_int = call.params.flag("rest_total_hits_as_int", false)?;
    let options = SearchOptions {
        resolve: targets::options(&call, ResolveOptions::OPEN)?,
        routing: call.params.text("routing").map(str::to_owned),
        allow_partial_search_results: call.params.flag("allow_partial_search_results", true)?,
    };
    let shows = Shown {
        version: request.version,
        seq_no: request.seq_no_primary_term,
        as_int,
    };
    let response = call
        .state
        .indices()
        .search(call.index(), request, &options)
        .await?;
    Reply::ok(&SearchAnswer {
        response: &response,
        shows,
    })
}

/// `GET|POST /_count` and `/{index}/_count`.
pub(crate) async fn count(call: Call) -> Result<Reply, Exception> {
    refuse_unsupported(&call.params)?;
    let mut body = call.object()?.unwrap_or_default();
    let query = match body.remove("query") {
        None => Query::match_all(),
        Some(query) => Query::from_json(&query)?,
    };
    crate::json_body::refuse_rest(&body, "count")?;
    let options = SearchOptions {
        resolve: targets::options(&call, ResolveOptions::OPEN)?,
        routing: call.params.text("routing").map(str::to_owned),
        ..SearchOptions::default()
    };
    let response = call.state.indices().count(call.index(), query, &options).await?;
    Reply::ok(&json!({"count": response.count, "_shards": shards(&response.shards, true)}))
}

fn refuse_unsupported(params: &Params) -> Result<(), Exception> {
    let refused = |reason: &str| Err(Exception::new(ExceptionKind::Unsupported, reason));
    if params.text("q").is_some() {
        return refused("the parameter [q] is not supported here: send a [query] in the body");
    }
    if params.text("scroll").is_some() {
        return refused("[scroll] is not supported here: page with [sort] and [search_after]");
    }
    if params.flag("explain", false)? {
        return refused("[explain] is not supported here");
    }
    if params
        .number::<u64>("terminate_after")?
        .is_some_and(|limit| limit > 0)
    {
        return refused("[terminate_after] is not supported here");
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

/// The `_shards` object of a search or broadcast.
pub(crate) fn shards(summary: &ShardSummary, with_skipped: bool) -> Value {
    let mut object = json!({"total": summary.total, "successful": summary.successful});
    if with_skipped {
        object["skipped"] = 0.into();
    }
    object["failed"] = summary.failures.len().into();
    if !summary.failures.is_empty() {
        let failures = summary.failures.iter().map(|failure| {
            json!({
                "shard": failure.shard, "index": failure.index, "status": failure.reason.status(),
                "reason": error_object(&failure.reason),
            })
        });
        object["failures"] = failures.collect();
    }
    object
}

#[derive(Clone, Copy)]
struct Shown {
    version: bool,
    seq_no: bool,
    as_int: bool,
}

struct SearchAnswer<'a> {
    response: &'a SearchResponse,
    shows: Shown,
}

impl Serialize for SearchAnswer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry(
            "took",
            &u64::try_from(self.response.took.as_millis()).unwrap_or(u64::MAX),
        )?;
        map.serialize_entry("timed_out", &false)?;
        map.serialize_entry("_shards", &shards(&self.response.shards, true))?;
        map.serialize_entry("hits", &Hits(self))?;
        map.end()
    }
}

struct Hits<'a>(&'a SearchAnswer<'a>);

impl Serialize for Hits<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (response, shows) = (self.0.response, self.0.shows);
        let mut map = serializer.serialize_map(None)?;
        match (response.total, shows.as_int) {
            (None, false) => {}
            (total, true) => map.serialize_entry(
                "total",
                &total.map_or(-1, |total| i64::try_from(total).unwrap_or(i64::MAX)),
            )?,
            (Some(total), false) => {
                map.serialize_entry(
                    "total",
                    &json!({"value": total, "relation": response.total_relation.as_str()}),
                )?;
            }
        }
        map.serialize_entry("max_score", &response.max_score)?;
        let hits: Vec<Hit<'_>> = response.hits.iter().map(|hit| Hit { hit, shows }).collect();
        map.serialize_entry("hits", &hits)?;
        map.end()
    }
}

struct Hit<'a> {
    hit: &'a SearchHit,
    shows: Shown,
}

impl Serialize for Hit<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let SearchHit { index, hit, document } = self.hit;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("_index", index)?;
        map.serialize_entry("_id", &document.id)?;
        if self.shows.version {
            map.serialize_entry("_version", &document.version.get())?;
        }
        if self.shows.seq_no {
            map.serialize_entry("_seq_no", &document.seq_no.get())?;
            map.serialize_entry("_primary_term", &document.primary_term.get())?;
        }
        map.serialize_entry("_score", &hit.score)?;
        if let Some(routing) = &document.routing {
            map.serialize_entry("_routing", routing)?;
        }
        if let Some(source) = &document.source {
            map.serialize_entry("_source", &Raw(source))?;
        }
        if !hit.sort.is_empty() {
            map.serialize_entry(
                "sort",
                &hit.sort.iter().map(shard::SortValue::to_json).collect::<Vec<_>>(),
            )?;
        }
        map.end()
    }
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
    fn what_is_not_supported_is_refused() {
        for query in [
            "q=a:b",
            "scroll=1m",
            "explain=true",
            "terminate_after=5",
            "search_type=scan",
        ] {
            let params = Params::parse(query).expect("valid");
            assert_eq!(refuse_unsupported(&params).expect_err(query).status(), 400);
        }
    }
}
