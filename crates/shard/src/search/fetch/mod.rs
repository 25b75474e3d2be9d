//! What is returned of a hit's document beside its source: the values of fields, read from the source by the mapping.
//!
//! Nothing but the source is stored. So `fields` and `docvalue_fields` read the same values, each in its own form.

mod documents;
mod nested;
mod plan;
mod read;
mod selector;
mod shown;
mod stored;
mod unmapped;

use plan::FetchPlan;
pub(super) use read::{StoredValue, read_values};

pub use selector::FieldSelector;
pub(super) use selector::parse_selectors;
pub use stored::StoredFields;
