//! How long the follower needs to have what its leader has, by how fast it has gained on it of late.

use std::collections::VecDeque;
use std::time::Duration;

use oplog::SeqNo;

use crate::time::Timestamp;

/// What counts as of late.
const WINDOW: Duration = Duration::from_secs(10);
/// Between two samples; also the shortest time that tells a speed.
const SPACING: Duration = Duration::from_secs(1);
/// What is applied in this time at the present speed counts as under way and not as a backlog: a follower that keeps up gains nothing on a
/// leader that writes all the time, and yet is never far behind.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// Where follower and leader stood in the last seconds.
#[derive(Debug, Default)]
pub(crate) struct CatchUp {
    /// Oldest first; at most one for each [`SPACING`] of the window, and one from before it.
    samples: VecDeque<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Timestamp,
    /// Operations before this were applied.
    applied: SeqNo,
    /// Operations before this were known on the leader.
    known: SeqNo,
}

impl CatchUp {
    /// Takes note of where both stand; not before the leader's first answer, which would look as if the leader had just written all of it.
    pub(crate) fn sample(&mut self, now: Timestamp, applied: SeqNo, known: SeqNo) {
        if let Some(last) = self.samples.back() {
            let passed = now.since(last.at);
            if passed < SPACING {
                return;
            }
            // Nothing happened, or nobody was there to tell: neither side's speed is known any more.
            if passed > WINDOW {
                self.samples.clear();
            }
        }
        while self
            .samples
            .get(1)
            .is_some_and(|second| now.since(second.at) >= WINDOW)
        {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample {
            at: now,
            applied,
            known,
        });
    }

    /// Time until the follower has caught up: 0 when it has, `None` when it does not gain on its leader or nothing is known of that.
    pub(crate) fn estimate(&self, now: Timestamp, applied: SeqNo, known: SeqNo) -> Option<Duration> {
        let lagging = known.get().saturating_sub(applied.get());
        if lagging == 0 {
            return Some(Duration::ZERO);
        }
        let before_window = |sample: &&Sample| now.since(sample.at) >= WINDOW;
        let start = self.samples.iter().rev().find(before_window);
        let start = start.or(self.samples.front())?;
        let elapsed = now.since(start.at);
        if elapsed < SPACING {
            return None;
        }
        let time_at = |operations: u64| {
            let nanos = u128::from(lagging).checked_mul(elapsed.as_nanos())?;
            let nanos = nanos.checked_div(u128::from(operations))?;
            Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
        };
        let written = applied.get().saturating_sub(start.applied.get());
        let grown = known.get().saturating_sub(start.known.get());
        let at_full_speed = time_at(written)?;
        if at_full_speed <= UNDER_WAY {
            return Some(at_full_speed);
        }
        time_at(written.saturating_sub(grown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::new(Duration::from_millis(millis))
    }

    /// The estimate in milliseconds after the last of the samples (time in milliseconds, applied, known).
    fn estimate(samples: &[(u64, u64, u64)]) -> Option<u128> {
        let mut catch_up = CatchUp::default();
        for (millis, applied, known) in samples {
            catch_up.sample(at(*millis), SeqNo::new(*applied), SeqNo::new(*known));
        }
        let (millis, applied, known) = samples.last()?;
        let estimate = catch_up.estimate(at(*millis), SeqNo::new(*applied), SeqNo::new(*known));
        estimate.map(|time| time.as_millis())
    }

    #[test]
    fn the_time_is_the_backlog_by_what_the_follower_gains() {
        for (what, samples, expected) in [
            ("in sync", &[(0, 7, 7)][..], Some(0)),
            ("in sync, long unchanged", &[(0, 7, 7), (90_000, 7, 7)], Some(0)),
            ("behind, at no known speed", &[(0, 0, 10_000)], None),
            (
                "too short a time for a speed",
                &[(0, 0, 10_000), (999, 500, 10_000)],
                None,
            ),
            (
                "leader idle",
                &[(0, 0, 10_000), (2_000, 2_000, 10_000)],
                Some(8_000),
            ),
            (
                "leader writes too",
                &[(0, 0, 10_000), (2_000, 2_000, 11_000)],
                Some(18_000),
            ),
            (
                "as fast as the leader",
                &[(0, 0, 10_000), (2_000, 2_000, 12_000)],
                None,
            ),
            (
                "slower than the leader",
                &[(0, 0, 10_000), (2_000, 2_000, 13_000)],
                None,
            ),
            ("stands still", &[(0, 0, 10_000), (2_000, 0, 10_000)], None),
            ("fell back", &[(0, 500, 10_000), (2_000, 0, 10_000)], None),
            (
                "keeps up with a busy leader, 500 of 1,000 a second behind",
                &[(0, 0, 500), (5_000, 5_000, 5_500)],
                Some(500),
            ),
            (
                "of late: the first, fast seconds are forgotten",
                &[
                    (0, 0, 100_000),
                    (1_000, 50_000, 100_000),
                    (6_000, 50_500, 100_000),
                    (11_000, 51_000, 100_000),
                ],
                Some(490_000),
            ),
            (
                "after a silence the leader's jump is no speed",
                &[(0, 7, 7), (11_000, 7, 10_007), (13_000, 4_007, 10_007)],
                Some(3_000),
            ),
        ] {
            assert_eq!(estimate(samples), expected, "{what}");
        }
    }

    #[test]
    fn a_follower_that_stalls_stops_catching_up() {
        let mut catch_up = CatchUp::default();
        let known = SeqNo::new(10_000);
        catch_up.sample(at(0), SeqNo::ZERO, known);
        catch_up.sample(at(1_000), SeqNo::new(1_000), known);
        let estimate = |millis| catch_up.estimate(at(millis), SeqNo::new(1_000), known);
        assert_eq!(estimate(1_000), Some(Duration::from_secs(9)));
        assert_eq!(estimate(3_000), Some(Duration::from_secs(27)));
        assert_eq!(estimate(11_000), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut catch_up = CatchUp::default();
        for number in 0..1_000 {
            catch_up.sample(at(number * 300), SeqNo::new(number), SeqNo::new(number));
        }
        assert!(catch_up.samples.len() <= 11, "{}", catch_up.samples.len());
    }
}
