//! Ids for documents that come without one.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oplog::UnixMillis;
use parking_lot::Mutex;

/// Makes unique ids of 20 url-safe characters, close to each other in time and therefore in the term dictionary.
///
/// Source: Elasticsearch's `TimeBasedUUIDGenerator`: 6 bytes of time, 3 of a sequence that starts at random, 6 of the node, ordered so that what changes
/// rarely stands in the middle, where the terms of a segment share it.
#[derive(Debug)]
pub(crate) struct AutoIds {
    sequence: AtomicU64,
    node: [u8; 6],
    last_millis: Mutex<u64>,
}

impl AutoIds {
    pub(crate) fn new() -> Self {
        let mut random = [0_u8; 9];
        getrandom::fill(&mut random).expect("the operating system has a source of random bytes");
        let mut node = [0_u8; 6];
        node.copy_from_slice(&random[..6]);
        let sequence = u64::from_le_bytes([random[6], random[7], random[8], 0, 0, 0, 0, 0]);
        Self {
            sequence: AtomicU64::new(sequence),
            node,
            last_millis: Mutex::new(0),
        }
    }

    pub(crate) fn next(&self, now: UnixMillis) -> String {
        let sequence = (self.sequence.fetch_add(1, Ordering::Relaxed) & 0xff_ffff).to_be_bytes();
        let millis = self.next_millis(now, sequence[5..] == [0, 0, 0]).to_be_bytes();
        // Both are big-endian in 8 bytes: the least significant byte is the last.
        let mut id = [0_u8; 15];
        id[0] = sequence[7];
        id[1] = sequence[5];
        id[2] = millis[5];
        id[3] = millis[4];
        id[4] = millis[3];
        id[5] = millis[2];
        id[6..12].copy_from_slice(&self.node);
        id[12] = millis[6];
        id[13] = sequence[6];
        id[14] = millis[7];
        URL_SAFE_NO_PAD.encode(id)
    }

    /// Never goes back, and moves on when the sequence has come round: so a clock that stands still or jumps back gives no id twice.
    fn next_millis(&self, now: UnixMillis, came_round: bool) -> u64 {
        let mut last = self.last_millis.lock();
        *last = now.get().max(*last + u64::from(came_round));
        *last
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_even_when_the_clock_stands_still() {
        let ids = AutoIds::new();
        let now = UnixMillis::new(1_763_000_000_000);
        let made: HashSet<_> = (0..100_000).map(|_| ids.next(now)).collect();
        assert_eq!(made.len(), 100_000);
        assert!(made.iter().all(|id| id.len() == 20));
    }
}
