//! What a client sends and what it wants back: `Content-Type`, `Accept` and the `format` parameter.
//!
//! Elasticsearch's clients speak of JSON as `application/vnd.elasticsearch+json; compatible-with=N` and want that very type back.

use es_exception::{Exception, ExceptionKind};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

/// The major versions of the REST API that this server answers.
const COMPATIBLE: [u8; 2] = [8, 9];

/// How a request's body is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyType {
    /// One JSON value.
    Json,
    /// One JSON value per line.
    NdJson,
}

/// How the answer is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// The client does not care.
    Any,
    /// Plain `application/json`.
    Json,
    /// The vendor type of this major version.
    VendorJson(u8),
    /// `text/plain`, which only the cat APIs can give.
    Text,
    /// One of several types, of which JSON in the vendor type of this major version comes first. Source: a header that names several counts as none
    /// where there is a choice, so tables are text; JSON is of the type that the client speaks.
    AnyOrVendorJson(u8),
}

impl Accepted {
    /// The `Content-Type` of a JSON answer.
    pub(crate) fn json_content_type(self) -> &'static str {
        match self {
            Self::VendorJson(8) | Self::AnyOrVendorJson(8) => {
                "application/vnd.elasticsearch+json;compatible-with=8"
            }
            Self::VendorJson(_) | Self::AnyOrVendorJson(_) => {
                "application/vnd.elasticsearch+json;compatible-with=9"
            }
            Self::Any | Self::Json | Self::Text => "application/json",
        }
    }
}

/// One media type with what matters of its parameters.
struct MediaType {
    name: String,
    compatible_with: Option<u8>,
}

impl MediaType {
    /// # Errors
    /// The text that is not a media type, or asks for a version that is not served.
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        if name.split('/').filter(|part| !part.is_empty()).count() != 2 {
            return Err(format!("[{text}] is not a media type"));
        }
        let mut compatible_with = None;
        for parameter in parts.filter(|part| !part.is_empty()) {
            let Some((key, value)) = parameter.split_once('=') else {
                return Err(format!("[{parameter}] in [{text}] is not a media type parameter"));
            };
            if key.trim().eq_ignore_ascii_case("compatible-with") {
                let version = value
                    .trim()
                    .parse()
                    .ok()
                    .filter(|version| COMPATIBLE.contains(version));
                compatible_with =
                    Some(version.ok_or_else(|| format!("[{text}] asks for a version other than 8 and 9"))?);
            }
        }
        Ok(Self {
            name,
            compatible_with,
        })
    }
}

/// The type of the request's body, or `None` when no type is given.
///
/// # Errors
/// `media_type_header_exception` for a type that is not read here.
pub(crate) fn body_type(headers: &HeaderMap) -> Result<Option<BodyType>, Exception> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .map_err(|_| refused("Content-Type", "the header is not ASCII"))?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    let media_type = MediaType::parse(text).map_err(|reason| refused("Content-Type", &reason))?;
    match media_type.name.as_str() {
        "application/json" | "application/vnd.elasticsearch+json" | "text/json" => Ok(Some(BodyType::Json)),
        "application/x-ndjson" | "application/vnd.elasticsearch+x-ndjson" => Ok(Some(BodyType::NdJson)),
        other => Err(refused("Content-Type", &unsupported(other, "bodies are read"))),
    }
}

/// What the `Accept` header asks for: the first type in it that can be given, which is not insisted on if there are several.
///
/// # Errors
/// `media_type_header_exception` when it names types and none of them can be given.
pub(crate) fn accepted(headers: &HeaderMap) -> Result<Accepted, Exception> {
    let mut refusal = None;
    for value in headers.get_all(ACCEPT) {
        let text = value
            .to_str()
            .map_err(|_| refused("Accept", "the header is not ASCII"))?;
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match accept_one(part) {
                Ok(accepted) if !text.contains(',') => return Ok(accepted),
                Ok(Accepted::VendorJson(version)) => return Ok(Accepted::AnyOrVendorJson(version)),
                Ok(_) => return Ok(Accepted::Any),
                Err(reason) => refusal = refusal.or(Some(reason)),
            }
        }
    }
    refusal.map_or(Ok(Accepted::Any), |reason| Err(refused("Accept", &reason)))
}

fn accept_one(text: &str) -> Result<Accepted, String> {
    let media_type = MediaType::parse(text)?;
    match (media_type.name.as_str(), media_type.compatible_with) {
        ("*/*" | "application/*", _) => Ok(Accepted::Any),
        ("application/vnd.elasticsearch+json" | "application/vnd.elasticsearch+x-ndjson", version) => {
            Ok(Accepted::VendorJson(version.unwrap_or(9)))
        }
        ("application/json" | "application/x-ndjson" | "text/json", _) => Ok(Accepted::Json),
        ("text/plain" | "text/*", _) => Ok(Accepted::Text),
        (other, _) => Err(unsupported(other, "answers are written")),
    }
}

/// Why a type is refused.
fn unsupported(name: &str, what: &str) -> String {
    let format = name.rsplit(['/', '+', '-']).next().unwrap_or(name);
    match is_binary_or_yaml(format) {
        true => format!("[{name}] is not supported: {what} as JSON alone, use [application/json]"),
        false => format!("[{name}] is not supported"),
    }
}

/// Whether Elasticsearch has this format besides JSON.
pub(crate) fn is_binary_or_yaml(format: &str) -> bool {
    ["yaml", "cbor", "smile"].contains(&format.to_ascii_lowercase().as_str())
}

fn refused(header: &str, reason: &str) -> Exception {
    Exception::new(
        ExceptionKind::MediaType,
        format!("invalid media type in the header [{header}]: {reason}"),
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("ascii"))])
    }

    #[test]
    fn bodies_are_json_or_lines_of_json() {
        let cases = [
            ("application/json", Some(Some(BodyType::Json))),
            ("application/json; charset=utf-8", Some(Some(BodyType::Json))),
            (
                "application/vnd.elasticsearch+json; compatible-with=8",
                Some(Some(BodyType::Json)),
            ),
            (
                "application/vnd.elasticsearch+x-ndjson; compatible-with=9",
                Some(Some(BodyType::NdJson)),
            ),
            ("application/x-ndjson", Some(Some(BodyType::NdJson))),
            ("", Some(None)),
            ("application/vnd.elasticsearch+json; compatible-with=7", None),
            ("application/x-www-form-urlencoded", None),
            ("application/cbor", None),
            ("json", None),
        ];
        for (text, expected) in cases {
            assert_eq!(body_type(&headers(CONTENT_TYPE, text)).ok(), expected, "{text}");
        }
        assert_eq!(body_type(&HeaderMap::new()).ok(), Some(None));
    }

    #[test]
    fn the_first_type_that_can_be_given_is_given() {
        let cases = [
            (
                "application/vnd.elasticsearch+json; compatible-with=9,text/plain",
                Some(Accepted::AnyOrVendorJson(9)),
            ),
            ("text/plain,application/json", Some(Accepted::Any)),
            ("text/plain", Some(Accepted::Text)),
            (
                "application/vnd.elasticsearch+json; compatible-with=8",
                Some(Accepted::VendorJson(8)),
            ),
            ("application/json", Some(Accepted::Json)),
            ("*/*", Some(Accepted::Any)),
            ("application/yaml, application/json;q=0.5", Some(Accepted::Any)),
            ("application/yaml", None),
            ("application/vnd.elasticsearch+json; compatible-with=6", None),
        ];
        for (text, expected) in cases {
            assert_eq!(accepted(&headers(ACCEPT, text)).ok(), expected, "{text}");
        }
        assert_eq!(accepted(&HeaderMap::new()).ok(), Some(Accepted::Any));
    }
}
