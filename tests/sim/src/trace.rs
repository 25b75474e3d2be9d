//! What happened in a run: a hash of everything, and the last of it to read.

use std::collections::VecDeque;
use std::fmt;

/// Entries kept to be read.
const KEPT: usize = 100;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Simulated time in microseconds.
    pub at: u64,
    /// What happened.
    pub what: &'static str,
    /// To whom, and numbers that tell more.
    pub numbers: [u64; 3],
}

impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.numbers;
        write!(
            formatter,
            "{:>12.6} {} {a} {b} {c}",
            self.at as f64 / 1e6,
            self.what
        )
    }
}

/// The record of a run. Equal runs have equal hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    hash: u64,
    length: u64,
    last: VecDeque<Entry>,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            length: 0,
            last: VecDeque::new(),
        }
    }
}

impl Trace {
    /// A hash of all entries in their order.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many entries there were.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The last entries.
    pub fn last(&self) -> impl Iterator<Item = &Entry> {
        self.last.iter()
    }

    pub(crate) fn note(&mut self, at: u64, what: &'static str, numbers: [u64; 3]) {
        self.length += 1;
        for byte in what.bytes() {
            self.mix(u64::from(byte));
        }
        self.mix(at);
        for number in numbers {
            self.mix(number);
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(Entry { at, what, numbers });
    }

    /// One step of FNV-1a over a whole word.
    fn mix(&mut self, word: u64) {
        self.hash = (self.hash ^ word)
            .wrapping_mul(0x0000_0100_0000_01b3)
            .rotate_left(29);
    }
}
