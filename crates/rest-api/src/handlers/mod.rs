//! The handlers, one file per family of endpoints.

pub(crate) mod aliases;
pub(crate) mod analyze;
pub(crate) mod by_query;
pub(crate) mod cat;
pub(crate) mod ccr;
pub(crate) mod cluster_health;
pub(crate) mod cluster_settings;
pub(crate) mod cluster_state;
pub(crate) mod data_streams;
pub(crate) mod document;
pub(crate) mod index_admin;
pub(crate) mod index_metadata;
pub(crate) mod node_filter;
pub(crate) mod nodes;
pub(crate) mod recovery;
pub(crate) mod remote_info;
pub(crate) mod resolve;
pub(crate) mod resolve_cluster;
pub(crate) mod rollover;
pub(crate) mod root;
pub(crate) mod search;
mod shard_table;
pub(crate) mod stats;
pub(crate) mod targets;
pub(crate) mod tasks;
pub(crate) mod templates;
