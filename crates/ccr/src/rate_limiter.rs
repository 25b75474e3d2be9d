//! A byte-rate limit shared by everything that copies files in one direction.

use std::time::Duration;

use oplog::ByteCount;
use parking_lot::Mutex;

/// Spreads bytes over time so that no more than a set number a second pass, whatever the number of users.
///
/// Pure: the caller says what time it is and sleeps by itself. A user that comes after a quiet time gets at most
/// [`BURST`] worth of bytes for free.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    state: Mutex<State>,
}

/// How much unused time may be saved up.
const BURST: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct State {
    bytes_per_sec: u64,
    /// When, in monotonic time, everything granted so far has passed.
    paid_until: Duration,
    /// Total time that users were told to wait.
    throttled: Duration,
}

impl RateLimiter {
    /// A limit of `bytes_per_sec`; zero means no limit.
    pub(crate) fn new(bytes_per_sec: ByteCount) -> Self {
        let state = State {
            bytes_per_sec: bytes_per_sec.get(),
            paid_until: Duration::ZERO,
            throttled: Duration::ZERO,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Changes the limit for what comes next.
    pub(crate) fn set_bytes_per_sec(&self, bytes_per_sec: ByteCount) {
        self.state.lock().bytes_per_sec = bytes_per_sec.get();
    }

    /// Books `bytes` at monotonic time `now` and answers how long the caller has to pause.
    pub(crate) fn book(&self, bytes: u64, now: Duration) -> Duration {
        let mut state = self.state.lock();
        if state.bytes_per_sec == 0 {
            return Duration::ZERO;
        }
        let cost = Duration::from_secs_f64(bytes as f64 / state.bytes_per_sec as f64);
        let start = state.paid_until.max(now.saturating_sub(BURST));
        state.paid_until = start + cost;
        let pause = state.paid_until.saturating_sub(now);
        state.throttled += pause;
        pause
    }

    /// Total time that users were told to wait.
    pub(crate) fn throttled(&self) -> Duration {
        self.state.lock().throttled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: u64 = 1024 * 1024;

    #[test]
    fn bytes_are_spread_over_time_whoever_books_them() {
        let limiter = RateLimiter::new(ByteCount::new(10 * MEBIBYTE));
        let start = Duration::from_secs(100);
        let pauses: Vec<_> = (0..20).map(|_| limiter.book(MEBIBYTE, start)).collect();
        assert_eq!(
            pauses[0],
            Duration::ZERO,
            "the first tenth of a second is saved up"
        );
        assert_eq!(pauses[19], Duration::from_millis(1900));
        assert!(limiter.throttled() > Duration::from_secs(1));
    }

    #[test]
    fn a_quiet_time_is_not_saved_up_without_bound() {
        let limiter = RateLimiter::new(ByteCount::new(MEBIBYTE));
        limiter.book(MEBIBYTE, Duration::from_secs(1));
        assert_eq!(
            limiter.book(MEBIBYTE, Duration::from_secs(1000)),
            Duration::from_millis(900)
        );
    }

    #[test]
    fn zero_is_no_limit_and_the_limit_can_change() {
        let limiter = RateLimiter::new(ByteCount::new(0));
        assert_eq!(limiter.book(1 << 40, Duration::ZERO), Duration::ZERO);
        limiter.set_bytes_per_sec(ByteCount::new(MEBIBYTE));
        assert_eq!(limiter.book(MEBIBYTE, Duration::ZERO), Duration::from_secs(1));
    }
}
