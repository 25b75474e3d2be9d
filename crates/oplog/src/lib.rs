//! The operation log of a shard copy: every operation in seq_no order, and what is derived from it.
//!
//! An operation is encoded once, as a checksummed [`Frame`]; the same bytes lie in the log of the leader's primary, travel over the wire, and lie
//! in the logs of followers. A [`Log`] appends frames, makes them durable by group commit, reads them back, and keeps
//! what follows from them: the live set and its digest, the term table, the durable checkpoint, the retention leases.
//! The shared ids ([`SeqNo`], [`PrimaryTerm`], [`ShardId`], ...) live here too, because this is the lowest layer.
//!
//! It deliberately knows no network, no async runtime, no search and no mappings, and it does not decide who may write, what a document's version
//! is, or which checkpoint may be exposed to whom: that is the business of the crates above.
//!
//! Sealed segments are compressed, and rewritten without dead operations that nobody needs any more, by [`Log::compact`]. A log that lacks operations which its
//! leader has removed so is brought up to it by a [`HealStage`].
//!
//! Reading order: [`Operation`] and [`Frame`]; [`Log`], with [`AppendTicket`] and [`GroupCommitter`]; [`LiveSet`], [`Digest`] and [`RetentionLease`];
//! then, for what is on disk and after a crash, the modules `recovery`, `writer` and `compaction`, and `docs/formats/oplog.md`, which lists
//! every file byte by byte. [`Storage`] is where tests put their faults.
//!
//! Invariants (`docs/architecture.md`):
//! - OL-1: a log is ordered and complete: operation n + 1 follows n, and an append that would leave a hole is refused; what is missing later, or never came by a
//!   heal, is dead and below the minimum retained seq_no.
//! - OL-2: what a ticket acknowledged survives any crash.
//! - OL-3: reopening yields a prefix that holds everything acknowledged; damage below the durable checkpoint is an error.
//! - OL-4: no operation at or above a live lease's retaining seq_no is removed; that and the minimum retained seq_no never go down.
//! - OL-5: the live set and its digest equal those recomputed from the frames.
//! - OL-6: an operation leaves the log only after the one that it supersedes, or together with it.
//!
//! ```
//! use std::sync::Arc;
//! use oplog::{
//!     DocumentVersion, Durability, FsStorage, GroupCommitter, HistoryUuid, Log, LogOptions, NewLog, Operation,
//!     OperationKind, PrimaryTerm, ReadLimits, SeqNo, SystemClock, UnixMillis,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let directory = tempfile::tempdir()?;
//! let committer = GroupCommitter::start(2);
//! let new = NewLog { history_uuid: HistoryUuid::generate(), primary_term: PrimaryTerm::FIRST };
//! let log = Log::create(
//!     Arc::new(FsStorage),
//!     directory.path().join("oplog"),
//!     new,
//!     LogOptions::default(),
//!     committer,
//!     Arc::new(SystemClock),
//! )?;
//!
//! let operation = Operation {
//!     seq_no: SeqNo::ZERO,
//!     superseded: None,
//!     primary_term: log.primary_term(),
//!     version: DocumentVersion::new(1),
//!     timestamp: UnixMillis::new(1_700_000_000_000),
//!     kind: OperationKind::Index,
//!     id: "order-1".to_owned(),
//!     routing: None,
//!     source: r#"{"total":12}"#.into(),
//! };
//! log.append(vec![operation.to_frame()?], Durability::Request)?.wait()?;
//! assert_eq!(log.durable_checkpoint(), Some(SeqNo::ZERO));
//!
//! let frames = log.read(SeqNo::ZERO, SeqNo::ZERO, ReadLimits::NONE)?;
//! assert_eq!(frames[0].id(), "order-1");
//! assert!(log.is_live(SeqNo::ZERO));
//! log.close()?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod adopt;
mod atomic_file;
mod block;
mod check;
mod checkpoint;
mod clock;
mod committer;
mod compaction;
mod entries;
mod envelope;
mod error;
mod files;
mod frame;
#[cfg(feature = "testing")]
pub mod fuzzing;
mod heal;
mod healed;
mod ids;
mod lease;
mod lease_file;
mod live;
mod live_file;
mod log;
#[cfg(any(test, feature = "testing"))]
mod mem_storage;
mod open_entries;
mod operation;
mod options;
mod pinned;
mod read;
mod recovery;
mod retention;
mod scan;
mod scrub;
mod sealed;
mod segment;
mod shared;
mod storage;
mod ticket;
mod writer;

pub use check::{CheckReport, CheckedCheckpoint, FileCheck, Problem, check};
#[cfg(any(test, feature = "testing"))]
pub use clock::ManualClock;
pub use clock::{Clock, SystemClock};
pub use committer::GroupCommitter;
pub use compaction::{CompactionContext, CompactionError, CompactionGoal, CompactionReport};
pub use error::{AppendError, LeaseError, LogError, ReadError};
pub use frame::{FRAME_HEADER_LENGTH, Frame, FrameError, MAX_FRAME_LENGTH, cut_to_size};
pub use heal::{HealError, HealStage, LiveSnapshot};
pub use healed::Healed;
pub use ids::{
    ByteCount, DocumentVersion, HistoryUuid, IdError, IndexUuid, LeaseId, PrimaryTerm, SeqNo, SeqNoRange,
    ShardId, ShardNumber, UnixMillis,
};
pub use lease::{RetentionLease, RetentionLeases};
pub use live::{Digest, LiveSet, LiveSetError, LiveSummary};
pub use log::{Log, TermStart};
#[cfg(any(test, feature = "testing"))]
pub use mem_storage::{Fault, MemStorage};
pub use operation::{
    EncodeError, MAX_ID_LENGTH, MAX_ROUTING_LENGTH, MAX_SOURCE_LENGTH, Operation, OperationKind,
};
pub use options::{Durability, LogOptions, NewLog, ReadLimits};
pub use pinned::{PinnedFile, PinnedFiles};
pub use retention::RetentionBound;
pub use scrub::{ScrubProgress, Scrubber};
pub use storage::{FsStorage, Storage, StorageFile};
pub use ticket::{AppendTicket, SyncTicket};

#[cfg(test)]
mod tests;
