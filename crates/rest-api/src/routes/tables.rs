//! The routes of the cat APIs.

use crate::handlers::cat::{self, CAT, TASKS};
use crate::handlers::search::QUERY_PARAMETERS;
use crate::route::Route;
use crate::route::Verb::{Get, Post};

pub(super) const TABLES: &[Route] = &[
    Route::new(&[Get], "/_cat", &[CAT], to!(cat::list)),
    Route::new(&[Get], "/_cat/indices", CAT_INDICES, to!(cat::indices)),
    Route::new(&[Get], "/_cat/indices/{index}", CAT_INDICES, to!(cat::indices)),
    Route::new(&[Get], "/_cat/health", &[CAT], to!(cat::health)),
    Route::new(&[Get], "/_cat/recovery", CAT_RECOVERY, to!(cat::recovery)),
    Route::new(&[Get], "/_cat/recovery/{index}", CAT_RECOVERY, to!(cat::recovery)),
    Route::new(&[Get], "/_cat/shards", &[CAT], to!(cat::shards)),
    Route::new(&[Get], "/_cat/shards/{index}", &[CAT], to!(cat::shards)),
    Route::new(
        &[Get],
        "/_cat/nodes",
        &[CAT, &["full_id", "include_unloaded_segments"]],
        to!(cat::nodes),
    ),
    Route::new(&[Get, Post], "/_cat/count", CAT_COUNT, to!(cat::count)).json(),
    Route::new(&[Get, Post], "/_cat/count/{index}", CAT_COUNT, to!(cat::count)).json(),
    Route::new(&[Get], "/_cat/aliases", &[CAT], to!(cat::aliases)),
    Route::new(&[Get], "/_cat/aliases/{name}", &[CAT], to!(cat::aliases)),
    Route::new(&[Get], "/_cat/templates", &[CAT], to!(cat::templates)),
    Route::new(&[Get], "/_cat/templates/{name}", &[CAT], to!(cat::templates)),
    Route::new(&[Get], "/_cat/allocation", &[CAT], to!(cat::allocation)),
    Route::new(&[Get], "/_cat/allocation/{nodes}", &[CAT], to!(cat::allocation)),
    Route::new(&[Get], "/_cat/segments", &[CAT], to!(cat::segments)),
    Route::new(&[Get], "/_cat/segments/{index}", &[CAT], to!(cat::segments)),
    Route::new(
        &[Get],
        "/_cat/tasks",
        &[CAT, TASKS, &["timeout", "wait_for_completion"]],
        to!(cat::tasks),
    ),
    Route::new(&[Get], "/_cat/thread_pool", &[CAT], to!(cat::thread_pool)),
    Route::new(&[Get], "/_cat/thread_pool/{pools}", &[CAT], to!(cat::thread_pool)),
    Route::new(&[Get], "/_cat/pending_tasks", &[CAT], to!(cat::pending_tasks)),
    Route::new(&[Get], "/_cat/plugins", PLUGINS, to!(cat::plugins)),
    Route::new(&[Get], "/_cat/nodeattrs", &[CAT], to!(cat::node_attributes)),
    Route::new(&[Get], "/_cat/master", &[CAT], to!(cat::master)),
];

const PLUGINS: &[&[&str]] = &[CAT, &["include_bootstrap"]];
const CAT_COUNT: &[&[&str]] = &[CAT, QUERY_PARAMETERS];
const CAT_RECOVERY: &[&[&str]] = &[CAT, &["active_only", "detailed"]];
const CAT_INDICES: &[&[&str]] = &[CAT, &["health", "pri", "include_unloaded_segments"]];
