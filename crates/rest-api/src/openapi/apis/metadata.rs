//! The APIs of mappings, settings and aliases.

use super::{Api, Field};
use crate::openapi::parameters::Kind;

const GROUP: &str = "Mappings, settings, aliases";

pub(super) const METADATA: &[Api] = &[
    Api::new(
        GROUP,
        "indices.get_mapping",
        &["GET /_mapping", "GET /{index}/_mapping", "GET /{index}/_mappings"],
        "Mappings",
    ),
    Api::new(
        GROUP,
        "indices.get_field_mapping",
        &[
            "GET /_mapping/field/{fields}",
            "GET /{index}/_mapping/field/{fields}",
        ],
        "Mappings of fields",
    ),
    Api::new(
        GROUP,
        "indices.put_mapping",
        &["PUT,POST /{index}/_mapping", "PUT,POST /{index}/_mappings"],
        "Adds fields to a mapping",
    )
    .differs("objects of `nested` fields are not kept apart"),
    Api::new(
        GROUP,
        "indices.analyze",
        &["GET,POST /_analyze", "GET,POST /{index}/_analyze"],
        "What an analyzer makes of a text",
    ),
    Api::new(
        GROUP,
        "indices.get_settings",
        &[
            "GET /_settings",
            "GET /_settings/{name}",
            "GET /{index}/_settings",
            "GET /{index}/_settings/{name}",
        ],
        "Settings of indices",
    ),
    Api::new(
        GROUP,
        "indices.put_settings",
        &["PUT /_settings", "PUT /{index}/_settings"],
        "Changes settings of indices",
    )
    .differs("what has no effect here is told in [index-settings.md](index-settings.md)"),
    Api::new(
        GROUP,
        "indices.get_alias",
        &[
            "GET /_alias",
            "GET /_alias/{name}",
            "GET /{index}/_alias",
            "GET /{index}/_alias/{name}",
            "GET /_aliases",
        ],
        "Aliases",
    ),
    Api::new(
        GROUP,
        "indices.exists_alias",
        &[
            "HEAD /_alias/{name}",
            "HEAD /{index}/_alias",
            "HEAD /{index}/_alias/{name}",
        ],
        "Whether aliases are there",
    ),
    Api::new(
        GROUP,
        "indices.put_alias",
        &[
            "PUT,POST /{index}/_alias/{name}",
            "PUT,POST /{index}/_aliases/{name}",
        ],
        "Adds an alias",
    )
    .body(&[
        Field("filter", Kind::Object),
        Field("routing", Kind::Text),
        Field("index_routing", Kind::Text),
        Field("search_routing", Kind::Text),
        Field("is_write_index", Kind::Flag),
    ]),
    Api::new(
        GROUP,
        "indices.delete_alias",
        &["DELETE /{index}/_alias/{name}", "DELETE /{index}/_aliases/{name}"],
        "Removes an alias",
    ),
    Api::new(
        GROUP,
        "indices.update_aliases",
        &["POST /_aliases"],
        "Adds and removes aliases, and removes indices, all or nothing",
    )
    .body(&[Field("actions", Kind::Array)]),
];
