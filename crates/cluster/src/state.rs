//! The cluster state: one immutable, versioned value.

use std::collections::BTreeMap;
use std::sync::Arc;

use es_exception::Exception;
use index_meta::{DataStream, Settings, Templates};
use oplog::{IndexUuid, UnixMillis};
use serde_json::Value;

use crate::index_metadata::IndexMetadata;
use crate::node::{NodeId, NodeMetadata};
use crate::task::PersistentTask;

/// How many deleted indices are remembered. Source: Elasticsearch's `cluster.indices.tombstones.size`.
const MAX_TOMBSTONES: usize = 500;

/// A deleted index. Kept so that a node that was down at the deletion knows that the data may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexTombstone {
    /// The name that the index had.
    pub name: String,
    /// The deleted index.
    pub uuid: IndexUuid,
    /// When it was deleted.
    pub deleted_at: UnixMillis,
}

/// Everything that all nodes of a cluster agree on. Changed only by committing a successor, see [`ClusterService::update`](crate::ClusterService::update).
#[derive(Debug, Clone)]
pub struct ClusterState {
    /// The cluster's identity.
    pub cluster_uuid: String,
    /// The cluster's name, as configured.
    pub cluster_name: String,
    /// Counts every committed change. Set by the commit.
    pub version: u64,
    /// Counts committed changes of anything but nodes. Set by the commit.
    pub metadata_version: u64,
    /// The node that coordinates changes.
    pub master_node_id: Option<NodeId>,
    /// Known nodes by id.
    pub nodes: BTreeMap<NodeId, NodeMetadata>,
    /// Indices by name.
    pub indices: BTreeMap<String, Arc<IndexMetadata>>,
    /// Data streams by name. Each of their backing indices is in [`indices`](Self::indices), and backs no other stream.
    pub data_streams: Arc<BTreeMap<String, Arc<DataStream>>>,
    /// Cluster settings that survive a full restart.
    pub persistent_settings: Settings,
    /// Cluster settings that are gone after a full restart; they win over the persistent ones.
    pub transient_settings: Settings,
    /// Persistent tasks by id.
    pub persistent_tasks: BTreeMap<String, PersistentTask>,
    /// The newest allocation id that was given to a persistent task; never goes back.
    pub last_allocation_id: u64,
    /// What indices that users create get when their names match.
    pub templates: Arc<Templates>,
    /// What higher layers keep here, by `<kind>/<name>`; opaque to this one.
    pub customs: Arc<BTreeMap<String, Value>>,
    /// Deleted indices, oldest first.
    pub index_graveyard: Vec<IndexTombstone>,
}

impl ClusterState {
    /// The state of a new cluster.
    #[must_use]
    pub fn new(cluster_name: impl Into<String>, cluster_uuid: impl Into<String>) -> Self {
        Self {
            cluster_uuid: cluster_uuid.into(),
            cluster_name: cluster_name.into(),
            version: 0,
            metadata_version: 0,
            master_node_id: None,
            nodes: BTreeMap::new(),
            indices: BTreeMap::new(),
            data_streams: Arc::default(),
            persistent_settings: Settings::default(),
            transient_settings: Settings::default(),
            persistent_tasks: BTreeMap::new(),
            last_allocation_id: 0,
            templates: Arc::default(),
            customs: Arc::default(),
            index_graveyard: Vec::new(),
        }
    }

    /// The index called `name`. Aliases are not looked at.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<&Arc<IndexMetadata>> {
        self.indices.get(name)
    }

    /// The index called `name`.
    ///
    /// # Errors
    /// `index_not_found_exception`.
    pub fn require_index(&self, name: &str) -> Result<&Arc<IndexMetadata>, Exception> {
        self.index(name).ok_or_else(|| Exception::index_not_found(name))
    }

    /// The index with this identity.
    #[must_use]
    pub fn index_by_uuid(&self, uuid: &IndexUuid) -> Option<&Arc<IndexMetadata>> {
        self.indices.values().find(|index| index.uuid == *uuid)
    }

    /// Whether a persistent task works for a shard of this index. Source: such a task is named `{uuid of the index}-{number of the shard}`.
    #[must_use]
    pub fn has_tasks_of(&self, uuid: &IndexUuid) -> bool {
        let prefix = format!("{uuid}-");
        let after = self.persistent_tasks.range(prefix.clone()..);
        after
            .map(|(id, _)| id)
            .next()
            .is_some_and(|id| id.starts_with(&prefix))
    }

    /// The indices that have the alias `alias`, by name.
    pub fn indices_with_alias<'a>(&'a self, alias: &'a str) -> impl Iterator<Item = &'a Arc<IndexMetadata>> {
        self.indices
            .values()
            .filter(move |index| index.aliases.contains_key(alias))
    }

    /// The data stream that the index backs, with its name.
    #[must_use]
    pub fn data_stream_of(&self, index: &str) -> Option<(&str, &Arc<DataStream>)> {
        let mut streams = self.data_streams.iter();
        streams
            .find(|(_, stream)| stream.contains(index))
            .map(|(name, stream)| (name.as_str(), stream))
    }

    /// The name of the data stream of each backing index.
    #[must_use]
    pub fn data_streams_by_index(&self) -> BTreeMap<&str, &str> {
        self.data_streams
            .iter()
            .flat_map(|(name, stream)| stream.indices().map(move |index| (index.as_str(), name.as_str())))
            .collect()
    }

    /// A cluster setting: the transient value, else the persistent one.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.transient_settings
            .get_str(key)
            .or_else(|| self.persistent_settings.get_str(key))
    }

    /// This state with `index` in place of the one of the same name, its versions advanced, or added.
    #[must_use]
    pub fn with_index(&self, index: IndexMetadata) -> Self {
        let mut next = self.clone();
        next.put_index(index);
        next
    }

    /// This state with the index `name` changed by `change`.
    ///
    /// # Errors
    /// `index_not_found_exception`, or what `change` refuses.
    pub fn modify_index(
        &self,
        name: &str,
        change: impl FnOnce(&mut IndexMetadata) -> Result<(), Exception>,
    ) -> Result<Self, Exception> {
        let mut index = IndexMetadata::clone(self.require_index(name)?);
        change(&mut index)?;
        Ok(self.with_index(index))
    }

    /// This state with the data stream `name` put there or replaced.
    #[must_use]
    pub(crate) fn with_data_stream(&self, name: &str, stream: DataStream) -> Self {
        let mut next = self.clone();
        if next.data_streams.get(name).is_none_or(|held| **held != stream) {
            Arc::make_mut(&mut next.data_streams).insert(name.to_owned(), Arc::new(stream));
        }
        next
    }

    pub(crate) fn put_index(&mut self, index: IndexMetadata) {
        let index = match self.indices.get(&index.name) {
            Some(previous) if previous.uuid == index.uuid => {
                if previous.same_content(&index) {
                    return;
                }
                index.succeeding(previous)
            }
            _ => index,
        };
        self.indices.insert(index.name.clone(), Arc::new(index));
    }

    pub(crate) fn bury(&mut self, tombstone: IndexTombstone) {
        self.index_graveyard.push(tombstone);
        let surplus = self.index_graveyard.len().saturating_sub(MAX_TOMBSTONES);
        self.index_graveyard.drain(..surplus);
    }

    /// Sets all versions to those that follow from `committed`; `None` if nothing differs.
    pub(crate) fn succeeding(mut self, committed: &Self) -> Option<Self> {
        for (name, index) in &mut self.indices {
            let Some(previous) = committed.indices.get(name) else {
                continue;
            };
            if previous.uuid != index.uuid || Arc::ptr_eq(previous, index) {
                continue;
            }
            *index = if previous.same_content(index) {
                Arc::clone(previous)
            } else {
                Arc::new(IndexMetadata::clone(index).succeeding(previous))
            };
        }
        let metadata_changed = !self.same_metadata(committed);
        let nodes_changed = self.nodes != committed.nodes || self.master_node_id != committed.master_node_id;
        self.version = committed.version + 1;
        self.metadata_version = committed.metadata_version + u64::from(metadata_changed);
        (metadata_changed || nodes_changed).then_some(self)
    }

    fn same_metadata(&self, other: &Self) -> bool {
        self.cluster_uuid == other.cluster_uuid
            && self.cluster_name == other.cluster_name
            && self.indices.len() == other.indices.len()
            && self
                .indices
                .values()
                .zip(other.indices.values())
                .all(|(left, right)| Arc::ptr_eq(left, right))
            && (Arc::ptr_eq(&self.data_streams, &other.data_streams)
                || self.data_streams == other.data_streams)
            && self.persistent_settings == other.persistent_settings
            && self.transient_settings == other.transient_settings
            && self.persistent_tasks == other.persistent_tasks
            && self.last_allocation_id == other.last_allocation_id
            && self.index_graveyard == other.index_graveyard
            && (Arc::ptr_eq(&self.templates, &other.templates) || self.templates == other.templates)
            && (Arc::ptr_eq(&self.customs, &other.customs) || self.customs == other.customs)
    }
}
