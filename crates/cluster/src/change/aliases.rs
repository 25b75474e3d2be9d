//! Adds and removes aliases.

use es_exception::{Exception, ExceptionKind};
use index_meta::{AliasAction, AliasMetadata};

use super::delete_index::{check_deletable, remove_index};
use crate::block::{BlockLevel, check_block};
use crate::name::validate_alias_name;
use crate::origin::{Origin, check_not_replicated};
use crate::state::ClusterState;

/// One step of a change of aliases; all steps take effect together.
#[derive(Debug, Clone, PartialEq)]
pub enum AliasChange {
    /// Adds the alias to the index, or replaces it.
    Add {
        /// Name of the index.
        index: String,
        /// Name of the alias.
        alias: String,
        /// What the alias carries.
        metadata: AliasMetadata,
    },
    /// Removes the alias from the index.
    Remove {
        /// Name of the index.
        index: String,
        /// Name of the alias.
        alias: String,
        /// Fail if the index does not have the alias.
        must_exist: bool,
    },
    /// Deletes the index, typically to make room for an alias of its name.
    RemoveIndex {
        /// Name of the index.
        index: String,
    },
}

impl AliasChange {
    /// The step of a sync, for the index `index`.
    #[must_use]
    pub fn from_action(index: &str, action: AliasAction) -> Self {
        let index = index.to_owned();
        match action {
            AliasAction::Add { alias, metadata } => Self::Add {
                index,
                alias,
                metadata,
            },
            AliasAction::Remove { alias } => Self::Remove {
                index,
                alias,
                must_exist: false,
            },
        }
    }

    /// The index that is changed.
    #[must_use]
    pub fn index(&self) -> &str {
        match self {
            Self::Add { index, .. } | Self::Remove { index, .. } | Self::RemoveIndex { index } => index,
        }
    }
}

/// Applies all `changes`, or none.
///
/// # Errors
/// `index_not_found_exception`, `aliases_not_found_exception`, `invalid_alias_name_exception`; 403 for a follower unless `origin` is replication;
/// `cluster_block_exception`; `illegal_argument_exception` if an alias would have two write indices.
pub fn update_aliases(
    state: &ClusterState,
    changes: &[AliasChange],
    origin: Origin,
    now: oplog::UnixMillis,
) -> Result<ClusterState, Exception> {
    let mut next = state.clone();
    // Deletions come first, so that an alias may take the name of an index that is removed in the same request.
    for change in changes {
        if let AliasChange::RemoveIndex { index } = change {
            check_deletable(state, index)?;
            remove_index(&mut next, index, now);
        }
    }
    for change in changes {
        if matches!(change, AliasChange::RemoveIndex { .. }) {
            continue;
        }
        let index = next.require_index(change.index())?;
        check_not_replicated(index, origin, "change aliases")?;
        if origin == Origin::User {
            check_block(index, BlockLevel::MetadataWrite)?;
            check_no_backing_index(&next, change)?;
        }
        next = apply(&next, change)?;
    }
    for change in changes {
        if let AliasChange::Add { alias, .. } = change {
            check_one_write_index(&next, alias)?;
            if origin == Origin::User {
                check_same_hidden(&next, alias)?;
            }
        }
    }
    Ok(next)
}

/// Source: Elasticsearch's backing indices have no aliases; those of data streams, which it has, are not supported here.
fn check_no_backing_index(state: &ClusterState, change: &AliasChange) -> Result<(), Exception> {
    let AliasChange::Add { index, .. } = change else {
        return Ok(());
    };
    match state.data_stream_of(index) {
        None => Ok(()),
        Some((stream, _)) => Err(Exception::illegal_argument(format!(
            "the index [{index}] is a backing index of data stream [{stream}]: backing indices don't support aliases, and aliases of data streams \
             are not supported; name the data stream itself"
        ))),
    }
}

fn apply(state: &ClusterState, change: &AliasChange) -> Result<ClusterState, Exception> {
    match change {
        AliasChange::Add {
            index,
            alias,
            metadata,
        } => {
            validate_alias_name(alias, index)?;
            check_not_an_index(state, alias, index)?;
            state.modify_index(index, |index| {
                index.aliases.insert(alias.clone(), metadata.clone());
                Ok(())
            })
        }
        AliasChange::Remove {
            index,
            alias,
            must_exist,
        } => state.modify_index(index, |index| {
            if index.aliases.remove(alias).is_none() && *must_exist {
                let reason = format!("aliases [{alias}] missing");
                return Err(Exception::new(ExceptionKind::AliasesNotFound, reason));
            }
            Ok(())
        }),
        AliasChange::RemoveIndex { .. } => Ok(state.clone()),
    }
}

/// Fails if `alias` is the name of an index or of a data stream.
pub(super) fn check_not_an_index(state: &ClusterState, alias: &str, index: &str) -> Result<(), Exception> {
    if state.index(alias).is_none() && !state.data_streams.contains_key(alias) && alias != index {
        return Ok(());
    }
    let reason = format!(
        "Invalid alias name [{alias}]: an index or data stream exists with the same name as the alias"
    );
    Err(Exception::new(ExceptionKind::InvalidAliasName, reason).with_index(index))
}

/// Fails if `alias` has more than one write index.
pub(super) fn check_one_write_index(state: &ClusterState, alias: &str) -> Result<(), Exception> {
    let is_write = |index: &&std::sync::Arc<crate::IndexMetadata>| {
        index
            .aliases
            .get(alias)
            .is_some_and(|metadata| metadata.is_write_index == Some(true))
    };
    let names: Vec<_> = state
        .indices_with_alias(alias)
        .filter(is_write)
        .map(|index| index.name.clone())
        .collect();
    if names.len() < 2 {
        return Ok(());
    }
    let reason = format!(
        "alias [{alias}] has more than one write index [{}]",
        names.join(",")
    );
    Err(Exception::new(ExceptionKind::IllegalState, reason))
}

/// Fails if `alias` is hidden on some of its indices only. Source: wildcards take it or leave it as a whole.
pub(super) fn check_same_hidden(state: &ClusterState, alias: &str) -> Result<(), Exception> {
    let is_hidden = |index: &crate::IndexMetadata| {
        let metadata = index.aliases.get(alias);
        metadata.is_some_and(|metadata| metadata.is_hidden == Some(true))
    };
    let (hidden, visible): (Vec<_>, Vec<_>) = state
        .indices_with_alias(alias)
        .partition(|index| is_hidden(index));
    if hidden.is_empty() || visible.is_empty() {
        return Ok(());
    }
    let names = |indices: &[&std::sync::Arc<crate::IndexMetadata>]| {
        let names: Vec<_> = indices.iter().map(|index| index.name.as_str()).collect();
        names.join(",")
    };
    let reason = format!(
        "alias [{alias}] has is_hidden set to true on indices [{}] but does not have is_hidden set to true on indices [{}]; \
         alias must have the same is_hidden setting on all indices",
        names(&hidden),
        names(&visible)
    );
    Err(Exception::new(ExceptionKind::IllegalState, reason))
}

#[cfg(test)]
mod tests {
    use oplog::UnixMillis;

    use super::*;
    use crate::change::testing::{state_with, state_with_follower};

    #[test]
    fn an_alias_is_hidden_on_all_of_its_indices_or_on_none() {
        let add = |index: &str, hidden: bool| AliasChange::Add {
            index: index.into(),
            alias: "all".into(),
            metadata: AliasMetadata {
                is_hidden: hidden.then_some(true),
                ..AliasMetadata::default()
            },
        };
        let update = |state: &ClusterState, changes: &[AliasChange], origin| {
            update_aliases(state, changes, origin, UnixMillis::new(0))
        };
        let state = update(&state_with(&["a", "b"]), &[add("a", true)], Origin::User).unwrap();
        let refused = update(&state, &[add("b", false)], Origin::User).unwrap_err();
        assert!(
            refused
                .reason()
                .contains("on indices [a] but does not have is_hidden set to true on indices [b]")
        );
        assert!(update(&state, &[add("b", true)], Origin::User).is_ok());
        assert!(update(&state, &[add("b", false), add("a", false)], Origin::User).is_ok());
        // What its leader says is no matter for a follower's cluster.
        assert!(update(&state, &[add("b", false)], Origin::Ccr).is_ok());
    }

    fn add(index: &str, alias: &str, is_write_index: Option<bool>) -> AliasChange {
        let metadata = AliasMetadata {
            is_write_index,
            ..AliasMetadata::default()
        };
        AliasChange::Add {
            index: index.into(),
            alias: alias.into(),
            metadata,
        }
    }

    fn user(state: &ClusterState, changes: &[AliasChange]) -> Result<ClusterState, Exception> {
        update_aliases(state, changes, Origin::User, UnixMillis::new(0))
    }

    #[test]
    fn aliases_change_together_and_the_version_counts_real_changes() {
        let state = user(
            &state_with(&["a", "b"]),
            &[add("a", "x", None), add("b", "x", None)],
        )
        .unwrap();
        assert_eq!(state.indices_with_alias("x").count(), 2);
        assert_eq!(state.index("a").unwrap().aliases_version, 2);
        let same = user(&state, &[add("a", "x", None)]).unwrap();
        assert_eq!(same.index("a").unwrap().aliases_version, 2);
        let remove = |must_exist| AliasChange::Remove {
            index: "a".into(),
            alias: "y".into(),
            must_exist,
        };
        assert_eq!(
            user(&state, &[remove(true)]).unwrap_err().kind(),
            ExceptionKind::AliasesNotFound
        );
        assert_eq!(
            user(&state, &[remove(false)])
                .unwrap()
                .index("a")
                .unwrap()
                .aliases_version,
            2
        );
    }

    #[test]
    fn an_alias_has_one_write_index_and_is_no_index() {
        let state = state_with(&["a", "b"]);
        let both = [add("a", "x", Some(true)), add("b", "x", Some(true))];
        assert_eq!(
            user(&state, &both).unwrap_err().kind(),
            ExceptionKind::IllegalState
        );
        assert_eq!(
            user(&state, &[add("a", "b", None)]).unwrap_err().kind(),
            ExceptionKind::InvalidAliasName
        );
        let swap = [
            AliasChange::RemoveIndex { index: "b".into() },
            add("a", "b", None),
        ];
        let swapped = user(&state, &swap).unwrap();
        assert!(swapped.index("b").is_none() && swapped.index_graveyard.len() == 1);
    }

    #[test]
    fn only_replication_changes_a_follower_s_aliases() {
        let state = state_with_follower("f");
        assert_eq!(user(&state, &[add("f", "x", None)]).unwrap_err().status(), 403);
        assert!(update_aliases(&state, &[add("f", "x", None)], Origin::Ccr, UnixMillis::new(0)).is_ok());
    }
}
