//! The data stream APIs.

use es_exception::{Exception, ExceptionKind};
use indices::{DataStreamInfo, ResolveOptions, SearchOptions};
use serde_json::{Map, Value, json};
use shard::SearchRequest;

use super::cluster_health::{Status, status};
use super::shard_table::shard_table;
use super::targets;
use crate::call::Call;
use crate::params::split_list;
use crate::reply::Reply;
use crate::units::human_bytes;

/// The field that documents of data streams are ordered by.
const TIMESTAMP_FIELD: &str = index_meta::TIMESTAMP_FIELD;

/// `PUT /_data_stream/{name}`.
pub(crate) async fn create_data_stream(call: Call) -> Result<Reply, Exception> {
    check_timeouts(&call)?;
    call.state.indices().create_data_stream(name(&call)).await?;
    call.acknowledged()
}

/// `GET /_data_stream` and `/_data_stream/{name}`.
pub(crate) async fn get_data_stream(call: Call) -> Result<Reply, Exception> {
    call.params.timeout("master_timeout")?;
    // Source: what they add are defaults of lifecycles, of which there are none, and the newest timestamp.
    call.params.flag("include_defaults", false)?;
    let verbose = call.params.flag("verbose", false)?;
    let mut printed = Vec::new();
    for found in named(&call)? {
        let mut object = print(&call, &found);
        if verbose {
            object["maximum_timestamp"] = json!(newest_timestamp(&call, &found.name).await?);
        }
        printed.push(object);
    }
    Reply::ok(&json!({ "data_streams": printed }))
}

/// `DELETE /_data_stream/{name}`.
pub(crate) async fn delete_data_stream(call: Call) -> Result<Reply, Exception> {
    check_timeouts(&call)?;
    let options = targets::options(&call, ResolveOptions::METADATA)?;
    let names = split_list(name(&call));
    call.state.indices().delete_data_streams(&names, &options).await?;
    call.acknowledged()
}

/// `POST /_data_stream/_promote/{name}`.
///
/// Source: promotion goes through without a template, and a warning says so.
pub(crate) async fn promote_data_stream(call: Call) -> Result<Reply, Exception> {
    check_timeouts(&call)?;
    let name = name(&call);
    let has_template = call.state.indices().promote_data_stream(name).await?;
    let mut reply = call.acknowledged()?;
    if !has_template {
        reply.warning = Some(format!(
            "data stream [{name}] has no matching index template with data streams: it cannot be rolled over until there is one"
        ));
    }
    Ok(reply)
}

/// `GET /_data_stream/_stats` and `/_data_stream/{name}/_stats`.
pub(crate) async fn data_stream_stats(call: Call) -> Result<Reply, Exception> {
    let human = call.human()?;
    let size = |object: &mut Map<String, Value>, name: &str, bytes: u64| {
        if human {
            object.insert(name.to_owned(), human_bytes(bytes).into());
        }
        object.insert(format!("{name}_bytes"), bytes.into());
    };
    let (mut shards, mut served, mut backing_indices, mut bytes) = (0, 0, 0, 0_u64);
    let mut printed = Vec::new();
    for found in named(&call)? {
        let options = ResolveOptions {
            ignore_unavailable: true,
            ..ResolveOptions::METADATA
        };
        let stats = call.state.indices().stats(&found.name, &options).await?;
        let numbers = || stats.iter().flat_map(|index| &index.shards);
        let stored = numbers().filter_map(|shard| shard.stats.as_ref());
        let stream_bytes: u64 = stored.clone().map(|stats| stats.store_bytes).sum();
        (shards, served) = (shards + numbers().count(), served + stored.count());
        (backing_indices, bytes) = (backing_indices + stats.len(), bytes + stream_bytes);
        let mut object = Map::new();
        object.insert("data_stream".to_owned(), found.name.clone().into());
        object.insert("backing_indices".to_owned(), stats.len().into());
        size(&mut object, "store_size", stream_bytes);
        let newest = newest_timestamp(&call, &found.name).await?.unwrap_or(0);
        object.insert("maximum_timestamp".to_owned(), newest.into());
        printed.push(Value::Object(object));
    }
    let mut answer = Map::new();
    answer.insert(
        "_shards".to_owned(),
        json!({"total": shards, "successful": served, "failed": 0}),
    );
    answer.insert("data_stream_count".to_owned(), printed.len().into());
    answer.insert("backing_indices".to_owned(), backing_indices.into());
    size(&mut answer, "total_store_size", bytes);
    answer.insert("data_streams".to_owned(), printed.into());
    Reply::ok(&answer)
}

/// `POST /_data_stream/_migrate/{name}`, which is not there.
pub(crate) async fn migrate(_call: Call) -> Result<Reply, Exception> {
    unsupported(
        "making a data stream of an alias is not supported: create a data stream, and copy the documents into it with [/_reindex]",
    )
}

/// `POST /_data_stream/_modify`, which is not there.
pub(crate) async fn modify(_call: Call) -> Result<Reply, Exception> {
    unsupported(
        "adding and removing backing indices is not supported: a backing index leaves its data stream when it is deleted",
    )
}

fn unsupported(why: &str) -> Result<Reply, Exception> {
    Err(Exception::new(ExceptionKind::Unsupported, why))
}

fn name(call: &Call) -> &str {
    call.segment("name").unwrap_or_default()
}

fn check_timeouts(call: &Call) -> Result<(), Exception> {
    call.params.timeout("master_timeout")?;
    call.params.timeout("timeout").map(drop)
}

/// The data streams of the path, all of them if it has no name.
fn named(call: &Call) -> Result<Vec<DataStreamInfo>, Exception> {
    let options = targets::options(call, ResolveOptions::METADATA)?;
    let names = match call.segment("name") {
        Some(names) => split_list(names),
        None => vec!["*"],
    };
    call.state.indices().data_streams(&names, &options)
}

fn print(call: &Call, found: &DataStreamInfo) -> Value {
    let state = call.state.cluster().state();
    let DataStreamInfo { name, stream } = found;
    let indices: Vec<_> = stream.indices().filter_map(|index| state.index(index)).collect();
    let health = indices
        .iter()
        .map(|index| status(&shard_table(&call.state, index)))
        .min()
        .unwrap_or(Status::Green);
    let backing: Vec<Value> = indices
        .iter()
        .map(|index| {
            json!({
                "index_name": index.name, "index_uuid": index.uuid.to_string(), "prefer_ilm": true, "managed_by": "Unmanaged",
            })
        })
        .collect();
    let mut object = json!({
        "name": name,
        "timestamp_field": {"name": TIMESTAMP_FIELD},
        "indices": backing,
        "generation": stream.generation,
        "status": health.name().to_uppercase(),
        "next_generation_managed_by": "Unmanaged",
        "prefer_ilm": true,
        "hidden": stream.hidden,
        "system": false,
        "allow_custom_routing": stream.allow_custom_routing,
        "replicated": stream.replicated,
        "rollover_on_write": false,
    });
    if let Some(metadata) = &stream.metadata {
        object["_meta"] = metadata.clone();
    }
    if let Some((template, _)) = state
        .templates
        .find(name, false)
        .filter(|(_, template)| template.data_stream.is_some())
    {
        object["template"] = template.into();
    }
    object
}

/// The newest timestamp of the documents that searches find, in milliseconds.
async fn newest_timestamp(call: &Call, stream: &str) -> Result<Option<i64>, Exception> {
    let body = json!({
        "size": 1, "_source": false, "track_total_hits": false,
        "sort": [{TIMESTAMP_FIELD: {"order": "desc", "unmapped_type": "date"}}],
    });
    let options = SearchOptions {
        resolve: ResolveOptions {
            ignore_unavailable: true,
            ..ResolveOptions::OPEN
        },
        ..SearchOptions::default()
    };
    let found = call
        .state
        .indices()
        .search(stream, SearchRequest::from_json(&body)?, &options)
        .await;
    // Shards that do not serve have nothing to say.
    let hits = found.map(|found| found.hits).unwrap_or_default();
    let newest = hits.first().and_then(|hit| hit.hit.sort.first());
    Ok(newest.and_then(|newest| newest.to_json().as_i64()))
}
