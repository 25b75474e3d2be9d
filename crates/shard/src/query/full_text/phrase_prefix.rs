//! Phrases whose last word is only begun: which words it stands for is read from the index when the search begins.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use index_meta::FieldMapping;
use tantivy::query::{DisjunctionMaxQuery, EmptyQuery, EnableScoring, Query, Weight};
use tantivy::{Searcher, Term};

use super::super::build::{BuildContext, scored_field};
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
            heads,
            begun: context.text_term(mapping, begun),
            position: 0,
            slop: 0,
            limit: limit as usize,
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

    /// The words in the index that begin as the last word does.
    fn words(&self, searcher: &Searcher) -> tantivy::Result<BTreeSet<Vec<u8>>> {
        let begun = self.begun.serialized_value_bytes();
        let mut words = BTreeSet::new();
        for reader in searcher.segment_readers() {
            let inverted = reader.inverted_index(self.begun.field())?;
            let mut stream = inverted.terms().range().ge(begun).into_stream()?;
            let mut taken = 0;
            while taken < self.limit && stream.advance() && stream.key().starts_with(begun) {
                words.insert(stream.key().to_vec());
                taken += 1;
            }
        }
        Ok(words)
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
        let Some(searcher) = scoring.searcher() else {
            return EmptyQuery.weight(scoring);
        };
        let mut phrases: Vec<Box<dyn Query>> = Vec::new();
        for word in self.words(searcher)?.into_iter().take(self.limit) {
            let mut last = self.begun.clone();
            last.set_bytes(&word);
            for head in &self.heads {
                let (field, schema) = (self.field.clone(), Arc::clone(&self.schema));
                let statistics = Arc::clone(&self.statistics);
                phrases.push(match head.is_empty() {
                    true => Box::new(ScoredTerm {
                        term: last.clone(),
                        field,
                        schema,
                        statistics,
                    }),
                    false => {
                        let mut terms = head.clone();
                        terms.push((self.position, last.clone()));
                        Box::new(ScoredPhrase {
                            terms,
                            slop: self.slop,
                            field,
                            schema,
                            statistics,
                        })
                    }
                });
            }
        }
        match phrases.is_empty() {
            true => EmptyQuery.weight(scoring),
            false => DisjunctionMaxQuery::new(phrases).weight(scoring),
        }
    }
}
