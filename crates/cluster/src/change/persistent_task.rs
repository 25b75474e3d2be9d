//! Starts, changes and removes persistent tasks.

use es_exception::{Exception, ExceptionKind};
use serde_json::Value;

use crate::state::ClusterState;
use crate::task::PersistentTask;

/// A task to be started.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPersistentTask {
    /// Unique among all tasks.
    pub id: String,
    /// What kind of task it is.
    pub task_name: String,
    /// The task's parameters.
    pub params: Value,
}

/// Adds a task under a new allocation id.
///
/// # Errors
/// `resource_already_exists_exception` if there is a task with this id.
pub fn put_persistent_task(state: &ClusterState, task: NewPersistentTask) -> Result<ClusterState, Exception> {
    let NewPersistentTask {
        id,
        task_name,
        params,
    } = task;
    if state.persistent_tasks.contains_key(&id) {
        let reason = format!("task with id {{{id}}} already exist");
        return Err(Exception::new(ExceptionKind::ResourceAlreadyExists, reason));
    }
    let mut next = state.clone();
    next.last_allocation_id += 1;
    let allocation_id = next.last_allocation_id;
    next.persistent_tasks.insert(
        id.clone(),
        PersistentTask {
            id,
            task_name,
            params,
            allocation_id,
        },
    );
    Ok(next)
}

/// Replaces the parameters of a task, which starts over under a new allocation id.
///
/// # Errors
/// `resource_not_found_exception` if there is no such task.
pub fn update_persistent_task_params(
    state: &ClusterState,
    id: &str,
    params: Value,
) -> Result<ClusterState, Exception> {
    let mut next = state.clone();
    let task = next.persistent_tasks.get_mut(id).ok_or_else(|| missing(id))?;
    if task.params != params {
        next.last_allocation_id += 1;
        task.params = params;
        task.allocation_id = next.last_allocation_id;
    }
    Ok(next)
}

/// Removes a task; with `allocation_id` only that very allocation, so that a late end of an older one removes nothing.
///
/// # Errors
/// `resource_not_found_exception` if there is no such task or it has another allocation.
pub fn remove_persistent_task(
    state: &ClusterState,
    id: &str,
    allocation_id: Option<u64>,
) -> Result<ClusterState, Exception> {
    let mut next = state.clone();
    let task = next.persistent_tasks.remove(id).ok_or_else(|| missing(id))?;
    if allocation_id.is_some_and(|expected| expected != task.allocation_id) {
        return Err(missing(id));
    }
    Ok(next)
}

fn missing(id: &str) -> Exception {
    Exception::new(
        ExceptionKind::ResourceNotFound,
        format!("the task with id {{{id}}} doesn't exist"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn task(id: &str) -> NewPersistentTask {
        NewPersistentTask {
            id: id.into(),
            task_name: "follow".into(),
            params: json!({"shard": 0}),
        }
    }

    #[test]
    fn an_allocation_id_is_never_given_twice() {
        let state = put_persistent_task(&ClusterState::new("c", "u"), task("a")).unwrap();
        let taken = put_persistent_task(&state, task("a")).unwrap_err();
        assert_eq!(taken.kind(), ExceptionKind::ResourceAlreadyExists);
        assert!(remove_persistent_task(&state, "a", Some(9)).is_err());
        let removed = remove_persistent_task(&state, "a", Some(1)).unwrap();
        assert_eq!(
            remove_persistent_task(&removed, "a", None).unwrap_err().status(),
            404
        );
        let again = put_persistent_task(&removed, task("a")).unwrap();
        assert_eq!(again.persistent_tasks["a"].allocation_id, 2);
        let changed = update_persistent_task_params(&again, "a", json!({"shard": 1})).unwrap();
        assert_eq!(changed.persistent_tasks["a"].allocation_id, 3);
        let same = update_persistent_task_params(&changed, "a", json!({"shard": 1})).unwrap();
        assert_eq!(same.last_allocation_id, 3);
    }
}
