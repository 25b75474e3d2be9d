//! How values are written in a hit's `fields`.

use es_exception::{Exception, ExceptionKind};
use index_meta::{DateFormat, FieldMapping, FieldType};
use serde_json::Value;

use super::read::StoredValue;
use crate::analysis::Analyzers;
use crate::view::ip_term;

/// Where values come from, as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `fields`: in the order of the source.
    Source,
    /// `docvalue_fields`: sorted; keywords and addresses once each.
    DocValues,
}

/// The format that a request names for a field.
///
/// # Errors
/// `illegal_argument_exception` for a format that is not understood, or a field that takes none.
pub(super) fn parse_format(
    form: Form,
    mapping: &FieldMapping,
    format: Option<&str>,
) -> Result<Option<DateFormat>, Exception> {
    let Some(format) = format else {
        return Ok(None);
    };
    let (path, name) = (mapping.path(), mapping.field_type().name());
    match mapping.field_type() {
        FieldType::Date => match DateFormat::parse(format) {
            Ok(format) => Ok(Some(format)),
            Err(problem) => Err(Exception::illegal_argument(problem)),
        },
        numeric if form == Form::DocValues && numeric.is_numeric() => Err(Exception::new(
            ExceptionKind::Unsupported,
            format!(
                "[docvalue_fields] a [format] of numbers is not supported here: [{format}] of field [{path}]"
            ),
        )),
        _ if form == Form::DocValues => Err(Exception::illegal_argument(format!(
            "Field [{path}] of type [{name}] does not support custom formats"
        ))),
        _ => Err(Exception::illegal_argument(format!(
            "Field [{path}] of type [{name}] doesn't support formats."
        ))),
    }
}

/// The values as JSON.
pub(super) fn show(
    form: Form,
    mapping: &FieldMapping,
    format: Option<&DateFormat>,
    analyzers: &Analyzers,
    mut values: Vec<StoredValue>,
) -> Vec<Value> {
    if mapping.field_type() == FieldType::Keyword {
        for value in &mut values {
            if let StoredValue::Text(text) = value {
                *text = analyzers.normalize(mapping, text).into_owned();
            }
        }
    }
    if form == Form::DocValues {
        sort(&mut values);
        if matches!(mapping.field_type(), FieldType::Keyword | FieldType::Ip) {
            values.dedup();
        }
    }
    let short =
        form == Form::Source && matches!(mapping.field_type(), FieldType::Float | FieldType::HalfFloat);
    let shown = values.into_iter().map(|value| match value {
        StoredValue::Text(text) => Value::from(text),
        StoredValue::Long(number) => Value::from(number),
        StoredValue::Double(number) if short => Value::from(shortest(number)),
        StoredValue::Double(number) => Value::from(number),
        StoredValue::Boolean(flag) => Value::from(flag),
        StoredValue::Date(millis) => {
            Value::from(format.unwrap_or_else(|| mapping.format()).format_millis(millis))
        }
        StoredValue::Ip(address) => Value::from(address.to_string()),
    });
    shown.collect()
}

fn sort(values: &mut [StoredValue]) {
    use StoredValue::{Boolean, Date, Double, Ip, Long, Text};
    values.sort_by(|left, right| match (left, right) {
        (Text(left), Text(right)) => left.cmp(right),
        (Long(left), Long(right)) | (Date(left), Date(right)) => left.cmp(right),
        (Double(left), Double(right)) => left.total_cmp(right),
        (Boolean(left), Boolean(right)) => left.cmp(right),
        (Ip(left), Ip(right)) => ip_term(*left).cmp(&ip_term(*right)),
        // A field has values of one type.
        _ => std::cmp::Ordering::Equal,
    });
}

/// The number with as few digits as tell it from other 32-bit numbers: 0.1 and not 0.10000000149011612.
fn shortest(number: f64) -> f64 {
    // The value was rounded to 32 bits when it was read.
    (number as f32).to_string().parse().unwrap_or(number)
}
