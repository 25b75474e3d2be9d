//! The criteria of a sort, resolved by a shard's mapping.

use std::cmp::Ordering;
use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use index_meta::{DateFormat, FieldMapping, FieldType, Mapping, QueryContext, QueryValue, parse_query_value};
use serde_json::Value;

use crate::search::hits::SortValue;
use crate::search::sort::{NumericType, SHARD_DOC, SortClause, SortMissing, SortMode, SortOrder};
use crate::view::{ViewSchema, ip_of_term, ip_term};

/// Where the values of a criterion come from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Origin {
    Score,
    SeqNo,
    /// The sequence number, behind those of all shards before this one.
    ShardDoc {
        position: u32,
    },
    Id,
    Column {
        name: String,
        field_type: FieldType,
        cast: Option<NumericType>,
    },
    /// An unmapped field that has an `unmapped_type`.
    Nowhere,
}

/// A value to compare with those of a segment.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fixed {
    Null,
    Long(i64),
    Double(f64),
    Text(String),
}

/// A sort clause, resolved by the mapping.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Criterion {
    pub(super) origin: Origin,
    pub(super) descending: bool,
    pub(super) mode: SortMode,
    pub(super) missing_first: bool,
    /// Stands in for a missing value.
    pub(super) missing_value: Option<Fixed>,
    pub(super) after: Option<Fixed>,
    /// How a date is shown.
    format: Option<Arc<DateFormat>>,
}

/// A criterion's value of one document, ordered as the hits are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// 0: missing and first, 1: present, 2: missing and last.
    pub(super) rank: u8,
    pub(super) bits: u64,
}

impl Criterion {
    pub(super) fn new(
        clause: &SortClause,
        origin: Origin,
        after: Option<&Value>,
        mapping: &Mapping,
        now_millis: i64,
    ) -> Result<Self, Exception> {
        let fixed = |value: &Value| fix(clause, &origin, value, mapping, now_millis);
        let missing_value = match &clause.missing {
            SortMissing::Value(_) if origin == Origin::Nowhere => None,
            SortMissing::Value(value) => Some(fixed(value)?),
            SortMissing::First | SortMissing::Last => None,
        };
        let after = after.map(fixed).transpose()?;
        Ok(Self {
            descending: clause.order == SortOrder::Descending,
            mode: clause.mode(),
            format: parse_format(clause, &origin)?,
            missing_first: clause.missing == SortMissing::First,
            missing_value,
            after,
            origin,
        })
    }

    /// The smallest value of a field.
    pub(super) fn of_field(field: &FieldMapping) -> Self {
        Self {
            origin: Origin::Column {
                name: ViewSchema::exact_column(field.path()),
                field_type: field.field_type(),
                cast: None,
            },
            descending: false,
            mode: SortMode::Min,
            missing_first: false,
            missing_value: None,
            after: None,
            format: None,
        }
    }

    /// The key of a value that is below all others.
    pub(super) fn key_below_all(&self) -> Key {
        Key {
            rank: if self.descending { 2 } else { 0 },
            bits: 0,
        }
    }

    pub(super) fn key(&self, bits: Option<u64>) -> Key {
        match bits {
            Some(bits) => Key {
                rank: 1,
                bits: if self.descending { !bits } else { bits },
            },
            None => Key {
                rank: if self.missing_first { 0 } else { 2 },
                bits: 0,
            },
        }
    }
}

pub(super) fn resolve(clause: &SortClause, mapping: &Mapping, position: u32) -> Result<Origin, Exception> {
    match clause.field.as_str() {
        SHARD_DOC => return Ok(Origin::ShardDoc { position }),
        "_score" => return Ok(Origin::Score),
        // The order of a shard's documents that lasts is the order of their operations.
        "_doc" | "_seq_no" => return Ok(Origin::SeqNo),
        "_id" => return Ok(Origin::Id),
        _ => {}
    }
    let Some(field) = mapping.field(&clause.field) else {
        return match clause.unmapped_type {
            Some(_) => Ok(Origin::Nowhere),
            None => Err(Exception::new(
                ExceptionKind::QueryShard,
                format!("No mapping found for [{}] in order to sort on", clause.field),
            )),
        };
    };
    if field.field_type() == FieldType::Text {
        return Err(Exception::illegal_argument(format!(
            "Fielddata is disabled on [{0}]. Text fields are not optimised for operations that require per-document field data like aggregations and sorting, so these operations are disabled by default. Please use a keyword field instead.",
            clause.field
        )));
    }
    if !field.has_doc_values() {
        return Err(Exception::illegal_argument(format!(
            "Can't load fielddata on [{}] because fielddata is unsupported on fields of type [{}]. Use doc values instead.",
            clause.field,
            field.field_type().name()
        )));
    }
    let is_number = is_number(field.field_type());
    if matches!(
        clause.mode,
        Some(SortMode::Sum | SortMode::Average | SortMode::Median)
    ) && !is_number
    {
        return Err(Exception::new(
            ExceptionKind::QueryShard,
            "we only support AVG, MEDIAN and SUM on number based fields",
        ));
    }
    if clause.numeric_type.is_some() && !is_number {
        return Err(Exception::new(
            ExceptionKind::QueryShard,
            format!(
                "[numeric_type] option cannot be set on a non-numeric field, got {}",
                field.field_type().name()
            ),
        ));
    }
    Ok(Origin::Column {
        name: ViewSchema::exact_column(field.path()),
        field_type: field.field_type(),
        cast: clause.numeric_type,
    })
}

/// Source: dates and booleans are numbers, too.
fn is_number(field_type: FieldType) -> bool {
    field_type.is_numeric() || matches!(field_type, FieldType::Date | FieldType::Boolean)
}

fn parse_format(clause: &SortClause, origin: &Origin) -> Result<Option<Arc<DateFormat>>, Exception> {
    let (Some(format), Origin::Column { field_type, .. }) = (&clause.format, origin) else {
        return Ok(None);
    };
    match field_type {
        FieldType::Date => match DateFormat::parse(format) {
            Ok(format) => Ok(Some(Arc::new(format))),
            Err(problem) => Err(Exception::illegal_argument(problem)),
        },
        numeric if numeric.is_numeric() => Err(Exception::new(
            ExceptionKind::Unsupported,
            format!(
                "[format] of numbers is not supported in a sort here: [{format}] of field [{}]",
                clause.field
            ),
        )),
        other => Err(Exception::illegal_argument(format!(
            "Field [{}] of type [{}] does not support custom formats",
            clause.field,
            other.name()
        ))),
    }
}

/// Reads a value of the request for the criterion.
fn fix(
    clause: &SortClause,
    origin: &Origin,
    value: &Value,
    mapping: &Mapping,
    now_millis: i64,
) -> Result<Fixed, Exception> {
    let bad = || {
        Exception::illegal_argument(format!(
            "Failed to parse search_after value for field [{}]: [{value}]",
            clause.field
        ))
    };
    if value.is_null() {
        return Ok(Fixed::Null);
    }
    match origin {
        // Nothing here has a value, and an index that has the field gave this one: all documents here are on one side of it.
        Origin::Nowhere => Ok(Fixed::Long(0)),
        Origin::Score => value.as_f64().map(Fixed::Double).ok_or_else(bad),
        Origin::SeqNo | Origin::ShardDoc { .. } => {
            let number = value
                .as_i64()
                .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
            number.map(Fixed::Long).ok_or_else(bad)
        }
        Origin::Id => value
            .as_str()
            .map(|text| Fixed::Text(text.to_owned()))
            .ok_or_else(bad),
        Origin::Column {
            cast: Some(NumericType::Double),
            ..
        } if value.is_number() => value.as_f64().map(Fixed::Double).ok_or_else(bad),
        Origin::Column {
            cast: Some(NumericType::Long),
            ..
        } if value.is_i64() => value.as_i64().map(Fixed::Long).ok_or_else(bad),
        Origin::Column { field_type, .. } => {
            // Sort values of booleans and dates are numbers, whatever the field's format is.
            if let (FieldType::Boolean | FieldType::Date, Some(number)) = (field_type, value.as_i64()) {
                return Ok(Fixed::Long(number));
            }
            let Some(field) = mapping.field(&clause.field) else {
                return Ok(Fixed::Null);
            };
            // Source: a sort value that is shown in a format is given back in it.
            if let (FieldType::Date, Some(format), Some(text)) = (field_type, &clause.format, value.as_str())
                && let Ok(format) = DateFormat::parse(format)
                && let Some(millis) = format.parse_millis(text)
            {
                return Ok(Fixed::Long(millis));
            }
            let parsed = parse_query_value(field, value, &QueryContext::at(now_millis))
                .map_err(|error| error.to_exception())?;
            match parsed {
                QueryValue::Text(text) | QueryValue::Keyword(text) => Ok(Fixed::Text(text)),
                QueryValue::Long(number)
                | QueryValue::Date(number)
                | QueryValue::DateRange { first: number, .. } => Ok(Fixed::Long(number)),
                QueryValue::Double(number) => Ok(Fixed::Double(number)),
                QueryValue::Boolean(flag) => Ok(Fixed::Long(i64::from(flag))),
                QueryValue::Ip(address) => Ok(Fixed::Text(ip_term(address))),
                QueryValue::IpRange { .. } | QueryValue::MatchNone => Err(bad()),
            }
        }
    }
}

impl Criterion {
    pub(super) fn shown(&self, fixed: &Fixed) -> SortValue {
        let is_ip = matches!(
            &self.origin,
            Origin::Column {
                field_type: FieldType::Ip,
                ..
            }
        );
        match fixed {
            Fixed::Null => SortValue::Null,
            Fixed::Long(number) => self.shown_long(*number),
            Fixed::Double(number) => SortValue::Double(*number),
            Fixed::Text(text) if is_ip => ip_of_term(text).map_or(SortValue::Null, SortValue::Ip),
            Fixed::Text(text) => SortValue::Text(text.clone()),
        }
    }
}

impl Criterion {
    /// A whole number, or a date in the format that the clause asks for.
    pub(super) fn shown_long(&self, number: i64) -> SortValue {
        match &self.format {
            Some(format) => SortValue::Formatted {
                number,
                text: format.format_millis(number),
            },
            None => SortValue::Long(number),
        }
    }
}

impl Fixed {
    /// Order of two values of one criterion.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            (Self::Long(left), Self::Long(right)) => left.cmp(right),
            (Self::Double(left), Self::Double(right)) => left.total_cmp(right),
            _ => Ordering::Equal,
        }
    }
}
