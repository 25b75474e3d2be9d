//! Cluster state: one immutable, versioned value, its transactional store, and the pure functions that change it.
//!
//! [`ClusterService`] holds the committed [`ClusterState`] and is the only way to change it: a change is a pure function of the state (see
//! [`change`]), committed by compare-and-set in a [`StateStore`], durable before it is published. Whoever waits for something in
//! the state (a mapping version, a started task) watches it.
//!
//! This crate deliberately does not know what a shard is made of, who follows whom, or how state is shown over HTTP. It runs no task by itself.
//!
//! Reading order: [`ClusterState`], [`IndexMetadata`], [`change`], [`ClusterService`], [`StateStore`], [`RedbStore`].
//!
//! Invariants:
//! - A state is visible only after it is durable, in order of versions.
//! - `version` grows with every change, `metadata_version` with every change of anything but nodes; each version of an index grows by one
//!   exactly when what it counts differs.
//! - Concurrent changes never lose each other: each is computed from the state that it replaces.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use std::sync::Arc;
//! use cluster::{ClusterService, LocalNode, RedbStore, change};
//! let directory = tempfile::tempdir()?;
//! let store = Arc::new(RedbStore::open(directory.path().join("state.redb"))?);
//! let local_node = LocalNode { id: None, name: "node-1".into(), cluster_name: "leader".into() };
//! let cluster = ClusterService::open(store, local_node).await?;
//! let task = change::NewPersistentTask { id: "1".into(), task_name: "follow".into(), params: serde_json::json!({}) };
//! cluster.update("start task", |state| Ok((change::put_persistent_task(state, task.clone())?, ()))).await?;
//! assert_eq!(cluster.state().persistent_tasks["1"].allocation_id, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
#![forbid(unsafe_code)]

mod block;
pub mod change;
mod check;
mod data_stream_record;
mod index_metadata;
mod name;
mod node;
mod origin;
mod patience;
mod pending;
mod record;
mod service;
mod state;
mod store;
mod task;
mod template_record;

pub use block::{BlockLevel, IndexBlock, blocks_of, check_block, check_delete_block, disk_full_exception};
pub use check::check_store;
pub use index_metadata::{
    FOLLOWING_INDEX_SETTING, IndexMetadata, IndexState, default_number_of_routing_shards,
};
pub use name::{validate_alias_name, validate_data_stream_name, validate_index_name};
pub use node::{InvalidNodeId, LocalNode, NodeId, NodeMetadata};
pub use origin::Origin;
pub use patience::Patience;
pub use pending::PendingTask;
pub use record::RecordError;
pub use service::{ClusterService, OpenError};
pub use state::{ClusterState, IndexTombstone};
pub use store::{
    Compare, Listing, Record, RedbStore, Revision, StateStore, StoreError, TransactionOutcome, Write,
};
pub use task::PersistentTask;
