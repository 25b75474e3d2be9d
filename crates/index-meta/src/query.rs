//! Terms and range bounds of queries, read by the field they are for.

use std::net::IpAddr;

use serde_json::Value;

use crate::date::{DateFormat, Rounding, parse_time_zone, resolve};
use crate::document::{Scalar, parse_ip, round_to_type};
use crate::error::{QueryValueError, ValueError};
use crate::mapping::{FieldMapping, FieldType};

/// What a query adds to a value: the time, and the options of a range query.
#[derive(Debug, Clone, Copy)]
pub struct QueryContext<'a> {
    /// The time that `now` stands for, in milliseconds since 1970.
    pub now_millis: i64,
    /// `time_zone` of the query: an offset such as `+01:00` or a name such as `Europe/Paris`; `None` is UTC.
    pub time_zone: Option<&'a str>,
    /// `format` of the query; `None` is the field's own.
    pub format: Option<&'a DateFormat>,
}

impl QueryContext<'_> {
    /// The context of a query without options at this time.
    #[must_use]
    pub fn at(now_millis: i64) -> Self {
        Self {
            now_millis,
            time_zone: None,
            format: None,
        }
    }
}

/// A term as the index holds it.
#[derive(Debug, Clone, PartialEq)]
pub enum QueryValue {
    /// Text to analyze by the field's search analyzer.
    Text(String),
    /// An exact term, before the field's normalizer.
    Keyword(String),
    /// Any integer type.
    Long(i64),
    /// Any floating point type, rounded to the type's precision.
    Double(f64),
    /// True or false.
    Boolean(bool),
    /// Milliseconds since 1970.
    Date(i64),
    /// A date given to less than a millisecond's precision; both inclusive. Only from [`parse_query_value`].
    DateRange {
        /// First millisecond.
        first: i64,
        /// Last millisecond.
        last: i64,
    },
    /// An address.
    Ip(IpAddr),
    /// A network in CIDR notation; both inclusive. Only from [`parse_query_value`].
    IpRange {
        /// First address.
        first: IpAddr,
        /// Last address.
        last: IpAddr,
    },
    /// No document can have the value, for instance 1.5 in an integer field.
    MatchNone,
}

/// Which end of a range a bound is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeEdge {
    /// `gt`
    Gt,
    /// `gte`, `from`
    Gte,
    /// `lt`
    Lt,
    /// `lte`, `to`
    Lte,
}

/// One end of a range, as the index compares it.
#[derive(Debug, Clone, PartialEq)]
pub enum RangeBound {
    /// The value belongs to the range.
    Included(QueryValue),
    /// The value does not belong to the range.
    Excluded(QueryValue),
    /// No limit at this end.
    Unbounded,
    /// No document can be inside, whatever the other end.
    MatchNone,
}

/// Reads a term for an exact match on `field`.
///
/// # Errors
/// If the value cannot be one of the field's type at all.
pub fn parse_query_value(
    field: &FieldMapping,
    value: &Value,
    context: &QueryContext<'_>,
) -> Result<QueryValue, QueryValueError> {
    read_term(field, value, context).map_err(|cause| QueryValueError {
        field: field.path().to_owned(),
        cause,
    })
}

/// Reads one bound of a range query on `field`. `null` is [`RangeBound::Unbounded`].
///
/// Dates are rounded as Elasticsearch does: `gt` and `lte` to the last millisecond of an incomplete or rounded date, `gte` and
/// `lt` to the first.
///
/// # Errors
/// If the value cannot be one of the field's type at all.
pub fn parse_range_bound(
    field: &FieldMapping,
    value: &Value,
    edge: RangeEdge,
    context: &QueryContext<'_>,
) -> Result<RangeBound, QueryValueError> {
    read_bound(field, value, edge, context).map_err(|cause| QueryValueError {
        field: field.path().to_owned(),
        cause,
    })
}

impl RangeEdge {
    /// Whether the value itself belongs to the range.
    #[must_use]
    pub const fn is_inclusive(self) -> bool {
        matches!(self, Self::Gte | Self::Lte)
    }

    /// Whether it is the lower end.
    #[must_use]
    pub const fn is_lower(self) -> bool {
        matches!(self, Self::Gt | Self::Gte)
    }
}

/// The value as a plain one; queries may give numbers as texts and the other way round.
fn scalar<'a>(value: &'a Value, text: &'a str) -> Result<Scalar<'a>, ValueError> {
    match value {
        Value::String(text) => Ok(Scalar::String(text.as_str().into())),
        Value::Number(_) => Ok(Scalar::Number(text)),
        Value::Bool(flag) => Ok(Scalar::Boolean(*flag)),
        Value::Null => Err(ValueError::NotAValue("null")),
        Value::Array(_) => Err(ValueError::NotAValue("an array")),
        Value::Object(_) => Err(ValueError::NotAValue("an object")),
    }
}

fn read_term(
    field: &FieldMapping,
    value: &Value,
    context: &QueryContext<'_>,
) -> Result<QueryValue, ValueError> {
    let text = value.to_string();
    let scalar = scalar(value, &text)?;
    let text = scalar.text();
    match field.field_type() {
        FieldType::Text => Ok(QueryValue::Text(text.to_owned())),
        FieldType::Keyword | FieldType::Binary => Ok(QueryValue::Keyword(text.to_owned())),
        FieldType::Boolean => match text {
            "true" => Ok(QueryValue::Boolean(true)),
            "false" | "" => Ok(QueryValue::Boolean(false)),
            other => Err(ValueError::NotABoolean(other.to_owned())),
        },
        FieldType::Date => {
            let first = read_date(field, text, context, Rounding::Down)?;
            let last = read_date(field, text, context, Rounding::Up)?;
            Ok(if first == last {
                QueryValue::Date(first)
            } else {
                QueryValue::DateRange { first, last }
            })
        }
        FieldType::Ip => read_network(text),
        field_type if field_type.is_integer() => Ok(match read_whole(field, text)? {
            Whole::Exactly(number) => QueryValue::Long(number),
            _ => QueryValue::MatchNone,
        }),
        _ => {
            let number = read_finite(text)?;
            Ok(round_to_type(number, field).map_or(QueryValue::MatchNone, QueryValue::Double))
        }
    }
}

fn read_bound(
    field: &FieldMapping,
    value: &Value,
    edge: RangeEdge,
    context: &QueryContext<'_>,
) -> Result<RangeBound, ValueError> {
    if value.is_null() {
        return Ok(RangeBound::Unbounded);
    }
    let text = value.to_string();
    let scalar = scalar(value, &text)?;
    let text = scalar.text();
    let bound = |value| {
        if edge.is_inclusive() {
            RangeBound::Included(value)
        } else {
            RangeBound::Excluded(value)
        }
    };
    match field.field_type() {
        FieldType::Date => {
            let rounding = if matches!(edge, RangeEdge::Gt | RangeEdge::Lte) {
                Rounding::Up
            } else {
                Rounding::Down
            };
            read_date(field, text, context, rounding).map(|millis| bound(QueryValue::Date(millis)))
        }
        FieldType::Ip => {
            let address = parse_ip(text).ok_or_else(|| ValueError::NotAnIp(text.to_owned()))?;
            Ok(bound(QueryValue::Ip(address)))
        }
        field_type if field_type.is_integer() => Ok(match (read_whole(field, text)?, edge.is_lower()) {
            (Whole::Exactly(number), _) => bound(QueryValue::Long(number)),
            // The bound lies between two numbers: the one inside the range is the inclusive bound.
            (Whole::Above(number), true) => number.checked_add(1).map_or(RangeBound::MatchNone, included),
            (Whole::Above(number), false) => included(number),
            (Whole::TooSmall, true) | (Whole::TooLarge, false) => RangeBound::Unbounded,
            (Whole::TooSmall, false) | (Whole::TooLarge, true) => RangeBound::MatchNone,
        }),
        field_type if field_type.is_float() => {
            let number = read_finite(text)?;
            Ok(match round_to_type(number, field) {
                Some(number) => bound(QueryValue::Double(number)),
                None if (number > 0.0) == edge.is_lower() => RangeBound::MatchNone,
                None => RangeBound::Unbounded,
            })
        }
        _ => read_term(field, value, context).map(bound),
    }
}

fn included(number: i64) -> RangeBound {
    RangeBound::Included(QueryValue::Long(number))
}

fn read_date(
    field: &FieldMapping,
    text: &str,
    context: &QueryContext<'_>,
    rounding: Rounding,
) -> Result<i64, ValueError> {
    let zone = parse_time_zone(context.time_zone.unwrap_or("Z"))?;
    let format = context.format.unwrap_or(field.format());
    resolve(text, format, context.now_millis, &zone, rounding)
}

/// Where a number lies among those of an integer type.
enum Whole {
    Exactly(i64),
    /// Between this and the next.
    Above(i64),
    TooSmall,
    TooLarge,
}

fn read_whole(field: &FieldMapping, text: &str) -> Result<Whole, ValueError> {
    let (min, max) = match field.field_type() {
        FieldType::Integer => (i64::from(i32::MIN), i64::from(i32::MAX)),
        FieldType::Short => (i64::from(i16::MIN), i64::from(i16::MAX)),
        FieldType::Byte => (i64::from(i8::MIN), i64::from(i8::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let (floor, is_whole) = match text.parse::<i64>() {
        Ok(number) => (number, true),
        Err(_) => {
            let number = read_finite(text)?;
            let floor = number.floor();
            let limit = 2_f64.powi(63);
            if floor < -limit {
                return Ok(Whole::TooSmall);
            }
            if floor >= limit {
                return Ok(Whole::TooLarge);
            }
            (floor as i64, floor == number)
        }
    };
    Ok(match (floor, is_whole) {
        (floor, _) if floor < min => Whole::TooSmall,
        (floor, true) if floor > max => Whole::TooLarge,
        (floor, false) if floor >= max => Whole::TooLarge,
        (floor, true) => Whole::Exactly(floor),
        (floor, false) => Whole::Above(floor),
    })
}

fn read_finite(text: &str) -> Result<f64, ValueError> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| ValueError::NotANumber(text.to_owned()))
}

/// An address, or a network such as `10.0.0.0/8`.
fn read_network(text: &str) -> Result<QueryValue, ValueError> {
    let not_an_ip = || ValueError::NotAnIp(text.to_owned());
    let Some((address, length)) = text.split_once('/') else {
        return parse_ip(text).map(QueryValue::Ip).ok_or_else(not_an_ip);
    };
    let length: u32 = length.parse().map_err(|_| not_an_ip())?;
    match parse_ip(address).ok_or_else(not_an_ip)? {
        IpAddr::V4(address) if length <= 32 => {
            let host = u32::MAX.checked_shr(length).unwrap_or(0);
            let first = u32::from(address) & !host;
            Ok(QueryValue::IpRange {
                first: IpAddr::V4(first.into()),
                last: IpAddr::V4((first | host).into()),
            })
        }
        IpAddr::V6(address) if length <= 128 => {
            let host = u128::MAX.checked_shr(length).unwrap_or(0);
            let first = u128::from(address) & !host;
            Ok(QueryValue::IpRange {
                first: IpAddr::V6(first.into()),
                last: IpAddr::V6((first | host).into()),
            })
        }
        _ => Err(not_an_ip()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::Mapping;
    use serde_json::json;

    const DAY: i64 = 86_400_000;

    fn field_of(definition: &Value) -> Mapping {
        Mapping::from_json(&json!({"properties": {"f": definition}})).expect("a mapping")
    }

    #[track_caller]
    fn term(field_type: &str, value: &Value, expected: Option<QueryValue>) {
        let mapping = field_of(&json!({"type": field_type}));
        let field = mapping.field("f").expect("the field");
        let result = parse_query_value(field, value, &QueryContext::at(10 * DAY + 1));
        assert_eq!(result.clone().ok(), expected, "{result:?}");
    }

    #[test]
    fn terms_are_read_by_the_type_of_the_field() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        for (field_type, value, expected) in [
            ("keyword", json!(5), Some(QueryValue::Keyword("5".into()))),
            (
                "text",
                json!("Two Words"),
                Some(QueryValue::Text("Two Words".into())),
            ),
            ("long", json!("5"), Some(QueryValue::Long(5))),
            ("long", json!(1.5), Some(QueryValue::MatchNone)),
            ("byte", json!(200), Some(QueryValue::MatchNone)),
            ("long", json!("x"), None),
            ("float", json!(0.1), Some(QueryValue::Double(f64::from(0.1_f32)))),
            ("boolean", json!("true"), Some(QueryValue::Boolean(true))),
            ("boolean", json!("yes"), None),
            (
                "date",
                json!("1970-01-02"),
                Some(QueryValue::DateRange {
                    first: DAY,
                    last: 2 * DAY - 1,
                }),
            ),
            ("date", json!(12_345), Some(QueryValue::Date(12_345))),
            ("date", json!("now"), Some(QueryValue::Date(10 * DAY + 1))),
            ("date", json!("now||"), None),
            ("ip", json!("10.1.2.3"), Some(QueryValue::Ip(ip("10.1.2.3")))),
            (
                "ip",
                json!("10.1.2.3/8"),
                Some(QueryValue::IpRange {
                    first: ip("10.0.0.0"),
                    last: ip("10.255.255.255"),
                }),
            ),
            (
                "ip",
                json!("::/0"),
                Some(QueryValue::IpRange {
                    first: ip("::"),
                    last: IpAddr::V6(u128::MAX.into()),
                }),
            ),
            ("ip", json!("10.1.2.3/33"), None),
            ("keyword", json!(["a"]), None),
        ] {
            term(field_type, &value, expected);
        }
    }

    #[test]
    fn bounds_are_moved_to_values_that_the_type_has() {
        use RangeEdge::{Gt, Gte, Lt, Lte};
        let long = |number| QueryValue::Long(number);
        for (field_type, edge, value, expected) in [
            ("long", Gte, json!(1.5), RangeBound::Included(long(2))),
            ("long", Gt, json!(-1.5), RangeBound::Included(long(-1))),
            ("long", Lt, json!(1.5), RangeBound::Included(long(1))),
            ("long", Lt, json!(2), RangeBound::Excluded(long(2))),
            ("byte", Lt, json!(1000), RangeBound::Unbounded),
            ("byte", Gt, json!(1000), RangeBound::MatchNone),
            ("byte", Gt, json!(127.5), RangeBound::MatchNone),
            ("byte", Gte, json!(-1e30), RangeBound::Unbounded),
            ("float", Gte, json!(1e300), RangeBound::MatchNone),
            ("float", Lte, json!(1e300), RangeBound::Unbounded),
            (
                "keyword",
                Gte,
                json!("a"),
                RangeBound::Included(QueryValue::Keyword("a".into())),
            ),
            (
                "date",
                Gt,
                json!("1970-01-02"),
                RangeBound::Excluded(QueryValue::Date(2 * DAY - 1)),
            ),
            (
                "date",
                Gte,
                json!("1970-01-02"),
                RangeBound::Included(QueryValue::Date(DAY)),
            ),
            (
                "date",
                Lt,
                json!("now/d"),
                RangeBound::Excluded(QueryValue::Date(10 * DAY)),
            ),
            (
                "date",
                Lte,
                json!("now/d"),
                RangeBound::Included(QueryValue::Date(11 * DAY - 1)),
            ),
            ("date", Lte, json!(null), RangeBound::Unbounded),
        ] {
            let mapping = field_of(&json!({"type": field_type}));
            let field = mapping.field("f").expect("the field");
            let result = parse_range_bound(field, &value, edge, &QueryContext::at(10 * DAY + 1));
            assert_eq!(result, Ok(expected), "{field_type} {edge:?} {value}");
        }
    }

    #[test]
    fn a_query_may_bring_its_own_format_and_time_zone() {
        let mapping = field_of(&json!({"type": "date"}));
        let format = DateFormat::parse("dd/MM/yyyy").expect("a format");
        let context = QueryContext {
            now_millis: 0,
            time_zone: Some("+01:00"),
            format: Some(&format),
        };
        let field = mapping.field("f").expect("the field");
        let result = parse_range_bound(field, &json!("02/01/1970"), RangeEdge::Gte, &context);
        assert_eq!(
            result,
            Ok(RangeBound::Included(QueryValue::Date(DAY - 3_600_000)))
        );
    }
}
