//! The fields of one document whose mapping says that they are stored.
//!
//! Nothing but the source is stored: their values are read from it, as they would have been written.

use std::collections::BTreeMap;

use es_exception::{Exception, ExceptionKind};
use index_meta::{DocumentRules, FieldMapping, FieldSink, FieldType, FieldValue, Mapping};
use serde_json::{Map, Value};

use crate::Shard;
use crate::analysis::Analyzers;

impl Shard {
    /// The values of those of the named fields that are stored, as lists. Names of other fields are passed over.
    ///
    /// Source: the `stored_fields` of Elasticsearch's get API.
    ///
    /// # Errors
    /// `illegal_argument_exception` for the name of an object, `parsing_exception` if the source is no JSON object.
    pub fn stored_fields(&self, source: &[u8], names: &[String]) -> Result<Map<String, Value>, Exception> {
        if names.is_empty() {
            return Ok(Map::new());
        }
        let (mapping, rules) = (self.mapping(), self.settings().document_rules());
        read(&mapping, rules, self.view.analyzers(), source, names)
    }
}

fn read(
    mapping: &Mapping,
    rules: DocumentRules,
    analyzers: &Analyzers,
    source: &[u8],
    names: &[String],
) -> Result<Map<String, Value>, Exception> {
    let objects = mapping.objects();
    if let Some(name) = names
        .iter()
        .find(|name| objects.iter().any(|(path, _)| path == name))
    {
        return Err(Exception::illegal_argument(format!(
            "field [{name}] isn't a leaf field"
        )));
    }
    let is_nested = |path: &str| {
        objects.iter().any(|(object, is_nested)| {
            *is_nested
                && path
                    .strip_prefix(object)
                    .is_some_and(|rest| rest.starts_with('.'))
        })
    };
    let stored = names.iter().filter(|name| {
        // Source: nested objects are documents of their own, with their own stored fields.
        mapping.field(name).is_some_and(FieldMapping::is_stored) && !is_nested(name)
    });
    let mut reading = Reading {
        analyzers,
        values: stored.map(|name| (name.as_str(), Vec::new())).collect(),
    };
    if reading.values.is_empty() {
        return Ok(Map::new());
    }
    mapping
        .visit_document(source, rules, &mut reading)
        .map_err(|error| Exception::new(ExceptionKind::Parsing, format!("source cannot be read: {error}")))?;
    let with_values = reading
        .values
        .into_iter()
        .filter(|(_, values)| !values.is_empty());
    Ok(with_values
        .map(|(name, values)| (name.to_owned(), Value::Array(values)))
        .collect())
}

struct Reading<'a> {
    analyzers: &'a Analyzers,
    values: BTreeMap<&'a str, Vec<Value>>,
}

impl FieldSink for Reading<'_> {
    fn wants(&self, mapping: &FieldMapping) -> bool {
        self.values.contains_key(mapping.path())
    }

    fn field(&mut self, path: &str, mapping: &FieldMapping, value: FieldValue<'_>) {
        let analyzers = self.analyzers;
        if let Some(values) = self.values.get_mut(path) {
            values.push(shown(mapping, value, analyzers));
        }
    }
}

fn shown(mapping: &FieldMapping, value: FieldValue<'_>, analyzers: &Analyzers) -> Value {
    match value {
        FieldValue::Keyword(text) if mapping.field_type() == FieldType::Keyword => {
            analyzers.normalize(mapping, text).into_owned().into()
        }
        FieldValue::Text(text) | FieldValue::Keyword(text) => text.into(),
        FieldValue::Long(number) => number.into(),
        // As few digits as tell it from other 32-bit numbers: 0.1 and not 0.10000000149011612.
        FieldValue::Double(number)
            if matches!(mapping.field_type(), FieldType::Float | FieldType::HalfFloat) =>
        {
            let short = (number as f32).to_string();
            short.parse().unwrap_or(number).into()
        }
        FieldValue::Double(number) => number.into(),
        FieldValue::Boolean(flag) => flag.into(),
        FieldValue::Date(millis) => mapping.format().format_millis(millis).into(),
        FieldValue::Ip(address) => address.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stored_fields_are_read_from_the_source() {
        let field = |definition: &str, more: &str| -> Value {
            serde_json::from_str(&format!(r#"{{"type": "{definition}", "store": true{more}}}"#)).unwrap()
        };
        let mapping = Mapping::from_json(&json!({"properties": {
            "k": field("keyword", r#", "normalizer": "lowercase""#), "t": field("text", ""), "f": field("float", ""),
            "d": field("date", r#", "format": "yyyy-MM-dd||epoch_millis""#), "b": field("boolean", ""), "ip": field("ip", ""),
            "raw": field("binary", ""), "plain": {"type": "long"},
            "o": {"properties": {"n": field("long", r#", "index": false, "doc_values": false"#)}},
            "u": {"type": "nested", "properties": {"n": field("long", "")}}
        }}))
        .unwrap();
        let source = json!({
            "k": ["B", "a"], "t": "Some text", "f": "0.1", "d": 0, "b": "true", "ip": "10.0.0.1", "raw": "aGk=", "plain": 1, "o": [{"n": 2}, {"n": 1}],
            "u": {"n": 1}
        })
        .to_string();
        let stored = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let analyzers = Analyzers::plain();
            read(
                &mapping,
                DocumentRules::DEFAULT,
                &analyzers,
                source.as_bytes(),
                &names,
            )
            .map(Value::Object)
            .map_err(|error| error.to_string())
        };
        for (names, expected) in [
            (&["k", "t"][..], json!({"k": ["b", "a"], "t": ["Some text"]})),
            (
                &["f", "d", "b", "ip"],
                json!({"f": [0.1], "d": ["1970-01-01"], "b": [true], "ip": ["10.0.0.1"]}),
            ),
            (&["raw", "o.n", "raw"], json!({"raw": ["aGk="], "o.n": [2, 1]})),
            (&["plain", "nowhere", "_routing", "_source", "u.n"], json!({})),
            (&[], json!({})),
        ] {
            assert_eq!(stored(names), Ok(expected), "{names:?}");
        }
        let refused = stored(&["k", "o"]).unwrap_err();
        assert!(refused.contains("field [o] isn't a leaf field"), "{refused}");
    }
}
