//! The rate limit of background work on files.

use std::time::Duration;

use oplog::{ByteCount, Clock};
use parking_lot::Mutex;
use shard::Throttle;

use super::signal::Signal;

/// How much unused time may be saved up.
const BURST: Duration = Duration::from_millis(100);
/// A pause is broken up so that a limit that changes takes effect.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Lets no more than a set number of bytes a second pass, whatever the number of users. Pure: the caller says what time it is, and waits by itself.
#[derive(Debug, Default)]
pub(super) struct TokenBucket {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes that were booked and have not passed yet; negative: what was saved up.
    booked: f64,
    at: Duration,
}

impl TokenBucket {
    /// Books `bytes` at monotonic time `now`, at a rate above 0, and answers how many bytes have to pass before the caller goes on.
    fn book(&self, bytes: ByteCount, bytes_per_sec: f64, now: Duration) -> f64 {
        let mut state = self.state.lock();
        let passed = now.saturating_sub(state.at).as_secs_f64() * bytes_per_sec;
        let saved = -bytes_per_sec * BURST.as_secs_f64();
        state.booked = (state.booked - passed).max(saved) + bytes.get() as f64;
        state.at = state.at.max(now);
        state.booked.max(0.0)
    }
}

/// Slows work down to a rate that may change at any time. Ends it when the node stops.
pub(super) struct Limited<'a> {
    pub(super) bucket: &'a TokenBucket,
    pub(super) signal: &'a Signal,
    pub(super) clock: &'a dyn Clock,
    /// The present limit in bytes a second; 0 is no limit.
    pub(super) limit: &'a dyn Fn() -> ByteCount,
}

impl Throttle for Limited<'_> {
    fn throttle(&self, bytes: ByteCount) -> bool {
        let limit = || (self.limit)().get() as f64;
        let mut rate = limit();
        if rate == 0.0 {
            return !self.signal.is_stopping();
        }
        let mut ahead = self.bucket.book(bytes, rate, self.clock.monotonic());
        loop {
            let pause = match rate {
                0.0 => Duration::ZERO,
                _ => Duration::try_from_secs_f64(ahead / rate).unwrap_or(LONGEST_PAUSE),
            };
            let pause = pause.min(LONGEST_PAUSE);
            if !self.signal.pause(pause) {
                return false;
            }
            if pause < LONGEST_PAUSE {
                return true;
            }
            ahead -= pause.as_secs_f64() * rate;
            rate = limit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use oplog::SystemClock;

    use super::*;

    const MEBIBYTE: ByteCount = ByteCount::from_mib(1);
    const RATE: f64 = (10 << 20) as f64;

    #[test]
    fn bytes_are_spread_over_time_and_a_quiet_time_saves_little() {
        let bucket = TokenBucket::default();
        let start = Duration::from_secs(100);
        let ahead: Vec<_> = (0..20).map(|_| bucket.book(MEBIBYTE, RATE, start)).collect();
        assert_eq!((ahead[0], ahead[19] / RATE), (0.0, 1.9));
        let later = start + Duration::from_secs(1);
        assert_eq!(bucket.book(MEBIBYTE, RATE, later) / RATE, 1.0);
        let much_later = start + Duration::from_secs(1000);
        bucket.book(MEBIBYTE, RATE, much_later);
        assert_eq!(bucket.book(MEBIBYTE, RATE, much_later) / RATE, 0.1);
    }

    #[test]
    fn a_wait_of_an_hour_ends_when_the_limit_is_lifted_or_the_node_stops() {
        let (bucket, signal, clock) = (TokenBucket::default(), Arc::new(Signal::default()), SystemClock);
        let rate = Arc::new(AtomicU64::new(256));
        let throttled = |rate: &Arc<AtomicU64>| {
            let limit = || ByteCount::new(rate.load(Ordering::Acquire));
            Limited {
                bucket: &bucket,
                signal: &signal,
                clock: &clock,
                limit: &limit,
            }
            .throttle(MEBIBYTE)
        };
        let started = clock.monotonic();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| throttled(&rate));
            while bucket.state.lock().booked == 0.0 {
                std::thread::yield_now();
            }
            rate.store(0, Ordering::Release);
            assert!(waiting.join().unwrap());
            rate.store(256, Ordering::Release);
            let waiting = scope.spawn(|| throttled(&rate));
            signal.stop();
            assert!(!waiting.join().unwrap());
        });
        assert!(
            !throttled(&Arc::new(AtomicU64::new(0))),
            "no more work after the stop"
        );
        assert!(clock.monotonic() - started < Duration::from_secs(60));
    }
}
