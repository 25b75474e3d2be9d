//! A thread that works in rounds.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use super::signal::Signal;

/// A thread that works at once, then whenever its interval has passed or somebody asks. Dropping it stops and joins the thread.
#[derive(Debug)]
pub(crate) struct Rounds {
    signal: Arc<Signal>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Rounds {
    /// Starts the thread. A round that takes long should watch `signal`.
    pub(crate) fn start(
        name: &str,
        interval: Duration,
        signal: Arc<Signal>,
        mut round: impl FnMut() + Send + 'static,
    ) -> io::Result<Self> {
        let of_thread = Arc::clone(&signal);
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            while !of_thread.is_stopping() {
                round();
                if !of_thread.next_round(interval) {
                    return;
                }
            }
        })?;
        Ok(Self {
            signal,
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(crate) fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    /// Ends the thread and waits for that. Blocks.
    pub(crate) fn stop(&self) {
        self.signal.stop();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("a background thread ended by a panic");
        }
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        self.stop();
    }
}
