//! Fields of aggregations as a shard has them.

use std::sync::Arc;

use es_exception::Exception;
use index_meta::{
    DateFormat, FieldMapping, FieldType, QueryValue, RangeBound, RangeEdge, parse_query_value,
    parse_range_bound,
};
use serde_json::{Value, json};

use super::options::{malformed, number, unsupported};
use super::shape::{Shape, ValueKind};
use crate::query::BuildContext;
use crate::view::ViewSchema;

/// Fields that are no fields of the mapping and can be aggregated in Elasticsearch.
const METADATA_FIELDS: &[&str] = &[
    "_id", "_index", "_seq_no", "_version", "_routing", "_score", "_source",
];

/// A field of the request as a shard has it.
pub(super) struct Resolved<'a> {
    mapping: Option<&'a FieldMapping>,
    pub(super) column: String,
    pub(super) kind: ValueKind,
}

/// The field of this name; one that is not mapped without a shard.
///
/// # Errors
/// `illegal_argument_exception` for one whose values cannot be read by document; `unsupported_operation_exception` for those of metadata.
pub(super) fn resolve<'a>(
    field: &str,
    context: Option<&BuildContext<'a>>,
) -> Result<Resolved<'a>, Exception> {
    if METADATA_FIELDS.contains(&field) {
        return Err(unsupported(format!(
            "aggregations over [{field}] are not supported here"
        )));
    }
    let Some(mapping) = context.and_then(|context| context.mapping.field(field)) else {
        return Ok(Resolved {
            mapping: None,
            column: ViewSchema::exact_column(field),
            kind: ValueKind::Unmapped,
        });
    };
    if mapping.field_type() == FieldType::Text {
        return Err(Exception::illegal_argument(format!(
            "Fielddata is disabled on [{field}]. Text fields are not optimised for operations that require per-document field data like aggregations and sorting, so these operations are disabled by default. Please use a keyword field instead."
        )));
    }
    if !mapping.has_doc_values() {
        return Err(Exception::illegal_argument(format!(
            "Can't load fielddata on [{field}] because fielddata is unsupported on fields of type [{}]. Use doc values instead.",
            mapping.field_type().name()
        )));
    }
    Ok(Resolved {
        mapping: Some(mapping),
        column: ViewSchema::exact_column(mapping.path()),
        kind: ValueKind::of(mapping.field_type()),
    })
}

impl Resolved<'_> {
    pub(super) fn shape(&self, format: Option<&str>, is_date: bool) -> Result<Shape, Exception> {
        let kind = if is_date && matches!(self.kind, ValueKind::Long | ValueKind::Unmapped) {
            // Numbers are taken as milliseconds; an unmapped field stays so, for another shard to say more.
            if self.kind == ValueKind::Long {
                ValueKind::Date
            } else {
                ValueKind::Unmapped
            }
        } else {
            self.kind
        };
        let format = match (format, self.mapping) {
            (Some(pattern), _) if is_date || matches!(kind, ValueKind::Date | ValueKind::Unmapped) => {
                let parsed = DateFormat::parse(pattern);
                // A pattern of numbers does not matter where there are none.
                match (parsed, kind) {
                    (Ok(format), _) => Some(Arc::new(format)),
                    (Err(_), ValueKind::Unmapped) => None,
                    (Err(problem), _) => return Err(Exception::illegal_argument(problem)),
                }
            }
            (Some(pattern), _) => {
                return Err(unsupported(format!(
                    "[format] of [{pattern}] is only supported for dates in aggregations here"
                )));
            }
            (None, Some(mapping)) if self.kind == ValueKind::Date => Some(Arc::new(mapping.format().clone())),
            (None, _) => DateFormat::parse(DateFormat::DEFAULT).ok().map(Arc::new),
        };
        Ok(Shape {
            kind,
            format,
            ..Shape::none()
        })
    }

    /// The value that stands in for a missing one, as the column would have it.
    pub(super) fn missing(
        &self,
        value: Option<&Value>,
        shape: &Shape,
        context: Option<&BuildContext<'_>>,
    ) -> Result<Option<Value>, Exception> {
        // Merging needs none.
        let (Some(value), true) = (value, context.is_some()) else {
            return Ok(None);
        };
        let bad = || malformed(format!("failed to parse [missing] with value [{value}]"));
        match self.kind {
            ValueKind::Boolean | ValueKind::Ip => Err(unsupported(format!(
                "[missing] is not supported for fields of type [{}] in aggregations here",
                self.kind.name()
            ))),
            ValueKind::Keyword => match value {
                Value::String(_) => Ok(Some(value.clone())),
                Value::Number(number) => Ok(Some(json!(number.to_string()))),
                _ => Err(bad()),
            },
            ValueKind::Unmapped => match number(value) {
                Some(number) if value.is_number() => Ok(Some(json!(number))),
                _ if value.is_string() => Ok(Some(value.clone())),
                _ => Err(bad()),
            },
            ValueKind::Long | ValueKind::Double => {
                number(value).map(|number| Some(json!(number))).ok_or_else(bad)
            }
            ValueKind::Date => Ok(self.instant(value, shape, context)?.map(|millis| json!(millis))),
        }
    }

    /// A date of the request in milliseconds.
    fn instant(
        &self,
        value: &Value,
        shape: &Shape,
        context: Option<&BuildContext<'_>>,
    ) -> Result<Option<f64>, Exception> {
        let (Some(mapping), Some(context)) = (self.mapping, context) else {
            return Ok(None);
        };
        let query = shape.query_context(context.now_millis);
        let parsed = parse_query_value(mapping, value, &query).map_err(|error| error.to_exception())?;
        Ok(match parsed {
            QueryValue::Date(millis)
            | QueryValue::DateRange { first: millis, .. }
            | QueryValue::Long(millis) => Some(millis as f64),
            QueryValue::Double(number) => Some(number),
            _ => None,
        })
    }

    /// A bound as a number, to be shown and to extend histograms with.
    pub(super) fn bound(
        &self,
        value: Option<&Value>,
        edge: RangeEdge,
        shape: &Shape,
        context: Option<&BuildContext<'_>>,
    ) -> Result<Option<f64>, Exception> {
        let Some(value) = value else { return Ok(None) };
        let (Some(mapping), Some(context), ValueKind::Date) = (self.mapping, context, self.kind) else {
            let date = || {
                let millis = shape.parse_date(value.as_str()?)?;
                Some(millis as f64)
            };
            return Ok(number(value).or_else(date));
        };
        let query = shape.query_context(context.now_millis);
        let bound = parse_range_bound(mapping, value, edge, &query).map_err(|error| error.to_exception())?;
        Ok(match bound {
            RangeBound::Included(QueryValue::Date(millis))
            | RangeBound::Excluded(QueryValue::Date(millis)) => Some(millis as f64),
            _ => None,
        })
    }

    pub(super) fn require_numbers(&self, field: &str, kind: &str) -> Result<(), Exception> {
        match self.kind {
            ValueKind::Keyword | ValueKind::Ip | ValueKind::Boolean => {
                Err(Exception::illegal_argument(format!(
                    "Field [{field}] of type [{}] is not supported for aggregation [{kind}]",
                    self.kind.name()
                )))
            }
            _ => Ok(()),
        }
    }
}
