//! Reads of a leader shard's operations.

use std::time::Duration;

use oplog::{ByteCount, Frame, HistoryUuid, SeqNo, ShardId, UnixMillis};

use super::Fields;
use super::field::{millis, seq_no_to_wire, shard_to_wire};
use crate::{InvalidMessage, proto};

/// Asks for operations from a seq_no on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardChangesRequest {
    /// The leader shard.
    pub shard: ShardId,
    /// The history that the caller follows; a shard with another one refuses.
    pub expected_history_uuid: HistoryUuid,
    /// First seq_no asked for.
    pub from: SeqNo,
    /// At most so many operations.
    pub max_operation_count: u32,
    /// The answer ends with the operation that makes its estimated size exceed this.
    pub max_batch_size: ByteCount,
    /// The estimated size of the answer never exceeds this.
    pub max_response_size: ByteCount,
    /// How long the leader may wait for the first operation.
    pub poll_timeout: Duration,
    /// What the caller knows of the index's metadata: anything newer ends the wait. `None`: only operations end it.
    pub known_metadata: Option<KnownMetadataVersions>,
    /// Whether the leader may go on after an answer; see [`ShardChangesRequest::continued`].
    pub may_stay_open: bool,
}

/// Versions of an index's metadata.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KnownMetadataVersions {
    /// Of the mapping.
    pub mapping: u64,
    /// Of the settings.
    pub settings: u64,
    /// Of the aliases.
    pub aliases: u64,
}

/// Operations in seq_no order, and where the leader shard stands.
#[derive(Debug, Clone)]
pub struct ShardChangesResponse {
    /// The operations, as they lie in the leader's log. None is above `global_checkpoint`.
    pub frames: Vec<Frame>,
    /// The estimated size of the operation asked for, when it is there and alone exceeds the size of an answer; then `frames` is empty.
    pub next_operation_size: Option<ByteCount>,
    /// The leader's global checkpoint; `None` when it holds no operation.
    pub global_checkpoint: Option<SeqNo>,
    /// The leader's highest seq_no.
    pub max_seq_no: Option<SeqNo>,
    /// The highest seq_no at which the leader updated or deleted a document.
    pub max_seq_no_of_updates_or_deletes: Option<SeqNo>,
    /// At least the mapping version that the operations need.
    pub mapping_version: u64,
    /// Version of the leader's settings.
    pub settings_version: u64,
    /// Version of the leader's aliases.
    pub aliases_version: u64,
    /// Time spent on the leader, waiting included.
    pub took: Duration,
    /// The leader's wall clock when it answered.
    pub leader_now: UnixMillis,
    /// Whether the read stays open: another answer follows when there is news.
    pub stays_open: bool,
}

impl ShardChangesRequest {
    /// What is asked for when the read stays open after `answer`, or `None` when it ends there. Both sides go by this.
    ///
    /// It stays open only at the leader's end: behind an answer that was cut short there is more to ask for, and the follower asks for that with all its
    /// reads at once. The answers together are never larger than one may be, and as much as came last must have room again.
    #[must_use]
    pub fn continued(&self, answer: &ShardChangesResponse) -> Option<Self> {
        let last = answer.frames.last().map(Frame::seq_no)?;
        let size: u64 = answer.frames.iter().map(Frame::estimated_size).sum();
        let rest = self.max_response_size.get().saturating_sub(size);
        let poll_timeout = self.poll_timeout.saturating_sub(answer.took);
        let stays_open = self.may_stay_open
            && Some(last) == answer.global_checkpoint
            && rest >= size
            && !poll_timeout.is_zero();
        stays_open.then(|| Self {
            from: SeqNo::new(last.get().saturating_add(1)),
            max_response_size: ByteCount::new(rest),
            poll_timeout,
            known_metadata: self.known_metadata.map(|known| KnownMetadataVersions {
                mapping: known.mapping.max(answer.mapping_version),
                settings: known.settings.max(answer.settings_version),
                aliases: known.aliases.max(answer.aliases_version),
            }),
            ..self.clone()
        })
    }
}

impl TryFrom<proto::ReadShardChangesRequest> for ShardChangesRequest {
    type Error = InvalidMessage;

    fn try_from(wire: proto::ReadShardChangesRequest) -> Result<Self, InvalidMessage> {
        let fields = Fields("ReadShardChangesRequest");
        if wire.max_batch_size_in_bytes == 0 {
            return Err(fields.invalid("max_batch_size_in_bytes", "must be larger than 0"));
        }
        Ok(Self {
            shard: fields.shard("shard", wire.shard)?,
            expected_history_uuid: fields.parsed("expected_history_uuid", &wire.expected_history_uuid)?,
            from: fields.seq_no("from", wire.from)?,
            max_operation_count: wire.max_operation_count,
            max_batch_size: ByteCount::new(wire.max_batch_size_in_bytes),
            max_response_size: ByteCount::new(wire.max_response_size_in_bytes.unwrap_or(u64::MAX)),
            poll_timeout: Duration::from_millis(wire.poll_timeout_millis),
            known_metadata: wire.known_metadata_versions.map(|known| KnownMetadataVersions {
                mapping: known.mapping,
                settings: known.settings,
                aliases: known.aliases,
            }),
            may_stay_open: wire.may_stay_open,
        })
    }
}

impl From<ShardChangesRequest> for proto::ReadShardChangesRequest {
    fn from(request: ShardChangesRequest) -> Self {
        Self {
            shard: Some(shard_to_wire(&request.shard)),
            expected_history_uuid: request.expected_history_uuid.to_string(),
            from: request.from.get(),
            max_operation_count: request.max_operation_count,
            max_batch_size_in_bytes: request.max_batch_size.get(),
            poll_timeout_millis: millis(request.poll_timeout),
            max_response_size_in_bytes: Some(request.max_response_size.get()),
            known_metadata_versions: request.known_metadata.map(|known| proto::KnownMetadataVersions {
                mapping: known.mapping,
                settings: known.settings,
                aliases: known.aliases,
            }),
            may_stay_open: request.may_stay_open,
        }
    }
}

impl ShardChangesResponse {
    pub(crate) fn header(&self) -> proto::ShardChangesHeader {
        proto::ShardChangesHeader {
            global_checkpoint: seq_no_to_wire(self.global_checkpoint),
            max_seq_no: seq_no_to_wire(self.max_seq_no),
            max_seq_no_of_updates_or_deletes: seq_no_to_wire(self.max_seq_no_of_updates_or_deletes),
            mapping_version: self.mapping_version,
            settings_version: self.settings_version,
            aliases_version: self.aliases_version,
            took_millis: millis(self.took),
            leader_now_millis: self.leader_now.get(),
            next_operation_size_in_bytes: self.next_operation_size.map(ByteCount::get),
            operations_before_next_header: self
                .stays_open
                .then(|| u32::try_from(self.frames.len()).unwrap_or(u32::MAX)),
        }
    }

    /// An answer with the header's values and no operations.
    pub(crate) fn from_header(header: &proto::ShardChangesHeader) -> Result<Self, InvalidMessage> {
        let fields = Fields("ShardChangesHeader");
        Ok(Self {
            frames: Vec::new(),
            next_operation_size: header.next_operation_size_in_bytes.map(ByteCount::new),
            global_checkpoint: fields.optional_seq_no("global_checkpoint", header.global_checkpoint)?,
            max_seq_no: fields.optional_seq_no("max_seq_no", header.max_seq_no)?,
            max_seq_no_of_updates_or_deletes: fields.optional_seq_no(
                "max_seq_no_of_updates_or_deletes",
                header.max_seq_no_of_updates_or_deletes,
            )?,
            mapping_version: header.mapping_version,
            settings_version: header.settings_version,
            aliases_version: header.aliases_version,
            took: Duration::from_millis(header.took_millis),
            leader_now: UnixMillis::new(header.leader_now_millis),
            stays_open: header.operations_before_next_header.is_some(),
        })
    }
}
