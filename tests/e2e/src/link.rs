//! A TCP proxy in the place of the line between two clusters. The line can be open, cut (connections end, new ones are closed
//! at once) or a black hole (connections stay and carry nothing; what was sent arrives when the line opens again).

use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// What the line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// Bytes pass.
    Open,
    /// Connections end, and new ones end at once.
    Cut,
    /// Connections stay, bytes wait.
    BlackHole,
}

/// A line to one address.
#[derive(Debug)]
pub(crate) struct Link {
    address: String,
    line: watch::Sender<Line>,
    carried: Arc<AtomicU64>,
    _stop: DropGuard,
}

impl Link {
    /// Opens a line to `target` (host and port) and listens on a free loopback port.
    pub(crate) async fn open(target: &str) -> Result<Link> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("no free port for the line")?;
        let address = listener.local_addr()?.to_string();
        let (line, state) = watch::channel(Line::Open);
        let carried = Arc::new(AtomicU64::new(0));
        let stop = CancellationToken::new();
        let shared = Shared {
            target: target.to_owned(),
            state,
            carried: Arc::clone(&carried),
        };
        // The tracker is not awaited: its one task ends when this handle is dropped, and ends its connections with it.
        TaskTracker::new().spawn(serve(listener, shared, stop.clone()));
        Ok(Link {
            address,
            line,
            carried,
            _stop: stop.drop_guard(),
        })
    }

    /// Where to connect.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Changes what the line does, for living connections too.
    pub(crate) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }

    /// Bytes carried in both directions since the line was opened.
    pub(crate) fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct Shared {
    target: String,
    state: watch::Receiver<Line>,
    carried: Arc<AtomicU64>,
}

async fn serve(listener: TcpListener, shared: Shared, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((near, _)) => drop(connections.spawn(connection(near, shared.clone()))),
                Err(error) => eprintln!("the line could not accept: {error}"),
            }
        }
    }
}

async fn connection(near: TcpStream, shared: Shared) {
    let mut state = shared.state.clone();
    if *state.borrow() == Line::Cut {
        return;
    }
    let Ok(far) = TcpStream::connect(&shared.target).await else {
        return;
    };
    near.set_nodelay(true).ok();
    far.set_nodelay(true).ok();
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::select! {
        () = carry(near_read, far_write, shared.clone()) => {}
        () = carry(far_read, near_write, shared.clone()) => {}
        _ = state.wait_for(|line| *line == Line::Cut) => {}
    }
}

/// Carries bytes one way until either end closes; holds them while the line is a black hole.
async fn carry(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, mut shared: Shared) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(length) = from.read(&mut buffer).await else {
            return;
        };
        if length == 0
            || shared
                .state
                .wait_for(|line| *line != Line::BlackHole)
                .await
                .is_err()
        {
            return;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
        shared.carried.fetch_add(length as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_secs(5);

    /// A server that sends back what it receives.
    async fn echo(connections: usize) -> (String, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut living = JoinSet::new();
            for _ in 0..connections {
                let (stream, _) = listener.accept().await.unwrap();
                living.spawn(async move {
                    let (mut read, mut write) = stream.into_split();
                    tokio::io::copy(&mut read, &mut write).await.ok();
                });
            }
            living.join_all().await;
        });
        (address, tasks)
    }

    async fn say(stream: &mut TcpStream, word: &[u8]) -> Vec<u8> {
        stream.write_all(word).await.unwrap();
        let mut heard = vec![0; word.len()];
        timeout(SOON, stream.read_exact(&mut heard))
            .await
            .unwrap()
            .unwrap();
        heard
    }

    #[tokio::test]
    async fn an_open_line_carries_both_ways_and_counts() {
        let (target, _server) = echo(1).await;
        let link = Link::open(&target).await.unwrap();
        let mut stream = TcpStream::connect(link.address()).await.unwrap();
        assert_eq!(say(&mut stream, b"hello").await, b"hello");
        assert!(link.carried() >= 10);
    }

    #[tokio::test]
    async fn a_cut_ends_living_connections_and_new_ones_until_restored() {
        let (target, _server) = echo(2).await;
        let link = Link::open(&target).await.unwrap();
        let mut living = TcpStream::connect(link.address()).await.unwrap();
        assert_eq!(say(&mut living, b"one").await, b"one");
        link.set(Line::Cut);
        assert_eq!(
            timeout(SOON, living.read(&mut [0; 8]))
                .await
                .unwrap()
                .unwrap_or(0),
            0
        );
        let mut refused = TcpStream::connect(link.address()).await.unwrap();
        assert_eq!(
            timeout(SOON, refused.read(&mut [0; 8]))
                .await
                .unwrap()
                .unwrap_or(0),
            0
        );
        link.set(Line::Open);
        let mut again = TcpStream::connect(link.address()).await.unwrap();
        assert_eq!(say(&mut again, b"two").await, b"two");
    }

    #[tokio::test]
    async fn a_black_hole_holds_bytes_and_delivers_them_later() {
        let (target, _server) = echo(1).await;
        let link = Link::open(&target).await.unwrap();
        let mut stream = TcpStream::connect(link.address()).await.unwrap();
        assert_eq!(say(&mut stream, b"one").await, b"one");
        link.set(Line::BlackHole);
        stream.write_all(b"two").await.unwrap();
        let mut heard = [0; 3];
        assert!(
            timeout(Duration::from_millis(100), stream.read_exact(&mut heard))
                .await
                .is_err(),
            "heard through a black hole"
        );
        link.set(Line::Open);
        timeout(SOON, stream.read_exact(&mut heard))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&heard, b"two");
    }
}
