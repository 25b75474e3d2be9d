//! `GET /_resolve/index/{name}`.

use cluster::IndexMetadata;
use es_exception::Exception;
use indices::ResolveOptions;
use serde_json::{Map, Value, json};

use super::targets;
use crate::call::Call;
use crate::date_math_names::resolve_names;
use crate::reply::Reply;

/// Indices, aliases and data streams apart.
pub(crate) async fn resolve_index(call: Call) -> Result<Reply, Exception> {
    let options = targets::options(&call, ResolveOptions::OPEN)?;
    let expression = resolve_names(&call.state, call.segment("name").unwrap_or_default().to_owned())?;
    let resolved = call.state.indices().resolve_names(&expression, &options)?;
    let state = call.state.cluster().state();
    let streams = state.data_streams_by_index();
    let indices: Vec<Value> = resolved
        .indices
        .values()
        .map(|index| print(index, streams.get(index.name.as_str()).copied()))
        .collect();
    let aliases: Vec<Value> = resolved
        .aliases
        .iter()
        .map(|(alias, indices)| json!({"name": alias, "indices": indices}))
        .collect();
    let streams: Vec<Value> = resolved
        .data_streams
        .iter()
        .map(|(name, stream)| {
            let indices: Vec<&String> = stream.indices().collect();
            json!({"name": name, "backing_indices": indices, "timestamp_field": index_meta::TIMESTAMP_FIELD})
        })
        .collect();
    Reply::ok(&json!({"indices": indices, "aliases": aliases, "data_streams": streams}))
}

/// Source: attributes are sorted; an index without aliases has no such field.
fn print(index: &IndexMetadata, data_stream: Option<&str>) -> Value {
    let mut attributes = vec![if index.is_open() { "open" } else { "closed" }];
    if index.is_hidden() {
        attributes.push("hidden");
    }
    attributes.sort_unstable();
    let mut object = Map::new();
    object.insert("name".to_owned(), index.name.clone().into());
    if !index.aliases.is_empty() {
        let aliases: Vec<&String> = index.aliases.keys().collect();
        object.insert("aliases".to_owned(), json!(aliases));
    }
    object.insert("attributes".to_owned(), json!(attributes));
    if let Some(stream) = data_stream {
        object.insert("data_stream".to_owned(), stream.into());
    }
    Value::Object(object)
}
