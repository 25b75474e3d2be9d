//! What replication needs to bootstrap a follower: metadata first, then each shard from copied files.

use std::sync::Arc;

use cluster::change::{self, CreateIndexChange, ReplicatedStream};
use cluster::{ClusterState, IndexMetadata};
use es_exception::{Exception, ExceptionKind};
use index_meta::Mapping;
use oplog::{HistoryUuid, IndexUuid, SeqNo, ShardId};
use shard::Shard;

use crate::local::{broke_off, open_failure, shard_config};
use crate::request::NewFollowerIndex;
use crate::service::IndicesService;

impl IndicesService {
    /// Commits the metadata of a new follower, and in the same change its place in a data stream. Its shards do not exist until [`install_shard`](Self::install_shard).
    ///
    /// # Errors
    /// `invalid_index_name_exception`, `resource_already_exists_exception`, what is wrong with settings or mapping, and what
    /// [`change::join_replicated_stream`] refuses.
    pub async fn create_follower_index(
        &self,
        new: NewFollowerIndex,
    ) -> Result<Arc<IndexMetadata>, Exception> {
        let data_stream = new.data_stream.clone();
        let change = self.follower_change(new)?;
        self.disk.check(&change.name)?;
        let source = format!("create-follower-index [{}]", change.name);
        self.cluster
            .update(&source, |state| {
                let next = change::create_index(state, &change)?;
                Ok((join(next, &change.name, data_stream.as_ref())?, ()))
            })
            .await?;
        self.committed(&change.name)
    }

    /// Throws the data of a closed index away, so that it can be restored from its leader anew. Its uuid stays.
    ///
    /// # Errors
    /// `index_not_found_exception`; `snapshot_restore_exception` if the index is open or has another number of shards.
    pub async fn reset_for_recovery(&self, new: NewFollowerIndex) -> Result<Arc<IndexMetadata>, Exception> {
        let data_stream = new.data_stream.clone();
        let change = self.follower_change(new)?;
        self.disk.check(&change.name)?;
        let existing = Arc::clone(self.state().require_index(&change.name)?);
        // An index that was closed a moment ago may still have shards that are being flushed.
        if !existing.is_open() && !self.wait_closed(&existing.uuid).await {
            let reason = format!(
                "shards of the closed index [{}] are still being closed",
                change.name
            );
            return Err(Exception::new(ExceptionKind::SnapshotRestore, reason).with_index(&change.name));
        }
        let source = format!("reset-follower-index [{}]", change.name);
        self.cluster
            .update(&source, |state| {
                let next = change::reset_follower_for_recovery(state, &change)?;
                Ok((join(next, &change.name, data_stream.as_ref())?, ()))
            })
            .await?;
        // The data stays until the copy of each shard begins with an empty directory: to remove it here would race with that copy, which the commit
        // above has started.
        self.committed(&change.name)
    }

    /// Opens a shard whose files were copied into [`shard_dir`](Self::shard_dir). It serves only after [`finish_recovery`](Self::finish_recovery).
    /// A shard that is installed already is left as it is.
    ///
    /// # Errors
    /// `index_shard_restore_failed_exception` when the files cannot be opened; `illegal_state_exception` when the index is not being restored.
    pub async fn install_shard(
        &self,
        id: &ShardId,
        history_uuid: HistoryUuid,
        checkpoint: Option<SeqNo>,
    ) -> Result<Arc<Shard>, Exception> {
        let state = self.state();
        let index = state.index_by_uuid(&id.index).ok_or_else(|| {
            Exception::new(
                ExceptionKind::IndexNotFound,
                format!("no such index [{}]", id.index),
            )
        })?;
        if !index.is_restoring(id.shard.get()) {
            let reason = format!("shard {id} of [{}] is not being restored", index.name);
            return Err(Exception::new(ExceptionKind::IllegalState, reason).with_index(&index.name));
        }
        if let Ok(shard) = self.local.shards.get(id) {
            return Ok(shard);
        }
        if !self.local.shards.begin_open(id, index) {
            let reason = format!("shard {id} of [{}] is being opened or closed", index.name);
            return Err(Exception::new(ExceptionKind::IndexShardNotStarted, reason).with_index(&index.name));
        }
        // Owned by the node, not by this call: a claim that nobody ends would block the shard for good.
        let (local, services, index, id) = (
            Arc::clone(&self.local.shards),
            self.local.services.clone(),
            Arc::clone(index),
            id.clone(),
        );
        let dir = self.shard_dir(&id);
        let name = index.name.clone();
        let installed = tokio::task::spawn_blocking(move || {
            let opened = shard_config(&index, &id, dir).and_then(|config| {
                Shard::install(config, history_uuid, checkpoint, services)
                    .map_err(|error| open_failure(&error))
            });
            local.finish_open(&id, opened.clone());
            opened
        });
        let result = installed.await.unwrap_or_else(|error| Err(broke_off(&error)));
        self.local.kick.notify_one();
        result.map_err(|failure| {
            Exception::new(ExceptionKind::IndexShardRestoreFailed, failure.reason).with_index(name)
        })
    }

    /// Ends the restore of a follower: all of its shards are installed, and serve from now on.
    ///
    /// # Errors
    /// `index_not_found_exception`; `illegal_state_exception` if a shard is not installed.
    pub async fn finish_recovery(&self, index: &str) -> Result<Arc<IndexMetadata>, Exception> {
        let metadata = Arc::clone(self.state().require_index(index)?);
        for id in metadata.shard_ids() {
            self.local.shards.get(&id).map_err(|cause| {
                let reason = format!("shard {id} of [{index}] is not installed");
                Exception::new(ExceptionKind::IllegalState, reason)
                    .with_index(index)
                    .with_cause(cause)
            })?;
        }
        self.cluster
            .update(&format!("finish-recovery [{index}]"), |state| {
                let current = state.require_index(index)?;
                if current.uuid != metadata.uuid {
                    return Err(Exception::index_not_found(index));
                }
                Ok((change::finish_follower_recovery(state, index)?, ()))
            })
            .await?;
        self.wait_applied(self.state().version).await;
        self.wait_shards_active(&metadata.uuid, self.config.ack_timeout)
            .await;
        self.committed(index)
    }

    fn follower_change(&self, new: NewFollowerIndex) -> Result<CreateIndexChange, Exception> {
        let mut settings = new.settings;
        settings.insert("index.number_of_shards", new.number_of_shards.to_string());
        let mapping = match &new.mapping {
            serde_json::Value::Null => Mapping::empty(),
            mapping => {
                Mapping::from_json(mapping).map_err(|error| error.to_exception().with_index(&new.name))?
            }
        };
        Ok(CreateIndexChange {
            name: new.name,
            uuid: IndexUuid::generate(),
            settings,
            mapping: Arc::new(mapping),
            aliases: std::collections::BTreeMap::new(),
            creation_date: self.clock.now(),
            number_of_routing_shards: Some(new.number_of_routing_shards),
            custom: new.custom,
            recovering: true,
        })
    }

    fn committed(&self, name: &str) -> Result<Arc<IndexMetadata>, Exception> {
        self.state().require_index(name).cloned()
    }
}

fn join(
    state: ClusterState,
    index: &str,
    data_stream: Option<&ReplicatedStream>,
) -> Result<ClusterState, Exception> {
    match data_stream {
        Some(stream) => change::join_replicated_stream(&state, index, stream),
        None => match state.data_stream_of(index) {
            Some((stream, _)) => Err(Exception::illegal_argument(format!(
                "cannot follow into the index [{index}], because it backs the data stream [{stream}] and the leader index backs none; \
                 follow under another name"
            ))),
            None => Ok(state),
        },
    }
}
