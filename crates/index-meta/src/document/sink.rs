//! What comes out of reading a document.

use std::net::IpAddr;

use serde_json::Value;

use crate::mapping::FieldMapping;

/// One value of one field, after coercion to the field's type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldValue<'a> {
    /// Full text, to be analyzed.
    Text(&'a str),
    /// An exact term, before the field's normalizer; the base64 text of a binary field.
    Keyword(&'a str),
    /// Any integer type.
    Long(i64),
    /// Any floating point type, rounded to the type's precision.
    Double(f64),
    /// True or false.
    Boolean(bool),
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Date(i64),
    /// An address.
    Ip(IpAddr),
}

/// Receives the values of a document.
pub trait FieldSink {
    /// One value of the field at `path`, the full path including a multi-field's name. Called once per value of an array.
    fn field(&mut self, path: &str, mapping: &FieldMapping, value: FieldValue<'_>);

    /// Whether values of the field are to be read; by default those that can be searched or sorted by, or tell that the field is there.
    fn wants(&self, mapping: &FieldMapping) -> bool {
        mapping.tells_existence()
    }

    /// A value of the field at `path` was skipped: malformed, or longer than `ignore_above`. What `_ignored` lists.
    fn ignored(&mut self, _path: &str) {}
}

/// A put-mapping body that adds the fields a document needs.
#[derive(Debug, Clone, PartialEq)]
pub struct MappingUpdate(pub(crate) Value);

impl MappingUpdate {
    /// The body.
    #[must_use]
    pub fn as_json(&self) -> &Value {
        &self.0
    }

    /// The body.
    #[must_use]
    pub fn into_json(self) -> Value {
        self.0
    }
}

/// Whether a document can be written under the mapping it was checked by.
#[derive(Debug, Clone, PartialEq)]
pub enum DocumentCheck {
    /// It can.
    Fits,
    /// It can once this update is merged; check it again then, for another writer may have been faster with another type.
    NeedsMapping(MappingUpdate),
}
