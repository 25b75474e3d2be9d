//! One term of a field, scored.

use std::fmt;
use std::sync::Arc;

use tantivy::columnar::Column;
use tantivy::postings::{Postings, SegmentPostings};
use tantivy::query::{EmptyQuery, EmptyScorer, EnableScoring, Explanation, Query, Scorer, TermQuery, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, TantivyError, Term};

use super::bm25::{Bm25, idf};
use super::statistics::{FieldOf, StatisticsCache};
use crate::view::ViewSchema;

/// Documents with the term.
#[derive(Clone)]
pub(crate) struct ScoredTerm {
    pub(crate) term: Term,
    pub(crate) field: FieldOf,
    pub(crate) schema: Arc<ViewSchema>,
    pub(crate) statistics: Arc<StatisticsCache>,
}

/// A term as people write it: validations of queries show it.
pub(super) fn shown(field: &FieldOf, term: &Term) -> String {
    // Between the path and the text are an end mark and the type.
    let bytes = term.serialized_value_bytes();
    let end = bytes.iter().position(|byte| *byte == 0).map_or(0, |end| end + 2);
    let text = String::from_utf8_lossy(bytes.get(end..).unwrap_or_default());
    format!("{}:{text}", field.path())
}

impl fmt::Debug for ScoredTerm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&shown(&self.field, &self.term))
    }
}

impl Query for ScoredTerm {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let EnableScoring::Enabled { searcher, .. } = scoring else {
            return TermQuery::new(self.term.clone(), IndexRecordOption::Basic).weight(scoring);
        };
        let with_term = searcher.doc_freq(&self.term)?;
        if with_term == 0 {
            return EmptyQuery.weight(scoring);
        }
        let statistics = self.statistics.of(searcher, &self.schema, &self.field)?;
        Ok(Box::new(ScoredTermWeight {
            term: self.term.clone(),
            lengths: self.field.length_column(),
            formula: Bm25::new(idf(statistics.documents, with_term), statistics.average_length()),
        }))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        visitor(&self.term, false);
    }
}

struct ScoredTermWeight {
    term: Term,
    lengths: Option<String>,
    formula: Bm25,
}

impl ScoredTermWeight {
    fn term_scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Option<TermScorer>> {
        let inverted = reader.inverted_index(self.term.field())?;
        let Some(postings) = inverted.read_postings(&self.term, IndexRecordOption::WithFreqs)? else {
            return Ok(None);
        };
        Ok(Some(TermScorer {
            postings,
            lengths: Lengths::open(reader, self.lengths.as_deref())?,
            formula: self.formula,
            boost,
        }))
    }
}

impl Weight for ScoredTermWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(match self.term_scorer(reader, boost)? {
            Some(scorer) => Box::new(scorer),
            None => Box::new(EmptyScorer),
        })
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        if let Some(mut scorer) = self.term_scorer(reader, 1.0)?
            && scorer.doc() <= doc
            && scorer.seek(doc) == doc
        {
            return Ok(Explanation::new("BM25 of a term", scorer.score()));
        }
        Err(TantivyError::InvalidArgument("document does not match".into()))
    }

    fn count(&self, reader: &SegmentReader) -> tantivy::Result<u32> {
        match reader.alive_bitset() {
            None => Ok(reader.inverted_index(self.term.field())?.doc_freq(&self.term)?),
            Some(alive) => Ok(self
                .term_scorer(reader, 1.0)?
                .map_or(0, |mut scorer| scorer.count(alive))),
        }
    }
}

struct TermScorer {
    postings: SegmentPostings,
    lengths: Lengths,
    formula: Bm25,
    boost: Score,
}

impl DocSet for TermScorer {
    fn advance(&mut self) -> DocId {
        self.postings.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.postings.seek(target)
    }

    fn doc(&self) -> DocId {
        self.postings.doc()
    }

    fn size_hint(&self) -> u32 {
        self.postings.size_hint()
    }
}

impl Scorer for TermScorer {
    fn score(&mut self) -> Score {
        let doc = self.postings.doc();
        if doc == TERMINATED {
            return 0.0;
        }
        let frequency = f64::from(self.postings.term_freq());
        self.formula.score(frequency, self.lengths.of(doc), self.boost)
    }
}

/// The lengths of a field in a segment.
pub(super) struct Lengths(Option<Column<i64>>);

impl Lengths {
    /// Of this column; without one all are 1.
    pub(super) fn open(reader: &SegmentReader, column: Option<&str>) -> tantivy::Result<Self> {
        Ok(Self(match column {
            Some(column) => reader.fast_fields().column_opt::<i64>(column)?,
            None => None,
        }))
    }

    pub(super) fn of(&self, doc: DocId) -> u32 {
        let length = self.0.as_ref().and_then(|column| column.first(doc));
        length.and_then(|length| u32::try_from(length).ok()).unwrap_or(1)
    }
}
