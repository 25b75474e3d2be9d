//! What a template, its components and a request come to.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::error::TemplateError;
use super::mappings::overlay;
use super::model::{DataStreamTemplate, IndexTemplate, TemplateContent};
use super::store::Templates;
use crate::alias::AliasMetadata;
use crate::data_stream::TIMESTAMP_FIELD;
use crate::error::MappingError;
use crate::mapping::{Mapping, TIMESTAMP_OPTION};
use crate::settings::{IndexSettings, IndexSort, Settings, validate_for_create};

/// What stands for the name of the index in the name of an alias.
const INDEX_PLACEHOLDER: &str = "{index}";

/// An index that somebody wants to create.
#[derive(Debug, Clone, Copy)]
pub struct NewIndex<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its settings with `index.` prefix; a null takes back what a template says.
    pub settings: &'a Settings,
    /// Its mapping.
    pub mappings: Option<&'a Value>,
    /// Its aliases.
    pub aliases: &'a BTreeMap<String, AliasMetadata>,
}

impl NewIndex<'_> {
    /// Whether the request says that the index is hidden.
    fn is_hidden(&self) -> bool {
        self.settings.get_str("index.hidden") == Some("true")
    }
}

/// What the next backing index of a data stream gets.
#[derive(Debug, Clone, PartialEq)]
pub struct BackingIndexTemplate {
    /// The template that applies to the stream's name.
    pub name: String,
    /// What it says of streams.
    pub data_stream: DataStreamTemplate,
    /// What it notes.
    pub metadata: Option<Value>,
    /// What it and its components come to.
    pub composition: Composition,
}

/// Settings, mapping and aliases that were laid one over the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Composition {
    /// Settings with `index.` prefix, without nulls.
    pub settings: Settings,
    /// The mapping as JSON; empty if nothing says anything of it.
    pub mappings: Map<String, Value>,
    /// Aliases by name.
    pub aliases: BTreeMap<String, AliasMetadata>,
}

impl Composition {
    /// Lays `content` on top.
    fn add(&mut self, content: &TemplateContent) -> Result<(), MappingError> {
        if let Some(settings) = &content.settings {
            self.settings = self.settings.apply(settings);
        }
        if let Some(Value::Object(mappings)) = &content.mappings {
            overlay(&mut self.mappings, mappings)?;
        }
        for (name, metadata) in content.aliases.iter().flatten() {
            self.aliases.insert(name.clone(), metadata.clone());
        }
        Ok(())
    }

    /// Puts the name of the index where the names of aliases ask for it.
    pub(super) fn name_aliases(&mut self, index: &str) {
        let aliases = std::mem::take(&mut self.aliases);
        self.aliases = aliases
            .into_iter()
            .map(|(name, metadata)| (name.replace(INDEX_PLACEHOLDER, index), metadata))
            .collect();
    }

    /// Checks that settings and mapping go together, and answers the mapping.
    ///
    /// # Errors
    /// [`TemplateError::Settings`], [`TemplateError::Mapping`].
    pub fn check(&self) -> Result<Mapping, TemplateError> {
        validate_for_create(&self.settings)?;
        // Of one part alone this cannot be asked: another may say the fields that it says the order of.
        IndexSort::from_settings(&self.settings)?;
        let settings = IndexSettings::from_settings(&self.settings)?;
        let mappings = Value::Object(self.mappings.clone());
        Ok(Mapping::empty().merge_within(&mappings, settings.mapping_limits())?)
    }
}

impl Templates {
    /// What `template` and its components come to for an index of this name. Components that do not exist give nothing.
    ///
    /// # Errors
    /// [`TemplateError::Mapping`] if the mapping of all is nested too deeply.
    pub fn compose(&self, template: &IndexTemplate, index: &str) -> Result<Composition, TemplateError> {
        let mut composition = Composition::default();
        if template.data_stream.is_some() {
            composition.mappings = timestamp_mapping();
        }
        for component in &template.composed_of {
            if let Some(component) = self.component_templates().get(component) {
                composition.add(&component.content)?;
            }
        }
        if let Some(content) = &template.content {
            composition.add(content)?;
        }
        if template.data_stream.is_some() {
            // No part of a template takes it back.
            composition.mappings.extend(timestamp_required());
        }
        composition.name_aliases(index);
        Ok(composition)
    }

    /// What the request comes to over the template that applies to it, with the template's name; `None` if none applies. Without an index template
    /// these are the legacy templates, with the name of the one that wins.
    ///
    /// # Errors
    /// [`TemplateError::OnlyForDataStreams`]; [`TemplateError::Mapping`] if the mapping of all is nested too deeply.
    pub fn compose_for(&self, new: &NewIndex<'_>) -> Result<Option<(&str, Composition)>, TemplateError> {
        let Some((name, template)) = self.find(new.name, new.is_hidden()) else {
            return self.compose_legacy(new);
        };
        if template.data_stream.is_some() {
            return Err(TemplateError::OnlyForDataStreams {
                index: new.name.to_owned(),
                template: name.to_owned(),
            });
        }
        let mut composition = self.compose(template, new.name)?;
        composition.settings = composition.settings.apply(new.settings);
        if let Some(Value::Object(mappings)) = new.mappings {
            overlay(&mut composition.mappings, mappings)?;
        }
        composition.aliases.extend(
            new.aliases
                .iter()
                .map(|(name, metadata)| (name.clone(), metadata.clone())),
        );
        Ok(Some((name, composition)))
    }

    /// What the next backing index of the data stream `stream` gets.
    ///
    /// # Errors
    /// [`TemplateError::NoDataStreamTemplate`], [`TemplateError::NotForDataStreams`]; [`TemplateError::Mapping`] if the mapping of all is nested too deeply.
    pub fn compose_backing_index(&self, stream: &str) -> Result<BackingIndexTemplate, TemplateError> {
        let Some((name, template)) = self.find(stream, false) else {
            return Err(TemplateError::NoDataStreamTemplate {
                stream: stream.to_owned(),
            });
        };
        let Some(data_stream) = template.data_stream else {
            return Err(TemplateError::NotForDataStreams {
                stream: stream.to_owned(),
                template: name.to_owned(),
            });
        };
        let mut composition = self.compose(template, stream)?;
        composition.settings.insert("index.hidden", "true");
        Ok(BackingIndexTemplate {
            name: name.to_owned(),
            data_stream,
            metadata: template.meta.clone(),
            composition,
        })
    }
}

/// What every backing index maps unless its template says more of it. Source: Elasticsearch maps the timestamp as a date.
fn timestamp_mapping() -> Map<String, Value> {
    let mut mapping = Map::new();
    mapping.insert(
        "properties".to_owned(),
        json!({ TIMESTAMP_FIELD: {"type": "date"} }),
    );
    mapping
}

fn timestamp_required() -> Map<String, Value> {
    let mut mapping = Map::new();
    mapping.insert(TIMESTAMP_OPTION.to_owned(), json!({"enabled": true}));
    mapping
}
