//! Writes of documents, one or many at a time.
//!
//! A bulk request is split by shard. Each shard works through its items in rounds; in a round no two items have the same id, so whatever an item has
//! to wait for (a mapping, a second look after a conflict), later items of the same id wait behind it, and the order of operations on a
//! document is that of the request. All rounds only append; at the end one wait makes everything durable (group commit).

mod round;
mod shard_bulk;
mod target;
mod under_way;
mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use es_exception::Exception;
use futures::stream::{self, StreamExt as _};
use oplog::ShardId;

use crate::request::{BulkAction, BulkItem, BulkItemResponse, BulkResponse, DocumentResponse, RefreshPolicy};
use crate::service::IndicesService;
use round::Pending;
use shard_bulk::ShardBulk;
pub(crate) use under_way::WritesUnderWay;

/// What an item takes in memory besides its source: its id, its place in lists and answer.
const ITEM_OVERHEAD_BYTES: u64 = 128;
/// Shards of one request that are written to at the same time.
const CONCURRENT_SHARDS: usize = 16;

impl IndicesService {
    /// Writes many documents. Failures are told per item; items of the same document take effect in order.
    ///
    /// # Errors
    /// `es_rejected_execution_exception` (429) if more bytes are under way than the node takes.
    pub async fn bulk(
        &self,
        items: Vec<BulkItem>,
        refresh: RefreshPolicy,
    ) -> Result<BulkResponse, Exception> {
        let started = self.clock.monotonic();
        let bytes = items
            .iter()
            .map(|item| item.action.source_len() as u64 + ITEM_OVERHEAD_BYTES)
            .sum();
        let _pressure = self.pressure.acquire(bytes)?;
        let created = self.auto_create_all(&items).await;
        let under_way = self.writes_under_way.enter();

        let mut responses: Vec<Option<BulkItemResponse>> = Vec::with_capacity(items.len());
        let mut by_shard: BTreeMap<ShardId, ShardBulk> = BTreeMap::new();
        let mut targets = target::Targets::new(self.state(), &created);
        for (position, item) in items.into_iter().enumerate() {
            let action = item.action.name();
            let (given_index, given_id) = (item.index.clone(), item.id.clone());
            match targets.place(item, || self.auto_ids.next(self.clock.now())) {
                Ok((metadata, shard_id, mut pending)) => {
                    pending.position = position;
                    let index = metadata.name.clone();
                    responses.push(Some(BulkItemResponse {
                        action,
                        index,
                        id: Some(pending.id.clone()),
                        result: Err(not_reached()),
                    }));
                    let bulk = by_shard
                        .entry(shard_id)
                        .or_insert_with_key(|id| ShardBulk::new(Arc::clone(metadata), id.clone()));
                    bulk.items.push(pending);
                }
                Err(error) => {
                    responses.push(Some(BulkItemResponse {
                        action,
                        index: given_index,
                        id: given_id,
                        result: Err(error),
                    }));
                }
            }
        }
        let mut running = stream::iter(
            by_shard
                .into_values()
                .map(|bulk| self.run_shard_bulk(bulk, refresh, &under_way)),
        )
        .buffer_unordered(CONCURRENT_SHARDS);
        while let Some(results) = running.next().await {
            for (position, result) in results {
                if let Some(Some(response)) = responses.get_mut(position) {
                    response.result = result;
                }
            }
        }
        drop(running);
        let took = self.clock.monotonic().saturating_sub(started);
        Ok(BulkResponse {
            took,
            items: responses.into_iter().flatten().collect(),
        })
    }

    /// Waits until every write that began before has ended: what blocks are on an index now, none goes on without. Cancel safe.
    pub async fn writes_settled(&self) {
        self.writes_under_way.settled().await;
    }

    /// Writes one document: index, create, delete or update.
    ///
    /// # Errors
    /// What the item fails with, see [`bulk`](Self::bulk).
    pub async fn write(&self, item: BulkItem, refresh: RefreshPolicy) -> Result<DocumentResponse, Exception> {
        let mut response = self.bulk(vec![item], refresh).await?;
        response
            .items
            .pop()
            .map_or_else(|| Err(not_reached()), |item| item.result)
    }

    /// Creates the indices and data streams that items name and that do not exist; answers why one could not be created, by name.
    async fn auto_create_all(&self, items: &[BulkItem]) -> BTreeMap<String, Exception> {
        let state = self.state();
        let mut failed = BTreeMap::new();
        let mut seen: Option<&str> = None;
        let mut tried = BTreeSet::new();
        for item in items {
            // Items mostly name the same index one after the other.
            if seen == Some(item.index.as_str())
                || item.require_alias
                || matches!(item.action, BulkAction::Delete { .. })
            {
                continue;
            }
            let name = item.index.as_str();
            let exists = state.index(name).is_some()
                || state.data_streams.contains_key(name)
                || state.indices_with_alias(name).next().is_some();
            if exists {
                seen = Some(name);
                continue;
            }
            let is_create = matches!(item.action, BulkAction::Create { .. });
            if !is_create && failed.contains_key(name) {
                continue;
            }
            let is_stream = Self::begins_data_stream(&state, name);
            if is_stream && !is_create {
                // It would be refused by the stream, so it is no reason to create one; another item may be.
                failed.entry(name.to_owned()).or_insert_with(target::creates_only);
                continue;
            }
            // Another item may create the index that this one would not have.
            if item.require_data_stream && !is_stream {
                continue;
            }
            seen = Some(name);
            if !tried.insert(name) {
                continue;
            }
            match self.auto_create(name).await {
                Ok(()) => drop(failed.remove(name)),
                Err(error) => drop(failed.insert(name.to_owned(), error)),
            }
        }
        failed
    }
}

fn not_reached() -> Exception {
    Exception::new(
        es_exception::ExceptionKind::Exception,
        "the item was not executed",
    )
}

pub(crate) type ItemResult = (usize, Result<DocumentResponse, Exception>);
pub(crate) type PendingItems = Vec<Pending>;
