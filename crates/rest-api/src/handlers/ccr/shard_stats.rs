//! One shard follow task as follow stats and the task list show it.

use std::time::Duration;

use follow_task::{HealStage, HealStatus, MetadataKind, ShardFollowTaskStatus};
use oplog::SeqNo;
use serde_json::{Map, Value, json};

use crate::error_body::error_object;
use crate::units::{human_bytes, human_millis};

/// The number that Elasticsearch shows where there is no sequence number.
pub(crate) const NO_SEQ_NO: i64 = -1;

/// The number that Elasticsearch shows where there is no time.
pub(crate) const NO_TIME: i64 = -1;

/// A sequence number as Elasticsearch prints it: -1 when there is none.
pub(crate) fn seq_no(seq_no: Option<SeqNo>) -> i64 {
    seq_no
        .and_then(|seq_no| i64::try_from(seq_no.get()).ok())
        .unwrap_or(NO_SEQ_NO)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// How far the shard's follower is behind by global checkpoints; never negative.
pub(crate) fn checkpoint_lag(status: &ShardFollowTaskStatus) -> i64 {
    (seq_no(status.leader_global_checkpoint) - seq_no(status.follower_global_checkpoint)).max(0)
}

/// A time as Elasticsearch prints it where there may be none: -1 then.
fn millis_or_none(time: Option<Duration>) -> i64 {
    time.map_or(NO_TIME, millis)
}

/// Milliseconds until the shard has caught up; -1 when it does not, or nobody knows.
pub(crate) fn catch_up_millis(status: &ShardFollowTaskStatus) -> i64 {
    millis_or_none(status.estimated_catch_up)
}

/// Milliseconds until the leader may drop operations that the shard has yet to read, if no renewal succeeds any more; -1 when not known.
pub(crate) fn lease_left_millis(status: &ShardFollowTaskStatus, period: Option<Duration>) -> i64 {
    millis_or_none(period.and_then(|period| status.retention_lease_left(period)))
}

/// The shard object. Source: elasticsearch-specification, `ccr/_types/FollowIndexStats.ts` (`ShardStats`); the fields of lag, catching up, the
/// lease and heal are ours. `lease_period` is the leader's, if it is known.
pub(crate) fn shard_stats(
    status: &ShardFollowTaskStatus,
    lease_period: Option<Duration>,
    human: bool,
) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    let identity = &status.identity;
    put("remote_cluster", identity.remote_cluster.clone().into());
    put("leader_index", identity.leader_index.clone().into());
    put("follower_index", identity.follower_index.clone().into());
    put("shard_id", identity.shard_id.get().into());
    put(
        "leader_global_checkpoint",
        seq_no(status.leader_global_checkpoint).into(),
    );
    put("leader_max_seq_no", seq_no(status.leader_max_seq_no).into());
    put(
        "follower_global_checkpoint",
        seq_no(status.follower_global_checkpoint).into(),
    );
    put("follower_max_seq_no", seq_no(status.follower_max_seq_no).into());
    put(
        "last_requested_seq_no",
        seq_no(status.last_requested_seq_no).into(),
    );
    put(
        "outstanding_read_requests",
        status.outstanding_read_requests.into(),
    );
    put(
        "outstanding_write_requests",
        status.outstanding_write_requests.into(),
    );
    put(
        "write_buffer_operation_count",
        status.write_buffer_operation_count.into(),
    );
    if human {
        put(
            "write_buffer_size",
            human_bytes(status.write_buffer_size_in_bytes).into(),
        );
    }
    put(
        "write_buffer_size_in_bytes",
        status.write_buffer_size_in_bytes.into(),
    );
    put("follower_mapping_version", status.follower_mapping_version.into());
    put(
        "follower_settings_version",
        status.follower_settings_version.into(),
    );
    put("follower_aliases_version", status.follower_aliases_version.into());
    put_time(&mut object, "total_read_time", status.total_read_time, human);
    put_time(
        &mut object,
        "total_read_remote_exec_time",
        status.total_read_remote_exec_time,
        human,
    );
    let mut put = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    put("successful_read_requests", status.successful_read_requests.into());
    put("failed_read_requests", status.failed_read_requests.into());
    put("operations_read", status.operations_read.into());
    if human {
        put("total_read", human_bytes(status.bytes_read).into());
    }
    put("bytes_read", status.bytes_read.into());
    put_time(&mut object, "total_write_time", status.total_write_time, human);
    let mut put = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    put(
        "successful_write_requests",
        status.successful_write_requests.into(),
    );
    put("failed_write_requests", status.failed_write_requests.into());
    put("operations_written", status.operations_written.into());
    let exceptions = status.read_exceptions.iter().map(|failed| {
        json!({"from_seq_no": failed.from_seq_no.get(), "retries": failed.retries, "exception": error_object(&failed.exception)})
    });
    put("read_exceptions", exceptions.collect());
    let since = millis_or_none(status.time_since_last_read);
    put_millis(&mut object, "time_since_last_read", since, human);
    let lag = i64::try_from(status.follower_to_leader_lag_millis).unwrap_or(i64::MAX);
    put_millis(&mut object, "follower_to_leader_lag", lag, human);
    let mut put = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    put(
        "follower_to_leader_lagging_ops_count",
        status.follower_to_leader_lagging_ops_count.into(),
    );
    put("successful_heals", status.successful_heals.into());
    if let Some(heal) = &status.heal {
        put("heal", heal_stats(heal, human));
    }
    let (catch_up, lease) = (catch_up_millis(status), lease_left_millis(status, lease_period));
    put_millis(&mut object, "estimated_catch_up", catch_up, human);
    put_millis(&mut object, "time_until_retention_lease_expiry", lease, human);
    if let Some(failed) = &status.metadata_exception {
        let kind = match failed.kind {
            MetadataKind::Aliases => "aliases",
            MetadataKind::Settings => "settings",
            MetadataKind::Mapping => "mapping",
        };
        let shown =
            json!({"kind": kind, "retries": failed.retries, "exception": error_object(&failed.exception)});
        object.insert("metadata_exception".to_owned(), shown);
    }
    if let Some(failed) = &status.retention_lease_exception {
        object.insert("retention_lease_exception".to_owned(), error_object(failed));
    }
    if let Some(fatal) = &status.fatal_exception {
        object.insert("fatal_exception".to_owned(), error_object(fatal));
    }
    Value::Object(object)
}

/// A delta heal under way.
fn heal_stats(heal: &HealStatus, human: bool) -> Value {
    let stage = match heal.stage {
        HealStage::WaitingForWrites => "waiting_for_writes",
        HealStage::ReadingOperations => "reading_operations",
        HealStage::ReadingLiveSet => "reading_live_set",
        HealStage::Installing => "installing",
    };
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    put("stage", stage.into());
    put("from_seq_no", heal.from_seq_no.get().into());
    put("next_seq_no", heal.next_seq_no.get().into());
    put("to_seq_no", seq_no(heal.to_seq_no).into());
    put("operations_read", heal.operations.into());
    if human {
        put("total_read", human_bytes(heal.bytes).into());
    }
    put("bytes_read", heal.bytes.into());
    put("failed_requests", heal.failures.into());
    if let Some(exception) = &heal.exception {
        put("exception", error_object(exception));
    }
    Value::Object(object)
}

fn put_time(object: &mut Map<String, Value>, name: &str, time: Duration, human: bool) {
    put_millis(object, name, millis(time), human);
}

/// A time under its name with the unit, and for people without.
pub(crate) fn put_millis(object: &mut Map<String, Value>, name: &str, millis: i64, human: bool) {
    if human {
        object.insert(name.to_owned(), human_millis(millis).into());
    }
    object.insert(format!("{name}_millis"), millis.into());
}
