//! The body of an update: its parts stay slices of it.

use bytes::Bytes;
use es_exception::{Exception, ExceptionKind};
use indices::UpdateRequest;
use serde::Deserialize;
use serde_json::value::RawValue;
use shard::SourceFilter;

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

/// An update with what of the new source it answers.
#[derive(Debug)]
pub(super) struct UpdateBody {
    /// The update; whether it returns its source is left to the caller.
    pub(super) update: UpdateRequest,
    /// The body's `_source`, which wins over parameters.
    pub(super) filter: Option<SourceFilter>,
}

/// Parses the body of an update.
///
/// # Errors
/// `x_content_parse_exception` for what is not well-formed or unknown; `action_request_validation_exception` without a document;
/// `unsupported_operation_exception` for scripts; `parsing_exception` for a `_source` that is no filter.
pub(super) fn parse(bytes: &Bytes) -> Result<UpdateBody, Exception> {
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
    let filter = match body.source {
        Some(source) => {
            let source = serde_json::from_str(source.get()).map_err(|error| malformed(&error))?;
            Some(SourceFilter::from_json(&source)?)
        }
        None => None,
    };
    let slice = |raw: &RawValue| bytes.slice_ref(raw.get().as_bytes());
    let update = UpdateRequest {
        doc: body.doc.map(slice),
        upsert: body.upsert.map(slice),
        doc_as_upsert: body.doc_as_upsert,
        detect_noop: body.detect_noop,
        ..UpdateRequest::default()
    };
    Ok(UpdateBody { update, filter })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_slices_of_the_body() {
        let bytes = Bytes::from_static(br#"{"doc": {"a": 1}, "doc_as_upsert": true, "_source": ["a"]}"#);
        let UpdateBody { update, filter } = parse(&bytes).expect("well-formed");
        assert_eq!(update.doc.as_deref(), Some(&br#"{"a": 1}"#[..]));
        assert!(update.doc_as_upsert && update.detect_noop);
        assert_eq!(filter, Some(SourceFilter::new(vec!["a".into()], vec![])));
    }

    #[test]
    fn scripts_unknown_fields_and_empty_updates_are_refused() {
        for body in [
            &br#"{}"#[..],
            br#"{"script": "x"}"#,
            br#"{"docs": {}}"#,
            br#"{"upsert": {}}"#,
            br#"{"doc": {}, "_source": 3}"#,
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
