//! `boosting`: documents that match something unwanted count for less.

use es_exception::Exception;
use serde_json::Value;
use tantivy::query::{EnableScoring, Explanation, Query as TantivyQuery, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SegmentReader, TantivyError, Term};

use super::build::BuildContext;
use super::parse::{malformed, number, object};
use super::{Node, Query};

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BoostingQuery {
    positive: Box<Query>,
    negative: Box<Query>,
    negative_boost: f32,
}

impl BoostingQuery {
    pub(super) fn build(&self, context: &BuildContext<'_>) -> Result<Box<dyn TantivyQuery>, Exception> {
        Ok(Box::new(Boosting {
            positive: self.positive.build(context)?,
            negative: self.negative.build(context)?,
            negative_boost: self.negative_boost,
        }))
    }
}

pub(super) fn parse_boosting(body: &Value, depth: usize) -> Result<Query, Exception> {
    let (mut positive, mut negative, mut negative_boost) = (None, None, None);
    let mut query = Query::match_all();
    for (key, value) in object("boosting", body)? {
        match key.as_str() {
            "positive" => positive = Some(Query::parse(value, depth + 1)?),
            "negative" => negative = Some(Query::parse(value, depth + 1)?),
            // Relevance is a 32-bit number.
            "negative_boost" => negative_boost = Some(number(key, value)? as f32),
            _ => query.parse_common("boosting", key, value)?,
        }
    }
    let missing = |what: &str| malformed(format!("[boosting] query requires '{what}' query to be set"));
    let negative_boost = negative_boost.filter(|boost| *boost >= 0.0).ok_or_else(|| {
        malformed("[boosting] query requires 'negative_boost' to be set to be a positive value")
    })?;
    query.node = Node::Boosting(BoostingQuery {
        positive: Box::new(positive.ok_or_else(|| missing("positive"))?),
        negative: Box::new(negative.ok_or_else(|| missing("negative"))?),
        negative_boost,
    });
    Ok(query)
}

#[derive(Debug)]
struct Boosting {
    positive: Box<dyn TantivyQuery>,
    negative: Box<dyn TantivyQuery>,
    negative_boost: f32,
}

impl Clone for Boosting {
    fn clone(&self) -> Self {
        Self {
            positive: self.positive.box_clone(),
            negative: self.negative.box_clone(),
            negative_boost: self.negative_boost,
        }
    }
}

impl TantivyQuery for Boosting {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        // Without scores the unwanted makes no difference.
        if !scoring.is_scoring_enabled() {
            return self.positive.weight(scoring);
        }
        Ok(Box::new(BoostingWeight {
            positive: self.positive.weight(scoring)?,
            negative: self
                .negative
                .weight(EnableScoring::disabled_from_schema(scoring.schema()))?,
            negative_boost: self.negative_boost,
        }))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        self.positive.query_terms(visitor);
    }
}

struct BoostingWeight {
    positive: Box<dyn Weight>,
    negative: Box<dyn Weight>,
    negative_boost: f32,
}

impl Weight for BoostingWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(Box::new(BoostingScorer {
            positive: self.positive.scorer(reader, boost)?,
            negative: self.negative.scorer(reader, 1.0)?,
            negative_boost: self.negative_boost,
        }))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        if scorer.doc() <= doc && scorer.seek(doc) == doc {
            Ok(Explanation::new("boosting", scorer.score()))
        } else {
            Err(TantivyError::InvalidArgument("document does not match".into()))
        }
    }

    fn count(&self, reader: &SegmentReader) -> tantivy::Result<u32> {
        self.positive.count(reader)
    }
}

struct BoostingScorer {
    positive: Box<dyn Scorer>,
    negative: Box<dyn Scorer>,
    negative_boost: f32,
}

impl DocSet for BoostingScorer {
    fn advance(&mut self) -> DocId {
        self.positive.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.positive.seek(target)
    }

    fn doc(&self) -> DocId {
        self.positive.doc()
    }

    fn size_hint(&self) -> u32 {
        self.positive.size_hint()
    }
}

impl Scorer for BoostingScorer {
    fn score(&mut self) -> Score {
        let doc = self.positive.doc();
        if self.negative.doc() < doc {
            self.negative.seek(doc);
        }
        let unwanted = self.negative.doc() == doc;
        self.positive.score() * if unwanted { self.negative_boost } else { 1.0 }
    }
}
