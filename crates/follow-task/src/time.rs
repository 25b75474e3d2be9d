//! The core's notion of time: what the driver last told it.

use std::fmt;
use std::time::Duration;

/// A moment on the driver's monotonic clock. Moments of different processes must not be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// The moment `since_start` after the clock's arbitrary start.
    #[must_use]
    pub const fn new(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// Time since the clock's arbitrary start.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }

    /// The moment `delay` later.
    #[must_use]
    pub const fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(delay))
    }

    /// Time passed since `earlier`; zero if that is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Timestamp) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}
