//! Carries mapping, settings and aliases of the leader over to the follower.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cluster::change::SettingsChange;
use cluster::{ClusterService, IndexMetadata};
use es_exception::{Exception, ExceptionKind};
use follow_task::MetadataSync;
use futures::future::BoxFuture;
use index_meta::{AliasMetadata, IndexSettings, Settings, alias_sync_actions, settings_to_replicate};
use indices::{IndicesService, Origin};
use oplog::IndexUuid;
use tokio::sync::Mutex;
use transport::{ClusterAlias, IndexMetadataRequest, RemoteClusters, RemoteIndexMetadata};

use crate::mutant;
use crate::settings_watch::SettingsWatch;

/// Keeps one follower's metadata in step. Shared by the follow tasks of all its shards, so that a version is fetched and
/// applied once however many shards need it.
#[derive(Debug)]
pub(crate) struct IndexMetadataSync {
    pub(crate) remotes: Arc<RemoteClusters>,
    pub(crate) cluster: Arc<ClusterService>,
    pub(crate) indices: Arc<IndicesService>,
    pub(crate) settings: SettingsWatch,
    pub(crate) alias: ClusterAlias,
    pub(crate) leader_index: String,
    pub(crate) leader_index_uuid: IndexUuid,
    pub(crate) follower_index_uuid: IndexUuid,
    pub(crate) applied: Mutex<AppliedVersions>,
    /// How long the leader keeps a lease without a renewal, as of the last sync of settings.
    pub(crate) lease_period: parking_lot::Mutex<Option<Duration>>,
}

/// The leader's versions that this follower has, as far as this process has applied them.
#[derive(Debug, Default)]
pub(crate) struct AppliedVersions {
    mapping: u64,
    settings: u64,
    aliases: u64,
}

/// Whether a version need not be fetched again: the follow tasks of all shards ask for 0 when they start, and what the first of them brought does for the
/// others. 0 was never applied.
const fn is_enough(applied: u64, required: u64) -> bool {
    applied > 0 && applied >= required
}

/// What kind of metadata a request waits for.
#[derive(Debug, Clone, Copy)]
enum Part {
    Mapping,
    Settings,
    Aliases,
}

impl IndexMetadataSync {
    /// The leader's `index.soft_deletes.retention_lease.period`; `None` before the first sync of settings.
    pub(crate) fn lease_period(&self) -> Option<Duration> {
        *self.lease_period.lock()
    }

    async fn mapping(&self, required: u64) -> Result<u64, Exception> {
        let mut applied = self.applied.lock().await;
        if is_enough(applied.mapping, required) {
            return Ok(applied.mapping);
        }
        let leader = self.leader(Part::Mapping, required).await?;
        let mapping = parse(&leader.mapping, "mapping", &leader)?;
        let follower = self.follower()?;
        self.indices
            .put_mapping(&follower.name, mapping, Origin::Ccr)
            .await?;
        applied.mapping = applied.mapping.max(leader.mapping_version);
        Ok(applied.mapping)
    }

    async fn settings(&self, required: u64) -> Result<u64, Exception> {
        let mut applied = self.applied.lock().await;
        let follower = self.follower()?;
        if is_enough(applied.settings, required) && !follower.is_changing_settings() {
            return Ok(applied.settings);
        }
        let leader = self.leader(Part::Settings, required).await?;
        let leader_settings = Settings::from_json(&parse(&leader.settings, "settings", &leader)?)
            .map_err(|error| unreadable("settings", &leader, &error.to_string()))?;
        // Of a newer leader there may be values that this node cannot read: they are no reason to stop following.
        if let Ok(typed) = IndexSettings::from_settings(&leader_settings) {
            *self.lease_period.lock() = Some(typed.soft_deletes_retention_lease_period());
        }
        let follower = self.follower()?;
        let wanted = settings_to_replicate(&leader_settings, &follower.settings);
        let wanted = mutant::in_settings(wanted, &leader_settings);
        if !wanted.non_dynamic.is_empty() || follower.is_changing_settings() {
            let change = SettingsChange {
                settings: wanted.non_dynamic,
                preserve_existing: false,
                origin: Origin::Ccr,
            };
            self.indices.close_change_reopen(&follower, &change).await?;
        }
        if !wanted.dynamic.is_empty() {
            self.indices
                .update_settings(&follower.name, wanted.dynamic.to_flat_json(), false, Origin::Ccr)
                .await?;
        }
        applied.settings = applied.settings.max(leader.settings_version);
        Ok(applied.settings)
    }

    async fn aliases(&self, required: u64) -> Result<u64, Exception> {
        let mut applied = self.applied.lock().await;
        if is_enough(applied.aliases, required) {
            return Ok(applied.aliases);
        }
        let leader = self.leader(Part::Aliases, required).await?;
        let leader_aliases: BTreeMap<String, AliasMetadata> = serde_json::from_str(&leader.aliases)
            .map_err(|error| unreadable("aliases", &leader, &error.to_string()))?;
        let follower = self.follower()?;
        let actions = alias_sync_actions(&leader_aliases, &follower.aliases);
        let actions = mutant::in_aliases(actions, &leader_aliases);
        if !actions.is_empty() {
            self.indices
                .apply_alias_actions(&follower.name, actions, Origin::Ccr)
                .await?;
        }
        applied.aliases = applied.aliases.max(leader.aliases_version);
        Ok(applied.aliases)
    }

    /// The leader's metadata, at least as new as `required`.
    ///
    /// # Errors
    /// Retryable when the leader does not have it within the wait: the follow task asks again, and can be stopped in between.
    async fn leader(&self, part: Part, required: u64) -> Result<RemoteIndexMetadata, Exception> {
        let wanted = |is: fn(Part) -> bool| is(part).then_some(required);
        let remote = self.remotes.get(&self.alias)?;
        let leader = remote
            .index_metadata(IndexMetadataRequest {
                index: self.leader_index.clone(),
                min_mapping_version: wanted(|part| matches!(part, Part::Mapping)),
                min_settings_version: wanted(|part| matches!(part, Part::Settings)),
                min_aliases_version: wanted(|part| matches!(part, Part::Aliases)),
                timeout: self.settings.current().wait_for_metadata_timeout,
            })
            .await?;
        if leader.uuid != self.leader_index_uuid {
            return Err(
                Exception::index_not_found(&self.leader_index).with_cause(Exception::new(
                    ExceptionKind::IllegalState,
                    format!(
                        "the leader index [{}] was deleted and created anew: uuid [{}] is now [{}]",
                        self.leader_index, self.leader_index_uuid, leader.uuid
                    ),
                )),
            );
        }
        let version = match part {
            Part::Mapping => leader.mapping_version,
            Part::Settings => leader.settings_version,
            Part::Aliases => leader.aliases_version,
        };
        if version < required {
            return Err(Exception::new(
                ExceptionKind::UnavailableShards,
                format!(
                    "metadata of the leader index [{}] is at version {version}; {required} is needed",
                    self.leader_index
                ),
            ));
        }
        Ok(leader)
    }

    fn follower(&self) -> Result<Arc<IndexMetadata>, Exception> {
        let state = self.cluster.state();
        let index = state.index_by_uuid(&self.follower_index_uuid).cloned();
        index.ok_or_else(|| Exception::index_not_found(&self.follower_index_uuid.to_string()))
    }
}

/// Handle that a follow task holds.
#[derive(Debug, Clone)]
pub(crate) struct SharedMetadataSync(pub(crate) Arc<IndexMetadataSync>);

impl MetadataSync for SharedMetadataSync {
    fn sync_mapping(&self, required: u64) -> BoxFuture<'static, Result<u64, Exception>> {
        let sync = Arc::clone(&self.0);
        Box::pin(async move { sync.mapping(required).await })
    }

    fn sync_settings(&self, required: u64) -> BoxFuture<'static, Result<u64, Exception>> {
        let sync = Arc::clone(&self.0);
        Box::pin(async move { sync.settings(required).await })
    }

    fn sync_aliases(&self, required: u64) -> BoxFuture<'static, Result<u64, Exception>> {
        let sync = Arc::clone(&self.0);
        Box::pin(async move { sync.aliases(required).await })
    }
}

fn parse(text: &str, what: &str, leader: &RemoteIndexMetadata) -> Result<serde_json::Value, Exception> {
    serde_json::from_str(text).map_err(|error| unreadable(what, leader, &error.to_string()))
}

fn unreadable(what: &str, leader: &RemoteIndexMetadata, why: &str) -> Exception {
    Exception::new(
        ExceptionKind::IllegalState,
        format!(
            "{what} of the leader index [{}] cannot be read: {why}",
            leader.name
        ),
    )
}
