//! Reading one document by its id.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use oplog::{DocumentVersion, Frame, OperationKind, PrimaryTerm, SeqNo};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet, Searcher, TERMINATED, Term};

use crate::view::{SEQ_NO, VERSION};
use crate::{Shard, ShardError};

/// A document as its last operation left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetResult {
    /// The document's `_id`.
    pub id: String,
    /// Sequence number of its last operation.
    pub seq_no: SeqNo,
    /// Primary term of its last operation.
    pub primary_term: PrimaryTerm,
    /// Its version.
    pub version: DocumentVersion,
    /// Custom routing, if any.
    pub routing: Option<String>,
    /// The source, byte for byte as it was written.
    pub source: Bytes,
}

/// So often a document is looked up again when it changes while it is read.
const GET_ATTEMPTS: usize = 8;

impl GetResult {
    /// The document that the operation leaves, if it leaves one.
    fn of_index(frame: &Frame) -> Option<Self> {
        (frame.kind() == OperationKind::Index).then(|| Self {
            id: frame.id().to_owned(),
            seq_no: frame.seq_no(),
            primary_term: frame.primary_term(),
            version: frame.version(),
            routing: frame.routing().map(str::to_owned),
            source: frame.source_bytes(),
        })
    }
}

/// Where a live document is in the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) seq_no: SeqNo,
    pub(crate) version: DocumentVersion,
}

/// Finds the live document with this id.
fn locate(searcher: &Searcher, id_field: Field, id: &str) -> tantivy::Result<Option<Located>> {
    let term = Term::from_field_text(id_field, id);
    for reader in searcher.segment_readers() {
        let Some(mut postings) = reader
            .inverted_index(id_field)?
            .read_postings(&term, IndexRecordOption::Basic)?
        else {
            continue;
        };
        while postings.doc() != TERMINATED {
            let doc = postings.doc();
            if !reader.is_deleted(doc) {
                let columns = reader.fast_fields();
                let seq_no = columns.u64(SEQ_NO)?.first(doc);
                let version = columns.u64(VERSION)?.first(doc);
                if let (Some(seq_no), Some(version)) = (seq_no, version) {
                    return Ok(Some(Located {
                        seq_no: SeqNo::new(seq_no),
                        version: DocumentVersion::new(version),
                    }));
                }
            }
            postings.advance();
        }
    }
    Ok(None)
}

impl Shard {
    /// The document as its last operation left it, searchable or not.
    ///
    /// # Errors
    /// [`ShardError::Failed`], [`ShardError::View`].
    pub fn get(&self, id: &str) -> Result<Option<GetResult>, ShardError> {
        self.check_open()?;
        self.counters.gets.fetch_add(1, Ordering::Relaxed);
        for _ in 0..GET_ATTEMPTS {
            let found = match self.tail.get(id) {
                Some(entry) if entry.deleted => return Ok(None),
                Some(entry) => entry.seq_no,
                None => return self.get_searchable(id),
            };
            // The operation is gone when the document was written anew after it was found, and the old one compacted away at once.
            if let Some(frame) = self.note(self.log.get(found))? {
                return Ok(GetResult::of_index(&frame));
            }
        }
        Err(ShardError::View {
            reason: format!("document [{id}] changes faster than it can be read"),
        })
    }

    /// The document as a search sees it (`realtime=false`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_refreshed(&self, id: &str) -> Result<Option<GetResult>, ShardError> {
        self.check_open()?;
        self.counters.gets.fetch_add(1, Ordering::Relaxed);
        self.get_searchable(id)
    }

    /// Where searches find the live document with this id.
    pub(crate) fn locate(&self, id: &str) -> Result<Option<Located>, ShardError> {
        let published = self.view.published();
        self.view
            .read_state(&published, |searcher| locate(searcher, self.view.schema().id, id))
    }

    fn get_searchable(&self, id: &str) -> Result<Option<GetResult>, ShardError> {
        // What a state of the view shows is kept in the log as long as somebody holds that state.
        let published = self.view.published();
        let located = self
            .view
            .read_state(&published, |searcher| locate(searcher, self.view.schema().id, id))?;
        let Some(located) = located else { return Ok(None) };
        let frame = self.note(self.log.get(located.seq_no))?;
        drop(published);
        Ok(frame.as_ref().and_then(GetResult::of_index))
    }
}
