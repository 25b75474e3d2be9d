//! A search of one shard is one piece of work: each time that a search waits for a thread it may wait behind all others.
//!
//! Source: Elasticsearch asks a single shard for hits and documents at once, too.

use std::sync::Arc;

use es_exception::Exception;
use shard::{
    FetchedHit, MergedHits, PrintedAggregations, SearchRequest, SearchSnapshot, Shard, ShardHit, ShardHits,
    merge_top_hits,
};

use super::given_up::GivenUp;
use super::partial::{Partial, check_time, phase_failure};
use super::{Page, Target, failure, finish_aggregations, request_of, take_aggregations};
use crate::request::{SearchHit, ShardSummary};
use crate::service::IndicesService;

/// What the shard found, and its documents of the page.
struct Found {
    merged: MergedHits,
    hits: Vec<(ShardHit, FetchedHit)>,
    /// Those that cannot be finished fail the search and not the shard.
    aggregations: Result<Option<PrintedAggregations>, Exception>,
    snapshot: SearchSnapshot,
}

impl IndicesService {
    /// The page of a search of one shard.
    ///
    /// # Errors
    /// Whatever fails: there is no other shard to answer.
    pub(super) async fn query_and_fetch(
        &self,
        target: &Target,
        request: &Arc<SearchRequest>,
        summary: &mut ShardSummary,
        partial: Partial,
    ) -> Result<Page, Exception> {
        let (own, as_of) = (request_of(target, 0, request), target.as_of.clone());
        let (request, given_up) = (Arc::clone(request), GivenUp::default());
        let cancelled = given_up.cancelled();
        let work = move |shard: &Shard| {
            let snapshot = as_of.as_ref().map(|as_of| &as_of.snapshot);
            let hits = shard.search_unless(&cancelled, snapshot, &own)?;
            check_time(&hits, partial)?;
            find(shard, hits, &request)
        };
        let (found, shard) = match self.on_known_shard(target, work).await {
            Ok(known) => known,
            Err(reason) => {
                summary.failures.push(failure(target, reason));
                return Err(phase_failure(summary));
            }
        };
        summary.successful += 1;
        let hits = found.hits.into_iter().map(|(hit, document)| SearchHit {
            index: target.index.name.clone(),
            hit,
            document,
            inner_hits: Vec::new(),
        });
        Ok(Page {
            hits: hits.collect(),
            merged: found.merged,
            aggregations: found.aggregations?,
            as_of: vec![target.as_of(&found.snapshot, &shard)],
        })
    }
}

/// Takes the page out of a shard's hits, and fetches it.
fn find(shard: &Shard, hits: ShardHits, request: &SearchRequest) -> Result<Found, Exception> {
    let snapshot = hits.snapshot.clone();
    let mut hits = [hits];
    let aggregations = finish_aggregations(request, take_aggregations(&mut hits));
    let mut merged = merge_top_hits(request, hits.into());
    let page: Vec<ShardHit> = std::mem::take(&mut merged.hits)
        .into_iter()
        .map(|merged| merged.hit)
        .collect();
    // As with several shards, nothing is read for a search that has failed already or that has no hit to show.
    let documents = match &aggregations {
        Ok(_) if !page.is_empty() => shard.fetch(&page, request)?,
        Ok(_) | Err(_) => Vec::new(),
    };
    Ok(Found {
        merged,
        hits: page.into_iter().zip(documents).collect(),
        aggregations,
        snapshot,
    })
}
