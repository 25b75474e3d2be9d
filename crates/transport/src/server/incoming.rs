//! Connections that arrive.

use std::io;
use std::time::Duration;

use futures::{Stream, stream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Listener;
use crate::wire::GuardedIo;

/// Too many open files is the usual reason; accepting again at once would spin.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// The connections that `listener` accepts; all end when `kill` is cancelled.
pub(super) fn incoming<L: Listener>(
    listener: L,
    kill: CancellationToken,
) -> impl Stream<Item = io::Result<GuardedIo<L::Stream>>> {
    let tracker = TaskTracker::new();
    stream::unfold(listener, move |mut listener| {
        let (kill, token) = (kill.clone(), tracker.token());
        async move {
            let accepted = match listener.accept().await {
                Ok(io) => Ok(GuardedIo::new(io, kill, CancellationToken::new(), token)),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a transport connection");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                    Err(error)
                }
            };
            Some((accepted, listener))
        }
    })
}
