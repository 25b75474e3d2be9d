//! The routes of searches, and of writes to what a search finds.

use crate::handlers::document::SOURCE;
use crate::handlers::search::{QUERY_PARAMETERS, SEARCH, SEARCH_HINTS};
use crate::handlers::targets::TARGET;
use crate::handlers::{by_query, search};
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
];

const SEARCH_ALL: &[&[&str]] = &[SEARCH, SEARCH_HINTS, QUERY_PARAMETERS, SOURCE, TARGET];
const COUNT: &[&[&str]] = &[
    TARGET,
    QUERY_PARAMETERS,
    &["routing", "preference", "terminate_after", "ignore_throttled"],
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
