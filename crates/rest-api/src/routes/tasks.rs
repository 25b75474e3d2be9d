//! The routes of the task management APIs.

use super::{MASTER, TIMEOUT};
use crate::handlers::tasks;
use crate::route::Route;
use crate::route::Verb::{Get, Post};

pub(super) const TASKS: &[Route] = &[
    Route::new(&[Get], "/_tasks", LIST, to!(tasks::list)),
    Route::new(
        &[Get],
        "/_tasks/{task_id}",
        &[TIMEOUT, &["wait_for_completion"]],
        to!(tasks::get),
    ),
    Route::new(&[Post], "/_tasks/_cancel", LIST, to!(tasks::cancel)),
    Route::new(&[Post], "/_tasks/{task_id}/_cancel", LIST, to!(tasks::cancel)),
    Route::new(
        &[Post],
        "/_delete_by_query/{task_id}/_rethrottle",
        RETHROTTLE,
        to!(tasks::rethrottle),
    ),
    Route::new(
        &[Post],
        "/_update_by_query/{task_id}/_rethrottle",
        RETHROTTLE,
        to!(tasks::rethrottle),
    ),
    Route::new(
        &[Post],
        "/_reindex/{task_id}/_rethrottle",
        RETHROTTLE,
        to!(tasks::rethrottle),
    ),
];

const LIST: &[&[&str]] = &[
    MASTER,
    TIMEOUT,
    &[
        "actions",
        "detailed",
        "group_by",
        "nodes",
        "node_id",
        "parent_task_id",
        "wait_for_completion",
    ],
];
const RETHROTTLE: &[&[&str]] = &[&["requests_per_second", "group_by", "detailed"]];
