//! One state of the view: how far it reaches, and the searcher over it while somebody reads.
//!
//! A searcher costs memory mappings, of which a process has a limited number, and some KiB, for every segment. A view that nobody reads closes it; whoever reads next
//! opens it again over the last commit. That is this state, or a later one: a state is published as soon as it is committed.

use parking_lot::Mutex;
use tantivy::{Index, ReloadPolicy, Searcher};

/// See the module.
pub(crate) struct Published {
    /// The first operation that the state does not hold.
    pub(crate) next: u64,
    slot: Mutex<Slot>,
}

enum Slot {
    Open(Searcher),
    /// With what is known of the searcher; `None` if it was never open.
    Closed(Option<ViewSummary>),
}

/// What there is to say about a state without reading it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ViewSummary {
    pub(crate) docs: u64,
    pub(crate) deleted_docs: u64,
    pub(crate) segments: usize,
    /// Bytes on disk of the segments.
    pub(crate) bytes: u64,
}

impl ViewSummary {
    pub(super) fn of(searcher: &Searcher) -> Self {
        let readers = searcher.segment_readers();
        let deleted_docs = readers.iter().map(|reader| u64::from(reader.num_deleted_docs()));
        Self {
            docs: searcher.num_docs(),
            deleted_docs: deleted_docs.sum(),
            segments: readers.len(),
            bytes: searcher
                .space_usage()
                .map_or(0, |usage| usage.total().get_bytes()),
        }
    }
}

/// A searcher over the last commit.
pub(super) fn open_searcher(index: &Index) -> tantivy::Result<Searcher> {
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual);
    Ok(reader.try_into()?.searcher())
}

impl Published {
    pub(super) fn open(next: u64, searcher: Searcher) -> Self {
        Self {
            next,
            slot: Mutex::new(Slot::Open(searcher)),
        }
    }

    pub(super) fn closed(next: u64, summary: Option<ViewSummary>) -> Self {
        Self {
            next,
            slot: Mutex::new(Slot::Closed(summary)),
        }
    }

    /// The searcher, and whether it had to be opened. Others who want it wait meanwhile, instead of opening it too.
    pub(super) fn searcher(&self, index: &Index) -> tantivy::Result<(Searcher, bool)> {
        let mut slot = self.slot.lock();
        if let Slot::Open(searcher) = &*slot {
            return Ok((searcher.clone(), false));
        }
        let searcher = open_searcher(index)?;
        *slot = Slot::Open(searcher.clone());
        Ok((searcher, true))
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(&*self.slot.lock(), Slot::Open(_))
    }

    /// Closes the searcher; it lives on for those who read with it.
    pub(super) fn close(&self) {
        let mut slot = self.slot.lock();
        if let Slot::Open(searcher) = &*slot {
            *slot = Slot::Closed(Some(ViewSummary::of(searcher)));
        }
    }

    /// What is known without opening the searcher.
    pub(super) fn summary(&self) -> Option<ViewSummary> {
        match &*self.slot.lock() {
            Slot::Open(searcher) => Some(ViewSummary::of(searcher)),
            Slot::Closed(summary) => *summary,
        }
    }
}
