//! The APIs of cross-cluster replication.

use super::{Api, Field};
use crate::openapi::parameters::Kind;

const GROUP: &str = "Cross-cluster replication";

/// How fast a follower reads and writes.
const FOLLOW_PARAMETERS: &[Field] = &[
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

const PATTERN_BODY: &[Field] = &[
    Field("remote_cluster", Kind::Text),
    Field("leader_index_patterns", Kind::Array),
    Field("leader_index_exclusion_patterns", Kind::Array),
    Field("follow_index_pattern", Kind::Text),
    Field("follow_existing_indices", Kind::Flag),
    Field("settings", Kind::Object),
];

pub(super) const REPLICATION: &[Api] = &[
    Api::new(
        GROUP,
        "ccr.follow",
        &["PUT /{index}/_ccr/follow"],
        "Makes an index that follows one of a remote cluster",
    )
    .body(&[
        Field("remote_cluster", Kind::Text),
        Field("leader_index", Kind::Text),
        Field("data_stream_name", Kind::Text),
        Field("settings", Kind::Object),
    ])
    .shared_body(FOLLOW_PARAMETERS),
    Api::new(
        GROUP,
        "ccr.pause_follow",
        &["POST /{index}/_ccr/pause_follow"],
        "Stops following for now",
    ),
    Api::new(
        GROUP,
        "ccr.resume_follow",
        &["POST /{index}/_ccr/resume_follow"],
        "Goes on following after a pause; one that has failed is paused first",
    )
    .differs("a follower whose operations are gone on the leader heals by what differs instead of failing for good; damaged shards are copied anew")
    .shared_body(FOLLOW_PARAMETERS),
    Api::new(
        GROUP,
        "ccr.unfollow",
        &["POST /{index}/_ccr/unfollow"],
        "Makes a paused and closed follower an ordinary index",
    ),
    Api::new(
        GROUP,
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
        GROUP,
        "ccr.follow_info",
        &["GET /{index}/_ccr/info"],
        "What followers follow, with which parameters",
    ),
    Api::new(
        GROUP,
        "ccr.follow_stats",
        &["GET /{index}/_ccr/stats"],
        "How each shard of a follower is doing",
    )
    .differs("shows the lag as a time as well"),
    Api::new(
        GROUP,
        "ccr.stats",
        &["GET /_ccr/stats"],
        "How auto-follow and all followers are doing",
    ),
    Api::new(
        GROUP,
        "ccr.put_auto_follow_pattern",
        &["PUT /_ccr/auto_follow/{name}"],
        "Follows every index of a remote cluster that is made from now on and matches",
    )
    .differs("`follow_existing_indices` takes those that are there too; followers of indices of this cluster are passed over")
    .body(PATTERN_BODY)
    .shared_body(FOLLOW_PARAMETERS),
    Api::new(
        GROUP,
        "ccr.get_auto_follow_pattern",
        &["GET /_ccr/auto_follow", "GET /_ccr/auto_follow/{name}"],
        "The patterns",
    ),
    Api::new(
        GROUP,
        "ccr.delete_auto_follow_pattern",
        &["DELETE /_ccr/auto_follow/{name}"],
        "Removes a pattern; what it made follows on",
    ),
    Api::new(
        GROUP,
        "ccr.pause_auto_follow_pattern",
        &["POST /_ccr/auto_follow/{name}/pause"],
        "Lets a pattern rest",
    ),
    Api::new(
        GROUP,
        "ccr.resume_auto_follow_pattern",
        &["POST /_ccr/auto_follow/{name}/resume"],
        "Lets a pattern work again; what was made meanwhile is followed",
    ),
    Api::new(
        GROUP,
        "ccr.preview_auto_follow",
        &[
            "POST /_ccr/auto_follow/_preview",
            "GET /_ccr/auto_follow/{name}/_preview",
        ],
        "What a pattern would follow, what it would not, and why",
    )
    .differs("not in Elasticsearch")
    .body(PATTERN_BODY)
    .shared_body(FOLLOW_PARAMETERS),
    Api::new(
        GROUP,
        "xpack.usage",
        &["GET /_xpack/usage"],
        "How many followers and patterns there are",
    )
    .differs("of all features only replication is told of"),
    Api::new(
        GROUP,
        "cluster.remote_info",
        &["GET /_remote/info"],
        "Remote clusters and whether they are connected",
    )
    .differs("shows the last error and since when"),
    Api::new(
        GROUP,
        "indices.resolve_cluster",
        &["GET /_resolve/cluster", "GET /_resolve/cluster/{name}"],
        "Which clusters an expression means, and whether they answer",
    ),
];
