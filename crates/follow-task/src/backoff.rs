//! The pause before another attempt.

use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// One step of the pause.
const STEP: Duration = Duration::from_millis(50);
/// The range of the random factor stops doubling here.
const MAX_DOUBLINGS: u32 = 23;

/// Exponential back-off with full jitter. The generator is state, so that a replay of a task repeats its pauses.
///
/// Source: Elasticsearch's `ShardFollowNodeTask.computeDelay`; but capped by `max_retry_delay`, as its documentation says, and not by the poll timeout.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    random: Xoshiro256PlusPlus,
    max_delay: Duration,
}

impl Backoff {
    pub(crate) fn new(seed: u64, max_delay: Duration) -> Self {
        Self {
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            max_delay,
        }
    }

    /// The pause after the `failures`-th failure in a row: a random whole number of steps, from none to 2^(failures - 1).
    pub(crate) fn delay(&mut self, failures: u32) -> Duration {
        let most = 1_u32 << failures.saturating_sub(1).min(MAX_DOUBLINGS);
        let steps = self.random.random_range(0..=most);
        STEP.saturating_mul(steps).min(self.max_delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_with_jitter_up_to_the_cap() {
        let bounds = [
            (0, 50),
            (1, 50),
            (2, 100),
            (3, 200),
            (4, 400),
            (5, 800),
            (6, 1000),
            (u32::MAX, 1000),
        ];
        let mut backoff = Backoff::new(7, Duration::from_millis(1000));
        for (failures, bound) in bounds {
            let delays: Vec<_> = (0..200).map(|_| backoff.delay(failures).as_millis()).collect();
            assert!(
                delays.iter().all(|delay| *delay <= bound),
                "{failures}: {delays:?}"
            );
            assert!(
                delays.contains(&bound),
                "the bound of {failures} is never reached"
            );
            // After very many failures nearly every pause is the longest one.
            assert!(
                failures > 6 || delays.iter().any(|delay| *delay < bound),
                "no jitter at {failures}"
            );
        }
    }

    #[test]
    fn equal_seeds_give_equal_pauses() {
        let pauses = |seed| {
            let mut backoff = Backoff::new(seed, Duration::from_secs(60));
            (1..20)
                .map(|failures| backoff.delay(failures))
                .collect::<Vec<_>>()
        };
        assert_eq!(pauses(1), pauses(1));
        assert_ne!(pauses(1), pauses(2));
    }
}
