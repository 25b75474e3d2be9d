//! What queries are built against: the mapping, the view's schema, the time.

use std::cell::Cell;
use std::ops::Bound;
use std::sync::Arc;

use es_exception::Exception;
use index_meta::{FieldMapping, FieldType, Mapping, QueryContext, QueryValue};
use tantivy::Term;
use tantivy::columnar::NumericalValue;
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, ExistsQuery, Query,
    RangeQuery, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::tokenizer::TextAnalyzer;

use super::shard_failure;
use crate::analysis::Analyzers;
use crate::relevance::{FieldOf, ScoredPhrase, ScoredTerm, StatisticsCache};
use crate::search::SearchLimit;
use crate::view::{ViewSchema, ip_term};

/// See the module.
pub(crate) struct BuildContext<'a> {
    pub(crate) mapping: &'a Mapping,
    pub(crate) schema: &'a Arc<ViewSchema>,
    pub(crate) statistics: &'a Arc<StatisticsCache>,
    pub(crate) analyzers: &'a Analyzers,
    pub(crate) now_millis: i64,
    pub(crate) max_terms_count: u64,
    pub(crate) max_regex_length: u64,
    /// What is searched where a query names no field.
    pub(crate) default_fields: &'a [String],
    pub(crate) counted: Counted,
    /// Until when what is built may walk terms and documents.
    pub(crate) limit: &'a Arc<SearchLimit>,
}

/// How large what was built is so far.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    clauses: Cell<usize>,
    scans: Cell<usize>,
}

/// Words, fields and patterns multiply: these are the clauses that all queries of a search may come to. Source: Lucene bounds them, too, by
/// `indices.query.bool.max_clause_count`.
const MAX_CLAUSES: usize = 8_192;
/// Clauses that walk the terms of a field, each of which may take a bit for each document of a segment.
const MAX_SCANS: usize = 1_024;
const SCANS: &str = "patterns, each field counted";

/// A value as it is searched for.
pub(super) enum Target {
    /// One term.
    Term(Term),
    /// Terms between two, inclusive.
    Range(Term, Term),
    /// Nothing can match.
    Nothing,
}

impl BuildContext<'_> {
    /// Counts clauses that are about to be built.
    ///
    /// # Errors
    /// `illegal_argument_exception` when there are too many.
    pub(super) fn count_clauses(&self, more: usize) -> Result<(), Exception> {
        count(&self.counted.clauses, more, MAX_CLAUSES, "clauses")
    }

    /// Fails if too much was counted, where such a failure may have been passed over for one field.
    pub(super) fn check_counted(&self) -> Result<(), Exception> {
        self.count_clauses(0)?;
        count(&self.counted.scans, 0, MAX_SCANS, SCANS)
    }

    /// Counts a clause that walks the terms of a field.
    pub(super) fn count_scan(&self) -> Result<(), Exception> {
        count(&self.counted.scans, 1, MAX_SCANS, SCANS)
    }

    pub(super) fn query_context(&self) -> QueryContext<'static> {
        QueryContext::at(self.now_millis)
    }

    /// The mapping of a field that can be searched; `None` for an unmapped one, which matches nothing.
    pub(super) fn field(&self, path: &str) -> Result<Option<&FieldMapping>, Exception> {
        let Some(mapping) = self.mapping.field(path) else {
            return Ok(None);
        };
        if mapping.field_type() == FieldType::Binary {
            return Err(shard_failure("Binary fields do not support searching".to_owned()));
        }
        if !mapping.is_indexed() && !mapping.has_doc_values() {
            return Err(shard_failure(format!(
                "failed to create query: Cannot search on field [{path}] since it is not indexed."
            )));
        }
        self.analyzers.check_field(mapping).map_err(shard_failure)?;
        Ok(Some(mapping))
    }

    /// The tantivy field that holds the values of a mapped field.
    pub(super) fn field_of(&self, mapping: &FieldMapping) -> Field {
        match mapping.field_type() {
            FieldType::Text => self.schema.text,
            _ => self.schema.exact,
        }
    }

    /// A term of the path without a value yet.
    fn path_term(&self, mapping: &FieldMapping) -> Term {
        Term::from_field_json_path(self.field_of(mapping), mapping.path(), true)
    }

    /// The term of a text at the path.
    pub(super) fn text_term(&self, mapping: &FieldMapping, text: &str) -> Term {
        let mut term = self.path_term(mapping);
        term.append_type_and_str(text);
        term
    }

    fn long_term(&self, mapping: &FieldMapping, number: i64) -> Term {
        let mut term = self.path_term(mapping);
        term.append_type_and_fast_value(number);
        term
    }

    /// The term of a value for an exact match, or for a bound of a range.
    pub(super) fn target(&self, mapping: &FieldMapping, value: &QueryValue) -> Target {
        Target::Term(match value {
            QueryValue::Text(text) => self.text_term(mapping, text),
            QueryValue::Keyword(text) => self.text_term(mapping, &self.analyzers.normalize(mapping, text)),
            QueryValue::Long(number) | QueryValue::Date(number) => self.long_term(mapping, *number),
            QueryValue::Double(number) => {
                let mut term = self.path_term(mapping);
                // The index holds every number in its narrowest form.
                match NumericalValue::F64(*number).normalize() {
                    NumericalValue::I64(number) => term.append_type_and_fast_value(number),
                    NumericalValue::U64(number) => term.append_type_and_fast_value(number),
                    NumericalValue::F64(number) => term.append_type_and_fast_value(number),
                }
                term
            }
            QueryValue::Boolean(flag) => {
                let mut term = self.path_term(mapping);
                term.append_type_and_fast_value(*flag);
                term
            }
            QueryValue::Ip(address) => self.text_term(mapping, &ip_term(*address)),
            QueryValue::DateRange { first, last } => {
                return Target::Range(self.long_term(mapping, *first), self.long_term(mapping, *last));
            }
            QueryValue::IpRange { first, last } => {
                let (first, last) = (ip_term(*first), ip_term(*last));
                return Target::Range(self.text_term(mapping, &first), self.text_term(mapping, &last));
            }
            QueryValue::MatchNone => return Target::Nothing,
        })
    }

    /// Documents whose field holds the target.
    /// A value as the end of a range. Both ends of a range must be of one type, or tantivy panics: so a whole number of a field of fractions is not
    /// made narrow, as it is for [`target`](Self::target). `None` for what is no single value.
    pub(super) fn range_term(&self, mapping: &FieldMapping, value: &QueryValue) -> Option<Term> {
        if let QueryValue::Double(number) = value {
            let mut term = self.path_term(mapping);
            term.append_type_and_fast_value(*number);
            return Some(term);
        }
        match self.target(mapping, value) {
            Target::Term(term) => Some(term),
            Target::Range(..) | Target::Nothing => None,
        }
    }

    pub(super) fn target_query(&self, mapping: &FieldMapping, target: Target) -> Box<dyn Query> {
        match target {
            Target::Nothing => Box::new(EmptyQuery),
            Target::Range(first, last) => range_query(Bound::Included(first), Bound::Included(last)),
            Target::Term(term) => match mapping.field_type() {
                FieldType::Text | FieldType::Keyword => self.scored_term(mapping, term),
                // Numbers, dates and addresses are points in Lucene: they match or not, without relevance.
                _ => {
                    let query = TermQuery::new(term, IndexRecordOption::Basic);
                    Box::new(ConstScoreQuery::new(Box::new(query), 1.0))
                }
            },
        }
    }

    /// Documents with the term, by relevance.
    pub(super) fn scored_term(&self, mapping: &FieldMapping, term: Term) -> Box<dyn Query> {
        Box::new(ScoredTerm {
            term,
            field: scored_field(mapping),
            schema: Arc::clone(self.schema),
            statistics: Arc::clone(self.statistics),
        })
    }

    /// Documents with the phrase of two or more terms, each with its place in it, by relevance.
    pub(super) fn scored_phrase(
        &self,
        mapping: &FieldMapping,
        terms: Vec<(usize, Term)>,
        slop: u32,
    ) -> Box<dyn Query> {
        Box::new(ScoredPhrase {
            terms,
            slop,
            field: scored_field(mapping),
            schema: Arc::clone(self.schema),
            statistics: Arc::clone(self.statistics),
        })
    }

    /// A pattern in lower case, if the words of the text field are. Source: Elasticsearch gives to patterns what an analyzer does to single
    /// characters; case is the part of that which people see.
    pub(super) fn as_words_are(&self, mapping: &FieldMapping, pattern: &str) -> Result<String, Exception> {
        let mut analyzer = self.analyzer("query_string", mapping, None, false)?;
        let mut stream = analyzer.token_stream("Q");
        let lowers = stream.advance() && stream.token().text == "q";
        Ok(match lowers {
            true => pattern.to_lowercase(),
            false => pattern.to_owned(),
        })
    }

    /// Documents that have a value of the mapped field.
    pub(super) fn exists(&self, mapping: &FieldMapping) -> Box<dyn Query> {
        let query: Box<dyn Query> = match mapping.field_type() {
            FieldType::Text | FieldType::Binary => {
                let term = Term::from_field_text(self.schema.field_names, mapping.path());
                Box::new(TermQuery::new(term, IndexRecordOption::Basic))
            }
            _ => Box::new(ExistsQuery::new(ViewSchema::exact_column(mapping.path()), false)),
        };
        Box::new(ConstScoreQuery::new(query, 1.0))
    }

    /// The analyzer of a query on a field: the one that the query names, or that of the field; `quoted` for a phrase.
    ///
    /// Source: how Elasticsearch says that a query names an analyzer which is not there.
    pub(super) fn analyzer(
        &self,
        query: &str,
        mapping: &FieldMapping,
        named: Option<&str>,
        quoted: bool,
    ) -> Result<TextAnalyzer, Exception> {
        let name = named.unwrap_or_else(|| self.analyzers.search_analyzer(mapping, quoted));
        self.analyzers.get(name).map_err(|problem| {
            shard_failure(match problem {
                None => format!("[{query}] analyzer [{name}] not found"),
                Some(problem) => format!("[{query}] analyzer [{name}] cannot be used: {problem}"),
            })
        })
    }
}

fn count(counted: &Cell<usize>, more: usize, most: usize, what: &str) -> Result<(), Exception> {
    let sum = counted.get().saturating_add(more);
    counted.set(sum);
    if sum <= most {
        return Ok(());
    }
    Err(Exception::illegal_argument(format!(
        "the query comes to more than [{most}] {what}: name fewer fields or words"
    )))
}

/// Every document, with a score of 1: as a clause of a larger query tantivy would drop a bare `AllQuery`, and its score with it.
pub(super) fn every_document() -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(Box::new(AllQuery), 1.0))
}

pub(super) fn scored_field(mapping: &FieldMapping) -> FieldOf {
    let path = mapping.path().to_owned();
    match (mapping.field_type(), mapping.has_norms()) {
        (FieldType::Text, true) => FieldOf::Text(path),
        (FieldType::Text, false) => FieldOf::TextWithoutNorms(path),
        _ => FieldOf::Exact(path),
    }
}

/// What any of the queries matches; the relevance is that of the best.
pub(super) fn best_of(mut queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    match queries.len() {
        1 => queries.remove(0),
        _ => Box::new(DisjunctionMaxQuery::new(queries)),
    }
}

/// The query with its relevance multiplied.
pub(super) fn boosted(query: Box<dyn Query>, boost: f32) -> Box<dyn Query> {
    if is_boost(boost) {
        Box::new(BoostQuery::new(query, boost))
    } else {
        query
    }
}

/// Whether a boost changes anything to speak of.
pub(super) fn is_boost(boost: f32) -> bool {
    (boost - 1.0).abs() >= f32::EPSILON
}

/// Documents with a term between the bounds, by their columns.
pub(super) fn range_query(lower: Bound<Term>, upper: Bound<Term>) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(Box::new(RangeQuery::new(lower, upper)), 1.0))
}

/// Documents that any of the queries matches.
pub(super) fn any_of(queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    match queries.len() {
        0 => Box::new(EmptyQuery),
        _ => Box::new(ConstScoreQuery::new(Box::new(BooleanQuery::union(queries)), 1.0)),
    }
}
