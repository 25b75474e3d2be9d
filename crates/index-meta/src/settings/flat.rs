//! The flat map of settings that users see.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    pub fn from_json(_json: &Value) -> Result<Self, SettingsError> {
        unimplemented!()
    }

    /// As an object of objects, lists as arrays.
    #[must_use]
    pub fn to_nested_json(&self) -> Value {
        unimplemented!()
    }

    /// As one object with dotted keys, lists as arrays.
    #[must_use]
    pub fn to_flat_json(&self) -> Value {
        unimplemented!()
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
    pub fn apply(&self, _changes: &Settings) -> Settings {
        unimplemented!()
    }
}

/// These settings with `index.` in front of every key that lacks it.
#[must_use]
pub fn normalize_index_prefix(_settings: &Settings) -> Settings {
    unimplemented!()
}
