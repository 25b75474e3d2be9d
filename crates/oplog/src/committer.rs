//! The threads that write and sync for all logs of a node.

use std::sync::Arc;

/// The threads that write and sync for all logs of a node.
#[derive(Debug)]
pub struct GroupCommitter {}

impl GroupCommitter {
    /// Starts the threads.
    pub fn start(_threads: usize) -> Arc<Self> {
        unimplemented!()
    }

    /// How many fdatasyncs of segments were done.
    pub fn syncs(&self) -> u64 {
        unimplemented!()
    }
}
