//! What an index says of all its documents.

/// How the documents of an index are read where its fields do not say it themselves, and how large they may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentRules {
    /// `index.mapping.coerce`: whether number fields take numbers that are texts, and cut fractions off.
    pub coerce: bool,
    /// `index.mapping.ignore_malformed`: whether values that do not fit are skipped instead of refusing the document.
    pub ignore_malformed: bool,
    /// `index.mapping.nested_objects.limit`: most objects in nested fields of one document.
    pub nested_objects: u64,
}

impl DocumentRules {
    /// Those of an index that says nothing, without a limit.
    pub const DEFAULT: Self = Self {
        coerce: true,
        ignore_malformed: false,
        nested_objects: u64::MAX,
    };
}
