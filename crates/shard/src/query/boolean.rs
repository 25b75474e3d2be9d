//! Queries made of queries: `bool`, `constant_score`, `dis_max`.

use es_exception::Exception;
use serde_json::Value;
use tantivy::query::{AllQuery, BooleanQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, Occur};

use super::build::{BuildContext, every_document};
use super::minimum_should_match::MinimumShouldMatch;
use super::parse::{malformed, number, object};
use super::{Node, Query};

/// `bool`
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct BoolQuery {
    pub(super) must: Vec<Query>,
    pub(super) filter: Vec<Query>,
    pub(super) should: Vec<Query>,
    pub(super) must_not: Vec<Query>,
    pub(super) minimum_should_match: Option<MinimumShouldMatch>,
}

impl BoolQuery {
    pub(super) fn filtered(query: Query, filter: Query) -> Self {
        Self {
            must: vec![query],
            filter: vec![filter],
            ..Self::default()
        }
    }

    pub(super) fn either(one: Query, other: Query) -> Self {
        Self {
            should: vec![one, other],
            ..Self::default()
        }
    }

    pub(super) fn build(
        &self,
        context: &BuildContext<'_>,
    ) -> Result<Box<dyn tantivy::query::Query>, Exception> {
        let required = !self.must.is_empty() || !self.filter.is_empty();
        let minimum = match &self.minimum_should_match {
            Some(minimum) => minimum.of(self.should.len()),
            None => 0,
        };
        // Without anything else to match, one of the optional clauses must.
        let minimum = if required || self.should.is_empty() {
            minimum
        } else {
            minimum.max(1)
        };
        if minimum > self.should.len() {
            return Ok(Box::new(EmptyQuery));
        }
        let mut clauses: Vec<(Occur, Box<dyn tantivy::query::Query>)> = Vec::new();
        for query in &self.must {
            clauses.push((Occur::Must, query.build(context)?));
        }
        for query in &self.filter {
            clauses.push((
                Occur::Must,
                Box::new(ConstScoreQuery::new(query.build(context)?, 0.0)),
            ));
        }
        for query in &self.should {
            clauses.push((Occur::Should, query.build(context)?));
        }
        for query in &self.must_not {
            clauses.push((Occur::MustNot, query.build(context)?));
        }
        if clauses.is_empty() {
            return Ok(every_document());
        }
        if !required && self.should.is_empty() {
            clauses.push((
                Occur::Must,
                Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0)),
            ));
        }
        Ok(Box::new(BooleanQuery::with_minimum_required_clauses(
            clauses, minimum,
        )))
    }
}

/// `dis_max`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DisMaxQuery {
    queries: Vec<Query>,
    tie_breaker: f32,
}

impl DisMaxQuery {
    pub(super) fn build(
        &self,
        context: &BuildContext<'_>,
    ) -> Result<Box<dyn tantivy::query::Query>, Exception> {
        let queries = self
            .queries
            .iter()
            .map(|query| query.build(context))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Box::new(DisjunctionMaxQuery::with_tie_breaker(
            queries,
            self.tie_breaker,
        )))
    }
}

fn clauses(value: &Value, depth: usize) -> Result<Vec<Query>, Exception> {
    match value {
        Value::Array(items) => items.iter().map(|item| Query::parse(item, depth + 1)).collect(),
        other => Ok(vec![Query::parse(other, depth + 1)?]),
    }
}

pub(super) fn parse_bool(body: &Value, depth: usize) -> Result<Query, Exception> {
    let mut parsed = BoolQuery::default();
    let mut query = Query::match_all();
    for (key, value) in object("bool", body)? {
        match key.as_str() {
            "must" => parsed.must = clauses(value, depth)?,
            "filter" => parsed.filter = clauses(value, depth)?,
            "should" => parsed.should = clauses(value, depth)?,
            "must_not" | "mustNot" => parsed.must_not = clauses(value, depth)?,
            "minimum_should_match" => {
                parsed.minimum_should_match = Some(MinimumShouldMatch::from_json(value)?)
            }
            _ => query.parse_common("bool", key, value)?,
        }
    }
    query.node = Node::Bool(parsed);
    Ok(query)
}

pub(super) fn parse_constant_score(body: &Value, depth: usize) -> Result<Query, Exception> {
    let mut filter = None;
    let mut query = Query::match_all();
    for (key, value) in object("constant_score", body)? {
        match key.as_str() {
            "filter" => filter = Some(Query::parse(value, depth + 1)?),
            _ => query.parse_common("constant_score", key, value)?,
        }
    }
    let filter = filter.ok_or_else(|| malformed("[constant_score] requires a 'filter' element"))?;
    query.node = Node::ConstantScore(Box::new(filter));
    Ok(query)
}

pub(super) fn parse_dis_max(body: &Value, depth: usize) -> Result<Query, Exception> {
    let mut parsed = DisMaxQuery {
        queries: Vec::new(),
        tie_breaker: 0.0,
    };
    let mut query = Query::match_all();
    for (key, value) in object("dis_max", body)? {
        match key.as_str() {
            "queries" => parsed.queries = clauses(value, depth)?,
            // Relevance is a 32-bit number.
            "tie_breaker" => parsed.tie_breaker = number("tie_breaker", value)? as f32,
            _ => query.parse_common("dis_max", key, value)?,
        }
    }
    if parsed.queries.is_empty() {
        return Err(malformed(
            "[dis_max] requires 'queries' field with at least one clause",
        ));
    }
    query.node = Node::DisMax(parsed);
    Ok(query)
}
