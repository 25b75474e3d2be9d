//! One direction of a line as a sequence of moments: when bytes have left, and when they arrive. Pure: the caller says what time it is.

use std::time::{Duration, Instant};

/// Bytes that wait for the wire, as time on it: as a router's buffer it keeps the wire busy when the sender is late, and delays by at most so much.
const QUEUE: Duration = Duration::from_millis(20);

/// All connections of a line share the wire of their direction: bytes are sent one after the other, and any number may be on their way.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// When what was booked so far has been put on the wire.
    busy_until: Option<Instant>,
}

/// What becomes of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passage {
    /// When the sender may hand over more.
    pub(super) room_at: Instant,
    /// When the last of the bytes is at the other end.
    pub(super) arrives_at: Instant,
}

impl Wire {
    /// Books `bytes` at `now`, for a wire of `bytes_per_second` (`None`: no limit) on which everything takes `delay`.
    pub(super) fn book(
        &mut self,
        now: Instant,
        bytes: usize,
        bytes_per_second: Option<u64>,
        delay: Duration,
    ) -> Passage {
        let start = self.busy_until.map_or(now, |busy| busy.max(now));
        let sent_at = match bytes_per_second {
            Some(rate) => start + Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64),
            None => now,
        };
        self.busy_until = Some(sent_at);
        Passage {
            room_at: sent_at.checked_sub(QUEUE).unwrap_or(now),
            arrives_at: sent_at + delay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn bytes_follow_each_other_on_the_wire_and_travel_beside_each_other() {
        let (mut wire, start) = (Wire::default(), now());
        // 1,000 bytes take 10 ms; none waits for those before it to arrive.
        let arrivals: Vec<_> = (0..5)
            .map(|_| {
                let passage = wire.book(start, 1_000, Some(100_000), 50 * MS);
                passage.arrives_at - start
            })
            .collect();
        assert_eq!(arrivals, [60 * MS, 70 * MS, 80 * MS, 90 * MS, 100 * MS]);
    }

    #[test]
    fn a_sender_is_held_back_when_the_queue_is_full_and_idle_time_is_not_saved_up() {
        let (mut wire, start) = (Wire::default(), now());
        assert!(wire.book(start, 1_000, Some(100_000), 50 * MS).room_at <= start);
        let third = (0..2).map(|_| wire.book(start, 1_000, Some(100_000), 50 * MS));
        assert_eq!(
            third.last().unwrap().room_at,
            start + 10 * MS,
            "30 ms of bytes, 20 ms of queue"
        );
        let later = start + 1_000 * MS;
        let passage = wire.book(later, 1_000, Some(100_000), Duration::ZERO);
        assert_eq!(passage.arrives_at, later + 10 * MS);
    }

    #[test]
    fn a_wire_without_limit_only_delays() {
        let (mut wire, start) = (Wire::default(), now());
        wire.book(start, 1_000_000, Some(1), Duration::ZERO);
        let passage = wire.book(start, 1 << 30, None, 7 * MS);
        assert_eq!(passage.arrives_at, start + 7 * MS, "a limit that is gone is gone");
        assert!(passage.room_at <= start);
    }
}
