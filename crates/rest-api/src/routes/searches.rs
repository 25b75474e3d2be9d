//! The routes of searches, and of writes to what a search finds.

use crate::handlers::document::SOURCE;
use crate::handlers::search::{QUERY_PARAMETERS, SEARCH, SEARCH_HINTS};
use crate::handlers::targets::TARGET;
use crate::handlers::{by_query, field_caps, not_offered, search, search_shards, validate_query};
use crate::route::Route;
use crate::route::Verb::{Delete, Get, Post};

pub(super) const SEARCHES: &[Route] = &[
    Route::new(&[Get, Post], "/_search", SEARCH_ALL, to!(search::search)).json(),
    Route::new(&[Get, Post], "/{index}/_search", SEARCH_ALL, to!(search::search)).json(),
    Route::new(
        &[Post],
        "/{index}/_delete_by_query",
        CHANGE_FOUND,
        to!(by_query::delete_by_query),
    )
    .json()
    .carried_on(),
    Route::new(
        &[Post],
        "/{index}/_update_by_query",
        CHANGE_FOUND,
        to!(by_query::update_by_query),
    )
    .json()
    .carried_on(),
    Route::new(&[Post], "/_reindex", REINDEX, to!(by_query::reindex))
        .json()
        .carried_on(),
    Route::new(&[Get, Post], "/_msearch", MULTI_SEARCH, to!(search::multi_search)).lines(),
    Route::new(
        &[Get, Post],
        "/{index}/_msearch",
        MULTI_SEARCH,
        to!(search::multi_search),
    )
    .lines(),
    Route::new(&[Get, Post], "/_search/scroll", SCROLL, to!(search::scroll)).json(),
    Route::new(
        &[Get, Post],
        "/_search/scroll/{scroll_id}",
        SCROLL,
        to!(search::scroll),
    )
    .json(),
    Route::new(&[Delete], "/_search/scroll", &[], to!(search::clear_scroll)).json(),
    Route::new(
        &[Delete],
        "/_search/scroll/{scroll_id}",
        &[],
        to!(search::clear_scroll),
    )
    .json(),
    Route::new(
        &[Post],
        "/{index}/_pit",
        OPEN_PIT,
        to!(search::open_point_in_time),
    )
    .json(),
    Route::new(&[Delete], "/_pit", &[], to!(search::close_point_in_time)).json(),
    Route::new(&[Get, Post], "/_count", COUNT, to!(search::count)).json(),
    Route::new(&[Get, Post], "/{index}/_count", COUNT, to!(search::count)).json(),
    Route::new(
        &[Get, Post],
        "/_field_caps",
        FIELD_CAPS,
        to!(field_caps::field_caps),
    )
    .json(),
    Route::new(
        &[Get, Post],
        "/{index}/_field_caps",
        FIELD_CAPS,
        to!(field_caps::field_caps),
    )
    .json(),
    Route::new(
        &[Get, Post],
        "/_validate/query",
        VALIDATE,
        to!(validate_query::validate),
    )
    .json(),
    Route::new(
        &[Get, Post],
        "/{index}/_validate/query",
        VALIDATE,
        to!(validate_query::validate),
    )
    .json(),
    Route::new(
        &[Get, Post],
        "/_search_shards",
        SEARCH_SHARDS,
        to!(search_shards::search_shards),
    ),
    Route::new(
        &[Get, Post],
        "/{index}/_search_shards",
        SEARCH_SHARDS,
        to!(search_shards::search_shards),
    ),
];

/// What Elasticsearch has and this server has not: it says so instead of not knowing the path.
pub(super) const NOT_OFFERED: &[Route] = &[
    Route::new(
        &[Get, Post],
        "/_search/template",
        SEARCH_ALL,
        to!(not_offered::search_template),
    )
    .json(),
    Route::new(
        &[Get, Post],
        "/{index}/_search/template",
        SEARCH_ALL,
        to!(not_offered::search_template),
    )
    .json(),
    Route::new(
        &[Get, Post],
        "/_msearch/template",
        MULTI_SEARCH,
        to!(not_offered::search_template),
    )
    .lines(),
    Route::new(
        &[Get, Post],
        "/{index}/_msearch/template",
        MULTI_SEARCH,
        to!(not_offered::search_template),
    )
    .lines(),
    Route::new(
        &[Get, Post],
        "/_render/template",
        &[],
        to!(not_offered::search_template),
    )
    .json(),
    Route::new(
        &[Get, Post],
        "/_render/template/{id}",
        &[],
        to!(not_offered::search_template),
    )
    .json(),
    Route::new(
        &[Get, Post],
        "/_rank_eval",
        RANK_EVAL,
        to!(not_offered::rank_eval),
    )
    .json(),
    Route::new(
        &[Get, Post],
        "/{index}/_rank_eval",
        RANK_EVAL,
        to!(not_offered::rank_eval),
    )
    .json(),
    Route::new(
        &[Get, Post],
        "/{index}/_termvectors",
        TERM_VECTORS,
        to!(not_offered::term_vectors),
    )
    .json(),
    Route::new(
        &[Get, Post],
        "/{index}/_termvectors/{id}",
        TERM_VECTORS,
        to!(not_offered::term_vectors),
    )
    .json(),
    Route::new(
        &[Get, Post],
        "/_mtermvectors",
        TERM_VECTORS,
        to!(not_offered::term_vectors),
    )
    .json(),
    Route::new(
        &[Get, Post],
        "/{index}/_mtermvectors",
        TERM_VECTORS,
        to!(not_offered::term_vectors),
    )
    .json(),
    Route::new(
        &[Get, Post],
        "/{index}/_explain/{id}",
        EXPLAIN,
        to!(not_offered::explain),
    )
    .json(),
    Route::new(
        &[Get, Post],
        "/{index}/_terms_enum",
        TARGET_ONLY,
        to!(not_offered::terms_enum),
    )
    .json(),
    Route::new(
        &[Get, Post],
        "/{index}/_knn_search",
        KNN,
        to!(not_offered::knn_search),
    )
    .json(),
];

const FIELD_CAPS: &[&[&str]] = &[
    TARGET,
    &[
        "fields",
        "include_unmapped",
        "filters",
        "types",
        "include_empty_fields",
    ],
];
const VALIDATE: &[&[&str]] = &[TARGET, QUERY_PARAMETERS, &["explain", "rewrite", "all_shards"]];
const SEARCH_SHARDS: &[&[&str]] = &[TARGET, &["routing", "preference", "local", "master_timeout"]];
const RANK_EVAL: &[&[&str]] = &[TARGET, &["search_type"]];
const TERM_VECTORS: &[&[&str]] = &[&[
    "ids",
    "field_statistics",
    "fields",
    "offsets",
    "payloads",
    "positions",
    "preference",
    "realtime",
    "routing",
    "term_statistics",
    "version",
    "version_type",
]];
const EXPLAIN: &[&[&str]] = &[SOURCE, QUERY_PARAMETERS, &["preference", "routing"]];
const TARGET_ONLY: &[&[&str]] = &[TARGET];
const KNN: &[&[&str]] = &[&["routing"]];

const SEARCH_ALL: &[&[&str]] = &[SEARCH, SEARCH_HINTS, QUERY_PARAMETERS, SOURCE, TARGET];
const COUNT: &[&[&str]] = &[
    TARGET,
    QUERY_PARAMETERS,
    &[
        "routing",
        "preference",
        "min_score",
        "terminate_after",
        "ignore_throttled",
    ],
];
const CHANGE_FOUND: &[&[&str]] = &[TARGET, QUERY_PARAMETERS, by_query::BY_QUERY, by_query::FOUND];
const REINDEX: &[&[&str]] = &[by_query::BY_QUERY, &["require_alias"]];
const SCROLL: &[&[&str]] = &[&["scroll", "scroll_id", "rest_total_hits_as_int"]];
const OPEN_PIT: &[&[&str]] = &[
    TARGET,
    &[
        "keep_alive",
        "routing",
        "preference",
        "allow_partial_search_results",
        "max_concurrent_shard_requests",
    ],
];
const MULTI_SEARCH: &[&[&str]] = &[
    TARGET,
    search::SEARCH_HINTS,
    &[
        "max_concurrent_searches",
        "rest_total_hits_as_int",
        "routing",
        "typed_keys",
    ],
];
