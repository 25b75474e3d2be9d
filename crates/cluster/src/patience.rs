//! How long the request that a change belongs to is willing to wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

tokio::task_local! {
    static CURRENT: Arc<Patience>;
}

/// What a request says about waiting, and what came of it. Work that runs in its [`scope`](Self::scope) keeps to it; work of nobody's waits as long
/// as it takes.
#[derive(Debug, Default)]
pub struct Patience {
    master_timeout: Option<Duration>,
    ack_timeout: Option<Duration>,
    has_begun: AtomicBool,
    is_late: AtomicBool,
}

impl Patience {
    /// `master_timeout` bounds the wait for the turn of the request's first change of cluster state; the changes that follow from it are carried out
    /// whatever they wait. `ack_timeout` bounds the wait until the shards of the node follow a change. `None`: what the node waits without being told.
    #[must_use]
    pub fn new(master_timeout: Option<Duration>, ack_timeout: Option<Duration>) -> Arc<Self> {
        Arc::new(Self {
            master_timeout,
            ack_timeout,
            ..Self::default()
        })
    }

    /// Runs `work` as part of the request.
    pub async fn scope<T>(self: Arc<Self>, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }

    /// How long the request that runs waits until shards follow a change; `None` if it does not say, or there is no request.
    #[must_use]
    pub fn ack_timeout() -> Option<Duration> {
        CURRENT.try_with(|patience| patience.ack_timeout).ok().flatten()
    }

    /// Notes that the request that runs did not wait to the end of what it waited for.
    pub fn set_late() {
        // Without a request there is nobody to tell.
        let _ = CURRENT.try_with(|patience| patience.is_late.store(true, Ordering::Release));
    }

    /// Whether something was still to be done when the request's time was over.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.is_late.load(Ordering::Acquire)
    }

    /// How long a change may wait for its turn: bounded for the first one of a request.
    pub(crate) fn turn_timeout() -> Option<Duration> {
        let first = |patience: &Arc<Self>| {
            patience
                .master_timeout
                .filter(|_| !patience.has_begun.load(Ordering::Acquire))
        };
        CURRENT.try_with(first).ok().flatten()
    }

    /// Notes that the request changes cluster state now.
    pub(crate) fn begin() {
        let _ = CURRENT.try_with(|patience| patience.has_begun.store(true, Ordering::Release));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_waits_for_its_first_change_alone() {
        let second = Duration::from_secs(1);
        assert_eq!((Patience::turn_timeout(), Patience::ack_timeout()), (None, None));
        let patience = Patience::new(Some(second), Some(2 * second));
        let run = async {
            assert_eq!(Patience::turn_timeout(), Some(second));
            Patience::begin();
            assert_eq!(Patience::turn_timeout(), None, "half a change helps nobody");
            assert_eq!(Patience::ack_timeout(), Some(2 * second));
            Patience::set_late();
        };
        assert!(!patience.is_late());
        Arc::clone(&patience).scope(run).await;
        assert!(patience.is_late());
    }
}
