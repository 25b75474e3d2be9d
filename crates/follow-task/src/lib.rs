//! The shard follow task: a pure state machine that plans reads, buffers, writes and retries, and its driver.
#![forbid(unsafe_code)]

mod backoff;
mod buffer;
mod credit;
mod cursor;
mod driver;
mod event;
mod follower;
mod handle;
mod ids;
mod inflight_budget;
mod lag;
mod lease;
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
pub use event::{Action, Event, MetadataKind};
pub use handle::FollowTaskHandle;
pub use ids::{BudgetId, LeaseRequestId, MetadataId, ReadId, StateId, WriteId};
pub use inflight_budget::{BudgetMember, DEFAULT_MAX_INFLIGHT_BYTES, InflightBudget};
pub use parameters::{FollowParameters, RawFollowParameters};
pub use ports::{
    AppendResponse, FollowerShard, FollowerState, LeaderShard, MetadataSync, ReadRequest, ReadResponse,
};
pub use status::{FollowTaskIdentity, FollowTaskPhase, ReadException, ShardFollowTaskStatus};
pub use task::{DEFAULT_RETENTION_LEASE_RENEW_INTERVAL, FollowTask, FollowTaskConfig};
pub use time::Timestamp;

/// Largest read that needs no grant from the [`InflightBudget`]: a poll at the end, or the read that fills the lowest gap.
pub const LOWEST_READ_SIZE: ByteCount = ByteCount::from_mib(1);
