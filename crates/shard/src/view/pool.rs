//! The node-wide threads that keep search views up to date.
//!
//! A view is in the queue at most once, and goes to its end after each step. A timer says when an otherwise idle view is looked at again. A shard
//! that needs nothing has neither a thread, nor a writer, nor a timer.
//!
//! Followers have threads of their own, which yield the processors to everything else: a follower that catches up must not be felt by those who
//! search. What it applied is durable and found by id all the same; on a node without an idle processor it is found by searches later.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use oplog::{Clock, SystemClock};
use parking_lot::{Condvar, Mutex};

use super::core::ViewCore;
use crate::ViewPoolConfig;

/// Longest sleep of a thread.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// How much the threads of followers yield, of 19: one of them takes a tenth of a processor that another thread wants as well.
const NICENESS_OF_FOLLOWERS: i32 = 10;

/// Which threads work on a view. The indexing and merging threads of its writer come from these and are as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Of primaries.
    Usual,
    /// Of followers.
    Yielding,
}

impl Lane {
    const ALL: [Self; 2] = [Self::Usual, Self::Yielding];

    const fn name(self) -> &'static str {
        match self {
            Self::Usual => "view",
            Self::Yielding => "view-follower",
        }
    }
}

/// What a view asks for after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Another step, after the others had theirs.
    Again,
    /// Nothing until it is woken, or until this time.
    Sleep(Option<Duration>),
}

/// Where a view is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    Queued,
    Running,
    /// Running, and woken meanwhile.
    RunningAgain,
}

struct Timer {
    at: Duration,
    view: Weak<ViewCore>,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

#[derive(Default)]
struct State {
    /// By lane.
    queues: [VecDeque<Arc<ViewCore>>; 2],
    timers: BinaryHeap<Reverse<Timer>>,
    /// Views that have an open writer, the least recently used first.
    writers: Vec<Weak<ViewCore>>,
    stopping: bool,
}

/// What the threads and the views share.
pub(crate) struct PoolShared {
    config: ViewPoolConfig,
    state: Mutex<State>,
    /// By lane.
    wakes: [Condvar; 2],
    open_writers: AtomicUsize,
    /// Views that were thrown away once without proof of damage.
    doubted: Mutex<HashSet<PathBuf>>,
    clock: SystemClock,
}

/// The node-wide indexing threads. Dropping it ends and joins them; views stay where they are.
pub struct ViewPool {
    shared: Arc<PoolShared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for ViewPool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ViewPool")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

impl ViewPool {
    /// Starts the threads.
    #[must_use]
    pub fn start(config: ViewPoolConfig) -> Arc<Self> {
        let count = config.threads.max(1);
        let shared = Arc::new(PoolShared {
            config,
            state: Mutex::default(),
            wakes: Default::default(),
            open_writers: AtomicUsize::new(0),
            doubted: Mutex::default(),
            clock: SystemClock,
        });
        let threads = Lane::ALL
            .into_iter()
            .flat_map(|lane| (0..count).map(move |number| (lane, number)))
            .filter_map(|(lane, number)| spawn(lane, number, Arc::clone(&shared)))
            .collect();
        Arc::new(Self {
            shared,
            threads: Mutex::new(threads),
        })
    }

    /// The configuration it was started with.
    #[must_use]
    pub fn config(&self) -> &ViewPoolConfig {
        &self.shared.config
    }

    /// Index writers that are open at present.
    #[must_use]
    pub fn open_writers(&self) -> usize {
        self.shared.open_writers.load(Ordering::Acquire)
    }

    pub(crate) fn shared(&self) -> &Arc<PoolShared> {
        &self.shared
    }
}

impl Drop for ViewPool {
    fn drop(&mut self) {
        let left = {
            let mut state = self.shared.state.lock();
            state.stopping = true;
            state.timers.clear();
            std::mem::take(&mut state.queues)
        };
        drop(left);
        for wake in &self.shared.wakes {
            wake.notify_all();
        }
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a search view thread panicked");
            }
        }
    }
}

fn spawn(lane: Lane, number: usize, shared: Arc<PoolShared>) -> Option<JoinHandle<()>> {
    let spawned = std::thread::Builder::new()
        .name(format!("{}-{number}", lane.name()))
        .spawn(move || {
            if lane == Lane::Yielding
                && let Err(error) = rustix::process::nice(NICENESS_OF_FOLLOWERS)
            {
                tracing::debug!(%error, "a search view thread of followers does not yield");
            }
            shared.run(lane);
        });
    spawned
        .map_err(|error| tracing::error!(%error, "failed to start a search view thread"))
        .ok()
}

impl ViewCore {
    /// Which threads work on it next.
    fn lane(&self) -> Lane {
        match self.yields.load(Ordering::Acquire) {
            false => Lane::Usual,
            true => Lane::Yielding,
        }
    }

    /// Lets other threads work on it from its next step on; its writer stays as it is while it is open.
    pub(crate) fn set_lane(&self, lane: Lane) {
        self.yields.store(lane == Lane::Yielding, Ordering::Release);
    }
}

impl PoolShared {
    pub(super) fn config(&self) -> &ViewPoolConfig {
        &self.config
    }

    /// Whether the view in `dir` is thrown away without proof of damage for the first time.
    pub(super) fn doubt_first(&self, dir: &Path) -> bool {
        self.doubted.lock().insert(dir.to_owned())
    }

    /// Monotonic time.
    pub(super) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Asks for a step of the view soon.
    pub(super) fn enqueue(&self, view: &Arc<ViewCore>) {
        {
            let mut phase = view.phase.lock();
            match *phase {
                Phase::Idle => *phase = Phase::Queued,
                Phase::Running => {
                    *phase = Phase::RunningAgain;
                    return;
                }
                Phase::Queued | Phase::RunningAgain => return,
            }
        }
        self.push(Arc::clone(view));
    }

    fn push(&self, view: Arc<ViewCore>) {
        let lane = view.lane() as usize;
        let mut state = self.state.lock();
        if !state.stopping {
            state.queues[lane].push_back(view);
            drop(state);
            self.wakes[lane].notify_one();
        }
    }

    /// Asks for a step of the view at `at`, unless one is due earlier anyhow.
    pub(super) fn arm(&self, view: &Arc<ViewCore>, at: Duration) {
        let millis = u64::try_from(at.as_millis())
            .unwrap_or(u64::MAX - 1)
            .min(u64::MAX - 1);
        if view.armed.fetch_min(millis, Ordering::AcqRel) <= millis {
            return;
        }
        self.state.lock().timers.push(Reverse(Timer {
            at,
            view: Arc::downgrade(view),
        }));
        self.wakes[view.lane() as usize].notify_one();
    }

    fn run(&self, lane: Lane) {
        while let Some(view) = self.next(lane) {
            *view.phase.lock() = Phase::Running;
            let step = match catch_unwind(AssertUnwindSafe(|| view.step())) {
                Ok(step) => step,
                // A panic of the search library must not take the thread away from all other shards.
                Err(_) => view.recover_from_panic(),
            };
            let again = {
                let mut phase = view.phase.lock();
                let again = step == Step::Again || *phase == Phase::RunningAgain;
                *phase = if again { Phase::Queued } else { Phase::Idle };
                again
            };
            if again {
                self.push(view);
            } else if let Step::Sleep(Some(at)) = step {
                self.arm(&view, at);
            }
        }
    }

    /// The next view to work on; `None` when the pool stops.
    fn next(&self, lane: Lane) -> Option<Arc<ViewCore>> {
        let mut state = self.state.lock();
        loop {
            if state.stopping {
                return None;
            }
            let now = self.now();
            let mut due = Vec::new();
            while state.timers.peek().is_some_and(|Reverse(timer)| timer.at <= now) {
                due.extend(state.timers.pop().and_then(|Reverse(timer)| timer.view.upgrade()));
            }
            for view in due {
                view.armed.store(u64::MAX, Ordering::Release);
                let mut phase = view.phase.lock();
                match *phase {
                    Phase::Idle => {
                        *phase = Phase::Queued;
                        drop(phase);
                        let due = view.lane();
                        state.queues[due as usize].push_back(view);
                        if due != lane {
                            self.wakes[due as usize].notify_one();
                        }
                    }
                    Phase::Running => *phase = Phase::RunningAgain,
                    Phase::Queued | Phase::RunningAgain => {}
                }
            }
            let queue = &mut state.queues[lane as usize];
            if let Some(view) = queue.pop_front() {
                if !queue.is_empty() {
                    self.wakes[lane as usize].notify_one();
                }
                return Some(view);
            }
            let sleep = state
                .timers
                .peek()
                .map_or(LONGEST_SLEEP, |Reverse(timer)| timer.at.saturating_sub(now));
            self.wakes[lane as usize]
                .wait_for(&mut state, sleep.clamp(Duration::from_millis(1), LONGEST_SLEEP));
        }
    }

    /// Counts a writer that is about to open; closes the least recently used ones while there are too many.
    pub(super) fn reserve_writer(&self) {
        self.open_writers.fetch_add(1, Ordering::AcqRel);
        let limit = self.config.max_open_writers.max(self.config.threads).max(1);
        if self.open_writers.load(Ordering::Acquire) <= limit {
            return;
        }
        let candidates: Vec<Weak<ViewCore>> = self.state.lock().writers.clone();
        for candidate in candidates {
            if self.open_writers.load(Ordering::Acquire) <= limit {
                break;
            }
            if let Some(view) = candidate.upgrade() {
                // A view at work keeps its writer: there are at most as many of those as threads.
                view.try_release_writer();
            }
        }
    }

    /// Notes that the view's writer was used.
    pub(super) fn touch_writer(&self, view: &Arc<ViewCore>) {
        let mut state = self.state.lock();
        let address = Arc::as_ptr(view);
        state
            .writers
            .retain(|known| known.strong_count() > 0 && known.as_ptr() != address);
        state.writers.push(Arc::downgrade(view));
    }

    /// Counts a writer that was closed, or failed to open.
    pub(super) fn writer_closed(&self) {
        self.open_writers.fetch_sub(1, Ordering::AcqRel);
    }
}
