//! Reading mappings from JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::dynamic_template::{DynamicTemplate, MAX_TEMPLATES};
use super::object::{MAX_DEPTH, Nested};
use super::parameters::{ParameterKind, boolean, normalize, parameters_of};
use super::tree::{RootOptions, TIMESTAMP_OPTION};
use super::type_name::TypeName;
use super::{Dynamic, FieldMapping, FieldType, Mapping, Node, ObjectNode, OwnedValue, split_name};
use crate::date::DateFormat;
use crate::document::{DocumentRules, Scalar, Skipped, read_scalar};
use crate::error::MappingError;

type Result<T> = std::result::Result<T, MappingError>;

fn malformed<T>(problem: String) -> Result<T> {
    Err(MappingError::Malformed(problem))
}

/// Reads a put-mapping body.
pub(super) fn parse_mapping(json: &Value) -> Result<Mapping> {
    let Value::Object(body) = json else {
        return malformed(format!("a mapping must be a JSON object, but got [{json}]"));
    };
    let mut root = ObjectNode::default();
    let mut options = RootOptions::default();
    let flag = |name: &str, value: &Value| {
        boolean(value)
            .map_err(|problem| MappingError::Malformed(format!("root parameter [{name}]: {problem}")))
    };
    for (name, value) in body {
        match name.as_str() {
            "properties" => parse_properties(&mut root, value, 1)?,
            "dynamic" => root.dynamic = Some(parse_dynamic(value, "_doc")?),
            "date_detection" => options.date_detection = Some(flag(name, value)?),
            "numeric_detection" => options.numeric_detection = Some(flag(name, value)?),
            "dynamic_date_formats" => options.dynamic_date_formats = Some(parse_formats(value)?),
            "_meta" if value.is_object() => options.meta = Some(value.clone()),
            "_routing" => options.routing_required = Some(only_flag(name, value, "required")?),
            TIMESTAMP_OPTION => options.timestamp_required = Some(only_flag(name, value, "enabled")?),
            "_source" if only_flag(name, value, "enabled")? => {}
            "_source" => return malformed("[_source] cannot be disabled: replication needs it".to_owned()),
            "dynamic_templates" => options.dynamic_templates = parse_templates(value)?,
            "enabled" => root.enabled = Some(flag(name, value)?),
            "runtime" if is_empty(value) => {}
            "runtime" => {
                return malformed(
                    "[runtime] is not supported by this version; map the fields explicitly".to_owned(),
                );
            }
            "type" if value == "object" => {}
            _ => {
                return malformed(format!(
                    "root mapping definition has unsupported parameters: [{name} : {value}]"
                ));
            }
        }
    }
    Ok(Mapping::new(root, options))
}

fn parse_templates(value: &Value) -> Result<Vec<Arc<DynamicTemplate>>> {
    let Value::Array(items) = value else {
        return malformed("[dynamic_templates] must be a list of objects".to_owned());
    };
    let mut templates: Vec<Arc<DynamicTemplate>> = Vec::new();
    for item in items {
        let (name, json) = match item
            .as_object()
            .map(|members| (members.len(), members.iter().next()))
        {
            Some((1, Some(member))) => member,
            _ => {
                return malformed(format!(
                    "a dynamic template must be an object of its name and what it says, but got [{item}]"
                ));
            }
        };
        let template = DynamicTemplate::parse(name, json)?;
        check_template(&template)?;
        if templates.iter().any(|present| present.name == *name) {
            return malformed(format!("[dynamic_templates] has [{name}] twice"));
        }
        templates.push(Arc::new(template));
    }
    if templates.len() > MAX_TEMPLATES {
        return malformed(format!(
            "[dynamic_templates] has more than {MAX_TEMPLATES} entries"
        ));
    }
    Ok(templates)
}

/// Source: a template must be of use for one kind of value at least.
fn check_template(template: &DynamicTemplate) -> Result<()> {
    let mut problem = None;
    for definition in template.definitions() {
        match parse_node("__dynamic__".to_owned(), &definition, 1) {
            Ok(_) => return Ok(()),
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    let problem = problem.map_or_else(
        || "its type does not fit [match_mapping_type]".to_owned(),
        |problem| problem.to_string(),
    );
    malformed(format!(
        "dynamic template [{}] has invalid content [{}]: {problem}",
        template.name, template.json
    ))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        other => other.is_null(),
    }
}

/// An object with at most one member, a flag.
fn only_flag(name: &str, value: &Value, member: &str) -> Result<bool> {
    let members = value
        .as_object()
        .ok_or_else(|| MappingError::Malformed(format!("[{name}] must be an object")))?;
    let mut flag = member == "enabled";
    for (key, value) in members {
        if key != member {
            return malformed(format!(
                "mapping definition for [{name}] has unsupported parameters: [{key} : {value}]"
            ));
        }
        flag = boolean(value)
            .map_err(|problem| MappingError::Malformed(format!("[{name}.{key}]: {problem}")))?;
    }
    Ok(flag)
}

fn parse_formats(value: &Value) -> Result<Vec<Arc<DateFormat>>> {
    let formats = match value {
        Value::String(_) => std::slice::from_ref(value),
        Value::Array(formats) => formats,
        _ => return malformed("[dynamic_date_formats] must be a list of date formats".to_owned()),
    };
    let parse = |format: &Value| match format.as_str() {
        Some(text) => DateFormat::parse(text)
            .map(Arc::new)
            .map_err(MappingError::Malformed),
        None => malformed(format!(
            "[dynamic_date_formats] must be a list of date formats, but has [{format}]"
        )),
    };
    formats.iter().map(parse).collect()
}

fn parse_dynamic(value: &Value, path: &str) -> Result<Dynamic> {
    match value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_lowercase)
        .as_str()
    {
        "true" => Ok(Dynamic::True),
        "false" => Ok(Dynamic::False),
        "strict" => Ok(Dynamic::Strict),
        "runtime" => malformed(format!(
            "[dynamic: runtime] of [{path}] is not supported by this version"
        )),
        other => malformed(format!(
            "[dynamic] of [{path}] must be true, false or strict, but got [{other}]"
        )),
    }
}

fn parse_properties(parent: &mut ObjectNode, properties: &Value, depth: usize) -> Result<()> {
    let Value::Object(properties) = properties else {
        return malformed(format!(
            "expected map for property [properties] of [{}]",
            parent.path
        ));
    };
    for (name, definition) in properties {
        let parts = split_name(name).map_err(|problem| {
            MappingError::Malformed(format!("field name [{name}] is not allowed: {problem}"))
        })?;
        let Value::Object(definition) = definition else {
            return malformed(format!("expected map for property [{}]", parent.child_path(name)));
        };
        put_parts(parent, &parts, definition, depth)?;
    }
    Ok(())
}

/// Puts a definition under a dotted name, through objects that may be there already.
fn put_parts(
    parent: &mut ObjectNode,
    parts: &[&str],
    definition: &Map<String, Value>,
    depth: usize,
) -> Result<()> {
    if depth > MAX_DEPTH {
        return malformed(format!(
            "[{}] lies more than {MAX_DEPTH} levels deep",
            parent.path
        ));
    }
    let [name, rest @ ..] = parts else { return Ok(()) };
    let path = parent.child_path(name);
    let node = if rest.is_empty() {
        parse_node(path, definition, depth)?
    } else {
        let mut object = ObjectNode::at(path);
        put_parts(&mut object, rest, definition, depth + 1)?;
        Node::Object(Arc::new(object))
    };
    let node = match parent.child(name) {
        Some(present) => super::merge::merge_nodes(present, &node)?,
        None => node,
    };
    parent.put(name, node);
    Ok(())
}

fn parse_node(path: String, definition: &Map<String, Value>, depth: usize) -> Result<Node> {
    let has_properties = definition.contains_key("properties");
    let only_object_options = definition
        .keys()
        .all(|key| matches!(key.as_str(), "dynamic" | "enabled" | "properties"));
    match definition.get("type").map(|name| (name, name.as_str())) {
        Some((_, Some("object" | "nested"))) => parse_object(path, definition, depth),
        Some((_, Some(name))) => match TypeName::parse(name) {
            Some(type_name) => {
                parse_field(path, type_name, definition, true).map(|field| Node::Field(Arc::new(field)))
            }
            None => malformed(format!(
                "no handler for type [{name}] declared on field [{path}]; this version has [object, nested, {}]",
                TypeName::all().collect::<Vec<_>>().join(", ")
            )),
        },
        Some((value, None)) => malformed(format!(
            "the type of field [{path}] must be a name, but got [{value}]"
        )),
        None if has_properties || (only_object_options && !definition.is_empty()) => {
            parse_object(path, definition, depth)
        }
        None => malformed(format!("no type specified for field [{path}]")),
    }
}

fn parse_object(path: String, definition: &Map<String, Value>, depth: usize) -> Result<Node> {
    let is_nested = definition.get("type").is_some_and(|name| name == "nested");
    let nested = is_nested.then(Nested::default);
    let mut object = ObjectNode::at(path);
    object.nested = nested;
    for (name, value) in definition {
        let flag = || {
            boolean(value).map_err(|problem| {
                MappingError::Malformed(format!("[{name}] of [{}]: {problem}", object.path))
            })
        };
        match (name.as_str(), &mut object.nested) {
            ("type", _) => {}
            ("dynamic", _) => object.dynamic = Some(parse_dynamic(value, &object.path)?),
            ("enabled", None) => object.enabled = Some(flag()?),
            ("include_in_parent", Some(_)) => {
                let set = flag()?;
                object.nested.get_or_insert_default().include_in_parent = set;
            }
            ("include_in_root", Some(_)) => {
                let set = flag()?;
                object.nested.get_or_insert_default().include_in_root = set;
            }
            ("properties", _) => parse_properties(&mut object, value, depth + 1)?,
            _ => {
                return malformed(format!(
                    "mapping definition for [{}] has unsupported parameters: [{name} : {value}]",
                    object.path
                ));
            }
        }
    }
    Ok(Node::Object(Arc::new(object)))
}

fn parse_field(
    path: String,
    type_name: TypeName,
    definition: &Map<String, Value>,
    may_have_fields: bool,
) -> Result<FieldMapping> {
    let field_type = type_name.field_type;
    let mut given = BTreeMap::new();
    let mut multi_fields = BTreeMap::new();
    for (name, value) in definition {
        match name.as_str() {
            "type" => {}
            "fields" if may_have_fields => multi_fields = parse_multi_fields(&path, value)?,
            "copy_to" if !may_have_fields => {
                return malformed(format!(
                    "[copy_to] may not be used to copy from a multi-field: [{path}]"
                ));
            }
            "fields" => {
                return malformed(format!(
                    "[{path}] is a multi-field and cannot have multi-fields itself"
                ));
            }
            _ => {
                let parameter = parameters_of(field_type)
                    .find(|parameter| parameter.name == name)
                    .ok_or_else(|| {
                        MappingError::Malformed(format!(
                            "unknown parameter [{name}] on mapper [{path}] of type [{}]",
                            type_name.name
                        ))
                    })?;
                let value = normalize(parameter.kind, value).map_err(|problem| {
                    MappingError::Malformed(format!(
                        "failed to parse parameter [{name}] of field [{path}]: {problem}"
                    ))
                })?;
                given.extend(value.map(|value| (parameter.name, value)));
            }
        }
    }
    let mut parameters = Map::new();
    for parameter in parameters_of(field_type) {
        if let Some(value) = given.remove(parameter.name) {
            parameters.insert(parameter.name.to_owned(), value);
        }
    }
    build_field(path, type_name, parameters, multi_fields)
}

fn parse_multi_fields(path: &str, fields: &Value) -> Result<BTreeMap<String, Arc<FieldMapping>>> {
    let Value::Object(fields) = fields else {
        return malformed(format!("expected map for property [fields] on field [{path}]"));
    };
    let mut multi_fields = BTreeMap::new();
    for (name, definition) in fields {
        if name.trim().is_empty() || name.contains('.') {
            return malformed(format!(
                "field name [{name}] of a multi-field of [{path}] is empty or has a dot"
            ));
        }
        let type_name = definition.get("type").and_then(Value::as_str);
        let (Some(type_name), Value::Object(definition)) = (type_name, definition) else {
            return malformed(format!("no type specified for field [{path}.{name}]"));
        };
        let Some(type_name) = TypeName::parse(type_name) else {
            return malformed(format!(
                "type [{type_name}] cannot be used in multi field [{path}.{name}]"
            ));
        };
        let field = parse_field(format!("{path}.{name}"), type_name, definition, false)?;
        multi_fields.insert(name.clone(), Arc::new(field));
    }
    Ok(multi_fields)
}

fn build_field(
    path: String,
    type_name: TypeName,
    parameters: Map<String, Value>,
    multi_fields: BTreeMap<String, Arc<FieldMapping>>,
) -> Result<FieldMapping> {
    let field_type = type_name.field_type;
    let flag = |name: &str| match parameters.get(name) {
        Some(value) => value == &Value::Bool(true),
        None => parameters_of(field_type).any(|parameter| {
            parameter.name == name && matches!(parameter.kind, ParameterKind::Boolean { default: true })
        }),
    };
    let name = |name: &str| parameters.get(name).and_then(Value::as_str).map(str::to_owned);
    let scaling_factor = parameters.get("scaling_factor").and_then(Value::as_f64);
    if field_type == FieldType::ScaledFloat && scaling_factor.is_none() {
        return malformed(format!(
            "field [{path}] misses required parameter [scaling_factor]"
        ));
    }
    let format =
        match name("format") {
            None => Arc::clone(DateFormat::default_format()),
            Some(format) => Arc::new(DateFormat::parse(&format).map_err(|problem| {
                MappingError::Malformed(format!("[format] of field [{path}]: {problem}"))
            })?),
        };
    let mut field = FieldMapping {
        type_name: type_name.name,
        field_type,
        index: flag("index"),
        doc_values: flag("doc_values") && field_type != FieldType::Binary,
        kept: field_type == FieldType::Binary && (flag("doc_values") || flag("store")),
        norms: flag("norms"),
        coerce: parameters.get("coerce").and_then(Value::as_bool),
        ignore_malformed: parameters.get("ignore_malformed").and_then(Value::as_bool),
        normalizer: name("normalizer"),
        analyzer: name("analyzer"),
        search_analyzer: name("search_analyzer"),
        search_quote_analyzer: name("search_quote_analyzer"),
        ignore_above: parameters
            .get("ignore_above")
            .and_then(Value::as_u64)
            .and_then(|count| usize::try_from(count).ok()),
        null_value: None,
        format,
        scaling_factor: scaling_factor.unwrap_or(1.0),
        copy_to: parameters
            .get("copy_to")
            .and_then(Value::as_array)
            .map(|paths| {
                paths
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default(),
        multi_fields,
        path,
        parameters: Map::new(),
    };
    if let Some(value) = parameters.get("null_value") {
        field.null_value = Some(parse_null_value(&field, value)?);
    }
    field.parameters = parameters;
    // The default format given by its name is no difference.
    if field.format.pattern() == DateFormat::DEFAULT {
        field.parameters.shift_remove("format");
    }
    Ok(field)
}

fn parse_null_value(field: &FieldMapping, value: &Value) -> Result<OwnedValue> {
    let text = value.to_string();
    let scalar = match value {
        Value::String(text) => Scalar::String(text.as_str().into()),
        Value::Number(_) => Scalar::Number(&text),
        Value::Bool(flag) => Scalar::Boolean(*flag),
        _ => Scalar::Null,
    };
    let mut owned = None;
    let skipped = read_scalar(field, &scalar, field.coerces(DocumentRules::DEFAULT), |value| {
        owned = OwnedValue::of(value)
    });
    match (owned, skipped) {
        (Some(value), _) => Ok(value),
        (None, Err(Skipped::Error(cause))) => malformed(format!(
            "failed to parse [null_value] of field [{}]: {cause}",
            field.path
        )),
        (None, _) => malformed(format!(
            "[null_value] of field [{}] cannot be [{value}]",
            field.path
        )),
    }
}
