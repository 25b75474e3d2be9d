//! `_validate/query`: whether a query can be run.

use es_exception::Exception;
use indices::{ResolveOptions, SearchOptions};
use serde_json::{Map, Value, json};
use shard::Query;

use super::search::{look_up_terms, query_parameter, shards};
use super::targets;
use crate::call::Call;
use crate::json_body::refuse_rest;
use crate::reply::Reply;

/// `GET|POST /_validate/query` and `/{index}/_validate/query`.
pub(crate) async fn validate(call: Call) -> Result<Reply, Exception> {
    let all_shards = call.params.flag("all_shards", false)?;
    let explains = call.params.flag("explain", false)? || call.params.flag("rewrite", false)?;
    let options = SearchOptions {
        resolve: targets::options(&call, ResolveOptions::OPEN)?,
        ..SearchOptions::default()
    };
    let query = match read_query(&call).await {
        Ok(query) => query,
        // Source: a query that is malformed is an answer here, and no failure.
        Err(problem) => return Reply::ok(&invalid(&problem, explains)),
    };
    let indices = call.state.indices();
    let (validated, summary) = indices
        .validate_query(call.index(), &query, all_shards, &options)
        .await?;
    let mut answer = Map::new();
    answer.insert("_shards".to_owned(), shards(&summary, false));
    let is_valid = validated.iter().all(|one| one.result.is_ok());
    answer.insert("valid".to_owned(), is_valid.into());
    if explains {
        let explanations = validated.iter().map(|one| {
            let mut explanation = json!({"index": one.index});
            if all_shards {
                explanation["shard"] = one.shard.into();
            }
            explanation["valid"] = one.result.is_ok().into();
            match &one.result {
                Ok(how) => explanation["explanation"] = how.clone().into(),
                Err(problem) => explanation["error"] = describe(problem).into(),
            }
            explanation
        });
        answer.insert("explanations".to_owned(), explanations.collect());
    }
    Reply::ok(&answer)
}

async fn read_query(call: &Call) -> Result<Query, Exception> {
    let mut body = call.object()?.unwrap_or_default();
    look_up_terms(call.state.indices(), &mut body).await?;
    let query = match query_parameter(&call.params)?.or(body.remove("query")) {
        None => Query::match_all(),
        Some(query) => Query::from_json(&query)?,
    };
    refuse_rest(&body, "validate_query")?;
    Ok(query)
}

fn invalid(problem: &Exception, explains: bool) -> Value {
    let mut answer = json!({"valid": false});
    if explains {
        answer["error"] = describe(problem).into();
    }
    answer
}

fn describe(problem: &Exception) -> String {
    format!("{}: {}", problem.kind().type_name(), problem.reason())
}
