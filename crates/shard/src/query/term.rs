//! Exact matches: `term`, `terms`, `ids`, `exists`.

use es_exception::Exception;
use index_meta::{FieldType, QueryValue, parse_query_value};
use serde_json::Value;
use tantivy::Term;
use tantivy::query::{ConstScoreQuery, EmptyQuery, TermSetQuery};

use super::build::{BuildContext, Target, any_of, every_document};
use super::parse::{flag, malformed, object, plain_text, single_field, text};
use super::pattern::PatternQuery;
use super::{Node, Query};

type Built = Box<dyn tantivy::query::Query>;

/// `term`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TermQuery {
    field: String,
    value: Value,
    case_insensitive: bool,
}

/// `terms`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TermsQuery {
    field: String,
    values: Vec<Value>,
}

impl TermQuery {
    pub(super) fn of(field: &str, value: &Value) -> Self {
        Self {
            field: field.into(),
            value: value.clone(),
            case_insensitive: false,
        }
    }

    pub(super) fn build(&self, context: &BuildContext<'_>) -> Result<Built, Exception> {
        if let Some(query) = metadata_terms(context, &self.field, std::slice::from_ref(&self.value))? {
            return Ok(query);
        }
        let Some(mapping) = context.field(&self.field)? else {
            return Ok(Box::new(EmptyQuery));
        };
        let textual = matches!(mapping.field_type(), FieldType::Text | FieldType::Keyword);
        if self.case_insensitive && textual {
            return PatternQuery::whole(&self.field, &plain_text("term", &self.value)?).build(context);
        }
        let value = parse_query_value(mapping, &self.value, &context.query_context())
            .map_err(|error| error.to_exception())?;
        Ok(context.target_query(mapping, context.target(mapping, &value)))
    }
}

impl TermsQuery {
    pub(super) fn build(&self, context: &BuildContext<'_>) -> Result<Built, Exception> {
        if self.values.len() as u64 > context.max_terms_count {
            return Err(Exception::illegal_argument(format!(
                "The number of terms [{}] used in the Terms Query request has exceeded the allowed maximum of [{}]. This maximum can be set by changing the [index.max_terms_count] index level setting.",
                self.values.len(),
                context.max_terms_count
            )));
        }
        if let Some(query) = metadata_terms(context, &self.field, &self.values)? {
            return Ok(query);
        }
        let Some(mapping) = context.field(&self.field)? else {
            return Ok(Box::new(EmptyQuery));
        };
        let mut terms = Vec::new();
        let mut queries = Vec::new();
        for value in &self.values {
            let value: QueryValue = parse_query_value(mapping, value, &context.query_context())
                .map_err(|error| error.to_exception())?;
            match context.target(mapping, &value) {
                Target::Term(term) => terms.push(term),
                other => queries.push(context.target_query(mapping, other)),
            }
        }
        if !terms.is_empty() {
            queries.push(Box::new(TermSetQuery::new(terms)));
        }
        Ok(any_of(queries))
    }
}

/// Terms of a metadata field; `None` if `field` is none.
fn metadata_terms(
    context: &BuildContext<'_>,
    field: &str,
    values: &[Value],
) -> Result<Option<Built>, Exception> {
    let texts = || {
        values
            .iter()
            .map(|value| plain_text("terms", value))
            .collect::<Result<Vec<_>, _>>()
    };
    let terms: Vec<Term> = match field {
        "_id" => return Ok(Some(build_ids(context, &texts()?))),
        "_routing" => texts()?
            .iter()
            .map(|text| Term::from_field_text(context.schema.routing, text))
            .collect(),
        "_seq_no" => texts()?
            .iter()
            .filter_map(|text| text.parse().ok())
            .map(|number| Term::from_field_u64(context.schema.seq_no, number))
            .collect(),
        _ => return Ok(None),
    };
    Ok(Some(Box::new(ConstScoreQuery::new(
        Box::new(TermSetQuery::new(terms)),
        1.0,
    ))))
}

pub(super) fn build_ids(context: &BuildContext<'_>, ids: &[String]) -> Built {
    let terms = ids.iter().map(|id| Term::from_field_text(context.schema.id, id));
    Box::new(ConstScoreQuery::new(Box::new(TermSetQuery::new(terms)), 1.0))
}

pub(super) fn build_exists(context: &BuildContext<'_>, field: &str) -> Result<Built, Exception> {
    if matches!(field, "_id" | "_seq_no" | "_version" | "_source" | "_index") {
        return Ok(every_document());
    }
    if let Some(mapping) = context.mapping.field(field) {
        return Ok(context.exists(mapping));
    }
    // An object exists where one of its fields does.
    let prefix = format!("{field}.");
    let inside = context
        .mapping
        .fields()
        .into_iter()
        .filter(|mapping| mapping.path().starts_with(&prefix));
    Ok(any_of(inside.map(|mapping| context.exists(mapping)).collect()))
}

pub(super) fn parse_term(body: &Value) -> Result<Query, Exception> {
    let (field, options) = single_field("term", body)?;
    let mut query = Query::match_all();
    let mut parsed = TermQuery {
        field: field.into(),
        value: options.clone(),
        case_insensitive: false,
    };
    if let Value::Object(options) = options {
        parsed.value = Value::Null;
        for (key, value) in options {
            match key.as_str() {
                "value" | "term" => parsed.value = value.clone(),
                "case_insensitive" => parsed.case_insensitive = flag(key, value)?,
                _ => query.parse_common("term", key, value)?,
            }
        }
    }
    match parsed.value {
        Value::Null => return Err(Exception::illegal_argument("value cannot be null")),
        Value::Array(_) | Value::Object(_) => {
            return Err(malformed("[term] query does not support array of values"));
        }
        _ => {}
    }
    query.node = Node::Term(parsed);
    Ok(query)
}

pub(super) fn parse_terms(body: &Value) -> Result<Query, Exception> {
    let mut query = Query::match_all();
    let mut parsed: Option<TermsQuery> = None;
    for (key, value) in object("terms", body)? {
        match value {
            Value::Array(values) => {
                if let Some(before) = &parsed {
                    return Err(malformed(format!(
                        "[terms] query doesn't support multiple fields, found [{}] and [{key}]",
                        before.field
                    )));
                }
                if values.iter().any(Value::is_null) {
                    return Err(Exception::illegal_argument("No value specified for terms query"));
                }
                parsed = Some(TermsQuery {
                    field: key.clone(),
                    values: values.clone(),
                });
            }
            Value::Object(_) => {
                return Err(malformed(
                    "[terms] query looks up terms in a document that [index], [id] and [path] name, and only in a search, a count or a by-query request",
                ));
            }
            _ => query.parse_common("terms", key, value)?,
        }
    }
    let parsed =
        parsed.ok_or_else(|| malformed("[terms] query requires a field name, followed by array of terms"))?;
    query.node = Node::Terms(parsed);
    Ok(query)
}

pub(super) fn parse_ids(body: &Value) -> Result<Query, Exception> {
    let mut query = Query::match_all();
    let mut ids = None;
    for (key, value) in object("ids", body)? {
        match (key.as_str(), value) {
            ("values", Value::Array(values)) => {
                ids = Some(
                    values
                        .iter()
                        .map(|value| plain_text("ids", value))
                        .collect::<Result<Vec<_>, _>>()?,
                );
            }
            ("values", one) => ids = Some(vec![plain_text("ids", one)?]),
            _ => query.parse_common("ids", key, value)?,
        }
    }
    query.node = Node::Ids(ids.ok_or_else(|| malformed("[ids] requires providing a values array"))?);
    Ok(query)
}

pub(super) fn parse_exists(body: &Value) -> Result<Query, Exception> {
    let mut query = Query::match_all();
    let mut field = None;
    for (key, value) in object("exists", body)? {
        match key.as_str() {
            "field" => field = Some(text("field", value)?.to_owned()),
            _ => query.parse_common("exists", key, value)?,
        }
    }
    query.node = Node::Exists(field.ok_or_else(|| malformed("[exists] must be provided with a [field]"))?);
    Ok(query)
}
