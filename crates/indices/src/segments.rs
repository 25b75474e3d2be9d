//! The segments of indices.

use std::sync::Arc;

use cluster::IndexMetadata;
use es_exception::Exception;
use oplog::ShardId;
use shard::SegmentInfo;

use crate::request::ResolveOptions;
use crate::service::IndicesService;

/// The shards of one index with their segments.
#[derive(Debug)]
pub struct IndexSegments {
    /// The index.
    pub index: Arc<IndexMetadata>,
    /// Its shards in order, each with its segments or why they cannot be told.
    pub shards: Vec<(ShardId, Result<Vec<SegmentInfo>, Exception>)>,
}

impl IndicesService {
    /// The segments of the indices that `expression` names.
    ///
    /// # Errors
    /// What resolving refuses; failures of shards are in the answer.
    pub async fn segments(
        &self,
        expression: &str,
        options: &ResolveOptions,
    ) -> Result<Vec<IndexSegments>, Exception> {
        let mut all = Vec::new();
        for index in self.resolve(expression, options)? {
            let mut shards = Vec::new();
            for id in index.shard_ids() {
                let segments = match self.shard(&id) {
                    Ok(shard) => self.blocking.read(move || shard.segments()).await,
                    Err(missing) => Err(missing),
                };
                let segments = segments.and_then(|segments| {
                    segments.map_err(|error| Exception::from(&error).with_index(&index.name))
                });
                shards.push((id, segments));
            }
            all.push(IndexSegments { index, shards });
        }
        Ok(all)
    }
}
