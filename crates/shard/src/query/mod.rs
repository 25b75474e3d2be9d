//! The query DSL: parsed once without a mapping, built for each shard with it. One file per family of queries.

mod boolean;
mod boosting;
mod build;
mod constant_score;
mod full_text;
mod minimum_should_match;
mod nested;
mod parse;
mod pattern;
mod query_string;
mod range;
mod term;
mod term_scan;
mod terms_set;

use es_exception::{Exception, ExceptionKind};
use index_meta::QueryValue;
use serde_json::Value;

pub(crate) use build::{BuildContext, Counted};
use build::{boosted, every_document};
pub(crate) use pattern::{Fuzziness, compile, wildcard_regex, within_edits};
pub(crate) use query_string::written_parts;

/// A query.
///
/// Source: Elasticsearch's query DSL. A query or parameter that is not supported is refused with a `parsing_exception`, never ignored.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    node: Node,
    boost: f32,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    MatchAll,
    MatchNone,
    Term(term::TermQuery),
    Terms(term::TermsQuery),
    Ids(Vec<String>),
    Exists(String),
    Range(range::RangeQuery),
    Numbers(range::NumbersQuery),
    Pattern(pattern::PatternQuery),
    Match(full_text::MatchQuery),
    Phrase(full_text::PhraseQuery),
    MultiMatch(full_text::MultiMatchQuery),
    OverFields(full_text::OverFields),
    TermsSet(terms_set::TermsSetQuery),
    Boosting(boosting::BoostingQuery),
    Bool(boolean::BoolQuery),
    ConstantScore(Box<Query>),
    DisMax(boolean::DisMaxQuery),
}

/// Deepest nesting of queries. Source: `indices.query.bool.max_nested_depth`.
const MAX_DEPTH: usize = 30;

/// Queries of Elasticsearch that this server does not have.
const NOT_OFFERED: [&str; 33] = [
    "combined_fields",
    "distance_feature",
    "function_score",
    "geo_bounding_box",
    "geo_distance",
    "geo_grid",
    "geo_polygon",
    "geo_shape",
    "has_child",
    "has_parent",
    "intervals",
    "knn",
    "more_like_this",
    "parent_id",
    "percolate",
    "pinned",
    "rank_feature",
    "rule",
    "script",
    "script_score",
    "semantic",
    "shape",
    "span_containing",
    "span_field_masking",
    "span_first",
    "span_multi",
    "span_near",
    "span_not",
    "span_or",
    "span_term",
    "span_within",
    "sparse_vector",
    "wrapper",
];

impl Query {
    fn of(node: Node) -> Self {
        Self { node, boost: 1.0 }
    }

    /// Every document.
    #[must_use]
    pub fn match_all() -> Self {
        Self::of(Node::MatchAll)
    }

    /// No document.
    #[must_use]
    pub fn match_none() -> Self {
        Self::of(Node::MatchNone)
    }

    /// The documents with these ids.
    #[must_use]
    pub fn ids(ids: Vec<String>) -> Self {
        Self::of(Node::Ids(ids))
    }

    /// The documents that have a number from `from` to before `to` in a field, or to the end without `to`. The numbers are those of the index, and
    /// nothing is rounded to the field's type.
    pub(crate) fn numbers(field: &str, from: QueryValue, to: Option<QueryValue>) -> Self {
        Self::of(Node::Numbers(range::NumbersQuery {
            field: field.to_owned(),
            from,
            to,
        }))
    }

    /// The same documents with the same relevance, but only those that `filter` matches too.
    #[must_use]
    pub fn filtered_by(self, filter: Query) -> Self {
        Self::of(Node::Bool(boolean::BoolQuery::filtered(self, filter)))
    }

    /// The documents that this or the other query matches.
    pub(crate) fn or(self, other: Query) -> Self {
        Self::of(Node::Bool(boolean::BoolQuery::either(self, other)))
    }

    /// Parses a query.
    ///
    /// # Errors
    /// A `parsing_exception` for an unknown query or parameter and for malformed values.
    pub fn from_json(value: &Value) -> Result<Self, Exception> {
        Self::parse(value, 0)
    }

    fn parse(value: &Value, depth: usize) -> Result<Self, Exception> {
        if depth > MAX_DEPTH {
            let reason = format!(
                "The nested depth of the query exceeds the maximum nested depth for bool queries set in [indices.query.bool.max_nested_depth]: [{MAX_DEPTH}]"
            );
            return Err(Exception::illegal_argument(reason));
        }
        let object = parse::object("query", value)?;
        let mut entries = object.iter();
        let Some((name, body)) = entries.next() else {
            return Err(parse::malformed("query malformed, empty clause found"));
        };
        if let Some((second, _)) = entries.next() {
            return Err(parse::malformed(format!(
                "[{name}] malformed query, expected [END_OBJECT] but found [{second}]"
            )));
        }
        match name.as_str() {
            "match_all" => Self::parse_plain(name, body, Node::MatchAll),
            "match_none" => Self::parse_plain(name, body, Node::MatchNone),
            "term" => term::parse_term(body),
            "terms" => term::parse_terms(body),
            "ids" => term::parse_ids(body),
            "exists" => term::parse_exists(body),
            "range" => range::parse_range(body),
            "prefix" | "wildcard" | "regexp" | "fuzzy" => pattern::parse_pattern(name, body),
            "match" => full_text::parse_match(body),
            "match_bool_prefix" => full_text::parse_match_bool_prefix(body),
            "match_phrase" => full_text::parse_match_phrase(body),
            "match_phrase_prefix" => full_text::parse_match_phrase_prefix(body),
            "multi_match" => full_text::parse_multi_match(body),
            "query_string" => query_string::parse_query_string(body),
            "simple_query_string" => query_string::parse_simple_query_string(body),
            "terms_set" => terms_set::parse_terms_set(body),
            "nested" => nested::parse_nested(body, depth),
            "boosting" => boosting::parse_boosting(body, depth),
            "bool" => boolean::parse_bool(body, depth),
            "constant_score" => boolean::parse_constant_score(body, depth),
            "dis_max" => boolean::parse_dis_max(body, depth),
            _ if NOT_OFFERED.contains(&name.as_str()) => {
                Err(parse::malformed(format!("query [{name}] is not supported here")))
            }
            _ => Err(parse::malformed(format!("unknown query [{name}]"))),
        }
    }

    fn parse_plain(name: &str, body: &Value, node: Node) -> Result<Self, Exception> {
        let mut query = Self::of(node);
        for (key, value) in parse::object(name, body)? {
            query.parse_common(name, key, value)?;
        }
        Ok(query)
    }

    /// The parameters that every query has.
    fn parse_common(&mut self, query: &str, key: &str, value: &Value) -> Result<(), Exception> {
        match key {
            "boost" => {
                let boost = parse::number("boost", value)?;
                if boost < 0.0 {
                    return Err(Exception::illegal_argument(format!(
                        "negative [boost] are not allowed in [{value}], use a value between 0 and 1 to deboost"
                    )));
                }
                // Relevance is a 32-bit number in Lucene and in tantivy.
                self.boost = boost as f32;
                if !self.boost.is_finite() {
                    return Err(Exception::illegal_argument(format!(
                        "[boost] is too large: [{value}]"
                    )));
                }
                Ok(())
            }
            "_name" => Ok(()),
            _ => Err(parse::malformed(format!(
                "[{query}] query does not support [{key}]"
            ))),
        }
    }

    /// The query for tantivy.
    pub(crate) fn build(
        &self,
        context: &BuildContext<'_>,
    ) -> Result<Box<dyn tantivy::query::Query>, Exception> {
        use tantivy::query::{ConstScoreQuery, EmptyQuery};
        context.count_clauses(1)?;
        let built: Box<dyn tantivy::query::Query> = match &self.node {
            Node::MatchAll => every_document(),
            Node::MatchNone => Box::new(EmptyQuery),
            Node::Term(query) => query.build(context)?,
            Node::Terms(query) => query.build(context)?,
            Node::Ids(ids) => term::build_ids(context, ids),
            Node::Exists(field) => term::build_exists(context, field)?,
            Node::Range(query) => query.build(context)?,
            Node::Numbers(query) => query.build(context)?,
            Node::Pattern(query) => query.build(context)?,
            Node::Match(query) => query.build(context)?,
            Node::Phrase(query) => query.build(context)?,
            Node::MultiMatch(query) => query.build(context)?,
            Node::OverFields(query) => query.build(context)?,
            Node::TermsSet(query) => query.build(context)?,
            Node::Boosting(query) => query.build(context)?,
            Node::Bool(query) => query.build(context)?,
            Node::ConstantScore(filter) => Box::new(ConstScoreQuery::new(filter.build(context)?, 1.0)),
            Node::DisMax(query) => query.build(context)?,
        };
        Ok(boosted(built, self.boost))
    }
}

/// A failure while a query is built for a shard.
fn shard_failure(reason: String) -> Exception {
    Exception::new(ExceptionKind::QueryShard, reason)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_unknown_is_refused() {
        for bad in [
            json!({}),
            json!({"nope": {}}),
            json!({"match_all": {"nope": 1}}),
            json!({"term": {"a": 1, "b": 2}}),
            json!({"term": {"a": {"value": 1, "nope": 2}}}),
            json!({"bool": {"most": []}}),
            json!({"range": {"a": {"above": 1}}}),
            json!({"match": {"a": {"query": "x", "operator": "xor"}}}),
            json!({"multi_match": {"query": "x", "type": "crossed"}}),
            json!({"multi_match": {"query": "x", "type": "phrase", "fuzziness": 1}}),
            json!({"function_score": {}}),
            json!({"boosting": {"positive": {"match_all": {}}}}),
            json!({"nested": {"query": {"match_all": {}}}}),
            json!({"nested": {"path": "a", "query": {"match_all": {}}, "inner_hits": {}}}),
            json!({"terms_set": {"a": {"terms": ["x"]}}}),
            json!({"query_string": {"query": "(a"}}),
            json!({"query_string": {"query": "a", "nope": 1}}),
            json!({"simple_query_string": {"fields": ["a"]}}),
            json!({"term": {"a": 1}, "range": {}}),
        ] {
            let error = Query::from_json(&bad).expect_err(&bad.to_string());
            assert_eq!(error.kind(), ExceptionKind::Parsing, "{bad}: {error}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let mut query = json!({"match_all": {}});
        for _ in 0..100 {
            query = json!({"bool": {"must": query}});
        }
        assert!(Query::from_json(&query).is_err());
    }
}
