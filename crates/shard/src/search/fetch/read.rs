//! Reading the values of some fields out of a source.

use std::collections::HashMap;
use std::net::IpAddr;

use es_exception::{Exception, ExceptionKind};
use index_meta::{DocumentRules, FieldMapping, FieldSink, FieldValue, Mapping};

/// A value of a field, as the mapping reads it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::search) enum StoredValue {
    /// Text, and keywords before their normalizer.
    Text(String),
    Long(i64),
    Double(f64),
    Boolean(bool),
    Date(i64),
    Ip(IpAddr),
}

struct Reading<'p> {
    places: &'p HashMap<String, usize>,
    values: Vec<Vec<StoredValue>>,
}

impl FieldSink for Reading<'_> {
    fn wants(&self, mapping: &FieldMapping) -> bool {
        self.places.contains_key(mapping.path())
    }

    fn field(&mut self, path: &str, _mapping: &FieldMapping, value: FieldValue<'_>) {
        let Some(values) = self
            .places
            .get(path)
            .and_then(|place| self.values.get_mut(*place))
        else {
            return;
        };
        values.push(match value {
            FieldValue::Text(text) | FieldValue::Keyword(text) => StoredValue::Text(text.to_owned()),
            FieldValue::Long(number) => StoredValue::Long(number),
            FieldValue::Double(number) => StoredValue::Double(number),
            FieldValue::Boolean(flag) => StoredValue::Boolean(flag),
            FieldValue::Date(millis) => StoredValue::Date(millis),
            FieldValue::Ip(address) => StoredValue::Ip(address),
        });
    }
}

/// The values of the fields with these paths, each at its place. Multi-fields and the targets of `copy_to` have the values that they are indexed
/// with.
///
/// # Errors
/// `parsing_exception` if the source is no JSON object.
pub(in crate::search) fn read_values(
    mapping: &Mapping,
    rules: DocumentRules,
    source: &[u8],
    places: &HashMap<String, usize>,
) -> Result<Vec<Vec<StoredValue>>, Exception> {
    let mut reading = Reading {
        places,
        values: vec![Vec::new(); places.len()],
    };
    mapping
        .visit_document(source, rules, &mut reading)
        .map_err(|error| Exception::new(ExceptionKind::Parsing, format!("source cannot be read: {error}")))?;
    Ok(reading.values)
}
