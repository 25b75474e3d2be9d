//! Where time comes from. Only [`SystemClock`] reads the machine's clock.

use std::fmt::Debug;
use std::time::Duration;

use crate::UnixMillis;

/// A source of wall time and of monotonic time.
pub trait Clock: Send + Sync + Debug {
    /// Wall time; may jump.
    fn now(&self) -> UnixMillis;

    /// Time since an arbitrary but fixed start; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the wall clock"
    )]
    fn now(&self) -> UnixMillis {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        UnixMillis::new(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the monotonic clock"
    )]
    fn monotonic(&self) -> Duration {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        let start = *START.get_or_init(std::time::Instant::now);
        std::time::Instant::now().saturating_duration_since(start)
    }
}

/// A clock that moves only when told to.
#[cfg(any(test, feature = "testing"))]
#[derive(Debug)]
pub struct ManualClock {
    millis: std::sync::atomic::AtomicU64,
    start: u64,
}

#[cfg(any(test, feature = "testing"))]
impl ManualClock {
    /// A clock that stands at `now`; its monotonic time starts at 0.
    pub fn new(now: UnixMillis) -> Self {
        Self {
            millis: std::sync::atomic::AtomicU64::new(now.get()),
            start: now.get(),
        }
    }

    /// Moves both times forward.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.millis.fetch_add(millis, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(any(test, feature = "testing"))]
impl Default for ManualClock {
    fn default() -> Self {
        Self::new(UnixMillis::new(1_700_000_000_000))
    }
}

#[cfg(any(test, feature = "testing"))]
impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis::new(self.millis.load(std::sync::atomic::Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.millis.load(std::sync::atomic::Ordering::SeqCst) - self.start)
    }
}
