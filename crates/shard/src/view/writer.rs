//! An open tantivy writer, fed with frames.

use std::collections::BTreeMap;
use std::sync::Arc;

use index_meta::{DocumentRules, Mapping};
use oplog::{Frame, Healed, OperationKind, SeqNo};
use serde::{Deserialize, Serialize};
use tantivy::index::SegmentId;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy, MergePolicy, NoMergePolicy};
use tantivy::{FutureResult, Index, IndexWriter, SegmentMeta, Term};

use super::document::ViewDocument;
use super::inflight::Inflight;
use super::schema::ViewSchema;
use crate::analysis::{Analyzers, IndexAnalyzers};
use crate::{ShardError, ViewPoolConfig};

/// Share of dead documents above which a segment is rewritten.
const DEAD_SHARE_BEFORE_MERGE: f32 = 0.3;
/// Segments of more documents are not merged any further.
const MAX_DOCS_BEFORE_MERGE: usize = 5_000_000;

/// What a commit says about itself. Tantivy forgets the payload at a commit that does not set it, so every commit does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommitPayload {
    /// Version of this format: 4.
    pub(crate) format: u32,
    /// The first operation that the commit does not hold.
    pub(crate) next_seq_no: u64,
    /// The mapping that was in force at the commit.
    pub(crate) mapping_version: u64,
    /// The last operation that was read for the commit: it tells whose log this is a view of. `None` if none was.
    pub(crate) last: Option<LastOperation>,
    /// What the analyzers and normalizers in use were, by name: see [`Analyzers::fingerprints`].
    pub(crate) analysis: BTreeMap<String, u64>,
}

/// One operation of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastOperation {
    pub(crate) seq_no: u64,
    /// Of its frame.
    pub(crate) checksum: u64,
}

impl CommitPayload {
    pub(crate) const FORMAT: u32 = 4;
    /// What a view without a commit holds.
    pub(crate) const EMPTY: Self = Self {
        format: Self::FORMAT,
        next_seq_no: 0,
        mapping_version: 0,
        last: None,
        analysis: BTreeMap::new(),
    };
}

/// See the module.
pub(super) struct ViewWriter {
    writer: IndexWriter<ViewDocument>,
    analyzers: IndexAnalyzers,
    inflight: Arc<Inflight>,
}

impl std::fmt::Debug for ViewWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ViewWriter").finish_non_exhaustive()
    }
}

fn merge_policy() -> Box<dyn MergePolicy> {
    let mut policy = LogMergePolicy::default();
    policy.set_del_docs_ratio_before_merge(DEAD_SHARE_BEFORE_MERGE);
    policy.set_max_docs_before_merge(MAX_DOCS_BEFORE_MERGE);
    Box::new(policy)
}

impl ViewWriter {
    /// Opens the one writer of the index: one indexing thread, one merge thread.
    pub(super) fn open(
        index: &Index,
        analyzers: &Arc<Analyzers>,
        config: &ViewPoolConfig,
    ) -> Result<Self, ShardError> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1)
            .memory_budget_per_thread(config.writer_heap_bytes)
            .build();
        let writer: IndexWriter<ViewDocument> = index.writer_with_options(options)?;
        writer.set_merge_policy(merge_policy());
        Ok(Self {
            writer,
            analyzers: IndexAnalyzers::new(Arc::clone(analyzers)),
            inflight: Inflight::new(config.inflight_bytes),
        })
    }

    /// Lets the writer start merges by itself, as it does at first, or not; those under way go on.
    pub(super) fn pause_merges(&self, paused: bool) {
        let policy = if paused {
            Box::new(NoMergePolicy)
        } else {
            merge_policy()
        };
        self.writer.set_merge_policy(policy);
    }

    /// Applies one operation. Deletes go by the `_seq_no` of the superseded operation: that term has one document at most, and an
    /// append-only shard, where nothing is superseded, never looks a term up.
    pub(super) fn apply(
        &mut self,
        schema: &Arc<ViewSchema>,
        mapping: &Mapping,
        rules: DocumentRules,
        frame: &Frame,
    ) -> Result<(), ShardError> {
        if let Some(superseded) = frame.superseded() {
            self.delete(schema, superseded);
        }
        if frame.kind() != OperationKind::Index {
            return Ok(());
        }
        let mut document = ViewDocument::new(schema, frame, &self.inflight);
        let mut filler = document.filler(&mut self.analyzers);
        if let Err(error) = mapping.visit_document(frame.source(), rules, &mut filler) {
            // The primary accepted the document, so it stays reachable by its id and metadata whatever its source is.
            tracing::warn!(seq_no = frame.seq_no().get(), %error, "document cannot be read by the mapping, its fields are not searchable");
        }
        document.count_bytes();
        self.writer.add_document(document)?;
        Ok(())
    }

    fn delete(&self, schema: &ViewSchema, seq_no: SeqNo) {
        self.writer
            .delete_term(Term::from_field_u64(schema.seq_no, seq_no.get()));
    }

    /// Drops the documents that heals have made dead; those that are gone already cost a look-up each.
    pub(super) fn bury(&self, schema: &ViewSchema, healed: &Healed) {
        for seq_no in healed.dead() {
            self.delete(schema, seq_no);
        }
    }

    /// Makes everything applied durable and visible to new searchers.
    pub(super) fn commit(&mut self, payload: &CommitPayload) -> Result<(), ShardError> {
        let text = serde_json::to_string(payload).map_err(|error| ShardError::View {
            reason: error.to_string(),
        })?;
        let mut prepared = self.writer.prepare_commit()?;
        prepared.set_payload(&text);
        prepared.commit()?;
        Ok(())
    }

    /// Starts a merge of the segments into one. It is done after all that were started before: there is one merge thread.
    pub(super) fn merge(&mut self, segments: &[SegmentId]) -> FutureResult<Option<SegmentMeta>> {
        self.writer.merge(segments)
    }

    /// Closes the writer after its merges; nothing runs afterwards.
    pub(super) fn close(self) {
        if let Err(error) = self.writer.wait_merging_threads() {
            tracing::warn!(%error, "merging search view segments failed");
        }
    }
}
