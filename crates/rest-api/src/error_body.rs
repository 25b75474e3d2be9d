//! The body of an error, as Elasticsearch's clients read it.

use es_exception::{Exception, ExceptionKind};
use serde_json::{Map, Value, json};

/// `{"error": {"root_cause": [...], "type": ..., ...}, "status": N}`.
pub(crate) fn error_body(exception: &Exception, with_trace: bool) -> Value {
    let mut root = without_cause(root_cause(exception));
    let mut error = detailed(exception);
    if with_trace {
        let trace = Value::from(exception.to_string());
        root.insert("stack_trace".to_owned(), trace.clone());
        error.insert("stack_trace".to_owned(), trace);
    }
    let mut whole = Map::new();
    whole.insert("root_cause".to_owned(), json!([root]));
    whole.extend(error);
    json!({"error": whole, "status": exception.status()})
}

/// The object of one exception inside an answer: an item of a bulk request, a failed shard.
pub(crate) fn error_object(exception: &Exception) -> Value {
    Value::Object(detailed(exception))
}

/// The deepest failure that names itself. Source: Elasticsearch looks through its own exceptions only, and not through general
/// ones such as `illegal_argument_exception`, which explain the one above them.
fn root_cause(exception: &Exception) -> &Exception {
    match exception.caused_by() {
        Some(cause) if !is_general(cause.kind()) => root_cause(cause),
        _ => exception,
    }
}

fn is_general(kind: ExceptionKind) -> bool {
    matches!(
        kind,
        ExceptionKind::IllegalArgument
            | ExceptionKind::IllegalState
            | ExceptionKind::JsonParse
            | ExceptionKind::XContentParse
            | ExceptionKind::DateTimeParse
            | ExceptionKind::AlreadyClosed
    )
}

fn detailed(exception: &Exception) -> Map<String, Value> {
    let Value::Object(mut object) = exception.to_json() else {
        return Map::new();
    };
    if let (ExceptionKind::IndexNotFound, Some(index)) = (exception.kind(), exception.index()) {
        object.insert("resource.type".to_owned(), "index_or_alias".into());
        object.insert("resource.id".to_owned(), index.into());
        object.insert("index_uuid".to_owned(), "_na_".into());
    }
    object
}

fn without_cause(exception: &Exception) -> Map<String, Value> {
    let mut object = detailed(exception);
    object.remove("caused_by");
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_type_reason_and_root_cause() {
        let body = error_body(&Exception::index_not_found("orders"), false);
        assert_eq!(body["status"], 404);
        assert_eq!(body["error"]["type"], "index_not_found_exception");
        assert_eq!(body["error"]["root_cause"][0]["index"], "orders");
        assert_eq!(body["error"]["resource.id"], "orders");
        assert_eq!(body["error"].get("stack_trace"), None);
    }

    #[test]
    fn the_root_cause_is_the_deepest_one_that_names_itself() {
        let named = Exception::new(ExceptionKind::Exception, "outer").with_cause(
            Exception::new(ExceptionKind::ResourceNotFound, "inner")
                .with_cause(Exception::illegal_argument("why")),
        );
        let body = error_body(&named, true);
        assert_eq!(
            body["error"]["root_cause"][0]["type"],
            "resource_not_found_exception"
        );
        assert_eq!(body["error"]["root_cause"][0].get("caused_by"), None);
        assert_eq!(body["error"]["caused_by"]["caused_by"]["reason"], "why");
        assert!(body["error"]["stack_trace"].is_string());
    }
}
