//! The APIs of tables for people.

use super::Api;

const GROUP: &str = "Tables (`_cat`)";

pub(super) const TABLES: &[Api] = &[
    Api::new(GROUP, "cat.help", &["GET /_cat"], "The tables that there are"),
    Api::new(
        GROUP,
        "cat.allocation",
        &["GET /_cat/allocation", "GET /_cat/allocation/{nodes}"],
        "Shards and disk of the node",
    ),
    Api::new(GROUP, "cat.master", &["GET /_cat/master"], "The node again"),
    Api::new(
        GROUP,
        "cat.nodeattrs",
        &["GET /_cat/nodeattrs"],
        "Attributes of the node, of which there are none",
    ),
    Api::new(
        GROUP,
        "cat.pending_tasks",
        &["GET /_cat/pending_tasks"],
        "Changes of the cluster's state that wait",
    ),
    Api::new(
        GROUP,
        "cat.plugins",
        &["GET /_cat/plugins"],
        "Plugins, of which there are none",
    ),
    Api::new(
        GROUP,
        "cat.segments",
        &["GET /_cat/segments", "GET /_cat/segments/{index}"],
        "Segments of the search view",
    ),
    Api::new(GROUP, "cat.tasks", &["GET /_cat/tasks"], "What the node is doing"),
    Api::new(
        GROUP,
        "cat.thread_pool",
        &["GET /_cat/thread_pool", "GET /_cat/thread_pool/{pools}"],
        "Threads by what they do",
    ),
    Api::new(
        GROUP,
        "cat.aliases",
        &["GET /_cat/aliases", "GET /_cat/aliases/{name}"],
        "Aliases",
    ),
    Api::new(
        GROUP,
        "cat.count",
        &[
            "GET /_cat/count",
            "POST /_cat/count",
            "GET /_cat/count/{index}",
            "POST /_cat/count/{index}",
        ],
        "Number of documents",
    ),
    Api::new(
        GROUP,
        "cat.health",
        &["GET /_cat/health"],
        "Health of the cluster",
    ),
    Api::new(
        GROUP,
        "cat.indices",
        &["GET /_cat/indices", "GET /_cat/indices/{index}"],
        "Indices",
    ),
    Api::new(GROUP, "cat.nodes", &["GET /_cat/nodes"], "The node"),
    Api::new(
        GROUP,
        "cat.recovery",
        &["GET /_cat/recovery", "GET /_cat/recovery/{index}"],
        "How followers' shards were copied",
    )
    .differs("only shards that this node has copied from a leader since it started"),
    Api::new(
        GROUP,
        "cat.shards",
        &["GET /_cat/shards", "GET /_cat/shards/{index}"],
        "Shards",
    ),
    Api::new(
        GROUP,
        "cat.templates",
        &["GET /_cat/templates", "GET /_cat/templates/{name}"],
        "Templates",
    ),
];
