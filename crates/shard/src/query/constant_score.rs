//! Queries whose matches are all equally relevant.

use super::boolean::BoolQuery;
use super::{Node, Query};

impl Query {
    /// The relevance of every match, if it is the same for all of them whatever is in the index. A search need not compute it then.
    pub(crate) fn constant_score(&self) -> Option<f32> {
        let score = match &self.node {
            Node::MatchAll
            | Node::Ids(_)
            | Node::Exists(_)
            | Node::Range(_)
            | Node::Numbers(_)
            | Node::Pattern(_)
            | Node::ConstantScore(_) => 1.0,
            Node::Bool(query) => query.constant_score()?,
            Node::MatchNone
            | Node::Term(_)
            | Node::Terms(_)
            | Node::Match(_)
            | Node::Phrase(_)
            | Node::MultiMatch(_)
            | Node::OverFields(_)
            | Node::TermsSet(_)
            | Node::Boosting(_)
            | Node::DisMax(_) => return None,
        };
        Some(score * self.boost)
    }
}

impl BoolQuery {
    /// Filters and what must not match add nothing to what must.
    fn constant_score(&self) -> Option<f32> {
        match (self.must.as_slice(), self.should.as_slice()) {
            ([one], []) => one.constant_score(),
            ([], []) if self.filter.is_empty() && self.must_not.is_empty() => Some(1.0),
            ([], []) => Some(0.0),
            _ => None,
        }
    }
}
