//! Templates from and to JSON: what users send and get, and what is stored.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::TemplateError;
use super::model::{ComponentTemplate, DataStreamTemplate, IndexTemplate, TemplateContent};
use crate::alias::AliasMetadata;
use crate::settings::{Settings, normalize_index_prefix};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawContent {
    settings: Option<Value>,
    mappings: Option<Value>,
    aliases: Option<BTreeMap<String, RawAlias>>,
}

/// `routing` stands for both kinds of routing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAlias {
    filter: Option<Map<String, Value>>,
    routing: Option<String>,
    index_routing: Option<String>,
    search_routing: Option<String>,
    is_write_index: Option<bool>,
    is_hidden: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawComponentTemplate {
    template: Option<RawContent>,
    version: Option<i64>,
    #[serde(rename = "_meta")]
    meta: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIndexTemplate {
    index_patterns: Option<OneOrMany>,
    template: Option<RawContent>,
    composed_of: Option<OneOrMany>,
    ignore_missing_component_templates: Option<OneOrMany>,
    priority: Option<i64>,
    version: Option<i64>,
    #[serde(rename = "_meta")]
    meta: Option<Map<String, Value>>,
    allow_auto_create: Option<bool>,
    data_stream: Option<RawDataStreamTemplate>,
}

/// A template of the old kind: what it gives stands beside its patterns.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLegacyTemplate {
    index_patterns: Option<OneOrMany>,
    pub(super) order: Option<i32>,
    pub(super) version: Option<i64>,
    settings: Option<Value>,
    mappings: Option<Value>,
    aliases: Option<BTreeMap<String, RawAlias>>,
}

impl RawLegacyTemplate {
    /// The patterns and what the template gives.
    pub(super) fn into_parts(self) -> Result<(Vec<String>, TemplateContent), TemplateError> {
        let content = RawContent {
            settings: self.settings,
            mappings: self.mappings,
            aliases: self.aliases,
        };
        let patterns = self.index_patterns.map(OneOrMany::into_list).unwrap_or_default();
        Ok((patterns, content.try_into()?))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDataStreamTemplate {
    hidden: Option<bool>,
    allow_custom_routing: Option<bool>,
}

/// Source: where Elasticsearch takes a list of texts, one text will do.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a list of names was expected where there is something else"
)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_list(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

pub(super) fn read<T: serde::de::DeserializeOwned>(what: &str, json: &Value) -> Result<T, TemplateError> {
    if !json.is_object() {
        return Err(TemplateError::Malformed(format!(
            "[{what}] must be a JSON object"
        )));
    }
    T::deserialize(json)
        .map_err(|problem| TemplateError::Malformed(format!("[{what}] is not valid: {problem}")))
}

impl TryFrom<RawContent> for TemplateContent {
    type Error = TemplateError;

    fn try_from(raw: RawContent) -> Result<Self, Self::Error> {
        if let Some(mappings) = raw.mappings.as_ref().filter(|mappings| !mappings.is_object()) {
            return Err(TemplateError::Malformed(format!(
                "[mappings] of a template must be an object, but is [{mappings}]"
            )));
        }
        let settings = raw
            .settings
            .map(|settings| Settings::from_json(&settings))
            .transpose()?;
        let aliases = raw.aliases.map(|aliases| {
            let alias = |raw: RawAlias| AliasMetadata {
                filter: raw.filter.map(Value::Object),
                index_routing: raw.index_routing.or_else(|| raw.routing.clone()),
                search_routing: raw.search_routing.or(raw.routing),
                is_write_index: raw.is_write_index,
                is_hidden: raw.is_hidden,
            };
            aliases
                .into_iter()
                .map(|(name, raw)| (name, alias(raw)))
                .collect()
        });
        Ok(Self {
            settings: settings.map(|settings| normalize_index_prefix(&settings)),
            mappings: raw.mappings,
            aliases,
        })
    }
}

impl TemplateContent {
    pub(super) fn to_json(&self) -> Value {
        let mut json = Map::new();
        if let Some(settings) = &self.settings {
            json.insert("settings".into(), settings.to_nested_json());
        }
        if let Some(mappings) = &self.mappings {
            json.insert("mappings".into(), mappings.clone());
        }
        if let Some(aliases) = &self.aliases {
            let aliases = aliases
                .iter()
                .map(|(name, alias)| (name.clone(), alias_json(alias)));
            json.insert("aliases".into(), Value::Object(aliases.collect()));
        }
        Value::Object(json)
    }
}

fn alias_json(alias: &AliasMetadata) -> Value {
    let mut json = Map::new();
    for (name, value) in [
        ("filter", alias.filter.clone()),
        ("index_routing", alias.index_routing.clone().map(Value::from)),
        ("search_routing", alias.search_routing.clone().map(Value::from)),
        ("is_write_index", alias.is_write_index.map(Value::from)),
        ("is_hidden", alias.is_hidden.map(Value::from)),
    ] {
        put(&mut json, name, value);
    }
    Value::Object(json)
}

pub(super) fn put(json: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        json.insert(name.to_owned(), value.into());
    }
}

impl ComponentTemplate {
    /// Reads a component template from its JSON form. Whether it makes sense is checked when it is put.
    ///
    /// # Errors
    /// [`TemplateError::Malformed`], [`TemplateError::Settings`].
    pub fn from_json(json: &Value) -> Result<Self, TemplateError> {
        let raw: RawComponentTemplate = read("component_template", json)?;
        let content = raw
            .template
            .ok_or_else(|| TemplateError::Malformed("[component_template] required [template]".to_owned()))?;
        Ok(Self {
            content: content.try_into()?,
            version: raw.version,
            meta: raw.meta.map(Value::Object),
        })
    }

    /// The template as Elasticsearch prints it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = Map::new();
        json.insert("template".into(), self.content.to_json());
        put(&mut json, "version", self.version);
        put(&mut json, "_meta", self.meta.clone());
        Value::Object(json)
    }
}

impl IndexTemplate {
    /// Reads an index template from its JSON form. Whether it makes sense is checked when it is put.
    ///
    /// # Errors
    /// [`TemplateError::Malformed`], [`TemplateError::Settings`].
    pub fn from_json(json: &Value) -> Result<Self, TemplateError> {
        let raw: RawIndexTemplate = read("index_template", json)?;
        Ok(Self {
            index_patterns: raw
                .index_patterns
                .ok_or_else(|| {
                    TemplateError::Malformed("[index_template] required [index_patterns]".to_owned())
                })?
                .into_list(),
            content: raw.template.map(TryInto::try_into).transpose()?,
            composed_of: raw.composed_of.map(OneOrMany::into_list).unwrap_or_default(),
            ignore_missing_component_templates: raw
                .ignore_missing_component_templates
                .map(OneOrMany::into_list),
            priority: raw.priority,
            version: raw.version,
            meta: raw.meta.map(Value::Object),
            allow_auto_create: raw.allow_auto_create,
            data_stream: raw.data_stream.map(|raw| DataStreamTemplate {
                hidden: raw.hidden.unwrap_or(false),
                allow_custom_routing: raw.allow_custom_routing.unwrap_or(false),
            }),
        })
    }

    /// The template as Elasticsearch prints it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = Map::new();
        json.insert("index_patterns".into(), self.index_patterns.clone().into());
        put(
            &mut json,
            "template",
            self.content.as_ref().map(TemplateContent::to_json),
        );
        json.insert("composed_of".into(), self.composed_of.clone().into());
        put(&mut json, "priority", self.priority);
        put(&mut json, "version", self.version);
        put(&mut json, "_meta", self.meta.clone());
        put(&mut json, "allow_auto_create", self.allow_auto_create);
        let data_stream = self.data_stream.map(|stream| {
            serde_json::json!({"hidden": stream.hidden, "allow_custom_routing": stream.allow_custom_routing})
        });
        put(&mut json, "data_stream", data_stream);
        put(
            &mut json,
            "ignore_missing_component_templates",
            self.ignore_missing_component_templates.clone(),
        );
        Value::Object(json)
    }
}
