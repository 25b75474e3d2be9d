//! Every setting of a cluster or of a node that is known.
//!
//! Source: Elasticsearch's cluster settings and those of cross-cluster replication. Of the others of Elasticsearch, those are accepted that say where shards
//! go: on one node there is nothing to decide, so that they have no effect. The rest is unknown here, and refused.

use super::SettingKind;
use super::cluster_registry::{ClusterSettingDefinition, ClusterSettingUpdate};

const fn dynamic(key: &'static str, default: &'static str, kind: SettingKind) -> ClusterSettingDefinition {
    ClusterSettingDefinition {
        key,
        default,
        kind,
        update: ClusterSettingUpdate::Dynamic,
        honoured: true,
    }
}

/// Dynamic, but nothing acts on it.
const fn inert(key: &'static str, default: &'static str, kind: SettingKind) -> ClusterSettingDefinition {
    ClusterSettingDefinition {
        honoured: false,
        ..dynamic(key, default, kind)
    }
}

/// Of the configuration of a node.
const fn of_node(key: &'static str, default: &'static str) -> ClusterSettingDefinition {
    ClusterSettingDefinition {
        update: ClusterSettingUpdate::Static,
        ..dynamic(key, default, Text)
    }
}

const fn count(min: i64) -> SettingKind {
    SettingKind::Integer {
        min,
        max: i32::MAX as i64,
    }
}

use SettingKind::{
    AutoCreate, Boolean, Bytes, Enum, Float, Headroom, Integer, List, Rate, Text, Time, Watermark,
};

/// A time that is more than nothing.
const SOME_TIME: SettingKind = Time { min_millis: 1 };

pub(super) const CLUSTER_DEFINITIONS: &[ClusterSettingDefinition] = &[
    // Creating and deleting indices.
    dynamic("action.auto_create_index", "true", AutoCreate),
    dynamic("action.destructive_requires_name", "true", Boolean),
    // Replication.
    dynamic("ccr.auto_heal", "true", Boolean),
    dynamic(
        "ccr.indices.recovery.max_bytes_per_sec",
        "40mb",
        Bytes {
            min: 0,
            max: i64::MAX,
        },
    ),
    dynamic(
        "ccr.indices.recovery.chunk_size",
        "1mb",
        Bytes {
            min: 1 << 10,
            max: 1 << 30,
        },
    ),
    dynamic(
        "ccr.indices.recovery.max_concurrent_file_chunks",
        "5",
        Integer { min: 1, max: 10 },
    ),
    dynamic("ccr.indices.recovery.recovery_activity_timeout", "60s", SOME_TIME),
    dynamic("ccr.indices.recovery.internal_action_timeout", "60s", SOME_TIME),
    dynamic(
        "ccr.tail.max_bytes_per_sec",
        "0b",
        Bytes {
            min: 0,
            max: i64::MAX,
        },
    ),
    dynamic("ccr.wait_for_metadata_timeout", "60s", SOME_TIME),
    // Its former name, which it falls back to.
    dynamic("ccr.auto_follow.wait_for_metadata_timeout", "60s", SOME_TIME),
    // Remote clusters.
    dynamic("cluster.remote.*.mode", "sniff", Enum(&["sniff", "proxy"])),
    dynamic("cluster.remote.*.seeds", "", List),
    dynamic("cluster.remote.*.node_connections", "3", count(1)),
    dynamic("cluster.remote.*.proxy_address", "", Text),
    dynamic("cluster.remote.*.proxy_socket_connections", "18", count(1)),
    dynamic("cluster.remote.*.server_name", "", Text),
    dynamic("cluster.remote.*.skip_unavailable", "true", Boolean),
    dynamic(
        "cluster.remote.*.transport.compress",
        "false",
        Enum(&["indexing_data", "true", "false"]),
    ),
    dynamic(
        "cluster.remote.*.transport.compression_scheme",
        "lz4",
        Enum(&["lz4", "zstd", "deflate"]),
    ),
    dynamic(
        "cluster.remote.*.transport.ping_schedule",
        "-1",
        Time { min_millis: -1 },
    ),
    dynamic("cluster.remote.initial_connect_timeout", "30s", SOME_TIME),
    inert("cluster.remote.node.attr", "", Text),
    // Background work and the disk.
    dynamic("indices.compaction.max_bytes_per_sec", "40mb", Rate),
    dynamic("indices.scrub.max_bytes_per_sec", "1mb", Rate),
    dynamic(
        "cluster.routing.allocation.disk.threshold_enabled",
        "true",
        Boolean,
    ),
    dynamic("cluster.routing.allocation.disk.watermark.low", "85%", Watermark),
    dynamic(
        "cluster.routing.allocation.disk.watermark.low.max_headroom",
        "200gb",
        Headroom,
    ),
    dynamic("cluster.routing.allocation.disk.watermark.high", "90%", Watermark),
    dynamic(
        "cluster.routing.allocation.disk.watermark.high.max_headroom",
        "150gb",
        Headroom,
    ),
    dynamic(
        "cluster.routing.allocation.disk.watermark.flood_stage",
        "95%",
        Watermark,
    ),
    dynamic(
        "cluster.routing.allocation.disk.watermark.flood_stage.max_headroom",
        "100gb",
        Headroom,
    ),
    // Where shards go.
    inert(
        "cluster.routing.allocation.enable",
        "all",
        Enum(&["all", "primaries", "new_primaries", "none"]),
    ),
    inert(
        "cluster.routing.rebalance.enable",
        "all",
        Enum(&["all", "primaries", "replicas", "none"]),
    ),
    inert(
        "cluster.routing.allocation.allow_rebalance",
        "indices_all_active",
        Enum(&["always", "indices_primaries_active", "indices_all_active"]),
    ),
    inert(
        "cluster.routing.allocation.cluster_concurrent_rebalance",
        "2",
        count(-1),
    ),
    inert(
        "cluster.routing.allocation.node_concurrent_recoveries",
        "2",
        count(0),
    ),
    inert(
        "cluster.routing.allocation.node_concurrent_incoming_recoveries",
        "2",
        count(0),
    ),
    inert(
        "cluster.routing.allocation.node_concurrent_outgoing_recoveries",
        "2",
        count(0),
    ),
    inert(
        "cluster.routing.allocation.node_initial_primaries_recoveries",
        "4",
        count(0),
    ),
    inert("cluster.routing.allocation.same_shard.host", "false", Boolean),
    inert(
        "cluster.routing.allocation.total_shards_per_node",
        "-1",
        count(-1),
    ),
    inert("cluster.routing.allocation.awareness.attributes", "", List),
    inert("cluster.routing.allocation.awareness.force.*", "", List),
    inert("cluster.routing.allocation.include.*", "", Text),
    inert("cluster.routing.allocation.exclude.*", "", Text),
    inert("cluster.routing.allocation.require.*", "", Text),
    inert(
        "cluster.routing.allocation.balance.shard",
        "0.45",
        Float { min: 0.0 },
    ),
    inert(
        "cluster.routing.allocation.balance.index",
        "0.55",
        Float { min: 0.0 },
    ),
    inert(
        "cluster.routing.allocation.balance.threshold",
        "1.0",
        Float { min: 0.0 },
    ),
    // The configuration of a node.
    of_node("cluster.name", "ccr"),
    of_node("node.name", "node-1"),
    of_node("path.data", ""),
    of_node("http.address", "127.0.0.1:9200"),
    of_node("http.max_content_length", "100mb"),
    of_node("transport.address", "127.0.0.1:9300"),
    of_node("ccr.max_inflight_bytes", "256mb"),
    of_node("indices.log.segment_size", "64mb"),
    of_node("log.format", "text"),
];
