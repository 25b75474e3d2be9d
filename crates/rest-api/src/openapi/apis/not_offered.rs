//! What users of Elasticsearch may look for, and will not find.

pub(in crate::openapi) const NOT_OFFERED: &[(&str, &str)] = &[
    (
        "snapshots and restore",
        "the second cluster is the copy; `ccr-node check` verifies the files of a node",
    ),
    (
        "scripts, ingest pipelines, transforms, watches",
        "documents are kept as they were sent",
    ),
    (
        "security (users, roles, API keys)",
        "every caller may do everything: put a proxy before the node",
    ),
    (
        "machine learning, vectors (`knn`, `dense_vector`), suggesters, percolator",
        "not what the server is for",
    ),
    (
        "searches across clusters (`alias:index`), Elasticsearch clusters as leaders or followers",
        "remote clusters are there for replication and `_resolve/cluster`, between nodes of this kind: search the follower",
    ),
    (
        "ES|QL, SQL, EQL, async search, search templates",
        "the query DSL says what is to be found",
    ),
    (
        "index lifecycle management",
        "rollover, close and delete are there for what decides",
    ),
    (
        "split, shrink, clone, reroute, allocation commands",
        "a cluster is one node here",
    ),
    ("term vectors, rank evaluation", "not kept"),
];
