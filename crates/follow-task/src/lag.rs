//! How far the follower is behind, in time on the leader's clock.

use std::collections::VecDeque;

use oplog::{SeqNo, UnixMillis};

use crate::cursor::after;
use crate::time::Timestamp;

/// Answers remembered; enough for the length of any catch-up at the end of which the lag matters.
const MAX_SIGHTINGS: usize = 64;

/// What the leader's answers tell about the age of operations.
#[derive(Debug)]
pub(crate) struct Lag {
    started: Timestamp,
    leader_clock: Option<(UnixMillis, Timestamp)>,
    /// End of what is known on the leader.
    known: SeqNo,
    /// Where the leader ended at a time of its clock, both rising: an operation at or after the end came later than the time.
    sightings: VecDeque<(SeqNo, UnixMillis)>,
    /// When the last operation applied was written; what follows it is younger.
    last_applied: Option<UnixMillis>,
}

impl Lag {
    pub(crate) fn new() -> Self {
        let (started, known) = (Timestamp::default(), SeqNo::ZERO);
        Self {
            started,
            leader_clock: None,
            known,
            sightings: VecDeque::new(),
            last_applied: None,
        }
    }

    pub(crate) fn start(&mut self, now: Timestamp, known: SeqNo) {
        self.started = now;
        self.known = known;
    }

    /// Whether the leader has ever answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.leader_clock.is_some()
    }

    /// Operations before this are known on the leader.
    pub(crate) fn known(&self) -> SeqNo {
        self.known
    }

    /// Takes note of an answer, as soon as it is there: the leader's global checkpoint and its clock. Everything before `applied` is applied.
    pub(crate) fn observe(
        &mut self,
        now: Timestamp,
        checkpoint: Option<SeqNo>,
        leader_now: UnixMillis,
        applied: SeqNo,
    ) {
        let end = after(checkpoint);
        self.known = self.known.max(end);
        self.leader_clock = Some((leader_now, now));
        self.forget_before(applied);
        let is_full = self.sightings.len() >= MAX_SIGHTINGS;
        match self.sightings.back_mut() {
            Some((last, time)) if *last == end => *time = leader_now.max(*time),
            // An answer from a copy that lags tells nothing about operations that others have shown.
            Some((last, _)) if *last > end => {}
            // Without room, the next operations count as older than they are: never too small.
            _ if is_full => {}
            _ => self.sightings.push_back((end, leader_now)),
        }
    }

    /// Takes note of the last operation applied.
    pub(crate) fn applied(&mut self, written_at: UnixMillis, applied: SeqNo) {
        self.last_applied = Some(written_at);
        self.forget_before(applied);
    }

    /// Keeps, of the sightings at or before `applied`, only the last.
    fn forget_before(&mut self, applied: SeqNo) {
        while self.sightings.get(1).is_some_and(|(end, _)| *end <= applied) {
            self.sightings.pop_front();
        }
    }

    /// Age in milliseconds of the oldest operation not applied. `oldest` is when that was written, if it was received; `failing`
    /// tells that reads fail now.
    pub(crate) fn millis(
        &self,
        now: Timestamp,
        applied: SeqNo,
        oldest: Option<UnixMillis>,
        failing: bool,
    ) -> u64 {
        let answered_at = self.leader_clock.map_or(self.started, |(_, at)| at);
        let since_answer = u64::try_from(now.since(answered_at).as_millis()).unwrap_or(u64::MAX);
        let unseen = if failing { since_answer } else { 0 };
        let Some((leader_then, _)) = self.leader_clock else {
            return unseen;
        };
        if applied >= self.known {
            return unseen;
        }
        let came_after = self
            .sightings
            .iter()
            .take_while(|(end, _)| *end <= applied)
            .last()
            .map(|(_, time)| *time);
        let Some(written_at) = oldest.or(came_after.max(self.last_applied)) else {
            return unseen;
        };
        let leader_now = leader_then.get().saturating_add(since_answer);
        leader_now.saturating_sub(written_at.get()).max(unseen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(millis: u64) -> Timestamp {
        Timestamp::new(Duration::from_millis(millis))
    }

    fn observe(lag: &mut Lag, now: u64, checkpoint: u64, leader_now: u64, applied: SeqNo) {
        let leader_now = UnixMillis::new(leader_now);
        lag.observe(at(now), Some(SeqNo::new(checkpoint)), leader_now, applied);
    }

    #[test]
    fn lag_is_the_age_of_the_oldest_operation_not_applied() {
        let mut lag = Lag::new();
        lag.start(at(0), SeqNo::new(5));
        let five = SeqNo::new(5);
        assert_eq!(
            lag.millis(at(70), five, None, false),
            0,
            "assumed in sync at the start"
        );
        assert_eq!(lag.millis(at(70), five, None, true), 70, "nobody answers");
        observe(&mut lag, 100, 4, 10_000, five);
        assert_eq!(lag.millis(at(900), five, None, false), 0, "in sync");
        assert_eq!(
            lag.millis(at(900), five, None, true),
            800,
            "not known since the last answer"
        );
        observe(&mut lag, 1_100, 9, 11_000, five);
        assert_eq!(
            lag.millis(at(1_100), five, None, false),
            1_000,
            "came after the last sighting without it"
        );
        assert_eq!(
            lag.millis(at(1_150), five, Some(UnixMillis::new(10_900)), false),
            150,
            "received: its own time"
        );
        lag.applied(UnixMillis::new(10_950), SeqNo::new(7));
        assert_eq!(
            lag.millis(at(1_100), SeqNo::new(7), None, false),
            50,
            "younger than the last applied"
        );
        assert_eq!(lag.millis(at(1_100), SeqNo::new(10), None, false), 0);
    }

    #[test]
    fn memory_is_bounded() {
        let mut lag = Lag::new();
        for checkpoint in 0..1000 {
            observe(&mut lag, checkpoint, checkpoint, checkpoint, SeqNo::ZERO);
        }
        assert_eq!(lag.sightings.len(), MAX_SIGHTINGS);
        lag.applied(UnixMillis::new(990), SeqNo::new(990));
        assert_eq!(lag.sightings.len(), 1);
        assert_eq!(lag.millis(at(999), SeqNo::new(990), None, false), 9);
    }
}
