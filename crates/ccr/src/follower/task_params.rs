//! Parameters of a shard follow task, as the cluster state keeps them.

use es_exception::{Exception, ExceptionKind};
use follow_task::RawFollowParameters;
use oplog::{HistoryUuid, IndexUuid, ShardId, ShardNumber};
use serde::{Deserialize, Serialize};

use super::origin::{FollowerName, FollowerOrigin};

/// Name of the persistent tasks that follow a shard. Source: Elasticsearch's task name.
pub(crate) const SHARD_FOLLOW_TASK_NAME: &str = "xpack/ccr/shard_follow_task";

/// Everything a shard follow task needs to start, also after a restart of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardFollowTaskParams {
    pub(crate) remote_cluster: String,
    pub(crate) leader_index: String,
    pub(crate) leader_index_uuid: IndexUuid,
    pub(crate) leader_history_uuid: HistoryUuid,
    pub(crate) follower_index: String,
    pub(crate) follower_index_uuid: IndexUuid,
    pub(crate) shard: ShardNumber,
    pub(crate) parameters: RawFollowParameters,
}

impl ShardFollowTaskParams {
    /// The parameters of the tasks of all shards of a follower.
    pub(crate) fn of_index(
        origin: &FollowerOrigin,
        follower: &FollowerName,
        parameters: &RawFollowParameters,
    ) -> Vec<Self> {
        let numbered = origin.leader_history_uuids.iter().zip(0..);
        numbered
            .map(|(history, number)| Self {
                remote_cluster: origin.remote_cluster.to_string(),
                leader_index: origin.leader_index.clone(),
                leader_index_uuid: origin.leader_index_uuid.clone(),
                leader_history_uuid: history.clone(),
                follower_index: follower.name.clone(),
                follower_index_uuid: follower.uuid.clone(),
                shard: ShardNumber::new(number),
                parameters: parameters.clone(),
            })
            .collect()
    }

    /// Id of the task. Source: `<follower index UUID>-<shard number>`.
    pub(crate) fn task_id(&self) -> String {
        format!("{}-{}", self.follower_index_uuid, self.shard)
    }

    pub(crate) fn leader_shard(&self) -> ShardId {
        ShardId {
            index: self.leader_index_uuid.clone(),
            shard: self.shard,
        }
    }

    pub(crate) fn follower_shard(&self) -> ShardId {
        ShardId {
            index: self.follower_index_uuid.clone(),
            shard: self.shard,
        }
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("task parameters are plain text and numbers")
    }

    pub(crate) fn from_json(value: &serde_json::Value) -> Result<Self, Exception> {
        Self::deserialize(value).map_err(|error| {
            Exception::new(
                ExceptionKind::IllegalState,
                format!("stored follow task cannot be read: {error}"),
            )
        })
    }
}
