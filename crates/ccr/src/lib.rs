//! Cross-cluster replication: follower indices that pull every operation of a leader index in another cluster.
//!
//! What it does: creates follower indices by remote recovery, keeps their shard follow tasks running, serves other clusters as
//! a leader (changes, retention leases, recovery sessions, metadata), keeps the metadata of followers in step, and answers the
//! questions of the replication APIs. What it deliberately does not do: decide what a follow task reads, buffers or retries
//! (that is `follow-task`), store operations (that is `shard`), or know HTTP.
//!
//! Reading order: [`CcrService`] is the entry, [`FollowRequest`] and its siblings are what is asked of it, [`LeaderSide`] is what
//! other clusters ask of this one.
//!
//! Invariants kept here: TR-1 (nothing above the global checkpoint leaves the leader, `leader/changes.rs`), FT-3 (metadata before the
//! operations that need it, `follower/metadata_sync.rs`), FT-5 (a failed follower disturbs nothing else), IM-1 (metadata of a follower
//! changes only by sync), OL-4 on the leader's side (a lease is taken before the first byte is copied, `recovery/`).
//!
//! A follower's life in the words of this crate:
//!
//! ```text
//! follow -> index created (recovering) -> every shard: lease, session, files, install -> follow tasks
//! pause  -> follow tasks removed (parameters kept)      resume -> checked against the leader, tasks put back
//! damage -> tasks removed, lost shards recovering -> as above, for these shards alone -> all follow tasks
//! close + unfollow -> an ordinary index, leases removed  delete -> tasks removed by the reconciler
//! ```
//!
//! ```
//! let id = ccr::RetentionLeaseName {
//!     follower_cluster: "paris", follower_index: "orders-copy", follower_index_uuid: "F1",
//!     remote_cluster: "lisbon", leader_index: "orders", leader_index_uuid: "L1",
//! };
//! assert_eq!(id.to_string(), "paris/orders-copy/F1-following-lisbon/orders/L1");
//! ```
#![forbid(unsafe_code)]

mod actions;
mod auto_follow;
mod blocking;
mod follower;
mod leader;
mod lease_name;
mod mutant;
mod rate_limiter;
mod recovery;
mod service;
mod settings;
mod settings_watch;

pub use actions::auto_follow::{PreviewedIndex, PutAutoFollowPatternRequest};
pub use actions::follow::{FollowRequest, FollowResponse, WaitForActiveShards};
pub use actions::forget::{ForgetFollowerRequest, ForgetFollowerResponse};
pub use actions::info::FollowerInfo;
pub use actions::stats::IndexFollowStats;
pub use auto_follow::pattern::AutoFollowPattern;
pub use auto_follow::stats::{AutoFollowError, AutoFollowStats, AutoFollowedCluster};
pub use leader::{LeaderSide, RecoverySessions};
pub use lease_name::RetentionLeaseName;
pub use recovery::{RecoveryStage, ShardRecoveryStatus};
pub use service::{CcrDependencies, CcrService};
pub use settings::CcrSettings;
pub use settings_watch::check_cluster_settings;
