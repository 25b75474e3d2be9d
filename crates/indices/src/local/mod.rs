//! The shards on this node, kept in line with cluster state.

mod advice;
mod reconciler;
mod registry;
mod retry;

pub(crate) use reconciler::{Reconciler, broke_off, open_failure, shard_config};
pub(crate) use registry::LocalShards;
pub(crate) use retry::RetrySchedule;
