//! The simulated network behind the seam of `transport`, and a place to cut a connection at a certain byte.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport::{ByteStream, Connector, Listener};

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Both sides are told.
    Reset,
    /// Nothing arrives any more, and nobody is told: half open.
    Silent,
}

/// All connections that one host makes.
#[derive(Debug, Default)]
pub struct Line {
    received: AtomicU64,
    connections: AtomicU64,
    cuts: AtomicU64,
    next_cut: Mutex<Option<(Cut, u64)>>,
}

impl Line {
    /// Bytes that arrived on all connections so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::SeqCst)
    }

    /// How many connections were made.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::SeqCst)
    }

    /// Cuts the connection on which the byte arrives that comes after so many others.
    pub fn cut_after(&self, bytes: u64, how: Cut) {
        *self.next_cut.lock() = Some((how, bytes));
    }

    /// Cuts nothing any more.
    pub fn leave_whole(&self) {
        *self.next_cut.lock() = None;
    }

    /// Counts what arrived; says how the connection is to be cut, if it is its turn.
    fn arrived(&self, bytes: u64) -> Option<Cut> {
        let next = &mut *self.next_cut.lock();
        if let Some((how, left)) = next {
            if bytes > *left {
                let how = *how;
                *next = None;
                self.cuts.fetch_add(1, Ordering::SeqCst);
                return Some(how);
            }
            *left -= bytes;
        }
        self.received.fetch_add(bytes, Ordering::SeqCst);
        None
    }
}

/// Connects over the simulated network. Must be used on a host.
#[derive(Debug)]
pub(crate) struct SimConnector {
    pub(crate) line: Arc<Line>,
}

#[async_trait]
impl Connector for SimConnector {
    async fn connect(&self, address: &str) -> io::Result<Box<dyn ByteStream>> {
        let io = turmoil::net::TcpStream::connect(address).await?;
        self.line.connections.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(LineStream {
            io,
            line: Arc::clone(&self.line),
            cut: None,
        }))
    }
}

/// Listens in the simulated network.
pub(crate) struct SimListener(turmoil::net::TcpListener);

impl SimListener {
    pub(crate) async fn bind(port: u16) -> io::Result<Self> {
        turmoil::net::TcpListener::bind(("0.0.0.0", port)).await.map(Self)
    }
}

impl Listener for SimListener {
    type Stream = turmoil::net::TcpStream;

    async fn accept(&mut self) -> io::Result<Self::Stream> {
        self.0.accept().await.map(|(io, _)| io)
    }
}

struct LineStream {
    io: turmoil::net::TcpStream,
    line: Arc<Line>,
    cut: Option<Cut>,
}

impl LineStream {
    fn after_cut(how: Cut) -> Poll<io::Result<()>> {
        match how {
            Cut::Reset => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            // Nothing will arrive, so there is nothing to be woken for.
            Cut::Silent => Poll::Pending,
        }
    }
}

impl AsyncRead for LineStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(how) = self.cut {
            return Self::after_cut(how);
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(context, buffer);
        let arrived = u64::try_from(buffer.filled().len() - before).unwrap_or(u64::MAX);
        self.cut = self.line.arrived(arrived);
        match self.cut {
            Some(how) => {
                buffer.set_filled(before);
                Self::after_cut(how)
            }
            None => polled,
        }
    }
}

impl AsyncWrite for LineStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
