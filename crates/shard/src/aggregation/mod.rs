//! Aggregations of a search: parsed once without a mapping, translated for each shard, merged, and printed as Elasticsearch prints them.
//!
//! Tantivy collects and merges. It sees neither the names nor the fields of the request: aggregations are numbered among their siblings, fields
//! are columns of the view, and whatever can be said as a query (ranges, missing values) is a filter. So ranges may overlap, and dates, which are
//! whole milliseconds in the view, need nothing of their own. Orders, gaps, keys and limits are ours, in `result`.

mod bucket_query;
mod composite;
mod computed;
mod filter;
mod histogram;
mod interval;
mod metric;
mod options;
mod print;
mod range;
mod request;
mod resolve;
mod result;
mod scored;
mod shape;
mod terms;
mod top_hits;
mod translate;

use tantivy::aggregation::intermediate_agg_result::IntermediateAggregationResults;

pub use request::AggregationRequest;
pub use result::PrintedAggregations;
pub(crate) use scored::AtLeast;
use shape::Shape;
pub use top_hits::TopHitsRequest;
pub(crate) use translate::{collect, refused};

/// What the aggregations of a search found in one shard copy.
#[derive(Debug, Clone)]
pub struct ShardAggregations {
    found: IntermediateAggregationResults,
    shapes: Vec<Shape>,
}
