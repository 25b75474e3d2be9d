//! Reading documents by a mapping.

mod sink;

pub use sink::{DocumentCheck, FieldSink, FieldValue, MappingUpdate};
