//! A TCP proxy in the place of the line between two clusters. The line can be open, cut (connections end, new ones are closed
//! at once) or a black hole (connections stay and carry nothing; what was sent arrives when the line opens again). It can be long
//! ([`Link::set_delay`]) and narrow ([`Link::set_rate`]), and reset its connections ([`Link::reset_connections`]).
//!
//! A long line is a pipeline: bytes are sent one after the other at the rate, and any number of them is on the way, up to [`IN_FLIGHT`] per
//! connection and direction. It counts what TCP carries, without headers, and behaves as a connection whose windows have grown: no slow start, no loss.

mod fault;
mod wire;

pub(crate) use fault::Fault;

use crate::clock::now;
use anyhow::{Context, Result};
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use wire::Wire;

/// Bytes of one connection that may be on their way in one direction: more than fit on any line that is measured, and a bound on memory.
const IN_FLIGHT: usize = 16 << 20;

/// Most bytes that are carried as one.
const CHUNK: usize = 64 << 10;

/// On a narrow line chunks are so small that each takes the wire for this long: connections take turns by chunk.
const TURN: Duration = Duration::from_millis(2);

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

/// How the line is; every change holds for living connections too.
#[derive(Debug, Clone, Copy)]
struct State {
    line: Line,
    /// From end to end, in each direction.
    delay: Duration,
    /// Bytes per second in each direction, all connections together.
    rate: Option<u64>,
    /// How often connections were reset.
    resets: u64,
}

/// A line to one address.
#[derive(Debug)]
pub(crate) struct Link {
    address: String,
    state: watch::Sender<State>,
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
        let (sender, state) = watch::channel(State {
            line: Line::Open,
            delay: Duration::ZERO,
            rate: None,
            resets: 0,
        });
        let carried = Arc::new(AtomicU64::new(0));
        let stop = CancellationToken::new();
        let shared = Shared {
            target: target.to_owned(),
            state,
            there: Arc::default(),
            back: Arc::default(),
            carried: Arc::clone(&carried),
        };
        // The tracker is not awaited: its one task ends when this handle is dropped, and ends its connections with it.
        TaskTracker::new().spawn(serve(listener, shared, stop.clone()));
        Ok(Link {
            address,
            state: sender,
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
        self.state.send_modify(|state| state.line = line);
    }

    /// Makes everything that is sent from now on take `one_way` in each direction: a round trip takes twice as long, and a new
    /// connection waits for one before it carries anything.
    pub(crate) fn set_delay(&self, one_way: Duration) {
        self.state.send_modify(|state| state.delay = one_way);
    }

    /// Lets no more than `bytes_per_second` pass in each direction, all connections together; `None` is no limit.
    pub(crate) fn set_rate(&self, bytes_per_second: Option<u64>) {
        self.state.send_modify(|state| state.rate = bytes_per_second);
    }

    /// Ends every living connection by a reset (RST) to both ends; what was on its way is lost. New connections are not concerned.
    pub(crate) fn reset_connections(&self) {
        self.state.send_modify(|state| state.resets += 1);
    }

    /// Bytes carried in both directions since the line was opened.
    pub(crate) fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct Shared {
    target: String,
    state: watch::Receiver<State>,
    there: Arc<Mutex<Wire>>,
    back: Arc<Mutex<Wire>>,
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

async fn connection(mut near: TcpStream, shared: Shared) {
    let mut state = shared.state.clone();
    let begin = *state.borrow();
    if begin.line == Line::Cut {
        return;
    }
    let Ok(mut far) = TcpStream::connect(&shared.target).await else {
        return;
    };
    near.set_nodelay(true).ok();
    far.set_nodelay(true).ok();
    let opened_at = now() + 2 * begin.delay;
    // Borrowed halves: owned ones would say goodbye when they are dropped, and a reset must not.
    let (near_read, near_write) = near.split();
    let (far_read, far_write) = far.split();
    let carried = async {
        wait_until(opened_at).await;
        tokio::select! {
            () = carry(near_read, far_write, &shared.there, &shared) => {}
            () = carry(far_read, near_write, &shared.back, &shared) => {}
        }
    };
    let is_reset = tokio::select! {
        () = carried => false,
        changed = state.wait_for(|state| state.line == Line::Cut || state.resets != begin.resets) => {
            changed.is_ok_and(|state| state.resets != begin.resets)
        }
    };
    if is_reset {
        // Closing without lingering is what sends RST in place of FIN.
        near.set_zero_linger().ok();
        far.set_zero_linger().ok();
    }
}

/// Bytes on their way. The permit is their share of [`IN_FLIGHT`].
struct Traveling {
    bytes: Vec<u8>,
    arrives_at: Instant,
    _room: OwnedSemaphorePermit,
}

/// Carries bytes one way until either end closes, and what was sent before the close with them.
async fn carry(
    from: impl AsyncReadExt + Unpin,
    to: impl AsyncWriteExt + Unpin,
    wire: &Mutex<Wire>,
    shared: &Shared,
) {
    let (sender, traveling) = unbounded_channel();
    let taking = async {
        take(from, sender, wire, shared.state.clone()).await;
        // Nothing more comes; what is on its way still arrives.
        pending::<()>().await;
    };
    tokio::select! {
        () = taking => {}
        () = deliver(traveling, to, shared) => {}
    }
}

/// Takes bytes from the sender as fast as the wire has room; none while the line is a black hole.
async fn take(
    mut from: impl AsyncReadExt + Unpin,
    traveling: UnboundedSender<Traveling>,
    wire: &Mutex<Wire>,
    mut state: watch::Receiver<State>,
) {
    let room = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut buffer = vec![0; CHUNK];
    loop {
        let most = chunk_size(state.borrow().rate);
        let Ok(length @ 1..) = from.read(&mut buffer[..most]).await else {
            return;
        };
        let Ok(State { delay, rate, .. }) = state.wait_for(is_carrying).await.map(|state| *state) else {
            return;
        };
        let permits = u32::try_from(length).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&room).acquire_many_owned(permits).await else {
            return;
        };
        let passage = wire
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .book(now(), length, rate, delay);
        let taken = Traveling {
            bytes: buffer[..length].to_vec(),
            arrives_at: passage.arrives_at,
            _room: room,
        };
        if traveling.send(taken).is_err() {
            return;
        }
        wait_until(passage.room_at).await;
    }
}

/// Hands over bytes when they arrive; holds them while the line is a black hole.
async fn deliver(
    mut traveling: UnboundedReceiver<Traveling>,
    mut to: impl AsyncWriteExt + Unpin,
    shared: &Shared,
) {
    let mut state = shared.state.clone();
    while let Some(arriving) = traveling.recv().await {
        wait_until(arriving.arrives_at).await;
        if state.wait_for(is_carrying).await.is_err() || to.write_all(&arriving.bytes).await.is_err() {
            return;
        }
        shared
            .carried
            .fetch_add(arriving.bytes.len() as u64, Ordering::Relaxed);
    }
}

fn is_carrying(state: &State) -> bool {
    state.line != Line::BlackHole
}

fn chunk_size(rate: Option<u64>) -> usize {
    let bytes = rate.map_or(u64::MAX, |rate| rate / 1_000 * TURN.as_millis() as u64);
    usize::try_from(bytes).unwrap_or(CHUNK).clamp(1_024, CHUNK)
}

/// Does not even yield when the moment is past: a short line costs no timer.
async fn wait_until(moment: Instant) {
    if moment > now() {
        sleep_until(moment.into()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    /// The time until a word came back.
    async fn round_trip(stream: &mut TcpStream) -> Duration {
        let start = now();
        say(stream, b"word").await;
        start.elapsed()
    }

    #[tokio::test]
    async fn a_long_line_delays_each_way_and_its_bytes_travel_beside_each_other() {
        let (target, _server) = echo(1).await;
        let link = Link::open(&target).await.unwrap();
        let mut stream = TcpStream::connect(link.address()).await.unwrap();
        round_trip(&mut stream).await;
        let one_way = Duration::from_millis(250);
        link.set_delay(one_way);
        assert!(round_trip(&mut stream).await >= 2 * one_way);
        // 1 MiB is 16 chunks at least: one after the other they would take 16 round trips.
        let start = now();
        let (mut read, mut write) = stream.split();
        let (sent, mut heard) = (vec![7; 1 << 20], vec![0; 1 << 20]);
        let (wrote, got) = tokio::join!(write.write_all(&sent), read.read_exact(&mut heard));
        assert!(wrote.is_ok() && got.is_ok() && sent == heard);
        let took = start.elapsed();
        assert!(took >= 2 * one_way && took < 16 * 2 * one_way, "{took:?}");
    }

    #[tokio::test]
    async fn a_new_connection_over_a_long_line_waits_for_a_round_trip() {
        let (target, _server) = echo(1).await;
        let link = Link::open(&target).await.unwrap();
        let one_way = Duration::from_millis(30);
        link.set_delay(one_way);
        let start = now();
        let mut stream = TcpStream::connect(link.address()).await.unwrap();
        round_trip(&mut stream).await;
        assert!(start.elapsed() >= 4 * one_way);
    }

    #[tokio::test]
    async fn a_narrow_line_is_shared_by_its_connections_and_used_fully() {
        let (target, _server) = echo(2).await;
        let link = Link::open(&target).await.unwrap();
        link.set_rate(Some(2 << 20));
        link.set_delay(Duration::from_millis(20));
        let start = now();
        let mut both = JoinSet::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(link.address()).await.unwrap();
            both.spawn(async move {
                let (mut read, mut write) = stream.split();
                let (sent, mut heard) = (vec![7; 512 << 10], vec![0; 512 << 10]);
                let (wrote, got) = tokio::join!(write.write_all(&sent), read.read_exact(&mut heard));
                assert!(wrote.is_ok() && got.is_ok() && sent == heard);
            });
        }
        both.join_all().await;
        let took = start.elapsed();
        // 1 MiB at 2 MiB/s; the way back is another wire and runs beside it.
        assert!(
            took >= Duration::from_millis(500) && took < Duration::from_secs(10),
            "{took:?}"
        );
    }

    #[tokio::test]
    async fn what_was_sent_before_a_close_still_arrives_over_a_long_line() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = Link::open(&listener.local_addr().unwrap().to_string())
            .await
            .unwrap();
        link.set_delay(Duration::from_millis(50));
        let mut near = TcpStream::connect(link.address()).await.unwrap();
        let (mut far, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
        near.write_all(b"last words").await.unwrap();
        drop(near);
        let mut heard = Vec::new();
        timeout(SOON, far.read_to_end(&mut heard)).await.unwrap().unwrap();
        assert_eq!(heard, b"last words");
    }

    #[tokio::test]
    async fn a_reset_breaks_living_connections_at_both_ends_and_no_new_ones() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = Link::open(&listener.local_addr().unwrap().to_string())
            .await
            .unwrap();
        let mut near = TcpStream::connect(link.address()).await.unwrap();
        let (mut far, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
        near.write_all(b"one").await.unwrap();
        let mut heard = [0; 3];
        timeout(SOON, far.read_exact(&mut heard)).await.unwrap().unwrap();
        link.reset_connections();
        for end in [&mut near, &mut far] {
            let error = timeout(SOON, end.read(&mut heard)).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        let mut again = TcpStream::connect(link.address()).await.unwrap();
        let (mut far, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
        again.write_all(b"two").await.unwrap();
        timeout(SOON, far.read_exact(&mut heard)).await.unwrap().unwrap();
        assert_eq!(&heard, b"two");
    }
}
