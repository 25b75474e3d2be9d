//! The bytes that lie in the queue of an index writer, bounded.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Longest wait for room. It can only be reached when the writer's thread is gone, which adding the document then reports.
const PATIENCE: Duration = Duration::from_secs(10);

/// A counter of bytes with a limit.
#[derive(Debug)]
pub(crate) struct Inflight {
    bytes: Mutex<usize>,
    room: Condvar,
    limit: usize,
}

/// Some bytes in flight, until dropped.
#[derive(Debug)]
pub(crate) struct InflightGuard {
    owner: Arc<Inflight>,
    bytes: usize,
}

impl Inflight {
    /// Nothing in flight, at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes: Mutex::new(0),
            room: Condvar::new(),
            limit,
        })
    }

    /// Takes part of the limit. One document always passes, however large.
    pub(crate) fn acquire(owner: &Arc<Self>, bytes: usize) -> InflightGuard {
        let mut held = owner.bytes.lock();
        while *held > 0 && *held + bytes > owner.limit {
            if owner.room.wait_for(&mut held, PATIENCE).timed_out() {
                break;
            }
        }
        *held += bytes;
        drop(held);
        InflightGuard {
            owner: Arc::clone(owner),
            bytes,
        }
    }
}

impl InflightGuard {
    /// Takes what is missing up to `bytes`, without a wait: what is there already takes the memory anyway, and the next one waits for it.
    pub(crate) fn grow_to(&mut self, bytes: usize) {
        let more = bytes.saturating_sub(self.bytes);
        *self.owner.bytes.lock() += more;
        self.bytes += more;
    }
}

impl Drop for InflightGuard {
    fn drop(&mut self) {
        let mut held = self.owner.bytes.lock();
        *held = held.saturating_sub(self.bytes);
        drop(held);
        self.owner.room.notify_one();
    }
}
