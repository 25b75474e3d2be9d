//! The ten following parameters in a request body.

use es_exception::Exception;
use follow_task::RawFollowParameters;
use serde_json::{Map, Value};

use crate::json_body::{kind_of, wrong};

/// Whether a following parameter is a count; sizes and times are strings with a unit.
const PARAMETERS: [(&str, bool); 10] = [
    ("max_read_request_operation_count", true),
    ("max_write_request_operation_count", true),
    ("max_outstanding_read_requests", true),
    ("max_outstanding_write_requests", true),
    ("max_read_request_size", false),
    ("max_write_request_size", false),
    ("max_write_buffer_count", true),
    ("max_write_buffer_size", false),
    ("max_retry_delay", false),
    ("read_poll_timeout", false),
];

/// Takes the following parameters out of a body and leaves everything else in it. Ranges are checked later, all at once.
///
/// # Errors
/// `x_content_parse_exception` for a parameter of the wrong type.
pub(super) fn take_parameters(body: &mut Map<String, Value>) -> Result<RawFollowParameters, Exception> {
    let mut taken = Map::new();
    for (name, is_count) in PARAMETERS {
        let Some(value) = body.remove(name).filter(|value| !value.is_null()) else {
            continue;
        };
        let value = if is_count {
            as_count(name, value)?
        } else {
            as_text(name, value)?
        };
        taken.insert(name.to_owned(), value);
    }
    serde_json::from_value(Value::Object(taken))
        .map_err(|error| wrong(format!("malformed following parameters: {error}")))
}

/// Source: Elasticsearch's number parsers take numbers in strings as well.
fn as_count(name: &str, value: Value) -> Result<Value, Exception> {
    let number = value
        .as_i64()
        .or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
    number.map(Value::from).ok_or_else(|| {
        wrong(format!(
            "field [{name}] must be an integer, but is {}",
            kind_of(&value)
        ))
    })
}

fn as_text(name: &str, value: Value) -> Result<Value, Exception> {
    match value {
        Value::String(_) => Ok(value),
        other => Err(wrong(format!(
            "field [{name}] must be a string with a unit, but is {}",
            kind_of(&other)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn take(body: Value) -> Result<(RawFollowParameters, Vec<String>), Exception> {
        let Value::Object(mut body) = body else {
            panic!("an object")
        };
        let taken = take_parameters(&mut body)?;
        Ok((taken, body.keys().cloned().collect()))
    }

    #[test]
    fn parameters_are_taken_by_type_and_the_rest_is_left() {
        let body = json!({"max_write_buffer_count": "7", "max_read_request_size": "1024k", "leader_index": "a", "x": 1});
        let (taken, rest) = take(body).expect("well-typed");
        assert_eq!(
            (
                taken.max_write_buffer_count,
                taken.max_read_request_size.as_deref()
            ),
            (Some(7), Some("1024k"))
        );
        assert_eq!(rest, ["leader_index", "x"]);
    }

    #[test]
    fn a_wrong_type_is_named() {
        for body in [
            json!({"max_read_request_size": 5}),
            json!({"max_write_buffer_count": "many"}),
            json!({"max_retry_delay": []}),
        ] {
            let refused = take(body.clone()).expect_err("wrong type");
            let name = body
                .as_object()
                .and_then(|body| body.keys().next().cloned())
                .expect("one field");
            assert!(refused.reason().contains(&name), "{refused}");
            assert_eq!(refused.status(), 400);
        }
    }
}
