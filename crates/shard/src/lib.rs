//! One shard copy: the operation log and the search view derived from it.
//!
//! The log is the index. A [`Shard`] appends operations to its [`oplog::Log`]; everything else is a view of it:
//! - the *tail*, an id map of the operations that no committed search view holds yet: realtime get and version checks;
//! - the *search view*, a tantivy index that consumes the log on the threads of the node-wide [`ViewPool`], with a checkpoint of its own.
//!
//! A primary plans versions and writes ([`Shard::write`]), a follower takes over finished frames
//! ([`Shard::append_frames`]); both maintain the same tail and view. Documents' sources are read from the log only.
//!
//! This crate deliberately does not know other shards, other nodes, or who routes a document here. It never derives a mapping on its own: a
//! write that needs one is handed back with [`WriteError::MappingUpdateRequired`].
//!
//! A copy that meets damage, or whose storage fails, stops serving for good ([`ShardFailure`]); opening it again mends what opening can mend.
//!
//! Reading order: [`ShardConfig`] and [`ShardServices`], [`Shard`], [`DocumentWrite`], [`SearchRequest`], [`Query`], [`ShardSnapshot`].
//! [`check_dir`] verifies the files of a copy that is not open, [`Shard::scrub_step`] those of one that is.
//!
//! Invariants:
//! - A committed view never holds an operation that the log could still lose: the log is made durable before each commit.
//! - An operation leaves the tail only after a searcher that holds it was published; readers look into the tail first.
//! - No operation is compacted away that the view's last commit, or a search in action, still shows.
//! - A view that is missing, damaged, or not of its log is rebuilt from the log.
//! - Nothing is answered from an operation that does not have its checksum; the first read that meets one ends the copy's service.
//!
//! All calls block; async callers use `spawn_blocking`. Every wait ends when the shard is closed.
#![forbid(unsafe_code)]

mod aggregation;
mod analysis;
mod check;
mod config;
mod error;
mod failure;
mod follower;
mod get;
mod heal;
mod maintenance;
mod primary;
mod query;
mod relevance;
mod scrub;
mod search;
mod segments;
mod shard;
mod snapshot;
mod stats;
mod stored_fields;
mod tail;
mod view;
mod write;

#[cfg(test)]
mod tests;

pub use aggregation::{AggregationRequest, PrintedAggregations, ShardAggregations, TopHitsRequest};
pub use analysis::{
    AnalysisExplanation, AnalyzeRequest, AnalyzeWith, AnalyzedToken, ExplainedTexts, ExplainedTokens,
    analyze, check_analysis, explain_analysis,
};
pub use check::{ShardCheck, check_dir};
pub use config::{ShardConfig, ShardRole, ShardServices, ViewPoolConfig};
pub use error::{ShardError, WriteError};
pub use failure::{ShardFailure, ShardFailureKind};
pub use get::GetResult;
pub use maintenance::{ForceMergeRequest, Throttle, Unthrottled};
pub use query::Query;
pub use scrub::ScrubStep;
pub use search::{
    Collapse, Counting, FetchedHit, FieldSelector, HighlightRequest, InnerHitsRequest, MergedHit, MergedHits,
    NumericType, SearchCancellation, SearchRequest, SearchSnapshot, ShardHit, ShardHits, SortClause,
    SortMissing, SortMode, SortOrder, SortValue, SourceFilter, StoredFields, TotalRelation, TrackTotalHits,
    merge_top_hits,
};
pub use segments::SegmentInfo;
pub use shard::Shard;
pub use snapshot::{SNAPSHOT_PIECE_BYTES, ShardSnapshot, SnapshotFile};
pub use stats::ShardStats;
pub use view::{RefreshTicket, ViewCheck, ViewFileCheck, ViewPool};
pub use write::{DocumentWrite, WriteBatch, WriteOperation, WriteOutcome, WritePrecondition, WriteResult};
