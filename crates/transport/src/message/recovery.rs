//! Copies of a leader shard's files.

use std::collections::BTreeSet;

use bytes::Bytes;
use oplog::{HistoryUuid, SeqNo, ShardId};
use twox_hash::XxHash3_64;

use super::Fields;
use super::field::{seq_no_to_wire, shard_to_wire};
use crate::{InvalidMessage, proto};

/// Whoever receives a file in pieces holds one of them in memory.
const MAX_PIECE_LENGTH: u64 = 4 << 20;

/// Pins a snapshot of a leader shard for copying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRecoverySessionRequest {
    /// The leader shard.
    pub shard: ShardId,
    /// Chosen by the follower; the same id again means the same session.
    pub session_id: String,
}

/// A pinned snapshot of a leader shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoverySession {
    /// The id that the follower chose.
    pub session_id: String,
    /// Every operation up to here is in the files; `None` when there is none.
    pub checkpoint: Option<SeqNo>,
    /// The highest operation that may be in the files.
    pub max_seq_no: Option<SeqNo>,
    /// The follower's index needs a mapping at least as new.
    pub mapping_version: u64,
    /// The leader shard's history, which the follower expects from then on.
    pub history_uuid: HistoryUuid,
    /// What to copy.
    pub files: Vec<RecoveryFile>,
}

/// A file of a recovery session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryFile {
    /// Relative path with forward slashes, without `.` and `..`.
    pub name: String,
    /// Length in bytes.
    pub length: u64,
    /// Files of one name, length and content id have the same bytes, whatever session lists them. `None` for a file that may still change.
    pub content_id: Option<u64>,
    /// What a file that grows begins with; `None` for any other. A copy of it as it was before goes on behind the pieces that are the same.
    pub pieces: Option<FilePieces>,
}

/// Checksums of what a file begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePieces {
    /// Bytes in a piece, from 1 to 4 MiB.
    pub length: u64,
    /// The [`checksum`](Self::checksum) of each whole piece, from the beginning of the file on.
    pub checksums: Vec<u64>,
}

impl FilePieces {
    /// xxh3_64 of a piece.
    #[must_use]
    pub fn checksum(piece: &[u8]) -> u64 {
        XxHash3_64::oneshot(piece)
    }
}

/// Reads a range of a file of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFileRequest {
    /// The session.
    pub session_id: String,
    /// The shard that the session belongs to.
    pub shard: ShardId,
    /// Name of the file.
    pub file: String,
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

/// Ends a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseRecoverySessionRequest {
    /// The session.
    pub session_id: String,
    /// The shard that the session belongs to.
    pub shard: ShardId,
}

/// A piece of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChunk {
    /// Where the piece begins in the file.
    pub offset: u64,
    /// The piece.
    pub bytes: Bytes,
    /// xxh3_64 of the piece, made where it was read.
    pub checksum: u64,
}

impl FileChunk {
    /// A piece with its checksum.
    #[must_use]
    pub fn new(offset: u64, bytes: Bytes) -> Self {
        let checksum = XxHash3_64::oneshot(&bytes);
        Self {
            offset,
            bytes,
            checksum,
        }
    }

    /// Whether the bytes still are those that the checksum was made of.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        XxHash3_64::oneshot(&self.bytes) == self.checksum
    }
}

/// A name that stays below the directory it is put in, whatever a leader sends.
fn checked_file_name(fields: &Fields, field: &'static str, name: String) -> Result<String, InvalidMessage> {
    let is_plain =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0', ':']);
    if name.split('/').all(is_plain) {
        Ok(name)
    } else {
        Err(fields.invalid(field, format!("[{name}] is not a relative file name")))
    }
}

impl TryFrom<proto::OpenRecoverySessionRequest> for OpenRecoverySessionRequest {
    type Error = InvalidMessage;

    fn try_from(wire: proto::OpenRecoverySessionRequest) -> Result<Self, InvalidMessage> {
        let fields = Fields("OpenRecoverySessionRequest");
        Ok(Self {
            shard: fields.shard("shard", wire.shard)?,
            session_id: fields.not_empty("session_id", wire.session_id)?,
        })
    }
}

impl From<OpenRecoverySessionRequest> for proto::OpenRecoverySessionRequest {
    fn from(request: OpenRecoverySessionRequest) -> Self {
        Self {
            shard: Some(shard_to_wire(&request.shard)),
            session_id: request.session_id,
        }
    }
}

impl TryFrom<proto::RecoverySession> for RecoverySession {
    type Error = InvalidMessage;

    fn try_from(wire: proto::RecoverySession) -> Result<Self, InvalidMessage> {
        let fields = Fields("RecoverySession");
        let files = wire
            .files
            .into_iter()
            .map(RecoveryFile::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        let mut names = BTreeSet::new();
        if let Some(twice) = files.iter().find(|file| !names.insert(&file.name)) {
            return Err(fields.invalid("files", format!("[{}] is named twice", twice.name)));
        }
        Ok(Self {
            session_id: fields.not_empty("session_id", wire.session_id)?,
            checkpoint: fields.optional_seq_no("checkpoint", wire.checkpoint)?,
            max_seq_no: fields.optional_seq_no("max_seq_no", wire.max_seq_no)?,
            mapping_version: wire.mapping_version,
            history_uuid: fields.parsed("history_uuid", &wire.history_uuid)?,
            files,
        })
    }
}

impl From<RecoverySession> for proto::RecoverySession {
    fn from(session: RecoverySession) -> Self {
        let to_wire = |file: RecoveryFile| {
            let (piece_length, piece_checksums) = file
                .pieces
                .map_or((0, Vec::new()), |pieces| (pieces.length, pieces.checksums));
            proto::RecoveryFile {
                name: file.name,
                length: file.length,
                content_id: file.content_id,
                piece_length,
                piece_checksums,
            }
        };
        Self {
            session_id: session.session_id,
            checkpoint: seq_no_to_wire(session.checkpoint),
            max_seq_no: seq_no_to_wire(session.max_seq_no),
            mapping_version: session.mapping_version,
            history_uuid: session.history_uuid.to_string(),
            files: session.files.into_iter().map(to_wire).collect(),
        }
    }
}

impl TryFrom<proto::RecoveryFile> for RecoveryFile {
    type Error = InvalidMessage;

    fn try_from(wire: proto::RecoveryFile) -> Result<Self, InvalidMessage> {
        let fields = Fields("RecoveryFile");
        let (count, length) = (wire.piece_checksums.len() as u64, wire.piece_length);
        let pieces = match length {
            0 if count == 0 => None,
            1..=MAX_PIECE_LENGTH if count <= wire.length / length => Some(FilePieces {
                length,
                checksums: wire.piece_checksums,
            }),
            _ => {
                let reason = format!(
                    "{count} pieces of {length} bytes are not in a file of {}",
                    wire.length
                );
                return Err(fields.invalid("piece_checksums", reason));
            }
        };
        Ok(Self {
            name: checked_file_name(&fields, "name", wire.name)?,
            length: wire.length,
            content_id: wire.content_id,
            pieces,
        })
    }
}

impl TryFrom<proto::ReadFileRequest> for ReadFileRequest {
    type Error = InvalidMessage;

    fn try_from(wire: proto::ReadFileRequest) -> Result<Self, InvalidMessage> {
        let fields = Fields("ReadFileRequest");
        if wire.offset.checked_add(wire.length).is_none() {
            return Err(fields.invalid(
                "length",
                format!("{} from {} is no range", wire.length, wire.offset),
            ));
        }
        Ok(Self {
            session_id: fields.not_empty("session_id", wire.session_id)?,
            shard: fields.shard("shard", wire.shard)?,
            file: checked_file_name(&fields, "file", wire.file)?,
            offset: wire.offset,
            length: wire.length,
        })
    }
}

impl From<ReadFileRequest> for proto::ReadFileRequest {
    fn from(request: ReadFileRequest) -> Self {
        Self {
            session_id: request.session_id,
            shard: Some(shard_to_wire(&request.shard)),
            file: request.file,
            offset: request.offset,
            length: request.length,
        }
    }
}

impl TryFrom<proto::CloseRecoverySessionRequest> for CloseRecoverySessionRequest {
    type Error = InvalidMessage;

    fn try_from(wire: proto::CloseRecoverySessionRequest) -> Result<Self, InvalidMessage> {
        let fields = Fields("CloseRecoverySessionRequest");
        Ok(Self {
            session_id: fields.not_empty("session_id", wire.session_id)?,
            shard: fields.shard("shard", wire.shard)?,
        })
    }
}

impl From<CloseRecoverySessionRequest> for proto::CloseRecoverySessionRequest {
    fn from(request: CloseRecoverySessionRequest) -> Self {
        Self {
            session_id: request.session_id,
            shard: Some(shard_to_wire(&request.shard)),
        }
    }
}

impl From<proto::FileChunk> for FileChunk {
    fn from(wire: proto::FileChunk) -> Self {
        Self {
            offset: wire.offset,
            bytes: wire.bytes,
            checksum: wire.checksum,
        }
    }
}

impl From<FileChunk> for proto::FileChunk {
    fn from(chunk: FileChunk) -> Self {
        Self {
            offset: chunk.offset,
            bytes: chunk.bytes,
            checksum: chunk.checksum,
        }
    }
}
