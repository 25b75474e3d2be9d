//! Persistent tasks: work that the cluster keeps running over restarts.

use serde_json::Value;

/// A task that survives restarts, for instance the following of one shard.
#[derive(Debug, Clone, PartialEq)]
pub struct PersistentTask {
    /// Unique among all tasks of the cluster.
    pub id: String,
    /// What kind of task it is; names who runs it.
    pub task_name: String,
    /// The task's parameters; their format belongs to who runs it.
    pub params: Value,
    /// Differs for each assignment of the task, and grows. Given out by the change that puts or reassigns the task.
    pub allocation_id: u64,
}
