//! `terms_set`: some of the terms, as many as a field of the document says.

use std::sync::Arc;

use es_exception::Exception;
use serde_json::Value;
use tantivy::columnar::Column;
use tantivy::query::{
    BitSetDocSet, BooleanQuery, ConstScoreQuery, ConstScorer, EmptyQuery, EnableScoring, Explanation, Occur,
    Query as TantivyQuery, Scorer, Weight,
};
use tantivy::{BitSet, DocId, DocSet, Score, SegmentReader, TERMINATED, TantivyError};

use super::build::BuildContext;
use super::minimum_should_match::MinimumShouldMatch;
use super::parse::{malformed, object, single_field, text};
use super::term::TermQuery;
use super::{Node, Query};
use crate::search::SearchLimit;
use crate::view::ViewSchema;

/// How many terms must match.
#[derive(Debug, Clone, PartialEq)]
enum Minimum {
    /// What this field of the document says.
    Field(String),
    /// The same of all documents.
    Fixed(MinimumShouldMatch),
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TermsSetQuery {
    field: String,
    terms: Vec<Value>,
    minimum: Minimum,
}

impl TermsSetQuery {
    pub(super) fn build(&self, context: &BuildContext<'_>) -> Result<Box<dyn TantivyQuery>, Exception> {
        if self.terms.len() as u64 > context.max_terms_count {
            return Err(Exception::illegal_argument(format!(
                "The number of terms [{}] used in the Terms Set Query request has exceeded the allowed maximum of [{}]. This maximum can be set by changing the [index.max_terms_count] index level setting.",
                self.terms.len(),
                context.max_terms_count
            )));
        }
        let terms = self
            .terms
            .iter()
            .map(|value| TermQuery::of(&self.field, value).build(context));
        let terms = terms.collect::<Result<Vec<_>, _>>()?;
        let optional = |terms: &[Box<dyn TantivyQuery>]| -> Vec<(Occur, Box<dyn TantivyQuery>)> {
            terms
                .iter()
                .map(|term| (Occur::Should, term.box_clone()))
                .collect()
        };
        match &self.minimum {
            Minimum::Fixed(minimum) => {
                let minimum = minimum.of(terms.len()).max(1);
                if minimum > terms.len() {
                    return Ok(Box::new(EmptyQuery));
                }
                Ok(Box::new(BooleanQuery::with_minimum_required_clauses(
                    optional(&terms),
                    minimum,
                )))
            }
            Minimum::Field(field) => {
                let mut clauses = optional(&terms);
                let enough = Enough {
                    terms,
                    column: ViewSchema::exact_column(field),
                    limit: Arc::clone(context.limit),
                };
                let enough = ConstScoreQuery::new(Box::new(enough), 0.0);
                clauses.push((Occur::Must, Box::new(enough)));
                Ok(Box::new(BooleanQuery::new(clauses)))
            }
        }
    }
}

pub(super) fn parse_terms_set(body: &Value) -> Result<Query, Exception> {
    let (field, options) = single_field("terms_set", body)?;
    let (mut terms, mut minimum) = (None, None);
    let mut query = Query::match_all();
    for (key, value) in object("terms_set", options)? {
        match (key.as_str(), value) {
            ("terms", Value::Array(values)) => terms = Some(values.clone()),
            ("minimum_should_match_field", value) => {
                minimum = Some(Minimum::Field(text(key, value)?.to_owned()))
            }
            ("minimum_should_match", value) => {
                minimum = Some(Minimum::Fixed(MinimumShouldMatch::from_json(value)?));
            }
            ("minimum_should_match_script", _) => {
                return Err(malformed(
                    "[terms_set] query does not support [minimum_should_match_script]: there are no scripts here",
                ));
            }
            _ => query.parse_common("terms_set", key, value)?,
        }
    }
    query.node = Node::TermsSet(TermsSetQuery {
        field: field.into(),
        terms: terms.ok_or_else(|| malformed("[terms_set] query requires [terms], an array"))?,
        minimum: minimum.ok_or_else(|| {
            malformed("[terms_set] query requires [minimum_should_match_field] or [minimum_should_match]")
        })?,
    });
    Ok(query)
}

/// Documents in which as many of the terms are as their column says.
#[derive(Debug)]
struct Enough {
    terms: Vec<Box<dyn TantivyQuery>>,
    column: String,
    limit: Arc<SearchLimit>,
}

impl Clone for Enough {
    fn clone(&self) -> Self {
        Self {
            terms: self.terms.iter().map(|term| term.box_clone()).collect(),
            column: self.column.clone(),
            limit: Arc::clone(&self.limit),
        }
    }
}

impl TantivyQuery for Enough {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let unscored = EnableScoring::disabled_from_schema(scoring.schema());
        let terms = self.terms.iter().map(|term| term.weight(unscored));
        Ok(Box::new(EnoughWeight {
            terms: terms.collect::<Result<_, _>>()?,
            column: self.column.clone(),
            limit: Arc::clone(&self.limit),
        }))
    }
}

struct EnoughWeight {
    terms: Vec<Box<dyn Weight>>,
    column: String,
    limit: Arc<SearchLimit>,
}

impl EnoughWeight {
    fn matching(&self, reader: &SegmentReader) -> tantivy::Result<BitSet> {
        let mut counts = vec![0_u16; reader.max_doc() as usize];
        let mut steps = self.limit.steps();
        for term in &self.terms {
            let mut scorer = term.scorer(reader, 1.0)?;
            while scorer.doc() != TERMINATED && !steps.are_over() {
                if let Some(count) = counts.get_mut(scorer.doc() as usize) {
                    *count = count.saturating_add(1);
                }
                scorer.advance();
            }
            if self.limit.is_reached() {
                break;
            }
        }
        let needed: Option<Column<i64>> = reader.fast_fields().column_opt(&self.column)?;
        let mut docs = BitSet::with_max_value(reader.max_doc());
        for (doc, count) in (0..).zip(counts) {
            let needed = needed.as_ref().and_then(|column| column.first(doc));
            // A document that does not say how many it needs has none.
            if count > 0 && needed.is_some_and(|needed| i64::from(count) >= needed) {
                docs.insert(doc);
            }
        }
        Ok(docs)
    }
}

impl Weight for EnoughWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(Box::new(ConstScorer::new(
            BitSetDocSet::from(self.matching(reader)?),
            boost,
        )))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        if self.matching(reader)?.contains(doc) {
            Ok(Explanation::new("enough terms", 1.0))
        } else {
            Err(TantivyError::InvalidArgument("document does not match".into()))
        }
    }
}
