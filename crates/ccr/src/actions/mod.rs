//! What users ask of replication, one call each.

pub(crate) mod auto_follow;
pub(crate) mod follow;
pub(crate) mod forget;
pub(crate) mod info;
pub(crate) mod pause;
pub(crate) mod resume;
pub(crate) mod stats;
pub(crate) mod unfollow;
pub(crate) mod validation;
