//! `GET /_recovery`: copies of leader shards, running and done.

use std::collections::BTreeMap;
use std::time::Duration;

use ccr::{RecoveryStage, ShardRecoveryStatus};
use cluster::NodeMetadata;
use es_exception::Exception;
use indices::ResolveOptions;
use oplog::{ShardId, UnixMillis};
use serde_json::{Value, json};

use crate::call::Call;
use crate::error_body::error_object;
use crate::handlers::targets;
use crate::reply::Reply;
use crate::units::{human_bytes, human_millis};

/// The recoveries of the indices named, by index. Only shards that this node copied from a leader since it started are told of: opening a shard from the
/// node's own disk copies nothing.
///
/// Source: elasticsearch-specification, `indices/recovery`; `bytes_per_sec`, `attempts` and `failure` are ours.
pub(crate) async fn recovery(call: Call) -> Result<Reply, Exception> {
    let options = targets::options(&call, ResolveOptions::METADATA)?;
    let active_only = call.params.flag("active_only", false)?;
    let human = call.human()?;
    let now = call.state.clock().now();
    let node = call.state.cluster().local_node();
    let mut indices: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for status in call.state.ccr().recoveries(call.index(), &options)? {
        if active_only && status.stage == RecoveryStage::Done {
            continue;
        }
        let shard = shard(&status, &node, now, human);
        indices.entry(status.index).or_default().push(shard);
    }
    let indices = indices
        .into_iter()
        .map(|(index, shards)| (index, json!({"shards": shards})));
    Reply::ok(&Value::Object(indices.collect()))
}

fn shard(status: &ShardRecoveryStatus, node: &NodeMetadata, now: UnixMillis, human: bool) -> Value {
    let total_time = status.total_time(now);
    let mut shard = json!({
        "id": status.shard.get(),
        "type": "SNAPSHOT",
        "stage": status.stage.name(),
        "primary": true,
        "start_time_in_millis": status.started.get(),
        "total_time_in_millis": millis(total_time),
        "source": {
            "repository": repository(status),
            "snapshot": SNAPSHOT,
            "index": status.leader_index,
        },
        "target": {
            "id": node.id,
            "host": host(node),
            "transport_address": node.transport_address,
            "ip": host(node),
            "name": node.name,
        },
        "index": {
            "size": {
                "total_in_bytes": status.bytes_total,
                "reused_in_bytes": status.bytes_reused,
                "recovered_in_bytes": status.bytes_recovered,
                "recovered_from_snapshot_in_bytes": 0,
                "bytes_per_sec": status.bytes_per_sec(now).unwrap_or(0),
                "percent": percent(status.bytes_percent()),
            },
            "files": {
                "total": status.files_total,
                "reused": status.files_reused,
                "recovered": status.files_recovered,
                "percent": percent(status.files_percent()),
            },
            "total_time_in_millis": millis(total_time),
            "source_throttle_time_in_millis": 0,
            "target_throttle_time_in_millis": millis(status.target_throttle_time),
        },
        // Operations come by following, when the copy serves.
        "translog": {"recovered": 0, "total": 0, "percent": "100.0%", "total_on_start": 0, "total_time_in_millis": 0},
        "verify_index": {"check_index_time_in_millis": 0, "total_time_in_millis": 0},
        "attempts": status.attempts,
    });
    if let Some(stopped) = status.stopped {
        shard["stop_time_in_millis"] = stopped.get().into();
    }
    if let Some(failure) = &status.failure {
        shard["failure"] = error_object(failure);
    }
    if human {
        shard["total_time"] = human_millis(millis(total_time)).into();
        let size = &mut shard["index"]["size"];
        size["total"] = human_bytes(status.bytes_total).into();
        size["reused"] = human_bytes(status.bytes_reused).into();
        size["recovered"] = human_bytes(status.bytes_recovered).into();
        shard["index"]["target_throttle_time"] = human_millis(millis(status.target_throttle_time)).into();
    }
    shard
}

/// The copies of shards to and from this node, as stats count them.
pub(crate) struct Recoveries {
    sources: Vec<ShardId>,
    /// With the time for which each was held back, and whether it goes on.
    targets: Vec<(ShardId, Duration, bool)>,
}

impl Recoveries {
    /// Those of now; those done count with their time.
    ///
    /// # Errors
    /// None in a state that holds together.
    pub(crate) fn now(call: &Call) -> Result<Self, Exception> {
        let options = ResolveOptions {
            expand_hidden: true,
            ..ResolveOptions::METADATA
        };
        let ccr = call.state.ccr();
        let state = call.state.cluster().state();
        let target = |status: ShardRecoveryStatus| {
            let index = state.index(&status.index)?;
            let shard = ShardId::new(index.uuid.clone(), status.shard);
            let goes_on = status.stage != RecoveryStage::Done;
            Some((shard, status.target_throttle_time, goes_on))
        };
        Ok(Self {
            sources: ccr.leader_side().sessions().shards(),
            targets: ccr
                .recoveries("_all", &options)?
                .into_iter()
                .filter_map(target)
                .collect(),
        })
    }

    /// The section `recovery` of the shards that `belongs` names.
    pub(crate) fn section(&self, belongs: impl Fn(&ShardId) -> bool, human: bool) -> Value {
        let sources = self.sources.iter().filter(|shard| belongs(shard)).count();
        let targets = self.targets.iter().filter(|(shard, ..)| belongs(shard));
        let throttled: Duration = targets.clone().map(|(_, throttled, _)| *throttled).sum();
        let mut section = json!({
            "current_as_source": sources,
            "current_as_target": targets.filter(|(.., goes_on)| *goes_on).count(),
            "throttle_time_in_millis": millis(throttled),
        });
        if human {
            section["throttle_time"] = human_millis(millis(throttled)).into();
        }
        section
    }
}

/// The name that Elasticsearch gives the snapshots of a leader.
pub(crate) const SNAPSHOT: &str = "_latest_";

/// The repository that a leader's cluster is to Elasticsearch.
pub(crate) fn repository(status: &ShardRecoveryStatus) -> String {
    format!("_ccr_{}", status.remote_cluster)
}

pub(crate) fn host(node: &NodeMetadata) -> Option<&str> {
    let address = node.transport_address.as_deref()?;
    address.rsplit_once(':').map(|(host, _)| host)
}

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn percent(percent: f64) -> String {
    format!("{percent:.1}%")
}
