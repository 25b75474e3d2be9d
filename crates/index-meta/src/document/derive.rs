//! Dynamic mapping: what a document's new fields are to be.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::reader::{Unknown, find_unknown};
use super::{DocumentCheck, DocumentRules, MappingUpdate};
use crate::date::DateFormat;
use crate::error::DocumentError;
use crate::mapping::{DetectedType, MAX_DEPTH, Mapping, MappingLimits, Node, split_name};

/// What becomes of a new field.
enum Derived {
    /// An object, with what a template or the mapping says about it beside its fields.
    Object {
        options: Map<String, Value>,
        children: Children,
    },
    Field(Value),
}

type Children = BTreeMap<String, Derived>;

/// How often new fields may bring new fields.
const MOST_ROUNDS: usize = 3;

/// The update that the document needs, or why it would not fit even then.
pub(super) fn derive_update(
    mapping: &Mapping,
    source: &[u8],
    rules: DocumentRules,
    unknown: &[Unknown<'_, '_>],
) -> Result<DocumentCheck, DocumentError> {
    let Some(update) = update_for(mapping, unknown)? else {
        return Ok(DocumentCheck::Fits);
    };
    // A document that is refused must leave no fields behind. The index's limits are checked when the update is committed.
    let mut merged = mapping.merge_within(&update, &MappingLimits::unlimited())?;
    let mut added = update;
    for _ in 0..MOST_ROUNDS {
        let unknown = find_unknown(&merged, source, rules)?;
        // What a template says about a new field may name others, to copy its values to.
        let Some(more) = update_for(&merged, &unknown)? else {
            return Ok(DocumentCheck::NeedsMapping(MappingUpdate(added)));
        };
        merged = merged.merge_within(&more, &MappingLimits::unlimited())?;
        added = merged.to_json();
    }
    Err(DocumentError::Malformed(
        "the document's new fields contradict each other".to_owned(),
    ))
}

/// The put-mapping body that maps these fields; `None` if there is nothing to map.
fn update_for(mapping: &Mapping, unknown: &[Unknown<'_, '_>]) -> Result<Option<Value>, DocumentError> {
    let deriver = Deriver { mapping };
    let mut root = Children::new();
    for field in unknown {
        let value: Value = serde_json::from_str(field.value.get())
            .map_err(|error| DocumentError::Malformed(format!("field [{}]: {error}", field.name)))?;
        let path = field.parent.child_path(&field.name);
        let parts: Vec<&str> = path.split('.').collect();
        if let Some(derived) = deriver.derive(&value, &path, parts.len())? {
            insert(&mut root, &parts, derived);
        }
    }
    if root.is_empty() {
        return Ok(None);
    }
    mark_nested(&mut root, mapping.root());
    let update = json!({ "properties": properties(root) });
    Ok(Some(update))
}

struct Deriver<'m> {
    mapping: &'m Mapping,
}

impl Deriver<'_> {
    fn derive(&self, value: &Value, path: &str, depth: usize) -> Result<Option<Derived>, DocumentError> {
        if depth > MAX_DEPTH {
            return Err(DocumentError::Malformed(format!(
                "objects are nested more than {MAX_DEPTH} levels deep"
            )));
        }
        Ok(Some(match value {
            Value::Null => return Ok(None),
            Value::Array(items) => return self.derive_array(items, path, depth),
            Value::Object(members) => self.derive_object(members, path, depth)?,
            Value::Bool(_) => self.field(path, DetectedType::Boolean, || json!({"type": "boolean"})),
            Value::Number(number) if number.is_f64() => {
                self.field(path, DetectedType::Double, || json!({"type": "float"}))
            }
            Value::Number(_) => self.field(path, DetectedType::Long, || json!({"type": "long"})),
            Value::String(text) => self.derive_text(text, path),
        }))
    }

    fn field(&self, path: &str, detected: DetectedType, default: impl FnOnce() -> Value) -> Derived {
        let template = self.mapping.options().template_for(path, detected);
        Derived::Field(template.map_or_else(default, |template| {
            Value::Object(template.definition(name_of(path), detected))
        }))
    }

    fn derive_object(
        &self,
        members: &Map<String, Value>,
        path: &str,
        depth: usize,
    ) -> Result<Derived, DocumentError> {
        let template = self.mapping.options().template_for(path, DetectedType::Object);
        let options = template.map(|template| template.definition(name_of(path), DetectedType::Object));
        let options = options.unwrap_or_default();
        let mut children = Children::new();
        // Nobody looks for fields in an object that is not enabled, or that takes no new ones.
        let is_open = options.get("enabled").is_none_or(|enabled| enabled != false)
            && options
                .get("dynamic")
                .is_none_or(|dynamic| *dynamic == true || dynamic == "true");
        for (name, value) in members.iter().filter(|_| is_open) {
            let parts = split_name(name).map_err(|problem| DocumentError::FieldName {
                name: name.clone(),
                problem,
            })?;
            let path = format!("{path}.{name}");
            if let Some(derived) = self.derive(value, &path, depth + parts.len())? {
                insert(&mut children, &parts, derived);
            }
        }
        Ok(Derived::Object { options, children })
    }

    /// The first item that is something decides; objects are taken together.
    fn derive_array(
        &self,
        items: &[Value],
        path: &str,
        depth: usize,
    ) -> Result<Option<Derived>, DocumentError> {
        let mut result = None;
        for item in items {
            // Items after the first plain value only need to fit, which is checked once the update is known.
            if matches!(result, Some(Derived::Field(_))) {
                break;
            }
            match (&mut result, self.derive(item, path, depth)?) {
                (None, derived) => result = derived,
                (Some(present), Some(derived)) => unite(present, derived),
                (Some(_), None) => {}
            }
        }
        Ok(result)
    }

    /// Source: pure numbers are never dates, and are numbers only where the mapping asks for it.
    fn derive_text(&self, text: &str, path: &str) -> Derived {
        let options = self.mapping.options();
        let is_long = text.parse::<i64>().is_ok();
        let is_number = is_long || text.parse::<f64>().is_ok_and(f64::is_finite);
        if is_number && options.numeric_detection.unwrap_or(false) {
            let (detected, name) = if is_long {
                (DetectedType::Long, "long")
            } else {
                (DetectedType::Double, "float")
            };
            return self.field(path, detected, || json!({ "type": name }));
        }
        if !is_number
            && let Some(format) = options
                .detected_date_formats()
                .iter()
                .find(|format| format.parse_millis(text).is_some())
        {
            let date = || match format.pattern() {
                DateFormat::DEFAULT => json!({"type": "date"}),
                pattern => json!({"type": "date", "format": pattern}),
            };
            let mut derived = self.field(path, DetectedType::Date, date);
            // A template that leaves the format open takes that by which the text was recognised.
            if let Derived::Field(Value::Object(definition)) = &mut derived
                && definition.get("type").is_some_and(|name| name == "date")
                && format.pattern() != DateFormat::DEFAULT
            {
                definition
                    .entry("format")
                    .or_insert_with(|| format.pattern().into());
            }
            return derived;
        }
        self.field(
            path,
            DetectedType::String,
            || json!({"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}),
        )
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn insert(children: &mut Children, parts: &[&str], derived: Derived) {
    let [name, rest @ ..] = parts else { return };
    let derived = rest.iter().rev().fold(derived, |inner, name| Derived::Object {
        options: Map::new(),
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
        if let (Derived::Object { options, children }, Some(Node::Object(object))) =
            (derived, node.child(name))
        {
            *options = Map::new();
            if object.nested.is_some() {
                options.insert("type".into(), "nested".into());
            }
            mark_nested(children, object);
        }
    }
}

fn properties(children: Children) -> Map<String, Value> {
    let print = |(name, derived)| {
        let definition = match derived {
            Derived::Field(definition) => definition,
            Derived::Object {
                options: mut object,
                children,
            } => {
                let mut fields = match object.shift_remove("properties") {
                    Some(Value::Object(fields)) => fields,
                    _ => Map::new(),
                };
                // What a template maps by name comes before what the document shows.
                for (name, definition) in properties(children) {
                    fields.entry(name).or_insert(definition);
                }
                if fields.is_empty() {
                    object.entry("type").or_insert_with(|| "object".into());
                } else {
                    object.insert("properties".into(), fields.into());
                }
                Value::Object(object)
            }
        };
        (name, definition)
    };
    children.into_iter().map(print).collect()
}
