//! `PUT /{index}/_ccr/follow`: creates a follower index.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cluster::change::ReplicatedStream;
use cluster::{FOLLOWING_INDEX_SETTING, IndexMetadata, IndexState};
use es_exception::{Exception, ExceptionKind};
use follow_task::{FollowParameters, RawFollowParameters};
use index_meta::{BackingIndexName, SettingValue, Settings, check_follow_overrides, normalize_index_prefix};
use indices::NewFollowerIndex;
use transport::{ClusterAlias, RemoteIndexMetadata};

use super::validation::{leader_to_follow, validation_failed};
use crate::follower::origin::{CCR_CUSTOM, FollowerOrigin, PARAMETERS_CUSTOM, parameters_custom};
use crate::follower::task_params::SHARD_FOLLOW_TASK_NAME;
use crate::recovery::BootstrapOutcome;
use crate::service::CcrService;

/// How long the acknowledgement of active copies is waited for once following has begun. Source: Elasticsearch's ack timeout.
const ACK_TIMEOUT: Duration = Duration::from_secs(30);

/// How many copies of each shard must serve before `follow` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitForActiveShards {
    /// Do not wait: answer once the follower index exists.
    #[default]
    None,
    /// This many copies of every shard; at least 1.
    Count(u32),
    /// All copies of every shard.
    All,
}

/// What a follower is created from.
#[derive(Debug, Clone, Default)]
pub struct FollowRequest {
    /// Name of the follower index.
    pub follower_index: String,
    /// Alias of the leader's cluster. Required.
    pub remote_cluster: Option<String>,
    /// Name of the leader index. Required; one concrete index.
    pub leader_index: Option<String>,
    /// Name of the local data stream, when the leader is a backing index; without it, that of the leader's.
    pub data_stream_name: Option<String>,
    /// Settings laid over the leader's; only ones that are not replicated.
    pub settings: Settings,
    /// The follow parameters as the user wrote them.
    pub parameters: RawFollowParameters,
    /// What to wait for.
    pub wait_for_active_shards: WaitForActiveShards,
}

/// How far following has come when `follow` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowResponse {
    /// The follower index exists.
    pub follow_index_created: bool,
    /// As many copies serve as were waited for.
    pub follow_index_shards_acked: bool,
    /// The follow tasks are there.
    pub index_following_started: bool,
}

const CREATED_ONLY: FollowResponse = FollowResponse {
    follow_index_created: true,
    follow_index_shards_acked: false,
    index_following_started: false,
};

/// Source for the order of checks: the first failure wins, and none of them leaves an index behind.
pub(crate) async fn follow(
    service: &CcrService,
    request: FollowRequest,
) -> Result<FollowResponse, Exception> {
    let (alias, leader_index) = validate(&request)?;
    let settings = service.settings.current();
    let leader = leader_to_follow(&service.remotes, &alias, &leader_index, &settings).await?;
    let origin = FollowerOrigin::of_leader(alias, &leader)?;
    check_follow_overrides(&request.settings).map_err(|error| error.to_exception())?;
    let index = create_index(service, &request, &origin, &leader).await?;
    let outcome = service.bootstraps.ensure(&index)?;
    if request.wait_for_active_shards == WaitForActiveShards::None {
        return Ok(CREATED_ONLY);
    }
    let mut outcome = outcome;
    // The channel closes without an outcome only when the index is deleted meanwhile or the node stops.
    let reached = outcome
        .wait_for(|outcome| *outcome != BootstrapOutcome::Running)
        .await
        .map(|reached| reached.clone());
    match reached {
        Ok(BootstrapOutcome::Following) => {
            service.wait_until_applied().await;
            let acked = wait_for_copies(service, &index, request.wait_for_active_shards).await;
            Ok(FollowResponse {
                follow_index_shards_acked: acked,
                index_following_started: true,
                ..CREATED_ONLY
            })
        }
        _ => Ok(CREATED_ONLY),
    }
}

fn validate(request: &FollowRequest) -> Result<(ClusterAlias, String), Exception> {
    let mut problems = Vec::new();
    if request.remote_cluster.is_none() {
        problems.push("remote_cluster is missing".to_owned());
    }
    if request.leader_index.is_none() {
        problems.push("leader_index is missing".to_owned());
    }
    if request
        .data_stream_name
        .as_ref()
        .is_some_and(|name| name.trim().is_empty())
    {
        problems.push("data_stream_name must contain text if present".to_owned());
    }
    if let Err(out_of_range) = FollowParameters::try_from(request.parameters.clone()) {
        problems.extend(out_of_range);
    }
    validation_failed(&problems)?;
    let alias = request.remote_cluster.as_deref().unwrap_or_default();
    let alias = alias.parse().map_err(|_| no_such_remote(alias))?;
    Ok((alias, request.leader_index.clone().unwrap_or_default()))
}

pub(super) fn no_such_remote(alias: &str) -> Exception {
    Exception::new(
        ExceptionKind::NoSuchRemoteCluster,
        format!("no such remote cluster: [{alias}]"),
    )
}

async fn create_index(
    service: &CcrService,
    request: &FollowRequest,
    origin: &FollowerOrigin,
    leader: &RemoteIndexMetadata,
) -> Result<Arc<IndexMetadata>, Exception> {
    let new = NewFollowerIndex {
        data_stream: data_stream(request, leader)?,
        name: request.follower_index.clone(),
        number_of_shards: leader.number_of_shards,
        number_of_routing_shards: leader.number_of_routing_shards,
        settings: follower_settings(leader, &request.settings)?,
        mapping: serde_json::from_str(&leader.mapping)
            .map_err(|error| unreadable(leader, "mapping", &error))?,
        custom: BTreeMap::from([
            (CCR_CUSTOM.to_owned(), origin.to_custom()),
            (
                PARAMETERS_CUSTOM.to_owned(),
                parameters_custom(&request.parameters),
            ),
        ]),
    };
    let existing = service
        .cluster
        .state()
        .indices
        .get(&request.follower_index)
        .cloned();
    let Some(existing) = existing else {
        return service.indices.create_follower_index(new).await;
    };
    check_replaceable(service, &existing, leader)?;
    service.bootstraps.forget(&existing.uuid);
    service.indices.reset_for_recovery(new).await
}

/// The data stream that the follower joins, or begins: one for every leader that is a backing index.
///
/// Source: the name of the stream may differ from the leader's if that of the index fits it.
fn data_stream(
    request: &FollowRequest,
    leader: &RemoteIndexMetadata,
) -> Result<Option<ReplicatedStream>, Exception> {
    let Some(stream) = &leader.data_stream else {
        return match &request.data_stream_name {
            None => Ok(None),
            Some(name) => Err(Exception::illegal_argument(format!(
                "cannot follow [{}] into the data stream [{name}], because it is no backing index of a data stream; follow it without \
                 [data_stream_name]",
                leader.name
            ))),
        };
    };
    let name = request.data_stream_name.as_ref().unwrap_or(&stream.name);
    let index = &request.follower_index;
    let is_same = *index == leader.name && *name == stream.name;
    if let Some(named) = BackingIndexName::parse(index).filter(|named| named.stream != name && !is_same) {
        return Err(Exception::illegal_argument(format!(
            "the name of the follower index [{index}] is that of a backing index of [{}], and does not fit the data stream [{name}]; follow into \
             [{}], or give [data_stream_name]",
            named.stream,
            named.with_stream(name)
        )));
    }
    let metadata = stream.metadata.as_ref().map(|text| serde_json::from_str(text));
    Ok(Some(ReplicatedStream {
        name: name.clone(),
        generation: stream.generation,
        hidden: stream.hidden,
        allow_custom_routing: stream.allow_custom_routing,
        metadata: metadata
            .transpose()
            .map_err(|error| unreadable(leader, "the notes of the data stream", &error))?,
    }))
}

/// The refusal to follow into an index that is open.
pub(crate) fn name_is_taken(name: &str) -> Exception {
    Exception::new(
        ExceptionKind::SnapshotRestore,
        format!(
            "cannot follow into [{name}]: an open index with the same name exists in this cluster; delete it or close it first"
        ),
    )
}

/// An existing index may be followed into only when it is closed and nothing follows into it.
fn check_replaceable(
    service: &CcrService,
    existing: &IndexMetadata,
    leader: &RemoteIndexMetadata,
) -> Result<(), Exception> {
    let name = &existing.name;
    if existing.state == IndexState::Open {
        return Err(name_is_taken(name));
    }
    let state = service.cluster.state();
    let prefix = format!("{}-", existing.uuid);
    let follows = |task: &cluster::PersistentTask| {
        task.task_name == SHARD_FOLLOW_TASK_NAME && task.id.starts_with(&prefix)
    };
    if let Some(task) = state.persistent_tasks.values().find(|task| follows(task)) {
        return Err(Exception::new(
            ExceptionKind::ResourceAlreadyExists,
            format!(
                "follow task [{}] of [{name}] exists already; pause following first",
                task.id
            ),
        ));
    }
    if existing.number_of_shards != leader.number_of_shards {
        return Err(Exception::new(
            ExceptionKind::SnapshotRestore,
            format!(
                "cannot follow into the closed index [{name}]: it has {} shards and the leader has {}",
                existing.number_of_shards, leader.number_of_shards
            ),
        ));
    }
    Ok(())
}

/// The leader's settings without those of its identity, with the request's laid over them.
fn follower_settings(leader: &RemoteIndexMetadata, overrides: &Settings) -> Result<Settings, Exception> {
    let flat: serde_json::Value =
        serde_json::from_str(&leader.settings).map_err(|error| unreadable(leader, "settings", &error))?;
    let leader_settings = Settings::from_json(&flat).map_err(|error| error.to_exception())?;
    let mut settings = Settings::default();
    let overrides = normalize_index_prefix(overrides);
    let copied = leader_settings.iter().filter(|(key, _)| !is_identity(key));
    // Users may leave the prefix out; a null sets nothing, and has no place in the settings of an index.
    let set = overrides
        .iter()
        .filter(|(_, value)| **value != SettingValue::Null);
    for (key, value) in copied.chain(set) {
        settings.insert_value(key, value.clone());
    }
    settings.insert(FOLLOWING_INDEX_SETTING, "true");
    Ok(settings)
}

/// Source: settings that belong to one index alone, and are given anew to the follower.
fn is_identity(key: &str) -> bool {
    const IDENTITY: [&str; 8] = [
        "index.uuid",
        "index.history.uuid",
        "index.provided_name",
        "index.creation_date",
        "index.version.created",
        "index.version.upgraded",
        "index.version.upgraded_string",
        FOLLOWING_INDEX_SETTING,
    ];
    IDENTITY.contains(&key)
}

fn unreadable(leader: &RemoteIndexMetadata, what: &str, error: &serde_json::Error) -> Exception {
    Exception::new(
        ExceptionKind::IllegalState,
        format!(
            "{what} of the leader index [{}] cannot be read: {error}",
            leader.name
        ),
    )
}

/// Waits until as many copies serve as asked for. One copy of every shard exists on a single node, the primary.
async fn wait_for_copies(service: &CcrService, index: &IndexMetadata, wanted: WaitForActiveShards) -> bool {
    let replicas: Option<u32> = index
        .settings
        .get_str("index.number_of_replicas")
        .and_then(|value| value.parse().ok());
    let copies = match wanted {
        WaitForActiveShards::None => return false,
        WaitForActiveShards::Count(count) => count,
        WaitForActiveShards::All => 1 + replicas.unwrap_or(1),
    };
    if copies > 1 {
        // More copies than the one of a single node cannot become active by waiting.
        tokio::time::sleep(ACK_TIMEOUT).await;
        return false;
    }
    service.indices.wait_shards_active(&index.uuid, ACK_TIMEOUT).await
}
