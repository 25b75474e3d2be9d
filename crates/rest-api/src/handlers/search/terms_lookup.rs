//! Terms that a query takes from a document: they are put in the place of its name before the query is read.
//!
//! Source: the terms query of Elasticsearch, whose lookups are made once, where a search begins, and see what no refresh has made searchable yet.

use std::collections::BTreeMap;

use es_exception::Exception;
use indices::{GetOptions, IndicesService, MultiGetItem};
use serde_json::{Map, Value};

/// Parts of a body that have queries in them.
const WITH_QUERIES: [&str; 6] = [
    "query",
    "post_filter",
    "aggs",
    "aggregations",
    "highlight",
    "collapse",
];
/// Lookups of one body.
const MAX_LOOKUPS: usize = 1_000;
/// Terms that they may find together. What one query may have is bounded by its indices.
const MAX_TERMS: usize = 1 << 18;

/// A document by its index, id and routing.
type Named = (String, String, Option<String>);

/// Puts terms in the place of each lookup of a `terms` query in `body`. A document that does not exist has none.
///
/// # Errors
/// Why a document cannot be read; `illegal_argument_exception` for what does not name one, and for more than 1,000 of them, or 262,144 terms in them.
pub(crate) async fn look_up_terms(
    indices: &IndicesService,
    body: &mut Map<String, Value>,
) -> Result<(), Exception> {
    let mut sources: BTreeMap<Named, Value> = BTreeMap::new();
    let mut lookups = 0;
    visit_all(body, &mut |lookup| {
        let (named, _) = read(lookup)?;
        sources.insert(named, Value::Null);
        lookups += 1;
        match lookups > MAX_LOOKUPS {
            true => Err(Exception::illegal_argument(format!(
                "a request may have at most [{MAX_LOOKUPS}] lookups of terms"
            ))),
            false => Ok(()),
        }
    })?;
    if sources.is_empty() {
        return Ok(());
    }
    let item = |(index, id, routing): &Named| MultiGetItem {
        index: index.clone(),
        id: id.clone(),
        options: GetOptions {
            routing: routing.clone(),
            ..GetOptions::default()
        },
    };
    let found = indices.mget(sources.keys().map(item).collect()).await;
    for (source, found) in sources.values_mut().zip(found) {
        if let Some(document) = found?.document {
            *source = serde_json::from_slice(&document.source).map_err(|problem| {
                Exception::illegal_argument(format!(
                    "a document to look up terms in does not read: {problem}"
                ))
            })?;
        }
    }
    let mut placed = 0;
    visit_all(body, &mut |lookup| {
        let (named, path) = read(lookup)?;
        let mut terms = Vec::new();
        if let Some(source) = sources.get(&named) {
            collect(source, Some(&path), &mut terms);
        }
        placed += terms.len();
        if placed > MAX_TERMS {
            return Err(Exception::illegal_argument(format!(
                "the lookups of a request may find at most [{MAX_TERMS}] terms"
            )));
        }
        *lookup = Value::Array(terms);
        Ok(())
    })
}

type Visitor<'v> = dyn FnMut(&mut Value) -> Result<(), Exception> + 'v;

fn visit_all(body: &mut Map<String, Value>, each: &mut Visitor<'_>) -> Result<(), Exception> {
    let mut parts = body
        .iter_mut()
        .filter(|(key, _)| WITH_QUERIES.contains(&key.as_str()));
    parts.try_for_each(|(_, part)| visit(part, each))
}

/// Shows the lookups in `value`, which is no deeper than a body may be.
fn visit(value: &mut Value, each: &mut Visitor<'_>) -> Result<(), Exception> {
    match value {
        Value::Array(values) => values.iter_mut().try_for_each(|value| visit(value, each)),
        Value::Object(object) => object
            .iter_mut()
            .try_for_each(|(key, value)| match (key.as_str(), value) {
                ("terms", Value::Object(terms)) => terms.values_mut().try_for_each(|value| {
                    // Aggregations are called so, too, and some of them have a path or an order by one that is called so.
                    let has = |member| value.get(member).is_some();
                    let has_path = value.get("path").is_some_and(Value::is_string);
                    match has_path && (has("index") || has("id")) {
                        true => each(value),
                        false => visit(value, each),
                    }
                }),
                (_, value) => visit(value, each),
            }),
        _ => Ok(()),
    }
}

/// The document and the path that a lookup names.
fn read(lookup: &Value) -> Result<(Named, String), Exception> {
    let (mut index, mut id, mut path, mut routing) = (None, None, None, None);
    for (key, value) in lookup.as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            // Source: an id may be a number.
            Value::Number(number) => number.to_string(),
            Value::Null if key == "routing" => continue,
            _ => {
                return Err(Exception::illegal_argument(format!(
                    "[terms] query expects a text for [{key}] within a lookup element, and got [{value}]"
                )));
            }
        };
        match key.as_str() {
            "index" => index = Some(text),
            "id" => id = Some(text),
            "path" => path = Some(text),
            "routing" => routing = Some(text),
            _ => {
                return Err(Exception::illegal_argument(format!(
                    "[terms] query does not support [{key}] within lookup element"
                )));
            }
        }
    }
    match (index, id, path) {
        (Some(index), Some(id), Some(path)) => Ok(((index, id, routing), path)),
        _ => Err(Exception::illegal_argument(
            "[terms] query lookup element requires specifying the index, the id and the path",
        )),
    }
}

/// All values below a path, parts of which may be one member's name; of nothing more below `None`.
///
/// Looks at each value of the document once at most, since the names on the way to it say how much of the path is left.
fn collect(value: &Value, path: Option<&str>, found: &mut Vec<Value>) {
    match (value, path) {
        (Value::Null, _) => {}
        (Value::Array(values), _) => values.iter().for_each(|value| collect(value, path, found)),
        (_, None) => found.push(value.clone()),
        (Value::Object(object), Some(path)) => {
            for (name, member) in object {
                match path.strip_prefix(name.as_str()) {
                    Some("") => collect(member, None, found),
                    Some(rest) if rest.starts_with('.') => collect(member, Some(&rest[1..]), found),
                    Some(_) | None => {}
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_found_at_every_place_of_their_path() {
        let source = json!({
            "a": [{"b": {"c": [1, [2]]}}, {"b": 3}, {"b.c": "x"}, null], "a.b": {"c": true}, "b": {"c": 9}, "a.b.c": [null]
        });
        let mut found = Vec::new();
        collect(&source, Some("a.b.c"), &mut found);
        assert_eq!(Value::from(found), json!([1, 2, "x", true]));
    }
}
