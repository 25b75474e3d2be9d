//! Mappings: the tree of fields, its JSON form, and merging.

mod field;
mod tree;

pub use field::{FieldMapping, FieldType};
pub use tree::{Dynamic, Mapping, MappingLimits};
