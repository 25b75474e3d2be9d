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

impl GetResult {
    fn of(frame: &Frame) -> Self {
        Self {
            id: frame.id().to_owned(),
            seq_no: frame.seq_no(),
            primary_term: frame.primary_term(),
            version: frame.version(),
            routing: frame.routing().map(str::to_owned),
            source: frame.source_bytes(),
        }
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
        // The document may change between finding and reading it only together with its seq_no, which is still in the log.
        match self.tail.get(id) {
            Some(entry) if entry.deleted => Ok(None),
            Some(entry) => self.read_document(entry.seq_no),
            None => self.get_searchable(id),
        }
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
            .read(|| locate(&published.searcher, self.view.schema().id, id))
    }

    fn get_searchable(&self, id: &str) -> Result<Option<GetResult>, ShardError> {
        match self.locate(id)? {
            Some(located) => self.read_document(located.seq_no),
            None => Ok(None),
        }
    }

    fn read_document(&self, seq_no: SeqNo) -> Result<Option<GetResult>, ShardError> {
        let frame = self.note(self.log.get(seq_no))?;
        Ok(frame
            .filter(|frame| frame.kind() == OperationKind::Index)
            .map(|frame| GetResult::of(&frame)))
    }
}
