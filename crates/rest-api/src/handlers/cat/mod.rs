//! The cat APIs: tables for people.

mod aliases;
mod count;
mod health;
mod indices;
mod nodes;
mod recovery;
mod shards;
mod table;
mod templates;

pub(crate) use aliases::aliases;
pub(crate) use count::count;
pub(crate) use health::health;
pub(crate) use indices::indices;
pub(crate) use nodes::nodes;
pub(crate) use recovery::recovery;
pub(crate) use shards::shards;
pub(crate) use table::CAT;
pub(crate) use templates::templates;
