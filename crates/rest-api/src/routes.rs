//! The route table: every endpoint, the parameters it takes, and who handles it.
//!
//! A parameter that is not in here is refused by name before the handler runs, so this table is what the API accepts.

use crate::handlers::document::{SOURCE, WRITE};
use crate::handlers::targets::TARGET;
use crate::handlers::{
    aliases, analyze, blocks, cluster_health, cluster_settings, cluster_state, document, index_admin,
    index_metadata, recovery, remote_info, resolve, resolve_cluster, rollover, root, stats,
};
use crate::route::Route;
use crate::route::Verb::{Delete, Get, Head, Post, Put};

/// Waiting for the master, and for the nodes.
const MASTER: &[&str] = &["master_timeout"];
const TIMEOUT: &[&str] = &["timeout"];
const FLAT: &[&str] = &["flat_settings"];
const LOCAL: &[&str] = &["local"];
const ACTIVE: &[&str] = &["wait_for_active_shards"];

/// An asynchronous function as a [`Handler`](crate::route::Handler).
macro_rules! to {
    ($($handler:tt)+) => {
        |call| Box::pin($($handler)+(call))
    };
}

// After the macro, which it uses.
mod administration;
mod data_streams;
mod replication;
mod searches;
mod tables;
mod tasks;
mod templates;

/// Every route.
pub(crate) fn all() -> impl Iterator<Item = Route> {
    [
        CLUSTER,
        INDICES,
        METADATA,
        templates::TEMPLATES,
        data_streams::DATA_STREAMS,
        DOCUMENTS,
        searches::SEARCHES,
        searches::NOT_OFFERED,
        tables::TABLES,
        tasks::TASKS,
        administration::ADMINISTRATION,
        replication::REPLICATION,
        replication::AUTO_FOLLOW,
    ]
    .into_iter()
    .flatten()
    .copied()
}

const CLUSTER: &[Route] = &[
    Route::new(&[Get, Head], "/", &[], to!(root::info)),
    Route::new(&[Get], "/_openapi.json", &[], to!(root::openapi)),
    Route::new(
        &[Get],
        "/_cluster/health",
        &[HEALTH, TARGET, MASTER, TIMEOUT, LOCAL, ACTIVE],
        to!(cluster_health::health),
    ),
    Route::new(
        &[Get],
        "/_cluster/health/{index}",
        &[HEALTH, TARGET, MASTER, TIMEOUT, LOCAL, ACTIVE],
        to!(cluster_health::health),
    ),
    Route::new(
        &[Get],
        "/_cluster/settings",
        &[FLAT, MASTER, TIMEOUT, &["include_defaults"]],
        to!(cluster_settings::get),
    ),
    Route::new(
        &[Put],
        "/_cluster/settings",
        &[FLAT, MASTER, TIMEOUT],
        to!(cluster_settings::put),
    )
    .json()
    .carried_on(),
    Route::new(&[Get], "/_cluster/state", STATE, to!(cluster_state::state)),
    Route::new(
        &[Get],
        "/_cluster/state/{metrics}",
        STATE,
        to!(cluster_state::state),
    ),
    Route::new(
        &[Get],
        "/_cluster/state/{metrics}/{index}",
        STATE,
        to!(cluster_state::state),
    ),
    Route::new(&[Get], "/_remote/info", &[], to!(remote_info::info)),
];

const HEALTH: &[&str] = &[
    "level",
    "wait_for_status",
    "wait_for_nodes",
    "wait_for_events",
    "wait_for_no_relocating_shards",
    "wait_for_no_initializing_shards",
];
const STATE: &[&[&str]] = &[
    FLAT,
    MASTER,
    TARGET,
    LOCAL,
    &["wait_for_metadata_version", "wait_for_timeout"],
];
const INDICES: &[Route] = &[
    Route::new(
        &[Put],
        "/{index}",
        &[MASTER, TIMEOUT, ACTIVE],
        to!(index_admin::create_index),
    )
    .json()
    .carried_on(),
    Route::new(
        &[Get],
        "/{index}",
        &[TARGET, MASTER, FLAT, LOCAL, &["include_defaults", "features"]],
        to!(index_metadata::get_index),
    ),
    Route::new(
        &[Head],
        "/{index}",
        &[TARGET, MASTER, FLAT, LOCAL, &["include_defaults"]],
        to!(index_metadata::index_exists),
    ),
    Route::new(
        &[Delete],
        "/{index}",
        &[TARGET, MASTER, TIMEOUT],
        to!(index_admin::delete_index),
    )
    .carried_on(),
    Route::new(
        &[Post],
        "/{index}/_open",
        &[TARGET, MASTER, TIMEOUT, ACTIVE],
        to!(index_admin::open_index),
    )
    .carried_on(),
    Route::new(
        &[Post],
        "/{index}/_close",
        &[TARGET, MASTER, TIMEOUT, ACTIVE],
        to!(index_admin::close_index),
    )
    .carried_on(),
    Route::new(
        &[Put],
        "/{index}/_block/{block}",
        &[TARGET, MASTER, TIMEOUT],
        to!(blocks::add),
    )
    .carried_on(),
    Route::new(
        &[Delete],
        "/{index}/_block/{block}",
        &[TARGET, MASTER, TIMEOUT],
        to!(blocks::remove),
    )
    .carried_on(),
    Route::new(
        &[Get, Post],
        "/_resolve/index/{name}",
        &[TARGET],
        to!(resolve::resolve_index),
    ),
    Route::new(
        &[Get],
        "/_resolve/cluster",
        &[TARGET, TIMEOUT, &["ignore_throttled"]],
        to!(resolve_cluster::resolve_cluster),
    ),
    Route::new(
        &[Get],
        "/_resolve/cluster/{name}",
        &[TARGET, TIMEOUT, &["ignore_throttled"]],
        to!(resolve_cluster::resolve_cluster),
    ),
    Route::new(&[Post], "/{index}/_rollover", ROLLOVER, to!(rollover::rollover))
        .json()
        .carried_on(),
    Route::new(
        &[Post],
        "/{index}/_rollover/{new_index}",
        ROLLOVER,
        to!(rollover::rollover),
    )
    .json()
    .carried_on(),
    Route::new(&[Get, Post], "/_refresh", &[TARGET], to!(index_admin::refresh)),
    Route::new(
        &[Get, Post],
        "/{index}/_refresh",
        &[TARGET],
        to!(index_admin::refresh),
    ),
    Route::new(&[Get, Post], "/_flush", &[TARGET, FLUSH], to!(index_admin::flush)),
    Route::new(
        &[Get, Post],
        "/{index}/_flush",
        &[TARGET, FLUSH],
        to!(index_admin::flush),
    ),
    Route::new(
        &[Post],
        "/_forcemerge",
        &[TARGET, FORCE_MERGE],
        to!(index_admin::force_merge),
    )
    .carried_on(),
    Route::new(
        &[Post],
        "/{index}/_forcemerge",
        &[TARGET, FORCE_MERGE],
        to!(index_admin::force_merge),
    )
    .carried_on(),
    Route::new(&[Get], "/_recovery", RECOVERY, to!(recovery::recovery)),
    Route::new(&[Get], "/{index}/_recovery", RECOVERY, to!(recovery::recovery)),
    Route::new(&[Get], "/_stats", STATS, to!(stats::stats)),
    Route::new(&[Get], "/_stats/{metric}", STATS, to!(stats::stats)),
    Route::new(&[Get], "/{index}/_stats", STATS, to!(stats::stats)),
    Route::new(&[Get], "/{index}/_stats/{metric}", STATS, to!(stats::stats)),
];

const ROLLOVER: &[&[&str]] = &[MASTER, TIMEOUT, ACTIVE, &["dry_run", "lazy"]];
const FLUSH: &[&str] = &["force", "wait_if_ongoing"];
const FORCE_MERGE: &[&str] = &[
    "max_num_segments",
    "only_expunge_deletes",
    "flush",
    "wait_for_completion",
];
const RECOVERY: &[&[&str]] = &[TARGET, &["active_only", "detailed"]];
const STATS: &[&[&str]] = &[
    TARGET,
    &[
        "level",
        "completion_fields",
        "fielddata_fields",
        "fields",
        "groups",
        "include_segment_file_sizes",
        "include_unloaded_segments",
        "forbid_closed_indices",
    ],
];

const METADATA: &[Route] = &[
    Route::new(
        &[Get],
        "/_mapping",
        &[TARGET, MASTER, LOCAL],
        to!(index_metadata::get_mapping),
    ),
    Route::new(
        &[Get],
        "/{index}/_mapping",
        &[TARGET, MASTER, LOCAL],
        to!(index_metadata::get_mapping),
    ),
    Route::new(
        &[Get],
        "/{index}/_mappings",
        &[TARGET, MASTER, LOCAL],
        to!(index_metadata::get_mapping),
    ),
    Route::new(
        &[Get],
        "/_mapping/field/{fields}",
        &[TARGET, LOCAL, &["include_defaults"]],
        to!(index_metadata::get_field_mapping),
    ),
    Route::new(
        &[Get],
        "/{index}/_mapping/field/{fields}",
        &[TARGET, LOCAL, &["include_defaults"]],
        to!(index_metadata::get_field_mapping),
    ),
    Route::new(
        &[Put, Post],
        "/{index}/_mapping",
        PUT_MAPPING,
        to!(index_admin::put_mapping),
    )
    .json()
    .carried_on(),
    Route::new(
        &[Put, Post],
        "/{index}/_mappings",
        PUT_MAPPING,
        to!(index_admin::put_mapping),
    )
    .json()
    .carried_on(),
    Route::new(&[Get, Post], "/_analyze", &[], to!(analyze::analyze)).json(),
    Route::new(&[Get, Post], "/{index}/_analyze", &[], to!(analyze::analyze)).json(),
    Route::new(&[Get], "/_settings", SETTINGS, to!(index_metadata::get_settings)),
    Route::new(
        &[Get],
        "/_settings/{name}",
        SETTINGS,
        to!(index_metadata::get_settings),
    ),
    Route::new(
        &[Get],
        "/{index}/_settings",
        SETTINGS,
        to!(index_metadata::get_settings),
    ),
    Route::new(
        &[Get],
        "/{index}/_settings/{name}",
        SETTINGS,
        to!(index_metadata::get_settings),
    ),
    Route::new(&[Put], "/_settings", PUT_SETTINGS, to!(index_admin::put_settings))
        .json()
        .carried_on(),
    Route::new(
        &[Put],
        "/{index}/_settings",
        PUT_SETTINGS,
        to!(index_admin::put_settings),
    )
    .json()
    .carried_on(),
    Route::new(&[Get], "/_alias", ALIAS, to!(aliases::get_alias)),
    Route::new(&[Get], "/_alias/{name}", ALIAS, to!(aliases::get_alias)),
    Route::new(&[Get], "/{index}/_alias", ALIAS, to!(aliases::get_alias)),
    Route::new(&[Get], "/{index}/_alias/{name}", ALIAS, to!(aliases::get_alias)),
    Route::new(&[Head], "/_alias/{name}", ALIAS, to!(aliases::alias_exists)),
    Route::new(&[Head], "/{index}/_alias", ALIAS, to!(aliases::alias_exists)),
    Route::new(
        &[Head],
        "/{index}/_alias/{name}",
        ALIAS,
        to!(aliases::alias_exists),
    ),
    Route::new(
        &[Put, Post],
        "/{index}/_alias/{name}",
        &[MASTER, TIMEOUT],
        to!(aliases::put_alias),
    )
    .json()
    .carried_on(),
    Route::new(
        &[Put, Post],
        "/{index}/_aliases/{name}",
        &[MASTER, TIMEOUT],
        to!(aliases::put_alias),
    )
    .json()
    .carried_on(),
    Route::new(
        &[Delete],
        "/{index}/_alias/{name}",
        &[MASTER, TIMEOUT],
        to!(aliases::delete_alias),
    )
    .carried_on(),
    Route::new(
        &[Delete],
        "/{index}/_aliases/{name}",
        &[MASTER, TIMEOUT],
        to!(aliases::delete_alias),
    )
    .carried_on(),
    Route::new(&[Get], "/_aliases", ALIAS, to!(aliases::get_alias)),
    Route::new(
        &[Post],
        "/_aliases",
        &[MASTER, TIMEOUT],
        to!(aliases::update_aliases),
    )
    .json()
    .carried_on(),
];

const PUT_MAPPING: &[&[&str]] = &[TARGET, MASTER, TIMEOUT, &["write_index_only"]];
const SETTINGS: &[&[&str]] = &[TARGET, MASTER, FLAT, LOCAL, &["include_defaults"]];
const PUT_SETTINGS: &[&[&str]] = &[TARGET, MASTER, TIMEOUT, FLAT, &["preserve_existing", "reopen"]];
const ALIAS: &[&[&str]] = &[TARGET, MASTER, LOCAL];

const DOCUMENTS: &[Route] = &[
    Route::new(
        &[Put, Post],
        "/{index}/_doc/{id}",
        INDEX,
        to!(document::index_document),
    )
    .json()
    .carried_on(),
    Route::new(&[Post], "/{index}/_doc", INDEX, to!(document::index_document))
        .json()
        .carried_on(),
    Route::new(
        &[Put, Post],
        "/{index}/_create/{id}",
        INDEX,
        to!(document::create_document),
    )
    .json()
    .carried_on(),
    Route::new(
        &[Delete],
        "/{index}/_doc/{id}",
        &[WRITE],
        to!(document::delete_document),
    )
    .carried_on(),
    Route::new(
        &[Post],
        "/{index}/_update/{id}",
        UPDATE,
        to!(document::update_document),
    )
    .json()
    .carried_on(),
    Route::new(
        &[Get, Head],
        "/{index}/_doc/{id}",
        GET,
        to!(document::get_document),
    ),
    Route::new(
        &[Get, Head],
        "/{index}/_source/{id}",
        GET,
        to!(document::get_source),
    ),
    Route::new(&[Get, Post], "/_mget", GET, to!(document::mget)).json(),
    Route::new(&[Get, Post], "/{index}/_mget", GET, to!(document::mget)).json(),
    Route::new(&[Put, Post], "/_bulk", BULK, to!(document::bulk))
        .lines()
        .carried_on(),
    Route::new(&[Put, Post], "/{index}/_bulk", BULK, to!(document::bulk))
        .lines()
        .carried_on(),
];

const INDEX: &[&[&str]] = &[WRITE, &["op_type", "pipeline"]];
const UPDATE: &[&[&str]] = &[WRITE, SOURCE, &["retry_on_conflict", "lang"]];
const GET: &[&[&str]] = &[
    SOURCE,
    &[
        "routing",
        "preference",
        "realtime",
        "refresh",
        "version",
        "version_type",
        "force_synthetic_source",
    ],
];
const BULK: &[&[&str]] = &[
    SOURCE,
    &[
        "refresh",
        "routing",
        "timeout",
        "wait_for_active_shards",
        "pipeline",
        "require_alias",
        "require_data_stream",
        "type",
        "list_executed_pipelines",
        "include_source_on_error",
    ],
];
