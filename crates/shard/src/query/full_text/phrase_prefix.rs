//! Phrases whose last word is only begun: which words it stands for is read from the index when the search begins.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use index_meta::FieldMapping;
use tantivy::query::{DisjunctionMaxQuery, EmptyQuery, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, Score, SegmentReader, Term};

use super::super::build::{BuildContext, scored_field};
use super::phrase::MAX_PHRASES;
use crate::relevance::{FieldOf, ScoredPhrase, ScoredTerm, StatisticsCache};
use crate::view::ViewSchema;

/// See the module.
#[derive(Clone)]
pub(super) struct PhrasePrefix {
    /// What stands before the last word, in every way that synonyms allow. A phrase may be empty.
    heads: Vec<Vec<(usize, Term)>>,
    /// The term of what there is of the last word, and its place.
    begun: Term,
    position: usize,
    slop: u32,
    /// Words that the last one may stand for, the first ones in their order.
    limit: usize,
    field: FieldOf,
    schema: Arc<ViewSchema>,
    statistics: Arc<StatisticsCache>,
}

impl PhrasePrefix {
    pub(super) fn of(
        context: &BuildContext<'_>,
        mapping: &FieldMapping,
        heads: Vec<Vec<(usize, Term)>>,
        begun: &str,
        limit: u32,
    ) -> Self {
        Self {
            // With synonyms, fewer words for each phrase.
            limit: (limit as usize).min(MAX_PHRASES / heads.len().max(1)).max(1),
            heads,
            begun: context.text_term(mapping, begun),
            position: 0,
            slop: 0,
            field: scored_field(mapping),
            schema: Arc::clone(context.schema),
            statistics: Arc::clone(context.statistics),
        }
    }

    /// With the last word at this place, and terms by so many places off.
    pub(super) fn at(self, position: usize, slop: u32) -> Self {
        Self {
            position,
            slop,
            ..self
        }
    }

    /// What the words of these segments, the first ones in their order, make of the phrase.
    fn phrases(&self, segments: &[SegmentReader]) -> tantivy::Result<Vec<Box<dyn Query>>> {
        let begun = self.begun.serialized_value_bytes();
        let mut words = BTreeSet::new();
        for reader in segments {
            let inverted = reader.inverted_index(self.begun.field())?;
            let mut stream = inverted.terms().range().ge(begun).into_stream()?;
            let mut taken = 0;
            while taken < self.limit && stream.advance() && stream.key().starts_with(begun) {
                words.insert(stream.key().to_vec());
                taken += 1;
            }
        }
        let lasts = words.into_iter().take(self.limit).map(|word| {
            let mut last = self.begun.clone();
            last.set_bytes(&word);
            last
        });
        let phrases =
            lasts.flat_map(|last| self.heads.iter().map(move |head| self.phrase(head, last.clone())));
        Ok(phrases.collect())
    }

    fn phrase(&self, head: &[(usize, Term)], last: Term) -> Box<dyn Query> {
        let (field, schema) = (self.field.clone(), Arc::clone(&self.schema));
        let statistics = Arc::clone(&self.statistics);
        if head.is_empty() {
            return Box::new(ScoredTerm {
                term: last,
                field,
                schema,
                statistics,
            });
        }
        let mut terms = head.to_vec();
        terms.push((self.position, last));
        Box::new(ScoredPhrase {
            terms,
            slop: self.slop,
            field,
            schema,
            statistics,
        })
    }
}

fn any_weight(phrases: Vec<Box<dyn Query>>, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
    match phrases.is_empty() {
        true => EmptyQuery.weight(scoring),
        false => DisjunctionMaxQuery::new(phrases).weight(scoring),
    }
}

impl fmt::Debug for PhrasePrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.heads.first().map_or(0, Vec::len);
        write!(
            formatter,
            "a phrase of {words} words and one that is begun, in {:?}",
            self.field
        )
    }
}

impl Query for PhrasePrefix {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        match scoring.searcher() {
            Some(searcher) => any_weight(self.phrases(searcher.segment_readers())?, scoring),
            None => Ok(Box::new(BySegment(self.clone()))),
        }
    }
}

/// Where the index is not known before its segments are, as in filters of aggregations: each segment is asked for its own words.
struct BySegment(PhrasePrefix);

impl BySegment {
    fn weight(&self, reader: &SegmentReader) -> tantivy::Result<Box<dyn Weight>> {
        let phrases = self.0.phrases(std::slice::from_ref(reader))?;
        any_weight(
            phrases,
            EnableScoring::disabled_from_schema(&self.0.schema.schema),
        )
    }
}

impl Weight for BySegment {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        self.weight(reader)?.scorer(reader, boost)
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.weight(reader)?.explain(reader, doc)
    }
}
