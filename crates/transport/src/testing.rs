//! Makers of test data.

use bytes::Bytes;
use oplog::{DocumentVersion, Frame, Operation, OperationKind, PrimaryTerm, SeqNo, UnixMillis};

/// An index operation with a source of `source_bytes` bytes.
pub(crate) fn frame(seq_no: u64, source_bytes: usize) -> Frame {
    let operation = Operation {
        seq_no: SeqNo::new(seq_no),
        superseded: None,
        primary_term: PrimaryTerm::FIRST,
        version: DocumentVersion::new(1),
        timestamp: UnixMillis::new(1_700_000_000_000),
        kind: OperationKind::Index,
        id: format!("id-{seq_no}"),
        routing: None,
        source: Bytes::from(vec![b'x'; source_bytes]),
    };
    operation.to_frame().unwrap()
}
