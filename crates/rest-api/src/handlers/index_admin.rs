//! The life of indices: create, delete, open, close, mapping, settings, refresh, flush and forced merge.

use std::collections::BTreeMap;

use cluster::{IndexMetadata, Origin};
use es_exception::{Exception, ExceptionKind};
use indices::{CreateIndex, ResolveOptions};
use serde_json::{Map, Value, json};
use shard::ForceMergeRequest;

use super::aliases::take_metadata;
use super::search::shards;
use super::targets;
use super::tasks::in_background;
use crate::call::Call;
use crate::json_body::{refuse_rest, take_object, wrong};
use crate::reply::Reply;

/// `PUT /{index}`.
pub(crate) async fn create_index(call: Call) -> Result<Reply, Exception> {
    check_active_shards(&call)?;
    let body = call.object()?.unwrap_or_default();
    let request = take_new_index(call.index().to_owned(), body, "create index")?;
    let created = call.state.indices().create_index(request).await?;
    let acknowledged = call.is_acknowledged();
    let active = created.shards_acknowledged && one_copy_is_enough(&call, &created.index);
    Reply::ok(&json!({
        "acknowledged": acknowledged,
        "shards_acknowledged": acknowledged && active,
        "index": created.index.name,
    }))
}

/// A new index as the body of `what` describes it.
pub(crate) fn take_new_index(
    name: String,
    mut body: Map<String, Value>,
    what: &str,
) -> Result<CreateIndex, Exception> {
    let settings = take_object(&mut body, "settings")?.map_or(Value::Null, Value::Object);
    let mappings = take_object(&mut body, "mappings")?;
    mappings.as_ref().map_or(Ok(()), refuse_typed)?;
    let mut aliases = BTreeMap::new();
    for (name, fields) in take_object(&mut body, "aliases")?.unwrap_or_default() {
        let Value::Object(mut fields) = fields else {
            return Err(wrong(format!("alias [{name}] must be an object")));
        };
        let metadata = take_metadata(&mut fields)?;
        refuse_rest(&fields, "alias")?;
        aliases.insert(name, metadata);
    }
    refuse_rest(&body, what)?;
    Ok(CreateIndex {
        name,
        settings,
        mappings: mappings.map(Value::Object),
        aliases,
    })
}

/// Refuses a mapping of a new index or of a template that stands under the name of a type.
pub(super) fn refuse_typed(mapping: &Map<String, Value>) -> Result<(), Exception> {
    if !is_typed(mapping) {
        return Ok(());
    }
    Err(Exception::illegal_argument(
        "The mapping definition cannot be nested under a type [_doc] unless include_type_name is set to true.",
    ))
}

/// Whether a mapping stands under the name of a type, as it did before there were none.
fn is_typed(mapping: &Map<String, Value>) -> bool {
    mapping.len() == 1 && mapping.contains_key("_doc")
}

/// `DELETE /{index}`.
pub(crate) async fn delete_index(call: Call) -> Result<Reply, Exception> {
    check_active_shards(&call)?;
    refuse_wildcards(&call)?;
    let options = targets::options(&call, ResolveOptions::DELETE)?;
    call.state.indices().delete_index(call.index(), &options).await?;
    call.acknowledged()
}

/// `POST /{index}/_open`.
pub(crate) async fn open_index(call: Call) -> Result<Reply, Exception> {
    check_active_shards(&call)?;
    let opened = match targets::expression(&call, ResolveOptions::METADATA)? {
        Some(indices) => {
            let opened = call.state.indices().open_index(&indices).await?;
            let indices = call
                .state
                .indices()
                .resolve(&indices, &ResolveOptions::METADATA)?;
            opened && indices.iter().all(|index| one_copy_is_enough(&call, index))
        }
        None => true,
    };
    let acknowledged = call.is_acknowledged();
    Reply::ok(&json!({"acknowledged": acknowledged, "shards_acknowledged": acknowledged && opened}))
}

/// `POST /{index}/_close`.
pub(crate) async fn close_index(call: Call) -> Result<Reply, Exception> {
    check_active_shards(&call)?;
    refuse_wildcards(&call)?;
    let closed = match targets::expression(&call, ResolveOptions::METADATA)? {
        Some(indices) => call.state.indices().close_index(&indices).await?,
        None => Vec::new(),
    };
    let indices: Map<String, Value> = closed
        .into_iter()
        .map(|index| (index.name.clone(), json!({"closed": true})))
        .collect();
    let acknowledged = call.is_acknowledged();
    Reply::ok(&json!({"acknowledged": acknowledged, "shards_acknowledged": acknowledged, "indices": indices}))
}

/// `PUT|POST /{index}/_mapping`.
pub(crate) async fn put_mapping(call: Call) -> Result<Reply, Exception> {
    check_active_shards(&call)?;
    let mapping = call.required_object()?;
    if is_typed(&mapping) {
        return Err(Exception::illegal_argument(
            "Types cannot be provided in put mapping requests, unless the include_type_name parameter is set to true.",
        ));
    }
    let mapping = Value::Object(mapping);
    if call.params.flag("write_index_only", false)? {
        call.state
            .indices()
            .put_mapping_to_write_index(call.index(), mapping)
            .await?;
    } else if let Some(indices) = targets::expression(&call, ResolveOptions::METADATA)? {
        call.state
            .indices()
            .put_mapping(&indices, mapping, Origin::User)
            .await?;
    }
    call.acknowledged()
}

/// `PUT /{index}/_settings`. Source: the settings may be wrapped in an object `settings`; with `reopen` also those are changed that need a closed index.
pub(crate) async fn put_settings(call: Call) -> Result<Reply, Exception> {
    check_active_shards(&call)?;
    let preserve_existing = call.params.flag("preserve_existing", false)?;
    let reopen = call.params.flag("reopen", false)?;
    let mut body = call.required_object()?;
    let settings = match body.len() {
        1 => take_object(&mut body, "settings")?.unwrap_or(body),
        _ => body,
    };
    if let Some(expression) = targets::expression(&call, ResolveOptions::METADATA)? {
        let (indices, settings) = (call.state.indices(), Value::Object(settings));
        if reopen {
            indices
                .update_settings_and_reopen(&expression, settings, preserve_existing)
                .await?;
        } else {
            indices
                .update_settings(&expression, settings, preserve_existing, Origin::User)
                .await?;
        }
    }
    call.acknowledged()
}

/// `GET|POST /_refresh` and `/{index}/_refresh`.
pub(crate) async fn refresh(call: Call) -> Result<Reply, Exception> {
    let options = targets::options(&call, ResolveOptions::OPEN)?;
    let summary = call.state.indices().refresh(call.index(), &options).await?;
    Reply::ok(&json!({"_shards": shards(&summary, false)}))
}

/// `GET|POST /_flush` and `/{index}/_flush`.
pub(crate) async fn flush(call: Call) -> Result<Reply, Exception> {
    // Source: a flush waits for another one here, whatever the request says; one that is forced must.
    if call.params.flag("force", false)? & !call.params.flag("wait_if_ongoing", true)? {
        return Err(Exception::new(
            ExceptionKind::ActionRequestValidation,
            "Validation Failed: 1: wait_if_ongoing must be true for a force flush;",
        ));
    }
    let options = targets::options(&call, ResolveOptions::OPEN)?;
    let summary = call.state.indices().flush(call.index(), &options).await?;
    Reply::ok(&json!({"_shards": shards(&summary, false)}))
}

/// `POST /_forcemerge` and `/{index}/_forcemerge`.
pub(crate) async fn force_merge(call: Call) -> Result<Reply, Exception> {
    let max_num_segments = match call.params.text("max_num_segments") {
        // Source: -1 is Elasticsearch's way to say that no number is given.
        None | Some("-1") => None,
        Some("0") => {
            return Err(Exception::illegal_argument(
                "[max_num_segments] must be at least 1, but was [0]",
            ));
        }
        Some(_) => call.params.number("max_num_segments")?,
    };
    let request = ForceMergeRequest {
        max_num_segments,
        only_expunge_deletes: call.params.flag("only_expunge_deletes", false)?,
    };
    let flush = call.params.flag("flush", true)?;
    if request.only_expunge_deletes && max_num_segments.is_some() {
        return Err(Exception::new(
            ExceptionKind::ActionRequestValidation,
            "Validation Failed: 1: cannot set only_expunge_deletes and max_num_segments at the same time, \
             those two parameters are mutually exclusive;",
        ));
    }
    let options = targets::options(&call, ResolveOptions::OPEN)?;
    let waits = call.params.flag("wait_for_completion", true)?;
    let (state, index) = (call.state.clone(), call.index().to_owned());
    let work = async move {
        let indices = state.indices();
        let summary = indices.force_merge(&index, &options, request, flush).await?;
        Ok::<_, Exception>(json!({"_shards": shards(&summary, false)}))
    };
    match waits {
        true => Reply::ok(&work.await?),
        false => in_background(&call, work),
    }
}

/// Source: `action.destructive_requires_name`, true by default.
pub(super) fn refuse_wildcards(call: &Call) -> Result<(), Exception> {
    let allowed = call
        .state
        .cluster()
        .state()
        .setting("action.destructive_requires_name")
        == Some("false");
    let wild = |part: &&str| part.contains('*') || *part == "_all";
    if allowed || !(call.index_parts().is_empty() || call.index_parts().iter().any(wild)) {
        return Ok(());
    }
    let reason = "wildcard expressions or all indices are not allowed here: name the indices, or set \
                  [action.destructive_requires_name] to false";
    Err(Exception::illegal_argument(reason))
}

/// Whether the request waits for no more copies of a shard than the one that there is; more cannot become active by waiting.
///
/// Source: a request that does not say waits for as many as `index.write.wait_for_active_shards`.
pub(crate) fn one_copy_is_enough(call: &Call, index: &IndexMetadata) -> bool {
    let setting = |key| index.settings.get_str(key);
    let wanted = match call.params.text("wait_for_active_shards") {
        None | Some("index-setting") => setting("index.write.wait_for_active_shards").unwrap_or("1"),
        Some(wanted) => wanted,
    };
    match wanted {
        "all" => setting("index.number_of_replicas") == Some("0"),
        count => !count.parse::<u32>().is_ok_and(|count| count > 1),
    }
}

/// Refuses a `wait_for_active_shards` that is no number of copies.
///
/// # Errors
/// `illegal_argument_exception`.
pub(crate) fn check_active_shards(call: &Call) -> Result<(), Exception> {
    match call.params.text("wait_for_active_shards") {
        None | Some("all" | "index-setting") => Ok(()),
        Some(_) => call.params.number::<u32>("wait_for_active_shards").map(drop),
    }
}
