//! A connection that can be ended from outside, and tells when it is gone.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tonic::transport::server::Connected;

use crate::ByteStream;

/// The HTTP/2 stack owns its connections and has no handle to end one, nor says when one ended. The socket knows both.
pub(crate) struct GuardedIo<S> {
    io: S,
    killed: Pin<Box<WaitForCancellationFutureOwned>>,
    received: Option<Arc<AtomicU64>>,
    _closed: DropGuard,
    _tracked: TaskTrackerToken,
}

impl<S: ByteStream> GuardedIo<S> {
    /// Reads and writes fail once `kill` is cancelled; `closed` is cancelled when the socket is dropped; `tracked` lives as long.
    pub(crate) fn new(
        io: S,
        kill: CancellationToken,
        closed: CancellationToken,
        tracked: TaskTrackerToken,
    ) -> Self {
        let killed = Box::pin(kill.cancelled_owned());
        Self {
            io,
            killed,
            received: None,
            _closed: closed.drop_guard(),
            _tracked: tracked,
        }
    }

    /// Adds the bytes that arrive to `received`.
    pub(crate) fn counting(self, received: Arc<AtomicU64>) -> Self {
        Self {
            received: Some(received),
            ..self
        }
    }

    /// Also registers for the end: a connection may wait in a read or in a write.
    fn check_killed(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.killed.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the connection was ended here",
            )),
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: ByteStream> AsyncRead for GuardedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_killed(context)?;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if let Some(received) = &self.received {
            received.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        }
        read
    }
}

impl<S: ByteStream> AsyncWrite for GuardedIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_killed(context)?;
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_killed(context)?;
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(context))?;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

impl<S: ByteStream> Connected for GuardedIo<S> {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}
