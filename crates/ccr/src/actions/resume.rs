//! `POST /{index}/_ccr/resume_follow`: starts the follow tasks of a paused follower again.

use cluster::change::restore_follower_shards;
use cluster::{ClusterState, IndexMetadata};
use es_exception::{Exception, ExceptionKind};
use follow_task::{FollowParameters, RawFollowParameters};
use index_meta::{MappingLimits, Settings, replicated_settings_equal};
use oplog::ShardNumber;
use transport::RemoteIndexMetadata;

use super::validation::{concrete_index, leader_to_follow, validation_failed};
use crate::follower::origin::{
    FollowerName, FollowerOrigin, PARAMETERS_CUSTOM, parameters_custom, stored_parameters,
};
use crate::follower::tasks::{follow_task_ids, with_follow_tasks};
use crate::recovery::lost_shards;
use crate::service::CcrService;

/// Checks the follower against its leader as it is now, then puts the tasks. Shards whose data is damaged or gone are copied anew first. Parameters that the request leaves out keep the values
/// they had before the pause.
pub(crate) async fn resume_follow(
    service: &CcrService,
    name: &str,
    requested: RawFollowParameters,
) -> Result<(), Exception> {
    let index = concrete_index(&service.cluster.state(), name)?;
    let origin = FollowerOrigin::require(&index)?;
    let parameters = merged_parameters(&index, requested)?;
    let settings = service.settings.current();
    let leader = leader_to_follow(
        &service.remotes,
        &origin.remote_cluster,
        &origin.leader_index,
        &settings,
    )
    .await?;
    check_same_leader(&origin, &leader, name)?;
    let follower = FollowerName::of(&index);
    let lost: Vec<u32> = lost_shards(&service.indices, &index);
    if !lost.is_empty() {
        tracing::warn!(index = name, shards = ?lost, "follower shards are damaged or gone and are copied from their leader again before following");
        service.bootstraps.forget(&follower.uuid);
    }
    service
        .cluster
        .update("resume follow", |state| {
            let index = concrete_index(state, name)?;
            if index.uuid != follower.uuid {
                return Err(Exception::index_not_found(name));
            }
            check_follower(service, state, &index, &leader, &lost)?;
            let next = state.modify_index(name, |index| {
                index
                    .custom
                    .insert(PARAMETERS_CUSTOM.to_owned(), parameters_custom(&parameters));
                Ok(())
            })?;
            let next = if lost.is_empty() {
                with_follow_tasks(next, &origin, &follower, &parameters)?
            } else {
                // The tasks begin when the shards are there.
                restore_follower_shards(&next, name, &lost)?
            };
            Ok((next, ()))
        })
        .await?;
    service.wait_until_applied().await;
    Ok(())
}

fn merged_parameters(
    index: &IndexMetadata,
    requested: RawFollowParameters,
) -> Result<RawFollowParameters, Exception> {
    let merged = match FollowParameters::try_from(stored_parameters(index)) {
        Ok(stored) => requested.clone().merged_over(&stored),
        Err(_unreadable) => requested.clone(),
    };
    if let Err(problems) = FollowParameters::try_from(requested) {
        validation_failed(&problems)?;
    }
    Ok(merged)
}

/// Source: the leader must be the index that the follower was created from, with the history that was recorded.
pub(crate) fn check_same_leader(
    origin: &FollowerOrigin,
    leader: &RemoteIndexMetadata,
    name: &str,
) -> Result<(), Exception> {
    if leader.uuid != origin.leader_index_uuid {
        return Err(Exception::illegal_argument(format!(
            "follower index [{name}] should reference [{}] as leader index uuid, but the leader index [{}] has uuid [{}]: it was created \
             anew; close the follower and follow again",
            origin.leader_index_uuid, leader.name, leader.uuid
        )));
    }
    for shard in &leader.shards {
        let recorded = origin.leader_history(shard.shard)?;
        let Some(actual) = &shard.history_uuid else {
            return Err(Exception::illegal_argument(format!(
                "no history uuid for shard [{}] of the leader index [{}]: its primary is not active",
                shard.shard, leader.name
            )));
        };
        if *actual != recorded {
            return Err(Exception::illegal_argument(format!(
                "leader shard [{}] has history uuid [{actual}], but follower index [{name}] recorded [{recorded}]: the leader was restored; \
                 close the follower and follow again",
                shard.shard
            )));
        }
    }
    Ok(())
}

/// Source: the order of Elasticsearch's checks on resume.
fn check_follower(
    service: &CcrService,
    state: &ClusterState,
    follower: &IndexMetadata,
    leader: &RemoteIndexMetadata,
    lost: &[u32],
) -> Result<(), Exception> {
    let name = &follower.name;
    let refuse = |reason: String| Err(Exception::illegal_argument(reason));
    if follower.settings.get_str("index.soft_deletes.enabled") == Some("false") {
        return refuse(format!(
            "follower index [{name}] does not have soft deletes enabled"
        ));
    }
    if follower.number_of_shards != leader.number_of_shards {
        return refuse(format!(
            "follower index [{name}] has {} shards and the leader index [{}] has {}",
            follower.number_of_shards, leader.name, leader.number_of_shards
        ));
    }
    if follower.number_of_routing_shards != leader.number_of_routing_shards {
        return refuse(format!(
            "follower index [{name}] has {} routing shards and the leader index [{}] has {}",
            follower.number_of_routing_shards, leader.name, leader.number_of_routing_shards
        ));
    }
    if follower.recovering {
        return refuse(format!(
            "follower index [{name}] is still being copied from its leader; it follows by itself then"
        ));
    }
    if !follower.is_open() {
        return refuse(format!(
            "leader and follower index must be open; follower index [{name}] is closed"
        ));
    }
    if !follower.is_follower() {
        return refuse(format!(
            "the index [{name}] is not ready to follow: [index.xpack.ccr.following_index] is not set"
        ));
    }
    check_settings(follower, leader)?;
    check_mapping(follower, leader)?;
    if !follow_task_ids(state, &follower.uuid).is_empty() {
        return Err(Exception::new(
            ExceptionKind::ResourceAlreadyExists,
            format!("index [{name}] is being followed already; pause it first to change its parameters"),
        ));
    }
    for id in follower.shard_ids().filter(|id| !lost.contains(&id.shard.get())) {
        if let Err(error) = service.indices.shard(&id) {
            return Err(not_active(name, id.shard, error));
        }
    }
    Ok(())
}

fn check_settings(follower: &IndexMetadata, leader: &RemoteIndexMetadata) -> Result<(), Exception> {
    let flat = serde_json::from_str(&leader.settings).map_err(|error| {
        Exception::new(
            ExceptionKind::IllegalState,
            format!("settings of [{}] cannot be read: {error}", leader.name),
        )
    })?;
    let leader_settings = Settings::from_json(&flat).map_err(|error| error.to_exception())?;
    if replicated_settings_equal(&leader_settings, &follower.settings) {
        return Ok(());
    }
    Err(Exception::illegal_argument(format!(
        "the leader index [{}] and the follower index [{}] differ in settings that must be identical: leader {}, follower {}",
        leader.name,
        follower.name,
        leader_settings.to_flat_json(),
        follower.settings.to_flat_json()
    )))
}

fn check_mapping(follower: &IndexMetadata, leader: &RemoteIndexMetadata) -> Result<(), Exception> {
    let mapping = serde_json::from_str(&leader.mapping).map_err(|error| {
        Exception::new(
            ExceptionKind::IllegalState,
            format!("mapping of [{}] cannot be read: {error}", leader.name),
        )
    })?;
    follower
        .mapping
        .merge_within(&mapping, &MappingLimits::unlimited())
        .map(|_| ())
        .map_err(|error| error.to_exception())
}

fn not_active(name: &str, shard: ShardNumber, cause: Exception) -> Exception {
    Exception::illegal_argument(format!(
        "primary of shard [{shard}] of the follower index [{name}] is not active"
    ))
    .with_cause(cause)
}
