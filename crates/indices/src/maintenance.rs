//! Refresh, flush, forced merge and statistics.

use std::sync::Arc;

use cluster::{BlockLevel, IndexMetadata, check_block};
use es_exception::{Exception, ExceptionKind};
use futures::stream::{self, StreamExt as _};
use oplog::{ByteCount, ShardId};
use shard::{ForceMergeRequest, Shard, Throttle};

use crate::background::Signal;
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

    /// Gives up history that nobody needs, compacts the logs of the indices, and merges the segments of their search views; then makes all of it
    /// durable if `flush` says so. One shard at a time: it reads and writes as fast as the disk does.
    ///
    /// # Errors
    /// What resolving refuses, `cluster_block_exception`; failures of shards are in the answer.
    pub async fn force_merge(
        &self,
        expression: &str,
        options: &ResolveOptions,
        request: ForceMergeRequest,
        flush: bool,
    ) -> Result<ShardSummary, Exception> {
        let indices = self.resolve(expression, options)?;
        for index in &indices {
            check_block(index, BlockLevel::MetadataWrite)?;
            self.disk.check(&index.name)?;
        }
        self.on_all_shards(&indices, |shard| {
            let signal = Arc::clone(self.upkeep_signal());
            self.run_merge(move || force_merge(&shard, request, flush, &signal))
        })
        .await
    }

    async fn run_merge(
        &self,
        merge: impl FnOnce() -> Result<(), Exception> + Send + 'static,
    ) -> Result<(), Exception> {
        self.blocking.merge(merge).await?
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

/// At full speed, until the node stops.
struct UntilStopped<'a>(&'a Signal);

impl Throttle for UntilStopped<'_> {
    fn throttle(&self, _bytes: ByteCount) -> bool {
        !self.0.is_stopping()
    }
}

fn force_merge(
    shard: &Shard,
    request: ForceMergeRequest,
    flush: bool,
    signal: &Signal,
) -> Result<(), Exception> {
    let report = shard.force_merge(request, &UntilStopped(signal))?;
    if signal.is_stopping() {
        let reason = "the forced merge was cut short: the node is shutting down";
        return Err(Exception::new(ExceptionKind::NodeClosed, reason));
    }
    tracing::debug!(shard = %shard.shard_id(), index = shard.index_name(), ?report, "shard was merged");
    if flush {
        shard.flush()?;
    }
    Ok(())
}
