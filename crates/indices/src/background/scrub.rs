//! Reads the files of this node's shards again, one shard after the other, so that damage is found before the last good copy is gone.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use oplog::{ByteCount, ShardId};
use shard::{ScrubStep, ShardError};

/// A shard is read again at most so often.
const BETWEEN_PASSES: Duration = Duration::from_secs(24 * 3600);
/// Bytes of one round at most, however long the last one is ago.
const MOST_BYTES: u64 = 16 << 20;
/// What a pass costs beside its bytes, in bytes: files are opened. Keeps thousands of small shards from being read in one round.
const COST_OF_A_PASS: u64 = 64 << 10;

/// Whose turn it is. Time is monotonic, so every shard is read once after a start.
#[derive(Debug, Default)]
pub(super) struct Scrub {
    last_round: Option<Duration>,
    /// The shard whose pass goes on in the next round: one at a time, since a pass holds memory.
    current: Option<ShardId>,
    /// The end of the last pass over a shard.
    passed: HashMap<ShardId, Duration>,
}

impl Scrub {
    /// Reads as many bytes as `rate` (per second, 0: none) gives since the last round. `step` verifies about so many bytes of a shard's files more;
    /// `None` if the shard does not serve.
    pub(super) fn round(
        &mut self,
        ids: &[ShardId],
        now: Duration,
        rate: ByteCount,
        mut step: impl FnMut(&ShardId, ByteCount) -> Option<Result<ScrubStep, ShardError>>,
    ) {
        let known: HashSet<_> = ids.iter().collect();
        self.passed.retain(|id, _| known.contains(id));
        let since = now.saturating_sub(self.last_round.replace(now).unwrap_or(now));
        let earned = rate.get() as f64 * since.as_secs_f64();
        let mut budget = (earned as u64).min(MOST_BYTES);
        let is_due = |id: &&ShardId| self.passed.get(*id).is_none_or(|at| now >= *at + BETWEEN_PASSES);
        let due = ids.iter().filter(is_due).cloned();
        let turn: Vec<_> = self.current.take().into_iter().chain(due).collect();
        for id in turn {
            while self.passed.get(&id).is_none_or(|at| *at != now) {
                if budget == 0 {
                    self.current = Some(id);
                    return;
                }
                match step(&id, ByteCount::new(budget)) {
                    None => break,
                    Some(Ok(step)) => {
                        budget = budget.saturating_sub(step.bytes.get());
                        if step.done {
                            tracing::debug!(shard = %id, "scrubbed");
                            budget = budget.saturating_sub(COST_OF_A_PASS);
                            self.passed.insert(id.clone(), now);
                        }
                    }
                    // A damaged shard serves nothing more, and begins anew when it is opened again.
                    Some(Err(error)) => {
                        tracing::warn!(shard = %id, %error, "scrub of the shard ended early");
                        self.passed.insert(id.clone(), now);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use oplog::{IndexUuid, ShardNumber};

    use super::*;

    const DAY: Duration = BETWEEN_PASSES;
    const RATE: ByteCount = ByteCount::from_mib(1);

    fn second(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn ids(count: u32) -> Vec<ShardId> {
        let index = IndexUuid::generate();
        let id = |number| ShardId::new(index.clone(), ShardNumber::new(number));
        (0..count).map(id).collect()
    }

    /// Shards of so many bytes each.
    struct Shards {
        size: u64,
        read: HashMap<ShardId, u64>,
        passes: HashMap<ShardId, usize>,
    }

    impl Shards {
        fn of(size: u64) -> Self {
            Self {
                size,
                read: HashMap::new(),
                passes: HashMap::new(),
            }
        }

        fn step(&mut self, id: &ShardId, budget: ByteCount) -> ScrubStep {
            let read = self.read.entry(id.clone()).or_default();
            let bytes = budget.get().min(self.size - *read);
            *read += bytes;
            let done = *read == self.size;
            if done {
                *read = 0;
                *self.passes.entry(id.clone()).or_default() += 1;
            }
            ScrubStep {
                bytes: ByteCount::new(bytes),
                done,
            }
        }

        fn passes(&self, id: &ShardId) -> usize {
            self.passes.get(id).copied().unwrap_or(0)
        }

        fn under_way(&self) -> usize {
            self.read.values().filter(|read| **read > 0).count()
        }
    }

    #[test]
    fn shards_are_read_one_after_the_other_at_the_rate_and_once_a_day() {
        let (mut scrub, mut shards) = (Scrub::default(), Shards::of(3 << 20));
        let mut all = ids(4);
        for now in 0..=20 {
            // In no order.
            all.rotate_left(1);
            scrub.round(&all, second(now), RATE, |id, budget| {
                assert!(budget <= RATE, "in one second");
                Some(Ok(shards.step(id, budget)))
            });
            assert!(shards.under_way() <= 1, "a pass holds memory");
            let whole: usize = all.iter().map(|id| shards.passes(id)).sum();
            assert!(whole as u64 <= now / 3, "after {now} s");
        }
        assert!(
            all.iter().all(|id| shards.passes(id) == 1),
            "not again on this day"
        );
        scrub.round(&all, DAY + second(60), RATE, |id, budget| {
            Some(Ok(shards.step(id, budget)))
        });
        assert_eq!(all.iter().map(|id| shards.passes(id)).max(), Some(2));
    }

    #[test]
    fn time_is_not_saved_up_and_a_rate_of_zero_reads_nothing() {
        let (mut scrub, mut shards) = (Scrub::default(), Shards::of(1 << 40));
        let mut round = |now, rate| {
            let mut bytes = 0;
            scrub.round(&ids(1), now, rate, |id, budget| {
                bytes += budget.get();
                Some(Ok(shards.step(id, budget)))
            });
            bytes
        };
        assert_eq!(round(second(1), RATE), 0, "the first round has no time before it");
        assert_eq!(round(second(3), RATE), 2 << 20);
        assert_eq!(round(second(10_000), RATE), MOST_BYTES);
        assert_eq!(round(second(20_000), ByteCount::ZERO), 0);
    }

    #[test]
    fn a_shard_that_fails_or_does_not_serve_keeps_no_other_waiting() {
        let (mut scrub, mut shards) = (Scrub::default(), Shards::of(1 << 10));
        let (all, mut asked) = (ids(3), 0);
        for now in 0..10 {
            scrub.round(&all, second(now), RATE, |id, budget| match id {
                id if *id == all[0] => {
                    asked += 1;
                    Some(Err(ShardError::Closed))
                }
                id if *id == all[1] => None,
                id => Some(Ok(shards.step(id, budget))),
            });
        }
        assert_eq!((asked, shards.passes(&all[2])), (1, 1));
        let mut serves_now = false;
        scrub.round(&all, second(10), RATE, |id, budget| {
            serves_now |= *id == all[1];
            Some(Ok(shards.step(id, budget)))
        });
        assert!(serves_now, "it was not given up");
    }

    #[test]
    fn many_small_shards_are_not_all_read_at_once() {
        let (mut scrub, mut shards) = (Scrub::default(), Shards::of(1));
        let all = ids(1000);
        for now in 0..2 {
            scrub.round(&all, second(now), RATE, |id, budget| {
                Some(Ok(shards.step(id, budget)))
            });
        }
        assert_eq!(shards.passes.len(), 16);
    }
}
