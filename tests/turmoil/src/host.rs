//! What stays of a host when it crashes, and what it runs.

use std::any::Any;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use transport::{TransportConfig, TransportServer};

use crate::clock::SimClock;
use crate::disk::Breath;
use crate::line::{Line, SimListener};
use crate::node::{Ground, Node, PORT};

/// Work that is done on a host, in its simulated time.
pub(crate) type Job = Box<dyn FnOnce(Arc<Node>) -> JobFuture + Send>;
type JobFuture = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Real time in which everything of a dead host must be gone.
const BURIAL: Duration = Duration::from_secs(20);

/// A host.
pub(crate) struct Host {
    pub(crate) name: &'static str,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) line: Arc<Line>,
    config: TransportConfig,
    dir: TempDir,
    breath: Mutex<Arc<Breath>>,
    life: Mutex<Option<Life>>,
}

struct Life {
    node: Arc<Node>,
    jobs: mpsc::UnboundedSender<Job>,
    stop: CancellationToken,
}

impl Host {
    pub(crate) fn new(name: &'static str, config: TransportConfig) -> Arc<Self> {
        Arc::new(Self {
            name,
            clock: Arc::default(),
            line: Arc::default(),
            config,
            dir: tempfile::tempdir().expect("a directory for a host"),
            breath: Mutex::default(),
            life: Mutex::default(),
        })
    }

    /// Its software: a node and its server, until the host is taken down.
    pub(crate) async fn run(self: Arc<Self>) -> turmoil::Result {
        let breath = self.breath();
        let node = Node::start(Ground {
            host: self.name,
            dir: self.dir.path(),
            breath,
            clock: Arc::clone(&self.clock),
            line: Arc::clone(&self.line),
            config: self.config.clone(),
        })
        .await;
        let listener = SimListener::bind(PORT).await?;
        let address = ([0, 0, 0, 0], PORT).into();
        let server =
            TransportServer::with_listener(address, listener, node.ccr.leader_side(), self.config.clone());
        let (jobs, mut queue) = mpsc::unbounded_channel::<Job>();
        let stop = CancellationToken::new();
        *self.life.lock() = Some(Life {
            node: Arc::clone(&node),
            jobs,
            stop: stop.clone(),
        });
        let mut serving = pin!(server.serve(stop.clone()));
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                served = &mut serving => {
                    served?;
                    break;
                }
                Some(job) = queue.recv() => drop(running.spawn(job(Arc::clone(&node)))),
                Some(ended) = running.join_next() => ended?,
            }
        }
        running.shutdown().await;
        node.shutdown().await;
        Ok(())
    }

    /// The node, if the host is up and has one.
    pub(crate) fn node(&self) -> Option<Arc<Node>> {
        self.life.lock().as_ref().map(|life| Arc::clone(&life.node))
    }

    /// Hands over work; false when nobody is there to do it.
    pub(crate) fn give(&self, job: Job) -> bool {
        self.life
            .lock()
            .as_ref()
            .is_some_and(|life| life.jobs.send(job).is_ok())
    }

    /// Begins to stop in order. Answers what must be gone before the host may live again.
    pub(crate) fn stop(&self) -> Vec<Weak<dyn Any + Send + Sync>> {
        let life = self.life.lock().take();
        life.map(|life| {
            life.stop.cancel();
            life.node.remains()
        })
        .unwrap_or_default()
    }

    /// Gives a host that is gone another life, which is yet to begin.
    pub(crate) fn revive(&self) {
        *self.breath.lock() = Arc::default();
    }

    /// How the host dies.
    pub(crate) fn breath(&self) -> Arc<Breath> {
        Arc::clone(&self.breath.lock())
    }

    /// Takes the last breath: nothing reaches the disk any more. Answers what must be gone before the host may live again.
    pub(crate) fn die(&self) -> Vec<Weak<dyn Any + Send + Sync>> {
        self.breath.lock().die();
        let life = self.life.lock().take();
        life.map(|life| life.node.remains()).unwrap_or_default()
    }
}

/// Waits until nothing of a host's former life runs.
#[expect(
    clippy::disallowed_methods,
    reason = "threads beside the simulation end in real time"
)]
pub(crate) fn bury(remains: &[Weak<dyn Any + Send + Sync>]) {
    let start = std::time::Instant::now();
    while remains.iter().any(|part| part.strong_count() > 0) {
        assert!(
            start.elapsed() < BURIAL,
            "something of a dead host goes on for {BURIAL:?}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}
