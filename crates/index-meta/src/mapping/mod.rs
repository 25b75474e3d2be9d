//! Mappings: the tree of fields, its JSON form, and merging.

mod dynamic_template;
mod field;
mod merge;
mod object;
mod parameters;
mod parse;
mod tree;

pub(crate) use dynamic_template::DetectedType;
pub(crate) use field::OwnedValue;
pub use field::{FieldMapping, FieldType};
pub(crate) use object::{MAX_DEPTH, Node, ObjectNode, split_name};
pub(crate) use tree::TIMESTAMP_OPTION;
pub use tree::{Dynamic, Mapping, MappingLimits};
