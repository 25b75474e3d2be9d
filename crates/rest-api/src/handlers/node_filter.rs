//! Which nodes a request names: ids, names, addresses, `_all`, `_local`, `_master`, and rules about roles.

use cluster::{ClusterState, NodeMetadata};

use super::recovery::host;
use crate::wildcard::matches;

/// The roles of every node: each does everything.
pub(crate) const ROLES: [&str; 4] = ["data", "ingest", "master", "remote_cluster_client"];

/// The nodes of `state` that a list names, as `local` sees them; an empty list names all of them. A node that does not exist is no error.
///
/// Source: Elasticsearch's node specification, which is read from left to right and may take nodes away again (`master:false`).
pub(crate) fn selected<'a>(
    state: &'a ClusterState,
    local: &NodeMetadata,
    wanted: &[&str],
) -> Vec<&'a NodeMetadata> {
    let nodes = state.nodes.values();
    nodes
        .filter(|node| {
            let is_master = state.master_node_id.as_ref() == Some(&node.id);
            wanted.is_empty()
                || wanted.iter().fold(false, |chosen, part| {
                    choose(chosen, part, node, is_master, node.id == local.id)
                })
        })
        .collect()
}

fn choose(chosen: bool, part: &str, node: &NodeMetadata, is_master: bool, is_local: bool) -> bool {
    if let Some((rule, value)) = part.split_once(':')
        && (ROLES.contains(&rule) || ["ml", "voting_only", "transform", "coordinating_only"].contains(&rule))
    {
        let has_role = ROLES.contains(&rule);
        return match value {
            "true" => chosen || has_role,
            "false" => chosen && !has_role,
            _ => chosen,
        };
    }
    chosen
        || match part {
            "_all" => true,
            "_local" => is_local,
            "_master" => is_master,
            _ => {
                matches(part, node.id.as_str())
                    || matches(part, &node.name)
                    || host(node).is_some_and(|host| matches(part, host))
                    || node
                        .transport_address
                        .as_deref()
                        .is_some_and(|address| matches(part, address))
            }
        }
}

#[cfg(test)]
mod tests {
    use cluster::NodeId;

    use super::*;

    #[test]
    fn nodes_are_named_by_id_name_address_and_role() {
        let node = NodeMetadata {
            id: "abc".parse::<NodeId>().expect("well-formed"),
            name: "node-1".to_owned(),
            transport_address: Some("10.0.0.1:9300".to_owned()),
            http_address: None,
        };
        let cases = [
            ("_all", true),
            ("_local", true),
            ("_master", false),
            ("abc", true),
            ("node-*", true),
            ("10.0.*", true),
            ("10.0.0.1:9300", true),
            ("other", false),
            ("master:true", true),
            ("_all,data:false", false),
            ("data:false,abc", true),
            ("ml:true", false),
        ];
        for (text, expected) in cases {
            let chosen = text
                .split(',')
                .fold(false, |chosen, part| choose(chosen, part, &node, false, true));
            assert_eq!(chosen, expected, "{text}");
        }
    }
}
