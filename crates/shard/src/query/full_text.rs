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
use tantivy::tokenizer::TextAnalyzer;

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
    /// The name of the analyzer, if it is not the field's.
    analyzer: Option<String>,
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
    analyzer: Option<String>,
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
    /// Names and boosts; `None` leaves it to the index.
    fields: Option<Vec<(String, f32)>>,
    text: Value,
    kind: MultiType,
    tie_breaker: f32,
    slop: u32,
    words: Words,
}

/// Most words of one text. Source: Elasticsearch bounds the clauses of a query, too.
const MAX_WORDS: usize = 65_536;
/// Most phrases that one phrase with synonyms may stand for.
const MAX_PHRASES: usize = 1_024;

/// The words at one position of a text: more than one where there are synonyms.
struct Place {
    position: usize,
    words: Vec<String>,
}

/// The words of a text by their positions.
fn analyze(mut analyzer: TextAnalyzer, text: &str) -> Result<Vec<Place>, Exception> {
    let mut stream = analyzer.token_stream(text);
    let mut places: Vec<Place> = Vec::new();
    let mut count = 0;
    while stream.advance() {
        count += 1;
        if count > MAX_WORDS {
            return Err(Exception::illegal_argument(format!(
                "the text of the query has more than [{MAX_WORDS}] words"
            )));
        }
        let token = stream.token();
        match places.last_mut() {
            Some(place) if place.position == token.position => {
                if !place.words.contains(&token.text) {
                    place.words.push(token.text.clone());
                }
            }
            _ => places.push(Place {
                position: token.position,
                words: vec![token.text.clone()],
            }),
        }
    }
    Ok(places)
}

/// Whether the text of a query on the field is analyzed. A keyword is one term, unless the query brings an analyzer.
fn is_analyzed(mapping: &FieldMapping, analyzer: Option<&String>) -> bool {
    match mapping.field_type() {
        FieldType::Text => true,
        FieldType::Keyword => analyzer.is_some(),
        _ => false,
    }
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
        if !is_analyzed(mapping, self.words.analyzer.as_ref()) {
            if let (FieldType::Keyword, Some(fuzziness)) = (mapping.field_type(), self.words.fuzziness) {
                let word = plain_text("match", &self.text)?;
                return PatternQuery::fuzzy(&self.field, &word, fuzziness, self.words.prefix_length)
                    .build(context);
            }
            return exact(context, mapping, &self.text, self.words.lenient);
        }
        let analyzer = context.analyzer("match", mapping, self.words.analyzer.as_deref(), false)?;
        let places = analyze(analyzer, &plain_text("match", &self.text)?)?;
        if places.is_empty() {
            return Ok(nothing(self.words.zero_terms_all));
        }
        let mut clauses: Vec<(Occur, Built)> = Vec::new();
        let occur = if self.words.all {
            Occur::Must
        } else {
            Occur::Should
        };
        for place in &places {
            let words = place
                .words
                .iter()
                .map(|word| self.word_query(context, mapping, word))
                .collect::<Result<Vec<_>, _>>()?;
            clauses.push((occur, one_of(words)));
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

    fn word_query(
        &self,
        context: &BuildContext<'_>,
        mapping: &FieldMapping,
        word: &str,
    ) -> Result<Built, Exception> {
        match self.words.fuzziness {
            Some(fuzziness) => {
                PatternQuery::fuzzy(&self.field, word, fuzziness, self.words.prefix_length).build(context)
            }
            None => Ok(Box::new(TermQuery::new(
                context.text_term(mapping, word),
                IndexRecordOption::WithFreqs,
            ))),
        }
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
        let analyzer = context.analyzer("match_phrase", mapping, self.analyzer.as_deref(), true)?;
        let places = analyze(analyzer, &plain_text("match_phrase", &self.text)?)?;
        let term = |word: &String| context.text_term(mapping, word);
        match places.as_slice() {
            [] => Ok(nothing(self.zero_terms_all)),
            [only] => {
                let words = only.words.iter().map(|word| -> Built {
                    Box::new(TermQuery::new(term(word), IndexRecordOption::WithFreqs))
                });
                Ok(one_of(words.collect()))
            }
            places => {
                let count = places
                    .iter()
                    .try_fold(1_usize, |count, place| count.checked_mul(place.words.len()))
                    .filter(|count| *count <= MAX_PHRASES);
                if count.is_none() {
                    return Err(Exception::illegal_argument(format!(
                        "[match_phrase] with its synonyms the text stands for more than [{MAX_PHRASES}] phrases"
                    )));
                }
                let mut phrases: Vec<Vec<(usize, Term)>> = vec![Vec::new()];
                for place in places {
                    phrases = phrases
                        .iter()
                        .flat_map(|phrase| {
                            place.words.iter().map(|word| {
                                let mut longer = phrase.clone();
                                longer.push((place.position, term(word)));
                                longer
                            })
                        })
                        .collect();
                }
                let phrases = phrases.into_iter().map(|phrase| -> Built {
                    Box::new(TantivyPhrase::new_with_offset_and_slop(phrase, self.slop))
                });
                Ok(one_of(phrases.collect()))
            }
        }
    }
}

/// What any of the queries matches; the relevance is that of the best.
fn one_of(mut queries: Vec<Built>) -> Built {
    match queries.len() {
        1 => queries.remove(0),
        _ => Box::new(DisjunctionMaxQuery::new(queries)),
    }
}

impl MultiMatchQuery {
    pub(super) fn build(&self, context: &BuildContext<'_>) -> Result<Built, Exception> {
        let Some(fields) = &self.fields else {
            let mut query = self.clone();
            // A number in the text is no error for the fields that are no numbers, and the other way round.
            query.words.lenient |= context.default_fields == ["*"];
            let defaults = context.default_fields.iter().map(|field| parse_field(field));
            query.fields = Some(defaults.collect::<Result<_, _>>()?);
            return query.build(context);
        };
        let mut queries: Vec<Built> = Vec::new();
        for (pattern, boost) in fields {
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
                analyzer: self.words.analyzer.clone(),
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
            "analyzer" => self.analyzer = Some(text(key, value)?.to_owned()),
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
        analyzer: None,
    };
    if let Value::Object(options) = options {
        parsed.text = Value::Null;
        for (key, value) in options {
            match key.as_str() {
                "query" => parsed.text = value.clone(),
                "slop" => parsed.slop = unsigned(key, value)?,
                "zero_terms_query" => parsed.zero_terms_all = zero_terms("match_phrase", value)?,
                "analyzer" => parsed.analyzer = Some(text(key, value)?.to_owned()),
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
        fields: None,
        text: Value::Null,
        kind: MultiType::BestFields,
        tie_breaker: 0.0,
        slop: 0,
        words: Words::default(),
    };
    for (key, value) in object("multi_match", body)? {
        match key.as_str() {
            "query" => parsed.text = value.clone(),
            "fields" => parsed.fields = Some(parse_fields(value)?),
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
    plain_text("multi_match", &parsed.text)?;
    query.node = Node::MultiMatch(parsed);
    Ok(query)
}

fn parse_fields(value: &Value) -> Result<Vec<(String, f32)>, Exception> {
    let one = |value: &Value| parse_field(text("fields", value)?);
    match value {
        Value::Array(fields) => fields.iter().map(one).collect(),
        other => Ok(vec![one(other)?]),
    }
}

/// A name with or without a boost after a `^`.
fn parse_field(field: &str) -> Result<(String, f32), Exception> {
    match field.split_once('^') {
        None => Ok((field.to_owned(), 1.0)),
        Some((field, boost)) => match boost.parse::<f32>() {
            Ok(boost) if boost >= 0.0 => Ok((field.to_owned(), boost)),
            _ => Err(malformed(format!(
                "[multi_match] boost [{boost}] of [{field}] is not a number"
            ))),
        },
    }
}
