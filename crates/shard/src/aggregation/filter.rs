//! A query that is built already, as tantivy wants the queries of its filters.

use es_exception::Exception;
use serde::{Serialize, Serializer};
use tantivy::aggregation::agg_req::AggregationVariants;
use tantivy::aggregation::bucket::{FilterAggregation, QueryBuilder};
use tantivy::query::{EmptyQuery, Query as TantivyQuery};
use tantivy::schema::Schema;
use tantivy::tokenizer::TokenizerManager;

use crate::Query;
use crate::query::BuildContext;

#[derive(Debug)]
struct Built(Box<dyn TantivyQuery>);

/// The filter for a shard; without a shard, one that is only merged with.
pub(super) fn filter(
    query: &Query,
    context: Option<&BuildContext<'_>>,
) -> Result<AggregationVariants, Exception> {
    let built: Box<dyn TantivyQuery> = match context {
        Some(context) => query.build(context)?,
        None => Box::new(EmptyQuery),
    };
    let builder = Box::new(Built(built));
    Ok(AggregationVariants::Filter(FilterAggregation::new_with_builder(
        builder,
    )))
}

/// Requests are passed on as they are in memory, so a name for reading one back from text is never asked for.
impl QueryBuilder for Built {
    fn build_query(&self, _: &Schema, _: &TokenizerManager) -> tantivy::Result<Box<dyn TantivyQuery>> {
        Ok(self.0.box_clone())
    }

    fn box_clone(&self) -> Box<dyn QueryBuilder> {
        Box::new(Self(self.0.box_clone()))
    }

    fn typetag_name(&self) -> &'static str {
        "built"
    }

    fn typetag_deserialize(&self) {}
}

impl Serialize for Built {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}
