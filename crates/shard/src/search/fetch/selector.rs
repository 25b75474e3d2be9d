//! The entries of `fields` and `docvalue_fields`.

use es_exception::{Exception, ExceptionKind};
use serde_json::Value;

/// One entry: which fields, and how their values are written.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldSelector {
    /// A path, or a pattern with `*`.
    pub pattern: String,
    /// The format of dates; that of the field without one.
    pub format: Option<String>,
    /// Whether fields that are not mapped are taken from the source as they are.
    pub include_unmapped: bool,
}

impl FieldSelector {
    /// The field of this name in its own format.
    #[must_use]
    pub fn of(pattern: &str) -> Self {
        Self {
            pattern: pattern.to_owned(),
            format: None,
            include_unmapped: false,
        }
    }

    pub(super) fn is_pattern(&self) -> bool {
        self.pattern.contains('*')
    }
}

/// Most entries of one request. Source: the default of Elasticsearch's bound on `docvalue_fields`, taken for both with room for more.
const MAX_SELECTORS: usize = 1_000;

/// Reads the list of `key`: names, or objects with `field`, `format` and, in `fields`, `include_unmapped`.
pub(in crate::search) fn parse_selectors(key: &str, value: &Value) -> Result<Vec<FieldSelector>, Exception> {
    let Value::Array(items) = value else {
        return Err(malformed(format!("[{key}] must be an array, got [{value}]")));
    };
    if items.len() > MAX_SELECTORS {
        return Err(Exception::illegal_argument(format!(
            "[{key}] has more than [{MAX_SELECTORS}] entries"
        )));
    }
    items.iter().map(|item| parse_selector(key, item)).collect()
}

fn parse_selector(key: &str, value: &Value) -> Result<FieldSelector, Exception> {
    let object = match value {
        Value::String(name) => return Ok(FieldSelector::of(name)),
        Value::Object(object) => object,
        other => {
            return Err(malformed(format!(
                "[{key}] an entry must be a name or an object, got [{other}]"
            )));
        }
    };
    let mut selector = FieldSelector::of("");
    for (name, value) in object {
        match (name.as_str(), value) {
            ("field", Value::String(field)) => selector.pattern.clone_from(field),
            ("format", Value::Null) => {}
            // Source: another name for the field's own format.
            ("format", Value::String(format)) => {
                selector.format = Some(format.clone()).filter(|format| format != "use_field_mapping");
            }
            ("include_unmapped", Value::Bool(flag)) if key == "fields" => selector.include_unmapped = *flag,
            _ => {
                return Err(malformed(format!(
                    "[{key}] unknown or malformed field [{name}] of an entry: [{value}]"
                )));
            }
        }
    }
    if selector.pattern.is_empty() {
        return Err(malformed(format!("[{key}] an entry requires a [field]")));
    }
    Ok(selector)
}

fn malformed(reason: String) -> Exception {
    Exception::new(ExceptionKind::Parsing, reason)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_are_names_or_objects() {
        let read = parse_selectors(
            "fields",
            &json!(["a", {"field": "b.*", "format": "yyyy", "include_unmapped": true}]),
        )
        .unwrap();
        assert_eq!(read[0], FieldSelector::of("a"));
        assert_eq!(read[1].format.as_deref(), Some("yyyy"));
        assert!(read[1].include_unmapped && read[1].is_pattern());
        let legacy = parse_selectors(
            "docvalue_fields",
            &json!([{"field": "a", "format": "use_field_mapping"}]),
        );
        assert_eq!(legacy.unwrap(), [FieldSelector::of("a")]);
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for (key, bad) in [
            ("fields", json!("a")),
            ("fields", json!([1])),
            ("fields", json!([{"format": "x"}])),
            ("fields", json!([{"field": "a", "nope": 1}])),
            (
                "docvalue_fields",
                json!([{"field": "a", "include_unmapped": true}]),
            ),
        ] {
            assert!(parse_selectors(key, &bad).is_err(), "{bad}");
        }
    }
}
