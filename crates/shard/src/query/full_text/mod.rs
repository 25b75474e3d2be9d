//! Queries on analysed text: `match`, `match_bool_prefix`, `match_phrase`, `match_phrase_prefix`, `multi_match`.

mod bool_of_words;
mod multi_match;
mod over_fields;
mod phrase;
mod phrase_prefix;

use es_exception::Exception;
use index_meta::{FieldMapping, FieldType, parse_query_value};
use serde_json::Value;
use tantivy::query::EmptyQuery;
use tantivy::tokenizer::TextAnalyzer;

pub(super) use bool_of_words::{MatchQuery, parse_match, parse_match_bool_prefix};
pub(super) use multi_match::{MultiMatchQuery, parse_fields, parse_multi_match};
pub(super) use over_fields::{FieldQuery, Fields, OverFields};
pub(super) use phrase::{PhraseQuery, parse_match_phrase, parse_match_phrase_prefix};

use super::build::{BuildContext, every_document};
use super::minimum_should_match::MinimumShouldMatch;
use super::parse::{flag, malformed, text, unsigned};
use super::pattern::Fuzziness;

type Built = Box<dyn tantivy::query::Query>;

/// How the words of a text are combined.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Words {
    pub(super) all: bool,
    pub(super) minimum_should_match: Option<MinimumShouldMatch>,
    pub(super) fuzziness: Option<Fuzziness>,
    pub(super) prefix_length: usize,
    pub(super) lenient: bool,
    /// What a text without words matches: everything instead of nothing.
    pub(super) zero_terms_all: bool,
    /// The name of the analyzer, if it is not the field's.
    pub(super) analyzer: Option<String>,
}

impl Words {
    /// Whether the parameter was one about words.
    fn parse(&mut self, query: &str, key: &str, value: &Value) -> Result<bool, Exception> {
        match key {
            "operator" => self.all = parse_operator(query, key, value)?,
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

/// Whether all words must match.
pub(super) fn parse_operator(query: &str, key: &str, value: &Value) -> Result<bool, Exception> {
    match text(key, value)?.to_ascii_lowercase().as_str() {
        "and" => Ok(true),
        "or" => Ok(false),
        other => Err(malformed(format!(
            "[{query}] {key} must be [and] or [or], got [{other}]"
        ))),
    }
}

fn zero_terms(query: &str, value: &Value) -> Result<bool, Exception> {
    match text("zero_terms_query", value)?.to_ascii_lowercase().as_str() {
        "all" => Ok(true),
        "none" => Ok(false),
        other => Err(malformed(format!("[{query}] unknown zero_terms_query [{other}]"))),
    }
}

/// Most words of one text. Source: Elasticsearch bounds the clauses of a query, too.
const MAX_WORDS: usize = 65_536;

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
        every_document()
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
