//! Time for a program that drives real processes: the one place that reads a clock, and polling with a deadline.

use anyhow::{Context, Result, anyhow};
use std::future::Future;
use std::time::{Duration, Instant};

/// Between two looks at something that should become true.
const POLL_EVERY: Duration = Duration::from_millis(25);

/// The present.
#[expect(
    clippy::disallowed_methods,
    reason = "real processes are measured by the real clock"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Asks again and again until the answer is `Ok(Some(..))`, an error, or the deadline has passed. `what` names the
/// condition in the error.
pub(crate) async fn wait_for<T, F>(what: &str, within: Duration, mut look: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let deadline = now() + within;
    loop {
        let seen = tokio::time::timeout(within, look()).await;
        if let Some(value) = seen
            .map_err(|_| anyhow!("no answer"))?
            .with_context(|| format!("while waiting for: {what}"))?
        {
            return Ok(value);
        }
        if now() >= deadline {
            return Err(anyhow!("not within {within:?}: {what}"));
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

/// As [`wait_for`], for a condition that is described anew at each look: `Err(state)` means not yet, and the last state seen is
/// part of the error.
pub(crate) async fn wait_until<F>(what: &str, within: Duration, mut look: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<Result<(), String>>>,
{
    let mut last = String::from("nothing seen");
    let deadline = now() + within;
    loop {
        match look()
            .await
            .with_context(|| format!("while waiting for: {what}"))?
        {
            Ok(()) => return Ok(()),
            Err(state) => last.clone_from(&state),
        }
        if now() >= deadline {
            return Err(anyhow!("not within {within:?}: {what}; last seen: {last}"));
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}
