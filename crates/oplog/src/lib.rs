//! The operation log of a shard copy: checksummed frames in seq_no order, durable checkpoint, live set, digest, retention leases.
#![forbid(unsafe_code)]

mod clock;
mod committer;
mod error;
mod frame;
mod ids;
mod lease;
mod live;
mod log;
mod operation;
mod options;
mod storage;

#[cfg(any(test, feature = "testing"))]
pub use clock::ManualClock;
pub use clock::{Clock, SystemClock};
pub use committer::GroupCommitter;
pub use error::{AppendError, LeaseError, LogError, ReadError};
pub use frame::{FRAME_HEADER_LENGTH, Frame, FrameError, MAX_FRAME_LENGTH};
pub use ids::{
    ByteCount, DocumentVersion, HistoryUuid, IdError, IndexUuid, LeaseId, PrimaryTerm, SeqNo, SeqNoRange, ShardId,
    ShardNumber, UnixMillis,
};
pub use lease::{RetentionLease, RetentionLeases};
pub use live::{Digest, LiveSet, LiveSetError, LiveSummary};
pub use log::{AppendTicket, Log, PinnedFile, PinnedFiles, SyncTicket, TermStart};
pub use operation::{EncodeError, MAX_ID_LENGTH, MAX_ROUTING_LENGTH, MAX_SOURCE_LENGTH, Operation, OperationKind};
pub use options::{Durability, LogOptions, NewLog, ReadLimits};
pub use storage::{FsStorage, Storage, StorageFile};
