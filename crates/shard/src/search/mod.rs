//! Searches: the request, how hits are ordered and merged, and what is returned of a document.

mod collector;
mod hits;
mod id_ordinals;
mod merge;
mod request;
mod run;
mod sort;
mod source_filter;

pub use hits::{
    FetchedHit, MergedHit, MergedHits, SearchSnapshot, ShardHit, ShardHits, SortValue, TotalRelation,
};
pub use merge::merge_top_hits;
pub use request::{SearchRequest, TrackTotalHits};
pub use sort::{SortClause, SortMissing, SortOrder};
pub use source_filter::SourceFilter;
pub(crate) use source_filter::wildcard_match;
