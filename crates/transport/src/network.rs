//! Where connections come from: TCP of the operating system, unless a test brings a network of its own.

use std::fmt::Debug;
use std::io;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// An open connection: bytes in order, both ways.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for T {}

/// Makes the connections to other clusters; see [`RemoteClusters::with_connector`](crate::RemoteClusters::with_connector).
#[async_trait]
pub trait Connector: Debug + Send + Sync + 'static {
    /// Connects to `address`, `host:port`. Cancel safe; the caller bounds the time.
    async fn connect(&self, address: &str) -> io::Result<Box<dyn ByteStream>>;
}

/// Takes the connections of other clusters; see [`TransportServer::with_listener`](crate::TransportServer::with_listener).
pub trait Listener: Send + 'static {
    /// What a connection is.
    type Stream: ByteStream;

    /// The next connection. Must be cancel safe. After an error it is called again, a little later.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// TCP. Nagle's algorithm is off: without that a small message waits some 40 ms for the acknowledgement of the one before.
#[derive(Debug)]
pub(crate) struct TcpConnector;

#[async_trait]
impl Connector for TcpConnector {
    async fn connect(&self, address: &str) -> io::Result<Box<dyn ByteStream>> {
        let io = TcpStream::connect(address).await?;
        io.set_nodelay(true)?;
        Ok(Box::new(io))
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<TcpStream> {
        let (io, _) = TcpListener::accept(self).await?;
        // Fails on a connection that is gone already, which its first use tells better.
        if let Err(error) = io.set_nodelay(true) {
            tracing::debug!(%error, "an accepted connection takes no options");
        }
        Ok(io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nagles_algorithm_is_off_on_accepted_connections() {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, connected) =
            tokio::join!(Listener::accept(&mut listener), TcpStream::connect(address));
        connected.unwrap();
        assert!(accepted.unwrap().nodelay().unwrap());
    }
}
