//! The cross-cluster replication APIs.

mod auto_follow;
mod follow;
mod forget_follower;
mod info;
mod lifecycle;
mod parameters;
mod shard_stats;
mod stats;
mod usage;

pub(crate) use auto_follow::{
    delete_auto_follow_pattern, get_auto_follow_pattern, pause_auto_follow_pattern, preview_auto_follow,
    put_auto_follow_pattern, resume_auto_follow_pattern,
};
pub(crate) use follow::follow;
pub(crate) use forget_follower::forget_follower;
pub(crate) use info::info;
pub(crate) use lifecycle::{pause_follow, resume_follow, unfollow};
pub(crate) use shard_stats::{seq_no, shard_stats};
pub(crate) use stats::{follow_stats, stats};
pub(crate) use usage::usage;
