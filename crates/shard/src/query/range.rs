//! `range`

use std::ops::Bound;

use es_exception::Exception;
use index_meta::{
    DateFormat, FieldMapping, FieldType, QueryContext, QueryValue, RangeBound, RangeEdge, parse_range_bound,
};
use serde_json::Value;
use tantivy::Term;
use tantivy::query::EmptyQuery;

use super::build::{BuildContext, every_document, range_query};
use super::parse::{flag, malformed, object, single_field, text};
use super::term_scan::{TermMatcher, TermScanQuery};
use super::{Node, Query, shard_failure};

type Built = Box<dyn tantivy::query::Query>;

/// `range`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RangeQuery {
    field: String,
    lower: Option<(RangeEdge, Value)>,
    upper: Option<(RangeEdge, Value)>,
    format: Option<String>,
    time_zone: Option<String>,
}

impl RangeQuery {
    /// Values between two texts, either of which may be missing.
    pub(super) fn between(
        lower: Option<(RangeEdge, String)>,
        upper: Option<(RangeEdge, String)>,
        time_zone: Option<String>,
    ) -> Self {
        let value = |(edge, text)| (edge, Value::String(text));
        Self {
            field: String::new(),
            lower: lower.map(value),
            upper: upper.map(value),
            format: None,
            time_zone,
        }
    }

    /// The same on another field.
    pub(super) fn on(self, field: String) -> Self {
        Self { field, ..self }
    }

    pub(super) fn build(&self, context: &BuildContext<'_>) -> Result<Built, Exception> {
        if self.field == "_seq_no" {
            return self.build_seq_no(context);
        }
        let Some(mapping) = context.field(&self.field)? else {
            return Ok(Box::new(EmptyQuery));
        };
        let format = match &self.format {
            Some(format) => Some(DateFormat::parse(format).map_err(Exception::illegal_argument)?),
            None => None,
        };
        let values = QueryContext {
            now_millis: context.now_millis,
            time_zone: self.time_zone.as_deref(),
            format: format.as_ref(),
        };
        let Some(lower) = bound(context, mapping, self.lower.as_ref(), &values)? else {
            return Ok(Box::new(EmptyQuery));
        };
        let Some(upper) = bound(context, mapping, self.upper.as_ref(), &values)? else {
            return Ok(Box::new(EmptyQuery));
        };
        if matches!((&lower, &upper), (Bound::Unbounded, Bound::Unbounded)) {
            return Ok(context.exists(mapping));
        }
        match mapping.field_type() {
            FieldType::Text => {
                let head = context.text_term(mapping, "");
                Ok(Box::new(TermScanQuery::new(
                    context,
                    &head,
                    "",
                    TermMatcher::between(&head, lower, upper),
                )))
            }
            FieldType::Boolean => Err(shard_failure(format!(
                "Field [{}] of type [boolean] does not support range queries",
                self.field
            ))),
            _ => Ok(range_query(lower, upper)),
        }
    }

    fn build_seq_no(&self, context: &BuildContext<'_>) -> Result<Built, Exception> {
        let number = |value: &Value| {
            let number = value
                .as_i64()
                .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
            number.ok_or_else(|| Exception::illegal_argument(format!("For input string: [{value}]")))
        };
        // Below zero a lower bound is none, and an upper bound leaves nothing.
        let lower = match &self.lower {
            Some((RangeEdge::Gt, value)) => number(value)?.saturating_add(1).max(0),
            Some((_, value)) => number(value)?.max(0),
            None => 0,
        };
        let upper = match &self.upper {
            Some((RangeEdge::Lt, value)) => number(value)?.saturating_sub(1),
            Some((_, value)) => number(value)?,
            None => i64::MAX,
        };
        if upper < lower {
            return Ok(Box::new(EmptyQuery));
        }
        if self.lower.is_none() && self.upper.is_none() {
            return Ok(every_document());
        }
        let term = |number: i64| Term::from_field_u64(context.schema.seq_no, number.unsigned_abs());
        Ok(range_query(
            Bound::Included(term(lower)),
            Bound::Included(term(upper)),
        ))
    }
}

/// Numbers as columns have them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NumbersQuery {
    pub(super) field: String,
    /// Belongs to them.
    pub(super) from: QueryValue,
    /// Does not belong to them.
    pub(super) to: Option<QueryValue>,
}

impl NumbersQuery {
    pub(super) fn build(&self, context: &BuildContext<'_>) -> Result<Built, Exception> {
        let Some(mapping) = context.field(&self.field)? else {
            return Ok(Box::new(EmptyQuery));
        };
        let term = |value: &QueryValue| context.range_term(mapping, value);
        let upper = match &self.to {
            Some(to) => term(to).map(Bound::Excluded),
            None => Some(Bound::Unbounded),
        };
        match (term(&self.from), upper) {
            (Some(from), Some(upper)) => Ok(range_query(Bound::Included(from), upper)),
            _ => Ok(Box::new(EmptyQuery)),
        }
    }
}

/// `None` when nothing can be inside.
fn bound(
    context: &BuildContext<'_>,
    mapping: &FieldMapping,
    end: Option<&(RangeEdge, Value)>,
    values: &QueryContext<'_>,
) -> Result<Option<Bound<Term>>, Exception> {
    let Some((edge, value)) = end else {
        return Ok(Some(Bound::Unbounded));
    };
    let parsed = parse_range_bound(mapping, value, *edge, values).map_err(|error| error.to_exception())?;
    let term = |value| context.range_term(mapping, value);
    Ok(match &parsed {
        RangeBound::Unbounded => Some(Bound::Unbounded),
        RangeBound::Included(value) => term(value).map(Bound::Included),
        RangeBound::Excluded(value) => term(value).map(Bound::Excluded),
        RangeBound::MatchNone => None,
    })
}

pub(super) fn parse_range(body: &Value) -> Result<Query, Exception> {
    let (field, options) = single_field("range", body)?;
    let mut query = Query::match_all();
    let mut parsed = RangeQuery {
        field: field.into(),
        lower: None,
        upper: None,
        format: None,
        time_zone: None,
    };
    let (mut include_lower, mut include_upper) = (true, true);
    for (key, value) in object("range", options)? {
        match key.as_str() {
            "gt" => parsed.lower = Some((RangeEdge::Gt, value.clone())),
            "gte" | "from" => parsed.lower = Some((RangeEdge::Gte, value.clone())),
            "lt" => parsed.upper = Some((RangeEdge::Lt, value.clone())),
            "lte" | "to" => parsed.upper = Some((RangeEdge::Lte, value.clone())),
            "include_lower" => include_lower = flag(key, value)?,
            "include_upper" => include_upper = flag(key, value)?,
            "format" => parsed.format = Some(text(key, value)?.to_owned()),
            "time_zone" => parsed.time_zone = Some(text(key, value)?.to_owned()),
            "relation" => {
                return Err(malformed(
                    "[range] query does not support [relation]: there are no range fields",
                ));
            }
            _ => query.parse_common("range", key, value)?,
        }
    }
    if let (false, Some((edge, _))) = (include_lower, &mut parsed.lower) {
        *edge = RangeEdge::Gt;
    }
    if let (false, Some((edge, _))) = (include_upper, &mut parsed.upper) {
        *edge = RangeEdge::Lt;
    }
    parsed.lower.take_if(|(_, value)| value.is_null());
    parsed.upper.take_if(|(_, value)| value.is_null());
    query.node = Node::Range(parsed);
    Ok(query)
}
