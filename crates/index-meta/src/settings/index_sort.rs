//! `index.sort.*`: by which fields the segments of an index would be sorted.
//!
//! Views do not sort their segments. The settings are checked as Elasticsearch checks them, so that a leader that sorts can read them.

use super::validation::check_value;
use super::{SettingValue, Settings, setting_definition};
use crate::error::{MappingError, SettingsError};
use crate::mapping::{FieldType, Mapping};

const FIELD: &str = "index.sort.field";
/// What may be said of each field. Source: each list is as long as that of the fields.
const OF_EACH: [&str; 3] = ["index.sort.order", "index.sort.mode", "index.sort.missing"];

/// The fields that an index is sorted by, the first one first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexSort {
    fields: Vec<String>,
}

impl IndexSort {
    /// Reads the settings of an index.
    ///
    /// # Errors
    /// [`SettingsError::IndexSort`] if the lists have different lengths, [`SettingsError::Value`].
    pub fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let fields = list(settings, FIELD)?.unwrap_or_default();
        for key in OF_EACH {
            if let Some(values) = list(settings, key)?
                && values.len() != fields.len()
            {
                return Err(SettingsError::IndexSort(format!(
                    "{FIELD}:[{}] {key}:[{}], size mismatch",
                    fields.join(", "),
                    values.join(", ")
                )));
            }
        }
        Ok(Self { fields })
    }

    /// Whether the index is not sorted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Whether a new index with this mapping can be sorted so: each field is mapped, has doc values, and is of a type that sorts.
    ///
    /// # Errors
    /// [`SettingsError::IndexSort`].
    pub fn check_fields(&self, mapping: &Mapping) -> Result<(), SettingsError> {
        let refuse = |problem: String| Err(SettingsError::IndexSort(problem));
        for path in &self.fields {
            match mapping.field(path) {
                None => return refuse(format!("unknown index sort field:[{path}]")),
                Some(field) if field.field_type() == FieldType::Text => {
                    return refuse(format!("invalid index sort field:[{path}]"));
                }
                Some(field) if !field.has_doc_values() => {
                    return refuse(format!("docvalues not found for index sort field:[{path}]"));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Whether the mapping may be that of an index that is sorted so: it has nothing nested.
    ///
    /// # Errors
    /// [`MappingError::Conflict`].
    pub fn check_mapping(&self, mapping: &Mapping) -> Result<(), MappingError> {
        if self.is_empty() || !mapping.has_nested() {
            return Ok(());
        }
        Err(MappingError::Conflict(
            "cannot have nested fields when index sort is activated".to_owned(),
        ))
    }
}

/// The items of a list, also given as one text with commas.
fn list(settings: &Settings, key: &str) -> Result<Option<Vec<String>>, SettingsError> {
    let Some(value) = settings.get(key) else {
        return Ok(None);
    };
    if let Some(definition) = setting_definition(key) {
        check_value(key, definition, value)?;
    }
    Ok(match value {
        SettingValue::Null => None,
        SettingValue::List(items) => Some(items.clone()),
        SettingValue::String(text) => Some(text.split(',').map(|item| item.trim().to_owned()).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn sort(json: &Value) -> Result<IndexSort, String> {
        let settings = Settings::from_json(&json!({ "index.sort": json })).expect("settings");
        IndexSort::from_settings(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn the_lists_are_of_known_words_and_as_long_as_that_of_the_fields() {
        for (json, expected) in [
            (json!({}), None),
            (json!({"field": "a"}), None),
            (json!({"field": ["a", "b"], "order": ["asc", "desc"]}), None),
            (
                json!({"field": "a,b", "order": "asc, desc", "mode": "min,max", "missing": "_last,_first"}),
                None,
            ),
            (
                json!({"field": ["a", "b"], "order": "asc"}),
                Some("index.sort.field:[a, b] index.sort.order:[asc], size mismatch"),
            ),
            (json!({"order": "asc"}), Some("size mismatch")),
            (
                json!({"field": "a", "mode": ["min", "max"]}),
                Some("size mismatch"),
            ),
            (
                json!({"field": "a", "order": "up"}),
                Some("[up] is not one of [asc, desc]"),
            ),
            (
                json!({"field": "a", "mode": ["avg"]}),
                Some("[avg] is not one of [min, max]"),
            ),
            (
                json!({"field": "a", "missing": "0"}),
                Some("[0] is not one of [_last, _first]"),
            ),
        ] {
            match (&sort(&json), expected) {
                (Ok(_), None) => {}
                (Err(error), Some(part)) if error.contains(part) => {}
                (result, _) => panic!("{json}: {result:?}"),
            }
        }
    }

    #[test]
    fn fields_exist_and_have_values_to_sort_by() {
        let mapping = Mapping::from_json(&json!({"properties": {
            "n": {"type": "long"}, "k": {"type": "keyword"}, "t": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
            "off": {"type": "date", "doc_values": false}, "o": {"properties": {"d": {"type": "date"}}}
        }}))
        .expect("mapping");
        for (field, expected) in [
            ("n", None),
            ("k,n", None),
            ("o.d", None),
            ("t.raw", None),
            ("gone", Some("unknown index sort field:[gone]")),
            ("o", Some("unknown index sort field:[o]")),
            ("t", Some("invalid index sort field:[t]")),
            ("k,off", Some("docvalues not found for index sort field:[off]")),
        ] {
            let result = sort(&json!({ "field": field }))
                .expect("sort")
                .check_fields(&mapping)
                .map_err(|error| error.to_string());
            assert_eq!(result.err().as_deref(), expected, "{field}");
        }
    }

    #[test]
    fn nothing_is_nested_in_a_sorted_index() {
        let nested =
            Mapping::from_json(&json!({"properties": {"o": {"properties": {"n": {"type": "nested"}}}}}))
                .expect("mapping");
        let sorted = sort(&json!({"field": "a"})).expect("sort");
        assert!(sorted.check_mapping(&nested).is_err());
        assert!(sorted.check_mapping(&Mapping::empty()).is_ok());
        assert!(IndexSort::default().check_mapping(&nested).is_ok());
    }
}
