//! The handshake: who is who.

use super::Fields;
use crate::{InvalidMessage, proto};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeRequest {
    /// Name of the caller's cluster.
    pub cluster_name: String,
    /// UUID of the caller's cluster.
    pub cluster_uuid: String,
    /// Id of the calling node.
    pub node_id: String,
    /// Name of the calling node.
    pub node_name: String,
    /// Release of the caller's software, for people.
    pub version: String,
    /// Lowest protocol version that the caller speaks.
    pub min_protocol_version: u32,
    /// Highest protocol version that the caller speaks.
    pub max_protocol_version: u32,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeResponse {
    /// Name of the answering cluster.
    pub cluster_name: String,
    /// UUID of the answering cluster.
    pub cluster_uuid: String,
    /// Id of the answering node.
    pub node_id: String,
    /// Name of the answering node.
    pub node_name: String,
    /// Release of the answering node's software, for people.
    pub version: String,
    /// The protocol version that both speak; set by the server.
    pub protocol_version: u32,
    /// The nodes of the answering cluster that take connections from other clusters.
    pub nodes: Vec<RemoteNode>,
}

/// A node that takes connections from other clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteNode {
    /// Id, unique in its cluster.
    pub node_id: String,
    /// Name, for people.
    pub node_name: String,
    /// `host:port`.
    pub transport_address: String,
}

impl TryFrom<proto::HandshakeRequest> for HandshakeRequest {
    type Error = InvalidMessage;

    fn try_from(wire: proto::HandshakeRequest) -> Result<Self, InvalidMessage> {
        let fields = Fields("HandshakeRequest");
        if wire.min_protocol_version == 0 {
            return Err(fields.invalid("min_protocol_version", "must be at least 1"));
        }
        if wire.max_protocol_version < wire.min_protocol_version {
            let problem = format!(
                "{} is below the lowest, {}",
                wire.max_protocol_version, wire.min_protocol_version
            );
            return Err(fields.invalid("max_protocol_version", problem));
        }
        Ok(Self {
            cluster_name: wire.cluster_name,
            cluster_uuid: wire.cluster_uuid,
            node_id: wire.node_id,
            node_name: wire.node_name,
            version: wire.version,
            min_protocol_version: wire.min_protocol_version,
            max_protocol_version: wire.max_protocol_version,
        })
    }
}

impl From<HandshakeRequest> for proto::HandshakeRequest {
    fn from(request: HandshakeRequest) -> Self {
        Self {
            min_protocol_version: request.min_protocol_version,
            max_protocol_version: request.max_protocol_version,
            cluster_name: request.cluster_name,
            cluster_uuid: request.cluster_uuid,
            node_id: request.node_id,
            node_name: request.node_name,
            version: request.version,
        }
    }
}

impl TryFrom<proto::HandshakeResponse> for HandshakeResponse {
    type Error = InvalidMessage;

    fn try_from(wire: proto::HandshakeResponse) -> Result<Self, InvalidMessage> {
        let fields = Fields("HandshakeResponse");
        if wire.protocol_version == 0 {
            return Err(fields.invalid("protocol_version", "must be at least 1"));
        }
        Ok(Self {
            cluster_name: fields.not_empty("cluster_name", wire.cluster_name)?,
            cluster_uuid: fields.not_empty("cluster_uuid", wire.cluster_uuid)?,
            node_id: fields.not_empty("node_id", wire.node_id)?,
            node_name: wire.node_name,
            version: wire.version,
            protocol_version: wire.protocol_version,
            nodes: wire
                .nodes
                .into_iter()
                .map(RemoteNode::try_from)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<HandshakeResponse> for proto::HandshakeResponse {
    fn from(response: HandshakeResponse) -> Self {
        Self {
            cluster_name: response.cluster_name,
            cluster_uuid: response.cluster_uuid,
            node_id: response.node_id,
            node_name: response.node_name,
            version: response.version,
            protocol_version: response.protocol_version,
            nodes: response.nodes.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<proto::RemoteNode> for RemoteNode {
    type Error = InvalidMessage;

    fn try_from(wire: proto::RemoteNode) -> Result<Self, InvalidMessage> {
        let fields = Fields("RemoteNode");
        Ok(Self {
            node_id: fields.not_empty("node_id", wire.node_id)?,
            node_name: wire.node_name,
            transport_address: fields.not_empty("transport_address", wire.transport_address)?,
        })
    }
}

impl From<RemoteNode> for proto::RemoteNode {
    fn from(node: RemoteNode) -> Self {
        Self {
            node_id: node.node_id,
            node_name: node.node_name,
            transport_address: node.transport_address,
        }
    }
}
