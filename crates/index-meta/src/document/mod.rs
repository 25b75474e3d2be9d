//! Reading documents by a mapping.

mod derive;
mod reader;
mod rules;
mod scalar;
mod sink;
mod values;

pub(crate) use reader::{check, visit};
pub use rules::DocumentRules;
pub(crate) use scalar::{Scalar, Skipped, parse_ip, read_scalar, round_to_type};
pub use sink::{DocumentCheck, FieldSink, FieldValue, MappingUpdate};
