//! The hits of groups: a search of its own for each group of a page.

use std::time::Duration;

use es_exception::Exception;
use futures::future::BoxFuture;
use shard::SearchRequest;

use crate::request::{InnerHits, SearchHit};
use crate::search::{Partial, Target};
use crate::service::IndicesService;

/// Source: default of `index.max_inner_result_window`.
const DEFAULT_MAX_INNER_RESULT_WINDOW: u64 = 100;

impl IndicesService {
    /// Adds to the hits of a page what the search asks for of their groups, as far as the time until `ends` does, in the node's monotonic time.
    ///
    /// # Errors
    /// As [`search`](Self::search); `illegal_argument_exception` for more than `index.max_inner_result_window` hits.
    pub(crate) fn with_inner_hits<'a>(
        &'a self,
        targets: &'a [Target],
        request: &'a SearchRequest,
        mut hits: Vec<SearchHit>,
        ends: Option<Duration>,
    ) -> BoxFuture<'a, Result<Vec<SearchHit>, Exception>> {
        // Boxed, for a search calls itself; the request of inner hits has none.
        Box::pin(async move {
            let Some(collapse) = &request.collapse else {
                return Ok(hits);
            };
            for inner in &collapse.inner_hits {
                check_window(targets, &inner.name, &inner.request)?;
            }
            for hit in &mut hits {
                let Some(group) = &hit.hit.group else { continue };
                for inner in &collapse.inner_hits {
                    let mut search = SearchRequest::clone(&inner.request);
                    search.now_millis = request.now_millis;
                    search.timeout = self.left_until(ends);
                    search.add_filter(collapse.group_query(group)?);
                    let response = self.search_targets(targets, search, Partial::WITHIN).await?;
                    hit.inner_hits.push(InnerHits {
                        name: inner.name.clone(),
                        version: inner.request.version,
                        seq_no_primary_term: inner.request.seq_no_primary_term,
                        response,
                    });
                }
            }
            Ok(hits)
        })
    }
}

/// Refuses pages beyond `index.max_inner_result_window`.
pub(crate) fn check_window(targets: &[Target], name: &str, request: &SearchRequest) -> Result<(), Exception> {
    let end = request.from.saturating_add(request.size);
    for target in targets {
        let setting = target.index().settings.get_str("index.max_inner_result_window");
        let window = setting
            .and_then(|text| text.parse().ok())
            .unwrap_or(DEFAULT_MAX_INNER_RESULT_WINDOW);
        if end as u64 > window {
            return Err(Exception::illegal_argument(format!(
                "Inner result window is too large, the inner hit definition's [{name}]'s from + size must be less than or equal to: [{window}] but \
                 was [{end}]. This limit can be set by changing the [index.max_inner_result_window] index level setting."
            ))
            .with_index(&target.index().name));
        }
    }
    Ok(())
}
