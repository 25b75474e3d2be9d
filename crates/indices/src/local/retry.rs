//! When shards that failed are opened again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oplog::{Clock, ShardId};
use parking_lot::Mutex;

/// The failures of shards that are tried again. A shard that served for the longest pause has made good for its failures.
#[derive(Debug)]
pub(crate) struct RetrySchedule {
    clock: Arc<dyn Clock>,
    first_pause: Duration,
    longest_pause: Duration,
    failures: Mutex<HashMap<ShardId, Failures>>,
}

#[derive(Debug)]
struct Failures {
    in_a_row: u32,
    /// When the shard was to be opened again after the last one.
    due: Duration,
}

impl RetrySchedule {
    pub(crate) fn new(clock: Arc<dyn Clock>, first_pause: Duration, longest_pause: Duration) -> Self {
        Self {
            clock,
            first_pause,
            longest_pause,
            failures: Mutex::default(),
        }
    }

    /// Notes a failure; answers when to open the shard again.
    pub(super) fn failed(&self, id: &ShardId) -> Duration {
        let now = self.clock.monotonic();
        let mut failures = self.failures.lock();
        // Shards that served long enough, and those that are gone, need not be remembered.
        failures.retain(|_, failures| now.saturating_sub(failures.due) < self.longest_pause);
        let entry = failures.entry(id.clone()).or_insert(Failures {
            in_a_row: 0,
            due: now,
        });
        let doubled = 1_u32.checked_shl(entry.in_a_row).unwrap_or(u32::MAX);
        entry.in_a_row = entry.in_a_row.saturating_add(1);
        entry.due = now + self.first_pause.saturating_mul(doubled).min(self.longest_pause);
        entry.due
    }

    pub(super) fn is_due(&self, at: Duration) -> bool {
        self.clock.monotonic() >= at
    }

    /// How long it is until `at`.
    pub(super) fn until(&self, at: Duration) -> Duration {
        at.saturating_sub(self.clock.monotonic())
    }
}

#[cfg(test)]
mod tests {
    use oplog::{IndexUuid, ManualClock, ShardNumber};

    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_long_service() {
        let clock = Arc::new(ManualClock::default());
        let seconds = Duration::from_secs;
        let schedule = RetrySchedule::new(clock.clone(), seconds(1), seconds(60));
        let id = ShardId::new(IndexUuid::generate(), ShardNumber::new(0));
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let due = schedule.failed(&id);
            assert!(!schedule.is_due(due));
            pauses.push(schedule.until(due).as_secs());
            clock.advance(schedule.until(due));
            assert!(schedule.is_due(due));
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        clock.advance(seconds(59));
        assert_eq!(schedule.until(schedule.failed(&id)), seconds(60));
        clock.advance(seconds(120));
        assert_eq!(schedule.until(schedule.failed(&id)), seconds(1));
    }
}
