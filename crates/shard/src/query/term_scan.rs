//! Matches documents by walking the terms of one path.

use std::ops::Bound;
use std::sync::Arc;

use tantivy::query::{
    BitSetDocSet, ConstScorer, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{BitSet, DocId, DocSet, Score, SegmentReader, TERMINATED, TantivyError, Term};

use super::BuildContext;
use crate::search::SearchLimit;

type Accepts = dyn Fn(&[u8]) -> bool + Send + Sync;

/// Decides on the text of a term.
#[derive(Clone)]
pub(super) struct TermMatcher(Arc<Accepts>);

impl TermMatcher {
    /// Terms whose text the predicate accepts.
    pub(super) fn text(accepts: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |bytes| {
            std::str::from_utf8(bytes).is_ok_and(&accepts)
        }))
    }

    /// Terms between two others of the same path, whose common beginning is `head`.
    pub(super) fn between(head: &Term, lower: Bound<Term>, upper: Bound<Term>) -> Self {
        let skip = head.serialized_value_bytes().len();
        let text = move |term: Term| term.serialized_value_bytes()[skip..].to_vec();
        let (lower, upper) = (lower.map(text), upper.map(text));
        Self(Arc::new(move |bytes| {
            let above = match &lower {
                Bound::Included(bound) => bytes >= &bound[..],
                Bound::Excluded(bound) => bytes > &bound[..],
                Bound::Unbounded => true,
            };
            above
                && match &upper {
                    Bound::Included(bound) => bytes <= &bound[..],
                    Bound::Excluded(bound) => bytes < &bound[..],
                    Bound::Unbounded => true,
                }
        }))
    }
}

/// See the module.
#[derive(Clone)]
pub(super) struct TermScanQuery {
    field: Field,
    /// Path and type, as every term of interest begins.
    head: Vec<u8>,
    /// What the text of every match begins with.
    literal: Vec<u8>,
    matcher: TermMatcher,
    limit: Arc<SearchLimit>,
}

impl std::fmt::Debug for TermScanQuery {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TermScanQuery")
            .field("literal", &self.literal)
            .finish_non_exhaustive()
    }
}

impl TermScanQuery {
    /// `head` is the path's term with an empty text; `literal` is what every match begins with.
    pub(super) fn new(context: &BuildContext<'_>, head: &Term, literal: &str, matcher: TermMatcher) -> Self {
        Self {
            field: head.field(),
            head: head.serialized_value_bytes().to_vec(),
            literal: literal.as_bytes().to_vec(),
            matcher,
            limit: Arc::clone(context.limit),
        }
    }

    /// `None` if no term matches: a segment has many fields, of which most have none. What was found so far, when the search's time is over.
    fn matching_docs(&self, reader: &SegmentReader) -> tantivy::Result<Option<BitSet>> {
        let inverted = reader.inverted_index(self.field)?;
        let prefix = [&self.head[..], &self.literal[..]].concat();
        let mut terms = inverted.terms().range().ge(&prefix).into_stream()?;
        let mut found = None;
        let mut steps = self.limit.steps();
        while terms.advance() && !steps.are_over() {
            let key = terms.key();
            if !key.starts_with(&prefix) {
                break;
            }
            if !(self.matcher.0)(&key[self.head.len()..]) {
                continue;
            }
            let docs = found.get_or_insert_with(|| BitSet::with_max_value(reader.max_doc()));
            let info = terms.value().clone();
            let mut postings = inverted.read_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
            let mut doc = postings.doc();
            while doc != TERMINATED && !steps.are_over() {
                docs.insert(doc);
                doc = postings.advance();
            }
        }
        Ok(found)
    }
}

impl Query for TermScanQuery {
    fn weight(&self, _scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(TermScanWeight(self.clone())))
    }
}

struct TermScanWeight(TermScanQuery);

impl Weight for TermScanWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(match self.0.matching_docs(reader)? {
            Some(docs) => Box::new(ConstScorer::new(BitSetDocSet::from(docs), boost)),
            None => Box::new(EmptyScorer),
        })
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        if self
            .0
            .matching_docs(reader)?
            .is_some_and(|docs| docs.contains(doc))
        {
            Ok(Explanation::new("TermScan", 1.0))
        } else {
            Err(TantivyError::InvalidArgument("document does not match".into()))
        }
    }
}
