//! Refresh, flush and statistics.

use std::sync::Arc;

use cluster::IndexMetadata;
use es_exception::Exception;
use futures::stream::{self, StreamExt as _};
use oplog::ShardId;
use shard::Shard;

use crate::request::{IndexStats, ResolveOptions, ShardFailure, ShardStatus, ShardSummary};
use crate::service::IndicesService;

/// Shards of one request that are worked on at the same time.
const CONCURRENT_SHARDS: usize = 16;

impl IndicesService {
    /// Makes everything written so far searchable.
    ///
    /// # Errors
    /// What resolving refuses; failures of shards are in the answer.
    pub async fn refresh(
        &self,
        expression: &str,
        options: &ResolveOptions,
    ) -> Result<ShardSummary, Exception> {
        let indices = self.resolve(expression, options)?;
        self.on_all_shards(&indices, |shard| async move {
            shard
                .refresh()
                .done()
                .await
                .map_err(|error| Exception::from(&error))
        })
        .await
    }

    /// Makes everything written so far durable, and restarts cheap.
    ///
    /// # Errors
    /// What resolving refuses; failures of shards are in the answer.
    pub async fn flush(&self, expression: &str, options: &ResolveOptions) -> Result<ShardSummary, Exception> {
        let indices = self.resolve(expression, options)?;
        self.on_all_shards(&indices, |shard| async move {
            self.blocking
                .write(move || shard.flush())
                .await?
                .map_err(|error| Exception::from(&error))
        })
        .await
    }

    /// Numbers about indices and their shards. A closed index, or a shard that does not serve, is listed without numbers.
    ///
    /// # Errors
    /// What resolving refuses.
    pub async fn stats(
        &self,
        expression: &str,
        options: &ResolveOptions,
    ) -> Result<Vec<IndexStats>, Exception> {
        let mut all = Vec::new();
        for index in self.resolve(expression, options)? {
            let statuses = index.shard_ids().map(|id| self.shard_status(&index, id));
            let shards = stream::iter(statuses).buffered(CONCURRENT_SHARDS).collect().await;
            all.push(IndexStats {
                index: Arc::clone(&index),
                shards,
            });
        }
        Ok(all)
    }

    async fn shard_status(&self, index: &IndexMetadata, shard_id: ShardId) -> ShardStatus {
        let state = self.shard_state(index, &shard_id);
        // A shard that is installed but not serving yet has numbers too.
        let stats = match self.local.shards.get(&shard_id) {
            Ok(shard) => self.blocking.read(move || shard.stats()).await.ok(),
            Err(_) => None,
        };
        ShardStatus {
            shard_id,
            state,
            stats,
        }
    }

    async fn on_all_shards<W, F>(
        &self,
        indices: &[Arc<IndexMetadata>],
        work: W,
    ) -> Result<ShardSummary, Exception>
    where
        W: Fn(Arc<Shard>) -> F,
        F: Future<Output = Result<(), Exception>>,
    {
        let targets: Vec<_> = indices
            .iter()
            .flat_map(|index| index.shard_ids().map(move |id| (index, id)))
            .collect();
        let mut summary = ShardSummary {
            total: u32::try_from(targets.len()).unwrap_or(u32::MAX),
            ..ShardSummary::default()
        };
        let running = targets.iter().map(|(index, id)| {
            let work = &work;
            async move {
                let outcome = match self.shard(id) {
                    Ok(shard) => work(shard).await,
                    Err(error) => Err(error),
                };
                (index, id, outcome)
            }
        });
        let mut running = stream::iter(running.collect::<Vec<_>>()).buffer_unordered(CONCURRENT_SHARDS);
        while let Some((index, id, outcome)) = running.next().await {
            match outcome {
                Ok(()) => summary.successful += 1,
                Err(reason) => {
                    let shard = id.shard.get();
                    summary.failures.push(ShardFailure {
                        index: index.name.clone(),
                        shard,
                        reason,
                    });
                }
            }
        }
        Ok(summary)
    }
}
