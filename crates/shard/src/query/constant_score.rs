//! Queries whose matches are all equally relevant.

use super::boolean::BoolQuery;
use super::build::is_boost;
use super::{Node, Query};

impl Query {
    /// The relevance of every match, if it is the same for all of them whatever is in the index. A search need not compute it then.
    pub(crate) fn constant_score(&self) -> Option<f32> {
        self.constant_score_within(1.0)
    }

    /// Boosts are multiplied from the outside in, as tantivy does, so that both come to the same to the last bit.
    fn constant_score_within(&self, outer: f32) -> Option<f32> {
        let boost = if is_boost(self.boost) {
            outer * self.boost
        } else {
            outer
        };
        match &self.node {
            Node::MatchAll
            | Node::Ids(_)
            | Node::Exists(_)
            | Node::Range(_)
            | Node::Numbers(_)
            | Node::Pattern(_)
            | Node::ConstantScore(_) => Some(boost),
            Node::Bool(query) => query.constant_score_within(boost),
            Node::MatchNone
            | Node::Term(_)
            | Node::Terms(_)
            | Node::Match(_)
            | Node::Phrase(_)
            | Node::MultiMatch(_)
            | Node::OverFields(_)
            | Node::TermsSet(_)
            | Node::Boosting(_)
            | Node::DisMax(_) => None,
        }
    }
}

impl BoolQuery {
    /// Filters and what must not match add nothing to what must.
    fn constant_score_within(&self, outer: f32) -> Option<f32> {
        match (self.must.as_slice(), self.should.as_slice()) {
            ([one], []) => one.constant_score_within(outer),
            ([], []) if self.filter.is_empty() && self.must_not.is_empty() => Some(outer),
            ([], []) => Some(0.0 * outer),
            _ => None,
        }
    }
}
