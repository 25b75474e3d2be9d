//! What other clusters may know of this cluster's metadata.

use std::sync::Arc;
use std::time::Duration;

use cluster::{ClusterState, IndexMetadata, IndexState, NodeMetadata};
use es_exception::{Exception, ExceptionKind};
use oplog::{ShardId, ShardNumber};
use transport::{
    ClusterMetadata, ClusterMetadataRequest, HandshakeResponse, IndexMetadataRequest, IndexSummary,
    RemoteDataStream, RemoteIndexMetadata, RemoteNode, RemoteShard,
};

use super::LeaderSide;
use crate::follower::origin::FollowerOrigin;

/// Who this node is, and which nodes a sniffing cluster may connect to.
pub(super) fn handshake(state: &ClusterState, local: &NodeMetadata) -> HandshakeResponse {
    let reachable = |node: &NodeMetadata| {
        let transport_address = node.transport_address.clone()?;
        Some(RemoteNode {
            node_id: node.id.to_string(),
            node_name: node.name.clone(),
            transport_address,
        })
    };
    HandshakeResponse {
        cluster_name: state.cluster_name.clone(),
        cluster_uuid: state.cluster_uuid.to_string(),
        node_id: local.id.to_string(),
        node_name: local.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        // The server negotiates the version and fills it in.
        protocol_version: 0,
        nodes: state.nodes.values().filter_map(reachable).collect(),
    }
}

/// The metadata of one index, once it is as new as asked for or the timeout has passed.
///
/// # Errors
/// Index not found; illegal argument where the name is that of an alias or a data stream.
pub(super) async fn index_metadata(
    side: &LeaderSide,
    request: IndexMetadataRequest,
) -> Result<RemoteIndexMetadata, Exception> {
    let state = wait_for(side, request.timeout, |state| {
        match state.indices.get(&request.index) {
            Some(index) => {
                Some(index.mapping_version) >= request.min_mapping_version
                    && Some(index.settings_version) >= request.min_settings_version
                    && Some(index.aliases_version) >= request.min_aliases_version
            }
            // A missing index will not become newer: answer at once.
            None => true,
        }
    })
    .await;
    let Some(index) = state.indices.get(&request.index) else {
        return Err(unknown_index(&state, &request.index));
    };
    describe(side, &state, index)
}

/// A list of all indices, once the metadata is newer than asked for or the timeout has passed.
pub(super) async fn cluster_metadata(
    side: &LeaderSide,
    request: ClusterMetadataRequest,
) -> Result<ClusterMetadata, Exception> {
    let wanted = request.wait_for_version;
    let state = wait_for(side, request.timeout, |state| {
        Some(state.metadata_version) >= wanted
    })
    .await;
    let streams = state.data_streams_by_index();
    let indices = state.indices.values().map(|index| IndexSummary {
        name: index.name.clone(),
        uuid: index.uuid.clone(),
        open: index.state == IndexState::Open,
        all_primaries_active: side.indices.started_shards(&index.uuid).len()
            == index.number_of_shards as usize,
        hidden: index.is_hidden(),
        system: false,
        data_stream: streams.get(index.name.as_str()).map(|name| (*name).to_owned()),
        // An origin that does not read belongs to no leader that could be known.
        leader_index_uuid: FollowerOrigin::read(index)
            .ok()
            .flatten()
            .map(|origin| origin.leader_index_uuid),
    });
    Ok(ClusterMetadata {
        metadata_version: state.metadata_version,
        indices: indices.collect(),
    })
}

/// The first cluster state that satisfies `reached`, or the current one when `timeout` passes.
async fn wait_for(
    side: &LeaderSide,
    timeout: Duration,
    mut reached: impl FnMut(&ClusterState) -> bool,
) -> Arc<ClusterState> {
    let mut watch = side.cluster.watch();
    let wait = async {
        // An error means that the cluster service is gone; then the last state is all there is.
        let _ = watch.wait_for(|state| reached(state)).await;
    };
    let _ = tokio::time::timeout(timeout, wait).await;
    side.cluster.state()
}

fn unknown_index(state: &ClusterState, name: &str) -> Exception {
    if state
        .indices
        .values()
        .any(|index| index.aliases.contains_key(name))
    {
        return Exception::illegal_argument(format!(
            "cannot follow [{name}], because it is an ALIAS; name the concrete index behind it"
        ));
    }
    if let Some(stream) = state.data_streams.get(name) {
        return Exception::illegal_argument(format!(
            "cannot follow [{name}], because it is a DATA_STREAM; follow its backing indices by name [{}], or by an auto-follow pattern that matches \
             the name of the data stream",
            stream.indices().map(String::as_str).collect::<Vec<_>>().join(",")
        ));
    }
    Exception::index_not_found(name)
}

fn describe(
    side: &LeaderSide,
    state: &ClusterState,
    index: &Arc<IndexMetadata>,
) -> Result<RemoteIndexMetadata, Exception> {
    let shards =
        (0..index.number_of_shards).map(|number| describe_shard(side, index, ShardNumber::new(number)));
    Ok(RemoteIndexMetadata {
        name: index.name.clone(),
        uuid: index.uuid.clone(),
        open: index.state == IndexState::Open,
        data_stream: state
            .data_stream_of(&index.name)
            .map(|(name, stream)| RemoteDataStream {
                name: name.to_owned(),
                generation: stream.generation,
                hidden: stream.hidden,
                allow_custom_routing: stream.allow_custom_routing,
                metadata: stream.metadata.as_ref().map(ToString::to_string),
            }),
        number_of_shards: index.number_of_shards,
        number_of_routing_shards: index.number_of_routing_shards,
        settings: index.settings.to_flat_json().to_string(),
        mapping: index.mapping.to_json().to_string(),
        aliases: serde_json::to_string(&index.aliases).map_err(|error| {
            Exception::new(
                ExceptionKind::IllegalState,
                format!("aliases of [{}] cannot be written: {error}", index.name),
            )
        })?,
        mapping_version: index.mapping_version,
        settings_version: index.settings_version,
        aliases_version: index.aliases_version,
        metadata_version: state.metadata_version,
        shards: shards.collect(),
    })
}

fn describe_shard(side: &LeaderSide, index: &IndexMetadata, number: ShardNumber) -> RemoteShard {
    let id = ShardId {
        index: index.uuid.clone(),
        shard: number,
    };
    match side.shard(&id) {
        Ok(shard) => RemoteShard {
            shard: number,
            history_uuid: Some(shard.log().history_uuid()),
            primary_active: true,
            global_checkpoint: shard.log().durable_checkpoint(),
            max_seq_no: shard.log().max_seq_no(),
            store_bytes: shard.stats().store_bytes,
        },
        Err(_not_serving) => RemoteShard {
            shard: number,
            history_uuid: None,
            primary_active: false,
            global_checkpoint: None,
            max_seq_no: None,
            store_bytes: 0,
        },
    }
}
