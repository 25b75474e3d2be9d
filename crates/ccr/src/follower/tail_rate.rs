//! Keeps the rate at which the follow tasks of a node read operations.

use std::sync::Arc;
use std::time::Duration;

use oplog::{ByteCount, Clock};

use crate::rate_limiter::RateLimiter;

/// Parts of a second that are paid for at a time: a changed rate takes effect with the next part, however much was read under the old one, and
/// small reads need not wait for the whole of a large one.
const PARTS_OF_A_SECOND: u64 = 10;

/// One rate for all follow tasks of a node. File copies have a rate of their own.
#[derive(Debug)]
pub(crate) struct TailRate {
    limiter: RateLimiter,
    clock: Arc<dyn Clock>,
}

impl TailRate {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            limiter: RateLimiter::new(ByteCount::new(0)),
            clock,
        }
    }

    /// Returns when `bytes` that were read are paid for at `max_bytes_per_sec`, where zero is no limit. That is asked for again and again.
    ///
    /// A read that is held back keeps its place among the reads of its task: so the task asks for no more than it pays for. Cancel safe: what was paid
    /// is paid.
    pub(crate) async fn pay(&self, bytes: u64, max_bytes_per_sec: impl Fn() -> ByteCount) {
        let mut left = bytes;
        while left > 0 {
            let rate = max_bytes_per_sec();
            if rate.get() == 0 {
                return;
            }
            let part = left.min((rate.get() / PARTS_OF_A_SECOND).max(1));
            self.limiter.set_bytes_per_sec(rate);
            tokio::time::sleep(self.limiter.book(part, self.clock.monotonic())).await;
            left -= part;
        }
    }

    /// Total time for which reads were held back.
    pub(crate) fn throttled(&self) -> Duration {
        self.limiter.throttled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::time::Instant;

    const MEBIBYTE: u64 = 1024 * 1024;

    /// The paused time of the test.
    #[derive(Debug)]
    struct TokioClock(Instant);

    impl Clock for TokioClock {
        fn now(&self) -> oplog::UnixMillis {
            unreachable!("a rate has no use for wall time")
        }

        fn monotonic(&self) -> Duration {
            self.0.elapsed()
        }
    }

    fn tail_rate() -> Arc<TailRate> {
        Arc::new(TailRate::new(Arc::new(TokioClock(Instant::now()))))
    }

    fn seconds(start: Instant) -> f64 {
        start.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn all_reads_together_keep_the_rate() {
        let (tail, start) = (tail_rate(), Instant::now());
        let limit = || ByteCount::new(2 * MEBIBYTE);
        let reads = (0..20).map(|_| tail.pay(MEBIBYTE, limit));
        futures::future::join_all(reads).await;
        assert!((9.8..10.2).contains(&seconds(start)), "{}", seconds(start));
        assert!(tail.throttled() > Duration::from_secs(9));
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_read_is_not_held_up_by_a_large_one() {
        let (tail, start) = (tail_rate(), Instant::now());
        let limit = || ByteCount::new(MEBIBYTE);
        let large = tail.pay(60 * MEBIBYTE, limit);
        let small = async {
            tail.pay(10, limit).await;
            seconds(start)
        };
        let (_, small) = tokio::join!(large, small);
        assert!(small < 1.0, "{small}");
        assert!(seconds(start) > 59.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_rate_concerns_a_read_that_is_being_held_back() {
        let (tail, start) = (tail_rate(), Instant::now());
        let rate = AtomicU64::new(1);
        let read = tail.pay(100 * MEBIBYTE, || ByteCount::new(rate.load(Ordering::Relaxed)));
        let operator = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            rate.store(10 * MEBIBYTE, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(5)).await;
            rate.store(0, Ordering::Relaxed);
        };
        tokio::join!(read, operator);
        // Half of it was left when the limit went.
        assert!((10.0..=11.2).contains(&seconds(start)), "{}", seconds(start));
    }

    #[tokio::test(start_paused = true)]
    async fn zero_is_no_limit() {
        let (tail, start) = (tail_rate(), Instant::now());
        tail.pay(u64::MAX, || ByteCount::new(0)).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
