//! What a verification tells of the files of a log.

use crate::{Digest, HistoryUuid, PrimaryTerm, RetentionLeases, SeqNo};

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Something that was durable is lost or damaged: the log does not open, or fails when it comes there.
    Damaged {
        /// Where the damage begins.
        offset: u64,
        /// The operation that should be there, if it is about one.
        seq_no: Option<SeqNo>,
        /// What is wrong.
        reason: String,
    },
    /// The file is derived from others and is made again when the log opens.
    Rebuilt {
        /// What is wrong.
        reason: String,
    },
    /// Writes that were never synced, as a crash leaves them; cut when the log opens.
    TornTail {
        /// Where they begin.
        offset: u64,
        /// How many bytes are cut.
        bytes: u64,
    },
    /// Left over from an interrupted write; removed when the log opens.
    Leftover,
    /// A heal was decided and not finished; that is done when the log opens. The report is of the log after it.
    UnfinishedHeal,
}

impl Problem {
    /// Whether data is lost.
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    pub(super) fn damaged(offset: u64, seq_no: Option<SeqNo>, reason: impl Into<String>) -> Self {
        Self::Damaged {
            offset,
            seq_no,
            reason: reason.into(),
        }
    }

    pub(super) fn rebuilt(reason: impl Into<String>) -> Self {
        Self::Rebuilt {
            reason: reason.into(),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged {
                offset,
                seq_no: Some(seq_no),
                reason,
            } => write!(f, "DAMAGED at offset {offset}, seq_no {seq_no}: {reason}"),
            Self::Damaged {
                offset,
                seq_no: None,
                reason,
            } => write!(f, "DAMAGED at offset {offset}: {reason}"),
            Self::Rebuilt { reason } => write!(f, "will be built again: {reason}"),
            Self::TornTail { offset, bytes } => {
                write!(
                    f,
                    "{bytes} bytes from offset {offset} on were never synced and will be cut"
                )
            }
            Self::Leftover => f.write_str("left over, will be removed"),
            Self::UnfinishedHeal => f.write_str("a heal was decided and will be finished"),
        }
    }
}

/// One file of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCheck {
    /// Its name in the log's directory.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CheckReport {
    /// Every file, in the order of their names.
    pub files: Vec<FileCheck>,
    /// The operations that are there and good.
    pub operations: u64,
    /// The last of them.
    pub max_seq_no: Option<SeqNo>,
    /// How many are live, computed from them.
    pub live_count: u64,
    /// The digest of those, computed from them.
    pub digest: Digest,
    /// From the checkpoint, if it can be read.
    pub checkpoint: Option<CheckedCheckpoint>,
    /// From their file, if there is one that can be read.
    pub retention_leases: Option<RetentionLeases>,
}

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedCheckpoint {
    /// Everything up to here was durable when it was written.
    pub durable: Option<SeqNo>,
    /// Everything from here on is held.
    pub min_retained: SeqNo,
    /// The identity of the history.
    pub history_uuid: HistoryUuid,
    /// The term of the copy.
    pub primary_term: PrimaryTerm,
}

impl CheckReport {
    /// Whether any data is lost.
    pub fn is_damaged(&self) -> bool {
        self.files
            .iter()
            .any(|file| file.problems.iter().any(Problem::is_damage))
    }
}
