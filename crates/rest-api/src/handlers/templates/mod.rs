//! The template APIs.

mod component;
mod index;
mod legacy;
mod simulate;

pub(crate) use component::{
    component_template_exists, delete_component_template, get_component_template, put_component_template,
};
pub(crate) use index::{
    delete_index_template, get_index_template, index_template_exists, put_index_template,
};
pub(crate) use legacy::{delete_template, get_template, put_template, template_exists};
pub(crate) use simulate::{simulate_index, simulate_template};

use std::collections::BTreeMap;
use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use index_meta::matches_wildcard;
use serde_json::{Map, Value};

use crate::call::Call;
use crate::params::split_list;

/// The name of the path.
fn name(call: &Call) -> &str {
    call.segment("name").unwrap_or_default()
}

/// The templates that the path names: all of them, one, or those that match a pattern.
///
/// Source: a name that no template has is refused, a pattern that none matches is not.
fn named<'a, T>(
    call: &'a Call,
    what: &str,
    all: &'a BTreeMap<String, Arc<T>>,
) -> Result<Vec<(&'a String, &'a Arc<T>)>, Exception> {
    let name = call.segment("name").unwrap_or("*");
    let found: Vec<_> = all
        .iter()
        .filter(|(template, _)| matches_wildcard(name, template))
        .collect();
    if found.is_empty() && !name.contains('*') {
        let reason = format!("{what} matching [{name}] not found");
        return Err(Exception::new(ExceptionKind::ResourceNotFound, reason));
    }
    Ok(found)
}

/// The names of the path that are to be deleted.
fn names(call: &Call) -> Result<Vec<&str>, Exception> {
    let names = split_list(name(call));
    if names.is_empty() {
        let reason = "Validation Failed: 1: no template names specified;";
        return Err(Exception::new(ExceptionKind::ActionRequestValidation, reason));
    }
    Ok(names)
}

/// A template as it is printed; `flat_settings` takes its settings apart by dots.
fn printed(call: &Call, mut template: Value) -> Result<Value, Exception> {
    // Source: what it adds are the defaults of data stream lifecycles and rollover, of which there are none.
    call.params.flag("include_defaults", false)?;
    if let Some(settings) = template.pointer_mut("/template/settings") {
        flat(call, settings)?;
    }
    Ok(template)
}

/// Takes settings apart by dots, if the request says `flat_settings`.
fn flat(call: &Call, settings: &mut Value) -> Result<(), Exception> {
    if call.params.flag("flat_settings", false)? {
        let flat = index_meta::Settings::from_json(settings).map_err(|error| error.to_exception())?;
        *settings = flat.to_flat_json();
    }
    Ok(())
}

/// A list of templates, each beside its name.
fn listed<'a>(
    call: &Call,
    key: &str,
    found: impl Iterator<Item = (&'a String, Value)>,
) -> Result<Value, Exception> {
    let mut list = Vec::new();
    for (name, template) in found {
        let mut entry = Map::new();
        entry.insert("name".to_owned(), name.clone().into());
        entry.insert(key.to_owned(), printed(call, template)?);
        list.push(Value::Object(entry));
    }
    let mut answer = Map::new();
    answer.insert(format!("{key}s"), Value::Array(list));
    Ok(Value::Object(answer))
}
