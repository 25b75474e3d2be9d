//! What can go wrong, one enum per family of calls.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{LeaseId, PrimaryTerm, SeqNo, SeqNoRange};

/// A call on the whole log failed.
///
/// Cheap to clone, because one failed sync answers everyone who waits for it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// The medium failed while the log was not yet, or not any more, in use.
    #[error("failed to {action} [{}]", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the medium said.
        #[source]
        source: Arc<io::Error>,
    },
    /// There is no log in the directory.
    #[error("no operation log in [{}]", dir.display())]
    NotFound {
        /// The directory.
        dir: PathBuf,
    },
    /// There is a log in the directory already.
    #[error("an operation log exists already in [{}]", dir.display())]
    AlreadyExists {
        /// The directory.
        dir: PathBuf,
    },
    /// Bytes that were durable are not what was written.
    #[error("operation log is corrupt: file [{}], offset {offset}, seq_no {}: {reason}", file.display(), optional(*seq_no))]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where the damage begins.
        offset: u64,
        /// The operation that should be there; `None` when the damage is not in an operation.
        seq_no: Option<SeqNo>,
        /// What is wrong.
        reason: String,
    },
    /// A file was written by a newer version.
    #[error("file [{}] has format version {version}, this version reads up to {supported}", file.display())]
    UnsupportedFormat {
        /// The file.
        file: PathBuf,
        /// Its format version.
        version: u16,
        /// The newest one that is understood.
        supported: u16,
    },
    /// An option or a term is not valid.
    #[error("{reason}")]
    Invalid {
        /// The rule that is broken.
        reason: String,
    },
    /// A write or sync failed before; what reached the disk is not known until the log is opened again.
    #[error("operation log is poisoned: {reason}")]
    Poisoned {
        /// The failure that poisoned it.
        reason: Arc<str>,
    },
    /// The log was closed.
    #[error("operation log is closed")]
    Closed,
}

fn optional(seq_no: Option<SeqNo>) -> String {
    seq_no.map_or_else(|| "none".to_owned(), |seq_no| seq_no.to_string())
}

impl LogError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.into(),
            source: Arc::new(source),
        }
    }

    pub(crate) fn corrupt(
        file: impl Into<PathBuf>,
        offset: u64,
        seq_no: Option<SeqNo>,
        reason: impl Into<String>,
    ) -> Self {
        Self::Corrupt {
            file: file.into(),
            offset,
            seq_no,
            reason: reason.into(),
        }
    }

    /// Whether the same call may succeed later without anyone's help: never, a log needs to be reopened or rebuilt.
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

/// Operations were not appended; the log is as it was.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// There were no frames.
    #[error("nothing to append")]
    Empty,
    /// The frames do not continue the log.
    #[error("operation {got} cannot be appended, the log continues with {expected}")]
    NotContiguous {
        /// The seq_no that continues the log.
        expected: SeqNo,
        /// The seq_no of the offending frame.
        got: SeqNo,
    },
    /// A term never goes back.
    #[error("operation {seq_no} of primary term {got} cannot follow an operation of term {last}")]
    TermWentBack {
        /// The offending frame.
        seq_no: SeqNo,
        /// Its term.
        got: PrimaryTerm,
        /// The term of the operation before it.
        last: PrimaryTerm,
    },
    /// Only a live operation can be superseded.
    #[error("operation {seq_no} supersedes operation {superseded}, which is not live")]
    SupersedesDead {
        /// The offending frame.
        seq_no: SeqNo,
        /// What it claims to supersede.
        superseded: SeqNo,
    },
    /// A superseded operation could not be looked up.
    #[error("failed to look up a superseded operation")]
    Read(#[from] ReadError),
    /// The log does not take writes.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Operations could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// Some of the operations asked for are not in the log: removed by compaction, or not appended yet.
    #[error("operations {range} are missing; the log holds {} to {}", optional(*first_held), optional(*last_held))]
    Missing {
        /// The first run of missing operations in the range that was asked for.
        range: SeqNoRange,
        /// The first operation that the log holds.
        first_held: Option<SeqNo>,
        /// The last operation that the log holds.
        last_held: Option<SeqNo>,
    },
    /// Stored bytes are not what was written.
    #[error("operation log is corrupt: file [{}], offset {offset}, seq_no {seq_no}: {reason}", file.display())]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where the operation begins.
        offset: u64,
        /// The operation.
        seq_no: SeqNo,
        /// What is wrong.
        reason: String,
    },
    /// The medium failed.
    #[error("failed to read [{}] at offset {offset}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Where.
        offset: u64,
        /// What the medium said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The log was closed.
    #[error("operation log is closed")]
    Closed,
}

impl From<ReadError> for LogError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Corrupt {
                file,
                offset,
                seq_no,
                reason,
            } => Self::Corrupt {
                file,
                offset,
                seq_no: Some(seq_no),
                reason,
            },
            ReadError::Io { file, source, .. } => Self::Io {
                action: "read",
                path: file,
                source,
            },
            ReadError::Closed => Self::Closed,
            missing @ ReadError::Missing { .. } => Self::Invalid {
                reason: missing.to_string(),
            },
        }
    }
}

/// A retention lease was not changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LeaseError {
    /// A lease of this id exists.
    #[error("retention lease with ID [{id}] already exists")]
    AlreadyExists {
        /// The id.
        id: LeaseId,
    },
    /// There is no lease of this id.
    #[error("retention lease with ID [{id}] not found")]
    NotFound {
        /// The id.
        id: LeaseId,
    },
    /// A lease never goes back, because what it gave up may be gone.
    #[error(
        "the current retention lease with [{id}] is retaining a higher sequence number [{current}] than the new \
         retaining sequence number [{requested}] from [{source_name}]"
    )]
    InvalidRetainingSeqNo {
        /// The id.
        id: LeaseId,
        /// What it retains now.
        current: SeqNo,
        /// What was asked for.
        requested: SeqNo,
        /// Who asked.
        source_name: String,
    },
    /// The change could not be made durable.
    #[error("failed to persist retention leases")]
    Storage(#[source] LogError),
}
