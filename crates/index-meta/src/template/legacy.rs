//! Legacy templates, the kind that was there before index templates are composed of components: each of those that match gives its part.
//!
//! They apply only where no index template does, and never to data streams.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::compose::{Composition, NewIndex};
use super::error::{TemplateError, TemplateKind};
use super::json::{RawLegacyTemplate, put, read};
use super::mappings::overlay_deeply;
use super::model::TemplateContent;
use super::pattern::{is_match_all, matches_wildcard};
use super::store::{Templates, chosen, refuse_existing};
use super::validate;

/// A template of the old kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LegacyTemplate {
    /// Patterns of names, in which `*` stands for any number of characters.
    pub index_patterns: Vec<String>,
    /// What it gives.
    pub content: TemplateContent,
    /// Of templates that match the same index, one of a higher order wins.
    pub order: i32,
    /// A number that users count by.
    pub version: Option<i64>,
}

impl LegacyTemplate {
    /// Reads a template from its JSON form. Whether it makes sense is checked when it is put.
    ///
    /// # Errors
    /// [`TemplateError::Malformed`], [`TemplateError::Settings`].
    pub fn from_json(json: &Value) -> Result<Self, TemplateError> {
        let raw: RawLegacyTemplate = read("index_template", json)?;
        let (order, version) = (raw.order.unwrap_or(0), raw.version);
        let (index_patterns, content) = raw.into_parts()?;
        let is_empty = |object: &Value| object.as_object().is_none_or(Map::is_empty);
        Ok(Self {
            index_patterns,
            // An empty section says as much as none.
            content: TemplateContent {
                settings: content.settings.filter(|settings| !settings.is_empty()),
                mappings: content.mappings.filter(|mappings| !is_empty(mappings)),
                aliases: content.aliases.filter(|aliases| !aliases.is_empty()),
            },
            order,
            version,
        })
    }

    /// The template as Elasticsearch prints it: sections that were never said are empty.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = Map::new();
        json.insert("order".into(), self.order.into());
        put(&mut json, "version", self.version);
        json.insert("index_patterns".into(), self.index_patterns.clone().into());
        let content = self.content.to_json();
        for section in ["settings", "mappings", "aliases"] {
            let empty = || Value::Object(Map::new());
            json.insert(
                section.into(),
                content.get(section).cloned().unwrap_or_else(empty),
            );
        }
        Value::Object(json)
    }

    /// Whether one of the patterns is `*`. Such a template does not apply to hidden indices.
    fn is_global(&self) -> bool {
        self.index_patterns.iter().any(|pattern| is_match_all(pattern))
    }

    fn matches(&self, index: &str) -> bool {
        self.index_patterns
            .iter()
            .any(|pattern| matches_wildcard(pattern, index))
    }

    fn hides(&self) -> Option<bool> {
        let hidden = self.content.settings.as_ref()?.get_str("index.hidden")?;
        Some(hidden == "true")
    }
}

impl Templates {
    /// With the legacy template `name`; `create` refuses to replace one.
    ///
    /// Source: one whose names an index template takes is refused, unless it is for all names, or was there with the same patterns.
    ///
    /// # Errors
    /// [`TemplateError::Exists`], [`TemplateError::Invalid`], [`TemplateError::Mapping`], [`TemplateError::LegacyOverlap`], [`TemplateError::Limit`].
    pub fn put_legacy_template(
        &self,
        name: &str,
        template: LegacyTemplate,
        create: bool,
    ) -> Result<Self, TemplateError> {
        let existing = self.legacy_templates().get(name);
        refuse_existing(TemplateKind::Legacy, name, create && existing.is_some())?;
        validate::legacy_template(name, &template)?;
        let unchanged = existing.is_some_and(|existing| existing.index_patterns == template.index_patterns);
        let others = self.overlapping("", &template.index_patterns);
        if !(unchanged || template.is_global() || others.is_empty()) {
            return Err(TemplateError::LegacyOverlap {
                name: name.to_owned(),
                patterns: template.index_patterns,
                others,
            });
        }
        let mut next = self.clone();
        next.legacy_mut().insert(name.to_owned(), Arc::new(template));
        validate::sizes(&next)?;
        Ok(next)
    }

    /// Without the legacy templates that a name or pattern names.
    ///
    /// # Errors
    /// [`TemplateError::Missing`].
    pub fn remove_legacy_templates(&self, name: &str) -> Result<Self, TemplateError> {
        let removed = chosen(self.legacy_templates().keys(), TemplateKind::Legacy, &[name])?;
        let mut next = self.clone();
        next.legacy_mut().retain(|name, _| !removed.contains(name));
        Ok(next)
    }

    /// What the request comes to over the legacy templates that match, with the name of the one that wins; `None` if none matches.
    ///
    /// # Errors
    /// [`TemplateError::Mapping`] if the mapping of all is nested too deeply.
    pub(super) fn compose_legacy(
        &self,
        new: &NewIndex<'_>,
    ) -> Result<Option<(&str, Composition)>, TemplateError> {
        let matching = self.matching_legacy(new);
        let Some((winner, _)) = matching.last() else {
            return Ok(None);
        };
        let mut composition = Composition::default();
        for (_, template) in &matching {
            let content = &template.content;
            if let Some(settings) = &content.settings {
                composition.settings = composition.settings.apply(settings);
            }
            if let Some(Value::Object(mappings)) = &content.mappings {
                overlay_deeply(&mut composition.mappings, mappings)?;
            }
            composition.aliases.extend(
                content
                    .aliases
                    .iter()
                    .flatten()
                    .map(|(name, alias)| (name.clone(), alias.clone())),
            );
        }
        composition.name_aliases(new.name);
        composition.settings = composition.settings.apply(new.settings);
        if let Some(Value::Object(mappings)) = new.mappings {
            overlay_deeply(&mut composition.mappings, mappings)?;
        }
        let given = new
            .aliases
            .iter()
            .map(|(name, alias)| (name.clone(), alias.clone()));
        composition.aliases.extend(given);
        Ok(Some((winner, composition)))
    }

    /// Those that match a new index, the one that wins last. Of two of the same order the name decides.
    fn matching_legacy(&self, new: &NewIndex<'_>) -> Vec<(&str, &LegacyTemplate)> {
        let matching = self.legacy_templates().iter();
        let mut matching: Vec<(&str, &LegacyTemplate)> = matching
            .filter(|(_, template)| template.matches(new.name))
            .map(|(name, template)| (name.as_str(), template.as_ref()))
            .collect();
        matching.sort_by_key(|(_, template)| template.order);
        // Source: templates for all names leave hidden indices alone, also those that another template hides.
        let said = new
            .settings
            .get_str("index.hidden")
            .map(|hidden| hidden == "true");
        let by_templates = || matching.iter().rev().find_map(|(_, template)| template.hides());
        if said.or_else(by_templates).unwrap_or(false) {
            matching.retain(|(_, template)| !template.is_global());
        }
        matching
    }

    /// The patterns, by name, of the legacy templates that match a name which one of `patterns` matches.
    #[must_use]
    pub fn overlapping_legacy(&self, patterns: &[String]) -> BTreeMap<String, Vec<String>> {
        let overlaps = |other: &LegacyTemplate| {
            let theirs = &other.index_patterns;
            patterns
                .iter()
                .any(|pattern| theirs.iter().any(|their| super::pattern::overlap(pattern, their)))
        };
        let others = self.legacy_templates().iter();
        others
            .filter(|(_, template)| overlaps(template))
            .map(|(name, template)| (name.clone(), template.index_patterns.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::Settings;
    use crate::template::IndexTemplate;

    fn templates(all: &[(&str, Value)]) -> Templates {
        all.iter().fold(Templates::default(), |templates, (name, json)| {
            let template = LegacyTemplate::from_json(json).unwrap();
            templates.put_legacy_template(name, template, true).unwrap()
        })
    }

    fn composed(templates: &Templates, index: &str, settings: &Value, mappings: Option<&Value>) -> Value {
        let new = NewIndex {
            name: index,
            settings: &Settings::from_json(settings).unwrap(),
            mappings,
            aliases: &BTreeMap::new(),
        };
        match templates.compose_for(&new).unwrap() {
            None => Value::Null,
            Some((name, composition)) => json!({
                "name": name,
                "settings": composition.settings.to_flat_json(),
                "mappings": composition.mappings,
                "aliases": composition.aliases.keys().collect::<Vec<_>>(),
            }),
        }
    }

    #[test]
    fn all_that_match_apply_in_their_order_and_the_request_wins() {
        let templates = templates(&[
            (
                "last",
                json!({"index_patterns": ["logs-*"], "order": 2, "settings": {"refresh_interval": "2s"},
                       "mappings": {"properties": {"a": {"type": "keyword", "index": false}, "b": {"type": "long"}}}}),
            ),
            (
                "first",
                json!({"index_patterns": "logs-*", "order": -1, "version": 3,
                       "settings": {"refresh_interval": "1s", "number_of_shards": 2, "priority": 7},
                       "mappings": {"dynamic_templates": [{"t": {"match": "x", "mapping": {"type": "long"}}}], "properties": {"a": {"type": "keyword", "ignore_above": 5}}},
                       "aliases": {"{index}-all": {}}}),
            ),
            (
                "other",
                json!({"index_patterns": ["metrics"], "settings": {"number_of_shards": 9}}),
            ),
        ]);
        let mappings = json!({"dynamic_templates": [{"u": {"match": "y", "mapping": {"type": "long"}}}], "properties": {"b": {"type": "date"}}});
        let request = json!({"index.number_of_shards": "1", "index.priority": null});
        assert_eq!(
            composed(&templates, "logs-1", &request, Some(&mappings)),
            json!({
                "name": "last",
                "settings": {"index.number_of_shards": "1", "index.refresh_interval": "2s"},
                "mappings": {
                    "dynamic_templates": [
                        {"t": {"match": "x", "mapping": {"type": "long"}}}, {"u": {"match": "y", "mapping": {"type": "long"}}}
                    ],
                    "properties": {"a": {"type": "keyword", "ignore_above": 5, "index": false}, "b": {"type": "date"}}
                },
                "aliases": ["logs-1-all"],
            })
        );
        assert_eq!(composed(&templates, "nothing", &json!({}), None), Value::Null);
    }

    #[test]
    fn an_index_template_takes_their_place_and_one_for_all_leaves_hidden_indices_alone() {
        let all = templates(&[
            (
                "all",
                json!({"index_patterns": ["*"], "settings": {"number_of_shards": 2}}),
            ),
            (
                "secret",
                json!({"index_patterns": ["secret"], "order": 1, "settings": {"hidden": true}}),
            ),
        ]);
        let winner = |templates: &Templates, index: &str, settings: &Value| {
            composed(templates, index, settings, None)["name"].clone()
        };
        assert_eq!(winner(&all, "a", &json!({})), "all");
        assert_eq!(winner(&all, "a", &json!({"index.hidden": "true"})), Value::Null);
        let secret = composed(&all, "secret", &json!({}), None);
        assert_eq!(secret["settings"], json!({"index.hidden": "true"}));

        let composable = IndexTemplate::from_json(&json!({"index_patterns": ["a*"]})).unwrap();
        let both = all.put_index_template("composable", composable, true).unwrap();
        assert_eq!(winner(&both, "a", &json!({})), "composable");
        let late = LegacyTemplate::from_json(&json!({"index_patterns": ["ab*"]})).unwrap();
        let refused = both
            .put_legacy_template("late", late, false)
            .unwrap_err()
            .to_exception();
        assert!(refused.reason().contains("use composable templates"), "{refused}");
        assert!(
            both.put_legacy_template("all", all.legacy_templates()["all"].as_ref().clone(), false)
                .is_ok()
        );
        assert_eq!(
            all.overlapping_legacy(&["sec*".to_owned()])
                .into_keys()
                .collect::<Vec<_>>(),
            ["all", "secret"]
        );
    }

    #[test]
    fn they_are_printed_whole_and_removed_by_name_or_pattern() {
        let some = templates(&[
            ("t1", json!({"index_patterns": "x", "version": 10})),
            ("t2", json!({"index_patterns": ["y"]})),
        ]);
        let printed = json!({"order": 0, "version": 10, "index_patterns": ["x"], "settings": {}, "mappings": {}, "aliases": {}});
        let template = &some.legacy_templates()["t1"];
        assert_eq!(template.to_json(), printed);
        assert_eq!(LegacyTemplate::from_json(&printed).unwrap().to_json(), printed);
        assert!(
            some.remove_legacy_templates("t*")
                .unwrap()
                .legacy_templates()
                .is_empty()
        );
        let missing = some.remove_legacy_templates("t").unwrap_err().to_exception();
        assert_eq!(
            (missing.status(), missing.reason()),
            (404, "index_template [t] missing")
        );
        assert!(Templates::default().remove_legacy_templates("*").is_ok());
        let exists = some
            .put_legacy_template("t1", LegacyTemplate::default(), true)
            .unwrap_err();
        assert_eq!(exists.to_string(), "index_template [t1] already exists");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (name, json) in [
            ("T", json!({"index_patterns": ["x"]})),
            ("t", json!({"index_patterns": []})),
            ("t", json!({"index_patterns": ["_x"]})),
            (
                "t",
                json!({"index_patterns": ["x"], "settings": {"number_of_shards": 0}}),
            ),
            (
                "t",
                json!({"index_patterns": ["x"], "mappings": {"properties": {"a": {"type": "nonsense"}}}}),
            ),
            ("t", json!({"index_patterns": ["x"], "nonsense": 1})),
            ("t", json!({"index_patterns": ["a"], "aliases": {"a": {}}})),
        ] {
            let put = LegacyTemplate::from_json(&json)
                .and_then(|template| Templates::default().put_legacy_template(name, template, false));
            assert_eq!(
                put.map_err(|error| error.to_exception().status()),
                Err(400),
                "{name} {json}"
            );
        }
    }
}
