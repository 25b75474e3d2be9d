//! Frames for unit tests.

use oplog::{DocumentVersion, Frame, Operation, OperationKind, PrimaryTerm, SeqNo, UnixMillis};

/// Small documents with these seq_nos; the timestamp of operation n is n.
pub(crate) fn frames(range: std::ops::Range<u64>) -> Vec<Frame> {
    range
        .map(|seq_no| {
            let operation = Operation {
                seq_no: SeqNo::new(seq_no),
                superseded: None,
                primary_term: PrimaryTerm::FIRST,
                version: DocumentVersion::new(1),
                timestamp: UnixMillis::new(seq_no),
                kind: OperationKind::Index,
                id: format!("{seq_no:05}"),
                routing: None,
                source: b"{}".as_slice().into(),
            };
            operation
                .to_frame()
                .expect("a small document is within the limits")
        })
        .collect()
}
