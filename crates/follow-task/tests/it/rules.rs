//! One rule per test. The scenarios are those of Elasticsearch's `ShardFollowNodeTaskTests`; a test says so where ours differs.

mod buffer;
mod fatal;
mod heal;
mod heal_failures;
mod heal_rig;
mod lease;
mod lifecycle;
mod memory;
mod metadata;
mod open_reads;
mod reads;
mod recovery;
mod retries;
mod status;
mod writes;
