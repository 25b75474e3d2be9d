//! Objects: the inner nodes of a mapping.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Dynamic, FieldMapping};

/// Levels of objects that any mapping or document may have, whatever its settings say: bounds the recursion over trees.
pub(crate) const MAX_DEPTH: usize = 100;

/// A child of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Object(Arc<ObjectNode>),
    Field(Arc<FieldMapping>),
}

/// Options of `type: nested`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Nested {
    pub(crate) include_in_parent: bool,
    pub(crate) include_in_root: bool,
}

/// An object, or the root.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ObjectNode {
    /// Full path; empty for the root.
    pub(crate) path: String,
    pub(crate) nested: Option<Nested>,
    /// `None` inherits the parent's.
    pub(crate) dynamic: Option<Dynamic>,
    /// `None` is true.
    pub(crate) enabled: Option<bool>,
    /// Sorted by name.
    children: Vec<(String, Node)>,
}

impl ObjectNode {
    /// A plain object without children.
    pub(crate) fn at(path: String) -> Self {
        Self {
            path,
            ..Self::default()
        }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    pub(crate) fn children(&self) -> &[(String, Node)] {
        &self.children
    }

    /// Where the child is among [`children`](Self::children).
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.children
            .binary_search_by(|(child, _)| child.as_str().cmp(name))
            .ok()
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Node> {
        self.position(name).map(|position| &self.children[position].1)
    }

    /// Puts a child in its place, replacing the one of this name.
    pub(crate) fn put(&mut self, name: &str, node: Node) {
        match self
            .children
            .binary_search_by(|(child, _)| child.as_str().cmp(name))
        {
            Ok(position) => self.children[position].1 = node,
            Err(position) => self.children.insert(position, (name.to_owned(), node)),
        }
    }

    /// The full path of a child.
    pub(crate) fn child_path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// Whether this object, or one in it, is of type nested.
    pub(crate) fn has_nested(&self) -> bool {
        self.nested.is_some()
            || self
                .children
                .iter()
                .any(|(_, child)| matches!(child, Node::Object(object) if object.has_nested()))
    }

    pub(crate) fn collect_fields<'a>(&'a self, fields: &mut Vec<&'a FieldMapping>) {
        for (_, child) in &self.children {
            match child {
                Node::Object(object) => object.collect_fields(fields),
                Node::Field(field) => {
                    fields.push(field);
                    fields.extend(field.multi_fields());
                }
            }
        }
    }

    pub(crate) fn collect_objects<'a>(&'a self, objects: &mut Vec<(&'a str, bool)>) {
        for (_, child) in &self.children {
            if let Node::Object(object) = child {
                objects.push((&object.path, object.nested.is_some()));
                object.collect_objects(objects);
            }
        }
    }

    /// The members of the object's JSON form.
    pub(crate) fn print_into(&self, json: &mut Map<String, Value>) {
        if let Some(nested) = self.nested {
            json.insert("type".into(), "nested".into());
            for (name, set) in [
                ("include_in_parent", nested.include_in_parent),
                ("include_in_root", nested.include_in_root),
            ] {
                if set {
                    json.insert(name.into(), true.into());
                }
            }
        } else if self.children.is_empty() && !self.path.is_empty() {
            json.insert("type".into(), "object".into());
        }
        if let Some(dynamic) = self.dynamic.filter(|_| !self.path.is_empty()) {
            json.insert("dynamic".into(), dynamic.name().into());
        }
        if !self.is_enabled() {
            json.insert("enabled".into(), false.into());
        }
        if !self.children.is_empty() {
            let children = self
                .children
                .iter()
                .map(|(name, child)| (name.clone(), child.to_json()))
                .collect();
            json.insert("properties".into(), Value::Object(children));
        }
    }
}

impl Node {
    fn to_json(&self) -> Value {
        match self {
            Self::Field(field) => field.to_json(),
            Self::Object(object) => {
                let mut json = Map::new();
                object.print_into(&mut json);
                Value::Object(json)
            }
        }
    }
}

/// The parts of a dotted name, each the name of an object or, the last, of anything.
pub(crate) fn split_name(name: &str) -> Result<Vec<&str>, &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    let parts: Vec<&str> = name.split('.').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err("it starts or ends with a dot, or has two dots in a row");
    }
    if parts.iter().any(|part| part.trim().is_empty()) {
        return Err("a part of it contains only whitespace");
    }
    if parts.len() > MAX_DEPTH {
        return Err("it has too many dots");
    }
    Ok(parts)
}
