//! Queries on analysed text: `match`, `match_phrase`, `multi_match`.

use es_exception::Exception;
use index_meta::{FieldMapping, FieldType, parse_query_value};
use serde_json::Value;
use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, DisjunctionMaxQuery, EmptyQuery, Occur, PhraseQuery as TantivyPhrase,
    TermQuery,
};
use tantivy::schema::IndexRecordOption;

use super::build::BuildContext;
use super::minimum_should_match::MinimumShouldMatch;
use super::parse::{flag, malformed, number, object, plain_text, single_field, text, unsigned};
use super::pattern::{Fuzziness, PatternQuery};
use super::{Node, Query};
use crate::search::wildcard_match;

type Built = Box<dyn tantivy::query::Query>;

/// How the words of a text are combined.
#[derive(Debug, Clone, PartialEq, Default)]
struct Words {
    all: bool,
    minimum_should_match: Option<MinimumShouldMatch>,
    fuzziness: Option<Fuzziness>,
    prefix_length: usize,
    lenient: bool,
    /// What a text without words matches: everything instead of nothing.
    zero_terms_all: bool,
}

/// `match`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MatchQuery {
    field: String,
    text: Value,
    words: Words,
}

/// `match_phrase`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PhraseQuery {
    field: String,
    text: Value,
    slop: u32,
    zero_terms_all: bool,
}

/// How the fields of a `multi_match` are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MultiType {
    BestFields,
    MostFields,
    Phrase,
}

/// `multi_match`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MultiMatchQuery {
    fields: Vec<(String, f32)>,
    text: Value,
    kind: MultiType,
    tie_breaker: f32,
    slop: u32,
    words: Words,
}

/// The words of a text with their positions.
fn analyze(
    context: &BuildContext<'_>,
    mapping: &FieldMapping,
    text: &str,
) -> Result<Vec<(usize, String)>, Exception> {
    let mut analyzer = context.analyzer(mapping)?;
    let mut stream = analyzer.token_stream(text);
    let mut words = Vec::new();
    while stream.advance() {
        words.push((stream.token().position, stream.token().text.clone()));
    }
    Ok(words)
}

fn nothing(all: bool) -> Built {
    if all {
        Box::new(AllQuery)
    } else {
        Box::new(EmptyQuery)
    }
}

/// An exact match on a field that is not analysed.
fn exact(
    context: &BuildContext<'_>,
    mapping: &FieldMapping,
    value: &Value,
    lenient: bool,
) -> Result<Built, Exception> {
    match parse_query_value(mapping, value, &context.query_context()) {
        Ok(value) => Ok(context.target_query(mapping, context.target(mapping, &value))),
        Err(_) if lenient => Ok(Box::new(EmptyQuery)),
        Err(error) => Err(error.to_exception()),
    }
}

impl MatchQuery {
    pub(super) fn build(&self, context: &BuildContext<'_>) -> Result<Built, Exception> {
        let Some(mapping) = context.field(&self.field)? else {
            return Ok(Box::new(EmptyQuery));
        };
        if mapping.field_type() != FieldType::Text {
            if let (FieldType::Keyword, Some(fuzziness)) = (mapping.field_type(), self.words.fuzziness) {
                let word = plain_text("match", &self.text)?;
                return PatternQuery::fuzzy(&self.field, &word, fuzziness, self.words.prefix_length)
                    .build(context);
            }
            return exact(context, mapping, &self.text, self.words.lenient);
        }
        let words = analyze(context, mapping, &plain_text("match", &self.text)?)?;
        if words.is_empty() {
            return Ok(nothing(self.words.zero_terms_all));
        }
        let mut clauses: Vec<(Occur, Built)> = Vec::new();
        let occur = if self.words.all {
            Occur::Must
        } else {
            Occur::Should
        };
        for (_, word) in &words {
            let query: Built = match self.words.fuzziness {
                Some(fuzziness) => {
                    PatternQuery::fuzzy(&self.field, word, fuzziness, self.words.prefix_length)
                        .build(context)?
                }
                None => Box::new(TermQuery::new(
                    context.text_term(mapping, word),
                    IndexRecordOption::WithFreqs,
                )),
            };
            clauses.push((occur, query));
        }
        if self.words.all {
            return Ok(Box::new(BooleanQuery::new(clauses)));
        }
        let minimum = self
            .words
            .minimum_should_match
            .as_ref()
            .map_or(1, |minimum| minimum.of(clauses.len()).max(1));
        if minimum > clauses.len() {
            return Ok(Box::new(EmptyQuery));
        }
        Ok(Box::new(BooleanQuery::with_minimum_required_clauses(
            clauses, minimum,
        )))
    }
}

impl PhraseQuery {
    pub(super) fn build(&self, context: &BuildContext<'_>) -> Result<Built, Exception> {
        let Some(mapping) = context.field(&self.field)? else {
            return Ok(Box::new(EmptyQuery));
        };
        if mapping.field_type() != FieldType::Text {
            return exact(context, mapping, &self.text, false);
        }
        let words = analyze(context, mapping, &plain_text("match_phrase", &self.text)?)?;
        let mut terms: Vec<(usize, Term)> = words
            .iter()
            .map(|(position, word)| (*position, context.text_term(mapping, word)))
            .collect();
        Ok(match terms.len() {
            0 => nothing(self.zero_terms_all),
            1 => Box::new(TermQuery::new(terms.remove(0).1, IndexRecordOption::WithFreqs)),
            _ => Box::new(TantivyPhrase::new_with_offset_and_slop(terms, self.slop)),
        })
    }
}

impl MultiMatchQuery {
    pub(super) fn build(&self, context: &BuildContext<'_>) -> Result<Built, Exception> {
        let mut queries: Vec<Built> = Vec::new();
        for (pattern, boost) in &self.fields {
            for field in expand(context, pattern) {
                let query = self.build_field(context, &field)?;
                queries.push(if (boost - 1.0).abs() < f32::EPSILON {
                    query
                } else {
                    Box::new(BoostQuery::new(query, *boost))
                });
            }
        }
        Ok(match (self.kind, queries.len()) {
            (_, 0) => Box::new(EmptyQuery),
            (MultiType::MostFields, _) => Box::new(BooleanQuery::new(
                queries.into_iter().map(|query| (Occur::Should, query)).collect(),
            )),
            _ => Box::new(DisjunctionMaxQuery::with_tie_breaker(queries, self.tie_breaker)),
        })
    }

    fn build_field(&self, context: &BuildContext<'_>, field: &str) -> Result<Built, Exception> {
        let (field, text) = (field.to_owned(), self.text.clone());
        match self.kind {
            MultiType::Phrase => PhraseQuery {
                field,
                text,
                slop: self.slop,
                zero_terms_all: self.words.zero_terms_all,
            }
            .build(context),
            _ => MatchQuery {
                field,
                text,
                words: self.words.clone(),
            }
            .build(context),
        }
    }
}

/// The mapped fields that a name with `*` stands for.
fn expand(context: &BuildContext<'_>, pattern: &str) -> Vec<String> {
    if !pattern.contains('*') {
        return vec![pattern.to_owned()];
    }
    let searchable =
        |mapping: &&FieldMapping| mapping.is_indexed() && wildcard_match(pattern, mapping.path());
    context
        .mapping
        .fields()
        .into_iter()
        .filter(searchable)
        .map(|mapping| mapping.path().to_owned())
        .collect()
}

impl Words {
    /// Whether the parameter was one about words.
    fn parse(&mut self, query: &str, key: &str, value: &Value) -> Result<bool, Exception> {
        match key {
            "operator" => {
                self.all = match text(key, value)?.to_ascii_lowercase().as_str() {
                    "and" => true,
                    "or" => false,
                    other => {
                        return Err(malformed(format!(
                            "[{query}] operator must be [and] or [or], got [{other}]"
                        )));
                    }
                }
            }
            "minimum_should_match" => self.minimum_should_match = Some(MinimumShouldMatch::from_json(value)?),
            "fuzziness" => self.fuzziness = Some(Fuzziness::from_json(value)?),
            "prefix_length" => self.prefix_length = unsigned(key, value)? as usize,
            "lenient" => self.lenient = flag(key, value)?,
            "zero_terms_query" => self.zero_terms_all = zero_terms(query, value)?,
            "analyzer" => check_analyzer(query, value)?,
            // Hints on how to run a query that is run in another way here.
            "max_expansions"
            | "fuzzy_transpositions"
            | "fuzzy_rewrite"
            | "auto_generate_synonyms_phrase_query" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn zero_terms(query: &str, value: &Value) -> Result<bool, Exception> {
    match text("zero_terms_query", value)?.to_ascii_lowercase().as_str() {
        "all" => Ok(true),
        "none" => Ok(false),
        other => Err(malformed(format!("[{query}] unknown zero_terms_query [{other}]"))),
    }
}

fn check_analyzer(query: &str, value: &Value) -> Result<(), Exception> {
    match text("analyzer", value)? {
        "standard" | "default" => Ok(()),
        other => Err(malformed(format!("[{query}] analyzer [{other}] not found"))),
    }
}

pub(super) fn parse_match(body: &Value) -> Result<Query, Exception> {
    let (field, options) = single_field("match", body)?;
    let mut query = Query::match_all();
    let mut parsed = MatchQuery {
        field: field.into(),
        text: options.clone(),
        words: Words::default(),
    };
    if let Value::Object(options) = options {
        parsed.text = Value::Null;
        for (key, value) in options {
            if key == "query" {
                parsed.text = value.clone();
            } else if !parsed.words.parse("match", key, value)? {
                query.parse_common("match", key, value)?;
            }
        }
    }
    plain_text("match", &parsed.text)?;
    query.node = Node::Match(parsed);
    Ok(query)
}

pub(super) fn parse_match_phrase(body: &Value) -> Result<Query, Exception> {
    let (field, options) = single_field("match_phrase", body)?;
    let mut query = Query::match_all();
    let mut parsed = PhraseQuery {
        field: field.into(),
        text: options.clone(),
        slop: 0,
        zero_terms_all: false,
    };
    if let Value::Object(options) = options {
        parsed.text = Value::Null;
        for (key, value) in options {
            match key.as_str() {
                "query" => parsed.text = value.clone(),
                "slop" => parsed.slop = unsigned(key, value)?,
                "zero_terms_query" => parsed.zero_terms_all = zero_terms("match_phrase", value)?,
                "analyzer" => check_analyzer("match_phrase", value)?,
                _ => query.parse_common("match_phrase", key, value)?,
            }
        }
    }
    plain_text("match_phrase", &parsed.text)?;
    query.node = Node::Phrase(parsed);
    Ok(query)
}

pub(super) fn parse_multi_match(body: &Value) -> Result<Query, Exception> {
    let mut query = Query::match_all();
    let mut parsed = MultiMatchQuery {
        fields: Vec::new(),
        text: Value::Null,
        kind: MultiType::BestFields,
        tie_breaker: 0.0,
        slop: 0,
        words: Words::default(),
    };
    let mut every_field = true;
    for (key, value) in object("multi_match", body)? {
        match key.as_str() {
            "query" => parsed.text = value.clone(),
            "fields" => {
                every_field = false;
                parsed.fields = parse_fields(value)?;
            }
            "type" => {
                parsed.kind = match text(key, value)? {
                    "best_fields" => MultiType::BestFields,
                    "most_fields" => MultiType::MostFields,
                    "phrase" => MultiType::Phrase,
                    other => {
                        return Err(malformed(format!(
                            "[multi_match] type [{other}] is not supported"
                        )));
                    }
                }
            }
            // Relevance is a 32-bit number.
            "tie_breaker" => parsed.tie_breaker = number(key, value)? as f32,
            "slop" => parsed.slop = unsigned(key, value)?,
            _ if parsed.words.parse("multi_match", key, value)? => {}
            _ => query.parse_common("multi_match", key, value)?,
        }
    }
    if every_field {
        // A number in the text is no error for the fields that are no numbers, and the other way round.
        parsed.fields = vec![("*".into(), 1.0)];
        parsed.words.lenient = true;
    }
    plain_text("multi_match", &parsed.text)?;
    query.node = Node::MultiMatch(parsed);
    Ok(query)
}

fn parse_fields(value: &Value) -> Result<Vec<(String, f32)>, Exception> {
    let one = |value: &Value| {
        let field = text("fields", value)?;
        match field.split_once('^') {
            None => Ok((field.to_owned(), 1.0)),
            Some((field, boost)) => match boost.parse::<f32>() {
                Ok(boost) if boost >= 0.0 => Ok((field.to_owned(), boost)),
                _ => Err(malformed(format!(
                    "[multi_match] boost [{boost}] of [{field}] is not a number"
                ))),
            },
        }
    };
    match value {
        Value::Array(fields) => fields.iter().map(one).collect(),
        other => Ok(vec![one(other)?]),
    }
}
