//! The shard follow task: a pure state machine that plans reads, buffers, writes and retries, and its driver.
//!
//! A task pulls the operations of one leader shard and appends them to one follower shard, in order and without gaps. It deliberately knows
//! no network, no storage and no mapping: those are behind [`LeaderShard`], [`FollowerShard`] and [`MetadataSync`], which a higher layer
//! implements. It persists nothing; a new task asks the follower where it stands.
//!
//! Reading order: [`FollowParameters`], [`LeaderShard`] and its siblings, [`Event`] and [`Action`], [`FollowTask`], [`FollowTaskDriver`],
//! [`FollowTaskHandle`], [`InflightBudget`].
//!
//! Behavior follows Elasticsearch's `ShardFollowNodeTask` (reads in disjoint ranges, one long poll at the end, leftovers of short answers, retries
//! for ever, a fatal failure that stays visible), with these differences:
//!
//! - The follower takes batches in seq_no order only. So the read that fills the lowest gap is sent however full the buffer is, and after a
//!   failed write the follower is asked where it stands before anything is sent again; what it lost meanwhile is read again.
//! - Pauses are capped by `max_retry_delay`. The retention lease is renewed at the start too, not only 30 s later.
//! - A stopped task gives its memory back; counters and the reason stay.
//! - Answers are checked and cut to what was asked for. Malformed ones are retried.
//! - A poll that failed is sent again with a short timeout, so that the lag is soon known again; other reads are repeated as they were.
//! - Operations that the leader has removed are got over by a delta heal, unless it is switched off.
//! - Memory for an answer is set aside before it is asked for, out of a budget that all tasks of the node share, and lag is shown as a time.
//!
//! The driver tells the log its start and stop, a fatal failure, and once each time that something begins to fail, fails for another reason, or
//! recovers; warnings of one task come at least 30 s apart.
//!
//! Invariants kept (`docs/architecture.md`): FT-1 an operation is applied once, in order, none skipped; FT-2 memory is bounded by the
//! configured bytes; FT-3 an operation is applied only under a mapping new enough; FT-4 after faults end, lag returns to 0; FT-5 a fatal
//! state is kept and visible and disturbs nothing else. [`FollowTask::check_invariants`] runs after every step under debug assertions.
//!
//! ```
//! use std::time::Duration;
//! use follow_task::{Action, Event, FollowParameters, FollowTask, FollowTaskConfig, FollowTaskIdentity, Timestamp};
//!
//! let mut task = FollowTask::new(FollowTaskConfig {
//!     identity: FollowTaskIdentity {
//!         remote_cluster: "paris".into(),
//!         leader_index: "orders".into(),
//!         follower_index: "orders-copy".into(),
//!         shard_id: oplog::ShardNumber::new(0),
//!     },
//!     parameters: FollowParameters::default(),
//!     seed: 1,
//!     retention_lease_renew_interval: Duration::from_secs(30),
//!     auto_heal: true,
//! });
//! let mut actions = Vec::new();
//! task.step(Timestamp::default(), Event::Wake, &mut actions);
//! assert!(matches!(actions[..], [Action::QueryFollowerState { .. }]));
//! ```
#![forbid(unsafe_code)]

mod answer;
mod backoff;
mod buffer;
mod catch_up;
mod credit;
mod cursor;
mod driver;
mod event;
mod follower;
mod handle;
mod heal;
mod ids;
mod inflight_budget;
mod lag;
mod lease;
mod log;
mod metadata;
mod parameters;
mod ports;
mod reads;
mod status;
mod task;
#[cfg(test)]
mod test_frames;
mod time;
mod time_value;
mod writes;

use oplog::ByteCount;

pub use driver::{FollowTaskDriver, FollowTaskPorts};
pub use event::{Action, Event, HealOutcome, HealWork, MetadataKind};
pub use handle::FollowTaskHandle;
pub use ids::{BudgetId, HealId, LeaseRequestId, MetadataId, ReadId, StateId, WriteId};
pub use inflight_budget::{BudgetMember, BudgetRequest, DEFAULT_MAX_INFLIGHT_BYTES, InflightBudget};
pub use parameters::{FollowParameters, RawFollowParameters};
pub use ports::{
    AppendResponse, FollowerShard, FollowerState, HeldReadRequest, HeldReadResponse, LeaderShard,
    LiveSetResponse, MetadataSync, MetadataVersions, ReadRequest, ReadResponse,
};
pub use status::{
    FollowTaskIdentity, FollowTaskPhase, HealStage, HealStatus, MetadataException, ReadException,
    ShardFollowTaskStatus,
};
pub use task::{DEFAULT_RETENTION_LEASE_RENEW_INTERVAL, FollowTask, FollowTaskConfig};
pub use time::Timestamp;

/// A read is given at least this much memory, if it wants that much and the [`InflightBudget`] is not tiny; a poll begins with no more.
pub const LOWEST_READ_SIZE: ByteCount = ByteCount::from_mib(1);
