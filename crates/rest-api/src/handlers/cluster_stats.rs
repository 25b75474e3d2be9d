//! `GET /_cluster/stats`: numbers of the cluster as a whole.

use es_exception::Exception;
use indices::{IndexStats, ResolveOptions};
use serde_json::{Map, Value, json};
use shard::ShardStats;

use super::cluster_health::{Status, status};
use super::node_filter::{ROLES, selected};
use super::nodes::{BUILD_FLAVOR, BUILD_TYPE};
use super::shard_table::shard_table;
use super::stats::sections;
use crate::call::Call;
use crate::params::split_list;
use crate::reply::Reply;
use crate::system;
use crate::units::human_bytes;

/// The sections of index stats that the cluster's are made of.
const SECTIONS: [&str; 3] = ["docs", "store", "segments"];

/// Numbers of all indices and of the nodes chosen.
///
/// Source: elasticsearch-specification, `cluster/stats/types.ts`. What is not measured is not in the answer.
pub(crate) async fn stats(call: Call) -> Result<Reply, Exception> {
    let human = call.human()?;
    let options = ResolveOptions {
        expand_hidden: true,
        ..ResolveOptions::METADATA
    };
    let stats = call.state.indices().stats("_all", &options).await?;
    let state = call.state.cluster().state();
    let local = call.state.cluster().local_node();
    let wanted = call.segment("nodes").map(split_list).unwrap_or_default();
    let nodes = selected(&state, &local, &wanted).len();
    let tables = stats
        .iter()
        .map(|index| status(&shard_table(&call.state, &index.index)));
    let worst = tables.min().unwrap_or(Status::Green);
    // A node has the numbers of its own shards; without it nobody has any.
    let here: &[IndexStats] = if nodes == 0 { &[] } else { &stats };
    Reply::ok(&json!({
        "_nodes": {"total": nodes, "successful": nodes, "failed": 0},
        "cluster_name": state.cluster_name,
        "cluster_uuid": state.cluster_uuid,
        "timestamp": call.state.clock().now().get(),
        "status": worst.name(),
        "indices": indices(here, human),
        "nodes": of_nodes(&call, nodes, human).await?,
    }))
}

fn indices(stats: &[IndexStats], human: bool) -> Value {
    let by_index: Vec<Vec<&ShardStats>> = stats
        .iter()
        .map(|index| {
            let shards = index.shards.iter();
            shards.filter_map(|shard| shard.stats.as_ref()).collect()
        })
        .filter(|shards: &Vec<_>| !shards.is_empty())
        .collect();
    let all = by_index.concat();
    let mut object = sections(&all, |section| SECTIONS.contains(&section), human);
    object["count"] = by_index.len().into();
    let mut shards = Map::new();
    if let (Some(least), Some(most)) = (
        by_index.iter().map(Vec::len).min(),
        by_index.iter().map(Vec::len).max(),
    ) {
        let average = all.len() as f64 / by_index.len() as f64;
        let counts = json!({"min": least, "max": most, "avg": average});
        shards.insert("total".to_owned(), all.len().into());
        shards.insert("primaries".to_owned(), all.len().into());
        shards.insert("replication".to_owned(), 0.0.into());
        let index = json!({"shards": counts, "primaries": counts, "replication": {"min": 0.0, "max": 0.0, "avg": 0.0}});
        shards.insert("index".to_owned(), index);
    }
    object["shards"] = Value::Object(shards);
    object
}

async fn of_nodes(call: &Call, nodes: usize, human: bool) -> Result<Value, Exception> {
    let mut count = Map::from_iter([
        ("total".to_owned(), Value::from(nodes)),
        ("coordinating_only".to_owned(), 0.into()),
    ]);
    count.extend(ROLES.map(|role| (role.to_owned(), nodes.into())));
    let mut object =
        json!({"count": count, "versions": [], "plugins": [], "discovery_types": {}, "packaging_types": []});
    if nodes == 0 {
        return Ok(object);
    }
    // Source: Elasticsearch's name of a node that looks for no others.
    object["discovery_types"] = json!({"single-node": nodes});
    object["packaging_types"] = json!([{"flavor": BUILD_FLAVOR, "type": BUILD_TYPE, "count": nodes}]);
    object["versions"] = json!([call.state.config().version_number]);
    let mut os = system::os();
    os.remove("cpu");
    os.remove("swap");
    if let Some(processors) = system::processors() {
        os.insert("available_processors".to_owned(), processors.into());
        os.insert("allocated_processors".to_owned(), processors.into());
    }
    os.insert(
        "names".to_owned(),
        json!([{"name": std::env::consts::OS, "count": nodes}]),
    );
    object["os"] = Value::Object(os);
    if let Some(files) = system::open_files() {
        object["process"] = json!({"open_file_descriptors": {"min": files, "max": files, "avg": files}});
    }
    let (_, usage) = call.state.indices().disk_usage().await?;
    object["fs"] = json!({"total_in_bytes": usage.total.get(), "available_in_bytes": usage.available.get()});
    if human {
        object["fs"]["total"] = human_bytes(usage.total.get()).into();
        object["fs"]["available"] = human_bytes(usage.available.get()).into();
    }
    Ok(object)
}
