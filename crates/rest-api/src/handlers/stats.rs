//! `GET /_stats` and `/{index}/_stats`: numbers about indices and shards.

use es_exception::Exception;
use indices::{IndexStats, ResolveOptions, ShardStatus};
use oplog::ShardId;
use serde_json::{Map, Value, json};
use shard::ShardStats;

use super::ccr::seq_no;
use super::recovery::Recoveries;
use super::segments::file_sizes;
use super::shard_table::shard_table;
use super::targets;
use crate::call::Call;
use crate::params::split_list;
use crate::reply::Reply;
use crate::units::{human_bytes, human_millis};

/// The sections of the answer that a request may name.
pub(crate) const METRICS: [&str; 17] = [
    "_all",
    "docs",
    "store",
    "indexing",
    "get",
    "search",
    "merge",
    "refresh",
    "flush",
    "warmer",
    "query_cache",
    "request_cache",
    "fielddata",
    "completion",
    "segments",
    "translog",
    "recovery",
];

/// Numbers by index; with `level=shards` by shard as well.
pub(crate) async fn stats(call: Call) -> Result<Reply, Exception> {
    let metrics = split_list(call.segment("metric").unwrap_or("_all"));
    if let Some(unknown) = metrics.iter().find(|metric| !METRICS.contains(metric)) {
        return Err(Exception::illegal_argument(format!(
            "[{unknown}] is no section of index stats: use {METRICS:?}"
        )));
    }
    let wants = |section: &str| {
        metrics
            .iter()
            .any(|metric| *metric == "_all" || *metric == section)
    };
    let level = call.params.text("level").unwrap_or("indices");
    if !["cluster", "indices", "shards"].contains(&level) {
        return Err(Exception::illegal_argument(format!(
            "[level] must be one of cluster, indices, shards, but was [{level}]"
        )));
    }
    let human = call.human()?;
    let options = targets::options(
        &call,
        ResolveOptions {
            forbid_closed: false,
            ..ResolveOptions::OPEN
        },
    )?;
    let indices = call.state.indices().stats(call.index(), &options).await?;
    // Asked for by name only, since the files of all shards are looked at.
    let with_files = wants("segments") && call.params.flag("include_segment_file_sizes", false)?;
    let segments = match with_files {
        true => call.state.indices().segments(call.index(), &options).await?,
        false => Vec::new(),
    };
    let recoveries = Recoveries::now(&call)?;
    let node = call.state.cluster().local_node_id().to_string();
    let mut all = Vec::new();
    let mut by_index = Map::new();
    let (mut total, mut successful) = (0, 0);
    for index in &indices {
        let served: Vec<&ShardStats> = index
            .shards
            .iter()
            .filter_map(|shard| shard.stats.as_ref())
            .collect();
        // Source: copies that are on no node count, too.
        total += index.shards.len() * (1 + shard_table(&call.state, &index.index).replicas);
        successful += served.len();
        let mut section = sections(&served, wants, human);
        if wants("recovery") {
            section["recovery"] = recoveries.section(|shard| shard.index == index.index.uuid, human);
        }
        if with_files {
            let own = segments
                .iter()
                .filter(|other| other.index.uuid == index.index.uuid);
            section["segments"]["file_sizes"] = file_sizes(own);
        }
        let mut object = json!({
            "uuid": index.index.uuid.to_string(),
            "health": health(index),
            "status": if index.index.is_open() { "open" } else { "close" },
            "primaries": section,
            "total": section,
        });
        if level == "shards" {
            let shards = index.shards.iter().map(|shard| {
                let mut object = one_shard(shard, &node, wants, human);
                if wants("recovery") && shard.stats.is_some() {
                    object["recovery"] = recoveries.section(|other| *other == shard.shard_id, human);
                }
                (shard.shard_id.shard.to_string(), json!([object]))
            });
            object["shards"] = Value::Object(shards.collect());
        }
        by_index.insert(index.index.name.clone(), object);
        all.extend(served);
    }
    let mut section = sections(&all, wants, human);
    if wants("recovery") {
        let belongs = |shard: &ShardId| indices.iter().any(|index| index.index.uuid == shard.index);
        section["recovery"] = recoveries.section(belongs, human);
    }
    if with_files {
        section["segments"]["file_sizes"] = file_sizes(segments.iter());
    }
    let mut answer = json!({
        "_shards": {"total": total, "successful": successful, "failed": 0},
        "_all": {"primaries": section, "total": section},
    });
    if level != "cluster" {
        answer["indices"] = Value::Object(by_index);
    }
    Reply::ok(&answer)
}

fn health(index: &IndexStats) -> &'static str {
    let replicas = index
        .index
        .settings
        .get_str("index.number_of_replicas")
        .unwrap_or("1")
        != "0";
    let served = index
        .shards
        .iter()
        .all(|shard| shard.stats.is_some() || shard.state == indices::ShardState::Closed);
    match (served, replicas || index.index.recovering) {
        (true, false) => "green",
        (true, true) => "yellow",
        (false, _) if index.index.recovering => "yellow",
        (false, _) => "red",
    }
}

/// What is not there has nothing in it: tools read these sections without asking whether there is such a thing.
const NOTHING: [(&str, &[&str]); 5] = [
    ("warmer", &["current", "total", "total_time_in_millis"]),
    (
        "query_cache",
        &[
            MEMORY,
            "total_count",
            "hit_count",
            "miss_count",
            "cache_size",
            "cache_count",
            "evictions",
        ],
    ),
    ("request_cache", &[MEMORY, "evictions", "hit_count", "miss_count"]),
    ("fielddata", &[MEMORY, "evictions"]),
    ("completion", &["size_in_bytes"]),
];

const MEMORY: &str = "memory_size_in_bytes";

fn zeros(names: &[&str], human: bool) -> Value {
    let mut object = Map::new();
    for name in names {
        let readable = name.strip_suffix("_in_bytes").map(|name| (name, human_bytes(0)));
        let readable = readable.or_else(|| Some((name.strip_suffix("_in_millis")?, human_millis(0))));
        if let (Some((name, text)), true) = (readable, human) {
            object.insert(name.to_owned(), text.into());
        }
        object.insert((*name).to_owned(), 0.into());
    }
    Value::Object(object)
}

/// The sections over some shards, summed; without `recovery`, which shards do not know of.
pub(crate) fn sections(shards: &[&ShardStats], wants: impl Fn(&str) -> bool, human: bool) -> Value {
    let sum = |number: fn(&ShardStats) -> u64| shards.iter().map(|stats| number(stats)).sum::<u64>();
    let size = |object: &mut Value, name: &str, bytes: u64| {
        if human {
            object[name] = human_bytes(bytes).into();
        }
        object[format!("{name}_in_bytes")] = bytes.into();
    };
    let mut object = Map::new();
    if wants("docs") {
        object.insert(
            "docs".to_owned(),
            json!({"count": sum(|stats| stats.docs), "deleted": sum(|stats| stats.deleted_docs)}),
        );
    }
    if wants("store") {
        let mut store = json!({});
        size(&mut store, "size", sum(|stats| stats.store_bytes));
        size(&mut store, "total_data_set_size", sum(|stats| stats.store_bytes));
        // Source: how much the shards will still grow by copies under way; -1 where nobody knows.
        store["reserved_in_bytes"] = (-1).into();
        object.insert("store".to_owned(), store);
    }
    if wants("indexing") {
        let indexing = json!({"index_total": sum(|stats| stats.index_total), "delete_total": sum(|stats| stats.delete_total)});
        object.insert("indexing".to_owned(), indexing);
    }
    if wants("get") {
        object.insert("get".to_owned(), json!({"total": sum(|stats| stats.get_total)}));
    }
    if wants("search") {
        object.insert(
            "search".to_owned(),
            json!({"query_total": sum(|stats| stats.query_total)}),
        );
    }
    if wants("refresh") {
        object.insert(
            "refresh".to_owned(),
            json!({"total": sum(|stats| stats.refresh_total)}),
        );
    }
    if wants("flush") {
        // Source: those that no request asked for. Here the view commits by itself, and no flush does.
        object.insert(
            "flush".to_owned(),
            json!({"total": sum(|stats| stats.flush_total), "periodic": 0}),
        );
    }
    for (section, nothing) in NOTHING {
        if wants(section) {
            object.insert(section.to_owned(), zeros(nothing, human));
        }
    }
    // Source: what waits until merges are done asks for this; those that the view does by itself are never waited for.
    if wants("merge") {
        object.insert(
            "merges".to_owned(),
            json!({"current": sum(|stats| stats.merges_current), "total": sum(|stats| stats.merges_total)}),
        );
    }
    if wants("segments") {
        object.insert(
            "segments".to_owned(),
            json!({"count": sum(|stats| stats.segments as u64)}),
        );
    }
    if wants("translog") {
        let tail = sum(|stats| stats.tail_operations as u64);
        let mut translog = json!({"operations": tail, "uncommitted_operations": tail});
        size(&mut translog, "size", sum(|stats| stats.log_bytes));
        size(
            &mut translog,
            "uncommitted_size",
            sum(|stats| stats.tail_bytes as u64),
        );
        object.insert("translog".to_owned(), translog);
    }
    Value::Object(object)
}

fn one_shard(shard: &ShardStatus, node: &str, wants: impl Fn(&str) -> bool, human: bool) -> Value {
    let state = match &shard.state {
        indices::ShardState::Started | indices::ShardState::Closed => "STARTED",
        indices::ShardState::Initializing => "INITIALIZING",
        indices::ShardState::Failed { .. } => "UNASSIGNED",
    };
    let mut object =
        json!({"routing": {"state": state, "primary": true, "node": node, "relocating_node": null}});
    if let indices::ShardState::Failed { reason } = &shard.state {
        object["failure"] = reason.clone().into();
    }
    let Some(stats) = &shard.stats else { return object };
    if let (Value::Object(object), Value::Object(sections)) = (&mut object, sections(&[stats], wants, human))
    {
        object.extend(sections);
    }
    let user_data = json!({
        "history_uuid": stats.history_uuid.to_string(),
        "max_seq_no": seq_no(stats.max_seq_no).to_string(),
        "local_checkpoint": seq_no(stats.local_checkpoint).to_string(),
    });
    object["commit"] = json!({"id": null, "generation": 0, "user_data": user_data, "num_docs": stats.docs});
    object["seq_no"] = json!({
        "max_seq_no": seq_no(stats.max_seq_no),
        "local_checkpoint": seq_no(stats.local_checkpoint),
        "global_checkpoint": seq_no(stats.global_checkpoint),
    });
    let leases = stats.retention_leases.leases.iter().map(|lease| {
        json!({
            "id": lease.id.to_string(),
            "retaining_seq_no": lease.retaining_seq_no.get(),
            "timestamp": lease.timestamp.get(),
            "source": lease.source,
        })
    });
    object["retention_leases"] = json!({
        "primary_term": stats.retention_leases.primary_term.get(),
        "version": stats.retention_leases.version,
        "leases": leases.collect::<Value>(),
    });
    object["live_set"] = json!({"count": stats.live_count, "digest": stats.digest.to_string()});
    object
}
