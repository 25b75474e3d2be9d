//! Laying one mapping of a template over another, as JSON.
//!
//! Not the merge of a put-mapping request: nothing is indexed yet, so a field may be of another type in the mapping on top. And not on parsed mappings,
//! since a part need not stand by itself.

use serde_json::{Map, Value};

use crate::error::MappingError;
use crate::mapping::MAX_DEPTH;

/// Lays `over` over `base`: objects are merged field by field, a field of `over` replaces the one of the same name, and so does every root option
/// that is no object.
///
/// Source: how Elasticsearch composes the mappings of templates.
///
/// # Errors
/// [`MappingError::Malformed`] for what is nested deeper than any mapping may be.
pub(super) fn overlay(base: &mut Map<String, Value>, over: &Map<String, Value>) -> Result<(), MappingError> {
    for (name, value) in over {
        match (name.as_str(), value) {
            ("properties", Value::Object(fields)) => {
                overlay_properties(properties_of(base), fields, 1)?;
            }
            (_, Value::Object(members)) => match base.get_mut(name) {
                Some(Value::Object(held)) => overlay_plain(held, members, 1)?,
                _ => {
                    base.insert(name.clone(), value.clone());
                }
            },
            _ => {
                base.insert(name.clone(), value.clone());
            }
        }
    }
    Ok(())
}

/// Lays `over` over `base` as plain JSON, so that a field keeps the parameters of `base` that `over` does not say. Dynamic templates are merged by name.
///
/// Source: how Elasticsearch merges the mappings of legacy templates.
///
/// # Errors
/// As [`overlay`].
pub(super) fn overlay_deeply(
    base: &mut Map<String, Value>,
    over: &Map<String, Value>,
) -> Result<(), MappingError> {
    const TEMPLATES: &str = "dynamic_templates";
    let held = base.get(TEMPLATES).and_then(Value::as_array).cloned();
    overlay_plain(base, over, 1)?;
    if let (Some(mut merged), Some(Value::Array(new))) = (held, over.get(TEMPLATES)) {
        let name = |template: &Value| {
            template
                .as_object()
                .and_then(|object| object.keys().next().cloned())
        };
        for template in new {
            match merged.iter_mut().find(|held| name(held) == name(template)) {
                Some(held) => held.clone_from(template),
                None => merged.push(template.clone()),
            }
        }
        base.insert(TEMPLATES.to_owned(), Value::Array(merged));
    }
    Ok(())
}

fn too_deep() -> MappingError {
    MappingError::Malformed(format!("a mapping lies more than {MAX_DEPTH} levels deep"))
}

fn overlay_plain(
    base: &mut Map<String, Value>,
    over: &Map<String, Value>,
    depth: usize,
) -> Result<(), MappingError> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    for (name, value) in over {
        match (base.get_mut(name), value) {
            (Some(Value::Object(held)), Value::Object(members)) => {
                overlay_plain(held, members, depth + 1)?;
            }
            _ => {
                base.insert(name.clone(), value.clone());
            }
        }
    }
    Ok(())
}

/// The fields of an object; a value that is no object gives way.
fn properties_of(object: &mut Map<String, Value>) -> &mut Map<String, Value> {
    let properties = object
        .entry("properties")
        .or_insert_with(|| Value::Object(Map::new()));
    if !properties.is_object() {
        *properties = Value::Object(Map::new());
    }
    match properties {
        Value::Object(fields) => fields,
        _ => unreachable!("it was made an object above"),
    }
}

fn overlay_properties(
    base: &mut Map<String, Value>,
    over: &Map<String, Value>,
    depth: usize,
) -> Result<(), MappingError> {
    for (name, definition) in over {
        put_field(base, name, definition, depth)?;
    }
    Ok(())
}

/// Puts a field in its place; the dots of its name lead through objects.
fn put_field(
    fields: &mut Map<String, Value>,
    name: &str,
    definition: &Value,
    depth: usize,
) -> Result<(), MappingError> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    // A name with an empty part is wrong, and stays as it is so that whoever reads the mapping can say so.
    let is_path = name.contains('.') && name.split('.').all(|part| !part.is_empty());
    if let Some((first, rest)) = name.split_once('.').filter(|_| is_path) {
        if object_kind(fields.get(first)).is_none() {
            fields.insert(first.to_owned(), Value::Object(Map::new()));
        }
        if let Some(Value::Object(object)) = fields.get_mut(first) {
            put_field(properties_of(object), rest, definition, depth + 1)?;
        }
        return Ok(());
    }
    let (Some(kind), Value::Object(new)) = (object_kind(Some(definition)), definition) else {
        fields.insert(name.to_owned(), definition.clone());
        return Ok(());
    };
    let mut merged = Map::new();
    if object_kind(fields.get(name)) == Some(kind)
        && let Some(held) = fields.get_mut(name).and_then(|held| held.get_mut("properties"))
    {
        // Of the object below only its fields stay.
        merged.insert("properties".to_owned(), held.take());
    }
    for (member, value) in new {
        match value {
            Value::Object(inner) if member == "properties" => {
                overlay_properties(properties_of(&mut merged), inner, depth + 1)?;
            }
            _ => {
                merged.insert(member.clone(), value.clone());
            }
        }
    }
    fields.insert(name.to_owned(), Value::Object(merged));
    Ok(())
}

/// `object` or `nested` for a definition that is one.
fn object_kind(definition: Option<&Value>) -> Option<&'static str> {
    let definition = definition?.as_object()?;
    match definition.get("type").map(Value::as_str) {
        Some(Some("nested")) => Some("nested"),
        Some(Some("object")) => Some("object"),
        Some(_) => None,
        None => (definition.is_empty() || definition.contains_key("properties")).then_some("object"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_merged_and_fields_replaced() {
        let cases = [
            (
                json!({"properties": {"a": {"type": "long", "index": false}, "b": {"type": "long"}}}),
                json!({"properties": {"a": {"type": "keyword"}, "c": {"type": "date"}}}),
                json!({"properties": {"a": {"type": "keyword"}, "b": {"type": "long"}, "c": {"type": "date"}}}),
            ),
            (
                json!({"properties": {"o": {"dynamic": "strict", "properties": {"x": {"type": "long"}}}}}),
                json!({"properties": {"o": {"type": "object", "properties": {"y": {"type": "long"}}}}}),
                json!({"properties": {"o": {"type": "object", "properties": {"x": {"type": "long"}, "y": {"type": "long"}}}}}),
            ),
            (
                json!({"properties": {"o": {"dynamic": false, "properties": {"x": {"type": "long"}}}}}),
                json!({"properties": {"o.y": {"type": "long"}}}),
                json!({"properties": {"o": {"dynamic": false, "properties": {"x": {"type": "long"}, "y": {"type": "long"}}}}}),
            ),
            (
                json!({"properties": {"n": {"type": "nested", "properties": {"x": {"type": "long"}}}}}),
                json!({"properties": {"n.y": {"type": "long"}}}),
                json!({"properties": {"n": {"type": "nested", "properties": {"x": {"type": "long"}, "y": {"type": "long"}}}}}),
            ),
            (
                json!({"properties": {"n": {"type": "nested", "properties": {"x": {"type": "long"}}}}}),
                json!({"properties": {"n": {"properties": {"y": {"type": "long"}}}}}),
                json!({"properties": {"n": {"properties": {"y": {"type": "long"}}}}}),
            ),
            (
                json!({"properties": {"a": {"type": "long"}}}),
                json!({"properties": {"a.b": {"type": "long"}}}),
                json!({"properties": {"a": {"properties": {"b": {"type": "long"}}}}}),
            ),
            (
                json!({"dynamic": "strict", "_meta": {"a": 1, "b": {"x": 1}}}),
                json!({"dynamic": true, "_meta": {"b": {"y": 2}, "c": 3}}),
                json!({"dynamic": true, "_meta": {"a": 1, "b": {"x": 1, "y": 2}, "c": 3}}),
            ),
            (
                json!({}),
                json!({"properties": {"a..b": {"type": "long"}}}),
                json!({"properties": {"a..b": {"type": "long"}}}),
            ),
        ];
        for (base, over, expected) in cases {
            let mut merged = base.as_object().cloned().unwrap_or_default();
            overlay(&mut merged, over.as_object().expect("an object")).expect("not deep");
            assert_eq!(Value::Object(merged), expected, "{base} and {over}");
        }
    }

    #[test]
    fn what_is_nested_too_deeply_is_refused() {
        let deep = ["a"; MAX_DEPTH + 2].join(".");
        let over = json!({"properties": {deep: {"type": "long"}}});
        assert!(overlay(&mut Map::new(), over.as_object().expect("an object")).is_err());
    }
}
