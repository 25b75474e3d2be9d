//! What parameters are.

use serde_json::{Value, json};

/// What the values of a parameter, or of a field of a body, are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Flag,
    /// A whole number that is not negative.
    Count,
    Number,
    /// A time with its unit, or -1.
    Time,
    Text,
    /// Texts, separated by commas.
    List,
    OneOf(&'static [&'static str]),
    Object,
    Array,
    /// Anything in a body.
    Any,
}

impl Kind {
    pub(super) fn schema(self) -> Value {
        match self {
            Self::Flag => json!({"type": "boolean"}),
            Self::Count => json!({"type": "integer", "minimum": 0}),
            Self::Number => json!({"type": "number"}),
            Self::Time => json!({"type": "string", "pattern": "^(-1|[0-9]+(nanos|micros|ms|s|m|h|d))$"}),
            Self::Text | Self::List => json!({"type": "string"}),
            Self::OneOf(values) => json!({"type": "string", "enum": values}),
            Self::Object => json!({"type": "object"}),
            Self::Array => json!({"type": "array"}),
            Self::Any => json!({}),
        }
    }
}

/// The parts of paths.
pub(super) fn segment(name: &str) -> (Kind, &'static str) {
    match name {
        "index" => (
            Kind::List,
            "names of indices, aliases and data streams, with `*`; `-` before a name leaves it out; `<name-{now/d}>` takes the date",
        ),
        "id" => (Kind::Text, "the document's `_id`"),
        "name" => (
            Kind::List,
            "the name, or names with `*` where several may be meant",
        ),
        "fields" => (Kind::List, "names of fields, with `*`"),
        "metric" | "metrics" => (Kind::List, "parts of the answer; `_all` for all of it"),
        "new_index" => (Kind::Text, "the name of the new index"),
        "scroll_id" => (Kind::Text, "what a search with `scroll` answered"),
        "task_id" => (Kind::Text, "`node:number`, as the list of tasks has it"),
        "nodes" => (Kind::List, "ids or names of nodes, with `*`, `_local` and `_all`"),
        "index_metrics" => (Kind::List, "parts of the statistics of indices"),
        "pools" => (Kind::List, "names of thread pools, with `*`"),
        "block" => (
            Kind::OneOf(&["metadata", "read", "read_only", "write"]),
            "what is forbidden",
        ),
        _ => (Kind::Text, ""),
    }
}

/// The parameters of the query string, in the order of their names.
const PARAMETERS: &[(&str, Kind, &str)] = &[
    (
        "_source",
        Kind::Text,
        "whether the source is returned, or which paths of it",
    ),
    (
        "_source_exclude",
        Kind::List,
        "an older name of `_source_excludes`",
    ),
    (
        "_source_excludes",
        Kind::List,
        "paths of the source that are left out",
    ),
    (
        "_source_include",
        Kind::List,
        "an older name of `_source_includes`",
    ),
    (
        "_source_includes",
        Kind::List,
        "paths of the source that are returned",
    ),
    ("actions", Kind::List, "names of actions, with `*`"),
    ("active_only", Kind::Flag, "only recoveries that go on"),
    ("all_shards", Kind::Flag, "whether every shard is asked"),
    (
        "allow_no_indices",
        Kind::Flag,
        "whether a name with `*` may stand for no index",
    ),
    (
        "allow_partial_search_results",
        Kind::Flag,
        "whether shards may fail",
    ),
    (
        "analyze_wildcard",
        Kind::Flag,
        "taken and not needed: patterns take the case of the field's words",
    ),
    ("analyzer", Kind::Text, "the analyzer of `q`"),
    ("batched_reduce_size", Kind::Count, "taken without effect"),
    (
        "bytes",
        Kind::OneOf(&["b", "kb", "mb", "gb", "tb", "pb"]),
        "the unit of sizes",
    ),
    ("cause", Kind::Text, "why; taken without effect"),
    ("ccs_minimize_roundtrips", Kind::Flag, "taken without effect"),
    ("completion_fields", Kind::List, "taken without effect"),
    (
        "conflicts",
        Kind::OneOf(&["abort", "proceed"]),
        "what happens when a document has changed meanwhile",
    ),
    ("create", Kind::Flag, "whether what is there may not be replaced"),
    (
        "default_operator",
        Kind::OneOf(&["AND", "OR"]),
        "whether all words of `q` must match",
    ),
    (
        "detailed",
        Kind::Flag,
        "whether tasks show their descriptions; without effect on recoveries",
    ),
    ("df", Kind::Text, "the field of `q` where it names none"),
    (
        "docvalue_fields",
        Kind::List,
        "fields whose values are returned as they are sorted by",
    ),
    ("dry_run", Kind::Flag, "only says what would happen"),
    (
        "error_trace",
        Kind::Flag,
        "whether errors come with what led to them",
    ),
    (
        "expand_wildcards",
        Kind::List,
        "which indices names with `*` stand for: `open`, `closed`, `hidden`, `all`, `none`",
    ),
    ("explain", Kind::Flag, "whether matches are explained"),
    (
        "features",
        Kind::List,
        "parts of the answer: `aliases`, `mappings`, `settings`",
    ),
    ("field_statistics", Kind::Flag, "of what is not offered"),
    (
        "fielddata",
        Kind::Flag,
        "taken without effect: there is no such cache",
    ),
    ("fielddata_fields", Kind::List, "taken without effect"),
    ("fields", Kind::List, "names of fields, with `*`"),
    ("filter_path", Kind::List, "the parts of the answer that are sent"),
    (
        "filters",
        Kind::List,
        "fields that are left out: `-metadata`, `-parent`, `-nested`, `-multifield`, or all but `+metadata`",
    ),
    (
        "flat_settings",
        Kind::Flag,
        "settings as `a.b` instead of objects",
    ),
    ("flush", Kind::Flag, "whether everything is durable at the end"),
    (
        "forbid_closed_indices",
        Kind::Flag,
        "whether closed indices are an error",
    ),
    ("force", Kind::Flag, "also where nothing has changed"),
    ("force_synthetic_source", Kind::Flag, "taken without effect"),
    ("format", Kind::Text, "`json`, or `text` for tables"),
    ("from", Kind::Count, "hits that are passed over"),
    ("full_id", Kind::Flag, "ids in full"),
    (
        "group_by",
        Kind::OneOf(&["nodes", "parents", "none"]),
        "how tasks are grouped",
    ),
    ("groups", Kind::List, "taken without effect"),
    ("h", Kind::List, "columns, with `*`"),
    (
        "health",
        Kind::OneOf(&["green", "yellow", "red"]),
        "only indices of this health",
    ),
    ("help", Kind::Flag, "lists the columns"),
    ("human", Kind::Flag, "times and sizes also with units"),
    ("ids", Kind::List, "of what is not offered"),
    (
        "if_primary_term",
        Kind::Count,
        "only if the document was last written in this term",
    ),
    (
        "if_seq_no",
        Kind::Count,
        "only if this was the document's last write",
    ),
    ("ignore_throttled", Kind::Flag, "taken without effect"),
    (
        "ignore_unavailable",
        Kind::Flag,
        "whether missing and closed indices are passed over",
    ),
    ("include_bootstrap", Kind::Flag, "taken without effect"),
    ("include_defaults", Kind::Flag, "whether defaults are shown"),
    (
        "include_empty_fields",
        Kind::Flag,
        "whether fields without values are shown; not `false`",
    ),
    (
        "include_disk_info",
        Kind::Flag,
        "whether the use of the disk is shown",
    ),
    ("include_named_queries_score", Kind::Flag, "taken without effect"),
    ("include_remotes", Kind::Flag, "whether remote clusters are shown"),
    ("include_segment_file_sizes", Kind::Flag, "taken without effect"),
    ("include_source_on_error", Kind::Flag, "taken without effect"),
    ("include_unloaded_segments", Kind::Flag, "taken without effect"),
    (
        "include_yes_decisions",
        Kind::Flag,
        "whether reasons to place a shard are shown",
    ),
    (
        "include_unmapped",
        Kind::Flag,
        "whether indices without a field are listed",
    ),
    (
        "keep_alive",
        Kind::Time,
        "how long it stays open between two requests",
    ),
    ("lang", Kind::Text, "taken without effect: there are no scripts"),
    (
        "lenient",
        Kind::Flag,
        "whether `q` passes over fields whose type does not go with it",
    ),
    (
        "lazy",
        Kind::Flag,
        "only `false`: a data stream is rolled over at once",
    ),
    (
        "level",
        Kind::OneOf(&["cluster", "indices", "shards"]),
        "how much is shown",
    ),
    (
        "list_executed_pipelines",
        Kind::Flag,
        "taken without effect: there are no pipelines",
    ),
    ("local", Kind::Flag, "taken without effect"),
    (
        "master_timeout",
        Kind::Time,
        "how long the change of the cluster's state is waited for",
    ),
    (
        "max_concurrent_searches",
        Kind::Count,
        "searches that run at the same time",
    ),
    (
        "max_concurrent_shard_requests",
        Kind::Count,
        "taken without effect",
    ),
    ("max_docs", Kind::Count, "documents that are changed at most"),
    ("max_num_segments", Kind::Count, "segments that are left"),
    ("min_score", Kind::Number, "the least relevance of a hit"),
    ("node_id", Kind::List, "ids or names of nodes"),
    ("nodes", Kind::List, "ids or names of nodes"),
    ("offsets", Kind::Flag, "of what is not offered"),
    (
        "only_expunge_deletes",
        Kind::Flag,
        "only segments with deleted documents",
    ),
    (
        "op_type",
        Kind::OneOf(&["index", "create"]),
        "whether a document that is there may be replaced",
    ),
    ("order", Kind::Number, "taken for old templates"),
    ("parent_task_id", Kind::Text, "only children of this task"),
    ("payloads", Kind::Flag, "of what is not offered"),
    ("pipeline", Kind::Text, "`_none`: there are no pipelines"),
    ("positions", Kind::Flag, "of what is not offered"),
    ("pre_filter_shard_size", Kind::Count, "taken without effect"),
    ("preference", Kind::Text, "taken without effect"),
    (
        "preserve_existing",
        Kind::Flag,
        "whether settings that are there stay",
    ),
    ("pretty", Kind::Flag, "the answer in lines"),
    ("pri", Kind::Flag, "only primary shards"),
    ("q", Kind::Text, "a query of one line, as of `query_string`"),
    (
        "query",
        Kind::Flag,
        "taken without effect: there is no such cache",
    ),
    (
        "realtime",
        Kind::Flag,
        "whether a write that is not refreshed is seen",
    ),
    (
        "refresh",
        Kind::OneOf(&["true", "false", "wait_for"]),
        "whether the change can be searched when the answer comes",
    ),
    (
        "reopen",
        Kind::Flag,
        "closes and opens indices for settings that need it",
    ),
    (
        "request",
        Kind::Flag,
        "taken without effect: there is no such cache",
    ),
    ("request_cache", Kind::Flag, "taken without effect"),
    (
        "requests_per_second",
        Kind::Number,
        "documents a second, -1 for as many as there are",
    ),
    ("require_alias", Kind::Flag, "whether the name must be an alias"),
    (
        "require_data_stream",
        Kind::Flag,
        "whether the name must be a data stream",
    ),
    (
        "rest_total_hits_as_int",
        Kind::Flag,
        "the number of hits as a number",
    ),
    (
        "retry_on_conflict",
        Kind::Count,
        "tries when the document has changed meanwhile",
    ),
    ("rewrite", Kind::Flag, "as `explain`"),
    ("routing", Kind::Text, "what chooses the shard instead of the id"),
    ("s", Kind::List, "columns to sort by, with `:desc`"),
    (
        "scroll",
        Kind::Time,
        "how long the search stays open between two requests",
    ),
    ("scroll_id", Kind::Text, "what a search with `scroll` answered"),
    ("scroll_size", Kind::Count, "documents of a batch"),
    (
        "search_timeout",
        Kind::Time,
        "how long a shard searches for each batch; the request fails if that does not do",
    ),
    (
        "search_type",
        Kind::OneOf(&["query_then_fetch", "dfs_query_then_fetch"]),
        "taken without effect",
    ),
    (
        "seq_no_primary_term",
        Kind::Flag,
        "whether hits show their last write",
    ),
    ("size", Kind::Count, "hits that are returned"),
    ("slices", Kind::Text, "taken without effect"),
    ("sort", Kind::List, "fields with `:asc` or `:desc`"),
    ("stats", Kind::List, "taken without effect"),
    (
        "stored_fields",
        Kind::List,
        "names of fields; of a search `_source` or `_none_`",
    ),
    ("term_statistics", Kind::Flag, "of what is not offered"),
    (
        "terminate_after",
        Kind::Count,
        "documents of a shard that are looked at",
    ),
    (
        "time",
        Kind::OneOf(&["nanos", "micros", "ms", "s", "m", "h", "d"]),
        "the unit of times",
    ),
    (
        "timeout",
        Kind::Time,
        "how long the request waits for what it asked for; of a search, how long each shard searches",
    ),
    (
        "track_scores",
        Kind::Flag,
        "relevance also where hits are sorted by something else",
    ),
    (
        "track_total_hits",
        Kind::Text,
        "whether all hits are counted, or how many",
    ),
    ("ts", Kind::Flag, "whether the time is shown"),
    ("type", Kind::Text, "taken from old clients without effect"),
    ("typed_keys", Kind::Flag, "names of aggregations with their types"),
    ("types", Kind::List, "types of fields that are shown"),
    ("v", Kind::Flag, "with the names of the columns"),
    ("verbose", Kind::Flag, "taken without effect"),
    (
        "version",
        Kind::Text,
        "a version of the document, or whether hits show theirs",
    ),
    (
        "version_type",
        Kind::OneOf(&["internal", "external", "external_gte"]),
        "who counts versions",
    ),
    (
        "wait_for_active_shards",
        Kind::Text,
        "shard copies that must be there: a number or `all`",
    ),
    (
        "wait_for_completion",
        Kind::Flag,
        "whether the answer comes at the end, or names a task at once",
    ),
    ("wait_for_events", Kind::Text, "taken without effect"),
    (
        "wait_for_metadata_version",
        Kind::Count,
        "waits until the metadata has this version",
    ),
    (
        "wait_for_no_initializing_shards",
        Kind::Flag,
        "waits until no shard is being opened",
    ),
    (
        "wait_for_no_relocating_shards",
        Kind::Flag,
        "shards never move here",
    ),
    (
        "wait_for_nodes",
        Kind::Text,
        "waits for so many nodes, also `>=1`",
    ),
    (
        "wait_for_status",
        Kind::OneOf(&["green", "yellow", "red"]),
        "waits for this health",
    ),
    ("wait_for_timeout", Kind::Time, "how long the state is waited for"),
    ("wait_if_ongoing", Kind::Flag, "taken without effect"),
    (
        "write_index_only",
        Kind::Flag,
        "only the index that an alias writes to",
    ),
];

/// What is known of a parameter of the query string.
pub(super) fn parameter(name: &str) -> Option<(Kind, &'static str)> {
    let (_, kind, description) = PARAMETERS.iter().find(|(known, ..)| *known == name)?;
    Some((*kind, description))
}

#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    PARAMETERS.iter().map(|(name, ..)| *name)
}
