//! The tail: the operations that are in no published view yet, by document id.
//!
//! Advanced by whoever appends to the log; cut by the view when it published a searcher that holds the operations. Losing it costs nothing:
//! it is rebuilt from the log on open.
//!
//! Deletions stay for [`TOMBSTONE_MILLIS`] after they left the tail, so that a document created anew continues its version.
//! Source: `index.gc_deletes`, 60 s by default.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use oplog::{DocumentVersion, Frame, OperationKind, PrimaryTerm, SeqNo};
use parking_lot::{Condvar, Mutex};

/// How long a deletion's version is remembered.
const TOMBSTONE_MILLIS: u64 = 60_000;
/// Deletions remembered at most; the oldest go first.
const MAX_TOMBSTONES: usize = 50_000;
/// Memory of one operation apart from its id: map entry, queue entry, shared string header.
const OPERATION_OVERHEAD: usize = 128;

/// The last operation on a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TailEntry {
    pub(crate) seq_no: SeqNo,
    pub(crate) version: DocumentVersion,
    pub(crate) primary_term: PrimaryTerm,
    pub(crate) deleted: bool,
}

/// One operation on its way into the tail.
#[derive(Debug)]
pub(crate) struct TailOperation {
    id: Option<Box<str>>,
    entry: TailEntry,
}

impl TailOperation {
    /// What the tail must know of `frame`.
    pub(crate) fn of(frame: &Frame) -> Self {
        let id = match frame.kind() {
            OperationKind::NoOp => None,
            OperationKind::Index | OperationKind::Delete => Some(frame.id().into()),
        };
        let entry = TailEntry {
            seq_no: frame.seq_no(),
            version: frame.version(),
            primary_term: frame.primary_term(),
            deleted: frame.kind() == OperationKind::Delete,
        };
        Self { id, entry }
    }
}

#[derive(Debug, Default)]
struct Inner {
    by_id: HashMap<Arc<str>, TailEntry>,
    /// Operations in seq_no order that the view has not published.
    order: VecDeque<(SeqNo, Arc<str>)>,
    /// Deletions that left the tail, with the time they did.
    tombstones: VecDeque<(u64, SeqNo, Arc<str>)>,
    bytes: usize,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Tail {
    inner: Mutex<Inner>,
    room: Condvar,
    limit: usize,
}

impl Tail {
    /// An empty tail that asks for patience above `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            inner: Mutex::default(),
            room: Condvar::new(),
            limit,
        }
    }

    /// Adds operations, in seq_no order.
    pub(crate) fn insert(&self, operations: Vec<TailOperation>) {
        let mut inner = self.inner.lock();
        for TailOperation { id, entry } in operations {
            let id: Arc<str> = id.map_or_else(|| Arc::from(""), Arc::from);
            inner.bytes += cost(&id);
            inner.order.push_back((entry.seq_no, Arc::clone(&id)));
            if !id.is_empty() {
                inner.by_id.insert(id, entry);
            }
        }
    }

    /// The last operation on the document, if the tail or the remembered deletions know one.
    pub(crate) fn get(&self, id: &str) -> Option<TailEntry> {
        self.inner.lock().by_id.get(id).copied()
    }

    /// Drops operations up to `published`, which every searcher from now on holds.
    pub(crate) fn evict(&self, published: SeqNo, now_millis: u64) {
        let mut inner = self.inner.lock();
        while inner
            .order
            .front()
            .is_some_and(|(seq_no, _)| *seq_no <= published)
        {
            let Some((seq_no, id)) = inner.order.pop_front() else {
                break;
            };
            inner.bytes = inner.bytes.saturating_sub(cost(&id));
            match inner.by_id.get(&id) {
                Some(entry) if entry.seq_no == seq_no && entry.deleted => {
                    inner.tombstones.push_back((now_millis, seq_no, id));
                }
                Some(entry) if entry.seq_no == seq_no => {
                    inner.by_id.remove(&id);
                }
                _ => {}
            }
        }
        inner.forget_tombstones(now_millis);
        drop(inner);
        self.room.notify_all();
    }

    /// Waits until the tail is below its limit, at most for `patience`. Returns whether it is.
    pub(crate) fn wait_for_room(&self, patience: Duration) -> bool {
        let mut inner = self.inner.lock();
        if inner.bytes < self.limit {
            return true;
        }
        self.room.wait_for(&mut inner, patience);
        inner.bytes < self.limit
    }

    /// Wakes everyone who waits for room, for instance to look whether the shard was closed.
    pub(crate) fn wake(&self) {
        self.room.notify_all();
    }

    /// Frees what the operations that left took.
    pub(crate) fn shrink(&self) {
        let mut inner = self.inner.lock();
        inner.by_id.shrink_to_fit();
        inner.order.shrink_to_fit();
        inner.tombstones.shrink_to_fit();
    }

    /// Entries for which memory is held.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        let inner = self.inner.lock();
        inner.by_id.capacity() + inner.order.capacity() + inner.tombstones.capacity()
    }

    /// Whether so much waits that indexing should not be put off any longer.
    pub(crate) fn is_half_full(&self) -> bool {
        self.bytes() >= self.limit / 2
    }

    /// Memory taken, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.inner.lock().bytes
    }

    /// Operations held.
    pub(crate) fn len(&self) -> usize {
        self.inner.lock().order.len()
    }
}

impl Inner {
    fn forget_tombstones(&mut self, now_millis: u64) {
        while let Some((since, _, _)) = self.tombstones.front() {
            let expired = now_millis.saturating_sub(*since) >= TOMBSTONE_MILLIS;
            if !expired && self.tombstones.len() <= MAX_TOMBSTONES {
                break;
            }
            let Some((_, seq_no, id)) = self.tombstones.pop_front() else {
                break;
            };
            if self.by_id.get(&id).is_some_and(|entry| entry.seq_no == seq_no) {
                self.by_id.remove(&id);
            }
        }
    }
}

fn cost(id: &str) -> usize {
    id.len() + OPERATION_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(id: &str, seq_no: u64, deleted: bool) -> TailOperation {
        let entry = TailEntry {
            seq_no: SeqNo::new(seq_no),
            version: DocumentVersion::new(seq_no + 1),
            primary_term: PrimaryTerm::FIRST,
            deleted,
        };
        TailOperation {
            id: Some(id.into()),
            entry,
        }
    }

    #[test]
    fn eviction_keeps_newer_operations_on_the_same_document() {
        let tail = Tail::new(1 << 20);
        tail.insert(vec![
            operation("a", 0, false),
            operation("a", 1, false),
            operation("b", 2, false),
        ]);
        tail.evict(SeqNo::new(0), 0);
        assert_eq!(tail.get("a").unwrap().seq_no, SeqNo::new(1));
        tail.evict(SeqNo::new(2), 0);
        assert_eq!(
            (tail.get("a"), tail.get("b"), tail.bytes(), tail.len()),
            (None, None, 0, 0)
        );
    }

    #[test]
    fn a_deletion_is_remembered_for_a_minute() {
        let tail = Tail::new(1 << 20);
        tail.insert(vec![operation("a", 0, true)]);
        tail.evict(SeqNo::new(0), 1_000);
        assert!(tail.get("a").unwrap().deleted);
        tail.evict(SeqNo::new(0), 1_000 + TOMBSTONE_MILLIS - 1);
        assert!(tail.get("a").is_some());
        tail.evict(SeqNo::new(0), 1_000 + TOMBSTONE_MILLIS);
        assert!(tail.get("a").is_none());
    }

    #[test]
    fn a_document_created_anew_outlives_its_tombstone() {
        let tail = Tail::new(1 << 20);
        tail.insert(vec![operation("a", 0, true)]);
        tail.evict(SeqNo::new(0), 0);
        tail.insert(vec![operation("a", 1, false)]);
        tail.evict(SeqNo::new(0), TOMBSTONE_MILLIS);
        assert!(!tail.get("a").unwrap().deleted);
    }

    #[test]
    fn a_full_tail_has_room_again_after_eviction() {
        let tail = Tail::new(OPERATION_OVERHEAD);
        tail.insert(vec![operation("a", 0, false)]);
        assert!(!tail.wait_for_room(Duration::from_millis(1)));
        tail.evict(SeqNo::new(0), 0);
        assert!(tail.wait_for_room(Duration::from_millis(1)));
    }
}
