//! `multi_match`: the words of a text in several fields.

use es_exception::Exception;
use serde_json::Value;
use tantivy::query::{DisjunctionMaxQuery, EmptyQuery};

use super::super::build::{BuildContext, boosted};
use super::super::parse::{malformed, number, object, plain_text, text, unsigned};
use super::super::{Node, Query};
use super::phrase::MAX_EXPANSIONS;
use super::{Built, FieldQuery, Fields, MatchQuery, OverFields, PhraseQuery, Words, analyze};

/// How the fields are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MultiType {
    BestFields,
    MostFields,
    CrossFields,
    Phrase,
    PhrasePrefix,
    BoolPrefix,
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum MultiMatchQuery {
    /// All words in each field.
    ByField(OverFields),
    /// Each word in any of the fields.
    ByWord {
        fields: Fields,
        text: Value,
        words: Words,
    },
}

impl MultiMatchQuery {
    pub(in super::super) fn build(&self, context: &BuildContext<'_>) -> Result<Built, Exception> {
        match self {
            Self::ByField(query) => query.build(context),
            Self::ByWord { fields, text, words } => build_by_word(context, fields, text, words),
        }
    }
}

/// Fields with one analyzer are one large field, in which each word must be found.
///
/// Source: Elasticsearch's `cross_fields`. How rare a word is comes from the field that has it most rarely there, here from each field for itself.
fn build_by_word(
    context: &BuildContext<'_>,
    fields: &Fields,
    text: &Value,
    words: &Words,
) -> Result<Built, Exception> {
    let text = plain_text("multi_match", text)?;
    let mut groups: Vec<(String, Vec<(String, f32)>)> = Vec::new();
    let mut others = Vec::new();
    for (field, boost) in fields.expand(context)?.0 {
        let Some(mapping) = context.field(&field)? else {
            continue;
        };
        if !super::is_analyzed(mapping, words.analyzer.as_ref()) {
            let exact = super::exact(context, mapping, &Value::String(text.clone()), true)?;
            others.push(boosted(exact, boost));
            continue;
        }
        let named = words.analyzer.as_deref();
        let analyzer = named.unwrap_or_else(|| context.analyzers.search_analyzer(mapping, false));
        match groups.iter_mut().find(|(name, _)| name == analyzer) {
            Some((_, group)) => group.push((field, boost)),
            None => groups.push((analyzer.to_owned(), vec![(field, boost)])),
        }
    }
    let mut queries = others;
    for (analyzer, group) in groups {
        queries.push(build_group(context, fields, &analyzer, &group, &text, words)?);
    }
    Ok(match queries.len() {
        0 => Box::new(EmptyQuery),
        1 => queries.remove(0),
        _ => Box::new(DisjunctionMaxQuery::with_tie_breaker(queries, fields.tie_breaker)),
    })
}

fn build_group(
    context: &BuildContext<'_>,
    fields: &Fields,
    analyzer: &str,
    group: &[(String, f32)],
    text: &str,
    words: &Words,
) -> Result<Built, Exception> {
    let mut clauses = Vec::new();
    let mut places = Vec::new();
    for (field, _) in group {
        if let (Some(mapping), true) = (context.field(field)?, places.is_empty()) {
            places = analyze(
                context.analyzer("multi_match", mapping, Some(analyzer), false)?,
                text,
            )?;
        }
    }
    for place in &places {
        let mut in_fields = Vec::new();
        for (field, boost) in group {
            let Some(mapping) = context.field(field)? else {
                continue;
            };
            context.count_clauses(place.words.len())?;
            for word in &place.words {
                let term = context.text_term(mapping, word);
                in_fields.push(boosted(context.scored_term(mapping, term), *boost));
            }
        }
        clauses.push(fields.combine(in_fields));
    }
    Ok(match clauses.is_empty() {
        true => super::nothing(words.zero_terms_all),
        false => words.combine(clauses),
    })
}

pub(in super::super) fn parse_multi_match(body: &Value) -> Result<Query, Exception> {
    const NAME: &str = "multi_match";
    let mut query = Query::match_all();
    let mut fields = Fields::best(None);
    let mut words = Words::default();
    let (mut searched, mut kind, mut tie_breaker, mut slop) = (Value::Null, MultiType::BestFields, None, 0);
    let mut max_expansions = MAX_EXPANSIONS;
    for (key, value) in object(NAME, body)? {
        match key.as_str() {
            "query" => searched = value.clone(),
            "fields" => fields.names = Some(parse_fields(value)?),
            "type" => kind = parse_type(text(key, value)?)?,
            // Relevance is a 32-bit number.
            "tie_breaker" => tie_breaker = Some(number(key, value)? as f32),
            "slop" => slop = unsigned(key, value)?,
            "max_expansions" => max_expansions = unsigned(key, value)?,
            _ if words.parse(NAME, key, value)? => {}
            _ => query.parse_common(NAME, key, value)?,
        }
    }
    plain_text(NAME, &searched)?;
    if words.fuzziness.is_some()
        && matches!(
            kind,
            MultiType::CrossFields | MultiType::Phrase | MultiType::PhrasePrefix
        )
    {
        return Err(malformed(format!(
            "Fuzziness not allowed for type [{}]",
            type_name(kind)
        )));
    }
    if slop != 0 && kind == MultiType::BoolPrefix {
        return Err(malformed(format!(
            "[slop] not allowed for type [{}]",
            type_name(kind)
        )));
    }
    fields.tie_breaker = tie_breaker.unwrap_or(0.0);
    fields.lenient = words.lenient;
    fields.sums = matches!(kind, MultiType::MostFields | MultiType::BoolPrefix);
    let field = String::new();
    let parsed = match kind {
        MultiType::CrossFields => MultiMatchQuery::ByWord {
            fields,
            text: searched,
            words,
        },
        MultiType::Phrase | MultiType::PhrasePrefix => MultiMatchQuery::ByField(OverFields {
            fields,
            query: FieldQuery::Phrase(PhraseQuery {
                field,
                text: searched,
                slop,
                zero_terms_all: words.zero_terms_all,
                lenient: words.lenient,
                analyzer: words.analyzer,
                last_is_prefix: (kind == MultiType::PhrasePrefix).then_some(max_expansions),
            }),
        }),
        _ => MultiMatchQuery::ByField(OverFields {
            fields,
            query: FieldQuery::Match(MatchQuery {
                field,
                text: searched,
                words,
                last_is_prefix: kind == MultiType::BoolPrefix,
            }),
        }),
    };
    query.node = Node::MultiMatch(parsed);
    Ok(query)
}

const TYPES: [(&str, MultiType); 6] = [
    ("best_fields", MultiType::BestFields),
    ("most_fields", MultiType::MostFields),
    ("cross_fields", MultiType::CrossFields),
    ("phrase", MultiType::Phrase),
    ("phrase_prefix", MultiType::PhrasePrefix),
    ("bool_prefix", MultiType::BoolPrefix),
];

fn parse_type(name: &str) -> Result<MultiType, Exception> {
    let known = TYPES.iter().find(|(known, _)| *known == name);
    known.map(|(_, kind)| *kind).ok_or_else(|| {
        malformed(format!(
            "failed to parse [multi_match] query type [{name}]. unknown type."
        ))
    })
}

fn type_name(kind: MultiType) -> &'static str {
    TYPES
        .iter()
        .find(|(_, known)| *known == kind)
        .map_or("", |(name, _)| name)
}

/// The `fields` of a query, each with or without a boost.
pub(in super::super) fn parse_fields(value: &Value) -> Result<Vec<(String, f32)>, Exception> {
    let one = |value: &Value| parse_field(text("fields", value)?);
    match value {
        Value::Array(fields) => fields.iter().map(one).collect(),
        other => Ok(vec![one(other)?]),
    }
}

/// A name with or without a boost after a `^`.
pub(super) fn parse_field(field: &str) -> Result<(String, f32), Exception> {
    match field.split_once('^') {
        None => Ok((field.to_owned(), 1.0)),
        Some((field, boost)) => match boost.parse::<f32>() {
            Ok(boost) if boost >= 0.0 && boost.is_finite() => Ok((field.to_owned(), boost)),
            _ => Err(malformed(format!(
                "[multi_match] boost [{boost}] of [{field}] is not a number"
            ))),
        },
    }
}
