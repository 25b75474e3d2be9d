//! A phrase of a text field, scored.
//!
//! Tantivy finds the phrases, and its score is the only thing that tells how often one is in a document. With statistics in which all documents are
//! equally long it can be computed back to that number, which the formula then takes.

use std::fmt;
use std::sync::Arc;

use tantivy::query::{
    Bm25StatisticsProvider, Bm25Weight, EmptyQuery, EnableScoring, Explanation, PhraseQuery, Query, Scorer,
    Weight,
};
use tantivy::schema::Field;
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, TantivyError, Term};

use super::bm25::{Bm25, idf};
use super::statistics::{FieldOf, StatisticsCache};
use super::term::{Lengths, shown};
use crate::view::ViewSchema;

/// Documents with the phrase.
#[derive(Clone)]
pub(crate) struct ScoredPhrase {
    /// Terms with their places in the phrase, two or more.
    pub(crate) terms: Vec<(usize, Term)>,
    /// By how many places terms may be off.
    pub(crate) slop: u32,
    pub(crate) field: FieldOf,
    pub(crate) schema: Arc<ViewSchema>,
    pub(crate) statistics: Arc<StatisticsCache>,
}

impl fmt::Debug for ScoredPhrase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self
            .terms
            .iter()
            .map(|(_, term)| shown(&self.field, term))
            .collect();
        write!(formatter, "\"{}\"~{}", words.join(" "), self.slop)
    }
}

impl Query for ScoredPhrase {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let finder = PhraseQuery::new_with_offset_and_slop(self.terms.clone(), self.slop);
        let EnableScoring::Enabled { searcher, .. } = scoring else {
            return finder.weight(scoring);
        };
        let with_terms = self.terms.iter().map(|(_, term)| searcher.doc_freq(term));
        let with_terms = with_terms.collect::<Result<Vec<_>, _>>()?;
        if with_terms.contains(&0) {
            return EmptyQuery.weight(scoring);
        }
        let statistics = self.statistics.of(searcher, &self.schema, &self.field)?;
        let idfs = with_terms
            .iter()
            .map(|with_term| idf(statistics.documents, *with_term));
        let idf_sum = idfs.sum();
        let known = EnableScoring::Enabled {
            searcher,
            statistics_provider: &KnownStatistics,
        };
        let terms: Vec<Term> = self.terms.iter().map(|(_, term)| term.clone()).collect();
        Ok(Box::new(ScoredPhraseWeight {
            finder: finder.weight(known)?,
            counter: Counter::of(&Bm25Weight::for_terms(&KnownStatistics, &terms)?),
            lengths: self.field.length_column(),
            formula: Bm25::new(idf_sum, statistics.average_length()),
        }))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        for (_, term) in &self.terms {
            visitor(term, true);
        }
    }
}

/// Every term is in every document, which has one token.
struct KnownStatistics;

impl Bm25StatisticsProvider for KnownStatistics {
    fn total_num_tokens(&self, _field: Field) -> tantivy::Result<u64> {
        Ok(1)
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        Ok(1)
    }

    fn doc_freq(&self, _term: &Term) -> tantivy::Result<u64> {
        Ok(1)
    }
}

/// From tantivy's score to the number of phrases: `score = weight * count / (count + norm)`.
#[derive(Debug, Clone, Copy)]
struct Counter {
    weight: f64,
    norm: f64,
}

impl Counter {
    /// The scores of one and two phrases tell both numbers.
    fn of(formula: &Bm25Weight) -> Self {
        let one_token = tantivy::fieldnorm::FieldNormReader::fieldnorm_to_id(1);
        let (one, two) = (
            f64::from(formula.score(one_token, 1)),
            f64::from(formula.score(one_token, 2)),
        );
        let norm = 2.0 * (two - one) / (2.0 * one - two);
        Self {
            weight: one * (1.0 + norm),
            norm,
        }
    }

    fn count(self, score: Score) -> f64 {
        let score = f64::from(score);
        // Beyond some hundred thousand phrases the score does not tell any more how many there are.
        let rest = (self.weight - score).max(self.weight * f64::from(f32::EPSILON));
        (self.norm * score / rest).round().max(1.0)
    }
}

struct ScoredPhraseWeight {
    finder: Box<dyn Weight>,
    counter: Counter,
    lengths: Option<String>,
    formula: Bm25,
}

impl Weight for ScoredPhraseWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(Box::new(PhraseScorer {
            // Its score is not the one that is boosted.
            found: self.finder.scorer(reader, 1.0)?,
            counter: self.counter,
            lengths: Lengths::open(reader, self.lengths.as_deref())?,
            formula: self.formula,
            boost,
        }))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        if scorer.doc() <= doc && scorer.seek(doc) == doc {
            Ok(Explanation::new("BM25 of a phrase", scorer.score()))
        } else {
            Err(TantivyError::InvalidArgument("document does not match".into()))
        }
    }
}

struct PhraseScorer {
    found: Box<dyn Scorer>,
    counter: Counter,
    lengths: Lengths,
    formula: Bm25,
    boost: Score,
}

impl DocSet for PhraseScorer {
    fn advance(&mut self) -> DocId {
        self.found.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.found.seek(target)
    }

    fn doc(&self) -> DocId {
        self.found.doc()
    }

    fn size_hint(&self) -> u32 {
        self.found.size_hint()
    }

    fn cost(&self) -> u64 {
        self.found.cost()
    }
}

impl Scorer for PhraseScorer {
    fn score(&mut self) -> Score {
        let doc = self.found.doc();
        if doc == TERMINATED {
            return 0.0;
        }
        let count = self.counter.count(self.found.score());
        self.formula.score(count, self.lengths.of(doc), self.boost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_tells_how_many_phrases_there_are() {
        let term = Term::from_field_text(Field::from_field_id(0), "a");
        for terms in [2, 5, 40] {
            let formula = Bm25Weight::for_terms(&KnownStatistics, &vec![term.clone(); terms]).unwrap();
            let counter = Counter::of(&formula);
            let one_token = tantivy::fieldnorm::FieldNormReader::fieldnorm_to_id(1);
            for count in (1..200).chain([500, 1_000]) {
                let told = counter.count(formula.score(one_token, count));
                assert!(
                    (told - f64::from(count)).abs() < 0.5 + f64::from(count) / 500.0,
                    "{count} of {terms}: {told}"
                );
            }
        }
    }
}
