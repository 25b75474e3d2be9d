//! The kinds of failure, with the name, HTTP status and retryability that belong to each.

/// One row of the table: variant, Elasticsearch's type name, HTTP status, retryable by a follow task.
macro_rules! exception_kinds {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $status:literal, $retryable:literal;)*) => {
        /// What kind of failure an [`Exception`](crate::Exception) is.
        ///
        /// Source: the type names and status codes of Elasticsearch's REST errors; the retryable ones are those that a shard
        /// follow task of Elasticsearch retries for ever.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ExceptionKind { $($(#[$doc])* $variant,)* }

        impl ExceptionKind {
            /// Every kind, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that clients see as `error.type`.
            #[must_use]
            pub const fn type_name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The HTTP status that goes with the kind.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// Whether a shard follow task retries an operation that failed so; all others are fatal to the task.
            #[must_use]
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)* }
            }

            /// The kind with this type name, or `None` for a name this version does not know.
            #[must_use]
            pub fn from_type_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.type_name() == name)
            }
        }
    };
}

exception_kinds! {
    /// A failure without a more precise name.
    Exception, "exception", 500, false;
    /// A broken assumption inside a component, for instance a history UUID that differs.
    IllegalState, "illegal_state_exception", 500, false;
    /// A request that makes no sense.
    IllegalArgument, "illegal_argument_exception", 400, false;
    /// A request that fails its own validation: missing or out-of-range fields.
    ActionRequestValidation, "action_request_validation_exception", 400, false;
    /// A body that is not well-formed, or has an unknown or wrongly typed field.
    XContentParse, "x_content_parse_exception", 400, false;
    /// A body or a part of it that cannot be parsed.
    Parsing, "parsing_exception", 400, false;
    /// A request without the body that it needs.
    Parse, "parse_exception", 400, false;
    /// JSON that is not well-formed.
    JsonParse, "json_parse_exception", 400, false;
    /// A document that does not fit the mapping.
    DocumentParsing, "document_parsing_exception", 400, false;
    /// A mapping that is not valid.
    MapperParsing, "mapper_parsing_exception", 400, false;
    /// A document with a new field under `dynamic: strict`.
    StrictDynamicMapping, "strict_dynamic_mapping_exception", 400, false;
    /// A setting that is not valid or not known.
    Settings, "settings_exception", 400, false;
    /// A query that cannot run on the shard.
    QueryShard, "query_shard_exception", 400, false;
    /// A search that failed on every shard.
    SearchPhaseExecution, "search_phase_execution_exception", 400, false;
    /// An index name that is not allowed.
    InvalidIndexName, "invalid_index_name_exception", 400, false;
    /// An alias name that is not allowed.
    InvalidAliasName, "invalid_alias_name_exception", 400, false;
    /// A template that is not valid.
    InvalidIndexTemplate, "invalid_index_template_exception", 400, false;
    /// A template that does not exist.
    IndexTemplateMissing, "index_template_missing_exception", 404, false;
    /// An alias that does not exist.
    AliasesNotFound, "aliases_not_found_exception", 404, false;
    /// The thing to be created is there already.
    ResourceAlreadyExists, "resource_already_exists_exception", 400, false;
    /// The thing asked for does not exist; also a read of operations that are no longer there.
    ResourceNotFound, "resource_not_found_exception", 404, false;
    /// The index does not exist.
    IndexNotFound, "index_not_found_exception", 404, false;
    /// The index is closed.
    IndexClosed, "index_closed_exception", 400, true;
    /// The document does not exist.
    DocumentMissing, "document_missing_exception", 404, false;
    /// The document's current version is not the one that the request expects.
    VersionConflict, "version_conflict_engine_exception", 409, false;
    /// The remote cluster alias is not configured.
    NoSuchRemoteCluster, "no_such_remote_cluster_exception", 404, true;
    /// A refusal that is named by its status alone. The status is 400 unless the exception overrides it.
    Status, "status_exception", 400, false;
    /// The caller lacks a privilege.
    Security, "security_exception", 403, true;
    /// A block on an index or on the cluster forbids the operation.
    ClusterBlock, "cluster_block_exception", 403, true;
    /// A restore is impossible, for instance since its target name is held by an open index.
    SnapshotRestore, "snapshot_restore_exception", 500, false;
    /// A shard's restore failed.
    IndexShardRestoreFailed, "index_shard_restore_failed_exception", 500, false;
    /// The shard does not exist.
    ShardNotFound, "shard_not_found_exception", 404, true;
    /// The shard is not ready to serve.
    IndexShardNotStarted, "index_shard_not_started_exception", 503, true;
    /// The shard was closed.
    IndexShardClosed, "index_shard_closed_exception", 503, true;
    /// A part of a shard or node was closed already.
    AlreadyClosed, "already_closed_exception", 500, true;
    /// No copy of the shard can serve.
    NoShardAvailable, "no_shard_available_action_exception", 503, true;
    /// Too few copies of a shard are active.
    UnavailableShards, "unavailable_shards_exception", 503, true;
    /// The connection to another node could not be made, or was lost.
    ConnectTransport, "connect_transport_exception", 503, true;
    /// A call to another node got no answer in time.
    ReceiveTimeoutTransport, "receive_timeout_transport_exception", 503, true;
    /// The node is shutting down.
    NodeClosed, "node_closed_exception", 503, true;
    /// No node of the remote cluster could be reached.
    NoSeedNodeLeft, "no_seed_node_left_exception", 503, true;
    /// The node is too busy to take the request.
    EsRejectedExecution, "es_rejected_execution_exception", 429, true;
    /// The request would take more memory than the node grants.
    CircuitBreaking, "circuit_breaking_exception", 429, true;
    /// Data on disk or from the wire fails its checksum.
    CorruptIndex, "corrupt_index_exception", 500, false;
    /// A shard's storage failed and the shard must be reopened.
    Engine, "engine_exception", 500, false;
    /// The retention lease exists already.
    RetentionLeaseAlreadyExists, "retention_lease_already_exists_exception", 400, false;
    /// The retention lease does not exist.
    RetentionLeaseNotFound, "retention_lease_not_found_exception", 404, false;
    /// The retention lease would go back.
    RetentionLeaseInvalidRetainingSeqNo, "retention_lease_invalid_retaining_seq_no_exception", 400, false;
    /// The cluster state could not be changed in time.
    ProcessClusterEventTimeout, "process_cluster_event_timeout_exception", 503, true;
    /// The store did not take a change of the cluster state, or may not have.
    FailedToCommitClusterState, "failed_to_commit_cluster_state_exception", 503, true;
    /// The media type of a request is not supported.
    MediaType, "media_type_header_exception", 406, false;
    /// The body of a request is larger than `http.max_content_length`.
    ContentTooLarge, "content_too_long_exception", 413, false;
    /// A scroll or a point in time that is over, or never was.
    SearchContextMissing, "search_context_missing_exception", 404, false;
    /// More scrolls or points in time at once than are allowed.
    TooManyScrollContexts, "too_many_scroll_contexts_exception", 429, false;
    /// The answer to a search would have more buckets than are allowed.
    TooManyBuckets, "too_many_buckets_exception", 400, false;
    /// Too many clauses in one query.
    TooManyClauses, "too_many_nested_clauses", 400, false;
    /// A time that does not parse.
    DateTimeParse, "date_time_parse_exception", 400, false;
    /// A request that is valid in Elasticsearch, and not supported here.
    Unsupported, "unsupported_operation_exception", 400, false;
    /// Somebody cancelled the task that the request is.
    TaskCancelled, "task_cancelled_exception", 400, false;
    /// A shard was still searching when the search's time was over, and partial results were not wanted.
    SearchTimeout, "search_timeout_exception", 429, false;
    /// What was waited for did not come in time.
    Timeout, "timeout_exception", 429, false;
    /// A node that is not part of the cluster.
    NoSuchNode, "no_such_node_exception", 404, false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_its_type_name_and_names_are_unique() {
        for (position, kind) in ExceptionKind::ALL.iter().enumerate() {
            assert_eq!(
                ExceptionKind::from_type_name(kind.type_name()),
                Some(*kind),
                "at {position}"
            );
        }
        assert_eq!(ExceptionKind::from_type_name("no_such_kind"), None);
    }

    #[test]
    fn every_status_is_an_error_status() {
        assert!(
            ExceptionKind::ALL
                .iter()
                .all(|kind| (400..600).contains(&kind.status()))
        );
    }
}
