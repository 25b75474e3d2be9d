//! The operation log of a shard copy: checksummed frames in seq_no order, durable checkpoint, live set, digest, retention leases.
#![forbid(unsafe_code)]

mod atomic_file;
mod checkpoint;
mod clock;
mod committer;
mod error;
mod frame;
mod ids;
mod index;
mod lease;
mod lease_file;
mod live;
mod live_file;
mod log;
#[cfg(any(test, feature = "testing"))]
mod mem_storage;
mod operation;
mod options;
mod pinned;
mod read;
mod recovery;
mod scan;
mod segment;
mod shared;
mod storage;
mod ticket;
mod writer;

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
pub use log::{Log, TermStart};
#[cfg(any(test, feature = "testing"))]
pub use mem_storage::{Fault, MemStorage};
pub use operation::{EncodeError, MAX_ID_LENGTH, MAX_ROUTING_LENGTH, MAX_SOURCE_LENGTH, Operation, OperationKind};
pub use options::{Durability, LogOptions, NewLog, ReadLimits};
pub use pinned::{PinnedFile, PinnedFiles};
pub use storage::{FsStorage, Storage, StorageFile};
pub use ticket::{AppendTicket, SyncTicket};
