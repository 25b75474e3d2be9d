//! Where a follower index comes from, as kept in its index metadata.

use std::collections::BTreeMap;

use cluster::IndexMetadata;
use es_exception::{Exception, ExceptionKind};
use follow_task::RawFollowParameters;
use oplog::{HistoryUuid, IndexUuid, ShardId, ShardNumber};
use transport::{ClusterAlias, RemoteIndexMetadata};

use crate::RetentionLeaseName;

/// Key of the custom metadata that marks a follower index. Source: Elasticsearch's `ccr` custom metadata and its keys.
pub(crate) const CCR_CUSTOM: &str = "ccr";
/// Key of the custom metadata that keeps the follow parameters over a pause (our addition).
pub(crate) const PARAMETERS_CUSTOM: &str = "ccr_follow_parameters";

const LEADER_INDEX_NAME: &str = "leader_index_name";
const LEADER_INDEX_UUID: &str = "leader_index_uuid";
const LEADER_HISTORY_UUIDS: &str = "leader_index_shard_history_uuids";
const REMOTE_CLUSTER_NAME: &str = "remote_cluster_name";

/// The leader index of a follower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FollowerOrigin {
    pub(crate) remote_cluster: ClusterAlias,
    pub(crate) leader_index: String,
    pub(crate) leader_index_uuid: IndexUuid,
    /// History UUID of every leader shard, by shard number, as recorded when the follower was created.
    pub(crate) leader_history_uuids: Vec<HistoryUuid>,
}

impl FollowerOrigin {
    /// The origin that a leader's metadata describes.
    ///
    /// # Errors
    /// Illegal argument if a primary of the leader is not active, since its history cannot be recorded then.
    pub(crate) fn of_leader(
        remote_cluster: ClusterAlias,
        leader: &RemoteIndexMetadata,
    ) -> Result<Self, Exception> {
        if leader.shards.is_empty() {
            return Err(Exception::illegal_argument(format!(
                "no index stats available for the leader index [{}]",
                leader.name
            )));
        }
        let history = |shard: &transport::RemoteShard| {
            shard.history_uuid.clone().ok_or_else(|| {
                Exception::illegal_argument(format!(
                    "no history uuid for shard [{}] of the leader index [{}]: its primary is not active",
                    shard.shard, leader.name
                ))
            })
        };
        Ok(Self {
            remote_cluster,
            leader_index: leader.name.clone(),
            leader_index_uuid: leader.uuid.clone(),
            leader_history_uuids: leader.shards.iter().map(history).collect::<Result<_, _>>()?,
        })
    }

    /// Reads the origin from a follower's metadata; `None` for an index that is no follower.
    ///
    /// # Errors
    /// Illegal state if the metadata is there and cannot be read.
    pub(crate) fn read(index: &IndexMetadata) -> Result<Option<Self>, Exception> {
        let Some(custom) = index.custom.get(CCR_CUSTOM) else {
            return Ok(None);
        };
        let field = |key: &str| custom.get(key).ok_or_else(|| damaged(index, key));
        let histories = field(LEADER_HISTORY_UUIDS)?
            .split(',')
            .map(str::parse)
            .collect::<Result<Vec<_>, _>>();
        Ok(Some(Self {
            remote_cluster: field(REMOTE_CLUSTER_NAME)?
                .parse()
                .map_err(|_| damaged(index, REMOTE_CLUSTER_NAME))?,
            leader_index: field(LEADER_INDEX_NAME)?.clone(),
            leader_index_uuid: field(LEADER_INDEX_UUID)?
                .parse()
                .map_err(|_| damaged(index, LEADER_INDEX_UUID))?,
            leader_history_uuids: histories.map_err(|_| damaged(index, LEADER_HISTORY_UUIDS))?,
        }))
    }

    /// As [`read`](Self::read), refusing an index that is no follower.
    pub(crate) fn require(index: &IndexMetadata) -> Result<Self, Exception> {
        Self::read(index)?.ok_or_else(|| {
            Exception::illegal_argument(format!(
                "index [{}] does not have ccr metadata: it is not a follower",
                index.name
            ))
        })
    }

    /// The custom metadata to store with the follower.
    pub(crate) fn to_custom(&self) -> BTreeMap<String, String> {
        let histories: Vec<String> = self
            .leader_history_uuids
            .iter()
            .map(ToString::to_string)
            .collect();
        BTreeMap::from([
            (LEADER_INDEX_NAME.to_owned(), self.leader_index.clone()),
            (LEADER_INDEX_UUID.to_owned(), self.leader_index_uuid.to_string()),
            (LEADER_HISTORY_UUIDS.to_owned(), histories.join(",")),
            (REMOTE_CLUSTER_NAME.to_owned(), self.remote_cluster.to_string()),
        ])
    }

    /// The leader's shard with this number.
    pub(crate) fn leader_shard(&self, shard: ShardNumber) -> ShardId {
        ShardId {
            index: self.leader_index_uuid.clone(),
            shard,
        }
    }

    /// The recorded history of the leader's shard with this number.
    pub(crate) fn leader_history(&self, shard: ShardNumber) -> Result<HistoryUuid, Exception> {
        self.leader_history_uuids
            .get(shard.get() as usize)
            .cloned()
            .ok_or_else(|| {
                Exception::new(
                    ExceptionKind::IllegalState,
                    format!("no history uuid is recorded for leader shard [{shard}]"),
                )
            })
    }

    /// The retention lease that this follower holds.
    pub(crate) fn lease_name<'a>(
        &'a self,
        cluster_name: &'a str,
        follower: &'a FollowerName,
    ) -> RetentionLeaseName<'a> {
        RetentionLeaseName {
            follower_cluster: cluster_name,
            follower_index: &follower.name,
            follower_index_uuid: &follower.uuid_text,
            remote_cluster: self.remote_cluster.as_str(),
            leader_index: &self.leader_index,
            leader_index_uuid: self.leader_index_uuid.as_str(),
        }
    }
}

/// Name and UUID of a follower index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FollowerName {
    pub(crate) name: String,
    pub(crate) uuid: IndexUuid,
    uuid_text: String,
}

impl FollowerName {
    pub(crate) fn of(index: &IndexMetadata) -> Self {
        Self {
            name: index.name.clone(),
            uuid: index.uuid.clone(),
            uuid_text: index.uuid.to_string(),
        }
    }
}

/// The follow parameters that are kept with a follower, so that a pause does not lose them.
pub(crate) fn stored_parameters(index: &IndexMetadata) -> RawFollowParameters {
    let Some(custom) = index.custom.get(PARAMETERS_CUSTOM) else {
        return RawFollowParameters::default();
    };
    let text = custom.get("parameters").map_or("{}", String::as_str);
    serde_json::from_str(text).unwrap_or_default()
}

/// The custom metadata that keeps follow parameters.
pub(crate) fn parameters_custom(parameters: &RawFollowParameters) -> BTreeMap<String, String> {
    let text = serde_json::to_string(parameters).expect("follow parameters are plain text and numbers");
    BTreeMap::from([("parameters".to_owned(), text)])
}

fn damaged(index: &IndexMetadata, key: &str) -> Exception {
    Exception::new(
        ExceptionKind::IllegalState,
        format!(
            "ccr metadata of index [{}] has no usable [{key}]; close the index and follow again",
            index.name
        ),
    )
}
