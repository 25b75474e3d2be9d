//! Puts and removes templates.

use std::sync::Arc;

use es_exception::Exception;
use index_meta::{
    ComponentTemplate, IndexTemplate, LegacyTemplate, TemplateContent, TemplateError, Templates,
};

use super::data_streams::without_template;
use crate::name::validate_template_alias;
use crate::state::ClusterState;

/// Puts the component template `name`; `create` refuses to replace one.
///
/// # Errors
/// `illegal_argument_exception`, `invalid_index_template_exception`, `invalid_alias_name_exception`, `mapper_parsing_exception`.
pub fn put_component_template(
    state: &ClusterState,
    name: &str,
    template: &ComponentTemplate,
    create: bool,
) -> Result<ClusterState, Exception> {
    check_aliases(Some(&template.content))?;
    with_templates(
        state,
        state
            .templates
            .put_component_template(name, template.clone(), create),
    )
}

/// Puts the index template `name`; `create` refuses to replace one.
///
/// # Errors
/// `illegal_argument_exception`, also if a data stream of this cluster's own is left without a template; `invalid_index_template_exception`,
/// `invalid_alias_name_exception`.
pub fn put_index_template(
    state: &ClusterState,
    name: &str,
    template: &IndexTemplate,
    create: bool,
) -> Result<ClusterState, Exception> {
    check_aliases(template.content.as_ref())?;
    let next = with_templates(
        state,
        state.templates.put_index_template(name, template.clone(), create),
    )?;
    let left = without_template(state, &next);
    if left.is_empty() {
        return Ok(next);
    }
    let patterns = template.index_patterns.join(", ");
    Err(Exception::illegal_argument(format!(
        "composable template [{name}] with index patterns [{patterns}], priority [{}] would cause data streams [{}] to no longer match a data \
         stream template",
        template.priority_or_zero(),
        left.into_iter().collect::<Vec<_>>().join(", ")
    )))
}

/// Puts the legacy template `name`; `create` refuses to replace one.
///
/// # Errors
/// `illegal_argument_exception`, `invalid_index_template_exception`, `invalid_alias_name_exception`, `mapper_parsing_exception`.
pub fn put_legacy_template(
    state: &ClusterState,
    name: &str,
    template: &LegacyTemplate,
    create: bool,
) -> Result<ClusterState, Exception> {
    check_aliases(Some(&template.content))?;
    let templates = state
        .templates
        .put_legacy_template(name, template.clone(), create);
    with_templates(state, templates)
}

/// Removes the legacy templates that a name or pattern names.
///
/// # Errors
/// `index_template_missing_exception`.
pub fn remove_legacy_templates(state: &ClusterState, name: &str) -> Result<ClusterState, Exception> {
    with_templates(state, state.templates.remove_legacy_templates(name))
}

/// Removes component templates: one name or pattern, or several names.
///
/// # Errors
/// `resource_not_found_exception`; `illegal_argument_exception` if an index template uses one of them.
pub fn remove_component_templates(state: &ClusterState, names: &[&str]) -> Result<ClusterState, Exception> {
    with_templates(state, state.templates.remove_component_templates(names))
}

/// Removes index templates: one name or pattern, or several names.
///
/// # Errors
/// `index_template_missing_exception`; `illegal_argument_exception` if a data stream of this cluster's own is left without one.
pub fn remove_index_templates(state: &ClusterState, names: &[&str]) -> Result<ClusterState, Exception> {
    let next = with_templates(state, state.templates.remove_index_templates(names))?;
    let left = without_template(state, &next);
    if left.is_empty() {
        return Ok(next);
    }
    Err(Exception::illegal_argument(format!(
        "unable to remove composable templates [{}] as they are in use by a data streams [{}]",
        names.join(", "),
        left.into_iter().collect::<Vec<_>>().join(", ")
    )))
}

fn with_templates(
    state: &ClusterState,
    templates: Result<Templates, TemplateError>,
) -> Result<ClusterState, Exception> {
    let mut next = state.clone();
    next.templates = Arc::new(templates.map_err(|error| error.to_exception())?);
    Ok(next)
}

fn check_aliases(content: Option<&TemplateContent>) -> Result<(), Exception> {
    let aliases = content.and_then(|content| content.aliases.as_ref());
    aliases
        .into_iter()
        .flatten()
        .try_for_each(|(alias, _)| validate_template_alias(alias))
}
