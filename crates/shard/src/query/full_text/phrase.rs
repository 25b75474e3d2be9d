//! `match_phrase` and `match_phrase_prefix`: the words of a text one after the other.

use es_exception::Exception;
use index_meta::{FieldMapping, FieldType};
use serde_json::Value;
use tantivy::Term;
use tantivy::query::EmptyQuery;

use super::super::build::{BuildContext, best_of};
use super::super::parse::{plain_text, single_field, text, unsigned};
use super::super::{Node, Query};
use super::phrase_prefix::PhrasePrefix;
use super::{Built, Place, analyze, exact, nothing, zero_terms};

/// Most phrases that one phrase with synonyms may stand for.
pub(super) const MAX_PHRASES: usize = 1_024;
/// Words that the last one of a phrase may stand for. Source: default of `max_expansions`.
pub(in super::super) const MAX_EXPANSIONS: u32 = 50;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct PhraseQuery {
    pub(in super::super) field: String,
    pub(in super::super) text: Value,
    pub(in super::super) slop: u32,
    pub(in super::super) zero_terms_all: bool,
    pub(in super::super) lenient: bool,
    pub(in super::super) analyzer: Option<String>,
    /// Whether the last word stands for those that begin with it, and for how many of them.
    pub(in super::super) last_is_prefix: Option<u32>,
}

impl PhraseQuery {
    pub(in super::super) fn build(&self, context: &BuildContext<'_>) -> Result<Built, Exception> {
        let name = self.name();
        let Some(mapping) = context.field(&self.field)? else {
            return Ok(Box::new(EmptyQuery));
        };
        match (mapping.field_type(), self.last_is_prefix) {
            (FieldType::Text, _) => {}
            (FieldType::Keyword, Some(limit)) => {
                let word = plain_text(name, &self.text)?;
                let word = context.analyzers.normalize(mapping, &word).into_owned();
                let heads = vec![Vec::new()];
                return Ok(Box::new(PhrasePrefix::of(context, mapping, heads, &word, limit)));
            }
            _ => return exact(context, mapping, &self.text, self.lenient),
        }
        let analyzer = context.analyzer(name, mapping, self.analyzer.as_deref(), true)?;
        let mut places = analyze(analyzer, &plain_text(name, &self.text)?)?;
        if let Some(limit) = self.last_is_prefix {
            let Some(last) = places.pop() else {
                return Ok(nothing(self.zero_terms_all));
            };
            let heads = phrases(name, context, mapping, &places)?;
            let of_word = |word: &String| -> Built {
                let query = PhrasePrefix::of(context, mapping, heads.clone(), word, limit);
                Box::new(query.at(last.position, self.slop))
            };
            return Ok(best_of(last.words.iter().map(of_word).collect()));
        }
        if places.is_empty() {
            return Ok(nothing(self.zero_terms_all));
        }
        let phrases = phrases(name, context, mapping, &places)?;
        let queries = phrases
            .into_iter()
            .map(|phrase| one_phrase(context, mapping, phrase, self.slop));
        Ok(best_of(queries.collect()))
    }

    fn name(&self) -> &'static str {
        match self.last_is_prefix {
            None => "match_phrase",
            Some(_) => "match_phrase_prefix",
        }
    }
}

/// A phrase of one term or more.
fn one_phrase(
    context: &BuildContext<'_>,
    mapping: &FieldMapping,
    mut phrase: Vec<(usize, Term)>,
    slop: u32,
) -> Built {
    match phrase.len() {
        0 => Box::new(EmptyQuery),
        1 => context.scored_term(mapping, phrase.remove(0).1),
        _ => context.scored_phrase(mapping, phrase, slop),
    }
}

/// All phrases that places with synonyms stand for; one empty phrase if there is no place.
fn phrases(
    name: &str,
    context: &BuildContext<'_>,
    mapping: &FieldMapping,
    places: &[Place],
) -> Result<Vec<Vec<(usize, Term)>>, Exception> {
    let count = places
        .iter()
        .try_fold(1_usize, |count, place| count.checked_mul(place.words.len()))
        .filter(|count| *count <= MAX_PHRASES);
    if count.is_none() {
        return Err(Exception::illegal_argument(format!(
            "[{name}] with its synonyms the text stands for more than [{MAX_PHRASES}] phrases"
        )));
    }
    context.count_clauses(count.unwrap_or(MAX_PHRASES))?;
    let mut phrases: Vec<Vec<(usize, Term)>> = vec![Vec::new()];
    for place in places {
        phrases = phrases
            .iter()
            .flat_map(|phrase| {
                place.words.iter().map(|word| {
                    let mut longer = phrase.clone();
                    longer.push((place.position, context.text_term(mapping, word)));
                    longer
                })
            })
            .collect();
    }
    Ok(phrases)
}

pub(in super::super) fn parse_match_phrase(body: &Value) -> Result<Query, Exception> {
    parse("match_phrase", body, None)
}

pub(in super::super) fn parse_match_phrase_prefix(body: &Value) -> Result<Query, Exception> {
    parse("match_phrase_prefix", body, Some(MAX_EXPANSIONS))
}

fn parse(name: &str, body: &Value, last_is_prefix: Option<u32>) -> Result<Query, Exception> {
    let (field, options) = single_field(name, body)?;
    let mut query = Query::match_all();
    let mut parsed = PhraseQuery {
        field: field.into(),
        text: options.clone(),
        slop: 0,
        zero_terms_all: false,
        lenient: false,
        analyzer: None,
        last_is_prefix,
    };
    if let Value::Object(options) = options {
        parsed.text = Value::Null;
        for (key, value) in options {
            match key.as_str() {
                "query" => parsed.text = value.clone(),
                "slop" => parsed.slop = unsigned(key, value)?,
                "zero_terms_query" => parsed.zero_terms_all = zero_terms(name, value)?,
                "analyzer" => parsed.analyzer = Some(text(key, value)?.to_owned()),
                "max_expansions" if last_is_prefix.is_some() => {
                    parsed.last_is_prefix = Some(unsigned(key, value)?);
                }
                _ => query.parse_common(name, key, value)?,
            }
        }
    }
    plain_text(name, &parsed.text)?;
    query.node = Node::Phrase(parsed);
    Ok(query)
}
