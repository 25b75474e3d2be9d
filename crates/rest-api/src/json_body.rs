//! JSON bodies: parsed with the position of what is wrong, and read field by field.

use es_exception::{Exception, ExceptionKind};
use serde_json::{Map, Value};

/// Parses one JSON value.
///
/// # Errors
/// `x_content_parse_exception` that begins with `[line:column]`, caused by a `json_parse_exception`.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Exception> {
    serde_json::from_slice(bytes).map_err(|error| malformed(&error))
}

/// The exception for JSON that is not well-formed or does not fit a type.
pub(crate) fn malformed(error: &serde_json::Error) -> Exception {
    let text = error.to_string();
    let what = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(what, _)| what);
    let reason = format!(
        "[{}:{}] the body is not valid: {what}",
        error.line(),
        error.column()
    );
    let cause = Exception::new(ExceptionKind::JsonParse, text.clone());
    Exception::new(ExceptionKind::XContentParse, reason).with_cause(cause)
}

/// Parses one JSON object.
///
/// # Errors
/// As [`parse`]; `x_content_parse_exception` as well when the value is not an object.
pub(crate) fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, Exception> {
    match parse(bytes)? {
        Value::Object(object) => Ok(object),
        other => Err(wrong(format!(
            "the body must be an object, but is {}",
            kind_of(&other)
        ))),
    }
}

/// Takes a field that must be a string. A `null` counts as absent.
///
/// # Errors
/// `x_content_parse_exception` for another type.
pub(crate) fn take_string(object: &mut Map<String, Value>, field: &str) -> Result<Option<String>, Exception> {
    match object.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong(format!(
            "field [{field}] must be a string, but is {}",
            kind_of(&other)
        ))),
    }
}

/// Takes a field that must be a string or a number, as text. A `null` counts as absent.
///
/// # Errors
/// `x_content_parse_exception` for another type.
pub(crate) fn take_text(object: &mut Map<String, Value>, field: &str) -> Result<Option<String>, Exception> {
    match object.get(field) {
        Some(Value::Number(number)) => {
            let text = number.to_string();
            object.remove(field);
            Ok(Some(text))
        }
        _ => take_string(object, field),
    }
}

/// Takes a field that must be an object. A `null` counts as absent.
///
/// # Errors
/// `x_content_parse_exception` for another type.
pub(crate) fn take_object(
    object: &mut Map<String, Value>,
    field: &str,
) -> Result<Option<Map<String, Value>>, Exception> {
    match object.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(inner)) => Ok(Some(inner)),
        Some(other) => Err(wrong(format!(
            "field [{field}] must be an object, but is {}",
            kind_of(&other)
        ))),
    }
}

/// Takes a field that must be a list of strings. A `null` counts as absent. Source: Elasticsearch takes a lone string for a list of one.
///
/// # Errors
/// `x_content_parse_exception` for another type.
pub(crate) fn take_strings(
    object: &mut Map<String, Value>,
    field: &str,
) -> Result<Option<Vec<String>>, Exception> {
    let text = |value: Value| match value {
        Value::String(text) => Ok(text),
        other => Err(wrong(format!(
            "field [{field}] must be a string or a list of strings, but has {} in it",
            kind_of(&other)
        ))),
    };
    match object.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => items.into_iter().map(text).collect::<Result<_, _>>().map(Some),
        Some(other) => Ok(Some(vec![text(other)?])),
    }
}

/// Takes a field that must be true or false. A `null` counts as absent.
///
/// # Errors
/// `x_content_parse_exception` for another type.
pub(crate) fn take_bool(object: &mut Map<String, Value>, field: &str) -> Result<Option<bool>, Exception> {
    match object.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(flag)),
        Some(Value::String(text)) if text == "true" => Ok(Some(true)),
        Some(Value::String(text)) if text == "false" => Ok(Some(false)),
        Some(other) => Err(wrong(format!(
            "field [{field}] must be a boolean, but is {}",
            kind_of(&other)
        ))),
    }
}

/// Refuses an object that still has fields once the known ones were taken.
///
/// # Errors
/// `x_content_parse_exception` naming one of them.
pub(crate) fn refuse_rest(object: &Map<String, Value>, what: &str) -> Result<(), Exception> {
    match object.keys().next() {
        None => Ok(()),
        Some(field) => Err(wrong(format!("[{what}] has an unknown field [{field}]"))),
    }
}

/// The exception for a body whose fields are not as they must be.
pub(crate) fn wrong(reason: String) -> Exception {
    Exception::new(ExceptionKind::XContentParse, reason)
}

/// What a JSON value is, in words.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_json_is_refused_with_its_position() {
        let refused = parse(b"{\n  \"a\": }").expect_err("malformed");
        assert_eq!(
            (refused.kind(), refused.status()),
            (ExceptionKind::XContentParse, 400)
        );
        assert!(refused.reason().starts_with("[2:8]"), "{refused}");
        assert!(parse(b"{} x").is_err(), "trailing characters");
        assert!(
            parse_object(b"[]")
                .expect_err("array")
                .reason()
                .contains("an array")
        );
    }

    #[test]
    fn fields_are_taken_by_type() {
        let mut object = parse_object(br#"{"a":"x","b":{"c":1},"d":true,"e":null,"z":1}"#).expect("object");
        assert_eq!(take_string(&mut object, "a").ok(), Some(Some("x".to_owned())));
        assert_eq!(
            take_object(&mut object, "b")
                .ok()
                .flatten()
                .map(|inner| inner.len()),
            Some(1)
        );
        assert_eq!(take_bool(&mut object, "d").ok(), Some(Some(true)));
        assert_eq!(take_string(&mut object, "e").ok(), Some(None));
        assert!(
            refuse_rest(&object, "test")
                .expect_err("z is left")
                .reason()
                .contains("[z]")
        );
        assert!(take_string(&mut object, "z").is_err());
        assert!(refuse_rest(&object, "test").is_ok());
    }
}
