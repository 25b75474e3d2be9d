//! Aliases, and what a follower changes to have its leader's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an alias carries besides its name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AliasMetadata {
    /// Query that searches through the alias are filtered by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Value>,
    /// Routing of writes through the alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_routing: Option<String>,
    /// Routing of searches through the alias, comma-separated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_routing: Option<String>,
    /// Whether writes through the alias go to this index; `None` if never said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_write_index: Option<bool>,
    /// Whether wildcards skip the alias; `None` if never said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_hidden: Option<bool>,
}

impl AliasMetadata {
    /// Whether both are the same to a follower, which ignores the write index.
    fn replicates_as(&self, other: &Self) -> bool {
        self.filter == other.filter
            && self.index_routing == other.index_routing
            && self.search_routing == other.search_routing
            && self.is_hidden == other.is_hidden
    }
}

/// One step that brings a follower's aliases in line with its leader's.
#[derive(Debug, Clone, PartialEq)]
pub enum AliasAction {
    /// Add the alias, or replace the one of this name.
    Add {
        /// Name of the alias.
        alias: String,
        /// What it carries; the write index is always `Some(false)`.
        metadata: AliasMetadata,
    },
    /// Remove the alias.
    Remove {
        /// Name of the alias.
        alias: String,
    },
}

/// The steps after which `follower` has the aliases of `leader`, by name; none if it has them already.
///
/// Source: CCR copies filter and routing and never the write index, which is false on a follower, so that nothing writes to it by
/// alias. The hidden flag is copied too: without it a hidden alias of the leader would answer wildcards on the follower.
#[must_use]
pub fn alias_sync_actions(
    leader: &BTreeMap<String, AliasMetadata>,
    follower: &BTreeMap<String, AliasMetadata>,
) -> Vec<AliasAction> {
    let removed = follower.keys().filter(|alias| !leader.contains_key(*alias));
    let mut actions: Vec<_> = removed
        .map(|alias| AliasAction::Remove { alias: alias.clone() })
        .collect();
    for (alias, metadata) in leader {
        if follower
            .get(alias)
            .is_some_and(|held| held.replicates_as(metadata))
        {
            continue;
        }
        let metadata = AliasMetadata {
            is_write_index: Some(false),
            ..metadata.clone()
        };
        actions.push(AliasAction::Add {
            alias: alias.clone(),
            metadata,
        });
    }
    actions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(routing: &str) -> AliasMetadata {
        AliasMetadata {
            index_routing: Some(routing.into()),
            is_write_index: Some(true),
            ..AliasMetadata::default()
        }
    }

    fn aliases(list: &[(&str, AliasMetadata)]) -> BTreeMap<String, AliasMetadata> {
        list.iter()
            .map(|(name, metadata)| ((*name).to_owned(), metadata.clone()))
            .collect()
    }

    #[test]
    fn aliases_are_added_replaced_and_removed_by_name() {
        let leader = aliases(&[
            ("new", routed("1")),
            ("changed", routed("2")),
            ("same", routed("3")),
        ]);
        let follower_same = AliasMetadata {
            is_write_index: Some(false),
            ..routed("3")
        };
        let follower = aliases(&[
            ("gone", routed("1")),
            ("changed", routed("1")),
            ("same", follower_same.clone()),
        ]);
        let follows = |routing| AliasMetadata {
            is_write_index: Some(false),
            ..routed(routing)
        };
        let expected = vec![
            AliasAction::Remove { alias: "gone".into() },
            AliasAction::Add {
                alias: "changed".into(),
                metadata: follows("2"),
            },
            AliasAction::Add {
                alias: "new".into(),
                metadata: follows("1"),
            },
        ];
        assert_eq!(alias_sync_actions(&leader, &follower), expected);

        let synced = aliases(&[
            ("new", follows("1")),
            ("changed", follows("2")),
            ("same", follower_same),
        ]);
        assert_eq!(alias_sync_actions(&leader, &synced), vec![]);
    }
}
