//! Creates, deletes, rolls over and promotes data streams, and puts replicated backing indices into them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use index_meta::{BackingIndexTemplate, DataStream, backing_index_name};
use oplog::{IndexUuid, UnixMillis};
use serde_json::Value;

use super::create_index::{CreateIndexChange, create_index};
use super::delete_index::remove_index;
use super::new_index::check_composed;
use crate::block::check_delete_block;
use crate::name::validate_data_stream_name;
use crate::state::ClusterState;

/// What the caller generates for a backing index.
#[derive(Debug, Clone)]
pub struct NewBackingIndex {
    /// Its identity.
    pub uuid: IndexUuid,
    /// When it is created; its name has the day.
    pub created_at: UnixMillis,
}

/// The data stream that a replicated backing index belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicatedStream {
    /// Its name in this cluster.
    pub name: String,
    /// The generation of the leader's.
    pub generation: u64,
    /// Whether wildcards pass it over.
    pub hidden: bool,
    /// Whether its documents may have a routing of their own.
    pub allow_custom_routing: bool,
    /// What the leader's notes, a JSON object.
    pub metadata: Option<Value>,
}

/// Adds the data stream `name` with its first backing index, made of the template that applies. Answers the name of the index.
///
/// # Errors
/// `resource_already_exists_exception`; `illegal_argument_exception` for a name that cannot be or is taken, or without a template of data streams.
pub fn create_data_stream(
    state: &ClusterState,
    name: &str,
    new: &NewBackingIndex,
) -> Result<(ClusterState, String), Exception> {
    if state.data_streams.contains_key(name) {
        let reason = format!("data_stream [{name}] already exists");
        return Err(Exception::new(ExceptionKind::ResourceAlreadyExists, reason));
    }
    check_stream_name(state, name)?;
    let template = template_of(state, name)?;
    let index = backing_index_name(name, 1, new.created_at.get());
    let stream = DataStream {
        generation: 1,
        older: Vec::new(),
        write_index: index.clone(),
        hidden: template.data_stream.hidden,
        allow_custom_routing: template.data_stream.allow_custom_routing,
        replicated: false,
        metadata: template.metadata.clone(),
    };
    let next = create_index(state, &backing_index(index.clone(), template, new)?)?;
    Ok((next.with_data_stream(name, stream), index))
}

/// Adds a backing index of the next generation to the stream `name`, which takes the writes from now on. Answers its name and that of the former one.
///
/// # Errors
/// `illegal_argument_exception` for a stream that is replicated or without a template of data streams; `index_not_found_exception`.
pub(super) fn roll_over_stream(
    state: &ClusterState,
    name: &str,
    new: &NewBackingIndex,
) -> Result<(ClusterState, String, String), Exception> {
    let stream = require_stream(state, name)?;
    if stream.replicated {
        return Err(Exception::illegal_argument(format!(
            "data stream [{name}] cannot be rolled over, because it is a replicated data stream; roll it over in the cluster of its leader, or \
             promote it first"
        )));
    }
    let template = template_of(state, name)?;
    let is_taken =
        |index: &str| state.index(index).is_some() || state.indices_with_alias(index).next().is_some();
    let (index, generation) = stream.next(name, new.created_at.get(), is_taken);
    let next = create_index(state, &backing_index(index.clone(), template, new)?)?;
    let rolled_over = stream.rolled_over(index.clone(), generation);
    Ok((
        next.with_data_stream(name, rolled_over),
        index,
        stream.write_index.clone(),
    ))
}

/// Removes the data streams `names` and their backing indices.
///
/// # Errors
/// `index_not_found_exception`; `cluster_block_exception` for a block on the metadata of a backing index.
pub fn delete_data_streams(
    state: &ClusterState,
    names: &[String],
    now: UnixMillis,
) -> Result<ClusterState, Exception> {
    let mut next = state.clone();
    for name in names {
        for index in require_stream(state, name)?.indices() {
            if let Some(index) = state.index(index) {
                check_delete_block(index)?;
            }
            remove_index(&mut next, index, now);
        }
        Arc::make_mut(&mut next.data_streams).remove(name);
    }
    Ok(next)
}

/// Makes the replicated stream `name` one of this cluster's own: it can be rolled over from now on. One that is so already stays as it is.
///
/// # Errors
/// `resource_not_found_exception`.
pub fn promote_data_stream(state: &ClusterState, name: &str) -> Result<ClusterState, Exception> {
    let Some(stream) = state.data_streams.get(name) else {
        let reason = format!("data stream [{name}] does not exist");
        return Err(Exception::new(ExceptionKind::ResourceNotFound, reason));
    };
    Ok(state.with_data_stream(name, stream.promoted()))
}

/// Puts the replicated index `index`, which is in `state` already, into its stream, and creates that if there is none.
///
/// # Errors
/// `illegal_argument_exception` if a stream of this name is not replicated, or the name cannot be or is taken.
///
/// Source: how Elasticsearch follows a backing index.
pub fn join_replicated_stream(
    state: &ClusterState,
    index: &str,
    leader: &ReplicatedStream,
) -> Result<ClusterState, Exception> {
    let name = leader.name.as_str();
    if let Some((other, _)) = state.data_stream_of(index).filter(|(other, _)| *other != name) {
        return Err(Exception::illegal_argument(format!(
            "cannot put the index [{index}] into the data stream [{name}], because it belongs to the data stream [{other}]"
        )));
    }
    let stream = match state.data_streams.get(name) {
        Some(stream) if !stream.replicated => {
            return Err(Exception::illegal_argument(format!(
                "cannot follow backing index [{index}], because local data stream [{name}] is not a replicated data stream"
            )));
        }
        Some(stream) => stream.with_replicated(name, index, leader.generation),
        None => {
            check_stream_name(state, name)?;
            DataStream {
                generation: leader.generation,
                older: Vec::new(),
                write_index: index.to_owned(),
                hidden: leader.hidden,
                allow_custom_routing: leader.allow_custom_routing,
                replicated: true,
                metadata: leader.metadata.clone(),
            }
        }
    };
    Ok(state.with_data_stream(name, stream))
}

/// Fails if no data stream may be created under `name`.
fn check_stream_name(state: &ClusterState, name: &str) -> Result<(), Exception> {
    validate_data_stream_name(name)?;
    let taken_by = if state.index(name).is_some() {
        "an index"
    } else if state.indices_with_alias(name).next().is_some() {
        "an alias"
    } else {
        return Ok(());
    };
    Err(Exception::illegal_argument(format!(
        "data stream [{name}] cannot be created: index, alias, and data stream names need to be unique, and {taken_by} has this name"
    )))
}

fn require_stream<'a>(state: &'a ClusterState, name: &str) -> Result<&'a Arc<DataStream>, Exception> {
    state
        .data_streams
        .get(name)
        .ok_or_else(|| Exception::index_not_found(name))
}

fn template_of(state: &ClusterState, name: &str) -> Result<BackingIndexTemplate, Exception> {
    state
        .templates
        .compose_backing_index(name)
        .map_err(|error| error.to_exception())
}

fn backing_index(
    name: String,
    template: BackingIndexTemplate,
    new: &NewBackingIndex,
) -> Result<CreateIndexChange, Exception> {
    let composition = template.composition;
    let mapping = composition
        .check()
        .map_err(|error| error.to_exception().with_index(&name))?;
    let change = CreateIndexChange {
        name,
        uuid: new.uuid.clone(),
        settings: composition.settings,
        mapping: Arc::new(mapping),
        aliases: BTreeMap::new(),
        creation_date: new.created_at,
        number_of_routing_shards: None,
        custom: BTreeMap::new(),
        recovering: false,
    };
    check_composed(&change)?;
    Ok(change)
}

/// The data streams of this cluster's own that have a template in `before` and none in `after`.
pub(super) fn without_template(before: &ClusterState, after: &ClusterState) -> BTreeSet<String> {
    let has_template = |state: &ClusterState, name: &str| state.templates.compose_backing_index(name).is_ok();
    before
        .data_streams
        .iter()
        .filter(|(_, stream)| !stream.replicated)
        .filter(|(name, _)| has_template(before, name) && !has_template(after, name))
        .map(|(name, _)| name.clone())
        .collect()
}

#[cfg(test)]
mod tests;
