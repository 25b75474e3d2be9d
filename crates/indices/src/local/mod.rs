//! The shards on this node, kept in line with cluster state.

mod reconciler;
mod registry;

pub(crate) use reconciler::{Reconciler, shard_config};
pub(crate) use registry::LocalShards;
