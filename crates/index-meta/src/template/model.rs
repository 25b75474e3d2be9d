//! What templates are.

use std::collections::BTreeMap;

use serde_json::Value;

use super::pattern::{is_match_all, matches_wildcard};
use crate::alias::AliasMetadata;
use crate::settings::Settings;

/// What a template gives to an index. `None` is what was never said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TemplateContent {
    /// Settings with their `index.` prefix; a null takes back what a template before it said.
    pub settings: Option<Settings>,
    /// The mapping, a JSON object, as it was given.
    pub mappings: Option<Value>,
    /// Aliases by name; `{index}` in a name stands for the name of the index.
    pub aliases: Option<BTreeMap<String, AliasMetadata>>,
}

/// A building block of index templates.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ComponentTemplate {
    /// What it gives.
    pub content: TemplateContent,
    /// A number that users count by.
    pub version: Option<i64>,
    /// Whatever users note, a JSON object.
    pub meta: Option<Value>,
}

/// What a template says of the data streams that it makes of names that match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DataStreamTemplate {
    /// Whether wildcards pass them over.
    pub hidden: bool,
    /// Whether their documents may have a routing of their own.
    pub allow_custom_routing: bool,
}

/// A template for the indices whose names match, or for the backing indices of the data streams whose names match.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IndexTemplate {
    /// Patterns of names, in which `*` stands for any number of characters.
    pub index_patterns: Vec<String>,
    /// What it gives itself; wins over its components.
    pub content: Option<TemplateContent>,
    /// Names of component templates; a later one wins over an earlier one.
    pub composed_of: Vec<String>,
    /// Those of [`composed_of`](Self::composed_of) that need not exist.
    pub ignore_missing_component_templates: Option<Vec<String>>,
    /// The template of the highest priority applies, and no other.
    pub priority: Option<i64>,
    /// A number that users count by.
    pub version: Option<i64>,
    /// Whatever users note, a JSON object.
    pub meta: Option<Value>,
    /// Whether a document may create an index; wins over `action.auto_create_index`.
    pub allow_auto_create: Option<bool>,
    /// Names that match are those of data streams, and no index can be created by them.
    pub data_stream: Option<DataStreamTemplate>,
}

impl IndexTemplate {
    /// The priority, 0 if it was never said.
    #[must_use]
    pub fn priority_or_zero(&self) -> i64 {
        self.priority.unwrap_or(0)
    }

    /// Whether one of the patterns is `*`. Such a template does not apply to hidden indices.
    #[must_use]
    pub fn is_global(&self) -> bool {
        self.index_patterns.iter().any(|pattern| is_match_all(pattern))
    }

    /// Whether one of the patterns matches the name.
    #[must_use]
    pub fn matches(&self, index: &str) -> bool {
        self.index_patterns
            .iter()
            .any(|pattern| matches_wildcard(pattern, index))
    }

    /// Whether the component template may be missing.
    pub(super) fn ignores_missing(&self, component: &str) -> bool {
        self.ignore_missing_component_templates
            .as_ref()
            .is_some_and(|ignored| ignored.iter().any(|name| name == component))
    }

    /// The component templates that must exist.
    pub(super) fn required_components(&self) -> impl Iterator<Item = &String> {
        self.composed_of
            .iter()
            .filter(|component| !self.ignores_missing(component))
    }
}
