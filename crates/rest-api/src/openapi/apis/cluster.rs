//! The APIs of the cluster and the node.

use super::{Api, Field};
use crate::openapi::parameters::Kind;

const GROUP: &str = "Cluster and node";

pub(super) const CLUSTER: &[Api] = &[
    Api::new(GROUP, "info", &["GET,HEAD /"], "Name and version"),
    Api::new(
        GROUP,
        "openapi",
        &["GET /_openapi.json"],
        "This description, for programs",
    )
    .differs("not in Elasticsearch"),
    Api::new(
        GROUP,
        "cluster.health",
        &["GET /_cluster/health", "GET /_cluster/health/{index}"],
        "Health of the cluster or of indices; waits for it",
    ),
    Api::new(
        GROUP,
        "cluster.get_settings",
        &["GET /_cluster/settings"],
        "Settings of the cluster",
    ),
    Api::new(
        GROUP,
        "cluster.put_settings",
        &["PUT /_cluster/settings"],
        "Changes settings of the cluster, remote clusters among them",
    )
    .body(&[
        Field("persistent", Kind::Object),
        Field("transient", Kind::Object),
    ]),
    Api::new(
        GROUP,
        "cluster.state",
        &[
            "GET /_cluster/state",
            "GET /_cluster/state/{metrics}",
            "GET /_cluster/state/{metrics}/{index}",
        ],
        "The state of the cluster",
    ),
    Api::new(
        GROUP,
        "cluster.stats",
        &["GET /_cluster/stats", "GET /_cluster/stats/nodes/{nodes}"],
        "Counts and sizes of everything",
    )
    .differs("what is not measured is left out, never made up"),
    Api::new(
        GROUP,
        "cluster.pending_tasks",
        &["GET /_cluster/pending_tasks"],
        "Changes of the cluster's state that wait",
    ),
    Api::new(
        GROUP,
        "cluster.allocation_explain",
        &["GET,POST /_cluster/allocation/explain"],
        "Why a shard is where it is, or nowhere",
    ),
    Api::new(
        GROUP,
        "nodes.info",
        &[
            "GET /_nodes",
            "GET /_nodes/{nodes}",
            "GET /_nodes/{nodes}/{metrics}",
        ],
        "What the node is and where it listens",
    )
    .differs("there is no JVM, and there are no plugins"),
    Api::new(
        GROUP,
        "nodes.stats",
        &[
            "GET /_nodes/stats",
            "GET /_nodes/stats/{metrics}",
            "GET /_nodes/stats/{metrics}/{index_metrics}",
            "GET /_nodes/{nodes}/stats",
            "GET /_nodes/{nodes}/stats/{metrics}",
            "GET /_nodes/{nodes}/stats/{metrics}/{index_metrics}",
        ],
        "What the node uses and does",
    )
    .differs("what is not measured is left out, never made up"),
    Api::new(GROUP, "tasks.list", &["GET /_tasks"], "What the node is doing"),
    Api::new(
        GROUP,
        "tasks.get",
        &["GET /_tasks/{task_id}"],
        "A task, or what it came to",
    )
    .differs("results are kept in memory, the last 1,000 of them"),
    Api::new(
        GROUP,
        "tasks.cancel",
        &["POST /_tasks/_cancel", "POST /_tasks/{task_id}/_cancel"],
        "Ends tasks",
    )
    .differs("a follow task is paused instead"),
];
