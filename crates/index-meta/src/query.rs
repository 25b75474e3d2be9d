//! Terms and range bounds of queries, read by the field they are for.

use std::net::IpAddr;

use serde_json::Value;

use crate::date::DateFormat;
use crate::error::QueryValueError;
use crate::mapping::FieldMapping;

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
    /// An exact term.
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
    _field: &FieldMapping,
    _value: &Value,
    _context: &QueryContext<'_>,
) -> Result<QueryValue, QueryValueError> {
    unimplemented!()
}

/// Reads one bound of a range query on `field`. `null` is [`RangeBound::Unbounded`].
///
/// Dates are rounded as Elasticsearch does: `gt` and `lte` to the last millisecond of an incomplete or rounded date, `gte` and
/// `lt` to the first.
///
/// # Errors
/// If the value cannot be one of the field's type at all.
pub fn parse_range_bound(
    _field: &FieldMapping,
    _value: &Value,
    _edge: RangeEdge,
    _context: &QueryContext<'_>,
) -> Result<RangeBound, QueryValueError> {
    unimplemented!()
}
