//! Which shards this node has, and whether they serve.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cluster::IndexMetadata;
use es_exception::{Exception, ExceptionKind};
use index_meta::IndexSettings;
use oplog::{IndexUuid, ShardId};
use parking_lot::{Mutex, RwLock};
use shard::{Shard, ShardFailure, ShardFailureKind, ShardRole};
use tokio::sync::{Notify, watch};

use super::advice::advised;
use super::retry::RetrySchedule;
use crate::request::ShardState;

/// What this node is doing with a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A job creates or opens it.
    Opening,
    /// It serves.
    Started,
    /// It could not be opened, or failed while it served and is closed.
    Failed { failure: ShardFailure, retry: Retry },
    /// It served until it failed, and is to be closed.
    Broken { failure: ShardFailure },
    /// A job closes it, because it failed or because nobody wants it any more.
    Closing { failure: Option<ShardFailure> },
}

/// When a failed shard is opened again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Not before its data is replaced: a corrupt shard that opens would only serve until the next read meets the damage.
    Never,
    /// At this time, or once the index's metadata is newer than this version.
    At { time: Duration, index_version: u64 },
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
    retries: RetrySchedule,
    /// Asks the reconciler for another round.
    kick: Arc<Notify>,
    this: Weak<Self>,
}

impl LocalShards {
    pub(crate) fn new(retries: RetrySchedule, kick: Arc<Notify>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            slots: RwLock::new(HashMap::new()),
            changed: watch::Sender::new(0),
            retries,
            kick,
            this: Weak::clone(this),
        })
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
            (phase, _) => Err(match (phase.failure(), phase) {
                (Some(failure), _) => failed(id, failure),
                (None, Phase::Closing { .. }) => not_started(id, "it is being closed"),
                (None, _) => not_started(id, "it is being opened"),
            }),
        }
    }

    pub(crate) fn state(&self, id: &ShardId) -> ShardState {
        let slots = self.slots.read();
        let phase = slots.get(id).map(|slot| &slot.phase);
        if let Some(failure) = phase.and_then(Phase::failure) {
            let reason = failure.reason.clone();
            return ShardState::Failed { reason };
        }
        match phase {
            Some(Phase::Started) => ShardState::Started,
            Some(Phase::Closing { .. }) => ShardState::Closed,
            _ => ShardState::Initializing,
        }
    }

    /// Why a shard, closed by now, can only be restored from another copy, if that is so.
    pub(crate) fn lost(&self, id: &ShardId) -> Option<String> {
        match self.slots.read().get(id).map(|slot| &slot.phase) {
            Some(Phase::Failed { failure, .. }) if failure.needs_another_copy() => {
                Some(failure.reason.clone())
            }
            _ => None,
        }
    }

    /// Whether a shard is to be opened: it was not yet, or failed and is due again.
    pub(crate) fn wants_opening(&self, id: &ShardId, index_version: u64) -> bool {
        match self.slots.read().get(id).map(|slot| &slot.phase) {
            None => true,
            Some(Phase::Failed {
                retry:
                    Retry::At {
                        time,
                        index_version: tried,
                    },
                ..
            }) => *tried < index_version || self.retries.is_due(*time),
            Some(_) => false,
        }
    }

    /// How long it is until the first failed shard is due again.
    pub(crate) fn next_retry(&self) -> Option<Duration> {
        let slots = self.slots.read();
        let due = slots.values().filter_map(|slot| match slot.phase {
            Phase::Failed {
                retry: Retry::At { time, .. },
                ..
            } => Some(time),
            _ => None,
        });
        due.min().map(|time| self.retries.until(time))
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
    pub(crate) fn finish_open(&self, id: &ShardId, outcome: Result<Arc<Shard>, ShardFailure>) {
        let mut started = None;
        if let Some(slot) = self.slots.write().get_mut(id) {
            match outcome {
                Ok(shard) => {
                    slot.phase = Phase::Started;
                    slot.shard = Some(Arc::clone(&shard));
                    started = Some(shard);
                }
                Err(failure) => {
                    let failure = advised(&failure, &slot.applied.lock());
                    slot.phase = self.failed_phase(id, slot, failure);
                }
            }
        }
        if let Some(shard) = started {
            // After the shard is in its place: it may have failed already, which is told at once.
            let (shards, id) = (Weak::clone(&self.this), id.clone());
            shard.on_failure(move |failure| {
                if let Some(shards) = shards.upgrade() {
                    shards.mark_broken(&id, failure);
                }
            });
        }
        self.notify();
    }

    fn failed_phase(&self, id: &ShardId, slot: &Slot, failure: ShardFailure) -> Phase {
        let retry = if failure.kind == ShardFailureKind::Corruption {
            Retry::Never
        } else {
            Retry::At {
                time: self.retries.failed(id),
                index_version: slot.applied.lock().version,
            }
        };
        Phase::Failed { failure, retry }
    }

    /// Claims a shard for a job that closes it; `None` if it is being opened or closed. The inner value is `None` if there is nothing to close.
    pub(crate) fn begin_close(&self, id: &ShardId) -> Option<Option<Arc<Shard>>> {
        self.begin_close_for(id, None)
    }

    /// As [`begin_close`](Self::begin_close), of a shard that failed. It is remembered as failed afterwards.
    pub(crate) fn begin_close_failed(
        &self,
        id: &ShardId,
        failure: ShardFailure,
    ) -> Option<Option<Arc<Shard>>> {
        self.begin_close_for(id, Some(failure))
    }

    fn begin_close_for(&self, id: &ShardId, failure: Option<ShardFailure>) -> Option<Option<Arc<Shard>>> {
        let mut slots = self.slots.write();
        let slot = slots.get_mut(id)?;
        if matches!(slot.phase, Phase::Opening | Phase::Closing { .. }) {
            return None;
        }
        slot.phase = Phase::Closing { failure };
        let shard = slot.shard.take();
        drop(slots);
        self.notify();
        Some(shard)
    }

    /// Lets a shard that could not be opened, or failed, be opened again at once, unless it is corrupt.
    pub(crate) fn retry_failed(&self, id: &ShardId) {
        if let Some(Slot {
            phase:
                Phase::Failed {
                    retry: Retry::At { time, .. },
                    ..
                },
            ..
        }) = self.slots.write().get_mut(id)
        {
            *time = Duration::ZERO;
        }
        self.notify();
        self.kick.notify_one();
    }

    /// Ends what [`begin_close`](Self::begin_close) began: forgets the shard, unless it failed.
    pub(crate) fn finish_close(&self, id: &ShardId) {
        let mut slots = self.slots.write();
        if let Some(slot) = slots.get_mut(id) {
            match &slot.phase {
                Phase::Closing {
                    failure: Some(failure),
                } => slot.phase = self.failed_phase(id, slot, failure.clone()),
                _ => {
                    slots.remove(id);
                }
            }
        }
        drop(slots);
        self.notify();
    }

    /// Notes that a serving shard failed, and has it closed.
    pub(crate) fn mark_broken(&self, id: &ShardId, failure: &ShardFailure) {
        let mut slots = self.slots.write();
        let Some(slot) = slots.get_mut(id).filter(|slot| slot.phase == Phase::Started) else {
            return;
        };
        let failure = advised(failure, &slot.applied.lock());
        slot.phase = Phase::Broken { failure };
        drop(slots);
        self.notify();
        self.kick.notify_one();
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

impl Phase {
    /// Why the shard does not serve, if it failed.
    fn failure(&self) -> Option<&ShardFailure> {
        match self {
            Self::Failed { failure, .. }
            | Self::Broken { failure }
            | Self::Closing {
                failure: Some(failure),
            } => Some(failure),
            Self::Opening | Self::Started | Self::Closing { failure: None } => None,
        }
    }
}

fn failed(id: &ShardId, failure: &ShardFailure) -> Exception {
    let refusal = Exception::new(
        ExceptionKind::NoShardAvailable,
        format!("shard {id} failed: {failure}"),
    );
    if failure.needs_another_copy() {
        refusal.with_cause(Exception::new(
            ExceptionKind::CorruptIndex,
            failure.reason.clone(),
        ))
    } else {
        refusal
    }
}

fn not_started(id: &ShardId, why: &str) -> Exception {
    Exception::new(
        ExceptionKind::IndexShardNotStarted,
        format!("shard {id} is not started: {why}"),
    )
}

/// Who gives out sequence numbers for the shards of an index.
pub(crate) fn role(metadata: &IndexMetadata) -> ShardRole {
    if metadata.is_follower() {
        ShardRole::Follower
    } else {
        ShardRole::Primary
    }
}
