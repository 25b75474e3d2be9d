//! What is checked when a template is put.

use super::error::{TemplateError, TemplateKind, numbered};
use super::legacy::LegacyTemplate;
use super::model::{ComponentTemplate, IndexTemplate, TemplateContent};
use super::store::Templates;
use crate::mapping::Mapping;
use crate::settings::validate_for_create;

/// Most templates of each kind.
const MAX_TEMPLATES: usize = 1000;
/// Most patterns of one template.
const MAX_PATTERNS: usize = 100;
/// Most component templates that one template names.
const MAX_COMPONENTS: usize = 100;
/// Most bytes of a name or pattern. Source: that of the name of an index.
const MAX_NAME_BYTES: usize = 255;
/// Most bytes of one template as JSON, so that its record in the store of cluster state stays small.
const MAX_TEMPLATE_BYTES: usize = 1 << 20;
/// Most bytes of all templates as JSON: each node holds them in memory.
const MAX_TOTAL_BYTES: usize = 64 << 20;

/// The name of an index that no template is made for.
const SOME_INDEX: &str = "validate-template";

/// Source: characters that Elasticsearch allows in no file name; the star is for patterns.
const FORBIDDEN_IN_PATTERNS: [char; 8] = ['\\', '/', '?', '"', '<', '>', '|', ' '];

pub(super) fn component_template(name: &str, template: &ComponentTemplate) -> Result<(), TemplateError> {
    let mut problems = name_problems(name);
    problems.extend(settings_problems(&template.content));
    refuse(name, &problems)?;
    if let Some(mappings) = &template.content.mappings {
        Mapping::from_json(mappings)?;
    }
    let bytes = template.to_json().to_string().len();
    check_bytes(TemplateKind::Component, name, bytes)
}

/// What is wrong with the template by itself.
pub(super) fn index_template(name: &str, template: &IndexTemplate) -> Result<(), TemplateError> {
    let mut problems = name_problems(name);
    if template.index_patterns.is_empty() {
        problems.push("index template must have at least one index pattern".to_owned());
    }
    for (what, count, limit) in [
        ("index_patterns", template.index_patterns.len(), MAX_PATTERNS),
        ("composed_of", template.composed_of.len(), MAX_COMPONENTS),
    ] {
        if count > limit {
            problems.push(format!(
                "[{what}] has [{count}] entries, but at most [{limit}] are allowed"
            ));
        }
    }
    for pattern in &template.index_patterns {
        problems.extend(pattern_problems(pattern));
    }
    if template.priority.is_some_and(|priority| priority < 0) {
        problems.push("index template priority must be >= 0".to_owned());
    }
    let content = template.content.as_ref();
    problems.extend(content.and_then(settings_problems));
    refuse(name, &problems)?;
    let aliases = content.and_then(|content| content.aliases.as_ref());
    if let Some((alias, _)) = aliases
        .into_iter()
        .flatten()
        .find(|(alias, _)| template.index_patterns.contains(alias))
    {
        return Err(TemplateError::AliasIsPattern {
            alias: alias.clone(),
            patterns: template.index_patterns.clone(),
        });
    }
    let bytes = template.to_json().to_string().len();
    check_bytes(TemplateKind::Index, name, bytes)
}

/// What is wrong with a legacy template.
pub(super) fn legacy_template(name: &str, template: &LegacyTemplate) -> Result<(), TemplateError> {
    let mut problems = name_problems(name);
    let count = template.index_patterns.len();
    if count == 0 {
        problems.push("index patterns are missing".to_owned());
    }
    if count > MAX_PATTERNS {
        problems.push(format!(
            "[index_patterns] has [{count}] entries, but at most [{MAX_PATTERNS}] are allowed"
        ));
    }
    for pattern in &template.index_patterns {
        problems.extend(pattern_problems(pattern));
    }
    problems.extend(settings_problems(&template.content));
    refuse(name, &problems)?;
    if let Some(mappings) = &template.content.mappings {
        Mapping::from_json(mappings)?;
    }
    let mut aliases = template.content.aliases.iter().flatten();
    if let Some((alias, _)) = aliases.find(|(alias, _)| template.index_patterns.contains(alias)) {
        return Err(TemplateError::AliasIsPattern {
            alias: alias.clone(),
            patterns: template.index_patterns.clone(),
        });
    }
    let bytes = template.to_json().to_string().len();
    check_bytes(TemplateKind::Legacy, name, bytes)
}

/// Checks that a template and its components in `templates` go together.
pub(super) fn composition(
    templates: &Templates,
    name: &str,
    template: &IndexTemplate,
) -> Result<(), TemplateError> {
    let composition = templates.compose(template, SOME_INDEX)?;
    if template.is_global() && composition.settings.get("index.hidden").is_some() {
        return Err(TemplateError::Invalid {
            name: name.to_owned(),
            cause: "global composable templates may not specify the setting index.hidden".to_owned(),
        });
    }
    if template.data_stream.is_some() && !composition.aliases.is_empty() {
        let aliases: Vec<&str> = composition.aliases.keys().map(String::as_str).collect();
        return Err(TemplateError::Invalid {
            name: name.to_owned(),
            cause: format!(
                "aliases of data streams are not supported, so a template of data streams may not have aliases, but has [{}]",
                aliases.join(", ")
            ),
        });
    }
    match composition.check() {
        Ok(_) => Ok(()),
        Err(TemplateError::Mapping(cause)) => Err(TemplateError::CompositeMappings {
            name: name.to_owned(),
            cause,
        }),
        Err(other) => Err(other),
    }
}

/// Checks how many templates there are, and how large they are together.
pub(super) fn sizes(templates: &Templates) -> Result<(), TemplateError> {
    let (components, indices) = (templates.component_templates(), templates.index_templates());
    let legacy = templates.legacy_templates();
    for (kind, count) in [
        (TemplateKind::Component, components.len()),
        (TemplateKind::Index, indices.len()),
        (TemplateKind::Legacy, legacy.len()),
    ] {
        if count > MAX_TEMPLATES {
            return Err(TemplateError::Limit(format!(
                "there are [{MAX_TEMPLATES}] {kind}s already, which is the limit; delete some first"
            )));
        }
    }
    let of_components = components.values().map(|template| template.to_json());
    let of_indices = indices.values().map(|template| template.to_json());
    let of_legacy = legacy.values().map(|template| template.to_json());
    let bytes: usize = of_components
        .chain(of_indices)
        .chain(of_legacy)
        .map(|json| json.to_string().len())
        .sum();
    if bytes > MAX_TOTAL_BYTES {
        return Err(TemplateError::Limit(format!(
            "all templates together would take [{bytes}] bytes, but at most [{MAX_TOTAL_BYTES}] are allowed"
        )));
    }
    Ok(())
}

fn check_bytes(kind: TemplateKind, name: &str, bytes: usize) -> Result<(), TemplateError> {
    if bytes > MAX_TEMPLATE_BYTES {
        return Err(TemplateError::Limit(format!(
            "{kind} [{name}] takes [{bytes}] bytes, but at most [{MAX_TEMPLATE_BYTES}] are allowed"
        )));
    }
    Ok(())
}

fn refuse(name: &str, problems: &[String]) -> Result<(), TemplateError> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(TemplateError::Invalid {
        name: name.to_owned(),
        cause: numbered(problems),
    })
}

fn name_problems(name: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if name.is_empty() {
        problems.push("name must not be empty".to_owned());
    }
    for (character, what) in [(' ', "a space"), (',', "a ','"), ('#', "a '#'"), ('*', "a '*'")] {
        if name.contains(character) {
            problems.push(format!("name must not contain {what}"));
        }
    }
    if name.starts_with('_') {
        problems.push("name must not start with '_'".to_owned());
    }
    if name.chars().any(char::is_uppercase) {
        problems.push("name must be lower cased".to_owned());
    }
    if name.chars().any(char::is_control) {
        problems.push("name must not contain control characters".to_owned());
    }
    if name.len() > MAX_NAME_BYTES {
        problems.push(format!("name is too long, ({} > {MAX_NAME_BYTES})", name.len()));
    }
    problems
}

fn pattern_problems(pattern: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut refuse = |what: &str| problems.push(format!("index_pattern [{pattern}] {what}"));
    if pattern.is_empty() {
        refuse("must not be empty");
    }
    for (character, what) in [(' ', "a space"), (',', "a ','"), ('#', "a '#'"), (':', "a ':'")] {
        if pattern.contains(character) {
            refuse(&format!("must not contain {what}"));
        }
    }
    if pattern.starts_with('_') {
        refuse("must not start with '_'");
    }
    let forbidden = |character: char| FORBIDDEN_IN_PATTERNS.contains(&character) || character.is_control();
    if pattern.chars().any(forbidden) {
        refuse(
            "must not contain the following characters [ , \", *, \\, <, |, ,, >, /, ?] or control characters",
        );
    }
    if pattern.len() > MAX_NAME_BYTES {
        refuse(&format!("is too long, ({} > {MAX_NAME_BYTES})", pattern.len()));
    }
    problems
}

fn settings_problems(content: &TemplateContent) -> Option<String> {
    let settings = content.settings.as_ref()?;
    validate_for_create(settings)
        .err()
        .map(|problem| problem.to_string())
}
