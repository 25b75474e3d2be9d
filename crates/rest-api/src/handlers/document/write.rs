//! Writes of one document.

use es_exception::Exception;
use http::StatusCode;
use indices::{BulkAction, BulkItem, UpdateRequest};
use shard::{SourceFilter, WritePrecondition};

use super::answer::WriteAnswer;
use super::get::source_filter;
use super::update_body::{self, UpdateBody};
use super::write_params::{Expectation, check_active_shards, invalid, refresh_policy, versioned_create};
use crate::call::Call;
use crate::reply::Reply;

/// `PUT|POST /{index}/_doc/{id}` and `POST /{index}/_doc`: stores a document.
pub(crate) async fn index_document(call: Call) -> Result<Reply, Exception> {
    let id = call.segment("id").map(str::to_owned);
    let precondition = Expectation::of(&call.params)?.precondition()?;
    let create = match call.params.text("op_type") {
        // Source: a document that gets its id here is created, which data streams ask for.
        None => id.is_none() && precondition == WritePrecondition::None,
        Some("index") => false,
        Some("create") => true,
        Some(other) => {
            return Err(Exception::illegal_argument(format!(
                "[op_type] must be index or create, but was [{other}]"
            )));
        }
    };
    refuse_pipeline(&call)?;
    let source = source(&call)?;
    let action = match (create, precondition) {
        (false, _) if id.is_none() && precondition != WritePrecondition::None => {
            return Err(invalid("an id must be provided if version or if_seq_no are set"));
        }
        (false, precondition) => BulkAction::Index { source, precondition },
        (true, WritePrecondition::None) => BulkAction::Create { source },
        (true, _) => return Err(versioned_create()),
    };
    write(&call, id, action, &SourceFilter::none()).await
}

/// `PUT|POST /{index}/_create/{id}`: stores a document unless there is one.
pub(crate) async fn create_document(call: Call) -> Result<Reply, Exception> {
    refuse_pipeline(&call)?;
    let action = BulkAction::Create {
        source: source(&call)?,
    };
    if Expectation::of(&call.params)?.precondition()? != WritePrecondition::None {
        return Err(versioned_create());
    }
    write(&call, Some(call.id().to_owned()), action, &SourceFilter::none()).await
}

/// `DELETE /{index}/_doc/{id}`: removes a document.
pub(crate) async fn delete_document(call: Call) -> Result<Reply, Exception> {
    let precondition = Expectation::of(&call.params)?.precondition()?;
    write(
        &call,
        Some(call.id().to_owned()),
        BulkAction::Delete { precondition },
        &SourceFilter::none(),
    )
    .await
}

/// `POST /{index}/_update/{id}`: merges a part into a document.
pub(crate) async fn update_document(call: Call) -> Result<Reply, Exception> {
    if call.params.get("version").is_some() || call.params.get("version_type").is_some() {
        return Err(invalid(
            "internal versioning cannot be used for optimistic concurrency control, use if_seq_no and if_primary_term",
        ));
    }
    let UpdateBody { update, filter } = update_body::parse(&source(&call)?)?;
    let by_params = source_filter(&call.params)?;
    let filter = filter.or(by_params).unwrap_or_else(SourceFilter::none);
    let update = UpdateRequest {
        if_seq_no: Expectation::of(&call.params)?.seq_no_and_term()?,
        retry_on_conflict: call.params.number("retry_on_conflict")?.unwrap_or(0),
        return_source: !filter.is_disabled(),
        ..update
    };
    if update.if_seq_no.is_some() && update.retry_on_conflict > 0 {
        return Err(invalid("compare and write operations cannot be retried"));
    }
    let id = Some(call.id().to_owned());
    write(&call, id, BulkAction::Update(update), &filter).await
}

fn source(call: &Call) -> Result<bytes::Bytes, Exception> {
    if call.body.is_empty() {
        Err(invalid("source is missing"))
    } else {
        Ok(call.body.clone())
    }
}

fn refuse_pipeline(call: &Call) -> Result<(), Exception> {
    match call.params.text("pipeline") {
        None | Some("_none") => Ok(()),
        Some(other) => Err(Exception::illegal_argument(format!(
            "pipeline with id [{other}] does not exist"
        ))),
    }
}

/// Writes one document and answers what `shown` lets through of its new source.
async fn write(
    call: &Call,
    id: Option<String>,
    action: BulkAction,
    shown: &SourceFilter,
) -> Result<Reply, Exception> {
    let refresh = refresh_policy(&call.params)?;
    check_active_shards(&call.params)?;
    let item = BulkItem {
        index: call.index().to_owned(),
        id,
        routing: call.params.text("routing").map(str::to_owned),
        require_alias: call.params.flag("require_alias", false)?,
        require_data_stream: call.params.flag("require_data_stream", false)?,
        action,
    };
    let mut response = call.state.indices().write(item, refresh).await?;
    if let Some(source) = response.source.take() {
        response.source = shown.apply(&source)?;
    }
    let status = StatusCode::from_u16(response.result.status()).unwrap_or(StatusCode::OK);
    let mut reply = Reply::json(
        status,
        &WriteAnswer {
            response: &response,
            status: None,
        },
    )?;
    if status == StatusCode::CREATED {
        let escape = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        reply.location = Some(format!("/{}/_doc/{}", response.index, escape(&response.id)));
    }
    Ok(reply)
}
