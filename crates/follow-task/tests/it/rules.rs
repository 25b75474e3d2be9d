//! One rule per test. The scenarios are those of Elasticsearch's `ShardFollowNodeTaskTests`; a test says so where ours differs.

mod lease;
mod lifecycle;
mod metadata;
mod reads;
mod recovery;
mod retries;
mod writes;
