//! Remote recovery: a follower shard begins as a copy of its leader's files.
//!
//! Per shard: retention lease, recovery session on the leader, files in checksummed chunks, mapping, install. Per index: all
//! shards, then the follow tasks. A recovery that fails for a reason that may pass is tried again from the start.
//!
//! Shards of a follower that turn out damaged, or gone, are recovered again by the same means (`rebuild`).

mod bootstrap;
mod file_copy;
mod files;
mod lease_keeper;
mod progress;
mod rebuild;
mod shard_recovery;

pub(crate) use bootstrap::{BootstrapDeps, BootstrapOutcome, Bootstraps};
pub use progress::{RecoveryStage, ShardRecoveryStatus};
pub(crate) use rebuild::{Rebuilds, lost_shards};
