//! One query on several fields.

use es_exception::Exception;
use index_meta::FieldMapping;
use tantivy::query::{BooleanQuery, DisjunctionMaxQuery, EmptyQuery, Occur};

use super::super::build::{BuildContext, boosted};
use super::super::pattern::PatternQuery;
use super::super::range::RangeQuery;
use super::multi_match::parse_field;
use super::{Built, MatchQuery, PhraseQuery};
use crate::search::wildcard_match;

/// The fields of a query, and how what they find is put together.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Fields {
    /// Names, with or without `*`, and boosts; `None` leaves it to the index.
    pub(in super::super) names: Option<Vec<(String, f32)>>,
    /// Whether the relevance of all fields counts, instead of that of the best.
    pub(in super::super) sums: bool,
    /// What the fields that are not the best add.
    pub(in super::super) tie_breaker: f32,
    /// Whether a field whose type does not go with the query is passed over.
    pub(in super::super) lenient: bool,
}

/// A query on one field, whose name is set when the field is known.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum FieldQuery {
    Match(MatchQuery),
    Phrase(PhraseQuery),
    Pattern(PatternQuery),
    Range(RangeQuery),
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct OverFields {
    pub(in super::super) fields: Fields,
    pub(in super::super) query: FieldQuery,
}

impl OverFields {
    pub(in super::super) fn build(&self, context: &BuildContext<'_>) -> Result<Built, Exception> {
        let (fields, lenient) = self.fields.expand(context)?;
        let mut queries = Vec::new();
        context.count_clauses(fields.len())?;
        for (field, boost) in fields {
            let query = match self.query.build(&field, lenient, context) {
                Err(error) if lenient && error.status() < 500 => Box::new(EmptyQuery),
                built => built?,
            };
            queries.push(boosted(query, boost));
        }
        context.check_counted()?;
        Ok(self.fields.combine(queries))
    }
}

impl Fields {
    /// The best of the fields, which the index may have to name.
    pub(in super::super) fn best(names: Option<Vec<(String, f32)>>) -> Self {
        Self {
            names,
            sums: false,
            tie_breaker: 0.0,
            lenient: false,
        }
    }

    /// The mapped fields, with their boosts, and whether the query is lenient: a number in a text that is searched for everywhere is no error for the
    /// fields that are no numbers, and the other way round.
    pub(super) fn expand(&self, context: &BuildContext<'_>) -> Result<(Vec<(String, f32)>, bool), Exception> {
        let defaults;
        let (names, lenient) = match &self.names {
            Some(names) => (names, self.lenient),
            None => {
                let everything = context.default_fields == ["*"];
                let parsed = context.default_fields.iter().map(|field| parse_field(field));
                defaults = parsed.collect::<Result<Vec<_>, _>>()?;
                (&defaults, self.lenient || everything)
            }
        };
        let expanded = names.iter().flat_map(|(pattern, boost)| {
            expand(context, pattern)
                .into_iter()
                .map(move |field| (field, *boost))
        });
        let lenient = lenient || names.iter().any(|(name, _)| name == "*");
        Ok((expanded.collect(), lenient))
    }

    /// One query of those of the fields.
    pub(super) fn combine(&self, mut queries: Vec<Built>) -> Built {
        match queries.len() {
            0 => Box::new(EmptyQuery),
            1 => queries.remove(0),
            _ if self.sums => Box::new(BooleanQuery::new(
                queries.into_iter().map(|query| (Occur::Should, query)).collect(),
            )),
            _ => Box::new(DisjunctionMaxQuery::with_tie_breaker(queries, self.tie_breaker)),
        }
    }
}

impl FieldQuery {
    fn build(&self, field: &str, lenient: bool, context: &BuildContext<'_>) -> Result<Built, Exception> {
        let field = field.to_owned();
        match self.clone() {
            Self::Match(mut query) => {
                query.field = field;
                query.words.lenient |= lenient;
                query.build(context)
            }
            Self::Phrase(mut query) => {
                query.field = field;
                query.lenient |= lenient;
                query.build(context)
            }
            Self::Pattern(query) => query.on(field).build(context),
            Self::Range(query) => query.on(field).build(context),
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
