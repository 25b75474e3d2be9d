//! Which index and shard an item goes to, and whether it may.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::{BlockLevel, ClusterState, IndexMetadata, check_block};
use es_exception::{Exception, ExceptionKind};
use index_meta::DataStream;
use oplog::{ShardId, ShardNumber};
use shard::WritePrecondition;

use super::round::Pending;
use crate::request::{BulkAction, BulkItem};
use crate::resolve::resolve_one;
use crate::routing::shard_number;

/// Source: Elasticsearch refuses ids of more than 512 bytes.
const MAX_ID_BYTES: usize = 512;

/// Finds the targets of items in one state of the cluster.
pub(super) struct Targets<'a> {
    state: Arc<ClusterState>,
    not_created: &'a BTreeMap<String, Exception>,
    /// Names that were looked up, with the index or why it cannot be written to.
    known: BTreeMap<String, Result<Found, Exception>>,
}

/// The index that a name stands for.
struct Found {
    index: Arc<IndexMetadata>,
    /// The data stream that it backs, and the name of that.
    stream: Option<(String, Arc<DataStream>)>,
}

impl<'a> Targets<'a> {
    pub(super) fn new(state: Arc<ClusterState>, not_created: &'a BTreeMap<String, Exception>) -> Self {
        Self {
            state,
            not_created,
            known: BTreeMap::new(),
        }
    }

    pub(super) fn place(
        &mut self,
        item: BulkItem,
        new_id: impl FnOnce() -> String,
    ) -> Result<(&Arc<IndexMetadata>, ShardId, Pending), Exception> {
        if item.require_alias && self.state.indices_with_alias(&item.index).next().is_none() {
            let reason = format!(
                "no such index [{}] and [require_alias] request flag is [true] and [{}] is not an alias",
                item.index, item.index
            );
            return Err(Exception::new(ExceptionKind::IndexNotFound, reason).with_index(&item.index));
        }
        if item.require_data_stream && !self.state.data_streams.contains_key(&item.index) {
            let reason = format!(
                "no such index [{}] and [require_data_stream] request flag is [true] and [{}] is not a data stream",
                item.index, item.index
            );
            return Err(Exception::new(ExceptionKind::IndexNotFound, reason).with_index(&item.index));
        }
        if !self.known.contains_key(&item.index) {
            let found = self.look_up(&item.index);
            self.known.insert(item.index.clone(), found);
        }
        let Found { index, stream } = match self.known.get(&item.index) {
            Some(Ok(found)) => found,
            Some(Err(error)) => return Err(error.clone()),
            None => return Err(Exception::index_not_found(&item.index)),
        };
        check_item(&item)?;
        if let Some((name, stream)) = stream {
            check_stream(&item, name, stream)?;
        }
        let routing = routing_of(index, &item)?;
        let auto_id = item.id.is_none();
        let (id, action) = match item.id {
            Some(id) => (id, item.action),
            None => (new_id(), item.action),
        };
        let number = shard_number(index, routing.as_deref().unwrap_or(&id));
        let shard_id = ShardId::new(index.uuid.clone(), ShardNumber::new(number));
        Ok((index, shard_id, Pending::new(id, auto_id, routing, action)))
    }

    fn look_up(&self, name: &str) -> Result<Found, Exception> {
        if self
            .state
            .data_streams
            .get(name)
            .is_some_and(|stream| stream.replicated)
        {
            let reason = format!(
                "cannot write to data stream [{name}]: it is replicated from another cluster; write there, or promote it first"
            );
            return Err(Exception::new(ExceptionKind::Status, reason)
                .with_status(403)
                .with_index(name));
        }
        let index = resolve_one(&self.state, name, true)
            .map_err(|missing| self.not_created.get(name).cloned().unwrap_or(missing))?;
        index.require_open()?;
        check_block(index, BlockLevel::Write)?;
        if index.is_follower() {
            let reason = format!(
                "cannot write to follower index [{}]: its documents are replicated from the leader index",
                index.name
            );
            return Err(Exception::new(ExceptionKind::Status, reason)
                .with_status(403)
                .with_index(&index.name));
        }
        let stream = self.state.data_stream_of(&index.name);
        Ok(Found {
            index: Arc::clone(index),
            stream: stream.map(|(name, stream)| (name.to_owned(), Arc::clone(stream))),
        })
    }
}

/// The refusal of a write to a data stream that is no create.
pub(super) fn creates_only() -> Exception {
    Exception::illegal_argument("only write ops with an op_type of create are allowed in data streams")
}

/// What may be written to a data stream, or to one of its backing indices by name. Source: Elasticsearch's `TransportBulkAction`.
fn check_stream(item: &BulkItem, name: &str, stream: &DataStream) -> Result<(), Exception> {
    let is_create = matches!(item.action, BulkAction::Create { .. });
    if item.index == name {
        if !is_create {
            return Err(creates_only());
        }
        if item.routing.is_some() && !stream.allow_custom_routing {
            return Err(Exception::illegal_argument(format!(
                "index request targeting data stream [{name}] specifies a custom routing but the [allow_custom_routing] setting was not enabled \
                 in the data stream's template."
            )));
        }
        return Ok(());
    }
    let how = match &item.action {
        BulkAction::Create { .. } => "op_type=create",
        BulkAction::Index {
            precondition: WritePrecondition::SeqNo { .. },
            ..
        }
        | BulkAction::Delete { .. }
        | BulkAction::Update(_) => return Ok(()),
        BulkAction::Index { .. } => "op_type=index and no if_primary_term and if_seq_no set",
    };
    Err(Exception::illegal_argument(format!(
        "index request with {how} targeting backing indices is disallowed, target corresponding data stream [{name}] instead"
    )))
}

fn check_item(item: &BulkItem) -> Result<(), Exception> {
    let invalid = |why: &str| {
        Err(Exception::new(
            ExceptionKind::ActionRequestValidation,
            format!("Validation Failed: 1: {why};"),
        ))
    };
    match &item.id {
        Some(id) if id.is_empty() => {
            return Err(Exception::illegal_argument(
                "if _id is specified it must not be empty",
            ));
        }
        Some(id) if id.len() > MAX_ID_BYTES => {
            return Err(Exception::illegal_argument(format!(
                "id [{id}] is too long, must be no longer than {MAX_ID_BYTES} bytes but was: {}",
                id.len()
            )));
        }
        Some(_) => {}
        None => match &item.action {
            BulkAction::Delete { .. } | BulkAction::Update(_) => return invalid("an id must be provided"),
            BulkAction::Index {
                precondition: WritePrecondition::SeqNo { .. },
                ..
            } => {
                return invalid("an id must be provided if version type or value are set");
            }
            BulkAction::Index { .. } | BulkAction::Create { .. } => {}
        },
    }
    if let BulkAction::Update(update) = &item.action {
        if update.doc.is_none() && (update.doc_as_upsert || update.upsert.is_none()) {
            return invalid("script or doc is missing");
        }
        if update.if_seq_no.is_some()
            && (update.retry_on_conflict > 0 || update.upsert.is_some() || update.doc_as_upsert)
        {
            return invalid("compare and write operations can not be retried or used with upsert");
        }
    }
    Ok(())
}

/// The item's routing, or that of the alias it was sent to.
fn routing_of(index: &IndexMetadata, item: &BulkItem) -> Result<Option<String>, Exception> {
    let by_alias = index
        .aliases
        .get(&item.index)
        .and_then(|alias| alias.index_routing.as_ref());
    match (&item.routing, by_alias) {
        (Some(given), Some(by_alias)) if given != by_alias => Err(Exception::illegal_argument(format!(
            "Alias [{}] has index routing associated with it [{by_alias}], and was provided with routing value [{given}], rejecting operation",
            item.index
        ))),
        (Some(given), _) => Ok(Some(given.clone())),
        (None, Some(by_alias)) => Ok(Some(by_alias.clone())),
        (None, None) if index.mapping.is_routing_required() => {
            let id = item.id.as_deref().unwrap_or_default();
            Err(Exception::illegal_argument(format!(
                "routing is required for [{}]/[{id}]",
                index.name
            )))
        }
        (None, None) => Ok(None),
    }
}
