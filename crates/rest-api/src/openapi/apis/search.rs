//! The APIs of searches.

use super::{Api, Field, QUERY_BODY};
use crate::openapi::parameters::Kind;

const GROUP: &str = "Search";
/// Of what is not offered, but has a path that says so.
const REFUSED: &str = "refused with the reason and what to do instead";

const SEARCH_BODY: &[Field] = &[
    Field("query", Kind::Object),
    Field("from", Kind::Count),
    Field("size", Kind::Count),
    Field("sort", Kind::Any),
    Field("aggs", Kind::Object),
    Field("post_filter", Kind::Object),
    Field("search_after", Kind::Array),
    Field("_source", Kind::Any),
    Field("track_total_hits", Kind::Any),
    Field("min_score", Kind::Number),
    Field("fields", Kind::Array),
    Field("docvalue_fields", Kind::Array),
    Field("stored_fields", Kind::Any),
    Field("highlight", Kind::Object),
    Field("collapse", Kind::Object),
    Field("terminate_after", Kind::Count),
    Field("timeout", Kind::Time),
    Field("pit", Kind::Object),
];

pub(super) const SEARCH: &[Api] = &[
    Api::new(
        GROUP,
        "search",
        &["GET,POST /_search", "GET,POST /{index}/_search"],
        "Finds documents",
    )
    .differs("see [queries.md](queries.md), [aggregations.md](aggregations.md) and [search-results.md](search-results.md); no scripts, suggesters, `rescore`, `knn` or `profile`")
    .body(SEARCH_BODY),
    Api::new(
        GROUP,
        "msearch",
        &["GET,POST /_msearch", "GET,POST /{index}/_msearch"],
        "Several searches in one request",
    ),
    Api::new(
        GROUP,
        "count",
        &["GET,POST /_count", "GET,POST /{index}/_count"],
        "How many documents a query finds",
    )
    .body(QUERY_BODY),
    Api::new(
        GROUP,
        "scroll",
        &["GET,POST /_search/scroll", "GET,POST /_search/scroll/{scroll_id}"],
        "The next hits of a search with `scroll`",
    )
    .body(&[Field("scroll_id", Kind::Text), Field("scroll", Kind::Time)]),
    Api::new(
        GROUP,
        "clear_scroll",
        &["DELETE /_search/scroll", "DELETE /_search/scroll/{scroll_id}"],
        "Ends searches with `scroll`",
    )
    .body(&[Field("scroll_id", Kind::Any)]),
    Api::new(
        GROUP,
        "open_point_in_time",
        &["POST /{index}/_pit"],
        "Keeps a state of indices for several searches",
    ),
    Api::new(
        GROUP,
        "close_point_in_time",
        &["DELETE /_pit"],
        "Ends a point in time",
    )
    .body(&[Field("id", Kind::Text)]),
    Api::new(
        GROUP,
        "field_caps",
        &["GET,POST /_field_caps", "GET,POST /{index}/_field_caps"],
        "Which fields indices have, and what can be done with them",
    )
    .differs("no `runtime_mappings`, no `include_empty_fields=false`")
    .body(&[Field("fields", Kind::Any), Field("index_filter", Kind::Object)]),
    Api::new(
        GROUP,
        "indices.validate_query",
        &["GET,POST /_validate/query", "GET,POST /{index}/_validate/query"],
        "Whether a query can be run",
    )
    .differs("explanations are not those of Lucene")
    .body(QUERY_BODY),
    Api::new(
        GROUP,
        "search_shards",
        &["GET,POST /_search_shards", "GET,POST /{index}/_search_shards"],
        "The shards that a search would ask",
    ),
    Api::new(
        GROUP,
        "search_template",
        &[
            "GET,POST /_search/template",
            "GET,POST /{index}/_search/template",
            "GET,POST /_msearch/template",
            "GET,POST /{index}/_msearch/template",
            "GET,POST /_render/template",
            "GET,POST /_render/template/{id}",
        ],
        "Nothing",
    )
    .differs(REFUSED),
    Api::new(
        GROUP,
        "rank_eval",
        &["GET,POST /_rank_eval", "GET,POST /{index}/_rank_eval"],
        "Nothing",
    )
    .differs(REFUSED),
    Api::new(
        GROUP,
        "termvectors",
        &[
            "GET,POST /{index}/_termvectors",
            "GET,POST /{index}/_termvectors/{id}",
            "GET,POST /_mtermvectors",
            "GET,POST /{index}/_mtermvectors",
        ],
        "Nothing",
    )
    .differs(REFUSED),
    Api::new(GROUP, "explain", &["GET,POST /{index}/_explain/{id}"], "Nothing").differs(REFUSED),
    Api::new(GROUP, "terms_enum", &["GET,POST /{index}/_terms_enum"], "Nothing").differs(REFUSED),
    Api::new(GROUP, "knn_search", &["GET,POST /{index}/_knn_search"], "Nothing").differs(REFUSED),
];
