//! What a line says, and the query that it stands for.

use es_exception::Exception;
use index_meta::RangeEdge;
use serde_json::Value;

use super::super::boolean::BoolQuery;
use super::super::full_text::{FieldQuery, Fields, MatchQuery, OverFields, PhraseQuery, Words};
use super::super::minimum_should_match::MinimumShouldMatch;
use super::super::parse::malformed;
use super::super::pattern::{Fuzziness, PatternQuery};
use super::super::range::RangeQuery;
use super::super::{Node, Query};

/// Whether a part must, may or must not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occurs {
    Must,
    Should,
    MustNot,
}

/// A line, or a part of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// Parts in parentheses, or the whole line.
    Group {
        parts: Vec<(Occurs, Expression)>,
        boost: f32,
    },
    /// Something to be found in a field, or in those that are searched without one.
    Found {
        field: Option<String>,
        what: What,
        boost: f32,
    },
}

/// Something to be found in a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// A word, of which analysis may make several.
    Word(String),
    /// A phrase, and by how many places its words may be off.
    Phrase(String, Option<u32>),
    /// Words that begin so.
    Prefix(String),
    /// Words by a pattern with `*` and `?`.
    Wildcard(String),
    /// Words by a regular expression.
    Regexp(String),
    /// Words like this one, with so many edits.
    Fuzzy(String, Option<Fuzziness>),
    /// Values between two others.
    Range {
        lower: Option<(RangeEdge, String)>,
        upper: Option<(RangeEdge, String)>,
    },
    /// Anything.
    Anything,
}

/// How parts become queries.
pub(super) struct Options {
    pub(super) fields: Fields,
    /// Whether words that nothing connects must all match.
    pub(super) all: bool,
    pub(super) analyzer: Option<String>,
    pub(super) quote_analyzer: Option<String>,
    pub(super) slop: u32,
    pub(super) fuzziness: Fuzziness,
    pub(super) prefix_length: usize,
    pub(super) allow_leading_wildcard: bool,
    pub(super) words_are_phrases: bool,
    pub(super) minimum_should_match: Option<MinimumShouldMatch>,
    pub(super) time_zone: Option<String>,
}

impl Options {
    pub(super) fn new(fields: Fields) -> Self {
        Self {
            fields,
            all: false,
            analyzer: None,
            quote_analyzer: None,
            slop: 0,
            fuzziness: Fuzziness::AUTO,
            prefix_length: 0,
            allow_leading_wildcard: true,
            words_are_phrases: false,
            minimum_should_match: None,
            time_zone: None,
        }
    }

    /// The query of the whole line.
    pub(super) fn query(&self, expression: Expression) -> Result<Query, Exception> {
        match expression {
            Expression::Group { parts, boost } => self.group(parts, boost, self.minimum_should_match.clone()),
            found => self.part(found),
        }
    }

    fn group(
        &self,
        parts: Vec<(Occurs, Expression)>,
        boost: f32,
        minimum_should_match: Option<MinimumShouldMatch>,
    ) -> Result<Query, Exception> {
        let mut group = BoolQuery {
            minimum_should_match,
            ..BoolQuery::default()
        };
        if parts.is_empty() {
            return Ok(Query::match_none());
        }
        for (occurs, part) in parts {
            let query = self.part(part)?;
            match occurs {
                Occurs::Must => group.must.push(query),
                Occurs::Should => group.should.push(query),
                Occurs::MustNot => group.must_not.push(query),
            }
        }
        Ok(Query {
            node: Node::Bool(group),
            boost,
        })
    }

    fn part(&self, expression: Expression) -> Result<Query, Exception> {
        let (field, what, boost) = match expression {
            Expression::Group { parts, boost } => return self.group(parts, boost, None),
            Expression::Found { field, what, boost } => (field, what, boost),
        };
        let node = match (field.as_deref(), what) {
            (Some("_exists_"), What::Word(name) | What::Phrase(name, _)) => Node::Exists(name),
            (None | Some("*"), What::Anything) => Node::MatchAll,
            (Some(field), What::Anything) => Node::Exists(field.to_owned()),
            (Some("_id"), What::Word(id) | What::Phrase(id, _)) => Node::Ids(vec![id]),
            (_, what) => Node::OverFields(OverFields {
                fields: match field {
                    None => self.fields.clone(),
                    Some(field) => Fields {
                        names: Some(vec![(field, 1.0)]),
                        ..self.fields.clone()
                    },
                },
                query: self.field_query(what)?,
            }),
        };
        Ok(Query { node, boost })
    }

    fn field_query(&self, what: What) -> Result<FieldQuery, Exception> {
        let words = || Words {
            all: self.all,
            analyzer: self.analyzer.clone(),
            ..Words::default()
        };
        Ok(match what {
            What::Word(text) if !self.words_are_phrases => FieldQuery::Match(MatchQuery {
                field: String::new(),
                text: Value::String(text),
                words: words(),
                last_is_prefix: false,
            }),
            What::Word(text) => self.phrase(text, None),
            What::Phrase(text, slop) => self.phrase(text, slop),
            What::Fuzzy(word, fuzziness) => FieldQuery::Match(MatchQuery {
                field: String::new(),
                text: Value::String(word),
                words: Words {
                    fuzziness: Some(fuzziness.unwrap_or(self.fuzziness)),
                    prefix_length: self.prefix_length,
                    ..words()
                },
                last_is_prefix: false,
            }),
            What::Prefix(prefix) => {
                FieldQuery::Pattern(PatternQuery::prefix("", &prefix).for_written_words())
            }
            What::Wildcard(pattern) => {
                if !self.allow_leading_wildcard && pattern.starts_with(['*', '?']) {
                    return Err(malformed(
                        "'*' or '?' not allowed as first character in WildcardQuery",
                    ));
                }
                FieldQuery::Pattern(PatternQuery::wildcard("", &pattern).for_written_words())
            }
            What::Regexp(pattern) => {
                FieldQuery::Pattern(PatternQuery::regexp("", &pattern).for_written_words())
            }
            What::Range { lower, upper } => {
                FieldQuery::Range(RangeQuery::between(lower, upper, self.time_zone.clone()))
            }
            What::Anything => FieldQuery::Pattern(PatternQuery::prefix("", "")),
        })
    }

    fn phrase(&self, text: String, slop: Option<u32>) -> FieldQuery {
        FieldQuery::Phrase(PhraseQuery {
            field: String::new(),
            text: Value::String(text),
            slop: slop.unwrap_or(self.slop),
            zero_terms_all: false,
            lenient: false,
            analyzer: self.quote_analyzer.clone().or_else(|| self.analyzer.clone()),
            last_is_prefix: None,
        })
    }
}
