//! `_source` filtering.

use std::sync::Arc;

use bytes::Bytes;
use es_exception::{Exception, ExceptionKind};
use serde_json::{Map, Value};

/// Which parts of a document's source are returned.
///
/// Source: Elasticsearch's source filtering: paths with `*`; an excluded path wins over an included one; a path that names an object takes
/// all of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SourceFilter {
    disabled: bool,
    includes: Arc<[String]>,
    excludes: Arc<[String]>,
}

impl SourceFilter {
    /// The whole source.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// No source at all.
    #[must_use]
    pub fn none() -> Self {
        Self {
            disabled: true,
            ..Self::default()
        }
    }

    /// The source with only `includes` (all if empty) and without `excludes`.
    #[must_use]
    pub fn new(includes: Vec<String>, excludes: Vec<String>) -> Self {
        Self {
            disabled: false,
            includes: includes.into(),
            excludes: excludes.into(),
        }
    }

    /// From the `_source` of a search: a bool, a path, a list of paths, or an object with `includes` and `excludes`.
    ///
    /// # Errors
    /// A `parsing_exception` for anything else.
    pub fn from_json(value: &Value) -> Result<Self, Exception> {
        match value {
            Value::Bool(true) => Ok(Self::all()),
            Value::Bool(false) => Ok(Self::none()),
            Value::String(_) | Value::Array(_) => Ok(Self::new(paths(value)?, Vec::new())),
            Value::Object(object) => {
                let mut filter = Self::all();
                for (key, value) in object {
                    match key.as_str() {
                        "includes" | "include" => filter.includes = paths(value)?.into(),
                        "excludes" | "exclude" => filter.excludes = paths(value)?.into(),
                        _ => return Err(malformed(format!("Unknown key for a VALUE_STRING in [{key}]."))),
                    }
                }
                Ok(filter)
            }
            other => Err(malformed(format!(
                "Expected one of [VALUE_BOOLEAN, START_OBJECT] but found [{other}]"
            ))),
        }
    }

    /// Whether the source is not returned at all.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.disabled
    }

    /// The filtered source; `None` when it is not returned at all. A source that passes whole is handed on byte for byte.
    ///
    /// # Errors
    /// When the source is not a JSON object.
    pub fn apply(&self, source: &Bytes) -> Result<Option<Bytes>, Exception> {
        if self.disabled {
            return Ok(None);
        }
        if self.includes.is_empty() && self.excludes.is_empty() {
            return Ok(Some(source.clone()));
        }
        let document: Value = serde_json::from_slice(source).map_err(|error| {
            Exception::new(ExceptionKind::Parsing, format!("source is not JSON: {error}"))
        })?;
        let Value::Object(object) = document else {
            return Ok(Some(source.clone()));
        };
        let filtered = self.filter_object("", &object);
        Ok(Some(Bytes::from(Value::Object(filtered).to_string())))
    }

    fn filter_object(&self, parent: &str, object: &Map<String, Value>) -> Map<String, Value> {
        let mut kept = Map::new();
        for (key, value) in object {
            let path = if parent.is_empty() {
                key.clone()
            } else {
                format!("{parent}.{key}")
            };
            if let Some(value) = self.filter_value(&path, value) {
                kept.insert(key.clone(), value);
            }
        }
        kept
    }

    fn filter_value(&self, path: &str, value: &Value) -> Option<Value> {
        if self.excludes.iter().any(|pattern| covers(pattern, path)) {
            return None;
        }
        let included = self.includes.is_empty() || self.includes.iter().any(|pattern| covers(pattern, path));
        match value {
            Value::Object(object) => {
                let kept = self.filter_object(path, object);
                (included || !kept.is_empty()).then_some(Value::Object(kept))
            }
            Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
                let kept: Vec<Value> = items
                    .iter()
                    .filter_map(|item| self.filter_value(path, item))
                    .collect();
                (included || !kept.is_empty()).then_some(Value::Array(kept))
            }
            other => included.then(|| other.clone()),
        }
    }
}

/// Whether `pattern` matches the path or one of its parents.
fn covers(pattern: &str, path: &str) -> bool {
    let mut end = path.len();
    loop {
        if wildcard_match(pattern, &path[..end]) {
            return true;
        }
        match path[..end].rfind('.') {
            Some(dot) => end = dot,
            None => return false,
        }
    }
}

/// Whether `text` matches `pattern`, where `*` stands for any characters.
pub(crate) fn wildcard_match(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(position) => text = &text[position + part.len()..],
            None => return false,
        }
    }
    text.len() >= last.len() && text.ends_with(last)
}

fn paths(value: &Value) -> Result<Vec<String>, Exception> {
    match value {
        Value::String(path) => Ok(path.split(',').map(str::to_owned).collect()),
        Value::Array(items) => items
            .iter()
            .map(|item| {
                item.as_str()
                    .map(str::to_owned)
                    .ok_or_else(|| malformed(format!("Unknown key for a [{item}] in [_source].")))
            })
            .collect(),
        other => Err(malformed(format!("Unknown key for a [{other}] in [_source]."))),
    }
}

fn malformed(reason: String) -> Exception {
    Exception::new(ExceptionKind::Parsing, reason)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(filter: Value, expected: Option<Value>) {
        let source =
            Bytes::from(json!({"a": {"b": 1, "c": [2, 3]}, "d": [{"e": 1}, {"f": 2}], "g": "x"}).to_string());
        let filtered = SourceFilter::from_json(&filter).unwrap().apply(&source).unwrap();
        let read: Option<Value> = filtered.map(|bytes| serde_json::from_slice(&bytes).unwrap());
        assert_eq!(read, expected, "{filter}");
    }

    #[test]
    fn includes_and_excludes_select_paths() {
        check(json!(false), None);
        check(json!("a.b"), Some(json!({"a": {"b": 1}})));
        check(
            json!(["a", "g"]),
            Some(json!({"a": {"b": 1, "c": [2, 3]}, "g": "x"})),
        );
        check(
            json!({"includes": ["a.*"], "excludes": ["*.c"]}),
            Some(json!({"a": {"b": 1}})),
        );
        check(json!({"excludes": ["a", "d"]}), Some(json!({"g": "x"})));
        check(json!("d.e"), Some(json!({"d": [{"e": 1}]})));
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("a*c", "abc", true),
            ("*", "", true),
            ("a*", "b", false),
            ("a*b*c", "a-b-b-c", true),
            ("*aa", "a", false),
        ] {
            assert_eq!(wildcard_match(pattern, text), expected, "{pattern} {text}");
        }
    }
}
