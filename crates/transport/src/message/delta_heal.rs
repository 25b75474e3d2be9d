//! Reads of a leader shard by a follower that heals.

use bytes::Bytes;
use oplog::{
    ByteCount, Digest, Frame, HistoryUuid, LiveSet, LiveSnapshot, PrimaryTerm, SeqNo, ShardId, TermStart,
    UnixMillis,
};

use super::Fields;
use super::field::{seq_no_to_wire, shard_to_wire};
use crate::{InvalidMessage, proto};

/// Asks for the operations that a leader shard still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldOperationsRequest {
    /// The leader shard.
    pub shard: ShardId,
    /// The history that the caller follows; a shard with another one refuses.
    pub expected_history_uuid: HistoryUuid,
    /// First seq_no asked for.
    pub from: SeqNo,
    /// Last seq_no asked for, or the global checkpoint.
    pub to: Option<SeqNo>,
    /// At most so many operations.
    pub max_operation_count: u32,
    /// The answer ends with the operation that makes its estimated size exceed this.
    pub max_batch_size: ByteCount,
    /// The estimated size of the answer never exceeds this.
    pub max_response_size: ByteCount,
}

/// Operations that are held, in seq_no order, and how far the leader has looked.
#[derive(Debug, Clone)]
pub struct HeldOperationsResponse {
    /// The operations, as they lie in the leader's log. None is above `global_checkpoint`.
    pub frames: Vec<Frame>,
    /// Whatever lies before this and is not among `frames` is gone.
    pub next: SeqNo,
    /// The estimated size of the operation `next`, when it is there and alone exceeds the size of an answer; then `frames` is empty.
    pub next_operation_size: Option<ByteCount>,
    /// The leader's global checkpoint; `None` when it holds no operation.
    pub global_checkpoint: Option<SeqNo>,
    /// At least the mapping version that the operations need.
    pub mapping_version: u64,
    /// Version of the leader's settings.
    pub settings_version: u64,
    /// Version of the leader's aliases.
    pub aliases_version: u64,
    /// The leader's wall clock when it answered.
    pub leader_now: UnixMillis,
}

/// Asks for the live operations of a leader shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSetRequest {
    /// The leader shard.
    pub shard: ShardId,
    /// The history that the caller follows; a shard with another one refuses.
    pub expected_history_uuid: HistoryUuid,
}

/// The live operations of a leader shard as of one that its global checkpoint has reached.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveSetResponse {
    /// The live operations, and as of which.
    pub snapshot: LiveSnapshot,
    /// At least the mapping version that the operations need.
    pub mapping_version: u64,
    /// Version of the leader's settings.
    pub settings_version: u64,
    /// Version of the leader's aliases.
    pub aliases_version: u64,
    /// The leader's wall clock when it answered.
    pub leader_now: UnixMillis,
}

impl TryFrom<proto::ReadHeldOperationsRequest> for HeldOperationsRequest {
    type Error = InvalidMessage;

    fn try_from(wire: proto::ReadHeldOperationsRequest) -> Result<Self, InvalidMessage> {
        let fields = Fields("ReadHeldOperationsRequest");
        if wire.max_batch_size_in_bytes == 0 {
            return Err(fields.invalid("max_batch_size_in_bytes", "must be larger than 0"));
        }
        Ok(Self {
            shard: fields.shard("shard", wire.shard)?,
            expected_history_uuid: fields.parsed("expected_history_uuid", &wire.expected_history_uuid)?,
            from: fields.seq_no("from", wire.from)?,
            to: fields.optional_seq_no("to", wire.to)?,
            max_operation_count: wire.max_operation_count,
            max_batch_size: ByteCount::new(wire.max_batch_size_in_bytes),
            max_response_size: ByteCount::new(wire.max_response_size_in_bytes.unwrap_or(u64::MAX)),
        })
    }
}

impl From<HeldOperationsRequest> for proto::ReadHeldOperationsRequest {
    fn from(request: HeldOperationsRequest) -> Self {
        Self {
            shard: Some(shard_to_wire(&request.shard)),
            expected_history_uuid: request.expected_history_uuid.to_string(),
            from: request.from.get(),
            to: seq_no_to_wire(request.to),
            max_operation_count: request.max_operation_count,
            max_batch_size_in_bytes: request.max_batch_size.get(),
            max_response_size_in_bytes: Some(request.max_response_size.get()),
        }
    }
}

impl HeldOperationsResponse {
    pub(crate) fn header(&self) -> proto::HeldOperationsHeader {
        proto::HeldOperationsHeader {
            next: self.next.get(),
            global_checkpoint: seq_no_to_wire(self.global_checkpoint),
            mapping_version: self.mapping_version,
            settings_version: self.settings_version,
            aliases_version: self.aliases_version,
            leader_now_millis: self.leader_now.get(),
            next_operation_size_in_bytes: self.next_operation_size.map(ByteCount::get),
        }
    }

    /// An answer with the header's values and no operations.
    pub(crate) fn from_header(header: &proto::HeldOperationsHeader) -> Result<Self, InvalidMessage> {
        let fields = Fields("HeldOperationsHeader");
        Ok(Self {
            frames: Vec::new(),
            next_operation_size: header.next_operation_size_in_bytes.map(ByteCount::new),
            next: fields.seq_no("next", header.next)?,
            global_checkpoint: fields.optional_seq_no("global_checkpoint", header.global_checkpoint)?,
            mapping_version: header.mapping_version,
            settings_version: header.settings_version,
            aliases_version: header.aliases_version,
            leader_now: UnixMillis::new(header.leader_now_millis),
        })
    }
}

impl TryFrom<proto::ReadLiveSetRequest> for LiveSetRequest {
    type Error = InvalidMessage;

    fn try_from(wire: proto::ReadLiveSetRequest) -> Result<Self, InvalidMessage> {
        let fields = Fields("ReadLiveSetRequest");
        Ok(Self {
            shard: fields.shard("shard", wire.shard)?,
            expected_history_uuid: fields.parsed("expected_history_uuid", &wire.expected_history_uuid)?,
        })
    }
}

impl From<LiveSetRequest> for proto::ReadLiveSetRequest {
    fn from(request: LiveSetRequest) -> Self {
        Self {
            shard: Some(shard_to_wire(&request.shard)),
            expected_history_uuid: request.expected_history_uuid.to_string(),
        }
    }
}

impl LiveSetResponse {
    /// The header, and the set that goes in pieces.
    pub(crate) fn to_wire(&self) -> (proto::LiveSetHeader, Bytes) {
        let live = Bytes::from(self.snapshot.live.to_bytes());
        let term = |start: &TermStart| proto::TermStart {
            primary_term: start.term.get(),
            first_seq_no: start.first_seq_no.get(),
        };
        let header = proto::LiveSetHeader {
            max_seq_no: self.snapshot.max_seq_no.get(),
            live_length: live.len() as u64,
            digest: Bytes::copy_from_slice(&self.snapshot.digest.get().to_le_bytes()),
            terms: self.snapshot.terms.iter().map(term).collect(),
            max_seq_no_of_updates_or_deletes: seq_no_to_wire(self.snapshot.max_seq_no_of_updates_or_deletes),
            mapping_version: self.mapping_version,
            settings_version: self.settings_version,
            aliases_version: self.aliases_version,
            leader_now_millis: self.leader_now.get(),
        };
        (header, live)
    }

    /// Puts the header and all pieces of the set together.
    pub(crate) fn from_wire(header: &proto::LiveSetHeader, live: &[u8]) -> Result<Self, InvalidMessage> {
        let fields = Fields("LiveSetHeader");
        let max_seq_no = fields.seq_no("max_seq_no", header.max_seq_no)?;
        let digest: [u8; 16] = header.digest[..]
            .try_into()
            .map_err(|_| fields.invalid("digest", "does not have 16 bytes"))?;
        let term = |start: &proto::TermStart| -> Result<TermStart, InvalidMessage> {
            let term = PrimaryTerm::new(start.primary_term);
            Ok(TermStart {
                term: fields.required("terms", term)?,
                first_seq_no: fields.seq_no("terms", start.first_seq_no)?,
            })
        };
        let live = LiveSet::from_bytes(live).map_err(|problem| fields.invalid("live", problem))?;
        if let Some(above) = live.iter_from(max_seq_no).find(|seq_no| *seq_no > max_seq_no) {
            let problem = format!("has operation {above} above max_seq_no {max_seq_no}");
            return Err(fields.invalid("live", problem));
        }
        Ok(Self {
            snapshot: LiveSnapshot {
                max_seq_no,
                live,
                digest: Digest::new(u128::from_le_bytes(digest)),
                terms: header.terms.iter().map(term).collect::<Result<_, _>>()?,
                max_seq_no_of_updates_or_deletes: fields.optional_seq_no(
                    "max_seq_no_of_updates_or_deletes",
                    header.max_seq_no_of_updates_or_deletes,
                )?,
            },
            mapping_version: header.mapping_version,
            settings_version: header.settings_version,
            aliases_version: header.aliases_version,
            leader_now: UnixMillis::new(header.leader_now_millis),
        })
    }
}
