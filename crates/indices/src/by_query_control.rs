//! What others see of a by-query request while it runs, and how they slow it down or end it.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Longest wait that a rate can ask for, for sums that no timer takes.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// How far a request has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByQueryStatus {
    /// Documents that were found, at most as many as were asked for.
    pub total: u64,
    /// Documents that were new to the other index.
    pub created: u64,
    /// Documents that were written again.
    pub updated: u64,
    /// Documents that were removed.
    pub deleted: u64,
    /// Batches that were written.
    pub batches: u64,
    /// Documents that somebody changed meanwhile.
    pub version_conflicts: u64,
    /// Documents that were gone meanwhile.
    pub noops: u64,
    /// Writes that were sent again since they were rejected for load.
    pub bulk_retries: u64,
    /// Time waited so as to stay below the rate that was asked for.
    pub throttled: Duration,
    /// Until when the request waits for the sake of the rate, in the node's monotonic time; `None` while it works.
    pub throttled_until: Option<Duration>,
}

/// Shared by a running request and by those who watch it.
#[derive(Debug)]
pub struct ByQueryControl {
    status: Mutex<ByQueryStatus>,
    requests_per_second: watch::Sender<f32>,
    cancelled: CancellationToken,
}

impl ByQueryControl {
    /// For a request that handles at most so many documents in a second (infinity: as many as it can) and ends after the batch in
    /// which `cancelled` is set.
    #[must_use]
    pub fn new(requests_per_second: f32, cancelled: CancellationToken) -> Self {
        Self {
            status: Mutex::default(),
            requests_per_second: watch::Sender::new(requests_per_second),
            cancelled,
        }
    }

    /// How far the request has come.
    #[must_use]
    pub fn status(&self) -> ByQueryStatus {
        self.status.lock().clone()
    }

    /// Documents that the request handles in a second at most; infinity when it may take as many as it can.
    #[must_use]
    pub fn requests_per_second(&self) -> f32 {
        *self.requests_per_second.borrow()
    }

    /// Changes the rate. A higher one ends a wait early; a lower one holds from the next batch on.
    pub fn rethrottle(&self, requests_per_second: f32) {
        self.requests_per_second.send_replace(requests_per_second);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Changes what others see.
    pub(crate) fn update(&self, change: impl FnOnce(&mut ByQueryStatus)) {
        change(&mut self.status.lock());
    }

    /// Sleeps unless the request is cancelled meanwhile.
    pub(crate) async fn sleep(&self, pause: Duration) {
        tokio::select! {
            () = self.cancelled.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    /// Waits until a batch may begin after one of `size` documents that began at `started`. `now` is the monotonic time.
    pub(crate) async fn wait_turn(&self, started: Duration, size: usize, now: impl Fn() -> Duration) {
        let began = now();
        let mut rate = self.requests_per_second.subscribe();
        let mut due = Duration::MAX;
        while !self.is_cancelled() {
            let per_second = *rate.borrow_and_update();
            due = due.min(started.saturating_add(time_of(size, per_second)));
            let left = due.saturating_sub(now());
            if left.is_zero() {
                break;
            }
            self.update(|status| status.throttled_until = Some(due));
            tokio::select! {
                () = self.cancelled.cancelled() => {}
                _ = rate.changed() => {}
                () = tokio::time::sleep(left) => {}
            }
        }
        let waited = now().saturating_sub(began);
        self.update(|status| {
            if status.throttled_until.take().is_some() {
                status.throttled += waited;
            }
        });
    }
}

/// How long `size` documents take at a rate.
fn time_of(size: usize, per_second: f32) -> Duration {
    if per_second.is_infinite() {
        return Duration::ZERO;
    }
    let seconds = size as f64 / f64::from(per_second);
    Duration::try_from_secs_f64(seconds)
        .unwrap_or(LONGEST_WAIT)
        .min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_takes_as_long_as_its_documents_do() {
        let cases = [
            (1000, f32::INFINITY, Duration::ZERO),
            (1000, 500.0, Duration::from_secs(2)),
            (1, 4.0, Duration::from_millis(250)),
            (10_000, f32::MIN_POSITIVE, LONGEST_WAIT),
            (0, 1.0, Duration::ZERO),
        ];
        for (size, rate, expected) in cases {
            assert_eq!(time_of(size, rate), expected, "{size} at {rate}");
        }
    }

    /// A wait of a request that began at 0, on a clock that stands still; answers whether it ends when `act` was done.
    async fn ends_after(rate: f32, act: impl FnOnce(&ByQueryControl, &CancellationToken)) -> bool {
        let token = CancellationToken::new();
        let control = ByQueryControl::new(rate, token.clone());
        let mut wait = std::pin::pin!(control.wait_turn(Duration::ZERO, 1000, || Duration::from_secs(1)));
        let waits = futures::poll!(wait.as_mut()).is_pending();
        assert_eq!(waits, control.status().throttled_until.is_some());
        act(&control, &token);
        let ends = !waits || futures::poll!(wait).is_ready();
        ends && control.status().throttled_until.is_none()
    }

    #[tokio::test]
    async fn a_wait_ends_when_the_rate_rises_or_the_request_is_cancelled() {
        assert!(
            ends_after(f32::INFINITY, |_, _| {}).await,
            "there is nothing to wait for"
        );
        assert!(ends_after(1000.0, |_, _| {}).await, "the second is over");
        assert!(!ends_after(10.0, |_, _| {}).await);
        assert!(!ends_after(10.0, |control, _| control.rethrottle(1.0)).await);
        assert!(ends_after(10.0, |control, _| control.rethrottle(f32::INFINITY)).await);
        assert!(ends_after(10.0, |_, token| token.cancel()).await);
    }
}
