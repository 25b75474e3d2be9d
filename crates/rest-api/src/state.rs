//! What every handler works on.

use std::sync::Arc;

use ccr::CcrService;
use cluster::ClusterService;
use indices::IndicesService;
use oplog::Clock;
use tokio_util::task::TaskTracker;

use crate::config::RestConfig;
use crate::tasks::TaskManager;

/// The services behind the REST API. Clones share everything.
#[derive(Clone)]
pub struct RestState {
    inner: Arc<Inner>,
}

struct Inner {
    cluster: Arc<ClusterService>,
    indices: Arc<IndicesService>,
    ccr: Arc<CcrService>,
    clock: Arc<dyn Clock>,
    config: RestConfig,
    work: TaskTracker,
    tasks: Arc<TaskManager>,
}

impl RestState {
    /// Puts the services together.
    #[must_use]
    pub fn new(
        cluster: Arc<ClusterService>,
        indices: Arc<IndicesService>,
        ccr: Arc<CcrService>,
        clock: Arc<dyn Clock>,
        config: RestConfig,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                cluster,
                indices,
                ccr,
                clock,
                config,
                work: TaskTracker::new(),
                tasks: TaskManager::new(),
            }),
        }
    }

    pub(crate) fn cluster(&self) -> &Arc<ClusterService> {
        &self.inner.cluster
    }

    pub(crate) fn indices(&self) -> &Arc<IndicesService> {
        &self.inner.indices
    }

    pub(crate) fn ccr(&self) -> &Arc<CcrService> {
        &self.inner.ccr
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    pub(crate) fn config(&self) -> &RestConfig {
        &self.inner.config
    }

    /// Work that goes on when its client hangs up; the server awaits it when it stops.
    pub(crate) fn work(&self) -> &TaskTracker {
        &self.inner.work
    }

    /// The requests that run, and the results of those that nobody waited for.
    pub(crate) fn tasks(&self) -> &Arc<TaskManager> {
        &self.inner.tasks
    }
}
