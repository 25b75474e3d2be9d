//! Exceptions as gRPC statuses.

use es_exception::{Exception, ExceptionKind};
use prost::Message as _;
use tonic::{Code, Status};

use crate::proto;

/// An exception longer than this is shortened: it travels in HTTP/2 trailers, whose size peers limit.
pub(super) const MAX_DETAILS_BYTES: usize = 96 << 10;
/// What is left of a reason of an exception that is too long.
const SHORTENED_REASON_BYTES: usize = 4 << 10;
/// What is left of the chain of causes of an exception that is too long.
const SHORTENED_CAUSES: usize = 8;

/// A status whose details hold all of the exception. The code and message are for tools that do not know our details.
pub(crate) fn exception_to_status(exception: &Exception) -> Status {
    let mut wire = to_wire(exception);
    if wire.encoded_len() > MAX_DETAILS_BYTES {
        shorten(&mut wire, SHORTENED_CAUSES);
    }
    let message = cut(&format!("{}: {}", wire.r#type, wire.reason), 512);
    Status::with_details(code(exception), message, wire.encode_to_vec().into())
}

/// The exception in a status, or one that tells of a failure on the way. `context` names the remote cluster and node.
pub(crate) fn status_to_exception(status: &Status, context: &str) -> Exception {
    if !status.details().is_empty()
        && let Ok(wire) = proto::Exception::decode(status.details())
    {
        return from_wire(wire);
    }
    let kind = match status.code() {
        Code::DeadlineExceeded => ExceptionKind::ReceiveTimeoutTransport,
        // The peer is of another make or release: trying again does not help.
        Code::Unimplemented => ExceptionKind::Unsupported,
        // A message larger than the request allows.
        Code::OutOfRange => ExceptionKind::IllegalState,
        Code::ResourceExhausted => ExceptionKind::EsRejectedExecution,
        Code::PermissionDenied | Code::Unauthenticated => ExceptionKind::Security,
        // Everything else without details was made by the stack: a lost connection, a reset stream, garbage in place of a message.
        _ => ExceptionKind::ConnectTransport,
    };
    Exception::new(
        kind,
        format!(
            "{context} {}: {}",
            status.code().description(),
            status_text(status)
        ),
    )
}

/// The message and what caused it: the stack's own words tell a refused connection from a lost one only in the sources.
fn status_text(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

fn code(exception: &Exception) -> Code {
    match exception.status() {
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 => Code::Aborted,
        429 => Code::ResourceExhausted,
        503 => Code::Unavailable,
        400..500 => Code::InvalidArgument,
        _ => Code::Internal,
    }
}

fn to_wire(exception: &Exception) -> proto::Exception {
    let metadata = exception.metadata().iter();
    proto::Exception {
        r#type: exception.kind().type_name().to_owned(),
        reason: exception.reason().to_owned(),
        status: exception.status_override().map(u32::from),
        index: exception.index().map(str::to_owned),
        metadata: metadata
            .map(|(key, values)| proto::ExceptionMetadata {
                key: key.clone(),
                values: values.clone(),
            })
            .collect(),
        caused_by: exception.caused_by().map(|cause| Box::new(to_wire(cause))),
    }
}

fn from_wire(wire: proto::Exception) -> Exception {
    let kind = ExceptionKind::from_type_name(&wire.r#type);
    let reason = match kind {
        Some(_) => wire.reason,
        None => format!("{}: {}", wire.r#type, wire.reason),
    };
    let mut exception = Exception::new(kind.unwrap_or(ExceptionKind::Exception), reason);
    // A status that is no error's would turn a failure into a success at the REST edge.
    if let Some(status) = wire.status.and_then(|status| u16::try_from(status).ok())
        && (400..600).contains(&status)
    {
        exception = exception.with_status(status);
    }
    if let Some(index) = wire.index {
        exception = exception.with_index(index);
    }
    for metadata in wire.metadata {
        exception = exception.with_metadata(metadata.key, metadata.values);
    }
    match wire.caused_by {
        Some(cause) => exception.with_cause(from_wire(*cause)),
        None => exception,
    }
}

/// Keeps the kinds, and of the rest what is short.
fn shorten(wire: &mut proto::Exception, causes: usize) {
    wire.reason = cut(&wire.reason, SHORTENED_REASON_BYTES);
    let mut room = SHORTENED_REASON_BYTES;
    wire.metadata.retain(|metadata| {
        let fits = metadata.encoded_len() <= room;
        room -= if fits { metadata.encoded_len() } else { 0 };
        fits
    });
    match &mut wire.caused_by {
        Some(cause) if causes > 0 => shorten(cause, causes - 1),
        cause => *cause = None,
    }
}

fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = (0..=bytes)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    format!("{}... [{} bytes more]", &text[..end], text.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exceptions() -> impl Strategy<Value = Exception> {
        let kinds = prop::sample::select(ExceptionKind::ALL);
        let metadata =
            prop::collection::btree_map("[a-z.]{1,9}", prop::collection::vec(".{0,9}", 0..3), 0..3);
        let one = (
            kinds,
            ".{0,99}",
            prop::option::of(400_u16..600),
            prop::option::of(".{1,9}"),
            metadata,
        )
            .prop_map(|(kind, reason, status, index, metadata)| {
                let mut exception = Exception::new(kind, reason);
                if let Some(status) = status {
                    exception = exception.with_status(status);
                }
                if let Some(index) = index {
                    exception = exception.with_index(index);
                }
                metadata.into_iter().fold(exception, |exception, (key, values)| {
                    exception.with_metadata(key, values)
                })
            });
        prop::collection::vec(one, 1..4).prop_map(|chain| {
            let nest = |cause: Exception, outer: Exception| outer.with_cause(cause);
            chain.into_iter().reduce(nest).unwrap()
        })
    }

    proptest! {
        #[test]
        fn an_exception_crosses_unchanged(exception in exceptions()) {
            prop_assert_eq!(status_to_exception(&exception_to_status(&exception), "there"), exception);
        }
    }

    #[test]
    fn an_unknown_type_keeps_its_name_in_the_reason() {
        let wire = proto::Exception {
            r#type: "new_exception".into(),
            reason: "why".into(),
            ..Default::default()
        };
        let status = Status::with_details(Code::Internal, "", wire.encode_to_vec().into());
        let expected = Exception::new(ExceptionKind::Exception, "new_exception: why");
        assert_eq!(status_to_exception(&status, "there"), expected);
    }

    #[test]
    fn an_exception_that_is_too_long_keeps_its_kind_and_fits() {
        let mut exception =
            Exception::illegal_argument("x".repeat(1 << 20)).with_metadata("k", vec!["v".repeat(1 << 20)]);
        for _ in 0..60 {
            exception = Exception::new(ExceptionKind::Engine, "é".repeat(1 << 14)).with_cause(exception);
        }
        let status = exception_to_status(&exception);
        assert!(status.details().len() <= MAX_DETAILS_BYTES);
        let got = status_to_exception(&status, "there");
        assert_eq!(
            (got.kind(), got.caused_by().map(Exception::kind)),
            (ExceptionKind::Engine, Some(ExceptionKind::Engine))
        );
    }

    #[test]
    fn failures_on_the_way_are_retryable_and_say_where() {
        for code in [
            Code::Unavailable,
            Code::Unknown,
            Code::Internal,
            Code::Cancelled,
            Code::DeadlineExceeded,
        ] {
            let exception = status_to_exception(&Status::new(code, "broken pipe"), "[lisbon][10.1.0.4:9300]");
            assert!(exception.is_retryable(), "{exception}");
            assert!(
                exception.reason().starts_with("[lisbon][10.1.0.4:9300]"),
                "{exception}"
            );
        }
        let garbage = Status::with_details(Code::Unavailable, "x", vec![0xff; 9].into());
        assert_eq!(
            status_to_exception(&garbage, "there").kind(),
            ExceptionKind::ConnectTransport
        );
    }
}
