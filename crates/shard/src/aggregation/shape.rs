//! What a shard's mapping says about aggregations, to print their results by.

use std::sync::Arc;

use index_meta::{DateFormat, DateZone, FieldType, QueryContext};
use serde_json::Value;

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueKind {
    Unmapped,
    Long,
    Double,
    Boolean,
    Date,
    Keyword,
    Ip,
}

/// What a shard's mapping says about an aggregation, to print its result by.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) kind: ValueKind,
    pub(super) format: Option<Arc<DateFormat>>,
    /// The time zone that dates are shown in.
    pub(super) zone: DateZone,
    /// Lower and upper bound of each range, or the bounds that a histogram is extended to.
    pub(super) bounds: Vec<(Option<f64>, Option<f64>)>,
    /// What documents without a value have, as the column would have it.
    pub(super) missing: Option<Value>,
    pub(super) inside: Vec<Shape>,
    /// Of the sources of a `composite`.
    pub(super) sources: Vec<Shape>,
}

impl ValueKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Unmapped => "unmapped",
            Self::Long => "long",
            Self::Double => "double",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Keyword => "keyword",
            Self::Ip => "ip",
        }
    }

    pub(super) fn of(field_type: FieldType) -> Self {
        match field_type {
            FieldType::Boolean => Self::Boolean,
            FieldType::Date => Self::Date,
            FieldType::Text | FieldType::Keyword => Self::Keyword,
            FieldType::Ip => Self::Ip,
            float if float.is_float() => Self::Double,
            _ => Self::Long,
        }
    }
}

impl Shape {
    /// Of what has no values, or a field that is not mapped.
    pub(super) const fn none() -> Self {
        Self {
            kind: ValueKind::Unmapped,
            format: None,
            zone: DateZone::UTC,
            bounds: Vec::new(),
            missing: None,
            inside: Vec::new(),
            sources: Vec::new(),
        }
    }

    /// A number of the field as text, where it is a date or a boolean.
    pub(super) fn text(&self, number: f64) -> Option<String> {
        match self.kind {
            // Averages of dates have fractions, which the text does not show.
            ValueKind::Date => self
                .format
                .as_ref()
                .map(|format| format.format_millis_in(number as i64, &self.zone)),
            ValueKind::Boolean => Some((number != 0.0).to_string()),
            _ => None,
        }
    }

    /// A date in the format and the time zone that dates are shown in.
    pub(super) fn parse_date(&self, text: &str) -> Option<i64> {
        self.format.as_ref()?.parse_millis_in(text, &self.zone)
    }

    /// For dates of the request, which are read as they are shown.
    pub(super) fn query_context(&self, now_millis: i64) -> QueryContext<'_> {
        QueryContext {
            format: self.format.as_deref(),
            time_zone: Some(self.zone.name()),
            ..QueryContext::at(now_millis)
        }
    }

    /// Takes what another shard knows better.
    pub(super) fn merge(&mut self, other: Self) {
        if self.kind == ValueKind::Unmapped && other.kind != ValueKind::Unmapped {
            self.kind = other.kind;
            self.format = other.format;
            self.bounds = other.bounds;
            self.missing = other.missing;
        }
        merge_shapes(&mut self.inside, other.inside);
        merge_shapes(&mut self.sources, other.sources);
    }
}

/// Puts together what two shards know.
pub(super) fn merge_shapes(ours: &mut [Shape], theirs: Vec<Shape>) {
    for (ours, theirs) in ours.iter_mut().zip(theirs) {
        ours.merge(theirs);
    }
}
