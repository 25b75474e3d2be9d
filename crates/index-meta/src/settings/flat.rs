//! The flat map of settings that users see.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::SettingsError;

/// The value of a setting. Numbers and booleans are kept as text, as Elasticsearch prints them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SettingValue {
    /// One value.
    String(String),
    /// A list of values.
    List(Vec<String>),
    /// In changes only: back to the default. [`Settings::apply`] removes the key.
    Null,
}

/// Levels of objects that a settings body may have.
const MAX_DEPTH: usize = 50;

impl SettingValue {
    /// As JSON: a text, an array of texts, or null.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::String(text) => text.clone().into(),
            Self::List(items) => items.clone().into(),
            Self::Null => Value::Null,
        }
    }

    /// The value as one text; a list joined by commas.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::String(text) => text.clone(),
            Self::List(items) => items.join(","),
            Self::Null => "null".to_owned(),
        }
    }
}

/// A plain JSON value as text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Puts a value under a dotted key. Where a key is also the beginning of another, the longer one keeps its dots.
///
/// Keys come sorted, but `a-b` sorts between `a` and `a.b`, so `a` may already be a value or an object here.
fn nest(object: &mut Map<String, Value>, key: &str, value: Value) {
    if let Some((first, rest)) = key.split_once('.')
        && object.get(first).is_none_or(Value::is_object)
        && let Value::Object(inner) = object.entry(first).or_insert_with(|| Value::Object(Map::new()))
    {
        return nest(inner, rest, value);
    }
    object.insert(key.to_owned(), value);
}

/// Settings by their full dotted key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settings(pub(crate) BTreeMap<String, SettingValue>);

impl Settings {
    /// No settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a JSON object, nested or dotted or both.
    ///
    /// # Errors
    /// [`SettingsError::Malformed`].
    pub fn from_json(json: &Value) -> Result<Self, SettingsError> {
        let Value::Object(members) = json else {
            return Err(SettingsError::Malformed(format!(
                "settings must be a JSON object, but got [{json}]"
            )));
        };
        let mut settings = Self::new();
        for (name, value) in members {
            settings.read_member(name.clone(), value, 1)?;
        }
        Ok(settings)
    }

    fn read_member(&mut self, key: String, value: &Value, depth: usize) -> Result<(), SettingsError> {
        let value = match value {
            Value::Object(_) if depth > MAX_DEPTH => {
                return Err(SettingsError::Malformed(format!("[{key}] is nested too deeply")));
            }
            Value::Object(members) => {
                for (name, value) in members {
                    self.read_member(format!("{key}.{name}"), value, depth + 1)?;
                }
                return Ok(());
            }
            Value::Null => SettingValue::Null,
            Value::Array(items) => SettingValue::List(
                items
                    .iter()
                    .map(|item| {
                        plain(item).ok_or_else(|| {
                            SettingsError::Malformed(format!("the list [{key}] can only hold plain values"))
                        })
                    })
                    .collect::<Result<_, _>>()?,
            ),
            other => SettingValue::String(plain(other).unwrap_or_default()),
        };
        if key.split('.').any(str::is_empty) {
            return Err(SettingsError::Malformed(format!("[{key}] is no key")));
        }
        match self.0.insert(key, value) {
            None => Ok(()),
            Some(_) => Err(SettingsError::Malformed("a setting is given twice".to_owned())),
        }
    }

    /// As an object of objects, lists as arrays.
    #[must_use]
    pub fn to_nested_json(&self) -> Value {
        let mut root = Map::new();
        for (key, value) in &self.0 {
            nest(&mut root, key, value.to_json());
        }
        Value::Object(root)
    }

    /// As one object with dotted keys, lists as arrays.
    #[must_use]
    pub fn to_flat_json(&self) -> Value {
        Value::Object(
            self.0
                .iter()
                .map(|(key, value)| (key.clone(), value.to_json()))
                .collect(),
        )
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&SettingValue> {
        self.0.get(key)
    }

    /// The value of `key` if it is one value.
    #[must_use]
    pub fn get_str(&self, key: &str) -> Option<&str> {
        match self.0.get(key) {
            Some(SettingValue::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Sets `key` to one value.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into(), SettingValue::String(value.into()));
    }

    /// Sets `key` to any value.
    pub fn insert_value(&mut self, key: impl Into<String>, value: SettingValue) {
        self.0.insert(key.into(), value);
    }

    /// Removes `key`.
    pub fn remove(&mut self, key: &str) -> Option<SettingValue> {
        self.0.remove(key)
    }

    /// Every key and value, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SettingValue)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// How many settings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These settings with `changes` on top: values replace, nulls remove (a null key may end in `*`).
    #[must_use]
    pub fn apply(&self, changes: &Settings) -> Settings {
        let mut settings = self.0.clone();
        for (key, value) in &changes.0 {
            match (value, key.strip_suffix('*')) {
                (SettingValue::Null, Some(prefix)) => settings.retain(|key, _| !key.starts_with(prefix)),
                (SettingValue::Null, None) => {
                    settings.remove(key);
                }
                (value, _) => {
                    settings.insert(key.clone(), value.clone());
                }
            }
        }
        Self(settings)
    }
}

/// These settings with `index.` in front of every key that lacks it.
#[must_use]
pub fn normalize_index_prefix(settings: &Settings) -> Settings {
    let with_prefix = |key: &String| {
        if key.starts_with("index.") || key == "*" {
            key.clone()
        } else {
            format!("index.{key}")
        }
    };
    Settings(
        settings
            .0
            .iter()
            .map(|(key, value)| (with_prefix(key), value.clone()))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn nested_dotted_and_typed_values_are_the_same_settings() {
        let nested =
            json!({"index": {"number_of_shards": 2, "blocks": {"write": true}, "sort.field": ["a", "b"]}});
        let dotted = json!({"index.number_of_shards": "2", "index.blocks.write": "true", "index.sort.field": ["a", "b"]});
        let settings = Settings::from_json(&nested).expect("settings");
        assert_eq!(settings, Settings::from_json(&dotted).expect("settings"));
        assert_eq!(settings.to_flat_json(), dotted);
        let printed = json!({"index": {"blocks": {"write": "true"}, "number_of_shards": "2", "sort": {"field": ["a", "b"]}}});
        assert_eq!(settings.to_nested_json(), printed);
        for malformed in [
            json!([1]),
            json!({"a": [[1]]}),
            json!({"a.b": 1, "a": {"b": 2}}),
            json!({"a..b": 1}),
        ] {
            assert!(Settings::from_json(&malformed).is_err(), "{malformed}");
        }
    }

    #[test]
    fn changes_replace_and_nulls_remove() {
        let read = |json| normalize_index_prefix(&Settings::from_json(&json).expect("settings"));
        let settings = read(json!({"a": 1, "b": {"x": 1, "y": 2}, "index.c": 3}));
        let changed = settings.apply(&read(json!({"a": 5, "b.*": null, "c": null, "absent": null})));
        assert_eq!(changed.to_flat_json(), json!({"index.a": "5"}));
    }

    proptest! {
        #[test]
        fn nested_and_flat_json_round_trip(
            keys in proptest::collection::btree_map("[a-c]{1,2}(\\.[a-c]|-[a-c]){0,3}", "[a-z0-9]{0,3}", 0..12)
        ) {
            let mut settings = Settings::new();
            for (key, value) in keys {
                settings.insert(key, value);
            }
            prop_assert_eq!(&Settings::from_json(&settings.to_nested_json()).expect("nested"), &settings);
            prop_assert_eq!(&Settings::from_json(&settings.to_flat_json()).expect("flat"), &settings);
        }
    }
}
