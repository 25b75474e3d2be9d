//! The routes of the data stream APIs.

use super::{MASTER, TIMEOUT};
use crate::handlers::data_streams;
use crate::route::Route;
use crate::route::Verb::{Delete, Get, Post, Put};

const GET: &[&[&str]] = &[MASTER, &["expand_wildcards", "include_defaults", "verbose"]];
const CHANGE: &[&[&str]] = &[MASTER, TIMEOUT];
const STATS: &[&[&str]] = &[&["expand_wildcards", "forbid_closed_indices"]];

pub(super) const DATA_STREAMS: &[Route] = &[
    Route::new(&[Get], "/_data_stream", GET, to!(data_streams::get_data_stream)),
    Route::new(
        &[Get],
        "/_data_stream/{name}",
        GET,
        to!(data_streams::get_data_stream),
    ),
    Route::new(
        &[Put],
        "/_data_stream/{name}",
        CHANGE,
        to!(data_streams::create_data_stream),
    )
    .carried_on(),
    Route::new(
        &[Delete],
        "/_data_stream/{name}",
        &[MASTER, &["expand_wildcards"]],
        to!(data_streams::delete_data_stream),
    )
    .carried_on(),
    Route::new(
        &[Get],
        "/_data_stream/_stats",
        STATS,
        to!(data_streams::data_stream_stats),
    ),
    Route::new(
        &[Get],
        "/_data_stream/{name}/_stats",
        STATS,
        to!(data_streams::data_stream_stats),
    ),
    Route::new(
        &[Post],
        "/_data_stream/_promote/{name}",
        CHANGE,
        to!(data_streams::promote_data_stream),
    )
    .carried_on(),
    Route::new(
        &[Post],
        "/_data_stream/_migrate/{name}",
        CHANGE,
        to!(data_streams::migrate),
    ),
    Route::new(
        &[Post],
        "/_data_stream/_modify",
        CHANGE,
        to!(data_streams::modify),
    )
    .json(),
];
