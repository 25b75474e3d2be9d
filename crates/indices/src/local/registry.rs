//! Which shards this node has, and whether they serve.

use std::collections::HashMap;
use std::sync::Arc;

use cluster::IndexMetadata;
use es_exception::{Exception, ExceptionKind};
use index_meta::IndexSettings;
use oplog::{IndexUuid, ShardId};
use parking_lot::{Mutex, RwLock};
use shard::{Shard, ShardRole};
use tokio::sync::watch;

use crate::request::ShardState;

/// What this node is doing with a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A job creates or opens it.
    Opening,
    /// It serves.
    Started,
    /// It could not be opened. Tried again once the index's metadata is newer than this version.
    Failed { reason: String, index_version: u64 },
    /// It served until its storage failed; it is closed and opened again.
    Broken { reason: String },
    /// A job closes it.
    Closing,
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) phase: Phase,
    pub(crate) shard: Option<Arc<Shard>>,
    /// The metadata that the shard works by. Its lock orders updates: an older one never overwrites a newer one.
    applied: Arc<Mutex<Arc<IndexMetadata>>>,
}

/// The shards of this node by id. Changed by the reconciler, and by the restore of a follower.
#[derive(Debug)]
pub(crate) struct LocalShards {
    slots: RwLock<HashMap<ShardId, Slot>>,
    changed: watch::Sender<u64>,
}

impl LocalShards {
    pub(crate) fn new() -> Self {
        Self {
            slots: RwLock::new(HashMap::new()),
            changed: watch::Sender::new(0),
        }
    }

    /// Changes whenever a shard's phase does.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn notify(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// The shard, if it serves.
    pub(crate) fn get(&self, id: &ShardId) -> Result<Arc<Shard>, Exception> {
        let slots = self.slots.read();
        let Some(slot) = slots.get(id) else {
            return Err(Exception::new(
                ExceptionKind::ShardNotFound,
                format!("no such shard {id}"),
            ));
        };
        match (&slot.phase, &slot.shard) {
            (Phase::Started, Some(shard)) => Ok(Arc::clone(shard)),
            (Phase::Failed { reason, .. } | Phase::Broken { reason }, _) => Err(Exception::new(
                ExceptionKind::NoShardAvailable,
                format!("shard {id} failed: {reason}"),
            )),
            (phase, _) => Err(Exception::new(
                ExceptionKind::IndexShardNotStarted,
                format!(
                    "shard {id} is not started: {}",
                    if *phase == Phase::Closing {
                        "it is being closed"
                    } else {
                        "it is being opened"
                    }
                ),
            )),
        }
    }

    pub(crate) fn state(&self, id: &ShardId) -> ShardState {
        match self.slots.read().get(id).map(|slot| &slot.phase) {
            Some(Phase::Started) => ShardState::Started,
            Some(Phase::Failed { reason, .. } | Phase::Broken { reason }) => ShardState::Failed {
                reason: reason.clone(),
            },
            Some(Phase::Opening) | None => ShardState::Initializing,
            Some(Phase::Closing) => ShardState::Closed,
        }
    }

    /// Whether this node has nothing of the index any more, or not yet.
    pub(crate) fn has_none_of(&self, index: &IndexUuid) -> bool {
        !self.slots.read().keys().any(|id| id.index == *index)
    }

    pub(crate) fn ids(&self) -> Vec<ShardId> {
        self.slots.read().keys().cloned().collect()
    }

    pub(crate) fn phase(&self, id: &ShardId) -> Option<Phase> {
        self.slots.read().get(id).map(|slot| slot.phase.clone())
    }

    /// Claims a shard for a job that opens it. False if the node has it already.
    pub(crate) fn begin_open(&self, id: &ShardId, metadata: &Arc<IndexMetadata>) -> bool {
        let mut slots = self.slots.write();
        let free = slots
            .get(id)
            .is_none_or(|slot| matches!(slot.phase, Phase::Failed { .. }));
        if free {
            let applied = Arc::new(Mutex::new(Arc::clone(metadata)));
            slots.insert(
                id.clone(),
                Slot {
                    phase: Phase::Opening,
                    shard: None,
                    applied,
                },
            );
        }
        drop(slots);
        self.notify();
        free
    }

    /// Ends what [`begin_open`](Self::begin_open) began.
    pub(crate) fn finish_open(&self, id: &ShardId, outcome: Result<Arc<Shard>, String>) {
        if let Some(slot) = self.slots.write().get_mut(id) {
            match outcome {
                Ok(shard) => {
                    slot.phase = Phase::Started;
                    slot.shard = Some(shard);
                }
                Err(reason) => {
                    let index_version = slot.applied.lock().version;
                    slot.phase = Phase::Failed {
                        reason,
                        index_version,
                    };
                }
            }
        }
        self.notify();
    }

    /// Claims a shard for a job that closes it; `None` if it is being opened or closed. The inner value is `None` if there is nothing to close.
    pub(crate) fn begin_close(&self, id: &ShardId) -> Option<Option<Arc<Shard>>> {
        let mut slots = self.slots.write();
        let slot = slots.get_mut(id)?;
        if matches!(slot.phase, Phase::Opening | Phase::Closing) {
            return None;
        }
        slot.phase = Phase::Closing;
        let shard = slot.shard.take();
        drop(slots);
        self.notify();
        Some(shard)
    }

    /// Forgets a shard that could not be opened, so that the next round opens it again.
    pub(crate) fn retry_failed(&self, id: &ShardId) {
        let mut slots = self.slots.write();
        if slots
            .get(id)
            .is_some_and(|slot| matches!(slot.phase, Phase::Failed { .. }))
        {
            slots.remove(id);
        }
        drop(slots);
        self.notify();
    }

    /// Forgets a shard.
    pub(crate) fn remove(&self, id: &ShardId) {
        self.slots.write().remove(id);
        self.notify();
    }

    /// Notes that the storage of a serving shard failed. True if that is news.
    pub(crate) fn mark_broken(&self, id: &ShardId, reason: &str) -> bool {
        let mut slots = self.slots.write();
        let Some(slot) = slots.get_mut(id).filter(|slot| slot.phase == Phase::Started) else {
            return false;
        };
        slot.phase = Phase::Broken {
            reason: reason.to_owned(),
        };
        drop(slots);
        self.notify();
        true
    }

    /// Hands newer metadata of an index to a shard of it.
    pub(crate) fn apply(&self, id: &ShardId, metadata: &Arc<IndexMetadata>) -> Result<(), Exception> {
        let (shard, applied) = match self.slots.read().get(id) {
            Some(Slot {
                shard: Some(shard),
                applied,
                phase: Phase::Started,
            }) => (Arc::clone(shard), Arc::clone(applied)),
            _ => return Ok(()),
        };
        let mut applied = applied.lock();
        if metadata.version <= applied.version {
            return Ok(());
        }
        if metadata.mapping_version > applied.mapping_version {
            shard.update_mapping(Arc::clone(&metadata.mapping), metadata.mapping_version);
        }
        if metadata.settings_version > applied.settings_version {
            let settings =
                IndexSettings::from_settings(&metadata.settings).map_err(|error| error.to_exception())?;
            shard.update_settings(Arc::new(settings));
        }
        if metadata.is_follower() != applied.is_follower() {
            shard.set_role(role(metadata));
        }
        *applied = Arc::clone(metadata);
        Ok(())
    }
}

/// Who gives out sequence numbers for the shards of an index.
pub(crate) fn role(metadata: &IndexMetadata) -> ShardRole {
    if metadata.is_follower() {
        ShardRole::Follower
    } else {
        ShardRole::Primary
    }
}
