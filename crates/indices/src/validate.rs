//! Whether a query can be run, and which shards a search would ask.

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster::IndexMetadata;
use es_exception::Exception;
use serde_json::Value;
use shard::Query;

use crate::request::{SearchOptions, ShardSummary};
use crate::resolve::resolve_names;
use crate::service::IndicesService;

/// What a shard says about a query.
#[derive(Debug, Clone)]
pub struct ValidatedQuery {
    /// The index.
    pub index: String,
    /// The shard.
    pub shard: u32,
    /// How the shard would run it, or why it cannot.
    pub result: Result<String, Exception>,
}

/// A shard that a search would ask.
#[derive(Debug, Clone)]
pub struct SearchedShard {
    /// The index.
    pub index: Arc<IndexMetadata>,
    /// The shard.
    pub shard: u32,
    /// What narrows searches of the index by its aliases that were named.
    pub filter: Option<Value>,
    /// The aliases by which the index was named, in order.
    pub aliases: Vec<String>,
}

impl IndicesService {
    /// Builds the query in one shard of each index that `expression` names, or in all of them, and runs it nowhere.
    ///
    /// # Errors
    /// What resolving refuses; failures of shards, which say nothing about the query.
    pub async fn validate_query(
        &self,
        expression: &str,
        query: &Query,
        all_shards: bool,
        options: &SearchOptions,
    ) -> Result<(Vec<ValidatedQuery>, ShardSummary), Exception> {
        let mut targets = self.targets(expression, options)?;
        if !all_shards {
            let mut seen = BTreeSet::new();
            targets.retain(|target| seen.insert(target.index().name.clone()));
        }
        let mut validated = Vec::new();
        for target in &targets {
            let query = query.clone();
            let result = self
                .on_shard(target, move |shard| Ok(shard.explain_query(&query)))
                .await?;
            validated.push(ValidatedQuery {
                index: target.index().name.clone(),
                shard: target.number(),
                result,
            });
        }
        let count = u32::try_from(targets.len()).unwrap_or(u32::MAX);
        let summary = ShardSummary {
            total: count,
            successful: count,
            failures: Vec::new(),
        };
        Ok((validated, summary))
    }

    /// The shards that a search of `expression` would ask.
    ///
    /// # Errors
    /// What resolving refuses.
    pub fn searched_shards(
        &self,
        expression: &str,
        options: &SearchOptions,
    ) -> Result<Vec<SearchedShard>, Exception> {
        let targets = self.targets(expression, options)?;
        let named = resolve_names(&self.state(), expression, options.resolve)?;
        let aliases = |index: &str| match named.get(index) {
            Some(named_by) => named_by.aliases.iter().cloned().collect(),
            None => Vec::new(),
        };
        Ok(targets
            .iter()
            .map(|target| target.searched(aliases(&target.index().name)))
            .collect())
    }
}
