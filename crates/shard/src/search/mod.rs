//! Searches: the request, how hits are ordered and merged, and what is returned of a document.

mod collapse;
mod collector;
mod fetch;
mod highlight;
mod hits;
mod id_ordinals;
mod inner;
mod limit;
mod merge;
mod request;
mod run;
mod sort;
mod source_filter;

pub use collapse::{Collapse, InnerHitsRequest};
pub use fetch::{FieldSelector, StoredFields};
pub use highlight::HighlightRequest;
pub use hits::{
    FetchedHit, MergedHit, MergedHits, SearchSnapshot, ShardHit, ShardHits, SortValue, TotalRelation,
};
pub(crate) use inner::inner_search;
pub use limit::SearchCancellation;
pub(crate) use limit::SearchLimit;
pub use merge::merge_top_hits;
pub use request::{Counting, SearchRequest, TrackTotalHits};
pub use sort::{NumericType, SortClause, SortMissing, SortMode, SortOrder};
pub use source_filter::SourceFilter;
pub(crate) use source_filter::wildcard_match;
