//! Templates: what indices get at their creation when their names match, and the rules by which it is composed.
//!
//! A component template is a building block, an index template names patterns, building blocks, and content of its own; legacy templates are the kind
//! from before, which apply where no index template does. [`Templates`] is all of them as one value. Putting and removing checks that what is left goes together, so a stored template always composes.

mod compose;
mod error;
mod json;
mod legacy;
mod mappings;
mod model;
mod pattern;
mod store;
mod validate;

pub use compose::{BackingIndexTemplate, Composition, NewIndex};
pub use error::{TemplateError, TemplateKind};
pub use legacy::LegacyTemplate;
pub use model::{ComponentTemplate, DataStreamTemplate, IndexTemplate, TemplateContent};
pub use pattern::matches_wildcard;
pub use store::Templates;
