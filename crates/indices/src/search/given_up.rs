//! Tells the shards when nobody waits for a search any more.

use shard::SearchCancellation;

/// Has the shards end a search when it is dropped: its task was cancelled, its client is gone, or all have answered.
#[derive(Debug, Default)]
pub(super) struct GivenUp(SearchCancellation);

impl GivenUp {
    pub(super) fn cancelled(&self) -> SearchCancellation {
        self.0.clone()
    }
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
