//! How a background thread is woken and stopped.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Wakes one background thread. Stopping is for good, and ends every wait at once.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopping: bool,
    /// Another round is wanted without waiting for its time.
    requested: bool,
}

impl Signal {
    pub(crate) fn stop(&self) {
        self.state.lock().stopping = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.state.lock().stopping
    }

    /// Asks for a round now, or another one after that which is under way.
    pub(crate) fn request(&self) {
        self.state.lock().requested = true;
        self.changed.notify_all();
    }

    /// Waits for a request, at most for `interval`. False: stop.
    pub(super) fn next_round(&self, interval: Duration) -> bool {
        let mut state = self.state.lock();
        self.changed
            .wait_while_for(&mut state, |state| !state.stopping && !state.requested, interval);
        state.requested = false;
        !state.stopping
    }

    /// Waits for `pause`, whatever is requested. False: stop.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let mut state = self.state.lock();
        self.changed
            .wait_while_for(&mut state, |state| !state.stopping, pause);
        !state.stopping
    }
}
