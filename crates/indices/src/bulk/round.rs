//! One round of a shard's items: read what updates need, write, sort the outcomes. Blocking.

use bytes::Bytes;
use es_exception::Exception;
use index_meta::MappingUpdate;
use oplog::AppendTicket;
use shard::{DocumentWrite, Shard, WriteError, WriteOperation, WriteOutcome, WritePrecondition, WriteResult};

use super::update::{Prepared, prepare_update};
use crate::request::{BulkAction, DocumentResponse, DocumentResult, ShardCounts};

/// An item that has no outcome yet.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Its place in the request.
    pub(super) position: usize,
    pub(super) id: String,
    pub(super) auto_id: bool,
    pub(super) routing: Option<String>,
    pub(super) action: BulkAction,
    /// How often it waited for a mapping.
    pub(super) mapping_rounds: u32,
    /// How often it met a conflict that is to be tried again.
    pub(super) conflicts: u32,
}

impl Pending {
    pub(super) fn new(id: String, auto_id: bool, routing: Option<String>, action: BulkAction) -> Self {
        Self {
            position: 0,
            id,
            auto_id,
            routing,
            action,
            mapping_rounds: 0,
            conflicts: 0,
        }
    }
}

/// What became of the items of a round.
#[derive(Debug, Default)]
pub(super) struct RoundEnd {
    pub(super) done: Vec<super::ItemResult>,
    /// These wait for a mapping.
    pub(super) needs_mapping: Vec<(Pending, MappingUpdate)>,
    /// These met a conflict and look again.
    pub(super) again: Vec<Pending>,
    pub(super) ticket: Option<AppendTicket>,
}

/// What an answer says besides the outcome.
#[derive(Debug)]
pub(super) struct AnswerParts {
    pub(super) index: String,
    pub(super) copies: u32,
}

/// Writes `items`, of which no two have the same id.
pub(super) fn run_round(shard: &Shard, items: Vec<Pending>, parts: &AnswerParts) -> RoundEnd {
    let mut end = RoundEnd::default();
    let mut writing = Vec::with_capacity(items.len());
    let mut writes = Vec::with_capacity(items.len());
    for item in items {
        match prepare(shard, &item) {
            Ok(Prepared::Write {
                operation,
                precondition,
                answer_source,
            }) => {
                writes.push(DocumentWrite {
                    id: item.id.clone(),
                    auto_id: item.auto_id,
                    routing: item.routing.clone(),
                    operation,
                    precondition,
                });
                writing.push((item, answer_source));
            }
            Ok(Prepared::Noop {
                current,
                answer_source,
            }) => {
                let response = DocumentResponse {
                    index: parts.index.clone(),
                    id: item.id,
                    version: current.version,
                    result: DocumentResult::Noop,
                    seq_no: current.seq_no,
                    primary_term: current.primary_term,
                    forced_refresh: false,
                    shards: ShardCounts::default(),
                    source: answer_source,
                    routing: current.routing,
                };
                end.done.push((item.position, Ok(response)));
            }
            Err(error) => end.done.push((item.position, Err(error))),
        }
    }
    if writes.is_empty() {
        return end;
    }
    match shard.write(writes) {
        Ok(batch) => {
            end.ticket = batch.ticket;
            for ((item, answer_source), result) in writing.into_iter().zip(batch.items) {
                sort_outcome(&mut end, item, answer_source, result, parts);
            }
        }
        Err(error) => {
            let error = Exception::from(&error).with_index(&parts.index);
            end.done.extend(
                writing
                    .into_iter()
                    .map(|(item, _)| (item.position, Err(error.clone()))),
            );
        }
    }
    end
}

fn prepare(shard: &Shard, item: &Pending) -> Result<Prepared, Exception> {
    let write = |operation, precondition| {
        Ok(Prepared::Write {
            operation,
            precondition,
            answer_source: None,
        })
    };
    match &item.action {
        BulkAction::Index { source, precondition } => write(
            WriteOperation::Index {
                source: source.clone(),
                create_only: false,
            },
            *precondition,
        ),
        BulkAction::Create { source } => write(
            WriteOperation::Index {
                source: source.clone(),
                create_only: true,
            },
            WritePrecondition::None,
        ),
        BulkAction::Delete { precondition } => write(WriteOperation::Delete, *precondition),
        BulkAction::Update(update) => {
            let current = shard.get(&item.id).map_err(|error| Exception::from(&error))?;
            prepare_update(&item.id, update, current)
        }
    }
}

fn sort_outcome(
    end: &mut RoundEnd,
    mut item: Pending,
    answer_source: Option<Bytes>,
    result: Result<WriteOutcome, WriteError>,
    parts: &AnswerParts,
) {
    match result {
        Ok(outcome) => {
            let response = response(item.id, item.routing, outcome, answer_source, parts);
            end.done.push((item.position, Ok(response)));
        }
        Err(WriteError::MappingUpdateRequired(update)) => end.needs_mapping.push((item, update)),
        Err(WriteError::VersionConflict { .. } | WriteError::DocumentExists { .. })
            if may_look_again(&item) =>
        {
            item.conflicts += 1;
            end.again.push(item);
        }
        Err(error) => end
            .done
            .push((item.position, Err(error.to_exception().with_index(&parts.index)))),
    }
}

fn may_look_again(item: &Pending) -> bool {
    matches!(&item.action, BulkAction::Update(update) if item.conflicts < update.retry_on_conflict)
}

fn response(
    id: String,
    routing: Option<String>,
    outcome: WriteOutcome,
    source: Option<Bytes>,
    parts: &AnswerParts,
) -> DocumentResponse {
    DocumentResponse {
        index: parts.index.clone(),
        id,
        version: outcome.version,
        result: match outcome.result {
            WriteResult::Created => DocumentResult::Created,
            WriteResult::Updated => DocumentResult::Updated,
            WriteResult::Deleted => DocumentResult::Deleted,
            WriteResult::NotFound => DocumentResult::NotFound,
        },
        seq_no: outcome.seq_no,
        primary_term: outcome.primary_term,
        forced_refresh: false,
        shards: ShardCounts {
            total: parts.copies,
            successful: 1,
            failed: 0,
        },
        source,
        routing,
    }
}
