//! What a search finds in one shard copy, and over several.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use oplog::{DocumentVersion, PrimaryTerm, SeqNo};
use serde_json::{Map, Value};
use tantivy::Searcher;

use crate::aggregation::ShardAggregations;
use crate::view::Published;

/// Whether a total is exact or a lower bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotalRelation {
    /// The total is exact.
    Equal,
    /// There are at least so many.
    GreaterOrEqual,
}

impl TotalRelation {
    /// `eq` or `gte`, as in `hits.total.relation`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::GreaterOrEqual => "gte",
        }
    }
}

/// One value that a hit was sorted by.
#[derive(Debug, Clone, PartialEq)]
pub enum SortValue {
    /// The document has no value.
    Null,
    /// Integers, booleans as 0 and 1, dates as epoch milliseconds.
    Long(i64),
    /// Floating point numbers and scores.
    Double(f64),
    /// A date in the format that the sort asks for.
    Formatted {
        /// Epoch milliseconds, which it is ordered by.
        number: i64,
        /// As it is shown.
        text: String,
    },
    /// Keywords and ids.
    Text(String),
    /// Addresses, which order as numbers and not as their text.
    Ip(IpAddr),
}

impl SortValue {
    /// As in a hit's `sort` array.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Long(number) => Value::from(*number),
            Self::Double(number) => Value::from(*number),
            Self::Formatted { text, .. } => Value::from(text.clone()),
            Self::Text(text) => Value::from(text.clone()),
            Self::Ip(address) => Value::from(address.to_string()),
        }
    }

    /// As a value of `search_after`: exact, whatever the format leaves out.
    #[must_use]
    pub fn to_search_after(&self) -> Value {
        match self {
            Self::Formatted { number, .. } => Value::from(*number),
            other => other.to_json(),
        }
    }

    /// The number of a date, in a format or not.
    pub(crate) fn as_long(&self) -> Option<i64> {
        match self {
            Self::Long(number) | Self::Formatted { number, .. } => Some(*number),
            _ => None,
        }
    }
}

/// A hit before its document is fetched.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardHit {
    /// Relevance, if the search computes it.
    pub score: Option<f32>,
    /// One value per sort clause; empty when the search has no `sort`.
    pub sort: Vec<SortValue>,
    /// The operation that holds the document.
    pub seq_no: SeqNo,
    /// The value by which the hits are grouped, if they are.
    pub group: Option<SortValue>,
}

/// The state of a shard's view that a search saw. While it is held, compaction removes no document that it shows.
#[derive(Clone)]
pub struct SearchSnapshot {
    state: Option<(Arc<Published>, Searcher)>,
}

impl SearchSnapshot {
    /// Of a state, and the searcher over it: by itself the state could be read by a later one.
    pub(crate) const fn new(published: Arc<Published>, searcher: Searcher) -> Self {
        Self {
            state: Some((published, searcher)),
        }
    }

    pub(crate) fn published(&self) -> Option<&Arc<Published>> {
        self.state.as_ref().map(|(published, _)| published)
    }

    pub(crate) fn searcher(&self) -> Option<&Searcher> {
        self.state.as_ref().map(|(_, searcher)| searcher)
    }

    /// A snapshot of nothing, for hits that come from nowhere.
    #[cfg(test)]
    pub(crate) const fn empty() -> Self {
        Self { state: None }
    }
}

impl std::fmt::Debug for SearchSnapshot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SearchSnapshot").finish_non_exhaustive()
    }
}

/// The best hits of one shard copy: `from + size` of them, best first.
#[derive(Debug, Clone)]
pub struct ShardHits {
    /// Matching documents; `None` when not tracked.
    pub total: Option<u64>,
    /// Whether `total` is exact.
    pub total_relation: TotalRelation,
    /// Highest relevance, if the search computes it and there is a hit.
    pub max_score: Option<f32>,
    /// The hits.
    pub hits: Vec<ShardHit>,
    /// Whether the search ended before it had seen all matches; `None` if it was not told to.
    pub terminated_early: Option<bool>,
    /// Whether the search's time was over before it had seen all matches.
    pub timed_out: bool,
    /// What the search's aggregations found, if it has any.
    pub aggregations: Option<ShardAggregations>,
    /// What the search saw. Keeps the documents of the hits in the log until they are fetched, so it must be held until then.
    pub snapshot: SearchSnapshot,
}

/// A hit with what its operation holds.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchedHit {
    /// The document's `_id`.
    pub id: String,
    /// Custom routing, if any.
    pub routing: Option<String>,
    /// The document's version.
    pub version: DocumentVersion,
    /// Sequence number of its last operation.
    pub seq_no: SeqNo,
    /// Primary term of its last operation.
    pub primary_term: PrimaryTerm,
    /// The source after source filtering; `None` when `_source` is false.
    pub source: Option<Bytes>,
    /// Whether the hit shows its id and its routing.
    pub shows_id: bool,
    /// The values of the fields that the search asks for, by name.
    pub fields: Map<String, Value>,
    /// Fragments of texts with what was found in them, by field.
    pub highlight: Map<String, Value>,
}

/// A hit of one of several shard copies.
#[derive(Debug, Clone, PartialEq)]
pub struct MergedHit {
    /// Position of the shard in the list that was merged.
    pub shard: usize,
    /// The hit.
    pub hit: ShardHit,
}

/// The page of hits that a search asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct MergedHits {
    /// Matching documents; `None` when not tracked.
    pub total: Option<u64>,
    /// Whether `total` is exact.
    pub total_relation: TotalRelation,
    /// Highest relevance, if the search computes it and there is a hit.
    pub max_score: Option<f32>,
    /// Whether a shard ended its search before it had seen all matches; `None` if none was told to.
    pub terminated_early: Option<bool>,
    /// Whether the time of a shard was over before it had seen all matches.
    pub timed_out: bool,
    /// At most `size` hits from `from` on, best first.
    pub hits: Vec<MergedHit>,
}
