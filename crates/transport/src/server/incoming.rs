//! Connections that arrive.

use std::io;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::server::TcpIncoming;

use crate::wire::GuardedIo;

/// Too many open files is the usual reason; accepting again at once would spin.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// The connections that `listener` accepts; all end when `kill` is cancelled.
///
/// Nagle's algorithm is off: without that a small answer waits some 40 ms for the caller's acknowledgement.
/// The server builder's own option for it does not reach connections that come by a stream.
pub(super) fn incoming(
    listener: TcpListener,
    kill: CancellationToken,
) -> impl Stream<Item = io::Result<GuardedIo>> {
    let tracker = TaskTracker::new();
    TcpIncoming::from(listener)
        .with_nodelay(Some(true))
        .then(move |accepted| {
            let (kill, token) = (kill.clone(), tracker.token());
            async move {
                match accepted {
                    Ok(io) => Ok(GuardedIo::new(io, kill, CancellationToken::new(), token)),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a transport connection");
                        tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                        Err(error)
                    }
                }
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn nagles_algorithm_is_off_on_accepted_connections() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut incoming = pin!(incoming(listener, CancellationToken::new()));
        let (accepted, connected) = tokio::join!(incoming.next(), TcpStream::connect(address));
        connected.unwrap();
        assert!(accepted.unwrap().unwrap().nodelay().unwrap());
    }
}
