//! The tree of objects and fields.

use serde_json::Value;

use crate::document::{DocumentCheck, FieldSink};
use crate::error::{DocumentError, MappingError};
use crate::mapping::FieldMapping;

/// What becomes of a field that a document has and the mapping has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dynamic {
    /// It is added to the mapping.
    #[default]
    True,
    /// It stays in the source and is not searchable.
    False,
    /// The document is refused.
    Strict,
}

/// How large a mapping may grow; checked by [`Mapping::merge_within`] only, so that a stored mapping always loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappingLimits {
    /// Most fields and objects, multi-fields included (`index.mapping.total_fields.limit`).
    pub total_fields: u64,
    /// Most levels of objects, a field of the root being at level 1 (`index.mapping.depth.limit`).
    pub depth: u64,
    /// Most characters of a field's own name (`index.mapping.field_name_length.limit`).
    pub field_name_length: u64,
    /// Most nested objects (`index.mapping.nested_fields.limit`).
    pub nested_fields: u64,
}

impl Default for MappingLimits {
    fn default() -> Self {
        Self {
            total_fields: 1000,
            depth: 20,
            field_name_length: u64::MAX,
            nested_fields: 50,
        }
    }
}

/// What an index knows about its documents' fields. Immutable; share it by `Arc`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mapping {}

impl Mapping {
    /// The mapping of an index that has seen no document.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads a mapping from its JSON form, a put-mapping body.
    ///
    /// # Errors
    /// [`MappingError::Malformed`].
    pub fn from_json(_json: &Value) -> Result<Self, MappingError> {
        unimplemented!()
    }

    /// The mapping as Elasticsearch prints it; `{}` if nothing is mapped.
    #[must_use]
    pub fn to_json(&self) -> Value {
        unimplemented!()
    }

    /// This mapping with `update`, a put-mapping body, merged into it, under the default limits.
    ///
    /// # Errors
    /// As [`merge_within`](Self::merge_within).
    pub fn merge(&self, update: &Value) -> Result<Mapping, MappingError> {
        self.merge_within(update, &MappingLimits::default())
    }

    /// This mapping with `update`, a put-mapping body, merged into it.
    ///
    /// # Errors
    /// [`MappingError::Malformed`], [`MappingError::Conflict`], or [`MappingError::LimitExceeded`] if something new passes a limit.
    pub fn merge_within(&self, _update: &Value, _limits: &MappingLimits) -> Result<Mapping, MappingError> {
        unimplemented!()
    }

    /// The field with this full path, multi-fields included.
    #[must_use]
    pub fn field(&self, _path: &str) -> Option<&FieldMapping> {
        unimplemented!()
    }

    /// Every field, multi-fields included, sorted by level and name.
    #[must_use]
    pub fn fields(&self) -> Vec<&FieldMapping> {
        unimplemented!()
    }

    /// Whether nothing is mapped and nothing set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }

    /// Whether every write needs a routing (`_routing: {required: true}`).
    #[must_use]
    pub fn is_routing_required(&self) -> bool {
        unimplemented!()
    }

    /// Whether a document fits, or needs new fields first. For the leader's primary.
    ///
    /// # Errors
    /// Any [`DocumentError`]; also when the document would not fit its own new fields.
    pub fn check_document(&self, _source: &[u8]) -> Result<DocumentCheck, DocumentError> {
        unimplemented!()
    }

    /// Hands every value of a mapped field to `sink`, in document order. For the search view of every copy.
    ///
    /// Never derives a mapping: unmapped fields are skipped. Never fails on a value: what does not fit is skipped and told by
    /// [`FieldSink::ignored`], since the document was accepted under the mapping of its time.
    ///
    /// # Errors
    /// [`DocumentError::Malformed`] if the source is no JSON object.
    pub fn visit_document(&self, _source: &[u8], _sink: &mut dyn FieldSink) -> Result<(), DocumentError> {
        unimplemented!()
    }
}
