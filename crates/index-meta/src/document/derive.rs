//! Dynamic mapping: what a document's new fields are to be.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::reader::{Unknown, check};
use super::{DocumentCheck, MappingUpdate};
use crate::error::DocumentError;
use crate::mapping::{MAX_DEPTH, Mapping, MappingLimits, Node, split_name};

/// What becomes of a new field.
enum Derived {
    Object { is_nested: bool, children: Children },
    Field(Value),
}

type Children = BTreeMap<String, Derived>;

/// The update that the document needs, or why it would not fit even then.
pub(super) fn derive_update(
    mapping: &Mapping,
    source: &[u8],
    unknown: &[Unknown<'_, '_>],
) -> Result<DocumentCheck, DocumentError> {
    let deriver = Deriver { mapping };
    let mut root = Children::new();
    for field in unknown {
        let value: Value = serde_json::from_str(field.value.get())
            .map_err(|error| DocumentError::Malformed(format!("field [{}]: {error}", field.name)))?;
        let path = field.parent.child_path(&field.name);
        let parts: Vec<&str> = path.split('.').collect();
        if let Some(derived) = deriver.derive(&value, parts.len())? {
            insert(&mut root, &parts, derived);
        }
    }
    if root.is_empty() {
        return Ok(DocumentCheck::Fits);
    }
    mark_nested(&mut root, mapping.root());
    let update = json!({ "properties": properties(root) });
    // A document that is refused must leave no fields behind. The index's limits are checked when the update is committed.
    let merged = mapping.merge_within(&update, &MappingLimits::unlimited())?;
    match check(&merged, source)? {
        DocumentCheck::Fits => Ok(DocumentCheck::NeedsMapping(MappingUpdate(update))),
        DocumentCheck::NeedsMapping(_) => Err(DocumentError::Malformed(
            "the document's new fields contradict each other".to_owned(),
        )),
    }
}

struct Deriver<'m> {
    mapping: &'m Mapping,
}

impl Deriver<'_> {
    fn derive(&self, value: &Value, depth: usize) -> Result<Option<Derived>, DocumentError> {
        if depth > MAX_DEPTH {
            return Err(DocumentError::Malformed(format!(
                "objects are nested more than {MAX_DEPTH} levels deep"
            )));
        }
        Ok(Some(match value {
            Value::Null => return Ok(None),
            Value::Array(items) => return self.derive_array(items, depth),
            Value::Object(members) => {
                let mut children = Children::new();
                for (name, value) in members {
                    let parts = split_name(name).map_err(|problem| DocumentError::FieldName {
                        name: name.clone(),
                        problem,
                    })?;
                    if let Some(derived) = self.derive(value, depth + parts.len())? {
                        insert(&mut children, &parts, derived);
                    }
                }
                Derived::Object {
                    is_nested: false,
                    children,
                }
            }
            Value::Bool(_) => Derived::Field(json!({"type": "boolean"})),
            Value::Number(number) if number.is_f64() => Derived::Field(json!({"type": "float"})),
            Value::Number(_) => Derived::Field(json!({"type": "long"})),
            Value::String(text) => Derived::Field(self.derive_text(text)),
        }))
    }

    /// The first item that is something decides; objects are taken together.
    fn derive_array(&self, items: &[Value], depth: usize) -> Result<Option<Derived>, DocumentError> {
        let mut result = None;
        for item in items {
            // Items after the first plain value only need to fit, which is checked once the update is known.
            if matches!(result, Some(Derived::Field(_))) {
                break;
            }
            match (&mut result, self.derive(item, depth)?) {
                (None, derived) => result = derived,
                (Some(present), Some(derived)) => unite(present, derived),
                (Some(_), None) => {}
            }
        }
        Ok(result)
    }

    /// Source: pure numbers are never dates, and are numbers only where the mapping asks for it.
    fn derive_text(&self, text: &str) -> Value {
        let options = self.mapping.options();
        let is_long = text.parse::<i64>().is_ok();
        let is_number = is_long || text.parse::<f64>().is_ok_and(f64::is_finite);
        if is_number && options.numeric_detection.unwrap_or(false) {
            return json!({"type": if is_long { "long" } else { "float" }});
        }
        if !is_number
            && let Some(format) = options
                .detected_date_formats()
                .iter()
                .find(|format| format.parse_millis(text).is_some())
        {
            return match format.pattern() {
                crate::DateFormat::DEFAULT => json!({"type": "date"}),
                pattern => json!({"type": "date", "format": pattern}),
            };
        }
        json!({"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}})
    }
}

fn insert(children: &mut Children, parts: &[&str], derived: Derived) {
    let [name, rest @ ..] = parts else { return };
    let derived = rest.iter().rev().fold(derived, |inner, name| Derived::Object {
        is_nested: false,
        children: Children::from([((*name).to_owned(), inner)]),
    });
    match children.get_mut(*name) {
        Some(present) => unite(present, derived),
        None => {
            children.insert((*name).to_owned(), derived);
        }
    }
}

/// The first stays where both are something else; the document is checked against the result.
fn unite(present: &mut Derived, more: Derived) {
    if let (Derived::Object { children, .. }, Derived::Object { children: more, .. }) = (present, more) {
        for (name, derived) in more {
            match children.get_mut(&name) {
                Some(present) => unite(present, derived),
                None => {
                    children.insert(name, derived);
                }
            }
        }
    }
}

/// An update must repeat that an object is nested.
fn mark_nested(children: &mut Children, node: &crate::mapping::ObjectNode) {
    for (name, derived) in children {
        if let (Derived::Object { is_nested, children }, Some(Node::Object(object))) =
            (derived, node.child(name))
        {
            *is_nested = object.nested.is_some();
            mark_nested(children, object);
        }
    }
}

fn properties(children: Children) -> Value {
    let print = |(name, derived)| {
        let definition = match derived {
            Derived::Field(definition) => definition,
            Derived::Object { is_nested, children } => {
                let mut object = Map::new();
                if is_nested {
                    object.insert("type".into(), "nested".into());
                } else if children.is_empty() {
                    object.insert("type".into(), "object".into());
                }
                if !children.is_empty() {
                    object.insert("properties".into(), properties(children));
                }
                Value::Object(object)
            }
        };
        (name, definition)
    };
    Value::Object(children.into_iter().map(print).collect())
}
