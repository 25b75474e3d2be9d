//! `GET /_resolve/index/{name}`.

use cluster::IndexMetadata;
use es_exception::Exception;
use indices::ResolveOptions;
use serde_json::{Map, Value, json};

use super::targets;
use crate::call::Call;
use crate::reply::Reply;

/// Indices and aliases apart; there are no data streams.
pub(crate) async fn resolve_index(call: Call) -> Result<Reply, Exception> {
    let options = targets::options(&call, ResolveOptions::OPEN)?;
    let expression = call.segment("name").unwrap_or_default();
    let resolved = call.state.indices().resolve_names(expression, &options)?;
    let indices: Vec<Value> = resolved.indices.values().map(|index| print(index)).collect();
    let aliases: Vec<Value> = resolved
        .aliases
        .iter()
        .map(|(alias, indices)| json!({"name": alias, "indices": indices}))
        .collect();
    Reply::ok(&json!({"indices": indices, "aliases": aliases, "data_streams": []}))
}

/// Source: attributes are sorted; an index without aliases has no such field.
fn print(index: &IndexMetadata) -> Value {
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
    Value::Object(object)
}
