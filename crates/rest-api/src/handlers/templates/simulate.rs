//! `_index_template/_simulate_index` and `_simulate`: what an index would get, without creating anything.

use std::collections::{BTreeMap, BTreeSet};

use cluster::change;
use es_exception::Exception;
use index_meta::{Composition, IndexTemplate, Settings, Templates};
use serde_json::{Map, Value, json};

use super::name;
use crate::call::Call;
use crate::handlers::index_metadata::print_alias;
use crate::reply::Reply;

/// What a template of a request is called while it is tried.
const SIMULATED: &str = "simulated-template";

/// `POST /_index_template/_simulate_index/{name}`: what an index of this name would get, with the template of the body if there is one.
pub(crate) async fn simulate_index(call: Call) -> Result<Reply, Exception> {
    let state = call.state.cluster().state();
    let create = call.params.flag("create", false)?;
    let state = match template_of(&call)? {
        Some(template) => change::put_index_template(&state, SIMULATED, &template, create)?,
        None => state.as_ref().clone(),
    };
    let index = name(&call);
    cluster::validate_index_name(index)?;
    let Some((found, template)) = state.templates.find(index, false) else {
        return Reply::ok(&json!({}));
    };
    let matching = state
        .templates
        .index_templates()
        .iter()
        .filter(|(other, template)| *other != found && template.matches(index));
    let mut overlapping = state.templates.overlapping_legacy(&template.index_patterns);
    overlapping.extend(matching.map(|(other, template)| (other.clone(), template.index_patterns.clone())));
    let composition = compose(&state.templates, template, index)?;
    answer(&call, composition, overlapping)
}

/// `POST /_index_template/_simulate` and `/_simulate/{name}`: what a template comes to, one that exists or that of the body.
pub(crate) async fn simulate_template(call: Call) -> Result<Reply, Exception> {
    let state = call.state.cluster().state();
    let create = call.params.flag("create", false)?;
    let (name, templates) = match (template_of(&call)?, call.segment("name")) {
        (Some(template), name) => {
            let name = name.unwrap_or(SIMULATED);
            let next = change::put_index_template(&state, name, &template, create)?;
            (name, next.templates)
        }
        (None, Some(name)) => (name, state.templates.clone()),
        (None, None) => {
            return Err(Exception::illegal_argument(
                "a template to simulate is needed: name one in the path, or give one as the body",
            ));
        }
    };
    let template = templates.index_templates().get(name).ok_or_else(|| {
        Exception::illegal_argument(format!(
            "unable to simulate template [{name}] that does not exist"
        ))
    })?;
    let mut overlapping = templates.overlapping_legacy(&template.index_patterns);
    overlapping.extend(templates.overlapping(name, &template.index_patterns));
    let composition = compose(&templates, template, "simulated-index")?;
    answer(&call, composition, overlapping)
}

fn template_of(call: &Call) -> Result<Option<IndexTemplate>, Exception> {
    let body = call.object()?.map(Value::Object);
    body.map(|body| IndexTemplate::from_json(&body).map_err(|error| error.to_exception()))
        .transpose()
}

fn compose(templates: &Templates, template: &IndexTemplate, index: &str) -> Result<Composition, Exception> {
    templates
        .compose(template, index)
        .map_err(|error| error.to_exception())
}

fn answer(
    call: &Call,
    composition: Composition,
    overlapping: BTreeMap<String, Vec<String>>,
) -> Result<Reply, Exception> {
    call.params.flag("include_defaults", false)?;
    let print = |settings: &Settings| match call.params.flag("flat_settings", false) {
        Ok(true) => Ok(settings.to_flat_json()),
        Ok(false) => Ok(settings.to_nested_json()),
        Err(refused) => Err(refused),
    };
    let mapping = composition.check().map_err(|error| error.to_exception())?;
    let aliases: Map<String, Value> = composition
        .aliases
        .iter()
        .map(|(name, alias)| (name.clone(), print_alias(alias)))
        .collect();
    let overlapping: Vec<Value> = overlapping
        .into_iter()
        .map(|(name, patterns)| {
            let patterns: BTreeSet<String> = patterns.into_iter().collect();
            json!({"name": name, "index_patterns": patterns})
        })
        .collect();
    Reply::ok(&json!({
        "template": {
            "settings": print(&composition.settings)?,
            "mappings": mapping.to_json(),
            "aliases": aliases,
        },
        "overlapping": overlapping,
    }))
}
