//! What can be tuned on both sides of a connection.

use std::time::Duration;

/// Limits and times of servers and clients.
///
/// Worst-case memory of one connection is about `connection_window` received and not yet read, plus what the calls under way are
/// bounded to (a shard changes read by its `max_response_size`, a file chunk by 256 KiB).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportConfig {
    /// Time to reach a node: TCP connection and handshake. Longer tolerates slower links, shorter finds the next seed sooner.
    pub connect_timeout: Duration,
    /// Added to what a caller is ready to wait, for the way there and back; also how long a stream may pause between two pieces. While its connection carries
    /// others' answers, a call waits longer: over a slow line that many share, its own may be a long time on the way.
    pub call_margin: Duration,
    /// The margin of a call whose connection carries other answers all the while. Longer tolerates slower lines with more calls on them (of 64 KiB/s: about 70
    /// large answers), shorter notices sooner that a busy node owes one answer.
    pub longest_call_margin: Duration,
    /// A silent connection is probed this often.
    pub keepalive_interval: Duration,
    /// A probe without answer for this long ends the connection and all calls on it.
    pub keepalive_timeout: Duration,
    /// The same where this side serves. Longer: a probe waits behind the answers that are on the way to the caller, up to `connection_window` of them, and a
    /// slow line is not a dead one. Until then a caller that vanished costs its connection.
    pub serving_keepalive_timeout: Duration,
    /// Received bytes of one call that may be on the way or unread; `window / round-trip time` bounds a call's rate.
    pub stream_window: u32,
    /// The same for all calls of a connection together.
    pub connection_window: u32,
    /// Calls under way on one connection, waiting reads included. A client keeps back further ones.
    pub max_concurrent_streams: u32,
    /// Largest metadata message, in bytes. Payload streams come in pieces of 256 KiB and need no such room.
    pub max_metadata_message_size: usize,
    /// First pause after a failed connection attempt; it doubles up to `backoff_max`, less a random part.
    pub backoff_initial: Duration,
    /// Longest pause between connection attempts: how late a follower may notice that its leader is back.
    pub backoff_max: Duration,
    /// How long a stopping server lets answers that have begun go on.
    pub shutdown_grace: Duration,
    /// Calls under way on every open connection of a proxy remote, before one more connection is opened.
    pub proxy_calls_per_socket: usize,
}

impl TransportConfig {
    /// The defaults.
    pub const DEFAULTS: Self = Self {
        connect_timeout: Duration::from_secs(10),
        call_margin: Duration::from_secs(30),
        longest_call_margin: Duration::from_secs(300),
        keepalive_interval: Duration::from_secs(10),
        keepalive_timeout: Duration::from_secs(10),
        serving_keepalive_timeout: Duration::from_secs(300),
        stream_window: 8 << 20,
        connection_window: 16 << 20,
        max_concurrent_streams: 8192,
        max_metadata_message_size: 64 << 20,
        backoff_initial: Duration::from_millis(50),
        backoff_max: Duration::from_secs(5),
        shutdown_grace: Duration::from_secs(10),
        proxy_calls_per_socket: 64,
    };
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self::DEFAULTS
    }
}
