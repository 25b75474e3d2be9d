//! The body of an update: its parts stay slices of it.

use bytes::Bytes;
use es_exception::{Exception, ExceptionKind};
use indices::UpdateRequest;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::write_params::invalid;
use crate::json_body::malformed;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow, default)]
    doc: Option<&'a RawValue>,
    #[serde(borrow, default)]
    upsert: Option<&'a RawValue>,
    #[serde(default)]
    doc_as_upsert: bool,
    #[serde(default = "yes")]
    detect_noop: bool,
    #[serde(borrow, default, rename = "_source")]
    source: Option<&'a RawValue>,
    #[serde(borrow, default)]
    script: Option<&'a RawValue>,
    #[serde(default)]
    scripted_upsert: bool,
}

const fn yes() -> bool {
    true
}

/// Parses the body of an update.
///
/// # Errors
/// `x_content_parse_exception` for what is not well-formed or unknown; `action_request_validation_exception` without a document;
/// `unsupported_operation_exception` for scripts.
pub(super) fn parse(bytes: &Bytes) -> Result<UpdateRequest, Exception> {
    let body: Body<'_> = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
    if body.script.is_some() || body.scripted_upsert {
        return Err(Exception::new(
            ExceptionKind::Unsupported,
            "updates by [script] are not supported here: send [doc]",
        ));
    }
    if body.doc.is_none() {
        let problem = if body.upsert.is_some() {
            "upsert needs a [doc] beside it"
        } else {
            "script or doc is missing"
        };
        return Err(invalid(problem));
    }
    let slice = |raw: &RawValue| bytes.slice_ref(raw.get().as_bytes());
    Ok(UpdateRequest {
        doc: body.doc.map(slice),
        upsert: body.upsert.map(slice),
        doc_as_upsert: body.doc_as_upsert,
        detect_noop: body.detect_noop,
        return_source: body.source.is_some_and(|source| source.get() != "false"),
        ..UpdateRequest::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_slices_of_the_body() {
        let bytes = Bytes::from_static(br#"{"doc": {"a": 1}, "doc_as_upsert": true, "_source": true}"#);
        let update = parse(&bytes).expect("well-formed");
        assert_eq!(update.doc.as_deref(), Some(&br#"{"a": 1}"#[..]));
        assert!(update.doc_as_upsert && update.detect_noop && update.return_source);
    }

    #[test]
    fn scripts_unknown_fields_and_empty_updates_are_refused() {
        for body in [
            &br#"{}"#[..],
            br#"{"script": "x"}"#,
            br#"{"docs": {}}"#,
            br#"{"upsert": {}}"#,
            b"[",
            b"[]",
        ] {
            assert_eq!(
                parse(&Bytes::from_static(body)).expect_err("refused").status(),
                400
            );
        }
    }
}
