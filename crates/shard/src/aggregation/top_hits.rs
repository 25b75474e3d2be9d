//! `top_hits`: the best documents of each bucket.
//!
//! They are found by a search of their own for each bucket, once the buckets are known: so every option of a search is there, and a bucket that is
//! not returned costs nothing.

use std::sync::Arc;

use es_exception::Exception;
use serde_json::{Map, Value};

use super::options::malformed;
use crate::Query;
use crate::search::{SearchRequest, inner_search};

/// Buckets whose hits a search may ask for.
pub(super) const MAX_TOP_HITS: usize = 1_000;

/// A `top_hits` aggregation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TopHits {
    pub(super) request: Arc<SearchRequest>,
}

impl TopHits {
    /// Reads the options; `search` is the body of the search around it.
    pub(super) fn parse(options: &Value, search: &Map<String, Value>) -> Result<Self, Exception> {
        let object = options
            .as_object()
            .ok_or_else(|| malformed(format!("[top_hits] must be an object, got [{options}]")))?;
        let request = inner_search("top_hits", object.clone(), search, &["query", "min_score"])?;
        Ok(Self {
            request: Arc::new(request),
        })
    }
}

/// The hits of one bucket, still to be searched for.
#[derive(Debug, Clone, PartialEq)]
pub struct TopHitsRequest {
    /// Where the hits belong in the printed results: a JSON pointer to the object that gets them as `hits`.
    pub pointer: String,
    /// What documents of the bucket match, beside the query of the request; `None` if it has none.
    pub filters: Option<Vec<Query>>,
    /// What is asked of them.
    pub request: Arc<SearchRequest>,
}
