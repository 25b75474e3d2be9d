//! All chance of a run that is not the network's.

use std::ops::Range;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// A seeded generator.
#[derive(Debug)]
pub(crate) struct Random(Xoshiro256PlusPlus);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability)
    }

    pub(crate) fn between(&mut self, range: Range<u64>) -> u64 {
        self.0.random_range(range)
    }

    /// A number whose magnitude is spread evenly: small ones are as likely as large ones.
    pub(crate) fn spread(&mut self, range: Range<u64>) -> u64 {
        let (low, high) = ((range.start as f64).max(1.0).ln(), (range.end as f64).ln());
        let value = self.0.random_range(low..high).exp() as u64;
        value.clamp(range.start, range.end - 1)
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        (count > 0).then(|| &items[usize::try_from(self.between(0..count)).unwrap_or(0)])
    }
}
