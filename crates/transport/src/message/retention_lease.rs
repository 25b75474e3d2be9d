//! Retention leases on leader shards.

use oplog::{LeaseId, RetentionLease, SeqNo, ShardId, UnixMillis};

use super::Fields;
use super::field::{seq_no_to_wire, shard_to_wire};
use crate::{InvalidMessage, proto};

/// Adds or renews a retention lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionLeaseRequest {
    /// The leader shard.
    pub shard: ShardId,
    /// Id of the lease.
    pub id: LeaseId,
    /// This operation and all after it are kept; `None` keeps all that is there still.
    pub retaining: Option<SeqNo>,
    /// Who holds the lease, for people; `ccr` for followers.
    pub source: String,
}

/// Removes a retention lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveRetentionLeaseRequest {
    /// The leader shard.
    pub shard: ShardId,
    /// Id of the lease.
    pub id: LeaseId,
}

impl TryFrom<proto::RetentionLeaseRequest> for RetentionLeaseRequest {
    type Error = InvalidMessage;

    fn try_from(wire: proto::RetentionLeaseRequest) -> Result<Self, InvalidMessage> {
        let fields = Fields("RetentionLeaseRequest");
        Ok(Self {
            shard: fields.shard("shard", wire.shard)?,
            id: fields.parsed("id", &wire.id)?,
            retaining: fields.optional_seq_no("retaining_seq_no", wire.retaining_seq_no)?,
            source: fields.not_empty("source", wire.source)?,
        })
    }
}

impl From<RetentionLeaseRequest> for proto::RetentionLeaseRequest {
    fn from(request: RetentionLeaseRequest) -> Self {
        Self {
            shard: Some(shard_to_wire(&request.shard)),
            id: request.id.to_string(),
            retaining_seq_no: seq_no_to_wire(request.retaining),
            source: request.source,
        }
    }
}

impl TryFrom<proto::RemoveRetentionLeaseRequest> for RemoveRetentionLeaseRequest {
    type Error = InvalidMessage;

    fn try_from(wire: proto::RemoveRetentionLeaseRequest) -> Result<Self, InvalidMessage> {
        let fields = Fields("RemoveRetentionLeaseRequest");
        Ok(Self {
            shard: fields.shard("shard", wire.shard)?,
            id: fields.parsed("id", &wire.id)?,
        })
    }
}

impl From<RemoveRetentionLeaseRequest> for proto::RemoveRetentionLeaseRequest {
    fn from(request: RemoveRetentionLeaseRequest) -> Self {
        Self {
            shard: Some(shard_to_wire(&request.shard)),
            id: request.id.to_string(),
        }
    }
}

impl TryFrom<proto::RetentionLease> for RetentionLease {
    type Error = InvalidMessage;

    fn try_from(wire: proto::RetentionLease) -> Result<Self, InvalidMessage> {
        let fields = Fields("RetentionLease");
        Ok(Self {
            id: fields.parsed("id", &wire.id)?,
            retaining_seq_no: fields.seq_no("retaining_seq_no", wire.retaining_seq_no)?,
            timestamp: UnixMillis::new(wire.timestamp_millis),
            source: fields.not_empty("source", wire.source)?,
        })
    }
}

impl From<RetentionLease> for proto::RetentionLease {
    fn from(lease: RetentionLease) -> Self {
        Self {
            id: lease.id.to_string(),
            retaining_seq_no: lease.retaining_seq_no.get(),
            timestamp_millis: lease.timestamp.get(),
            source: lease.source,
        }
    }
}
