//! The running tasks of this node.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use indices::ByQueryControl;
use oplog::UnixMillis;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::action::{self, Cancellation};
use super::finished::{Finished, FinishedTasks};
use crate::call::Call;
use crate::route::Route;

/// Tasks that nobody waits for, at once. Each holds a search open and works on its own.
const MAX_IN_BACKGROUND: usize = 100;

/// Hands out numbers, and knows which tasks run.
#[derive(Debug)]
pub(crate) struct TaskManager {
    inner: Mutex<Inner>,
    background: Arc<Semaphore>,
    /// Set when the node stops: ends the tasks that nobody waits for.
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Inner {
    last_number: u64,
    running: BTreeMap<u64, Arc<Task>>,
    finished: FinishedTasks,
    /// Numbers of tasks that run elsewhere in this node, by a name that stays theirs.
    named: BTreeMap<String, u64>,
}

/// One task that runs.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) number: u64,
    pub(crate) action: &'static str,
    pub(crate) cancellation: Cancellation,
    pub(crate) started_at: UnixMillis,
    /// The same in the node's monotonic time.
    pub(crate) started: Duration,
    /// The header by which its client knows it.
    pub(crate) opaque_id: Option<String>,
    description: OnceLock<String>,
    by_query: OnceLock<Arc<ByQueryControl>>,
    cancel_reason: OnceLock<String>,
    cancelled: CancellationToken,
    ended: CancellationToken,
}

impl Task {
    /// What the task is about, for people.
    pub(crate) fn description(&self) -> &str {
        self.description.get().map_or("", String::as_str)
    }

    /// Says what the task is about. The first one to say so is right.
    pub(crate) fn describe(&self, text: impl FnOnce() -> String) {
        self.description.get_or_init(text);
    }

    /// Progress and rate of a by-query task.
    pub(crate) fn by_query(&self) -> Option<&Arc<ByQueryControl>> {
        self.by_query.get()
    }

    /// Lets others see the progress of a by-query task, and change its rate. It must end when the task is cancelled.
    pub(crate) fn control(&self, requests_per_second: f32) -> Arc<ByQueryControl> {
        let new = || Arc::new(ByQueryControl::new(requests_per_second, self.cancelled.clone()));
        Arc::clone(self.by_query.get_or_init(new))
    }

    /// Has the task end. The first reason stays.
    ///
    /// # Errors
    /// `illegal_argument_exception` for a task that cannot be cancelled.
    pub(crate) fn cancel(&self, reason: &str) -> Result<(), Exception> {
        if self.cancellation == Cancellation::Never {
            let reason = format!("task [{}] doesn't support cancellation", self.number);
            return Err(Exception::illegal_argument(reason));
        }
        self.cancel_reason.get_or_init(|| reason.to_owned());
        self.cancelled.cancel();
        Ok(())
    }

    /// Why the task was cancelled, if it was.
    pub(crate) fn cancel_reason(&self) -> Option<&str> {
        self.cancel_reason.get().map(String::as_str)
    }

    /// Waits until the task is cancelled, and answers the refusal for its client.
    pub(crate) async fn cancelled(&self) -> Exception {
        self.cancelled.cancelled().await;
        let reason = self.cancel_reason().unwrap_or_default();
        Exception::new(ExceptionKind::TaskCancelled, format!("task cancelled [{reason}]"))
    }

    /// Waits until the task has ended.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

/// Keeps a task in the list for as long as it lives.
#[derive(Debug)]
pub(crate) struct TaskHandle {
    pub(crate) task: Arc<Task>,
    manager: Arc<TaskManager>,
}

impl Drop for TaskHandle {
    fn drop(&mut self) {
        self.manager.lock().running.remove(&self.task.number);
        self.task.ended.cancel();
    }
}

impl TaskHandle {
    /// Keeps the result of the task, for the time after it.
    pub(crate) fn finish(&self, finished: Finished) {
        let mut inner = self.manager.lock();
        inner.finished.insert(self.task.number, finished);
    }
}

impl TaskManager {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::default(),
            background: Arc::new(Semaphore::new(MAX_IN_BACKGROUND)),
            stop: CancellationToken::new(),
        })
    }

    /// The task of a request, if it is one that lasts.
    pub(crate) fn register(self: &Arc<Self>, route: &Route, call: &Call) -> Option<Arc<TaskHandle>> {
        let action = action::of(route.path, call.verb)?;
        let clock = call.state.clock();
        let mut inner = self.lock();
        let task = Arc::new(Task {
            number: inner.next_number(),
            action: action.name,
            cancellation: action.cancellation,
            started_at: clock.now(),
            started: clock.monotonic(),
            opaque_id: call.opaque_id.clone(),
            description: OnceLock::new(),
            by_query: OnceLock::new(),
            cancel_reason: OnceLock::new(),
            cancelled: CancellationToken::new(),
            ended: CancellationToken::new(),
        });
        inner.running.insert(task.number, Arc::clone(&task));
        drop(inner);
        if action.cancellation != Cancellation::BetweenBatches {
            task.describe(|| action::describe(action, call));
        }
        let manager = Arc::clone(self);
        Some(Arc::new(TaskHandle { task, manager }))
    }

    /// The tasks that run now, in order of their numbers.
    pub(crate) fn running(&self) -> Vec<Arc<Task>> {
        self.lock().running.values().cloned().collect()
    }

    /// A task that runs.
    pub(crate) fn get(&self, number: u64) -> Option<Arc<Task>> {
        self.lock().running.get(&number).cloned()
    }

    /// The result of a task that ended.
    pub(crate) fn finished(&self, number: u64) -> Option<Arc<Finished>> {
        self.lock().finished.get(number)
    }

    /// Numbers for the tasks of these names, which run elsewhere in this node: the same as before, and those of others are forgotten.
    pub(crate) fn numbers(&self, names: &[String]) -> Vec<u64> {
        let mut inner = self.lock();
        let before = std::mem::take(&mut inner.named);
        let mut numbers = Vec::with_capacity(names.len());
        for name in names {
            let number = before.get(name).copied();
            let number = number.unwrap_or_else(|| inner.next_number());
            inner.named.insert(name.clone(), number);
            numbers.push(number);
        }
        numbers
    }

    /// A place for a task that nobody waits for.
    ///
    /// # Errors
    /// `es_rejected_execution_exception` when there are too many of them.
    pub(crate) fn background_place(&self) -> Result<OwnedSemaphorePermit, Exception> {
        Arc::clone(&self.background).try_acquire_owned().map_err(|_| {
            let reason = format!(
                "rejected execution of a task in the background: [{MAX_IN_BACKGROUND}] run already; wait for one of them, or cancel it"
            );
            Exception::new(ExceptionKind::EsRejectedExecution, reason)
        })
    }

    /// Waits until the node stops.
    pub(crate) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Ends the tasks that nobody waits for, after their batch.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// What is behind the lock is whole at any time, so that a panic of another holder does no harm.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}
