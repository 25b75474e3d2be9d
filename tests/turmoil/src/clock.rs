//! Simulated time, as nodes read it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oplog::{Clock, UnixMillis};

/// Wall time at the start of every run.
const EPOCH_MILLIS: u64 = 1_700_000_000_000;

/// The clock of one host. The host's own thread reads the exact time; threads beside it, which the simulation knows nothing of, read the latest
/// time that the host has reached.
#[derive(Debug, Default)]
pub(crate) struct SimClock {
    reached_micros: AtomicU64,
}

impl SimClock {
    /// Moves the clock to `elapsed` since the start of the run, if it is not there yet.
    pub(crate) fn reach(&self, elapsed: Duration) {
        self.reached_micros.fetch_max(micros(elapsed), Ordering::SeqCst);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Clock for SimClock {
    fn now(&self) -> UnixMillis {
        let elapsed = u64::try_from(self.monotonic().as_millis()).unwrap_or(u64::MAX);
        UnixMillis::new(EPOCH_MILLIS.saturating_add(elapsed))
    }

    fn monotonic(&self) -> Duration {
        // While a host is being taken down its runtime has no time any more.
        if tokio::runtime::Handle::try_current().is_ok()
            && let Some(elapsed) = turmoil::sim_elapsed()
        {
            self.reach(elapsed);
        }
        Duration::from_micros(self.reached_micros.load(Ordering::SeqCst))
    }
}
