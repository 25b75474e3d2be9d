//! The answers to writes and gets, serialized without a tree in between.

use bytes::Bytes;
use es_exception::Exception;
use indices::{DocumentResponse, ShardCounts};
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// Stored JSON, printed as it is.
pub(crate) struct Raw<'a>(pub(crate) &'a Bytes);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_slice(self.0)
            .map_err(|error| S::Error::custom(format_args!("stored source: {error}")))?;
        raw.serialize(serializer)
    }
}

/// The answer to a write; `status` is printed inside a bulk answer only.
pub(super) struct WriteAnswer<'a> {
    pub(super) response: &'a DocumentResponse,
    pub(super) status: Option<u16>,
}

impl Serialize for WriteAnswer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let response = self.response;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("_index", &response.index)?;
        map.serialize_entry("_id", &response.id)?;
        map.serialize_entry("_version", &response.version.get())?;
        map.serialize_entry("result", response.result.as_str())?;
        if response.forced_refresh {
            map.serialize_entry("forced_refresh", &true)?;
        }
        map.serialize_entry("_shards", &Shards(response.shards))?;
        map.serialize_entry("_seq_no", &response.seq_no.get())?;
        map.serialize_entry("_primary_term", &response.primary_term.get())?;
        if let Some(source) = &response.source {
            map.serialize_entry("get", &UpdatedSource { response, source })?;
        }
        if let Some(status) = self.status {
            map.serialize_entry("status", &status)?;
        }
        map.end()
    }
}

struct Shards(ShardCounts);

impl Serialize for Shards {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("total", &self.0.total)?;
        map.serialize_entry("successful", &self.0.successful)?;
        map.serialize_entry("failed", &self.0.failed)?;
        map.end()
    }
}

/// The new source that an update may ask for.
struct UpdatedSource<'a> {
    response: &'a DocumentResponse,
    source: &'a Bytes,
}

impl Serialize for UpdatedSource<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("_seq_no", &self.response.seq_no.get())?;
        map.serialize_entry("_primary_term", &self.response.primary_term.get())?;
        map.serialize_entry("found", &true)?;
        if let Some(routing) = &self.response.routing {
            map.serialize_entry("_routing", routing)?;
        }
        map.serialize_entry("_source", &Raw(self.source))?;
        map.end()
    }
}

/// A bulk item that failed.
pub(super) struct FailedItem<'a> {
    pub(super) index: &'a str,
    pub(super) id: Option<&'a str>,
    pub(super) failure: &'a Exception,
}

impl Serialize for FailedItem<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("_index", self.index)?;
        map.serialize_entry("_id", &self.id)?;
        map.serialize_entry("status", &self.failure.status())?;
        let error: Value = crate::error_body::error_object(self.failure);
        map.serialize_entry("error", &error)?;
        map.end()
    }
}
