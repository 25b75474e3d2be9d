//! Searches within a search: for the hits of a group, or of a bucket.

use es_exception::{Exception, ExceptionKind};
use serde_json::{Map, Value};

use crate::search::request::{SearchRequest, TrackTotalHits};

/// Source: what `inner_hits` and `top_hits` may say, without what is refused here.
const OPTIONS: [&str; 12] = [
    "from",
    "size",
    "sort",
    "_source",
    "fields",
    "docvalue_fields",
    "stored_fields",
    "highlight",
    "version",
    "seq_no_primary_term",
    "track_scores",
    "explain",
];
/// What they may say in Elasticsearch.
const NOT_HERE: [&str; 2] = ["collapse", "script_fields"];
/// Source: the default `size`.
const SIZE: u64 = 3;

/// The search that the options of `kind` ask for, with these keys of the body of the search around it. Its total is exact.
///
/// # Errors
/// `parsing_exception` for an option that does not exist; `unsupported_operation_exception` for one that is not here; what the options are refused for.
pub(crate) fn inner_search(
    kind: &str,
    options: Map<String, Value>,
    body: &Map<String, Value>,
    inherited: &[&str],
) -> Result<SearchRequest, Exception> {
    for option in options.keys() {
        if NOT_HERE.contains(&option.as_str()) {
            return Err(Exception::new(
                ExceptionKind::Unsupported,
                format!("[{option}] in [{kind}] is not supported here"),
            ));
        }
        if !OPTIONS.contains(&option.as_str()) {
            return Err(Exception::new(
                ExceptionKind::Parsing,
                format!("[{kind}] unknown field [{option}]"),
            ));
        }
    }
    let mut search = options;
    search.entry("size").or_insert_with(|| SIZE.into());
    for key in inherited {
        if let Some(value) = body.get(*key) {
            search.insert((*key).to_owned(), value.clone());
        }
    }
    let mut request = SearchRequest::from_json(&Value::Object(search))?;
    request.track_total_hits = TrackTotalHits::Exact;
    Ok(request)
}
