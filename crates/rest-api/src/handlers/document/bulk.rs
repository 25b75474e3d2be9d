//! `_bulk`: many writes in one request.

use es_exception::{Exception, ExceptionKind};
use indices::{BulkItem, BulkItemResponse, BulkResponse, UpdateRequest};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use shard::{SourceFilter, WritePrecondition};

use super::answer::{FailedItem, WriteAnswer};
use super::get::source_filter;
use super::update_body::{self, UpdateBody};
use super::write_params::{Expectation, check_active_shards, refresh_policy, versioned_create};
use crate::bulk_body::{self, ActionMeta, BulkAction, BulkVerb};
use crate::call::Call;
use crate::date_math_names::resolve_names;
use crate::reply::Reply;

/// `PUT|POST /_bulk` and `/{index}/_bulk`.
pub(crate) async fn bulk(call: Call) -> Result<Reply, Exception> {
    let refresh = refresh_policy(&call.params)?;
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
        require_data_stream: call.params.flag("require_data_stream", false)?,
        filter: source_filter(&call.params)?,
    };
    let mut problems = Vec::new();
    let (mut items, mut filters) = (Vec::new(), Vec::new());
    // One per action: the answer of one that is refused by itself, `None` of one that is carried out.
    let mut answers = Vec::new();
    for mut action in bulk_body::parse(&call.body)? {
        if let Some(index) = action.meta.index.take() {
            action.meta.index = Some(resolve_names(&call.state, index)?);
        }
        match defaults.item(action) {
            Ok((item, filter)) => {
                items.push(item);
                filters.push(filter);
                answers.push(None);
            }
            Err(Refused::Item(answer)) => answers.push(Some(*answer)),
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
    let mut response = call.state.indices().bulk(items, refresh).await?;
    for (item, filter) in response.items.iter_mut().zip(&filters) {
        if let (Ok(written), Some(filter)) = (&mut item.result, filter)
            && let Some(source) = written.source.take()
        {
            written.source = filter.apply(&source)?;
        }
    }
    let mut carried_out = response.items.into_iter();
    response.items = answers
        .into_iter()
        .filter_map(|answer| answer.or_else(|| carried_out.next()))
        .collect();
    Reply::ok(&BulkAnswer(&response))
}

/// What holds for items that do not say otherwise.
struct Defaults<'a> {
    index: Option<&'a str>,
    routing: Option<&'a str>,
    require_alias: bool,
    require_data_stream: bool,
    /// What updates answer of their new source.
    filter: Option<SourceFilter>,
}

/// Why an action is no item.
enum Refused {
    /// One of the problems that are reported together.
    Problem(String),
    /// What fails this item alone.
    Item(Box<BulkItemResponse>),
    /// What ends the request by itself.
    Whole(Exception),
}

impl Defaults<'_> {
    /// The item of an action, and what an update answers of its new source.
    fn item(&self, action: BulkAction) -> Result<(BulkItem, Option<SourceFilter>), Refused> {
        let BulkAction { verb, meta, source } = action;
        let problem = |text: &str| Err(Refused::Problem(text.to_owned()));
        let Some(index) = meta.index.clone().or_else(|| self.index.map(str::to_owned)) else {
            return problem("index is missing");
        };
        // Source: an empty id of a document that is written fails its item alone.
        let has_id = meta.id.as_ref().is_some_and(|id| !id.is_empty());
        if !has_id && matches!(verb, BulkVerb::Update | BulkVerb::Delete) {
            return problem("id is missing");
        }
        let refused = |failure: Exception| {
            Refused::Item(Box::new(BulkItemResponse {
                action: verb.name(),
                index: index.clone(),
                id: meta.id.clone(),
                result: Err(failure),
            }))
        };
        let expectation = expectation(&meta);
        let mut filter = None;
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
            BulkVerb::Create => match expectation.precondition() {
                Ok(WritePrecondition::None) => indices::BulkAction::Create { source },
                Ok(_) => return Err(refused(versioned_create())),
                Err(failure) => return Err(refused(failure)),
            },
            BulkVerb::Delete => indices::BulkAction::Delete {
                precondition: expectation.precondition().map_err(as_problem)?,
            },
            BulkVerb::Update => {
                // What is not well-formed ends the request, as it does in Elasticsearch; what is not supported here fails alone.
                let body = match update_body::parse(&source) {
                    Ok(body) => body,
                    Err(failure) if failure.kind() == ExceptionKind::Unsupported => {
                        return Err(refused(failure));
                    }
                    Err(failure) => return Err(Refused::Whole(failure)),
                };
                let UpdateBody {
                    update,
                    filter: wanted,
                } = body;
                let by_meta = match &meta.source {
                    Some(source) => Some(SourceFilter::from_json(source).map_err(Refused::Whole)?),
                    None => None,
                };
                filter = wanted.or(by_meta).or_else(|| self.filter.clone());
                indices::BulkAction::Update(UpdateRequest {
                    if_seq_no: expectation.seq_no_and_term().map_err(as_problem)?,
                    retry_on_conflict: meta.retry_on_conflict.unwrap_or(0),
                    return_source: filter.as_ref().is_some_and(|filter| !filter.is_disabled()),
                    ..update
                })
            }
        };
        let item = BulkItem {
            index,
            id: meta.id,
            routing: meta.routing.or_else(|| self.routing.map(str::to_owned)),
            require_alias: meta.require_alias.unwrap_or(self.require_alias),
            require_data_stream: meta.require_data_stream.unwrap_or(self.require_data_stream),
            action,
        };
        Ok((item, filter))
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
