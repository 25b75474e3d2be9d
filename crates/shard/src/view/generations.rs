//! Which states of the view somebody still reads.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::published::Published;

/// Every published state that is still in use: by the view itself, by a search, or by the fetch of its hits.
#[derive(Default)]
pub(super) struct Generations {
    used: Mutex<Vec<Weak<Published>>>,
    /// Those of them that searches over several requests hold, which may take long.
    held: Mutex<Vec<Weak<Published>>>,
}

impl Generations {
    /// Adds a state, to be watched for as long as anyone holds it.
    pub(super) fn publish(&self, published: &Arc<Published>) {
        let mut used = self.used.lock();
        used.retain(|generation| generation.strong_count() > 0);
        used.push(Arc::downgrade(published));
    }

    /// Notes that somebody holds the state for longer than one request.
    pub(super) fn hold(&self, published: &Arc<Published>) {
        let mut held = self.held.lock();
        held.retain(|generation| generation.strong_count() > 0);
        held.push(Arc::downgrade(published));
    }

    /// Whether a state that is held for long does not have the operation `seq_no`: to wait for its end would be in vain.
    pub(super) fn is_held_before(&self, seq_no: u64) -> bool {
        let held = self.held.lock();
        let states = held.iter().filter_map(Weak::upgrade);
        states.into_iter().any(|published| published.next <= seq_no)
    }

    /// The first operation that the oldest state in use does not hold.
    pub(super) fn oldest_next(&self) -> Option<u64> {
        let used = self.used.lock();
        used.iter()
            .filter_map(Weak::upgrade)
            .map(|published| published.next)
            .min()
    }
}
