//! All templates as one value, and how it changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::{TemplateError, TemplateKind};
use super::legacy::LegacyTemplate;
use super::model::{ComponentTemplate, IndexTemplate};
use super::pattern::{is_match_all, matches_wildcard, overlap};
use super::validate;

/// All templates. Immutable but for [`Default`] and what its methods answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Templates {
    component: BTreeMap<String, Arc<ComponentTemplate>>,
    index: BTreeMap<String, Arc<IndexTemplate>>,
    legacy: BTreeMap<String, Arc<LegacyTemplate>>,
}

impl Templates {
    /// Puts templates together that were checked when they were put.
    #[must_use]
    pub fn from_parts(
        component: BTreeMap<String, Arc<ComponentTemplate>>,
        index: BTreeMap<String, Arc<IndexTemplate>>,
        legacy: BTreeMap<String, Arc<LegacyTemplate>>,
    ) -> Self {
        Self {
            component,
            index,
            legacy,
        }
    }

    /// Component templates by name.
    #[must_use]
    pub fn component_templates(&self) -> &BTreeMap<String, Arc<ComponentTemplate>> {
        &self.component
    }

    /// Index templates by name.
    #[must_use]
    pub fn index_templates(&self) -> &BTreeMap<String, Arc<IndexTemplate>> {
        &self.index
    }

    /// Legacy templates by name.
    #[must_use]
    pub fn legacy_templates(&self) -> &BTreeMap<String, Arc<LegacyTemplate>> {
        &self.legacy
    }

    pub(super) fn legacy_mut(&mut self) -> &mut BTreeMap<String, Arc<LegacyTemplate>> {
        &mut self.legacy
    }

    /// The template that applies to a new index. A global one does not apply to a hidden index.
    #[must_use]
    pub fn find(&self, index: &str, hidden: bool) -> Option<(&str, &IndexTemplate)> {
        let matching = self
            .index
            .iter()
            .filter(|(_, template)| template.matches(index) && !(hidden && template.is_global()));
        matching
            .max_by_key(|(_, template)| template.priority_or_zero())
            .map(|(name, template)| (name.as_str(), template.as_ref()))
    }

    /// The patterns, by name, of the index templates but `name` that match a name which one of `patterns` matches.
    #[must_use]
    pub fn overlapping(&self, name: &str, patterns: &[String]) -> BTreeMap<String, Vec<String>> {
        self.overlapping_if(name, patterns, |_| true)
    }

    fn overlapping_if(
        &self,
        name: &str,
        patterns: &[String],
        wanted: impl Fn(&IndexTemplate) -> bool,
    ) -> BTreeMap<String, Vec<String>> {
        let overlaps = |other: &IndexTemplate| {
            let theirs = &other.index_patterns;
            patterns
                .iter()
                .any(|pattern| theirs.iter().any(|their| overlap(pattern, their)))
        };
        self.index
            .iter()
            .filter(|(other, template)| *other != name && wanted(template) && overlaps(template))
            .map(|(other, template)| (other.clone(), template.index_patterns.clone()))
            .collect()
    }

    /// With the component template `name`; `create` refuses to replace one.
    ///
    /// # Errors
    /// Any [`TemplateError`] but those of missing templates; also when an index template that uses it would be broken.
    pub fn put_component_template(
        &self,
        name: &str,
        template: ComponentTemplate,
        create: bool,
    ) -> Result<Self, TemplateError> {
        let existing = self.component.get(name);
        refuse_existing(TemplateKind::Component, name, create && existing.is_some())?;
        if existing.is_some_and(|existing| **existing == template) {
            return Ok(self.clone());
        }
        validate::component_template(name, &template)?;
        let gives_hidden = template
            .content
            .settings
            .as_ref()
            .is_some_and(|settings| settings.get("index.hidden").is_some());
        let users = || {
            self.index
                .iter()
                .filter(|(_, template)| template.composed_of.iter().any(|used| used == name))
        };
        let global: Vec<String> = users()
            .filter(|(_, template)| template.is_global())
            .map(|(user, _)| user.clone())
            .collect();
        if gives_hidden && !global.is_empty() {
            return Err(TemplateError::GlobalHidden {
                name: name.to_owned(),
                templates: global,
            });
        }
        let mut next = self.clone();
        next.component.insert(name.to_owned(), Arc::new(template));
        validate::sizes(&next)?;
        for (user, index_template) in users() {
            validate::composition(&next, user, index_template).map_err(|cause| {
                TemplateError::BreaksTemplate {
                    name: name.to_owned(),
                    template: user.clone(),
                    cause: Box::new(cause),
                }
            })?;
        }
        Ok(next)
    }

    /// With the index template `name`; `create` refuses to replace one.
    ///
    /// # Errors
    /// Any [`TemplateError`] but those of missing templates.
    pub fn put_index_template(
        &self,
        name: &str,
        template: IndexTemplate,
        create: bool,
    ) -> Result<Self, TemplateError> {
        let existing = self.index.get(name);
        refuse_existing(TemplateKind::Index, name, create && existing.is_some())?;
        self.check_index_template(name, &template)?;
        let mut next = self.clone();
        next.index.insert(name.to_owned(), Arc::new(template));
        validate::sizes(&next)?;
        Ok(next)
    }

    /// Checks what [`put_index_template`](Self::put_index_template) does.
    fn check_index_template(&self, name: &str, template: &IndexTemplate) -> Result<(), TemplateError> {
        validate::index_template(name, template)?;
        self.check_components(name, template)?;
        let priority = template.priority_or_zero();
        let others = self.overlapping_if(name, &template.index_patterns, |other| {
            other.priority_or_zero() == priority
        });
        if !others.is_empty() {
            return Err(TemplateError::Overlap {
                name: name.to_owned(),
                patterns: template.index_patterns.clone(),
                others,
                priority,
            });
        }
        validate::composition(self, name, template).map_err(|cause| match cause {
            invalid @ TemplateError::Invalid { .. } => invalid,
            cause => TemplateError::Composition {
                name: name.to_owned(),
                composed_of: template.composed_of.clone(),
                cause: Box::new(cause),
            },
        })
    }

    fn check_components(&self, name: &str, template: &IndexTemplate) -> Result<(), TemplateError> {
        let missing: Vec<String> = template
            .required_components()
            .filter(|component| !self.component.contains_key(*component))
            .cloned()
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing = super::error::bracketed(&missing);
        let ignores_some = template
            .ignore_missing_component_templates
            .as_ref()
            .is_some_and(|ignored| !ignored.is_empty());
        let cause = if ignores_some {
            format!(
                "index template [{name}] specifies a missing component templates {missing} that does not exist and is not part of \
                 'ignore_missing_component_templates'"
            )
        } else {
            format!("index template [{name}] specifies component templates {missing} that do not exist")
        };
        Err(TemplateError::Invalid {
            name: name.to_owned(),
            cause,
        })
    }

    /// Without the component templates: one name or pattern, or several names.
    ///
    /// # Errors
    /// [`TemplateError::Missing`]; [`TemplateError::InUse`].
    pub fn remove_component_templates(&self, names: &[&str]) -> Result<Self, TemplateError> {
        let removed = chosen(self.component.keys(), TemplateKind::Component, names)?;
        let mut components = Vec::new();
        let mut templates = Vec::new();
        for (user, template) in &self.index {
            let used: Vec<_> = template
                .required_components()
                .filter(|component| removed.contains(component))
                .cloned()
                .collect();
            if !used.is_empty() {
                templates.push(user.clone());
                components.extend(used);
            }
        }
        if !templates.is_empty() {
            components.sort_unstable();
            components.dedup();
            return Err(TemplateError::InUse {
                components,
                templates,
            });
        }
        let mut next = self.clone();
        next.component.retain(|name, _| !removed.contains(name));
        Ok(next)
    }

    /// Without the index templates: one name or pattern, or several names.
    ///
    /// # Errors
    /// [`TemplateError::Missing`].
    pub fn remove_index_templates(&self, names: &[&str]) -> Result<Self, TemplateError> {
        let removed = chosen(self.index.keys(), TemplateKind::Index, names)?;
        let mut next = self.clone();
        next.index.retain(|name, _| !removed.contains(name));
        Ok(next)
    }
}

pub(super) fn refuse_existing(kind: TemplateKind, name: &str, refused: bool) -> Result<(), TemplateError> {
    if refused {
        let name = name.to_owned();
        return Err(TemplateError::Exists { kind, name });
    }
    Ok(())
}

/// Source: one name may be a pattern; of several each must exist.
pub(super) fn chosen<'a>(
    all: impl Iterator<Item = &'a String>,
    kind: TemplateKind,
    names: &[&str],
) -> Result<Vec<String>, TemplateError> {
    let missing = |name: String| Err(TemplateError::Missing { kind, name });
    if let [pattern] = names {
        let found: Vec<String> = all
            .filter(|name| matches_wildcard(pattern, name))
            .cloned()
            .collect();
        if found.is_empty() && !is_match_all(pattern) {
            return missing((*pattern).to_owned());
        }
        return Ok(found);
    }
    let found: Vec<String> = all
        .filter(|name| names.contains(&name.as_str()))
        .cloned()
        .collect();
    let absent: Vec<&str> = names
        .iter()
        .filter(|name| !found.iter().any(|found| found == *name))
        .copied()
        .collect();
    if absent.is_empty() {
        Ok(found)
    } else {
        missing(absent.join(","))
    }
}
