//! Positions between operations. A cursor is the next operation that matters: "everything before it is done".

use oplog::SeqNo;

/// The operation after `last`; the first one if there was none.
pub(crate) fn after(last: Option<SeqNo>) -> SeqNo {
    last.map_or(SeqNo::ZERO, |last| last.checked_next().unwrap_or(SeqNo::MAX))
}

/// The operation before the cursor `next`, if there is one.
pub(crate) fn before(next: SeqNo) -> Option<SeqNo> {
    next.checked_prev()
}

/// The cursor `count` operations further.
pub(crate) fn plus(from: SeqNo, count: u64) -> SeqNo {
    SeqNo::new(from.get().saturating_add(count)).min(SeqNo::MAX)
}

/// How many operations lie from `from` up to, not including, `end`.
pub(crate) fn distance(from: SeqNo, end: SeqNo) -> u64 {
    end.get().saturating_sub(from.get())
}
