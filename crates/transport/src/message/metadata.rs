//! Metadata of a leader cluster and its indices.

use std::time::Duration;

use oplog::{HistoryUuid, IndexUuid, SeqNo, ShardNumber};

use super::Fields;
use super::field::{millis, seq_no_to_wire};
use crate::{InvalidMessage, proto};

/// Asks what every index is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterMetadataRequest {
    /// The leader waits until its metadata is at least this new; `None` answers at once.
    pub wait_for_version: Option<u64>,
    /// How long it may wait; then it answers what there is.
    pub timeout: Duration,
}

/// What every index of a cluster is, as auto-follow needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterMetadata {
    /// Version of the metadata.
    pub metadata_version: u64,
    /// The indices.
    pub indices: Vec<IndexSummary>,
}

/// What an index is, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSummary {
    /// Name.
    pub name: String,
    /// UUID.
    pub uuid: IndexUuid,
    /// Whether it is open.
    pub open: bool,
    /// Whether every shard has an active primary.
    pub all_primaries_active: bool,
    /// Whether patterns pass it over.
    pub hidden: bool,
    /// Whether it belongs to the system.
    pub system: bool,
    /// The data stream that it backs.
    pub data_stream: Option<String>,
    /// The index that it follows, if it is a follower and its node tells.
    pub leader_index_uuid: Option<IndexUuid>,
}

/// Asks all about one index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexMetadataRequest {
    /// Name; patterns and aliases are not resolved.
    pub index: String,
    /// The leader waits until the mapping is at least this new.
    pub min_mapping_version: Option<u64>,
    /// The leader waits until the settings are at least this new.
    pub min_settings_version: Option<u64>,
    /// The leader waits until the aliases are at least this new.
    pub min_aliases_version: Option<u64>,
    /// How long it may wait; then it answers what there is.
    pub timeout: Duration,
}

/// A data stream of another cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteDataStream {
    /// Name.
    pub name: String,
    /// Counts its backing indices, those that are gone included.
    pub generation: u64,
    /// Whether patterns pass it over.
    pub hidden: bool,
    /// Whether documents may have a routing of their own.
    pub allow_custom_routing: bool,
    /// What its template notes, a JSON object.
    pub metadata: Option<String>,
}

/// All about one index of another cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteIndexMetadata {
    /// Name.
    pub name: String,
    /// UUID.
    pub uuid: IndexUuid,
    /// Whether it is open.
    pub open: bool,
    /// The data stream that it backs.
    pub data_stream: Option<RemoteDataStream>,
    /// Number of primary shards.
    pub number_of_shards: u32,
    /// Number that documents are routed by.
    pub number_of_routing_shards: u32,
    /// Flat JSON object.
    pub settings: String,
    /// JSON object.
    pub mapping: String,
    /// JSON object by alias name.
    pub aliases: String,
    /// Version of the mapping.
    pub mapping_version: u64,
    /// Version of the settings.
    pub settings_version: u64,
    /// Version of the aliases.
    pub aliases_version: u64,
    /// Version of the cluster's metadata.
    pub metadata_version: u64,
    /// The shards, by number.
    pub shards: Vec<RemoteShard>,
}

/// A shard of an index of another cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteShard {
    /// Number.
    pub shard: ShardNumber,
    /// History of its primary; `None` when that is not active.
    pub history_uuid: Option<HistoryUuid>,
    /// Whether the primary is active.
    pub primary_active: bool,
    /// Global checkpoint.
    pub global_checkpoint: Option<SeqNo>,
    /// Highest seq_no.
    pub max_seq_no: Option<SeqNo>,
    /// Size on disk, in bytes.
    pub store_bytes: u64,
}

impl From<proto::ClusterMetadataRequest> for ClusterMetadataRequest {
    fn from(wire: proto::ClusterMetadataRequest) -> Self {
        Self {
            wait_for_version: wire.wait_for_version,
            timeout: Duration::from_millis(wire.timeout_millis),
        }
    }
}

impl From<ClusterMetadataRequest> for proto::ClusterMetadataRequest {
    fn from(request: ClusterMetadataRequest) -> Self {
        Self {
            wait_for_version: request.wait_for_version,
            timeout_millis: millis(request.timeout),
        }
    }
}

impl TryFrom<proto::ClusterMetadataResponse> for ClusterMetadata {
    type Error = InvalidMessage;

    fn try_from(wire: proto::ClusterMetadataResponse) -> Result<Self, InvalidMessage> {
        let indices = wire
            .indices
            .into_iter()
            .map(IndexSummary::try_from)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            metadata_version: wire.metadata_version,
            indices,
        })
    }
}

impl From<ClusterMetadata> for proto::ClusterMetadataResponse {
    fn from(metadata: ClusterMetadata) -> Self {
        Self {
            metadata_version: metadata.metadata_version,
            indices: metadata.indices.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<proto::IndexSummary> for IndexSummary {
    type Error = InvalidMessage;

    fn try_from(wire: proto::IndexSummary) -> Result<Self, InvalidMessage> {
        let fields = Fields("IndexSummary");
        Ok(Self {
            name: fields.not_empty("name", wire.name)?,
            uuid: fields.parsed("uuid", &wire.uuid)?,
            open: wire.open,
            all_primaries_active: wire.all_primaries_active,
            hidden: wire.hidden,
            system: wire.system,
            data_stream: wire.data_stream,
            leader_index_uuid: wire
                .leader_index_uuid
                .map(|uuid| fields.parsed("leader_index_uuid", &uuid))
                .transpose()?,
        })
    }
}

impl From<IndexSummary> for proto::IndexSummary {
    fn from(index: IndexSummary) -> Self {
        Self {
            name: index.name,
            uuid: index.uuid.to_string(),
            open: index.open,
            all_primaries_active: index.all_primaries_active,
            hidden: index.hidden,
            system: index.system,
            data_stream: index.data_stream,
            leader_index_uuid: index.leader_index_uuid.map(|uuid| uuid.to_string()),
        }
    }
}

impl TryFrom<proto::IndexMetadataRequest> for IndexMetadataRequest {
    type Error = InvalidMessage;

    fn try_from(wire: proto::IndexMetadataRequest) -> Result<Self, InvalidMessage> {
        Ok(Self {
            index: Fields("IndexMetadataRequest").not_empty("index", wire.index)?,
            min_mapping_version: wire.min_mapping_version,
            min_settings_version: wire.min_settings_version,
            min_aliases_version: wire.min_aliases_version,
            timeout: Duration::from_millis(wire.timeout_millis),
        })
    }
}

impl From<IndexMetadataRequest> for proto::IndexMetadataRequest {
    fn from(request: IndexMetadataRequest) -> Self {
        Self {
            index: request.index,
            min_mapping_version: request.min_mapping_version,
            min_settings_version: request.min_settings_version,
            min_aliases_version: request.min_aliases_version,
            timeout_millis: millis(request.timeout),
        }
    }
}

impl TryFrom<proto::IndexMetadataResponse> for RemoteIndexMetadata {
    type Error = InvalidMessage;

    fn try_from(wire: proto::IndexMetadataResponse) -> Result<Self, InvalidMessage> {
        let fields = Fields("IndexMetadataResponse");
        if wire.number_of_shards == 0 {
            return Err(fields.invalid("number_of_shards", "must be larger than 0"));
        }
        if wire.number_of_routing_shards < wire.number_of_shards {
            let problem = format!(
                "{} is less than the {} shards",
                wire.number_of_routing_shards, wire.number_of_shards
            );
            return Err(fields.invalid("number_of_routing_shards", problem));
        }
        if let Some(beyond) = wire
            .shards
            .iter()
            .find(|shard| shard.shard >= wire.number_of_shards)
        {
            return Err(fields.invalid("shards", format!("there is no shard [{}]", beyond.shard)));
        }
        let data_stream = wire
            .data_stream
            .map(|name| data_stream(&fields, name, wire.data_stream_metadata.unwrap_or_default()))
            .transpose()?;
        Ok(Self {
            name: fields.not_empty("name", wire.name)?,
            uuid: fields.parsed("uuid", &wire.uuid)?,
            open: wire.open,
            data_stream,
            number_of_shards: wire.number_of_shards,
            number_of_routing_shards: wire.number_of_routing_shards,
            settings: json_object(&fields, "settings", wire.settings)?,
            mapping: json_object(&fields, "mapping", wire.mapping)?,
            aliases: json_object(&fields, "aliases", wire.aliases)?,
            mapping_version: wire.mapping_version,
            settings_version: wire.settings_version,
            aliases_version: wire.aliases_version,
            metadata_version: wire.metadata_version,
            shards: wire
                .shards
                .into_iter()
                .map(RemoteShard::try_from)
                .collect::<Result<_, _>>()?,
        })
    }
}

fn data_stream(
    fields: &Fields,
    name: String,
    more: proto::DataStreamMetadata,
) -> Result<RemoteDataStream, InvalidMessage> {
    Ok(RemoteDataStream {
        name: fields.not_empty("data_stream", name)?,
        generation: more.generation,
        hidden: more.hidden,
        allow_custom_routing: more.allow_custom_routing,
        metadata: more
            .metadata
            .map(|text| json_object(fields, "data_stream_metadata.metadata", text))
            .transpose()?,
    })
}

/// Text that is a JSON object, kept as text: what is in it is for others to judge.
fn json_object(fields: &Fields, field: &'static str, text: String) -> Result<String, InvalidMessage> {
    match serde_json::from_str::<&serde_json::value::RawValue>(&text) {
        Ok(value) if value.get().starts_with('{') => Ok(text),
        Ok(_) => Err(fields.invalid(field, "is not a JSON object")),
        Err(problem) => Err(fields.invalid(field, problem)),
    }
}

impl From<RemoteIndexMetadata> for proto::IndexMetadataResponse {
    fn from(metadata: RemoteIndexMetadata) -> Self {
        let (data_stream, data_stream_metadata) = match metadata.data_stream {
            Some(stream) => {
                let more = proto::DataStreamMetadata {
                    generation: stream.generation,
                    hidden: stream.hidden,
                    allow_custom_routing: stream.allow_custom_routing,
                    metadata: stream.metadata,
                };
                (Some(stream.name), Some(more))
            }
            None => (None, None),
        };
        Self {
            name: metadata.name,
            uuid: metadata.uuid.to_string(),
            open: metadata.open,
            data_stream,
            data_stream_metadata,
            number_of_shards: metadata.number_of_shards,
            number_of_routing_shards: metadata.number_of_routing_shards,
            settings: metadata.settings,
            mapping: metadata.mapping,
            aliases: metadata.aliases,
            mapping_version: metadata.mapping_version,
            settings_version: metadata.settings_version,
            aliases_version: metadata.aliases_version,
            metadata_version: metadata.metadata_version,
            shards: metadata.shards.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<proto::RemoteShard> for RemoteShard {
    type Error = InvalidMessage;

    fn try_from(wire: proto::RemoteShard) -> Result<Self, InvalidMessage> {
        let fields = Fields("RemoteShard");
        let history_uuid = wire
            .history_uuid
            .map(|uuid| fields.parsed("history_uuid", &uuid))
            .transpose()?;
        Ok(Self {
            shard: ShardNumber::new(wire.shard),
            history_uuid,
            primary_active: wire.primary_active,
            global_checkpoint: fields.optional_seq_no("global_checkpoint", wire.global_checkpoint)?,
            max_seq_no: fields.optional_seq_no("max_seq_no", wire.max_seq_no)?,
            store_bytes: wire.store_size_in_bytes,
        })
    }
}

impl From<RemoteShard> for proto::RemoteShard {
    fn from(shard: RemoteShard) -> Self {
        Self {
            shard: shard.shard.get(),
            history_uuid: shard.history_uuid.map(|uuid| uuid.to_string()),
            primary_active: shard.primary_active,
            global_checkpoint: seq_no_to_wire(shard.global_checkpoint),
            max_seq_no: seq_no_to_wire(shard.max_seq_no),
            store_size_in_bytes: shard.store_bytes,
        }
    }
}
