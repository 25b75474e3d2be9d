//! The APIs of documents.

use super::{Api, Field, QUERY_BODY};
use crate::openapi::parameters::Kind;

const GROUP: &str = "Documents";

pub(super) const DOCUMENTS: &[Api] = &[
    Api::new(
        GROUP,
        "index",
        &["PUT,POST /{index}/_doc/{id}", "POST /{index}/_doc"],
        "Writes a document",
    ),
    Api::new(
        GROUP,
        "create",
        &["PUT,POST /{index}/_create/{id}"],
        "Writes a document that must not be there",
    ),
    Api::new(
        GROUP,
        "delete",
        &["DELETE /{index}/_doc/{id}"],
        "Removes a document",
    ),
    Api::new(
        GROUP,
        "update",
        &["POST /{index}/_update/{id}"],
        "Changes parts of a document",
    )
    .differs("without scripts")
    .body(&[
        Field("doc", Kind::Object),
        Field("upsert", Kind::Object),
        Field("doc_as_upsert", Kind::Flag),
        Field("detect_noop", Kind::Flag),
        Field("_source", Kind::Any),
    ]),
    Api::new(GROUP, "get", &["GET,HEAD /{index}/_doc/{id}"], "A document"),
    Api::new(
        GROUP,
        "get_source",
        &["GET,HEAD /{index}/_source/{id}"],
        "The source of a document, and nothing else",
    ),
    Api::new(
        GROUP,
        "mget",
        &["GET,POST /_mget", "GET,POST /{index}/_mget"],
        "Several documents",
    )
    .body(&[Field("docs", Kind::Array), Field("ids", Kind::Array)]),
    Api::new(
        GROUP,
        "bulk",
        &["PUT,POST /_bulk", "PUT,POST /{index}/_bulk"],
        "Writes and removes many documents",
    )
    .differs("without scripts and pipelines"),
    Api::new(
        GROUP,
        "delete_by_query",
        &["POST /{index}/_delete_by_query"],
        "Removes the documents that a query finds",
    )
    .body(QUERY_BODY),
    Api::new(
        GROUP,
        "update_by_query",
        &["POST /{index}/_update_by_query"],
        "Writes the documents that a query finds again, so that a changed mapping holds for them",
    )
    .differs("without scripts")
    .body(QUERY_BODY),
    Api::new(
        GROUP,
        "reindex",
        &["POST /_reindex"],
        "Copies documents into another index",
    )
    .differs("within the cluster, without scripts")
    .body(&[
        Field("source", Kind::Object),
        Field("dest", Kind::Object),
        Field("max_docs", Kind::Count),
        Field("conflicts", Kind::OneOf(&["abort", "proceed"])),
    ]),
    Api::new(
        GROUP,
        "delete_by_query_rethrottle",
        &["POST /_delete_by_query/{task_id}/_rethrottle"],
        "Changes how fast a deletion by query is",
    ),
    Api::new(
        GROUP,
        "update_by_query_rethrottle",
        &["POST /_update_by_query/{task_id}/_rethrottle"],
        "Changes how fast an update by query is",
    ),
    Api::new(
        GROUP,
        "reindex_rethrottle",
        &["POST /_reindex/{task_id}/_rethrottle"],
        "Changes how fast a copy is",
    ),
];
