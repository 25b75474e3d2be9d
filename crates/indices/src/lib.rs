//! The indices of a node: their life cycle, and document and search operations over their shards.
//!
//! [`IndicesService`] keeps the shards of this node in line with cluster state: it creates, opens, closes and deletes them, and hands
//! them new mappings and settings. Callers change cluster state through it and read and write documents by index name; it finds the shards.
//!
//! This crate deliberately does not know HTTP or replication between clusters: what replication needs (bootstrapping a follower from copied files,
//! changing what a follower copies) is offered as methods, without a word about where files and metadata come from.
//!
//! Reading order: [`IndicesService`], [`CreateIndex`], [`BulkItem`], [`SearchOptions`], [`NewFollowerIndex`], [`ShardState`].
//!
//! Invariants:
//! - A shard takes its first operation only after cluster state says that it exists; from then on it is never created anew.
//! - A directory is deleted only when cluster state says that its index was deleted.
//! - Operations of one bulk request on one document take effect in the order of the request.
//! - A write is answered only after it is durable as its index asks for, and under a mapping that holds all of its fields.
//! - A disk that is too full, or takes no writes, refuses writes by a block that ends by itself; reads go on.
#![forbid(unsafe_code)]

mod analyze;
mod auto_id;
mod background;
mod bulk;
mod by_query;
mod by_query_control;
mod closed_change;
mod config;
mod data_streams;
mod disk_monitor;
mod follower;
mod gauges;
mod get;
mod inner_hits;
mod life_cycle;
mod local;
mod maintenance;
mod medium;
mod new_index;
mod pressure;
mod reader_context;
mod request;
mod resolve;
mod resolve_index;
mod rollover;
mod routing;
mod search;
mod segments;
mod service;
mod settings;
mod top_hits;
mod validate;

pub use by_query::{ByQueryAction, ByQueryRequest, ByQueryResponse};
pub use by_query_control::{ByQueryControl, ByQueryStatus};
pub use cluster::Origin;
pub use config::IndicesConfig;
pub use data_streams::DataStreamInfo;
pub use disk_monitor::{DiskSpace, DiskUsage, FsDiskSpace, UnlimitedDiskSpace};
pub use index_meta::matches_wildcard;
pub use pressure::{IndexingPressureStats, WorkPool};
pub use reader_context::ContinuedSearch;
pub use request::{
    BucketHits, BulkAction, BulkItem, BulkItemResponse, BulkResponse, CountResponse, CreateIndex, Document,
    DocumentResponse, DocumentResult, GetOptions, GetResponse, IndexStats, InnerHits, MultiGetItem,
    NewFollowerIndex, RefreshPolicy, ResolveOptions, SearchAggregations, SearchHit, SearchOptions,
    SearchResponse, ShardCounts, ShardFailure, ShardState, ShardStatus, ShardSummary, ShardsAcknowledged,
    UpdateRequest,
};
pub use resolve_index::ResolvedNames;
pub use rollover::{RolloverCondition, RolloverOutcome, RolloverRequest};
pub use routing::{routing_hash, shard_number};
pub use segments::IndexSegments;
pub use service::{IndicesService, StartError};
pub use settings::{DiskSettings, IndicesSettings, Watermark, check_cluster_settings, parse_rate};
pub use validate::{SearchedShard, ValidatedQuery};
