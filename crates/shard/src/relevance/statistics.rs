//! What relevance needs to know of a field as a whole: how many documents have it, and how much of it there is.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tantivy::columnar::ColumnIndex;
use tantivy::index::SegmentId;
use tantivy::{Searcher, SegmentReader, Term};

use crate::view::ViewSchema;

/// Fields of segments that are remembered of one shard. A segment never changes, and a field of it is counted once.
const MOST_REMEMBERED: usize = 4_096;

/// A field whose terms are scored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum FieldOf {
    /// A text at this path.
    Text(String),
    /// A text at this path whose lengths are not kept (`norms: false`): all count as equally long.
    TextWithoutNorms(String),
    /// An exact value at this path.
    Exact(String),
}

impl FieldOf {
    /// The field's path.
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Text(path) | Self::TextWithoutNorms(path) | Self::Exact(path) => path,
        }
    }

    /// The column of lengths; `None` if all are equally long.
    pub(super) fn length_column(&self) -> Option<String> {
        match self {
            Self::Text(path) => Some(ViewSchema::length_column(path)),
            Self::TextWithoutNorms(_) | Self::Exact(_) => None,
        }
    }
}

/// Of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FieldStatistics {
    /// Documents that have the field.
    pub(super) documents: u64,
    /// Its tokens, or values, in all of them.
    tokens: u64,
}

impl FieldStatistics {
    /// How long the field is on average; 1 where that is not known, or nobody has it.
    pub(super) fn average_length(self) -> f64 {
        if self.documents == 0 || self.tokens == 0 {
            return 1.0;
        }
        self.tokens as f64 / self.documents as f64
    }
}

/// Remembers what was counted, by segment.
#[derive(Debug, Default)]
pub(crate) struct StatisticsCache(Mutex<HashMap<SegmentId, HashMap<FieldOf, FieldStatistics>>>);

impl StatisticsCache {
    /// Of the field in all segments of the searcher.
    pub(super) fn of(
        self: &Arc<Self>,
        searcher: &Searcher,
        schema: &ViewSchema,
        field: &FieldOf,
    ) -> tantivy::Result<FieldStatistics> {
        let mut sum = FieldStatistics::default();
        for reader in searcher.segment_readers() {
            let known = self.known(reader.segment_id(), field);
            let counted = match known {
                Some(known) => known,
                None => {
                    let counted = count(reader, schema, field)?;
                    self.remember(searcher, reader.segment_id(), field, counted);
                    counted
                }
            };
            sum.documents += counted.documents;
            sum.tokens += counted.tokens;
        }
        Ok(sum)
    }

    fn known(&self, segment: SegmentId, field: &FieldOf) -> Option<FieldStatistics> {
        self.0.lock().get(&segment)?.get(field).copied()
    }

    /// Forgets the segments that are gone when there is too much to remember, and remembers no more if that is not enough.
    fn remember(&self, searcher: &Searcher, segment: SegmentId, field: &FieldOf, counted: FieldStatistics) {
        let mut remembered = self.0.lock();
        let count =
            |remembered: &HashMap<_, HashMap<_, _>>| -> usize { remembered.values().map(HashMap::len).sum() };
        if count(&remembered) >= MOST_REMEMBERED {
            let readers = searcher.segment_readers();
            remembered.retain(|id, _| readers.iter().any(|reader| reader.segment_id() == *id));
            if count(&remembered) >= MOST_REMEMBERED {
                return;
            }
        }
        remembered
            .entry(segment)
            .or_default()
            .insert(field.clone(), counted);
    }
}

fn count(reader: &SegmentReader, schema: &ViewSchema, field: &FieldOf) -> tantivy::Result<FieldStatistics> {
    match field {
        FieldOf::Text(path) | FieldOf::TextWithoutNorms(path) => {
            let documents = reader
                .inverted_index(schema.field_names)?
                .doc_freq(&Term::from_field_text(schema.field_names, path))?;
            let mut tokens = 0;
            if let Some(column) = field.length_column()
                && let Some(lengths) = reader.fast_fields().column_opt::<i64>(&column)?
            {
                tokens = lengths.values.iter().map(i64::unsigned_abs).sum();
            }
            Ok(FieldStatistics {
                documents: u64::from(documents),
                tokens,
            })
        }
        FieldOf::Exact(path) => {
            let mut counted = FieldStatistics::default();
            for handle in reader
                .fast_fields()
                .dynamic_column_handles(&ViewSchema::exact_column(path))?
            {
                let column = handle.open()?;
                let documents = match column.column_index() {
                    ColumnIndex::Empty { .. } => 0,
                    ColumnIndex::Full => u64::from(reader.max_doc()),
                    ColumnIndex::Optional(index) => u64::from(index.num_non_nulls()),
                    ColumnIndex::Multivalued(index) => index.iter_non_null_docs().count() as u64,
                };
                counted.documents += documents;
                counted.tokens += u64::from(column.num_values());
            }
            Ok(counted)
        }
    }
}
