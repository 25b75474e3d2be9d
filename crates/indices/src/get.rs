//! Reading documents by id.

use cluster::{BlockLevel, IndexMetadata, check_block};
use es_exception::{Exception, ExceptionKind};
use futures::stream::{self, StreamExt as _};
use oplog::{ShardId, ShardNumber};
use shard::Shard;

use crate::request::{Document, GetOptions, GetResponse, MultiGetItem};
use crate::resolve::resolve_one;
use crate::routing::shard_number;
use crate::service::IndicesService;

/// Documents of one multi-get that are read at the same time.
const CONCURRENT_GETS: usize = 8;

impl IndicesService {
    /// Reads a document. `index` is the name of an index, or of an alias of one index.
    ///
    /// # Errors
    /// `index_not_found_exception`, `index_closed_exception`, `cluster_block_exception`, `illegal_argument_exception` for an alias of several indices,
    /// `version_conflict_engine_exception` if another version was asked for. A document that does not exist is no error.
    pub async fn get(&self, index: &str, id: &str, options: GetOptions) -> Result<GetResponse, Exception> {
        let state = self.state();
        let metadata = resolve_one(&state, index, false)?;
        check_readable(metadata)?;
        let by_alias = metadata
            .aliases
            .get(index)
            .and_then(|alias| alias.index_routing.as_deref());
        let routing = options.routing.as_deref().or(by_alias);
        let number = shard_number(metadata, routing.unwrap_or(id));
        check_restored(metadata, number)?;
        let shard = self.shard(&ShardId::new(metadata.uuid.clone(), ShardNumber::new(number)))?;
        if options.refresh {
            shard
                .refresh()
                .done()
                .await
                .map_err(|error| Exception::from(&error))?;
        }
        let (id_on_shard, realtime, stored_fields) = (id.to_owned(), options.realtime, options.stored_fields);
        let found = self
            .blocking
            .read(move || read(&shard, &id_on_shard, realtime, &stored_fields))
            .await?
            .map_err(|error| error.with_index(&metadata.name))?;
        if let (Some(expected), Some(found)) = (options.version, &found)
            && expected != found.version
        {
            return Err(Exception::new(
                ExceptionKind::VersionConflict,
                format!(
                    "[{id}]: version conflict, current version [{}] is different than the one provided [{expected}]",
                    found.version
                ),
            )
            .with_index(&metadata.name));
        }
        Ok(GetResponse {
            index: metadata.name.clone(),
            id: id.to_owned(),
            document: found,
        })
    }

    /// Reads many documents; the answers are in the order of the items.
    pub async fn mget(&self, items: Vec<MultiGetItem>) -> Vec<Result<GetResponse, Exception>> {
        let gets = items
            .into_iter()
            .map(|item| async move { self.get(&item.index, &item.id, item.options).await });
        stream::iter(gets).buffered(CONCURRENT_GETS).collect().await
    }
}

fn read(
    shard: &Shard,
    id: &str,
    realtime: bool,
    stored_fields: &[String],
) -> Result<Option<Document>, Exception> {
    let found = if realtime {
        shard.get(id)
    } else {
        shard.get_refreshed(id)
    };
    let Some(found) = found.map_err(|error| Exception::from(&error))? else {
        return Ok(None);
    };
    Ok(Some(Document {
        seq_no: found.seq_no,
        primary_term: found.primary_term,
        version: found.version,
        routing: found.routing,
        fields: shard.stored_fields(&found.source, stored_fields)?,
        source: found.source,
    }))
}

fn check_readable(index: &IndexMetadata) -> Result<(), Exception> {
    index.require_open()?;
    check_block(index, BlockLevel::Read)
}

/// Refuses a shard whose data is on its way from the leader.
pub(crate) fn check_restored(index: &IndexMetadata, shard: u32) -> Result<(), Exception> {
    if index.is_restoring(shard) {
        let reason = format!(
            "shard [{shard}] of [{}] is being restored from its leader",
            index.name
        );
        return Err(Exception::new(ExceptionKind::IndexShardNotStarted, reason).with_index(&index.name));
    }
    Ok(())
}
