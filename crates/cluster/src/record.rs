//! How cluster state lies in the store: one record per index, data stream, node, task, template and custom, and few for the rest.
//!
//! The header record is written by every commit, and every commit compares it: so commits are serialized by the store, whoever
//! makes them. Values are JSON; a field that this version does not know is refused, since dropping it silently would lose what a newer
//! version keeps there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use index_meta::{AliasMetadata, Mapping, Settings};
use oplog::{IndexUuid, PrimaryTerm, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data_stream_record::{data_stream_writes, read_data_stream};
use crate::index_metadata::{IndexMetadata, IndexState};
use crate::node::{NodeId, NodeMetadata};
use crate::state::{ClusterState, IndexTombstone};
use crate::store::{Record, Write};
use crate::task::PersistentTask;
use crate::template_record::{StoredTemplates, template_writes};

/// Version of the format of all record values.
const FORMAT: u32 = 1;

pub(crate) const HEADER_KEY: &str = "cluster";
const PERSISTENT_SETTINGS_KEY: &str = "settings/persistent";
const TRANSIENT_SETTINGS_KEY: &str = "settings/transient";
const GRAVEYARD_KEY: &str = "graveyard";
const INDEX_PREFIX: &str = "index/";
const NODE_PREFIX: &str = "node/";
const TASK_PREFIX: &str = "task/";
const CUSTOM_PREFIX: &str = "custom/";

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A newer version wrote it.
    #[error(
        "cluster state has format {found}, but this version reads only format {FORMAT}; use the version that wrote it"
    )]
    NewerFormat {
        /// The format found.
        found: u32,
    },
    /// The value does not read.
    #[error("record [{key}] of the cluster state does not read")]
    Malformed {
        /// The record's key.
        key: String,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A key that this version does not know.
    #[error(
        "record [{key}] of the cluster state is not known to this version; use the version that wrote it"
    )]
    UnknownKey {
        /// The record's key.
        key: String,
    },
}

#[derive(Serialize, Deserialize)]
struct FormatOnly {
    format: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderRecord {
    format: u32,
    cluster_uuid: String,
    cluster_name: String,
    version: u64,
    metadata_version: u64,
    master_node_id: Option<NodeId>,
    last_allocation_id: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeRecord {
    name: String,
    transport_address: Option<String>,
    http_address: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskRecord {
    task_name: String,
    params: Value,
    allocation_id: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TombstoneRecord {
    name: String,
    uuid: IndexUuid,
    deleted_at: UnixMillis,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateRecord {
    Open,
    Close,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IndexRecord {
    uuid: IndexUuid,
    state: StateRecord,
    version: u64,
    mapping_version: u64,
    settings_version: u64,
    aliases_version: u64,
    settings: Value,
    mapping: Value,
    aliases: BTreeMap<String, AliasMetadata>,
    creation_date: UnixMillis,
    number_of_shards: u32,
    number_of_routing_shards: u32,
    custom: BTreeMap<String, BTreeMap<String, String>>,
    primary_terms: Vec<PrimaryTerm>,
    in_sync_shards: BTreeSet<u32>,
    recovering: bool,
}

/// The writes that turn the records of `old` into those of `new`. Without `old`, all records of `new`.
pub(crate) fn writes(old: Option<&ClusterState>, new: &ClusterState) -> Vec<Write> {
    let mut writes = vec![put(HEADER_KEY.into(), &header(new))];
    if old.is_none_or(|old| old.persistent_settings != new.persistent_settings) {
        writes.push(put(
            PERSISTENT_SETTINGS_KEY.into(),
            &new.persistent_settings.to_flat_json(),
        ));
    }
    if old.is_none_or(|old| old.transient_settings != new.transient_settings) {
        writes.push(put(
            TRANSIENT_SETTINGS_KEY.into(),
            &new.transient_settings.to_flat_json(),
        ));
    }
    if old.is_none_or(|old| old.index_graveyard != new.index_graveyard) {
        writes.push(put(
            GRAVEYARD_KEY.into(),
            &new.index_graveyard.iter().map(tombstone).collect::<Vec<_>>(),
        ));
    }
    let same = |left: &Arc<IndexMetadata>, right: &Arc<IndexMetadata>| Arc::ptr_eq(left, right);
    map_writes(
        &mut writes,
        INDEX_PREFIX,
        old.map(|old| &old.indices),
        &new.indices,
        same,
        |index| put_value(&index_record(index)),
    );
    let nodes = old.map(|old| &old.nodes);
    map_writes(
        &mut writes,
        NODE_PREFIX,
        nodes,
        &new.nodes,
        PartialEq::eq,
        |node| put_value(&node_record(node)),
    );
    let tasks = old.map(|old| &old.persistent_tasks);
    map_writes(
        &mut writes,
        TASK_PREFIX,
        tasks,
        &new.persistent_tasks,
        PartialEq::eq,
        |task| put_value(&task_record(task)),
    );
    let customs = old.map(|old| old.customs.as_ref());
    map_writes(
        &mut writes,
        CUSTOM_PREFIX,
        customs,
        new.customs.as_ref(),
        PartialEq::eq,
        put_value,
    );
    data_stream_writes(
        &mut writes,
        old.map(|old| old.data_streams.as_ref()),
        &new.data_streams,
    );
    template_writes(&mut writes, old.map(|old| old.templates.as_ref()), &new.templates);
    writes
}

pub(crate) fn map_writes<K: Ord + std::fmt::Display, V>(
    writes: &mut Vec<Write>,
    prefix: &str,
    old: Option<&BTreeMap<K, V>>,
    new: &BTreeMap<K, V>,
    same: impl Fn(&V, &V) -> bool,
    encode: impl Fn(&V) -> Vec<u8>,
) {
    for (key, value) in new {
        let held = old.and_then(|old| old.get(key));
        if held.is_none_or(|held| !same(held, value)) {
            writes.push(Write::Put {
                key: format!("{prefix}{key}"),
                value: encode(value),
            });
        }
    }
    for key in old
        .into_iter()
        .flat_map(BTreeMap::keys)
        .filter(|key| !new.contains_key(key))
    {
        writes.push(Write::Delete {
            key: format!("{prefix}{key}"),
        });
    }
}

/// The state that `records` hold; `None` if there is none yet.
pub(crate) fn read(records: &[(String, Record)]) -> Result<Option<ClusterState>, RecordError> {
    let Some((_, stored)) = records.iter().find(|(key, _)| key == HEADER_KEY) else {
        return match records.first() {
            Some((key, _)) => Err(RecordError::UnknownKey { key: key.clone() }),
            None => Ok(None),
        };
    };
    // The format is read by itself first: a newer header may have fields that this version would only call malformed.
    let FormatOnly { format } = parse(HEADER_KEY, &stored.value)?;
    if format != FORMAT {
        return Err(RecordError::NewerFormat { found: format });
    }
    let header: HeaderRecord = parse(HEADER_KEY, &stored.value)?;
    let mut state = ClusterState::new(header.cluster_name, header.cluster_uuid);
    state.version = header.version;
    state.metadata_version = header.metadata_version;
    state.master_node_id = header.master_node_id;
    state.last_allocation_id = header.last_allocation_id;
    let mut templates = StoredTemplates::default();
    for (key, record) in records.iter().filter(|(key, _)| key != HEADER_KEY) {
        let streams = Arc::make_mut(&mut state.data_streams);
        if !templates.read(key, &record.value)? && !read_data_stream(streams, key, &record.value)? {
            read_record(&mut state, key, &record.value)?;
        }
    }
    state.templates = templates.finish();
    Ok(Some(state))
}

fn read_record(state: &mut ClusterState, key: &str, value: &[u8]) -> Result<(), RecordError> {
    if let Some(name) = key.strip_prefix(INDEX_PREFIX) {
        let index = index_metadata(name, key, parse(key, value)?)?;
        state.indices.insert(name.to_owned(), Arc::new(index));
    } else if let Some(id) = key.strip_prefix(NODE_PREFIX) {
        let id: NodeId = id.parse().map_err(|error| malformed(key, error))?;
        let NodeRecord {
            name,
            transport_address,
            http_address,
        } = parse(key, value)?;
        state.nodes.insert(
            id.clone(),
            NodeMetadata {
                id,
                name,
                transport_address,
                http_address,
            },
        );
    } else if let Some(id) = key.strip_prefix(TASK_PREFIX) {
        let TaskRecord {
            task_name,
            params,
            allocation_id,
        } = parse(key, value)?;
        let task = PersistentTask {
            id: id.to_owned(),
            task_name,
            params,
            allocation_id,
        };
        state.persistent_tasks.insert(id.to_owned(), task);
    } else if let Some(name) = key.strip_prefix(CUSTOM_PREFIX) {
        Arc::make_mut(&mut state.customs).insert(name.to_owned(), parse(key, value)?);
    } else if key == GRAVEYARD_KEY {
        let tombstones: Vec<TombstoneRecord> = parse(key, value)?;
        let tombstone = |record: TombstoneRecord| IndexTombstone {
            name: record.name,
            uuid: record.uuid,
            deleted_at: record.deleted_at,
        };
        state.index_graveyard = tombstones.into_iter().map(tombstone).collect();
    } else if key == PERSISTENT_SETTINGS_KEY {
        state.persistent_settings = settings(key, &parse(key, value)?)?;
    } else if key == TRANSIENT_SETTINGS_KEY {
        state.transient_settings = settings(key, &parse(key, value)?)?;
    } else {
        return Err(RecordError::UnknownKey { key: key.to_owned() });
    }
    Ok(())
}

fn header(state: &ClusterState) -> HeaderRecord {
    HeaderRecord {
        format: FORMAT,
        cluster_uuid: state.cluster_uuid.clone(),
        cluster_name: state.cluster_name.clone(),
        version: state.version,
        metadata_version: state.metadata_version,
        master_node_id: state.master_node_id.clone(),
        last_allocation_id: state.last_allocation_id,
    }
}

fn tombstone(tombstone: &IndexTombstone) -> TombstoneRecord {
    TombstoneRecord {
        name: tombstone.name.clone(),
        uuid: tombstone.uuid.clone(),
        deleted_at: tombstone.deleted_at,
    }
}

fn node_record(node: &NodeMetadata) -> NodeRecord {
    NodeRecord {
        name: node.name.clone(),
        transport_address: node.transport_address.clone(),
        http_address: node.http_address.clone(),
    }
}

fn task_record(task: &PersistentTask) -> TaskRecord {
    TaskRecord {
        task_name: task.task_name.clone(),
        params: task.params.clone(),
        allocation_id: task.allocation_id,
    }
}

fn index_record(index: &Arc<IndexMetadata>) -> IndexRecord {
    IndexRecord {
        uuid: index.uuid.clone(),
        state: match index.state {
            IndexState::Open => StateRecord::Open,
            IndexState::Close => StateRecord::Close,
        },
        version: index.version,
        mapping_version: index.mapping_version,
        settings_version: index.settings_version,
        aliases_version: index.aliases_version,
        settings: index.settings.to_flat_json(),
        mapping: index.mapping.to_json(),
        aliases: index.aliases.clone(),
        creation_date: index.creation_date,
        number_of_shards: index.number_of_shards,
        number_of_routing_shards: index.number_of_routing_shards,
        custom: index.custom.clone(),
        primary_terms: index.primary_terms.clone(),
        in_sync_shards: index.in_sync_shards.clone(),
        recovering: index.recovering,
    }
}

fn index_metadata(name: &str, key: &str, record: IndexRecord) -> Result<IndexMetadata, RecordError> {
    Ok(IndexMetadata {
        name: name.to_owned(),
        uuid: record.uuid,
        state: match record.state {
            StateRecord::Open => IndexState::Open,
            StateRecord::Close => IndexState::Close,
        },
        version: record.version,
        mapping_version: record.mapping_version,
        settings_version: record.settings_version,
        aliases_version: record.aliases_version,
        settings: settings(key, &record.settings)?,
        mapping: Arc::new(Mapping::from_json(&record.mapping).map_err(|error| malformed(key, error))?),
        aliases: record.aliases,
        creation_date: record.creation_date,
        number_of_shards: record.number_of_shards,
        number_of_routing_shards: record.number_of_routing_shards,
        custom: record.custom,
        primary_terms: record.primary_terms,
        in_sync_shards: record.in_sync_shards,
        recovering: record.recovering,
    })
}

fn settings(key: &str, value: &Value) -> Result<Settings, RecordError> {
    Settings::from_json(value).map_err(|error| malformed(key, error))
}

pub(crate) fn parse<T: serde::de::DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, RecordError> {
    serde_json::from_slice(value).map_err(|error| malformed(key, error))
}

pub(crate) fn malformed(key: &str, source: impl std::error::Error + Send + Sync + 'static) -> RecordError {
    RecordError::Malformed {
        key: key.to_owned(),
        source: Box::new(source),
    }
}

fn put(key: String, value: &impl Serialize) -> Write {
    Write::Put {
        key,
        value: put_value(value),
    }
}

pub(crate) fn put_value(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("records have string keys and values that JSON can hold")
}
