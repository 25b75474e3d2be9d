//! `GET /{index}/_ccr/stats` and `GET /_ccr/stats`: how every follow task is doing.

use ccr::IndexFollowStats;
use es_exception::Exception;
use serde_json::{Map, Value, json};

use super::shard_stats::{
    NO_TIME, catch_up_millis, checkpoint_lag, lease_left_millis, put_millis, shard_stats,
};
use crate::call::Call;
use crate::error_body::error_object;
use crate::reply::Reply;

/// The follow tasks of the indices named.
pub(crate) async fn follow_stats(call: Call) -> Result<Reply, Exception> {
    let human = call.human()?;
    let indices = call.state.ccr().follow_stats(call.index())?;
    Reply::ok(&json!({"indices": printed(&indices, human)}))
}

/// All follow tasks, and auto-follow.
pub(crate) async fn stats(call: Call) -> Result<Reply, Exception> {
    let human = call.human()?;
    let indices = call.state.ccr().follow_stats("_all")?;
    Reply::ok(&json!({
        "auto_follow_stats": auto_follow_stats(&call, human),
        "follow_stats": {"indices": printed(&indices, human)},
    }))
}

/// Source: elasticsearch-specification, `ccr/stats/types.ts.ts` (`AutoFollowStats`).
fn auto_follow_stats(call: &Call, human: bool) -> Value {
    let stats = call.state.ccr().auto_follow_stats();
    let errors = stats.recent_errors.iter().map(|(key, error)| {
        json!({
            "leader_index": key,
            "timestamp": error.timestamp.get(),
            "auto_follow_exception": error_object(&error.exception),
        })
    });
    let clusters = stats.clusters.iter().map(|(alias, cluster)| {
        let mut object = Map::new();
        object.insert("cluster_name".to_owned(), alias.as_str().into());
        let since = cluster.since_last_check.map(|since| since.as_millis());
        let since = since.map_or(NO_TIME, |millis| i64::try_from(millis).unwrap_or(i64::MAX));
        put_millis(&mut object, "time_since_last_check", since, human);
        // Source: -1 before the first answer.
        let seen = cluster.last_seen_metadata_version.map(Value::from);
        object.insert(
            "last_seen_metadata_version".to_owned(),
            seen.unwrap_or_else(|| (-1).into()),
        );
        Value::Object(object)
    });
    json!({
        "number_of_failed_follow_indices": stats.failed_follow_indices,
        "number_of_failed_remote_cluster_state_requests": stats.failed_remote_cluster_state_requests,
        "number_of_successful_follow_indices": stats.successful_follow_indices,
        "recent_auto_follow_errors": errors.collect::<Value>(),
        "auto_followed_clusters": clusters.collect::<Value>(),
    })
}

fn printed(indices: &[IndexFollowStats], human: bool) -> Value {
    indices.iter().map(|index| index_stats(index, human)).collect()
}

/// The index object. Source: elasticsearch-specification, `ccr/_types/FollowIndexStats.ts` (`FollowIndexStats`); ours are the numbers of all shards
/// behind `total_global_checkpoint_lag`: sums of counts, and of times that of the shard which is worst off.
fn index_stats(index: &IndexFollowStats, human: bool) -> Value {
    let (all, period) = (&index.shards, index.leader_retention_lease_period);
    let mut object = Map::new();
    object.insert("index".to_owned(), index.index.clone().into());
    let checkpoint_lag: i64 = all.iter().map(checkpoint_lag).sum();
    object.insert("total_global_checkpoint_lag".to_owned(), checkpoint_lag.into());
    let lagging = all.iter().map(|shard| shard.follower_to_leader_lagging_ops_count);
    let lagging = lagging.fold(0, u64::saturating_add);
    object.insert(
        "total_follower_to_leader_lagging_ops_count".to_owned(),
        lagging.into(),
    );
    let lag = all.iter().map(|shard| shard.follower_to_leader_lag_millis).max();
    let lag = lag.and_then(|lag| i64::try_from(lag).ok()).unwrap_or(i64::MAX);
    put_millis(&mut object, "max_follower_to_leader_lag", lag, human);
    let catch_up = of_all(all.iter().map(catch_up_millis), i64::max);
    put_millis(&mut object, "max_estimated_catch_up", catch_up, human);
    let lease = of_all(all.iter().map(|shard| lease_left_millis(shard, period)), i64::min);
    put_millis(&mut object, "min_time_until_retention_lease_expiry", lease, human);
    let shards = all.iter().map(|shard| shard_stats(shard, period, human));
    object.insert("shards".to_owned(), shards.collect());
    Value::Object(object)
}

/// The time of the shard that is worst off; none when it is not known of one of them, which may be worse off still.
fn of_all(times: impl Iterator<Item = i64>, worse: fn(i64, i64) -> i64) -> i64 {
    let known = |a, b| {
        if a == NO_TIME || b == NO_TIME {
            NO_TIME
        } else {
            worse(a, b)
        }
    };
    times.reduce(known).unwrap_or(NO_TIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shard_that_is_worst_off_speaks_for_the_index() {
        for (times, worst, soonest) in [
            (&[][..], -1, -1),
            (&[7], 7, 7),
            (&[0, 9, 3], 9, 0),
            (&[0, 9, -1], -1, -1),
            (&[-1, 0], -1, -1),
        ] {
            assert_eq!(of_all(times.iter().copied(), i64::max), worst, "{times:?}");
            assert_eq!(of_all(times.iter().copied(), i64::min), soonest, "{times:?}");
        }
    }
}
