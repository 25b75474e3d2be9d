//! When an index that could not be followed is tried again.

use std::collections::BTreeMap;
use std::time::Duration;

use oplog::IndexUuid;

/// Pauses before an index that failed is tried again: the first, and the longest after doubling. (Elasticsearch waits for the next change of the remote
/// cluster's metadata, however long that takes.)
const FAILED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// The same while primaries of a new index are not active: that is no change of metadata, and takes moments.
const NOT_ACTIVE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// A leader index as a pattern sees it.
pub(super) type Candidate = (String, IndexUuid);

/// What is to be tried again, and when. Times are on the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Retries {
    failed: BTreeMap<Candidate, Attempt>,
    not_active: Option<Attempt>,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    /// Attempts so far.
    count: u32,
    /// When the next is due.
    due: Duration,
}

impl Attempt {
    fn after(former: Option<Self>, now: Duration, (first, longest): (Duration, Duration)) -> Self {
        let count = former.map_or(0, |former| former.count);
        let pause = first.saturating_mul(1_u32.checked_shl(count).unwrap_or(u32::MAX));
        Self {
            count: count.saturating_add(1),
            due: now.saturating_add(pause.min(longest)),
        }
    }
}

impl Retries {
    /// Whether the candidate may be tried now.
    pub(super) fn is_due(&self, candidate: &Candidate, now: Duration) -> bool {
        self.failed
            .get(candidate)
            .is_none_or(|attempt| attempt.due <= now)
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self, candidate: Candidate, now: Duration) {
        let next = Attempt::after(self.failed.get(&candidate).copied(), now, FAILED);
        self.failed.insert(candidate, next);
    }

    /// A round is over in which all that failed is in `failing`, and some primaries were not active if `waits` says so.
    pub(super) fn end_round(&mut self, failing: impl Fn(&Candidate) -> bool, waits: bool, now: Duration) {
        self.failed.retain(|candidate, _| failing(candidate));
        self.not_active = waits.then(|| Attempt::after(self.not_active, now, NOT_ACTIVE));
    }

    /// When something is to be tried again.
    pub(super) fn next(&self) -> Option<Duration> {
        let failed = self.failed.values();
        failed.chain(&self.not_active).map(|attempt| attempt.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(pattern: &str) -> Candidate {
        (pattern.to_owned(), "u".parse().unwrap())
    }

    #[test]
    fn pauses_double_up_to_their_limit_and_end_with_what_they_are_for() {
        let mut retries = Retries::default();
        let mut now = Duration::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            assert!(retries.is_due(&candidate("a"), now));
            retries.failed(candidate("a"), now);
            assert!(!retries.is_due(&candidate("a"), now));
            assert!(retries.is_due(&candidate("b"), now), "each by itself");
            let due = retries.next().unwrap();
            pauses.push((due - now).as_secs());
            now = due;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        retries.end_round(|_| false, true, now);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let due = retries.next().unwrap();
            pauses.push((due - now).as_millis());
            now = due;
            retries.end_round(|_| false, true, now);
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        retries.end_round(|_| false, false, now);
        assert_eq!(retries.next(), None);
    }
}
