//! The APIs by the names that Elasticsearch's specification and clients give them.

use super::parameters::Kind;
use crate::route::Verb;

/// One API: one or more requests that do the same.
pub(super) struct Api {
    group: &'static str,
    pub(super) name: &'static str,
    /// `METHOD,METHOD /path`
    pub(super) requests: &'static [&'static str],
    pub(super) summary: &'static str,
    /// How it differs from Elasticsearch, if it does.
    pub(super) differs: &'static str,
    /// What is known of the body's fields; empty where there is no body, or any object will do.
    pub(super) body: &'static [Field],
}

/// A field of a body.
pub(super) struct Field(pub(super) &'static str, pub(super) Kind);

impl Api {
    const fn new(
        group: &'static str,
        name: &'static str,
        requests: &'static [&'static str],
        summary: &'static str,
    ) -> Self {
        Self {
            group,
            name,
            requests,
            summary,
            differs: "",
            body: &[],
        }
    }

    const fn differs(mut self, how: &'static str) -> Self {
        self.differs = how;
        self
    }

    const fn body(mut self, fields: &'static [Field]) -> Self {
        self.body = fields;
        self
    }

    /// What the API is about.
    pub(super) fn group(&self) -> &'static str {
        self.group
    }

    /// The API of a request.
    pub(super) fn of(verb: Verb, path: &str) -> Option<&'static Self> {
        APIS.iter().find(|api| api.takes(verb, path))
    }

    fn takes(&self, verb: Verb, path: &str) -> bool {
        self.requests.iter().any(|request| {
            request
                .split_once(' ')
                .is_some_and(|(verbs, of)| of == path && verbs.split(',').any(|one| one == verb.name()))
        })
    }

    /// Every `METHOD /path` of the API.
    #[cfg(test)]
    pub(super) fn operations(&self) -> impl Iterator<Item = String> {
        self.requests.iter().flat_map(|request| {
            let (verbs, path) = request.split_once(' ').expect("a method and a path");
            verbs.split(',').map(move |verb| format!("{verb} {path}"))
        })
    }
}

const CCR: &str = "Cross-cluster replication";
const CLUSTER: &str = "Cluster and node";
const DOCUMENTS: &str = "Documents";
const INDICES: &str = "Indices";
const METADATA: &str = "Mappings, settings, aliases";
const SEARCH: &str = "Search";
const TABLES: &str = "Tables (`_cat`)";
const TEMPLATES: &str = "Templates";

/// What every follower is told about how fast it reads and writes.
const FOLLOW_BODY: &[Field] = &[
    Field("remote_cluster", Kind::Text),
    Field("leader_index", Kind::Text),
    Field("data_stream_name", Kind::Text),
    Field("settings", Kind::Object),
    Field("max_read_request_operation_count", Kind::Count),
    Field("max_outstanding_read_requests", Kind::Count),
    Field("max_read_request_size", Kind::Text),
    Field("max_write_request_operation_count", Kind::Count),
    Field("max_write_request_size", Kind::Text),
    Field("max_outstanding_write_requests", Kind::Count),
    Field("max_write_buffer_count", Kind::Count),
    Field("max_write_buffer_size", Kind::Text),
    Field("max_retry_delay", Kind::Time),
    Field("read_poll_timeout", Kind::Time),
];
const SEARCH_BODY: &[Field] = &[
    Field("query", Kind::Object),
    Field("from", Kind::Count),
    Field("size", Kind::Count),
    Field("sort", Kind::Any),
    Field("aggs", Kind::Object),
    Field("post_filter", Kind::Object),
    Field("search_after", Kind::Array),
    Field("_source", Kind::Any),
    Field("track_total_hits", Kind::Any),
    Field("min_score", Kind::Number),
    Field("fields", Kind::Array),
    Field("docvalue_fields", Kind::Array),
    Field("stored_fields", Kind::Any),
    Field("highlight", Kind::Object),
    Field("collapse", Kind::Object),
    Field("terminate_after", Kind::Count),
    Field("pit", Kind::Object),
];
const INDEX_BODY: &[Field] = &[
    Field("settings", Kind::Object),
    Field("mappings", Kind::Object),
    Field("aliases", Kind::Object),
];
/// Of what is not offered, but has a path that says so.
const REFUSED: &str = "refused with the reason and what to do instead";
const QUERY_BODY: &[Field] = &[Field("query", Kind::Object)];

/// Every API of this server.
pub(super) const APIS: &[Api] = &[
    // Cross-cluster replication.
    Api::new(
        CCR,
        "ccr.follow",
        &["PUT /{index}/_ccr/follow"],
        "Makes an index that follows one of a remote cluster",
    )
    .body(FOLLOW_BODY),
    Api::new(
        CCR,
        "ccr.pause_follow",
        &["POST /{index}/_ccr/pause_follow"],
        "Stops following for now",
    ),
    Api::new(
        CCR,
        "ccr.resume_follow",
        &["POST /{index}/_ccr/resume_follow"],
        "Goes on following, also after a failure",
    )
    .differs("a follower whose operations are gone on the leader heals by what differs, or is copied anew, instead of failing for good")
    .body(FOLLOW_BODY),
    Api::new(
        CCR,
        "ccr.unfollow",
        &["POST /{index}/_ccr/unfollow"],
        "Makes a paused and closed follower an ordinary index",
    ),
    Api::new(
        CCR,
        "ccr.forget_follower",
        &["POST /{index}/_ccr/forget_follower"],
        "Removes the retention leases of a follower that will not come back, on the leader",
    )
    .body(&[
        Field("follower_cluster", Kind::Text),
        Field("follower_index", Kind::Text),
        Field("follower_index_uuid", Kind::Text),
        Field("leader_remote_cluster", Kind::Text),
    ]),
    Api::new(
        CCR,
        "ccr.follow_info",
        &["GET /{index}/_ccr/info"],
        "What followers follow, with which parameters",
    ),
    Api::new(
        CCR,
        "ccr.follow_stats",
        &["GET /{index}/_ccr/stats"],
        "How each shard of a follower is doing",
    )
    .differs("shows the lag as a time as well"),
    Api::new(
        CCR,
        "ccr.stats",
        &["GET /_ccr/stats"],
        "How auto-follow and all followers are doing",
    ),
    Api::new(
        CCR,
        "ccr.put_auto_follow_pattern",
        &["PUT /_ccr/auto_follow/{name}"],
        "Follows every index of a remote cluster that is made from now on and matches",
    )
    .differs("`follow_existing_indices` takes those that are there too")
    .body(&[
        Field("remote_cluster", Kind::Text),
        Field("leader_index_patterns", Kind::Array),
        Field("leader_index_exclusion_patterns", Kind::Array),
        Field("follow_index_pattern", Kind::Text),
        Field("follow_existing_indices", Kind::Flag),
        Field("settings", Kind::Object),
    ]),
    Api::new(
        CCR,
        "ccr.get_auto_follow_pattern",
        &["GET /_ccr/auto_follow", "GET /_ccr/auto_follow/{name}"],
        "The patterns",
    ),
    Api::new(
        CCR,
        "ccr.delete_auto_follow_pattern",
        &["DELETE /_ccr/auto_follow/{name}"],
        "Removes a pattern; what it made follows on",
    ),
    Api::new(
        CCR,
        "ccr.pause_auto_follow_pattern",
        &["POST /_ccr/auto_follow/{name}/pause"],
        "Lets a pattern rest",
    ),
    Api::new(
        CCR,
        "ccr.resume_auto_follow_pattern",
        &["POST /_ccr/auto_follow/{name}/resume"],
        "Lets a pattern work again; what was made meanwhile is followed",
    ),
    Api::new(
        CCR,
        "ccr.preview_auto_follow",
        &[
            "POST /_ccr/auto_follow/_preview",
            "GET /_ccr/auto_follow/{name}/_preview",
        ],
        "What a pattern would follow, what it would not, and why",
    )
    .differs("not in Elasticsearch"),
    Api::new(
        CCR,
        "xpack.usage",
        &["GET /_xpack/usage"],
        "How many followers and patterns there are",
    )
    .differs("of all features only replication is told of"),
    Api::new(
        CCR,
        "cluster.remote_info",
        &["GET /_remote/info"],
        "Remote clusters and whether they are connected",
    )
    .differs("shows the last error and since when"),
    Api::new(
        CCR,
        "indices.resolve_cluster",
        &["GET /_resolve/cluster", "GET /_resolve/cluster/{name}"],
        "Which clusters an expression means, and whether they answer",
    ),
    // Cluster and node.
    Api::new(
        CLUSTER,
        "info",
        &["GET,HEAD /"],
        "Name and version",
    ),
    Api::new(
        CLUSTER,
        "openapi",
        &["GET /_openapi.json"],
        "This description, for programs",
    )
    .differs("not in Elasticsearch"),
    Api::new(
        CLUSTER,
        "cluster.health",
        &["GET /_cluster/health", "GET /_cluster/health/{index}"],
        "Health of the cluster or of indices; waits for it",
    ),
    Api::new(
        CLUSTER,
        "cluster.get_settings",
        &["GET /_cluster/settings"],
        "Settings of the cluster",
    ),
    Api::new(
        CLUSTER,
        "cluster.put_settings",
        &["PUT /_cluster/settings"],
        "Changes settings of the cluster, remote clusters among them",
    )
    .body(&[Field("persistent", Kind::Object), Field("transient", Kind::Object)]),
    Api::new(
        CLUSTER,
        "cluster.state",
        &[
            "GET /_cluster/state",
            "GET /_cluster/state/{metrics}",
            "GET /_cluster/state/{metrics}/{index}",
        ],
        "The state of the cluster",
    ),
    Api::new(
        CLUSTER,
        "cluster.stats",
        &["GET /_cluster/stats", "GET /_cluster/stats/nodes/{nodes}"],
        "Counts and sizes of everything",
    )
    .differs("what is not measured is left out, never made up"),
    Api::new(
        CLUSTER,
        "cluster.pending_tasks",
        &["GET /_cluster/pending_tasks"],
        "Changes of the cluster's state that wait",
    ),
    Api::new(
        CLUSTER,
        "cluster.allocation_explain",
        &["GET,POST /_cluster/allocation/explain"],
        "Why a shard is where it is, or nowhere",
    ),
    Api::new(
        CLUSTER,
        "nodes.info",
        &["GET /_nodes", "GET /_nodes/{nodes}", "GET /_nodes/{nodes}/{metrics}"],
        "What the node is and where it listens",
    )
    .differs("there is no JVM, and there are no plugins"),
    Api::new(
        CLUSTER,
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
    Api::new(
        CLUSTER,
        "tasks.list",
        &["GET /_tasks"],
        "What the node is doing",
    ),
    Api::new(
        CLUSTER,
        "tasks.get",
        &["GET /_tasks/{task_id}"],
        "A task, or what it came to",
    )
    .differs("results are kept in memory, the last 1,000 of them"),
    Api::new(
        CLUSTER,
        "tasks.cancel",
        &["POST /_tasks/_cancel", "POST /_tasks/{task_id}/_cancel"],
        "Ends tasks",
    )
    .differs("a follow task is paused instead"),
    // Indices.
    Api::new(INDICES, "indices.create", &["PUT /{index}"], "Makes an index").body(INDEX_BODY),
    Api::new(INDICES, "indices.get", &["GET /{index}"], "Aliases, mappings and settings of indices"),
    Api::new(INDICES, "indices.exists", &["HEAD /{index}"], "Whether indices are there"),
    Api::new(INDICES, "indices.delete", &["DELETE /{index}"], "Removes indices and what is in them"),
    Api::new(INDICES, "indices.open", &["POST /{index}/_open"], "Opens closed indices"),
    Api::new(INDICES, "indices.close", &["POST /{index}/_close"], "Closes indices: they keep what they hold and answer nothing"),
    Api::new(
        INDICES,
        "indices.resolve_index",
        &["GET /_resolve/index/{name}"],
        "Which indices, aliases and data streams an expression means",
    ),
    Api::new(
        INDICES,
        "indices.get_data_stream",
        &["GET /_data_stream", "GET /_data_stream/{name}"],
        "Data streams and their backing indices",
    ),
    Api::new(
        INDICES,
        "indices.create_data_stream",
        &["PUT /_data_stream/{name}"],
        "Makes a data stream with its first backing index, by an index template",
    ),
    Api::new(
        INDICES,
        "indices.delete_data_stream",
        &["DELETE /_data_stream/{name}"],
        "Removes data streams and their backing indices",
    ),
    Api::new(
        INDICES,
        "indices.data_streams_stats",
        &["GET /_data_stream/_stats", "GET /_data_stream/{name}/_stats"],
        "Counts and sizes of data streams",
    ),
    Api::new(
        INDICES,
        "indices.promote_data_stream",
        &["POST /_data_stream/_promote/{name}"],
        "Makes a replicated data stream an ordinary one",
    ),
    Api::new(
        INDICES,
        "indices.migrate_to_data_stream",
        &["POST /_data_stream/_migrate/{name}"],
        "Makes a data stream of an alias",
    )
    .differs("refused"),
    Api::new(
        INDICES,
        "indices.modify_data_stream",
        &["POST /_data_stream/_modify"],
        "Adds and removes backing indices",
    )
    .differs("refused"),
    Api::new(
        INDICES,
        "indices.rollover",
        &["POST /{index}/_rollover", "POST /{index}/_rollover/{new_index}"],
        "Makes the next index of an alias, if its conditions are met",
    )
    .body(&[
        Field("conditions", Kind::Object),
        Field("settings", Kind::Object),
        Field("mappings", Kind::Object),
        Field("aliases", Kind::Object),
    ]),
    Api::new(
        INDICES,
        "indices.refresh",
        &["GET,POST /_refresh", "GET,POST /{index}/_refresh"],
        "Lets searches see every write so far",
    ),
    Api::new(
        INDICES,
        "indices.flush",
        &["GET,POST /_flush", "GET,POST /{index}/_flush"],
        "Makes everything so far durable, and the next start short",
    ),
    Api::new(
        INDICES,
        "indices.forcemerge",
        &["POST /_forcemerge", "POST /{index}/_forcemerge"],
        "Merges the segments of the search view",
    ),
    Api::new(
        INDICES,
        "indices.recovery",
        &["GET /_recovery", "GET /{index}/_recovery"],
        "How shards came to be, and copies that are being made",
    ),
    Api::new(
        INDICES,
        "indices.segments",
        &["GET /_segments", "GET /{index}/_segments"],
        "Segments of the search view",
    ),
    Api::new(
        INDICES,
        "indices.clear_cache",
        &["POST /_cache/clear", "POST /{index}/_cache/clear"],
        "Forgets what was kept for later searches",
    )
    .differs("there is nothing to forget"),
    Api::new(
        INDICES,
        "indices.stats",
        &[
            "GET /_stats",
            "GET /_stats/{metric}",
            "GET /{index}/_stats",
            "GET /{index}/_stats/{metric}",
        ],
        "Counts and sizes",
    ),
    // Mappings, settings, aliases.
    Api::new(
        METADATA,
        "indices.get_mapping",
        &["GET /_mapping", "GET /{index}/_mapping", "GET /{index}/_mappings"],
        "Mappings",
    ),
    Api::new(
        METADATA,
        "indices.get_field_mapping",
        &["GET /_mapping/field/{fields}", "GET /{index}/_mapping/field/{fields}"],
        "Mappings of fields",
    ),
    Api::new(
        METADATA,
        "indices.put_mapping",
        &["PUT,POST /{index}/_mapping", "PUT,POST /{index}/_mappings"],
        "Adds fields to a mapping",
    )
    .differs("objects of `nested` fields are not kept apart"),
    Api::new(
        METADATA,
        "indices.analyze",
        &["GET,POST /_analyze", "GET,POST /{index}/_analyze"],
        "What an analyzer makes of a text",
    ),
    Api::new(
        METADATA,
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
        METADATA,
        "indices.put_settings",
        &["PUT /_settings", "PUT /{index}/_settings"],
        "Changes settings of indices",
    )
    .differs("what has no effect here is told in [index-settings.md](index-settings.md)"),
    Api::new(
        METADATA,
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
        METADATA,
        "indices.exists_alias",
        &["HEAD /_alias/{name}", "HEAD /{index}/_alias", "HEAD /{index}/_alias/{name}"],
        "Whether aliases are there",
    ),
    Api::new(
        METADATA,
        "indices.put_alias",
        &["PUT,POST /{index}/_alias/{name}", "PUT,POST /{index}/_aliases/{name}"],
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
        METADATA,
        "indices.delete_alias",
        &["DELETE /{index}/_alias/{name}", "DELETE /{index}/_aliases/{name}"],
        "Removes an alias",
    ),
    Api::new(
        METADATA,
        "indices.update_aliases",
        &["POST /_aliases"],
        "Adds and removes aliases, and removes indices, all or nothing",
    )
    .body(&[Field("actions", Kind::Array)]),
    // Templates.
    Api::new(
        TEMPLATES,
        "cluster.put_component_template",
        &["PUT,POST /_component_template/{name}"],
        "Puts a part that index templates are made of",
    ),
    Api::new(
        TEMPLATES,
        "cluster.get_component_template",
        &["GET /_component_template", "GET /_component_template/{name}"],
        "Component templates",
    ),
    Api::new(
        TEMPLATES,
        "cluster.exists_component_template",
        &["HEAD /_component_template/{name}"],
        "Whether a component template is there",
    ),
    Api::new(
        TEMPLATES,
        "cluster.delete_component_template",
        &["DELETE /_component_template/{name}"],
        "Removes component templates",
    ),
    Api::new(
        TEMPLATES,
        "indices.put_index_template",
        &["PUT,POST /_index_template/{name}"],
        "Puts what new indices whose names match begin with",
    ),
    Api::new(
        TEMPLATES,
        "indices.get_index_template",
        &["GET /_index_template", "GET /_index_template/{name}"],
        "Index templates",
    ),
    Api::new(
        TEMPLATES,
        "indices.exists_index_template",
        &["HEAD /_index_template/{name}"],
        "Whether an index template is there",
    ),
    Api::new(
        TEMPLATES,
        "indices.delete_index_template",
        &["DELETE /_index_template/{name}"],
        "Removes index templates",
    ),
    Api::new(
        TEMPLATES,
        "indices.simulate_index_template",
        &["POST /_index_template/_simulate_index/{name}"],
        "What an index of this name would begin with",
    ),
    Api::new(
        TEMPLATES,
        "indices.simulate_template",
        &["POST /_index_template/_simulate", "POST /_index_template/_simulate/{name}"],
        "What a template comes to",
    ),
    Api::new(
        TEMPLATES,
        "indices.put_template",
        &["PUT,POST /_template/{name}"],
        "Puts a template of the old kind",
    )
    .differs("refused: put an index template"),
    Api::new(
        TEMPLATES,
        "indices.get_template",
        &["GET /_template", "GET /_template/{name}"],
        "Templates of the old kind",
    )
    .differs("there are none"),
    Api::new(
        TEMPLATES,
        "indices.exists_template",
        &["HEAD /_template/{name}"],
        "Whether a template of the old kind is there",
    )
    .differs("there are none"),
    Api::new(
        TEMPLATES,
        "indices.delete_template",
        &["DELETE /_template/{name}"],
        "Removes a template of the old kind",
    )
    .differs("there are none"),
    // Documents.
    Api::new(
        DOCUMENTS,
        "index",
        &["PUT,POST /{index}/_doc/{id}", "POST /{index}/_doc"],
        "Writes a document",
    ),
    Api::new(
        DOCUMENTS,
        "create",
        &["PUT,POST /{index}/_create/{id}"],
        "Writes a document that must not be there",
    ),
    Api::new(
        DOCUMENTS,
        "delete",
        &["DELETE /{index}/_doc/{id}"],
        "Removes a document",
    ),
    Api::new(
        DOCUMENTS,
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
    Api::new(DOCUMENTS, "get", &["GET,HEAD /{index}/_doc/{id}"], "A document"),
    Api::new(
        DOCUMENTS,
        "get_source",
        &["GET,HEAD /{index}/_source/{id}"],
        "The source of a document, and nothing else",
    ),
    Api::new(DOCUMENTS, "mget", &["GET,POST /_mget", "GET,POST /{index}/_mget"], "Several documents")
        .body(&[Field("docs", Kind::Array), Field("ids", Kind::Array)]),
    Api::new(
        DOCUMENTS,
        "bulk",
        &["PUT,POST /_bulk", "PUT,POST /{index}/_bulk"],
        "Writes and removes many documents",
    )
    .differs("without scripts and pipelines"),
    Api::new(
        DOCUMENTS,
        "delete_by_query",
        &["POST /{index}/_delete_by_query"],
        "Removes the documents that a query finds",
    )
    .body(QUERY_BODY),
    Api::new(
        DOCUMENTS,
        "update_by_query",
        &["POST /{index}/_update_by_query"],
        "Writes the documents that a query finds again, so that a changed mapping holds for them",
    )
    .differs("without scripts")
    .body(QUERY_BODY),
    Api::new(
        DOCUMENTS,
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
        DOCUMENTS,
        "delete_by_query_rethrottle",
        &["POST /_delete_by_query/{task_id}/_rethrottle"],
        "Changes how fast a deletion by query is",
    ),
    Api::new(
        DOCUMENTS,
        "update_by_query_rethrottle",
        &["POST /_update_by_query/{task_id}/_rethrottle"],
        "Changes how fast an update by query is",
    ),
    Api::new(
        DOCUMENTS,
        "reindex_rethrottle",
        &["POST /_reindex/{task_id}/_rethrottle"],
        "Changes how fast a copy is",
    ),
    // Search.
    Api::new(
        SEARCH,
        "search",
        &["GET,POST /_search", "GET,POST /{index}/_search"],
        "Finds documents",
    )
    .differs("see [queries.md](queries.md), [aggregations.md](aggregations.md) and [search-results.md](search-results.md); no scripts, suggesters, `rescore`, `knn` or `profile`")
    .body(SEARCH_BODY),
    Api::new(
        SEARCH,
        "msearch",
        &["GET,POST /_msearch", "GET,POST /{index}/_msearch"],
        "Several searches in one request",
    ),
    Api::new(
        SEARCH,
        "count",
        &["GET,POST /_count", "GET,POST /{index}/_count"],
        "How many documents a query finds",
    )
    .body(QUERY_BODY),
    Api::new(
        SEARCH,
        "scroll",
        &["GET,POST /_search/scroll", "GET,POST /_search/scroll/{scroll_id}"],
        "The next hits of a search with `scroll`",
    )
    .body(&[Field("scroll_id", Kind::Text), Field("scroll", Kind::Time)]),
    Api::new(
        SEARCH,
        "clear_scroll",
        &["DELETE /_search/scroll", "DELETE /_search/scroll/{scroll_id}"],
        "Ends searches with `scroll`",
    )
    .body(&[Field("scroll_id", Kind::Any)]),
    Api::new(
        SEARCH,
        "open_point_in_time",
        &["POST /{index}/_pit"],
        "Keeps a state of indices for several searches",
    ),
    Api::new(
        SEARCH,
        "close_point_in_time",
        &["DELETE /_pit"],
        "Ends a point in time",
    )
    .body(&[Field("id", Kind::Text)]),
    Api::new(
        SEARCH,
        "field_caps",
        &["GET,POST /_field_caps", "GET,POST /{index}/_field_caps"],
        "Which fields indices have, and what can be done with them",
    )
    .differs("no `runtime_mappings`, no `include_empty_fields=false`")
    .body(&[Field("fields", Kind::Any), Field("index_filter", Kind::Object)]),
    Api::new(
        SEARCH,
        "indices.validate_query",
        &["GET,POST /_validate/query", "GET,POST /{index}/_validate/query"],
        "Whether a query can be run",
    )
    .differs("explanations are not those of Lucene")
    .body(QUERY_BODY),
    Api::new(
        SEARCH,
        "search_shards",
        &["GET,POST /_search_shards", "GET,POST /{index}/_search_shards"],
        "The shards that a search would ask",
    ),
    Api::new(
        SEARCH,
        "search_template",
        &[
            "GET,POST /_search/template",
            "GET,POST /{index}/_search/template",
            "GET,POST /_msearch/template",
            "GET,POST /{index}/_msearch/template",
            "GET,POST /_render/template",
            "GET,POST /_render/template/{id}",
        ],
        "Nothing",
    )
    .differs(REFUSED),
    Api::new(
        SEARCH,
        "rank_eval",
        &["GET,POST /_rank_eval", "GET,POST /{index}/_rank_eval"],
        "Nothing",
    )
    .differs(REFUSED),
    Api::new(
        SEARCH,
        "termvectors",
        &[
            "GET,POST /{index}/_termvectors",
            "GET,POST /{index}/_termvectors/{id}",
            "GET,POST /_mtermvectors",
            "GET,POST /{index}/_mtermvectors",
        ],
        "Nothing",
    )
    .differs(REFUSED),
    Api::new(SEARCH, "explain", &["GET,POST /{index}/_explain/{id}"], "Nothing").differs(REFUSED),
    Api::new(SEARCH, "terms_enum", &["GET,POST /{index}/_terms_enum"], "Nothing").differs(REFUSED),
    Api::new(SEARCH, "knn_search", &["GET,POST /{index}/_knn_search"], "Nothing").differs(REFUSED),
    // Tables.
    Api::new(TABLES, "cat.help", &["GET /_cat"], "The tables that there are"),
    Api::new(
        TABLES,
        "cat.allocation",
        &["GET /_cat/allocation", "GET /_cat/allocation/{nodes}"],
        "Shards and disk of the node",
    ),
    Api::new(TABLES, "cat.master", &["GET /_cat/master"], "The node again"),
    Api::new(TABLES, "cat.nodeattrs", &["GET /_cat/nodeattrs"], "Attributes of the node, of which there are none"),
    Api::new(TABLES, "cat.pending_tasks", &["GET /_cat/pending_tasks"], "Changes of the cluster's state that wait"),
    Api::new(TABLES, "cat.plugins", &["GET /_cat/plugins"], "Plugins, of which there are none"),
    Api::new(
        TABLES,
        "cat.segments",
        &["GET /_cat/segments", "GET /_cat/segments/{index}"],
        "Segments of the search view",
    ),
    Api::new(TABLES, "cat.tasks", &["GET /_cat/tasks"], "What the node is doing"),
    Api::new(
        TABLES,
        "cat.thread_pool",
        &["GET /_cat/thread_pool", "GET /_cat/thread_pool/{pools}"],
        "Threads by what they do",
    ),
    Api::new(TABLES, "cat.aliases", &["GET /_cat/aliases", "GET /_cat/aliases/{name}"], "Aliases"),
    Api::new(TABLES, "cat.count", &["GET /_cat/count", "GET /_cat/count/{index}"], "Number of documents"),
    Api::new(TABLES, "cat.health", &["GET /_cat/health"], "Health of the cluster"),
    Api::new(TABLES, "cat.indices", &["GET /_cat/indices", "GET /_cat/indices/{index}"], "Indices"),
    Api::new(TABLES, "cat.nodes", &["GET /_cat/nodes"], "The node"),
    Api::new(TABLES, "cat.recovery", &["GET /_cat/recovery", "GET /_cat/recovery/{index}"], "How shards came to be"),
    Api::new(TABLES, "cat.shards", &["GET /_cat/shards", "GET /_cat/shards/{index}"], "Shards"),
    Api::new(TABLES, "cat.templates", &["GET /_cat/templates", "GET /_cat/templates/{name}"], "Templates"),
];

/// What users of Elasticsearch may look for, and will not find.
#[cfg(test)]
pub(super) const NOT_OFFERED: &[(&str, &str)] = &[
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
