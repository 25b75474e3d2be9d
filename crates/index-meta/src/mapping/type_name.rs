//! The names of types in mappings. Some are another name of a type.

use super::FieldType;

/// Types that are another type here, whose documents differ in nothing that a search finds.
///
/// Source: Elasticsearch's families of types. `wildcard` is a keyword with an index made for patterns, which finds the same;
/// `match_only_text` is a text that gives up relevance and fast phrases for space.
const OTHER_NAMES: [(&str, FieldType); 2] = [
    ("match_only_text", FieldType::Text),
    ("wildcard", FieldType::Keyword),
];

/// A type, as a mapping names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TypeName {
    pub(crate) name: &'static str,
    pub(crate) field_type: FieldType,
}

impl TypeName {
    /// The type with this name in mappings.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let named = |field_type: FieldType| Self {
            name: field_type.name(),
            field_type,
        };
        let other = OTHER_NAMES.iter().find(|(other, _)| *other == name);
        FieldType::from_name(name).map(named).or_else(|| {
            other.map(|(name, field_type)| Self {
                name,
                field_type: *field_type,
            })
        })
    }

    /// Every name of a field's type.
    pub(crate) fn all() -> impl Iterator<Item = &'static str> {
        let names = FieldType::ALL.iter().map(|field_type| field_type.name());
        names.chain(OTHER_NAMES.map(|(name, _)| name))
    }
}
