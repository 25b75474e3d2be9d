//! The parameters of one definition, taken one by one; what is left in the end is refused.

use std::collections::BTreeMap;

use super::{MAX_ENTRIES, MAX_ENTRY_BYTES, MAX_PATTERN_BYTES};
use crate::settings::SettingValue;

/// See the module. Problems are sentences for people that name the definition.
#[derive(Debug, Clone)]
pub(super) struct Parameters<'a> {
    /// What they are of, for instance `filter [my_stop]`.
    subject: String,
    entries: BTreeMap<&'a str, &'a SettingValue>,
}

impl<'a> Parameters<'a> {
    pub(super) fn new(kind: &str, name: &str, entries: BTreeMap<&'a str, &'a SettingValue>) -> Self {
        Self {
            subject: format!("{kind} [{name}]"),
            entries,
        }
    }

    /// Those of something built in, which has its defaults.
    pub(super) fn defaults(kind: &str, name: &str) -> Self {
        Self::new(kind, name, BTreeMap::new())
    }

    /// A problem with the definition as a whole.
    pub(super) fn problem(&self, problem: impl std::fmt::Display) -> String {
        format!("{}: {problem}", self.subject)
    }

    fn wrong(&self, key: &str, value: &SettingValue, problem: &str) -> String {
        self.problem(format_args!("[{key}] is [{}], but {problem}", value.to_text()))
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, String> {
        match self.entries.remove(key) {
            None => Ok(None),
            Some(SettingValue::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.wrong(key, other, "must be one text")),
        }
    }

    /// A list, or a text with commas between the items.
    pub(super) fn list(&mut self, key: &str) -> Result<Option<Vec<String>>, String> {
        let items = match self.entries.remove(key) {
            None | Some(SettingValue::Null) => return Ok(None),
            Some(SettingValue::List(items)) => items.clone(),
            Some(SettingValue::String(text)) => text
                .split(',')
                .map(|item| item.trim().to_owned())
                .filter(|item| !item.is_empty())
                .collect(),
        };
        self.bounded(key, items).map(Some)
    }

    /// A list of lines, or one line: its commas belong to it.
    pub(super) fn lines(&mut self, key: &str) -> Result<Option<Vec<String>>, String> {
        let items = match self.entries.remove(key) {
            None | Some(SettingValue::Null) => return Ok(None),
            Some(SettingValue::List(items)) => items.clone(),
            Some(SettingValue::String(text)) => vec![text.clone()],
        };
        self.bounded(key, items).map(Some)
    }

    fn bounded(&self, key: &str, items: Vec<String>) -> Result<Vec<String>, String> {
        if items.len() > MAX_ENTRIES {
            let problem = format!("[{key}] has {} entries, the limit is {MAX_ENTRIES}", items.len());
            return Err(self.problem(problem));
        }
        if items.iter().any(|item| item.len() > MAX_ENTRY_BYTES) {
            let problem = format!("[{key}] has an entry of more than {MAX_ENTRY_BYTES} bytes");
            return Err(self.problem(problem));
        }
        Ok(items)
    }

    /// A whole number not below `least`.
    pub(super) fn number(&mut self, key: &str, default: usize, least: usize) -> Result<usize, String> {
        let Some(value) = self.entries.remove(key) else {
            return Ok(default);
        };
        match value.to_text().trim().parse::<u32>() {
            Ok(number) if number as usize >= least => Ok(number as usize),
            _ => Err(self.wrong(
                key,
                value,
                &format!("must be a whole number, and not below {least}"),
            )),
        }
    }

    pub(super) fn flag(&mut self, key: &str, default: bool) -> Result<bool, String> {
        match self.entries.remove(key) {
            None => Ok(default),
            Some(SettingValue::String(text)) if text == "true" => Ok(true),
            Some(SettingValue::String(text)) if text == "false" => Ok(false),
            Some(other) => Err(self.wrong(key, other, "must be true or false")),
        }
    }

    /// A regular expression, not longer than patterns may be.
    pub(super) fn pattern(&mut self, key: &str, default: Option<&str>) -> Result<String, String> {
        let pattern = match (self.text(key)?, default) {
            (Some(pattern), _) => pattern,
            (None, Some(default)) => default.to_owned(),
            (None, None) => return Err(self.problem(format_args!("[{key}] is missing"))),
        };
        if pattern.len() > MAX_PATTERN_BYTES {
            let problem = format!("[{key}] is longer than {MAX_PATTERN_BYTES} bytes");
            return Err(self.problem(problem));
        }
        Ok(pattern)
    }

    /// Refuses a parameter whose value asks for what this version does not do.
    pub(super) fn only(&mut self, key: &str, value: &str) -> Result<(), String> {
        match self.entries.remove(key) {
            None => Ok(()),
            Some(given) if given.to_text() == value => Ok(()),
            Some(given) => Err(self.wrong(key, given, &format!("this version supports [{value}] only"))),
        }
    }

    /// Refuses what nobody took.
    pub(super) fn finish(self) -> Result<(), String> {
        match self.entries.keys().next() {
            None => Ok(()),
            Some(key) => Err(self.problem(format_args!("unknown parameter [{key}]"))),
        }
    }
}
