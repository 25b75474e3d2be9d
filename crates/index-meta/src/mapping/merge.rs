//! Merging an update into a mapping.

use std::sync::Arc;

use serde_json::Value;

use super::dynamic_template::DynamicTemplate;
use super::parameters::{ParameterKind, parameters_of};
use super::tree::{RootOptions, TIMESTAMP_OPTION};
use super::{FieldMapping, Mapping, MappingLimits, Node, ObjectNode};
use crate::document::DocumentRules;
use crate::error::MappingError;

type Result<T> = std::result::Result<T, MappingError>;

fn conflict<T>(problem: String) -> Result<T> {
    Err(MappingError::Conflict(problem))
}

pub(super) fn merge_mappings(base: &Mapping, update: &Mapping) -> Result<Mapping> {
    let root = merge_objects(base.root(), update.root())?;
    let (old, new) = (base.options(), update.options());
    if let (Some(old), Some(new)) = (old.routing_required, new.routing_required)
        && old != new
    {
        return conflict(format!(
            "mapper for [_routing] conflicts: cannot update [required] from [{old}] to [{new}]"
        ));
    }
    if let (Some(true), Some(false)) = (old.timestamp_required, new.timestamp_required) {
        return conflict(format!(
            "mapper for [{TIMESTAMP_OPTION}] conflicts: cannot update [enabled] from [true] to [false]"
        ));
    }
    let options = RootOptions {
        date_detection: new.date_detection.or(old.date_detection),
        numeric_detection: new.numeric_detection.or(old.numeric_detection),
        dynamic_date_formats: new
            .dynamic_date_formats
            .clone()
            .or_else(|| old.dynamic_date_formats.clone()),
        dynamic_templates: merge_templates(&old.dynamic_templates, &new.dynamic_templates),
        meta: new.meta.clone().or_else(|| old.meta.clone()),
        routing_required: new.routing_required.or(old.routing_required),
        timestamp_required: new.timestamp_required.or(old.timestamp_required),
    };
    Ok(Mapping::new(root, options))
}

/// Source: a template of a known name takes the place of the former one, others come after those that there are.
fn merge_templates(old: &[Arc<DynamicTemplate>], new: &[Arc<DynamicTemplate>]) -> Vec<Arc<DynamicTemplate>> {
    let mut merged = old.to_vec();
    for template in new {
        match merged.iter_mut().find(|present| present.name == template.name) {
            Some(present) => *present = Arc::clone(template),
            None => merged.push(Arc::clone(template)),
        }
    }
    merged
}

pub(super) fn merge_nodes(base: &Node, update: &Node) -> Result<Node> {
    match (base, update) {
        (Node::Object(old), Node::Object(new)) => {
            merge_objects(old, new).map(|object| Node::Object(Arc::new(object)))
        }
        (Node::Field(old), Node::Field(new)) => merge_fields(old, new).map(Node::Field),
        (Node::Object(old), Node::Field(new)) => {
            cannot_change(&new.path, object_type(old), new.field_type.name())
        }
        (Node::Field(old), Node::Object(new)) => {
            cannot_change(&old.path, old.field_type.name(), object_type(new))
        }
    }
}

fn object_type(object: &ObjectNode) -> &'static str {
    if object.nested.is_some() {
        "nested"
    } else {
        "object"
    }
}

fn cannot_change<T>(path: &str, from: &str, to: &str) -> Result<T> {
    conflict(format!(
        "mapper [{path}] cannot be changed from type [{from}] to [{to}]"
    ))
}

fn merge_objects(old: &ObjectNode, new: &ObjectNode) -> Result<ObjectNode> {
    if object_type(old) != object_type(new) {
        return cannot_change(&old.path, object_type(old), object_type(new));
    }
    if new.nested.is_some() && old.nested != new.nested {
        return conflict(format!(
            "[include_in_parent] and [include_in_root] of nested [{}] cannot be updated",
            old.path
        ));
    }
    if new.enabled.is_some_and(|enabled| enabled != old.is_enabled()) {
        return conflict(format!(
            "the [enabled] parameter can't be updated for the object mapping [{}]",
            if old.path.is_empty() { "_doc" } else { &old.path }
        ));
    }
    let mut merged = old.clone();
    merged.dynamic = new.dynamic.or(old.dynamic);
    for (name, node) in new.children() {
        let node = match old.child(name) {
            Some(present) => merge_nodes(present, node)?,
            None => node.clone(),
        };
        merged.put(name, node);
    }
    Ok(merged)
}

fn merge_fields(old: &Arc<FieldMapping>, new: &Arc<FieldMapping>) -> Result<Arc<FieldMapping>> {
    if old == new {
        return Ok(Arc::clone(old));
    }
    if old.field_type != new.field_type {
        return cannot_change(&old.path, old.field_type.name(), new.field_type.name());
    }
    let mut conflicts = Vec::new();
    for parameter in parameters_of(old.field_type) {
        let (before, after) = (
            old.parameters.get(parameter.name),
            new.parameters.get(parameter.name),
        );
        // Norms can be switched off and never on again: documents indexed without them have none.
        let norms_return = parameter.name == "norms" && new.norms && !old.norms;
        if before != after && (!parameter.updatable || norms_return) {
            let shown = |value: Option<&Value>| value.map_or_else(|| default_of(parameter.kind), print);
            conflicts.push(format!(
                "cannot update parameter [{}] from [{}] to [{}]",
                parameter.name,
                shown(before),
                shown(after)
            ));
        }
    }
    if !conflicts.is_empty() {
        return conflict(format!(
            "mapper for [{}] conflicts with existing mapper: {}",
            old.path,
            conflicts.join("; ")
        ));
    }
    let mut merged = FieldMapping::clone(new);
    merged.multi_fields = old.multi_fields.clone();
    for (name, field) in &new.multi_fields {
        let field = match old.multi_fields.get(name) {
            Some(present) => merge_fields(present, field)?,
            None => Arc::clone(field),
        };
        merged.multi_fields.insert(name.clone(), field);
    }
    Ok(Arc::new(merged))
}

fn print(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn default_of(kind: ParameterKind) -> String {
    match kind {
        ParameterKind::Boolean { default } => default.to_string(),
        ParameterKind::OfIndex { of } => of(DocumentRules::DEFAULT).to_string(),
        ParameterKind::Word { default, .. } => default.to_owned(),
        ParameterKind::FieldValue => "null".to_owned(),
        _ => "default".to_owned(),
    }
}

/// What a mapping holds, as far as limits count it.
#[derive(Default)]
struct Census {
    fields: u64,
    nested: u64,
}

/// Checks what `merged` has and `base` has not.
pub(super) fn check_limits(base: &Mapping, merged: &Mapping, limits: &MappingLimits) -> Result<()> {
    let exceeded = |problem: String| Err(MappingError::LimitExceeded(problem));
    let (mut before, mut after) = (Census::default(), Census::default());
    count(base.root(), 1, &MappingLimits::unlimited(), &mut before)?;
    count(merged.root(), 1, limits, &mut after)?;
    if after.fields > limits.total_fields && after.fields > before.fields {
        return exceeded(format!(
            "limit of total fields [{}] has been exceeded while adding new fields [{}]",
            limits.total_fields,
            after.fields - before.fields
        ));
    }
    if after.nested > limits.nested_fields && after.nested > before.nested {
        return exceeded(format!(
            "limit of nested fields [{}] has been exceeded",
            limits.nested_fields
        ));
    }
    Ok(())
}

fn count(object: &ObjectNode, depth: u64, limits: &MappingLimits, census: &mut Census) -> Result<()> {
    if depth > limits.depth {
        return Err(MappingError::LimitExceeded(format!(
            "limit of mapping depth [{}] has been exceeded due to object field [{}]",
            limits.depth, object.path
        )));
    }
    let check_name = |name: &str, path: &str| {
        if name.chars().count() as u64 > limits.field_name_length {
            return Err(MappingError::LimitExceeded(format!(
                "field name [{path}] is longer than the limit of [{}] characters",
                limits.field_name_length
            )));
        }
        Ok(())
    };
    for (name, child) in object.children() {
        census.fields += 1;
        match child {
            Node::Object(child) => {
                check_name(name, &child.path)?;
                census.nested += u64::from(child.nested.is_some());
                count(child, depth + 1, limits, census)?;
            }
            Node::Field(field) => {
                check_name(name, &field.path)?;
                census.fields += field.multi_fields.len() as u64;
                for (name, multi_field) in &field.multi_fields {
                    check_name(name, &multi_field.path)?;
                }
            }
        }
    }
    Ok(())
}
