//! What leaders wrote: a naive record to compare with.

use bytes::Bytes;
use oplog::Frame;

/// Names a history: the operations of one leader index as long as nothing replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TruthId(pub(crate) usize);

/// The operations of one history in their order, from 0.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) frames: Vec<Frame>,
    /// So many of them were durable on the leader: they stay.
    pub(crate) durable: u64,
    /// So many of them were acknowledged to users: they stay too.
    pub(crate) acknowledged: u64,
}

impl History {
    pub(crate) fn frame(&self, seq_no: u64) -> Option<&Frame> {
        self.frames.get(usize::try_from(seq_no).ok()?)
    }
}

/// All histories of a run.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    histories: Vec<History>,
}

impl Truth {
    pub(crate) fn add(&mut self, history: History) -> TruthId {
        self.histories.push(history);
        TruthId(self.histories.len() - 1)
    }

    pub(crate) fn of(&self, id: TruthId) -> &History {
        &self.histories[id.0]
    }

    pub(crate) fn change(&mut self, id: TruthId) -> &mut History {
        &mut self.histories[id.0]
    }
}

/// A source that says which mapping its operation needs, and is `length` bytes longer than that.
pub(crate) fn source(needed_mapping: u64, length: u64, filler: u8) -> Bytes {
    let mut source = needed_mapping.to_le_bytes().to_vec();
    source.resize(8 + usize::try_from(length).unwrap_or(0), filler);
    source.into()
}

/// The mapping that an operation needs; 0 for one without a document.
pub(crate) fn needed_mapping(frame: &Frame) -> u64 {
    let first = frame.source().first_chunk::<8>();
    first.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
