//! Rebuilds follower shards whose data is damaged or gone: they are copied from their leader again, by themselves.
//!
//! Only indices that are followed: what is paused waits for its resume. Only the lost shards are copied; the others go on serving searches,
//! and follow again when all are there. Nothing is thrown away before the leader has answered and is the one that was followed.

use std::collections::BTreeMap;
use std::time::Duration;

use cluster::change::restore_follower_shards;
use cluster::{ClusterState, IndexMetadata};
use es_exception::Exception;
use indices::IndicesService;
use oplog::{Clock, IndexUuid};

use crate::actions::resume::check_same_leader;
use crate::actions::validation::leader_to_follow;
use crate::follower::origin::FollowerOrigin;
use crate::follower::tasks::follow_task_ids;
use crate::service::CcrService;

/// Pause after an attempt, whether it failed or the shard was lost again; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest such pause. A rebuild copies a whole shard, so one that keeps being needed must not take all of the network.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// An index that needed no rebuild for so long begins with the first pause again.
const FORGET_AFTER: Duration = Duration::from_secs(3600);

/// The attempts to rebuild shards, by index.
#[derive(Debug, Default)]
pub(crate) struct Rebuilds {
    attempts: BTreeMap<IndexUuid, Attempts>,
}

#[derive(Debug)]
struct Attempts {
    in_a_row: u32,
    last: Duration,
}

impl Attempts {
    fn pause(&self) -> Duration {
        let doubled = 1_u32.checked_shl(self.in_a_row - 1).unwrap_or(u32::MAX);
        FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
    }
}

impl Rebuilds {
    /// Starts the rebuild of every lost shard that is due. Answers when to look again, if something is lost.
    pub(crate) async fn look(&mut self, service: &CcrService, clock: &dyn Clock) -> Option<Duration> {
        let state = service.cluster.state();
        self.attempts
            .retain(|_, attempts| clock.monotonic().saturating_sub(attempts.last) < FORGET_AFTER);
        let mut look_again: Option<Duration> = None;
        for index in state.indices.values() {
            let lost = lost_shards(&service.indices, index);
            if lost.is_empty() || index.recovering || follow_task_ids(&state, &index.uuid).is_empty() {
                continue;
            }
            let wait = self.wait_for(&index.uuid, clock.monotonic());
            if wait.is_zero() {
                self.attempted(&index.uuid, clock.monotonic());
                begin(service, index, &lost).await;
            }
            let wait = self.wait_for(&index.uuid, clock.monotonic());
            look_again = Some(look_again.map_or(wait, |other| other.min(wait)));
        }
        look_again
    }

    /// How long it is until the next attempt is due.
    fn wait_for(&self, index: &IndexUuid, now: Duration) -> Duration {
        self.attempts.get(index).map_or(Duration::ZERO, |attempts| {
            (attempts.last + attempts.pause()).saturating_sub(now)
        })
    }

    fn attempted(&mut self, index: &IndexUuid, now: Duration) {
        let attempts = self.attempts.entry(index.clone()).or_insert(Attempts {
            in_a_row: 0,
            last: now,
        });
        attempts.in_a_row = attempts.in_a_row.saturating_add(1);
        attempts.last = now;
    }
}

async fn begin(service: &CcrService, index: &IndexMetadata, lost: &[u32]) {
    match restore(service, index, lost).await {
        Ok(()) => {
            tracing::warn!(index = %index.name, shards = ?lost, "follower shards are damaged or gone and are copied from their leader again");
        }
        Err(error) => {
            tracing::error!(index = %index.name, shards = ?lost, %error,
                "follower shards are damaged or gone and cannot be copied from their leader; trying again");
        }
    }
}

async fn restore(service: &CcrService, index: &IndexMetadata, lost: &[u32]) -> Result<(), Exception> {
    let origin = FollowerOrigin::require(index)?;
    let settings = service.settings.current();
    let leader = leader_to_follow(
        &service.remotes,
        &origin.remote_cluster,
        &origin.leader_index,
        &settings,
    )
    .await?;
    check_same_leader(&origin, &leader, &index.name)?;
    // What is known of an earlier recovery would pass for the outcome of this one.
    service.bootstraps.forget(&index.uuid);
    let removed = service
        .cluster
        .update("restore follower shards", |state| restored(state, index, lost))
        .await?;
    service.tasks.wait_stopped(&removed).await;
    Ok(())
}

/// The state in which the lost shards are being restored. The tasks of all shards go, and come back in one commit with the end of the restore.
fn restored(
    state: &ClusterState,
    index: &IndexMetadata,
    lost: &[u32],
) -> Result<(ClusterState, BTreeMap<String, u64>), Exception> {
    let current = state.require_index(&index.name)?;
    let ids = follow_task_ids(state, &index.uuid);
    if current.uuid != index.uuid || ids.is_empty() {
        return Err(Exception::illegal_argument(format!(
            "index [{}] is not followed any more",
            index.name
        )));
    }
    let mut next = restore_follower_shards(state, &index.name, lost)?;
    let tasks = ids.into_iter().filter_map(|id| {
        let task = next.persistent_tasks.remove(&id)?;
        Some((id, task.allocation_id))
    });
    let removed = tasks.collect();
    Ok((next, removed))
}

/// The numbers of the follower's shards that only a copy of the leader's can bring back.
pub(crate) fn lost_shards(indices: &IndicesService, index: &IndexMetadata) -> Vec<u32> {
    if !index.is_follower() {
        return Vec::new();
    }
    let lost = indices.lost_shards(index);
    lost.into_iter().map(|(shard, _)| shard.get()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rebuilds_of_one_index_keep_their_distance() {
        let (index, mut rebuilds) = (IndexUuid::generate(), Rebuilds::default());
        let mut now = Duration::ZERO;
        let mut waits = Vec::new();
        for _ in 0..11 {
            assert_eq!(rebuilds.wait_for(&index, now), Duration::ZERO);
            rebuilds.attempted(&index, now);
            let wait = rebuilds.wait_for(&index, now);
            waits.push(wait.as_secs());
            now += wait;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }
}
