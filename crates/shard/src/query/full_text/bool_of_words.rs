//! `match` and `match_bool_prefix`: any or all words of a text.

use es_exception::Exception;
use index_meta::{FieldMapping, FieldType};
use serde_json::Value;
use tantivy::query::{BooleanQuery, EmptyQuery, Occur};

use super::super::build::{BuildContext, best_of};
use super::super::parse::{plain_text, single_field};
use super::super::pattern::PatternQuery;
use super::super::{Node, Query};
use super::{Built, Place, Words, analyze, exact, is_analyzed, nothing};

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct MatchQuery {
    pub(in super::super) field: String,
    pub(in super::super) text: Value,
    pub(in super::super) words: Words,
    /// Whether the last word stands for all that begin with it.
    pub(in super::super) last_is_prefix: bool,
}

impl MatchQuery {
    pub(in super::super) fn build(&self, context: &BuildContext<'_>) -> Result<Built, Exception> {
        let Some(mapping) = context.field(&self.field)? else {
            return Ok(Box::new(EmptyQuery));
        };
        if !is_analyzed(mapping, self.words.analyzer.as_ref()) {
            return self.build_exact(context, mapping);
        }
        let analyzer = context.analyzer("match", mapping, self.words.analyzer.as_deref(), false)?;
        let places = analyze(analyzer, &plain_text("match", &self.text)?)?;
        if places.is_empty() {
            return Ok(nothing(self.words.zero_terms_all));
        }
        let last = places.len() - 1;
        let mut clauses = Vec::new();
        for (number, place) in places.iter().enumerate() {
            let is_prefix = self.last_is_prefix && number == last;
            clauses.push(self.place_query(context, mapping, place, is_prefix)?);
        }
        Ok(self.words.combine(clauses))
    }

    fn build_exact(&self, context: &BuildContext<'_>, mapping: &FieldMapping) -> Result<Built, Exception> {
        if mapping.field_type() == FieldType::Keyword {
            let word = || plain_text("match", &self.text);
            if self.last_is_prefix {
                return PatternQuery::prefix(&self.field, &word()?).build(context);
            }
            if let Some(fuzziness) = self.words.fuzziness {
                return PatternQuery::fuzzy(&self.field, &word()?, fuzziness, self.words.prefix_length)
                    .build(context);
            }
        }
        exact(context, mapping, &self.text, self.words.lenient)
    }

    fn place_query(
        &self,
        context: &BuildContext<'_>,
        mapping: &FieldMapping,
        place: &Place,
        is_prefix: bool,
    ) -> Result<Built, Exception> {
        context.count_clauses(place.words.len())?;
        let word_query = |word: &String| match self.words.fuzziness {
            _ if is_prefix => PatternQuery::prefix(&self.field, word).build(context),
            Some(fuzziness) => {
                PatternQuery::fuzzy(&self.field, word, fuzziness, self.words.prefix_length).build(context)
            }
            None => Ok(context.scored_term(mapping, context.text_term(mapping, word))),
        };
        let words = place
            .words
            .iter()
            .map(word_query)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(best_of(words))
    }
}

impl Words {
    /// One query of those of the words.
    pub(super) fn combine(&self, words: Vec<Built>) -> Built {
        if self.all {
            return Box::new(BooleanQuery::new(
                words.into_iter().map(|word| (Occur::Must, word)).collect(),
            ));
        }
        let minimum = match &self.minimum_should_match {
            Some(minimum) => minimum.of(words.len()).max(1),
            None => 1,
        };
        if minimum > words.len() {
            return Box::new(EmptyQuery);
        }
        Box::new(BooleanQuery::with_minimum_required_clauses(
            words.into_iter().map(|word| (Occur::Should, word)).collect(),
            minimum,
        ))
    }
}

pub(in super::super) fn parse_match(body: &Value) -> Result<Query, Exception> {
    parse("match", body, false)
}

pub(in super::super) fn parse_match_bool_prefix(body: &Value) -> Result<Query, Exception> {
    parse("match_bool_prefix", body, true)
}

fn parse(name: &str, body: &Value, last_is_prefix: bool) -> Result<Query, Exception> {
    let (field, options) = single_field(name, body)?;
    let mut query = Query::match_all();
    let mut parsed = MatchQuery {
        field: field.into(),
        text: options.clone(),
        words: Words::default(),
        last_is_prefix,
    };
    if let Value::Object(options) = options {
        parsed.text = Value::Null;
        for (key, value) in options {
            if key == "query" {
                parsed.text = value.clone();
            } else if !parsed.words.parse(name, key, value)? {
                query.parse_common(name, key, value)?;
            }
        }
    }
    plain_text(name, &parsed.text)?;
    query.node = Node::Match(parsed);
    Ok(query)
}
