//! The threads that write and sync for all logs of a node.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, unbounded};
use parking_lot::Mutex;

use crate::shared::Shared;
use crate::{Clock, LogError, SystemClock};

/// Longest sleep of an idle committer thread.
const IDLE: Duration = Duration::from_secs(3600);

/// A few threads that write and sync for all logs of a node.
///
/// A log with something to write is in the queue once, however many appends wait for it; so one fdatasync serves all of them, and
/// an idle log costs nothing. Dropping the committer finishes what is queued and joins the threads.
/// Logs keep their committer alive, so that happens after the last one is gone.
#[derive(Debug)]
pub struct GroupCommitter {
    handle: CommitterHandle,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl GroupCommitter {
    /// Starts the threads, at least one. More threads let more logs sync at the same time.
    ///
    /// # Panics
    /// When the operating system cannot start a thread.
    pub fn start(threads: usize) -> Arc<Self> {
        let handle = CommitterHandle::new(Arc::new(SystemClock), false);
        let start = |number| {
            let handle = handle.clone();
            thread::Builder::new()
                .name(format!("oplog-commit-{number}"))
                .spawn(move || handle.run())
                .expect("the operating system can start a thread")
        };
        let threads = (0..threads.max(1)).map(start).collect();
        Arc::new(Self {
            handle,
            threads: Mutex::new(threads),
        })
    }

    /// A committer without threads and with a clock of its own: works only in [`Self::run_pending`], which waiting for a ticket calls too.
    /// Makes the order of writes, syncs and faults repeatable.
    #[cfg(any(test, feature = "testing"))]
    pub fn manual(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            handle: CommitterHandle::new(clock, true),
            threads: Mutex::new(Vec::new()),
        })
    }

    /// Does everything that is queued or due, on this thread.
    #[cfg(any(test, feature = "testing"))]
    pub fn run_pending(&self) {
        self.handle.run_pending();
    }

    /// How many fdatasyncs of segments all logs of this committer did so far.
    pub fn syncs(&self) -> u64 {
        self.handle.inner.syncs.load(Ordering::Relaxed)
    }

    pub(crate) fn handle(&self) -> CommitterHandle {
        self.handle.clone()
    }
}

impl Drop for GroupCommitter {
    fn drop(&mut self) {
        let threads = std::mem::take(self.threads.get_mut());
        for _ in &threads {
            // The threads hold the receiver, so this cannot fail while there are any.
            let _ = self.handle.inner.sender.send(Command::Stop);
        }
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a committer thread panicked");
            }
        }
        self.handle.inner.timers.lock().clear();
    }
}

enum Command {
    Process(Arc<Shared>),
    Stop,
}

/// What logs hold of their committer.
#[derive(Clone)]
pub(crate) struct CommitterHandle {
    inner: Arc<Inner>,
}

impl fmt::Debug for CommitterHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommitterHandle")
            .field("queued", &self.inner.receiver.len())
            .finish_non_exhaustive()
    }
}

struct Inner {
    sender: Sender<Command>,
    receiver: Receiver<Command>,
    timers: Mutex<BinaryHeap<Reverse<Timer>>>,
    syncs: AtomicU64,
    clock: Arc<dyn Clock>,
    manual: bool,
}

struct Timer {
    due: Duration,
    /// A closed log does not wait for its timer to be gone.
    log: Weak<Shared>,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
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
        self.due.cmp(&other.due)
    }
}

impl CommitterHandle {
    fn new(clock: Arc<dyn Clock>, manual: bool) -> Self {
        let (sender, receiver) = unbounded();
        let timers = Mutex::new(BinaryHeap::new());
        Self {
            inner: Arc::new(Inner {
                sender,
                receiver,
                timers,
                syncs: AtomicU64::new(0),
                clock,
                manual,
            }),
        }
    }

    /// The committer's monotonic time.
    pub(crate) fn now(&self) -> Duration {
        self.inner.clock.monotonic()
    }

    pub(crate) fn submit(&self, log: Arc<Shared>) {
        // The handle itself holds a receiver: the channel is never disconnected.
        let _ = self.inner.sender.send(Command::Process(log));
    }

    pub(crate) fn wake_at(&self, due: Duration, log: &Arc<Shared>) {
        let log = Arc::downgrade(log);
        self.inner.timers.lock().push(Reverse(Timer { due, log }));
    }

    pub(crate) fn count_sync(&self) {
        self.inner.syncs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn is_manual(&self) -> bool {
        self.inner.manual
    }

    /// In a test without threads, the one who waits does the work.
    pub(crate) fn help_if_manual(&self) {
        if self.inner.manual {
            self.run_pending();
        }
    }

    fn run(&self) {
        loop {
            match self.inner.receiver.recv_timeout(self.until_next_timer()) {
                Ok(Command::Process(log)) => process(&log),
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.fire_timers();
        }
    }

    fn run_pending(&self) {
        loop {
            self.fire_timers();
            match self.inner.receiver.try_recv() {
                Ok(Command::Process(log)) => process(&log),
                Ok(Command::Stop) | Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    fn until_next_timer(&self) -> Duration {
        let due = self.inner.timers.lock().peek().map(|Reverse(timer)| timer.due);
        due.map_or(IDLE, |due| due.saturating_sub(self.now()))
    }

    fn fire_timers(&self) {
        let now = self.now();
        loop {
            let log = {
                let mut timers = self.inner.timers.lock();
                match timers.peek() {
                    Some(Reverse(timer)) if timer.due <= now => timers.pop().map(|Reverse(timer)| timer.log),
                    _ => None,
                }
            };
            let Some(log) = log else { return };
            let Some(log) = log.upgrade() else { continue };
            let mut state = log.state.lock();
            log.schedule(&mut state);
        }
    }
}

/// A panic in the writer must not leave its callers waiting.
fn process(log: &Arc<Shared>) {
    if catch_unwind(AssertUnwindSafe(|| log.process())).is_err() {
        log.poison(&LogError::Invalid {
            reason: "the writer of the log panicked".to_owned(),
        });
    }
}
