//! Order of a segment's documents by `_id`, which has no column.

use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet, SegmentReader, TERMINATED};

/// The rank of each document's id among the ids of its segment, built by walking the terms.
///
/// Costs four bytes per document while the search runs. Source: fielddata on `_id` is built the same way, and kept.
pub(super) fn id_ordinals(reader: &SegmentReader, id: Field) -> tantivy::Result<Vec<u32>> {
    let mut ordinals = vec![0; reader.max_doc() as usize];
    let inverted = reader.inverted_index(id)?;
    let mut terms = inverted.terms().stream()?;
    let mut ordinal = 0;
    while terms.advance() {
        let info = terms.value().clone();
        let mut postings = inverted.read_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
        let mut doc = postings.doc();
        while doc != TERMINATED {
            ordinals[doc as usize] = ordinal;
            doc = postings.advance();
        }
        ordinal += 1;
    }
    Ok(ordinals)
}
