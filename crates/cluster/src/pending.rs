//! The changes of cluster state that wait for their turn, or are carried out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A change that is not committed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingTask {
    /// Counts the changes of this node since it started.
    pub insert_order: u64,
    /// Who wants it.
    pub source: String,
    /// Whether it has its turn.
    pub executing: bool,
    /// How long ago it was asked for.
    pub time_in_queue: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct PendingTasks {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last_order: u64,
    waiting: BTreeMap<u64, (String, Instant, bool)>,
}

/// A change is listed for as long as this lives.
#[derive(Debug)]
pub(crate) struct PendingGuard {
    tasks: Arc<PendingTasks>,
    order: u64,
}

impl PendingTasks {
    pub(crate) fn enter(self: &Arc<Self>, source: &str) -> PendingGuard {
        let mut inner = self.lock();
        inner.last_order += 1;
        let order = inner.last_order;
        inner
            .waiting
            .insert(order, (source.to_owned(), Instant::now(), false));
        PendingGuard {
            tasks: Arc::clone(self),
            order,
        }
    }

    pub(crate) fn list(&self) -> Vec<PendingTask> {
        let inner = self.lock();
        let tasks = inner
            .waiting
            .iter()
            .map(|(order, (source, since, executing))| PendingTask {
                insert_order: *order,
                source: source.clone(),
                executing: *executing,
                time_in_queue: since.elapsed(),
            });
        tasks.collect()
    }

    /// What is behind the lock is whole at any time, so that a panic of another holder does no harm.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingGuard {
    /// Whether the change has its turn.
    pub(crate) fn set_executing(&self, is_executing: bool) {
        if let Some((_, _, executing)) = self.tasks.lock().waiting.get_mut(&self.order) {
            *executing = is_executing;
        }
    }
}

impl Drop for PendingGuard {
    fn drop(&mut self) {
        self.tasks.lock().waiting.remove(&self.order);
    }
}
