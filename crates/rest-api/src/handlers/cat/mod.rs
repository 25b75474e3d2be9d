//! The cat APIs: tables for people.

mod aliases;
mod allocation;
mod cluster;
mod count;
mod health;
mod indices;
mod list;
mod nodes;
mod recovery;
mod segments;
mod shards;
mod table;
mod tasks;
mod templates;
mod thread_pool;

pub(crate) use aliases::aliases;
pub(crate) use allocation::allocation;
pub(crate) use cluster::{master, node_attributes, pending_tasks, plugins};
pub(crate) use count::count;
pub(crate) use health::health;
pub(crate) use indices::indices;
pub(crate) use list::list;
pub(crate) use nodes::nodes;
pub(crate) use recovery::recovery;
pub(crate) use segments::segments;
pub(crate) use shards::shards;
pub(crate) use table::CAT;
pub(crate) use tasks::{TASKS, tasks};
pub(crate) use templates::templates;
pub(crate) use thread_pool::thread_pool;
