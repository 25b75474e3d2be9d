//! Searches that Elasticsearch offers and this server does not: refused by what they are, so that nobody looks for a wrong path.

use es_exception::{Exception, ExceptionKind};

use crate::call::Call;
use crate::reply::Reply;

fn refuse(what: &str, instead: &str) -> Result<Reply, Exception> {
    Err(Exception::new(
        ExceptionKind::Unsupported,
        format!("{what} not supported here: {instead}"),
    ))
}

/// `_search/template`, `_msearch/template` and `_render/template`.
pub(crate) async fn search_template(_call: Call) -> Result<Reply, Exception> {
    refuse(
        "search templates are",
        "there are no scripts; send the search itself to [_search]",
    )
}

/// `_rank_eval`.
pub(crate) async fn rank_eval(_call: Call) -> Result<Reply, Exception> {
    refuse(
        "[_rank_eval] is",
        "send the searches to [_msearch] and rate their hits",
    )
}

/// `_termvectors` and `_mtermvectors`.
pub(crate) async fn term_vectors(_call: Call) -> Result<Reply, Exception> {
    refuse("term vectors are", "[_analyze] gives the terms of a text")
}

/// `_explain/{id}`.
pub(crate) async fn explain(_call: Call) -> Result<Reply, Exception> {
    refuse(
        "[_explain] is",
        "search with a filter by [ids] to see whether a document matches",
    )
}

/// `_terms_enum`.
pub(crate) async fn terms_enum(_call: Call) -> Result<Reply, Exception> {
    refuse(
        "[_terms_enum] is",
        "an aggregation [terms] with a query [prefix] gives the terms",
    )
}

/// `_knn_search`.
pub(crate) async fn knn_search(_call: Call) -> Result<Reply, Exception> {
    refuse("[_knn_search] is", "there are no vectors")
}
