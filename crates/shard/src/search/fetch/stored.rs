//! `stored_fields`.

use es_exception::{Exception, ExceptionKind};
use serde_json::Value;

/// What `stored_fields` asks for. Only the source is stored: other names are skipped, as Elasticsearch skips fields that are not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredFields {
    /// `_none_`: not even the id and the routing.
    None,
    /// Names.
    Named {
        /// Whether `_source` is one of them.
        source: bool,
    },
}

impl StoredFields {
    /// From the `stored_fields` of a search: a name or a list of names.
    ///
    /// # Errors
    /// A `parsing_exception` for anything else; `illegal_argument_exception` for `_none_` beside other names.
    pub fn from_json(value: &Value) -> Result<Self, Exception> {
        let malformed = |value: &Value| {
            Exception::new(
                ExceptionKind::Parsing,
                format!("[stored_fields] must be a name or a list of names, got [{value}]"),
            )
        };
        let names: Vec<&str> = match value {
            Value::String(name) => vec![name],
            Value::Array(items) => items
                .iter()
                .map(|item| item.as_str().ok_or_else(|| malformed(item)))
                .collect::<Result<_, _>>()?,
            other => return Err(malformed(other)),
        };
        Self::of(&names)
    }

    /// From names.
    ///
    /// # Errors
    /// `illegal_argument_exception` for `_none_` beside other names.
    pub fn of(names: &[&str]) -> Result<Self, Exception> {
        match names {
            ["_none_"] => Ok(Self::None),
            names if names.contains(&"_none_") => Err(Exception::illegal_argument(
                "cannot combine _none_ with other fields",
            )),
            names => Ok(Self::Named {
                source: names.contains(&"_source"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_say_whether_the_source_is_wanted() {
        for (value, expected) in [
            (json!("_none_"), Some(StoredFields::None)),
            (json!(["_none_"]), Some(StoredFields::None)),
            (
                json!(["a", "_source"]),
                Some(StoredFields::Named { source: true }),
            ),
            (json!([]), Some(StoredFields::Named { source: false })),
            (json!("*"), Some(StoredFields::Named { source: false })),
            (json!(["_none_", "a"]), None),
            (json!({"a": 1}), None),
        ] {
            assert_eq!(StoredFields::from_json(&value).ok(), expected, "{value}");
        }
    }
}
