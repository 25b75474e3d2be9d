//! Nodes of the cluster: identity and addresses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest node id that is accepted.
const MAX_LEN: usize = 64;

/// The id of a node: it stays the same over restarts and address changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId(String);

impl NodeId {
    /// A new id, 22 characters of url-safe base64 over 16 random bytes as in Elasticsearch.
    #[must_use]
    pub fn generate() -> Self {
        Self(random_id())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 22 characters of url-safe base64 over 16 random bytes.
pub(crate) fn random_id() -> String {
    use base64::Engine as _;
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the operating system has a source of random bytes");
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<NodeId> for String {
    fn from(id: NodeId) -> Self {
        id.0
    }
}

impl TryFrom<String> for NodeId {
    type Error = InvalidNodeId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if text.is_empty() || text.len() > MAX_LEN || !text.bytes().all(known) {
            return Err(InvalidNodeId { text });
        }
        Ok(Self(text))
    }
}

impl FromStr for NodeId {
    type Err = InvalidNodeId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

/// A text that is no node id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[{text}] is not a node id: 1 to 64 characters of [A-Za-z0-9_-] are expected")]
pub struct InvalidNodeId {
    text: String,
}

/// What the cluster knows of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeMetadata {
    /// The node's id.
    pub id: NodeId,
    /// The node's name, for people.
    pub name: String,
    /// `host:port` of its gRPC services, once bound.
    pub transport_address: Option<String>,
    /// `host:port` of its REST services, once bound.
    pub http_address: Option<String>,
}

/// Who this node is, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalNode {
    /// The node's id. `None`: the one kept in the store, or a new one; right for an embedded store, which belongs to one node.
    pub id: Option<NodeId>,
    /// The node's name.
    pub name: String,
    /// The cluster's name (`cluster.name`).
    pub cluster_name: String,
}
