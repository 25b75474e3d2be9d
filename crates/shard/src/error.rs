//! What can go wrong in a shard copy, and how it is told to clients.

use es_exception::{Exception, ExceptionKind};
use index_meta::{DocumentError, MappingUpdate};
use oplog::{
    AppendError, CompactionError, DocumentVersion, EncodeError, HealError, LogError, PrimaryTerm, ReadError,
    SeqNo,
};

use crate::{ShardFailure, ShardFailureKind};

/// A failure of a shard copy as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The shard was closed, before or during the call.
    #[error("shard is closed")]
    Closed,
    /// The shard failed, during the call or before, and serves nothing any more.
    #[error("shard failed: {0}")]
    Failed(ShardFailure),
    /// Frames were appended to a primary, which gives out its own sequence numbers.
    #[error("a primary shard does not accept foreign operations")]
    NotAFollower,
    /// Frames do not continue the log.
    #[error("operations must continue at seq_no [{expected}], got [{got}]")]
    Gap {
        /// The next sequence number this copy needs.
        expected: SeqNo,
        /// The one that was offered.
        got: SeqNo,
    },
    /// The tail stayed full: the search view did not keep up for a long time.
    #[error("search view does not keep up: {operations} operations wait to be indexed")]
    TailFull {
        /// Operations in the tail.
        operations: usize,
    },
    /// The log failed.
    #[error("operation log failed")]
    Log(#[from] LogError),
    /// Appending to the log failed.
    #[error("append to the operation log failed")]
    Append(#[from] AppendError),
    /// Reading the log failed.
    #[error("read of the operation log failed")]
    Read(#[from] ReadError),
    /// Compacting the log failed; the log is as it was.
    #[error("compaction of the operation log failed")]
    Compaction(#[from] CompactionError),
    /// A delta heal cannot go on.
    #[error("delta heal failed")]
    Heal(#[source] HealError),
    /// An operation is above the format's limits.
    #[error("operation cannot be encoded")]
    Encode(#[from] EncodeError),
    /// The search view failed; it is tried again from its last commit.
    #[error("search view failed: {reason}")]
    View {
        /// What happened.
        reason: String,
    },
    /// A file operation outside the log failed.
    #[error("file operation failed")]
    Io(#[from] std::io::Error),
}

impl ShardError {
    /// Whether a shard follow task may try the same again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        Exception::from(self).is_retryable()
    }

    /// What this says about the copy as a whole, if it is more than one call's failure.
    #[must_use]
    pub fn failure(&self) -> Option<ShardFailure> {
        let kind = match self {
            Self::Failed(failure) => return Some(failure.clone()),
            Self::Log(error) | Self::Append(AppendError::Log(error)) => of_log(error)?,
            // What cannot be staged leaves the log as it was; an installation that fails poisons it, which the next call meets.
            Self::Heal(HealError::Log(LogError::Io { .. })) => return None,
            Self::Heal(HealError::Log(error)) => of_log(error)?,
            Self::Read(error)
            | Self::Append(AppendError::Read(error))
            | Self::Heal(HealError::Read(error))
            | Self::Compaction(CompactionError::Read(error)) => of_read(error)?,
            // A compaction that cannot write leaves the log as it was.
            Self::Compaction(CompactionError::Log(LogError::Io { .. })) => return None,
            Self::Compaction(CompactionError::Log(error)) => of_log(error)?,
            _ => return None,
        };
        Some(ShardFailure::new(kind, describe(self)))
    }
}

fn of_log(error: &LogError) -> Option<ShardFailureKind> {
    match error {
        LogError::Corrupt { .. } => Some(ShardFailureKind::Corruption),
        LogError::NotFound { .. } => Some(ShardFailureKind::Missing),
        LogError::Io { .. } | LogError::Poisoned { .. } => Some(ShardFailureKind::Storage),
        _ => None,
    }
}

fn of_read(error: &ReadError) -> Option<ShardFailureKind> {
    match error {
        ReadError::Corrupt { .. } => Some(ShardFailureKind::Corruption),
        ReadError::Io { .. } => Some(ShardFailureKind::Storage),
        ReadError::Missing { .. } | ReadError::Closed => None,
    }
}

impl From<tantivy::TantivyError> for ShardError {
    fn from(error: tantivy::TantivyError) -> Self {
        Self::View {
            reason: error.to_string(),
        }
    }
}

impl From<HealError> for ShardError {
    fn from(error: HealError) -> Self {
        match error {
            HealError::Log(error @ LogError::Closed) => Self::Log(error),
            HealError::Read(error @ ReadError::Closed) => Self::Read(error),
            error => Self::Heal(error),
        }
    }
}

impl From<&ShardError> for Exception {
    fn from(error: &ShardError) -> Self {
        let reason = describe(error);
        match error {
            ShardError::Closed
            | ShardError::Log(LogError::Closed)
            | ShardError::Append(AppendError::Log(LogError::Closed))
            | ShardError::Read(ReadError::Closed) => Exception::new(ExceptionKind::IndexShardClosed, reason),
            // Retryable: whoever follows a failed shard goes on once it serves again.
            ShardError::Failed(failure) => {
                let refusal = Exception::new(ExceptionKind::NoShardAvailable, reason);
                if failure.needs_another_copy() {
                    refusal.with_cause(Exception::new(
                        ExceptionKind::CorruptIndex,
                        failure.reason.clone(),
                    ))
                } else {
                    refusal
                }
            }
            ShardError::NotAFollower => Exception::new(ExceptionKind::IllegalState, reason),
            // A follow task that asks again from the copy's own position gets over a gap.
            // A view that failed is tried again by itself, every second.
            ShardError::Gap { .. } | ShardError::TailFull { .. } | ShardError::View { .. } => {
                Exception::new(ExceptionKind::EsRejectedExecution, reason)
            }
            // A full disk, or what a newer live set or another fetch mends.
            ShardError::Heal(HealError::Log(LogError::Io { .. })) => {
                Exception::new(ExceptionKind::EsRejectedExecution, reason)
            }
            ShardError::Heal(error) if error.is_retryable() => {
                Exception::new(ExceptionKind::EsRejectedExecution, reason)
            }
            ShardError::Heal(HealError::Diverged { .. }) => Exception::new(
                ExceptionKind::IllegalState,
                format!("{reason}. Close the follower index and follow again, which copies the leader anew"),
            ),
            ShardError::Heal(_) => Exception::new(ExceptionKind::Engine, reason),
            ShardError::Compaction(CompactionError::Log(LogError::Closed)) => {
                Exception::new(ExceptionKind::IndexShardClosed, reason)
            }
            ShardError::Compaction(CompactionError::Read(ReadError::Corrupt { .. })) => {
                Exception::new(ExceptionKind::CorruptIndex, reason)
            }
            ShardError::Log(_) | ShardError::Append(_) | ShardError::Compaction(_) | ShardError::Io(_) => {
                Exception::new(ExceptionKind::Engine, reason)
            }
            ShardError::Read(ReadError::Corrupt { .. }) => {
                Exception::new(ExceptionKind::CorruptIndex, reason)
            }
            ShardError::Read(ReadError::Missing { .. }) => {
                Exception::new(ExceptionKind::ResourceNotFound, reason)
            }
            ShardError::Read(_) => Exception::new(ExceptionKind::Engine, reason),
            ShardError::Encode(_) => Exception::new(ExceptionKind::IllegalArgument, reason),
        }
    }
}

impl From<ShardError> for Exception {
    fn from(error: ShardError) -> Self {
        Exception::from(&error)
    }
}

/// The error and its sources in one sentence.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Why one document of a batch was not written. The other documents are not affected.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The current document is not the one that the precondition names.
    #[error("[{id}]: version conflict, {expected}. {current}")]
    VersionConflict {
        /// The document's id.
        id: String,
        /// What was required.
        expected: String,
        /// What was found.
        current: String,
    },
    /// A document with the id exists, and only creation was asked for.
    #[error("[{id}]: version conflict, document already exists (current version [{version}])")]
    DocumentExists {
        /// The document's id.
        id: String,
        /// Its version.
        version: DocumentVersion,
        /// Sequence number of its last operation.
        seq_no: SeqNo,
        /// Primary term of its last operation.
        primary_term: PrimaryTerm,
    },
    /// The document has fields that the mapping lacks. Nothing was written: commit the mapping, then write it again.
    #[error("the mapping must be updated first")]
    MappingUpdateRequired(MappingUpdate),
    /// The document does not fit the mapping.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The operation is above the format's limits, or has no id.
    #[error("{reason}")]
    Invalid {
        /// What is wrong.
        reason: String,
    },
    /// Direct writes to a follower are refused.
    #[error("following engine does not accept operations without an assigned sequence number")]
    FollowerReadOnly,
}

impl WriteError {
    /// The failure as clients see it.
    #[must_use]
    pub fn to_exception(&self) -> Exception {
        match self {
            Self::VersionConflict { .. } | Self::DocumentExists { .. } => {
                Exception::new(ExceptionKind::VersionConflict, self.to_string())
            }
            Self::MappingUpdateRequired(_) => Exception::new(ExceptionKind::IllegalState, self.to_string()),
            Self::Document(error) => Exception::from(error),
            Self::Invalid { reason } => Exception::illegal_argument(reason.clone()),
            Self::FollowerReadOnly => {
                Exception::new(ExceptionKind::Status, self.to_string()).with_status(403)
            }
        }
    }
}

impl From<&WriteError> for Exception {
    fn from(error: &WriteError) -> Self {
        error.to_exception()
    }
}
