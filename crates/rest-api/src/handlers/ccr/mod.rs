//! The cross-cluster replication APIs.

mod follow;
mod forget_follower;
mod info;
mod lifecycle;
mod parameters;
mod shard_stats;
mod stats;

pub(crate) use follow::follow;
pub(crate) use forget_follower::forget_follower;
pub(crate) use info::info;
pub(crate) use lifecycle::{pause_follow, resume_follow, unfollow};
pub(crate) use shard_stats::{seq_no, shard_stats};
pub(crate) use stats::{follow_stats, stats};
