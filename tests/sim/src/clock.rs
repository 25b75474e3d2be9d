//! A node's clocks: monotonic time that all nodes share, and a wall clock of its own that can jump.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oplog::{Clock, UnixMillis};

/// Where every wall clock starts.
const START_MILLIS: u64 = 1_700_000_000_000;

/// Simulated time since the start of the run, in microseconds. Moved by the event queue alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimTime(Arc<AtomicU64>);

impl SimTime {
    pub(crate) fn micros(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, micros: u64) {
        self.0.store(micros, Ordering::Relaxed);
    }
}

/// The clock that a node's logs see.
#[derive(Debug)]
pub(crate) struct NodeClock {
    time: SimTime,
    start: AtomicU64,
}

impl NodeClock {
    pub(crate) fn new(time: SimTime) -> Self {
        Self {
            time,
            start: AtomicU64::new(START_MILLIS),
        }
    }

    /// Moves the wall clock, forward or back.
    pub(crate) fn jump(&self, millis: i64) {
        let start = self.start.load(Ordering::Relaxed);
        self.start
            .store(start.saturating_add_signed(millis), Ordering::Relaxed);
    }
}

impl Clock for NodeClock {
    fn now(&self) -> UnixMillis {
        UnixMillis::new(self.start.load(Ordering::Relaxed) + self.time.micros() / 1000)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.time.micros())
    }
}
