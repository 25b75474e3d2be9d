//! The hits of buckets: a search of its own for each bucket that asks for them.

use std::time::Duration;

use es_exception::Exception;
use futures::future::BoxFuture;
use shard::{PrintedAggregations, SearchRequest, TopHitsRequest};

use crate::inner_hits::check_window;
use crate::request::{BucketHits, SearchAggregations, SearchResponse};
use crate::search::{Partial, Target};
use crate::service::IndicesService;

impl IndicesService {
    /// Searches for the hits that the results of aggregations ask for, in what the search has seen, as far as the time until `ends` does, in
    /// the node's monotonic time.
    ///
    /// # Errors
    /// As [`search`](Self::search); `illegal_argument_exception` for more than `index.max_inner_result_window` hits.
    pub(crate) fn with_top_hits<'a>(
        &'a self,
        targets: &'a [Target],
        request: &'a SearchRequest,
        printed: PrintedAggregations,
        ends: Option<Duration>,
    ) -> BoxFuture<'a, Result<SearchAggregations, Exception>> {
        // Boxed, for a search calls itself; the request of hits has no aggregations.
        Box::pin(async move {
            let mut top_hits = Vec::with_capacity(printed.top_hits.len());
            for wanted in printed.top_hits {
                let TopHitsRequest {
                    pointer,
                    filters,
                    request: hits,
                } = wanted;
                check_window(targets, "top_hits", &hits)?;
                let (version, seq_no_primary_term) = (hits.version, hits.seq_no_primary_term);
                let response = match filters {
                    Some(filters) => {
                        let mut search = SearchRequest::clone(&hits);
                        search.now_millis = request.now_millis;
                        search.timeout = self.left_until(ends);
                        for filter in filters {
                            search.add_filter(filter);
                        }
                        self.search_targets(targets, search, Partial::WITHIN).await?
                    }
                    None => SearchResponse::nothing(),
                };
                top_hits.push(BucketHits {
                    pointer,
                    version,
                    seq_no_primary_term,
                    response,
                });
            }
            Ok(SearchAggregations {
                results: printed.results,
                top_hits,
            })
        })
    }
}
