//! Reading one plain JSON value as a field's type: Elasticsearch's coercion rules.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use super::FieldValue;
use crate::error::ValueError;
use crate::mapping::{FieldMapping, FieldType};

/// Longest term of an index in bytes.
const MAX_TERM_BYTES: usize = 32_766;

/// A plain JSON value. Numbers keep their text: a keyword field holds `1.10` as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    String(Cow<'a, str>),
    Number(&'a str),
    Boolean(bool),
}

/// Why a value is not emitted although it is there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Skipped {
    /// Longer than `ignore_above`.
    TooLong,
    /// It does not fit the field.
    Error(ValueError),
}

impl Scalar<'_> {
    /// The text, quotes and escapes removed.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Null => "null",
            Self::String(text) => text,
            Self::Number(number) => number,
            Self::Boolean(true) => "true",
            Self::Boolean(false) => "false",
        }
    }
}

/// Reads `scalar` as a value of `field` and hands it to `emit`, unless it stands for no value. `coerces`: whether a number may be a text, or
/// have a fraction that its type has not.
pub(crate) fn read_scalar(
    field: &FieldMapping,
    scalar: &Scalar<'_>,
    coerces: bool,
    emit: impl FnOnce(FieldValue<'_>),
) -> Result<(), Skipped> {
    if *scalar == Scalar::Null {
        if let Some(value) = field.null_value() {
            emit(value);
        }
        return Ok(());
    }
    let value = match field.field_type() {
        FieldType::Text => FieldValue::Text(scalar.text()),
        FieldType::Keyword => return read_keyword(field, scalar.text(), emit),
        FieldType::Boolean => FieldValue::Boolean(read_boolean(scalar).map_err(Skipped::Error)?),
        FieldType::Date => FieldValue::Date(read_date(field, scalar).map_err(Skipped::Error)?),
        FieldType::Ip => FieldValue::Ip(read_ip(scalar).map_err(Skipped::Error)?),
        FieldType::Binary => FieldValue::Keyword(read_binary(field, scalar).map_err(Skipped::Error)?),
        _ if is_empty_text(scalar) && coerces => return Ok(()),
        _ => read_number(field, scalar, coerces).map_err(Skipped::Error)?,
    };
    emit(value);
    Ok(())
}

/// Source: an empty text is no value to a number field that coerces.
fn is_empty_text(scalar: &Scalar<'_>) -> bool {
    matches!(scalar, Scalar::String(text) if text.is_empty())
}

fn read_keyword(field: &FieldMapping, text: &str, emit: impl FnOnce(FieldValue<'_>)) -> Result<(), Skipped> {
    if let Some(limit) = field.ignore_above()
        && text.len() > limit
        && text.encode_utf16().nth(limit).is_some()
    {
        return Err(Skipped::TooLong);
    }
    if text.len() > MAX_TERM_BYTES && (field.is_indexed() || field.has_doc_values()) {
        return Err(Skipped::Error(ValueError::ImmenseTerm(text.len())));
    }
    emit(FieldValue::Keyword(text));
    Ok(())
}

fn read_boolean(scalar: &Scalar<'_>) -> Result<bool, ValueError> {
    match scalar {
        Scalar::Boolean(flag) => Ok(*flag),
        Scalar::String(text) if text == "true" => Ok(true),
        Scalar::String(text) if text == "false" || text.is_empty() => Ok(false),
        other => Err(ValueError::NotABoolean(other.text().to_owned())),
    }
}

fn read_date(field: &FieldMapping, scalar: &Scalar<'_>) -> Result<i64, ValueError> {
    let millis = match scalar {
        Scalar::Boolean(_) => None,
        other => field.format().parse_millis(other.text()),
    };
    millis.ok_or_else(|| ValueError::NotADate {
        value: scalar.text().to_owned(),
        format: field.format().pattern().to_owned(),
    })
}

fn read_ip(scalar: &Scalar<'_>) -> Result<IpAddr, ValueError> {
    let Scalar::String(text) = scalar else {
        return Err(ValueError::NotAnIp(scalar.text().to_owned()));
    };
    parse_ip(text).ok_or_else(|| ValueError::NotAnIp(text.to_string()))
}

/// The base64 text as it is written. Source: one that the index does not keep is not looked at.
fn read_binary<'a>(field: &FieldMapping, scalar: &'a Scalar<'_>) -> Result<&'a str, ValueError> {
    match scalar {
        Scalar::String(text) if is_base64(text) => Ok(text),
        _ if !field.tells_existence() => Ok(scalar.text()),
        _ => Err(ValueError::NotBase64),
    }
}

/// Whether the text is base64 of the common alphabet, in groups of four with their padding. Source: white space and control characters between groups
/// are passed over.
fn is_base64(text: &str) -> bool {
    let (mut place, mut padded) = (0, false);
    for byte in text.bytes() {
        match byte {
            0..=b' ' if place == 0 => continue,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if !padded => {}
            b'=' if place >= 2 => padded = true,
            _ => return false,
        }
        place = (place + 1) % 4;
        padded &= place != 0;
    }
    place == 0
}

/// Source: an IPv4 address mapped into IPv6 is the IPv4 address.
pub(crate) fn parse_ip(text: &str) -> Option<IpAddr> {
    match text.parse::<Ipv4Addr>() {
        Ok(address) => Some(address.into()),
        Err(_) => text.parse::<IpAddr>().ok().map(|address| address.to_canonical()),
    }
}

/// Reads a number of any numeric type.
fn read_number(
    field: &FieldMapping,
    scalar: &Scalar<'_>,
    coerces: bool,
) -> Result<FieldValue<'static>, ValueError> {
    let text = match scalar {
        Scalar::Number(number) => number,
        Scalar::String(text) if coerces => text.as_ref(),
        Scalar::String(text) => return Err(ValueError::NotCoerced(text.to_string())),
        other => return Err(ValueError::NotANumber(other.text().to_owned())),
    };
    if field.field_type().is_integer() {
        read_integer(text, field, coerces).map(FieldValue::Long)
    } else {
        let number = finite(text, field.field_type())?;
        round_to_type(number, field)
            .map(FieldValue::Double)
            .ok_or_else(|| not_finite(text, field.field_type()))
    }
}

fn finite(text: &str, field_type: FieldType) -> Result<f64, ValueError> {
    // Rust also reads words such as `inf`; those that mean a number in Java are refused as not finite.
    let is_word = text
        .bytes()
        .any(|byte| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E'));
    match text.parse::<f64>() {
        Ok(_) if is_word && !matches!(text.trim_start_matches(['+', '-']), "NaN" | "Infinity") => {
            Err(ValueError::NotANumber(text.to_owned()))
        }
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err(not_finite(text, field_type)),
        Err(_) => Err(ValueError::NotANumber(text.to_owned())),
    }
}

fn not_finite(text: &str, field_type: FieldType) -> ValueError {
    ValueError::NotFinite {
        value: text.to_owned(),
        field_type: field_type.name(),
    }
}

/// The number as the field's type holds it; `None` if it is too large.
pub(crate) fn round_to_type(number: f64, field: &FieldMapping) -> Option<f64> {
    let rounded = match field.field_type() {
        FieldType::Float => f64::from(number as f32),
        FieldType::HalfFloat => half(number),
        FieldType::ScaledFloat => {
            let scaled = (number * field.scaling_factor).round();
            if scaled.abs() >= 2_f64.powi(63) {
                return None;
            }
            scaled / field.scaling_factor
        }
        _ => number,
    };
    rounded.is_finite().then_some(rounded)
}

/// The nearest 16-bit floating point number, ties to even; infinite beyond 65504.
fn half(number: f64) -> f64 {
    let number = f64::from(number as f32);
    if number == 0.0 {
        return number;
    }
    // 11 significant bits, and nothing finer than 2^-24.
    let exponent = number.abs().log2().floor().max(-14.0) as i32;
    let unit = 2_f64.powi(exponent - 10);
    let rounded = (number / unit).round_ties_even() * unit;
    if rounded.abs() > 65_504.0 {
        f64::INFINITY
    } else {
        rounded
    }
}

fn read_integer(text: &str, field: &FieldMapping, coerces: bool) -> Result<i64, ValueError> {
    let field_type = field.field_type();
    let out_of_range = || {
        let name = match field_type {
            FieldType::Integer => "an integer",
            FieldType::Short => "a short",
            FieldType::Byte => "a byte",
            _ => "a long",
        };
        ValueError::OutOfRange {
            value: text.to_owned(),
            field_type: name,
        }
    };
    let number = match text.parse::<i64>() {
        Ok(number) => number,
        Err(_) => truncate(text, field, coerces)?.ok_or_else(out_of_range)?,
    };
    let (min, max) = match field_type {
        FieldType::Integer => (i64::from(i32::MIN), i64::from(i32::MAX)),
        FieldType::Short => (i64::from(i16::MIN), i64::from(i16::MAX)),
        FieldType::Byte => (i64::from(i8::MIN), i64::from(i8::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(out_of_range())
    }
}

/// The whole part of a decimal number, exactly unless it has an exponent; `None` if it does not fit 64 bits.
fn truncate(text: &str, field: &FieldMapping, coerces: bool) -> Result<Option<i64>, ValueError> {
    let number = match finite(text, field.field_type()) {
        Ok(number) => number,
        Err(ValueError::NotFinite { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let has_fraction = match text.split_once('.') {
        Some((_, fraction)) if !text.contains(['e', 'E']) => fraction.bytes().any(|digit| digit != b'0'),
        _ => number.fract() != 0.0,
    };
    if has_fraction && !coerces {
        return Err(ValueError::DecimalPart(text.to_owned()));
    }
    if let Some((whole, _)) = text.split_once('.')
        && !text.contains(['e', 'E'])
        && whole.bytes().any(|byte| byte.is_ascii_digit())
    {
        return Ok(whole.parse().ok());
    }
    let limit = 2_f64.powi(63);
    Ok((number >= -limit && number < limit).then_some(number as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::DocumentRules;
    use crate::mapping::Mapping;

    fn read(definition: &serde_json::Value, json: &str) -> Result<Option<String>, String> {
        let mapping =
            Mapping::from_json(&serde_json::json!({"properties": {"f": definition}})).expect("a mapping");
        let field = mapping.field("f").expect("the field");
        let Some(super::super::values::Item::Scalar(scalar)) = super::super::values::Values::of(json).next()
        else {
            panic!("{json} is no plain value")
        };
        let mut emitted = None;
        match read_scalar(field, &scalar, field.coerces(DocumentRules::DEFAULT), |value| {
            emitted = Some(format!("{value:?}"))
        }) {
            Ok(()) => Ok(emitted),
            Err(Skipped::TooLong) => Err("too long".to_owned()),
            Err(Skipped::Error(error)) => Err(error.to_string()),
        }
    }

    #[track_caller]
    fn check(definition: &str, json: &str, expected: Option<&str>) {
        let definition: serde_json::Value = match serde_json::from_str(definition) {
            Ok(definition) => definition,
            Err(_) => serde_json::json!({"type": definition}),
        };
        let result = read(&definition, json);
        assert_eq!(
            result
                .as_ref()
                .ok()
                .map(|value| value.as_deref().unwrap_or("nothing")),
            expected,
            "{result:?}"
        );
    }

    #[test]
    fn integers_are_coerced_and_checked_for_their_range() {
        for (field_type, json, expected) in [
            ("long", "5", Some("Long(5)")),
            ("long", "\"5\"", Some("Long(5)")),
            ("long", "\"-5.9\"", Some("Long(-5)")),
            ("long", "5.0", Some("Long(5)")),
            ("long", "-0.5", Some("Long(0)")),
            ("long", "1e3", Some("Long(1000)")),
            ("long", "\"\"", Some("nothing")),
            ("long", "null", Some("nothing")),
            ("long", "9223372036854775807", Some("Long(9223372036854775807)")),
            ("long", "9223372036854775807.9", Some("Long(9223372036854775807)")),
            ("long", "9007199254740993.5", Some("Long(9007199254740993)")),
            ("long", "9223372036854775808", None),
            ("long", "1e300", None),
            ("long", "\"abc\"", None),
            ("long", "\"inf\"", None),
            ("long", "\" 5\"", None),
            ("long", "true", None),
            ("integer", "2147483647", Some("Long(2147483647)")),
            ("integer", "2147483648", None),
            ("short", "-32768", Some("Long(-32768)")),
            ("short", "-32769", None),
            ("byte", "127", Some("Long(127)")),
            ("byte", "128", None),
        ] {
            check(field_type, json, expected);
        }
        let strict = r#"{"type": "long", "coerce": false}"#;
        check(strict, "5", Some("Long(5)"));
        check(strict, "5.0", Some("Long(5)"));
        check(strict, "5.5", None);
        check(strict, "\"5\"", None);
        check(strict, "\"\"", None);
    }

    #[test]
    fn floating_point_numbers_are_rounded_to_their_type() {
        for (definition, json, expected) in [
            ("double", "0.1", Some("Double(0.1)")),
            ("double", "\"1e-2\"", Some("Double(0.01)")),
            ("double", "\"NaN\"", None),
            ("double", "\"1d\"", None),
            ("float", "0.1", Some("Double(0.10000000149011612)")),
            ("float", "1e39", None),
            ("half_float", "0.1", Some("Double(0.0999755859375)")),
            ("half_float", "65504", Some("Double(65504.0)")),
            ("half_float", "65520", None),
            ("half_float", "0.00000001", Some("Double(0.0)")),
            (
                r#"{"type": "scaled_float", "scaling_factor": 100}"#,
                "1.239",
                Some("Double(1.24)"),
            ),
            (
                r#"{"type": "scaled_float", "scaling_factor": 100}"#,
                "1e300",
                None,
            ),
        ] {
            check(definition, json, expected);
        }
    }

    #[test]
    fn other_types() {
        const STORED: &str = r#"{"type": "binary", "store": true}"#;
        for (definition, json, expected) in [
            ("boolean", "true", Some("Boolean(true)")),
            ("boolean", "\"false\"", Some("Boolean(false)")),
            ("boolean", "\"\"", Some("Boolean(false)")),
            ("boolean", "1", None),
            ("boolean", "\"True\"", None),
            ("ip", "\"10.0.0.1\"", Some("Ip(10.0.0.1)")),
            ("ip", "\"::ffff:10.0.0.1\"", Some("Ip(10.0.0.1)")),
            ("ip", "\"fe80::1\"", Some("Ip(fe80::1)")),
            ("ip", "\"10.0.0\"", None),
            ("ip", "5", None),
            ("date", "\"1970-01-01T00:00:01\"", Some("Date(1000)")),
            ("date", "1000000", Some("Date(1000000)")),
            ("date", "2015", Some("Date(1420070400000)")),
            ("date", "true", None),
            ("binary", "\"not base64\"", Some("Keyword(\"not base64\")")),
            (STORED, "\"aGk=\"", Some("Keyword(\"aGk=\")")),
            (STORED, "\"aGkx\\naGk=\"", Some("Keyword(\"aGkx\\naGk=\")")),
            (STORED, "\"aG k\"", None),
            (STORED, "\"=aGk\"", None),
            (STORED, "\"\"", Some("Keyword(\"\")")),
            (STORED, "null", Some("nothing")),
            (STORED, "\"aGk\"", None),
            (STORED, "\"a===\"", None),
            (STORED, "\"aG=k\"", None),
            (STORED, "\"aG-_\"", None),
            (STORED, "5", None),
            ("keyword", "1.10", Some("Keyword(\"1.10\")")),
            ("keyword", "true", Some("Keyword(\"true\")")),
            ("text", "\"a\\nb\"", Some("Text(\"a\\nb\")")),
            (
                r#"{"type": "keyword", "null_value": "none"}"#,
                "null",
                Some("Keyword(\"none\")"),
            ),
            (
                r#"{"type": "date", "null_value": "1970-01-02"}"#,
                "null",
                Some("Date(86400000)"),
            ),
            (
                r#"{"type": "keyword", "normalizer": "lowercase"}"#,
                "\"ÄB\"",
                Some("Keyword(\"ÄB\")"),
            ),
            (
                r#"{"type": "keyword", "ignore_above": 3}"#,
                "\"äöü\"",
                Some("Keyword(\"äöü\")"),
            ),
            (r#"{"type": "keyword", "ignore_above": 3}"#, "\"abcd\"", None),
        ] {
            check(definition, json, expected);
        }
        let immense = format!("\"{}\"", "x".repeat(32_767));
        check("keyword", &immense, None);
    }
}
