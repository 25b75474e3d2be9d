//! `POST /{index}/_ccr/pause_follow`: ends the follow tasks of an index. Not idempotent.

use std::collections::BTreeMap;

use es_exception::Exception;

use super::validation::concrete_index;
use crate::follower::origin::FollowerOrigin;
use crate::follower::tasks::follow_task_ids;
use crate::service::CcrService;

/// Answers once the tasks are gone from the cluster state and have stopped.
pub(crate) async fn pause_follow(service: &CcrService, name: &str) -> Result<(), Exception> {
    let removed = service
        .cluster
        .update("pause follow", |state| {
            let index = concrete_index(state, name)?;
            FollowerOrigin::require(&index)?;
            let ids = follow_task_ids(state, &index.uuid);
            if ids.is_empty() {
                return Err(Exception::illegal_argument(format!(
                    "no shard follow tasks for [{name}]: it is paused already"
                )));
            }
            let mut next = state.clone();
            let mut removed = BTreeMap::new();
            for id in ids {
                if let Some(task) = next.persistent_tasks.remove(&id) {
                    removed.insert(id, task.allocation_id);
                }
            }
            Ok((next, removed))
        })
        .await?;
    service.tasks.wait_stopped(&removed).await;
    Ok(())
}
