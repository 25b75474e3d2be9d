//! The routes of the template APIs.

use super::{FLAT, LOCAL, MASTER, TIMEOUT};
use crate::handlers::templates;
use crate::route::Route;
use crate::route::Verb::{Delete, Get, Head, Post, Put};

const PUT: &[&[&str]] = &[MASTER, TIMEOUT, &["create", "cause"]];
const GET: &[&[&str]] = &[FLAT, LOCAL, MASTER, &["include_defaults"]];
const EXISTS: &[&[&str]] = &[FLAT, LOCAL, MASTER];
const DELETE: &[&[&str]] = &[MASTER, TIMEOUT];
const SIMULATE: &[&[&str]] = &[FLAT, MASTER, &["create", "cause", "include_defaults"]];

pub(super) const TEMPLATES: &[Route] = &[
    Route::new(
        &[Put, Post],
        "/_component_template/{name}",
        PUT,
        to!(templates::put_component_template),
    )
    .json()
    .carried_on(),
    Route::new(
        &[Get],
        "/_component_template",
        GET,
        to!(templates::get_component_template),
    ),
    Route::new(
        &[Get],
        "/_component_template/{name}",
        GET,
        to!(templates::get_component_template),
    ),
    Route::new(
        &[Head],
        "/_component_template/{name}",
        EXISTS,
        to!(templates::component_template_exists),
    ),
    Route::new(
        &[Delete],
        "/_component_template/{name}",
        DELETE,
        to!(templates::delete_component_template),
    )
    .carried_on(),
    Route::new(
        &[Put, Post],
        "/_index_template/{name}",
        PUT,
        to!(templates::put_index_template),
    )
    .json()
    .carried_on(),
    Route::new(
        &[Get],
        "/_index_template",
        GET,
        to!(templates::get_index_template),
    ),
    Route::new(
        &[Get],
        "/_index_template/{name}",
        GET,
        to!(templates::get_index_template),
    ),
    Route::new(
        &[Head],
        "/_index_template/{name}",
        EXISTS,
        to!(templates::index_template_exists),
    ),
    Route::new(
        &[Delete],
        "/_index_template/{name}",
        DELETE,
        to!(templates::delete_index_template),
    )
    .carried_on(),
    Route::new(
        &[Post],
        "/_index_template/_simulate_index/{name}",
        SIMULATE,
        to!(templates::simulate_index),
    )
    .json(),
    Route::new(
        &[Post],
        "/_index_template/_simulate",
        SIMULATE,
        to!(templates::simulate_template),
    )
    .json(),
    Route::new(
        &[Post],
        "/_index_template/_simulate/{name}",
        SIMULATE,
        to!(templates::simulate_template),
    )
    .json(),
    Route::new(
        &[Put, Post],
        "/_template/{name}",
        &[MASTER, TIMEOUT, &["create", "cause", "order"]],
        to!(templates::put_template),
    )
    .json()
    .carried_on(),
    Route::new(&[Get], "/_template", EXISTS, to!(templates::get_template)),
    Route::new(&[Get], "/_template/{name}", EXISTS, to!(templates::get_template)),
    Route::new(
        &[Head],
        "/_template/{name}",
        EXISTS,
        to!(templates::template_exists),
    ),
    Route::new(
        &[Delete],
        "/_template/{name}",
        DELETE,
        to!(templates::delete_template),
    )
    .carried_on(),
];
