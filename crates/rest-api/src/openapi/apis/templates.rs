//! The APIs of templates.

use super::{Api, Field};
use crate::openapi::parameters::Kind;

const GROUP: &str = "Templates";

pub(super) const TEMPLATES: &[Api] = &[
    Api::new(
        GROUP,
        "cluster.put_component_template",
        &["PUT,POST /_component_template/{name}"],
        "Puts a part that index templates are made of",
    ),
    Api::new(
        GROUP,
        "cluster.get_component_template",
        &["GET /_component_template", "GET /_component_template/{name}"],
        "Component templates",
    ),
    Api::new(
        GROUP,
        "cluster.exists_component_template",
        &["HEAD /_component_template/{name}"],
        "Whether a component template is there",
    ),
    Api::new(
        GROUP,
        "cluster.delete_component_template",
        &["DELETE /_component_template/{name}"],
        "Removes component templates",
    ),
    Api::new(
        GROUP,
        "indices.put_index_template",
        &["PUT,POST /_index_template/{name}"],
        "Puts what new indices whose names match begin with",
    ),
    Api::new(
        GROUP,
        "indices.get_index_template",
        &["GET /_index_template", "GET /_index_template/{name}"],
        "Index templates",
    ),
    Api::new(
        GROUP,
        "indices.exists_index_template",
        &["HEAD /_index_template/{name}"],
        "Whether an index template is there",
    ),
    Api::new(
        GROUP,
        "indices.delete_index_template",
        &["DELETE /_index_template/{name}"],
        "Removes index templates",
    ),
    Api::new(
        GROUP,
        "indices.simulate_index_template",
        &["POST /_index_template/_simulate_index/{name}"],
        "What an index of this name would begin with",
    ),
    Api::new(
        GROUP,
        "indices.simulate_template",
        &[
            "POST /_index_template/_simulate",
            "POST /_index_template/_simulate/{name}",
        ],
        "What a template comes to",
    ),
    Api::new(
        GROUP,
        "indices.put_template",
        &["PUT,POST /_template/{name}"],
        "Puts a template of the old kind, which applies where no index template does",
    )
    .body(&[
        Field("index_patterns", Kind::Any),
        Field("order", Kind::Any),
        Field("version", Kind::Any),
        Field("settings", Kind::Object),
        Field("mappings", Kind::Object),
        Field("aliases", Kind::Object),
    ]),
    Api::new(
        GROUP,
        "indices.get_template",
        &["GET /_template", "GET /_template/{name}"],
        "Templates of the old kind",
    ),
    Api::new(
        GROUP,
        "indices.exists_template",
        &["HEAD /_template/{name}"],
        "Whether a template of the old kind is there",
    ),
    Api::new(
        GROUP,
        "indices.delete_template",
        &["DELETE /_template/{name}"],
        "Removes a template of the old kind",
    ),
];
