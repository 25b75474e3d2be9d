//! Checks of single fields.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use oplog::{SeqNo, ShardId, ShardNumber};

use crate::InvalidMessage;
use crate::proto;

/// Reads the fields of one message, so that a refusal names it.
pub(crate) struct Fields(pub(crate) &'static str);

impl Fields {
    pub(crate) fn invalid(&self, field: &'static str, problem: impl ToString) -> InvalidMessage {
        InvalidMessage::new(self.0, field, problem)
    }

    pub(crate) fn required<T>(&self, field: &'static str, value: Option<T>) -> Result<T, InvalidMessage> {
        value.ok_or_else(|| self.invalid(field, "is missing"))
    }

    pub(crate) fn parsed<T>(&self, field: &'static str, value: &str) -> Result<T, InvalidMessage>
    where
        T: FromStr<Err: Display>,
    {
        value
            .parse()
            .map_err(|problem: T::Err| self.invalid(field, problem))
    }

    pub(crate) fn seq_no(&self, field: &'static str, value: u64) -> Result<SeqNo, InvalidMessage> {
        let seq_no = SeqNo::new(value);
        if seq_no > SeqNo::MAX {
            Err(self.invalid(field, "is no sequence number"))
        } else {
            Ok(seq_no)
        }
    }

    pub(crate) fn optional_seq_no(
        &self,
        field: &'static str,
        value: Option<u64>,
    ) -> Result<Option<SeqNo>, InvalidMessage> {
        value.map(|value| self.seq_no(field, value)).transpose()
    }

    pub(crate) fn not_empty(&self, field: &'static str, value: String) -> Result<String, InvalidMessage> {
        if value.is_empty() {
            Err(self.invalid(field, "is empty"))
        } else {
            Ok(value)
        }
    }

    pub(crate) fn shard(
        &self,
        field: &'static str,
        value: Option<proto::ShardId>,
    ) -> Result<ShardId, InvalidMessage> {
        let value = self.required(field, value)?;
        Ok(ShardId {
            index: self.parsed(field, &value.index_uuid)?,
            shard: ShardNumber::new(value.shard),
        })
    }
}

pub(crate) fn shard_to_wire(shard: &ShardId) -> proto::ShardId {
    proto::ShardId {
        index_uuid: shard.index.to_string(),
        shard: shard.shard.get(),
    }
}

pub(crate) fn seq_no_to_wire(value: Option<SeqNo>) -> Option<u64> {
    value.map(SeqNo::get)
}

/// Milliseconds that fit the wire; what is longer than half a milliard years is as good as that.
pub(crate) fn millis(value: Duration) -> u64 {
    u64::try_from(value.as_millis()).unwrap_or(u64::MAX)
}
