//! `GET /_nodes/stats`: the numbers of a node that are measured. What is not measured is not in the answer.

use es_exception::Exception;
use indices::{IndexStats, ResolveOptions};
use serde_json::{Map, Value, json};
use shard::ShardStats;

use super::{answer, identity};
use crate::call::Call;
use crate::handlers::node_filter::selected;
use crate::handlers::recovery::Recoveries;
use crate::handlers::segments::file_sizes;
use crate::handlers::stats::{METRICS as INDEX_METRICS, sections};
use crate::params::{describe, split_list};
use crate::reply::Reply;
use crate::system;
use crate::units::human_bytes;

/// The sections that a request may name. Those that are not measured here are never in the answer.
const METRICS: [&str; 19] = [
    "_all",
    "_none",
    "adaptive_selection",
    "allocations",
    "breaker",
    "discovery",
    "fs",
    "http",
    "indexing_pressure",
    "indices",
    "ingest",
    "jvm",
    "os",
    "process",
    "repositories",
    "script",
    "script_cache",
    "thread_pool",
    "transport",
];

/// Indices with everything in them: hidden ones, and closed ones, which have no numbers.
const EVERYTHING: ResolveOptions = ResolveOptions {
    expand_hidden: true,
    ..ResolveOptions::METADATA
};

/// `GET /_nodes/stats` and its forms with nodes, metrics and metrics of indices.
pub(crate) async fn stats(call: Call) -> Result<Reply, Exception> {
    let metrics = known(&call, "metrics", "metric", &METRICS)?;
    let index_metrics = known(&call, "index_metrics", "index metric", &INDEX_METRICS)?;
    let wants =
        |metric: &str| metrics.is_empty() || metrics.iter().any(|other| [metric, "_all"].contains(other));
    let wants_of_indices = |section: &str| {
        index_metrics.is_empty()
            || index_metrics
                .iter()
                .any(|other| [section, "_all"].contains(other))
    };
    let level = call.params.text("level").unwrap_or("node");
    if !["node", "indices", "shards"].contains(&level) {
        return Err(Exception::illegal_argument(format!(
            "[level] must be one of node, indices, shards, but was [{level}]"
        )));
    }
    let state = call.state.cluster().state();
    let local = call.state.cluster().local_node();
    let wanted = call.segment("nodes").map(split_list).unwrap_or_default();
    let mut nodes = Map::new();
    for node in selected(&state, &local, &wanted) {
        let mut object = identity(node);
        object["timestamp"] = call.state.clock().now().get().into();
        // A node knows its own numbers alone.
        if node.id == local.id {
            if wants("indices") {
                let stats = call.state.indices().stats("_all", &EVERYTHING).await?;
                let human = call.human()?;
                object["indices"] = indices(&stats, level, wants_of_indices, human);
                if wants_of_indices("recovery") {
                    object["indices"]["recovery"] = Recoveries::now(&call)?.section(|_| true, human);
                }
                if wants_of_indices("segments") && call.params.flag("include_segment_file_sizes", false)? {
                    let segments = call.state.indices().segments("_all", &EVERYTHING).await?;
                    object["indices"]["segments"]["file_sizes"] = file_sizes(segments.iter());
                }
            }
            own(&call, &mut object, wants).await?;
        }
        nodes.insert(node.id.to_string(), object);
    }
    Reply::ok(&answer(&state, nodes))
}

/// The list of a part of the path, each of which must be one of `known`.
fn known<'a>(call: &'a Call, segment: &str, what: &str, known: &[&str]) -> Result<Vec<&'a str>, Exception> {
    let list = call.segment(segment).map(split_list).unwrap_or_default();
    let unknown = |part: &&str| !known.contains(part);
    match list.iter().copied().find(unknown) {
        None => Ok(list),
        // Source: the request is named by the path of its metrics.
        Some(unknown) => Err(Exception::illegal_argument(format!(
            "request [/_nodes/stats/{}] contains unrecognized {what}: {}",
            list.join(","),
            describe(unknown, known.iter().copied())
        ))),
    }
}

fn indices(stats: &[IndexStats], level: &str, wants: impl Fn(&str) -> bool, human: bool) -> Value {
    let served = |index: &IndexStats| -> Vec<ShardStats> {
        let shards = index.shards.iter();
        shards.filter_map(|shard| shard.stats.clone()).collect()
    };
    let sum = |shards: &[ShardStats]| sections(&shards.iter().collect::<Vec<_>>(), &wants, human);
    let mut object = sum(&stats.iter().flat_map(served).collect::<Vec<_>>());
    let by_index = |print: &dyn Fn(&IndexStats) -> Value| -> Value {
        let named = stats.iter().map(|index| (index.index.name.clone(), print(index)));
        Value::Object(named.collect())
    };
    match level {
        "indices" => object["indices"] = by_index(&|index| sum(&served(index))),
        "shards" => {
            object["shards"] = by_index(&|index| {
                let shards = index.shards.iter().filter_map(|shard| {
                    let stats = shard.stats.clone()?;
                    Some(json!({shard.shard_id.shard.to_string(): sum(&[stats])}))
                });
                shards.collect()
            });
        }
        _ => {}
    }
    object
}

/// Source: elasticsearch-specification, `nodes/_types/Stats.ts`; `resident_in_bytes` is ours.
async fn own(call: &Call, object: &mut Value, wants: impl Fn(&str) -> bool) -> Result<(), Exception> {
    let now = call.state.clock().now().get();
    let mut put = |name: &str, mut section: Map<String, Value>| {
        section.insert("timestamp".to_owned(), now.into());
        object[name] = Value::Object(section);
    };
    if wants("os") {
        put("os", system::os());
    }
    if wants("process") {
        put("process", system::process());
    }
    if wants("fs") {
        let (path, usage) = call.state.indices().disk_usage().await?;
        let mut sizes =
            json!({"total_in_bytes": usage.total.get(), "available_in_bytes": usage.available.get()});
        if call.human()? {
            sizes["total"] = human_bytes(usage.total.get()).into();
            sizes["available"] = human_bytes(usage.available.get()).into();
        }
        let mut data = sizes.clone();
        data["path"] = path.display().to_string().into();
        let section = [("total".to_owned(), sizes), ("data".to_owned(), json!([data]))];
        put("fs", section.into_iter().collect());
    }
    // Source: tools read these keys without asking whether they are there. There is no virtual machine, and there are no pipelines.
    if wants("jvm") {
        object["jvm"] = json!({"gc": {"collectors": {}}, "mem": {"pools": {}}});
    }
    if wants("ingest") {
        let none = json!({"count": 0, "time_in_millis": 0, "current": 0, "failed": 0});
        object["ingest"] = json!({"total": none, "pipelines": {}});
    }
    if wants("thread_pool") {
        let pools = call.state.indices().work_pools();
        let pools = pools.map(|pool| {
            let numbers = json!({
                "threads": pool.size, "queue": pool.waiting, "active": pool.active, "rejected": 0, "completed": pool.completed,
            });
            (pool.name.to_owned(), numbers)
        });
        object["thread_pool"] = Value::Object(pools.into_iter().collect());
    }
    if wants("indexing_pressure") {
        let stats = call.state.indices().indexing_pressure();
        // A write counts where it comes in, and not again on the primary, which is in the same node.
        let bytes = |bytes: u64| {
            json!({
                "combined_coordinating_and_primary_in_bytes": bytes,
                "coordinating_in_bytes": bytes,
                "primary_in_bytes": 0,
                "replica_in_bytes": 0,
                "all_in_bytes": bytes,
            })
        };
        let mut total = bytes(stats.total);
        total["coordinating_rejections"] = stats.refused.into();
        total["primary_rejections"] = 0.into();
        total["replica_rejections"] = 0.into();
        object["indexing_pressure"] = json!({"memory": {
            "current": bytes(stats.current),
            "total": total,
            "limit_in_bytes": stats.limit,
        }});
    }
    // A node that is alone is sent no state of its cluster, and sends none.
    if wants("discovery") {
        object["discovery"] = json!({
            "cluster_state_queue": {"total": 0, "pending": 0, "committed": 0},
            "published_cluster_states": {"full_states": 0, "incompatible_diffs": 0, "compatible_diffs": 0},
        });
    }
    Ok(())
}
