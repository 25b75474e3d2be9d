//! The tasks of this node: requests that last, while they run, and the results of those that nobody waited for.

mod action;
mod finished;
mod manager;
mod task_id;

pub(crate) use action::{Cancellation, LIST_TASKS};
pub(crate) use finished::Finished;
pub(crate) use manager::{Task, TaskHandle, TaskManager};
pub(crate) use task_id::TaskId;
