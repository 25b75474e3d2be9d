//! How much memory a poll asks for.

use crate::LOWEST_READ_SIZE;

/// What a poll asks for at most. Larger ones would end less often, and an end costs the way of a question; the time until then is seconds.
const LARGEST: u64 = 16 << 20;

/// The memory to ask for before a poll, in bytes. Thousands of idle shards poll at once, and most polls bring nothing: they ask for little.
#[derive(Debug, Clone, Copy)]
pub(super) struct PollSize(u64);

impl Default for PollSize {
    fn default() -> Self {
        Self(LOWEST_READ_SIZE.get())
    }
}

impl PollSize {
    pub(super) fn get(self) -> u64 {
        self.0
    }

    /// Half as much: the poll ended for want of operations.
    pub(super) fn brought_nothing(&mut self) {
        self.0 = (self.0 / 2).max(LOWEST_READ_SIZE.get());
    }

    /// Twice as much: the poll stayed open until its memory was used up, or could not for want of it.
    pub(super) fn was_used_up(&mut self) {
        self.0 = self.0.saturating_mul(2).min(LARGEST);
    }
}
