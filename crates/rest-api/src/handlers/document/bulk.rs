//! `_bulk`: many writes in one request.

use es_exception::{Exception, ExceptionKind};
use indices::{BulkItem, BulkItemResponse, BulkResponse, UpdateRequest};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::answer::{FailedItem, WriteAnswer};
use super::update_body;
use super::write_params::{Expectation, check_active_shards, refresh_policy};
use crate::bulk_body::{self, ActionMeta, BulkAction, BulkVerb};
use crate::call::Call;
use crate::reply::Reply;

/// `PUT|POST /_bulk` and `/{index}/_bulk`.
pub(crate) async fn bulk(call: Call) -> Result<Reply, Exception> {
    let refresh = refresh_policy(&call.params)?;
    call.params.timeout("timeout")?;
    check_active_shards(&call.params)?;
    if let Some(pipeline) = call
        .params
        .text("pipeline")
        .filter(|pipeline| *pipeline != "_none")
    {
        return Err(Exception::illegal_argument(format!(
            "pipeline with id [{pipeline}] does not exist"
        )));
    }
    let defaults = Defaults {
        index: call.segment("index"),
        routing: call.params.text("routing"),
        require_alias: call.params.flag("require_alias", false)?,
        return_source: call
            .params
            .text("_source")
            .is_some_and(|wanted| wanted != "false"),
    };
    let mut problems = Vec::new();
    let mut items = Vec::new();
    for action in bulk_body::parse(&call.body)? {
        match defaults.item(action) {
            Ok(item) => items.push(item),
            Err(Refused::Problem(problem)) => problems.push(problem),
            Err(Refused::Whole(exception)) => return Err(exception),
        }
    }
    if !problems.is_empty() {
        let numbered: String = problems
            .iter()
            .zip(1..)
            .map(|(problem, number)| format!("{number}: {problem};"))
            .collect();
        return Err(Exception::new(
            ExceptionKind::ActionRequestValidation,
            format!("Validation Failed: {numbered}"),
        ));
    }
    let response = call.state.indices().bulk(items, refresh).await?;
    Reply::ok(&BulkAnswer(&response))
}

/// What holds for items that do not say otherwise.
struct Defaults<'a> {
    index: Option<&'a str>,
    routing: Option<&'a str>,
    require_alias: bool,
    return_source: bool,
}

/// Why an action is no item.
enum Refused {
    /// One of the problems that are reported together.
    Problem(String),
    /// What ends the request by itself.
    Whole(Exception),
}

impl Defaults<'_> {
    fn item(&self, action: BulkAction) -> Result<BulkItem, Refused> {
        let BulkAction { verb, meta, source } = action;
        let problem = |text: &str| Err(Refused::Problem(text.to_owned()));
        let Some(index) = meta.index.clone().or_else(|| self.index.map(str::to_owned)) else {
            return problem("index is missing");
        };
        match (&meta.id, verb) {
            (None, BulkVerb::Update | BulkVerb::Delete) => return problem("id is missing"),
            (Some(id), _) if id.is_empty() => return problem("if _id is specified it must not be empty"),
            _ => {}
        }
        let expectation = expectation(&meta);
        let as_problem = |exception: Exception| {
            let reason = exception.reason();
            let text = reason.strip_prefix("Validation Failed: 1: ").unwrap_or(reason);
            Refused::Problem(text.trim_end_matches(';').to_owned())
        };
        let action = match verb {
            BulkVerb::Index => indices::BulkAction::Index {
                source,
                precondition: expectation.precondition().map_err(as_problem)?,
            },
            BulkVerb::Create => indices::BulkAction::Create { source },
            BulkVerb::Delete => indices::BulkAction::Delete {
                precondition: expectation.precondition().map_err(as_problem)?,
            },
            BulkVerb::Update => {
                let body = update_body::parse(&source).map_err(Refused::Whole)?;
                indices::BulkAction::Update(UpdateRequest {
                    if_seq_no: expectation.seq_no_and_term().map_err(as_problem)?,
                    retry_on_conflict: meta.retry_on_conflict.unwrap_or(0),
                    return_source: body.return_source || self.return_source,
                    ..body
                })
            }
        };
        Ok(BulkItem {
            index,
            id: meta.id,
            routing: meta.routing.or_else(|| self.routing.map(str::to_owned)),
            require_alias: self.require_alias || meta.require_alias,
            action,
        })
    }
}

fn expectation(meta: &ActionMeta) -> Expectation<'_> {
    Expectation {
        if_seq_no: meta.if_seq_no,
        if_primary_term: meta.if_primary_term,
        version: meta.version,
        version_type: meta.version_type.as_deref(),
    }
}

struct BulkAnswer<'a>(&'a BulkResponse);

impl Serialize for BulkAnswer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("errors", &self.0.errors())?;
        map.serialize_entry(
            "took",
            &u64::try_from(self.0.took.as_millis()).unwrap_or(u64::MAX),
        )?;
        map.serialize_entry("items", &Items(&self.0.items))?;
        map.end()
    }
}

struct Items<'a>(&'a [BulkItemResponse]);

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.0.len()))?;
        for item in self.0 {
            sequence.serialize_element(&Item(item))?;
        }
        sequence.end()
    }
}

struct Item<'a>(&'a BulkItemResponse);

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match &self.0.result {
            Ok(response) => {
                let answer = WriteAnswer {
                    response,
                    status: Some(response.result.status()),
                };
                map.serialize_entry(self.0.action, &answer)?;
            }
            Err(failure) => {
                let failed = FailedItem {
                    index: &self.0.index,
                    id: self.0.id.as_deref(),
                    failure,
                };
                map.serialize_entry(self.0.action, &failed)?;
            }
        }
        map.end()
    }
}
