//! Writes that are under way, to be waited for: a block that is put on an index is there when no write goes on that began without it.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

/// One write that is under way, until its last clone is dropped.
pub(crate) type WriteUnderWay = Arc<watch::Sender<()>>;

/// All of a node.
#[derive(Debug)]
pub(crate) struct WritesUnderWay(Mutex<State>);

#[derive(Debug)]
struct State {
    /// What writes hold that begin now.
    current: WriteUnderWay,
    /// What earlier writes held; each closes with the last of them.
    earlier: Vec<watch::Receiver<()>>,
}

impl WritesUnderWay {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            current: Arc::new(watch::channel(()).0),
            earlier: Vec::new(),
        }))
    }

    /// Counts a write. It must be held from before the write looks at the cluster state until its last operation has a place in a log.
    pub(crate) fn enter(&self) -> WriteUnderWay {
        Arc::clone(&self.0.lock().current)
    }

    /// Waits until every write that began before has ended. Cancel safe.
    pub(crate) async fn settled(&self) {
        let earlier = {
            let mut state = self.0.lock();
            let before = std::mem::replace(&mut state.current, Arc::new(watch::channel(()).0));
            state.earlier.push(before.subscribe());
            drop(before);
            state.earlier.retain(|writes| writes.has_changed().is_ok());
            state.earlier.clone()
        };
        for mut writes in earlier {
            // Nothing is ever sent, so this ends when the last sender is gone.
            while writes.changed().await.is_ok() {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn every_write_that_began_before_is_waited_for_and_no_other() {
        let writes = WritesUnderWay::new();
        writes.settled().await;
        let first = writes.enter();
        let clone = Arc::clone(&first);
        assert!(tokio::time::timeout(SOON, writes.settled()).await.is_err());
        let second = writes.enter();
        drop(first);
        // One that gave up waiting takes nothing from the next.
        assert!(tokio::time::timeout(SOON, writes.settled()).await.is_err());
        drop(clone);
        assert!(tokio::time::timeout(SOON, writes.settled()).await.is_err());
        let later = writes.enter();
        drop(second);
        let third = writes.enter();
        drop(later);
        drop(third);
        writes.settled().await;
        let _held = writes.enter();
        assert!(writes.0.lock().earlier.len() <= 1);
    }
}
