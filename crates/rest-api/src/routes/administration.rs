//! The routes that tell of the cluster and its nodes.

use super::{FLAT, LOCAL, MASTER, TIMEOUT};
use crate::handlers::cache::CACHES;
use crate::handlers::targets::TARGET;
use crate::handlers::{allocation_explain, cache, cluster_stats, nodes, pending_tasks, segments};
use crate::route::Route;
use crate::route::Verb::{Get, Post};

pub(super) const ADMINISTRATION: &[Route] = &[
    Route::new(&[Get], "/_nodes", INFO, to!(nodes::nodes)),
    Route::new(&[Get], "/_nodes/{nodes}", INFO, to!(nodes::nodes)),
    Route::new(&[Get], "/_nodes/{nodes}/{metrics}", INFO, to!(nodes::nodes)),
    Route::new(&[Get], "/_nodes/stats", STATS, to!(nodes::stats)),
    Route::new(&[Get], "/_nodes/stats/{metrics}", STATS, to!(nodes::stats)),
    Route::new(
        &[Get],
        "/_nodes/stats/{metrics}/{index_metrics}",
        STATS,
        to!(nodes::stats),
    ),
    Route::new(&[Get], "/_nodes/{nodes}/stats", STATS, to!(nodes::stats)),
    Route::new(
        &[Get],
        "/_nodes/{nodes}/stats/{metrics}",
        STATS,
        to!(nodes::stats),
    ),
    Route::new(
        &[Get],
        "/_nodes/{nodes}/stats/{metrics}/{index_metrics}",
        STATS,
        to!(nodes::stats),
    ),
    Route::new(
        &[Get],
        "/_cluster/stats",
        CLUSTER_STATS,
        to!(cluster_stats::stats),
    ),
    Route::new(
        &[Get],
        "/_cluster/stats/nodes/{nodes}",
        CLUSTER_STATS,
        to!(cluster_stats::stats),
    ),
    Route::new(
        &[Get],
        "/_cluster/pending_tasks",
        &[MASTER, LOCAL],
        to!(pending_tasks::pending_tasks),
    ),
    Route::new(
        &[Get, Post],
        "/_cluster/allocation/explain",
        &[MASTER, &["include_yes_decisions", "include_disk_info"]],
        to!(allocation_explain::explain),
    )
    .json(),
    Route::new(&[Get], "/_segments", &[TARGET], to!(segments::segments)),
    Route::new(&[Get], "/{index}/_segments", &[TARGET], to!(segments::segments)),
    Route::new(&[Post], "/_cache/clear", &[TARGET, CACHES], to!(cache::clear)),
    Route::new(
        &[Post],
        "/{index}/_cache/clear",
        &[TARGET, CACHES],
        to!(cache::clear),
    ),
];

const INFO: &[&[&str]] = &[FLAT, TIMEOUT];
const STATS: &[&[&str]] = &[
    TIMEOUT,
    &[
        "level",
        "completion_fields",
        "fielddata_fields",
        "fields",
        "groups",
        "types",
        "include_segment_file_sizes",
        "include_unloaded_segments",
    ],
];
const CLUSTER_STATS: &[&[&str]] = &[FLAT, TIMEOUT, &["include_remotes"]];
