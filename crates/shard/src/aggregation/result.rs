//! Merging what shards found.

use es_exception::Exception;
use serde_json::Value;
use tantivy::aggregation::AggregationLimitsGuard;
use tantivy::aggregation::agg_req::Aggregations;
use tantivy::aggregation::agg_result::AggregationResults;
use tantivy::aggregation::intermediate_agg_result::IntermediateAggregationResults;

use super::ShardAggregations;
use super::print::Printer;
use super::request::AggregationRequest;
use super::shape::merge_shapes;
use super::top_hits::TopHitsRequest;

impl AggregationRequest {
    /// The results over all shards as Elasticsearch prints them, with types before the names if `typed_keys`; `None` without shards. The hits of
    /// `top_hits` are still to be searched for.
    ///
    /// # Errors
    /// `too_many_buckets_exception`; `illegal_argument_exception` for results that cannot be merged.
    pub fn finish(
        &self,
        shards: Vec<ShardAggregations>,
        typed_keys: bool,
    ) -> Result<Option<PrintedAggregations>, Exception> {
        let mut shards = shards.into_iter();
        let Some(ShardAggregations {
            mut found,
            mut shapes,
        }) = shards.next()
        else {
            return Ok(None);
        };
        for shard in shards {
            found.merge_fruits(shard.found).map_err(|error| failed(&error))?;
            merge_shapes(&mut shapes, shard.shapes);
        }
        let requests = self.merge_request()?;
        let results = final_results(found, &requests)?;
        let (results, top_hits) =
            Printer::new(typed_keys).print(&self.aggregations, &shapes, &results, &requests)?;
        Ok(Some(PrintedAggregations { results, top_hits }))
    }
}

/// The results of aggregations.
#[derive(Debug, Clone, PartialEq)]
pub struct PrintedAggregations {
    /// As they are returned, but for the hits.
    pub results: Value,
    /// The hits of buckets that are asked for; at most 1,000 of buckets that have documents.
    pub top_hits: Vec<TopHitsRequest>,
}

pub(super) fn final_results(
    found: IntermediateAggregationResults,
    requests: &Aggregations,
) -> Result<AggregationResults, Exception> {
    // What is cut off here is not known to tantivy, so buckets are counted when they are printed.
    let limits = AggregationLimitsGuard::new(None, Some(u32::MAX));
    found
        .into_final_result(requests.clone(), limits)
        .map_err(|error| failed(&error))
}

fn failed(error: &tantivy::TantivyError) -> Exception {
    Exception::illegal_argument(format!(
        "aggregations of several shards cannot be merged: {error}"
    ))
}
