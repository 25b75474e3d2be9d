//! The routes of cross-cluster replication.

use super::{ACTIVE, FLAT, MASTER, TIMEOUT};
use crate::handlers::ccr;
use crate::route::Route;
use crate::route::Verb::{Delete, Get, Post, Put};

pub(super) const REPLICATION: &[Route] = &[
    Route::new(
        &[Put],
        "/{index}/_ccr/follow",
        &[MASTER, ACTIVE],
        to!(ccr::follow),
    )
    .json()
    .carried_on(),
    Route::new(
        &[Post],
        "/{index}/_ccr/pause_follow",
        &[MASTER],
        to!(ccr::pause_follow),
    )
    .carried_on(),
    Route::new(
        &[Post],
        "/{index}/_ccr/resume_follow",
        &[MASTER],
        to!(ccr::resume_follow),
    )
    .json()
    .carried_on(),
    Route::new(&[Post], "/{index}/_ccr/unfollow", &[MASTER], to!(ccr::unfollow)).carried_on(),
    Route::new(
        &[Post],
        "/{index}/_ccr/forget_follower",
        &[TIMEOUT],
        to!(ccr::forget_follower),
    )
    .json()
    .carried_on(),
    Route::new(&[Get], "/{index}/_ccr/stats", &[TIMEOUT], to!(ccr::follow_stats)),
    Route::new(&[Get], "/{index}/_ccr/info", &[MASTER], to!(ccr::info)),
    Route::new(&[Get], "/_ccr/stats", &[MASTER, TIMEOUT], to!(ccr::stats)),
    Route::new(&[Get], "/_xpack/usage", &[MASTER], to!(ccr::usage)),
];

pub(super) const AUTO_FOLLOW: &[Route] = &[
    Route::new(
        &[Put],
        "/_ccr/auto_follow/{name}",
        &[MASTER],
        to!(ccr::put_auto_follow_pattern),
    )
    .json()
    .carried_on(),
    Route::new(
        &[Get],
        "/_ccr/auto_follow",
        &[FLAT, MASTER],
        to!(ccr::get_auto_follow_pattern),
    ),
    Route::new(
        &[Get],
        "/_ccr/auto_follow/{name}",
        &[FLAT, MASTER],
        to!(ccr::get_auto_follow_pattern),
    ),
    Route::new(
        &[Delete],
        "/_ccr/auto_follow/{name}",
        &[MASTER],
        to!(ccr::delete_auto_follow_pattern),
    )
    .carried_on(),
    Route::new(
        &[Post],
        "/_ccr/auto_follow/{name}/pause",
        &[MASTER],
        to!(ccr::pause_auto_follow_pattern),
    )
    .carried_on(),
    Route::new(
        &[Post],
        "/_ccr/auto_follow/{name}/resume",
        &[MASTER],
        to!(ccr::resume_auto_follow_pattern),
    )
    .carried_on(),
    Route::new(
        &[Post],
        "/_ccr/auto_follow/_preview",
        &[MASTER],
        to!(ccr::preview_auto_follow),
    )
    .json(),
    Route::new(
        &[Get],
        "/_ccr/auto_follow/{name}/_preview",
        &[MASTER],
        to!(ccr::preview_auto_follow),
    ),
];
